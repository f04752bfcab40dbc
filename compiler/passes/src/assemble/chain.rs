//! chain: two kernels become one where the second does nothing but sum over what the first makes at the same point (a
//! 1×1 convolution after another one), and what passes between is too large to stay in a cache.
//!
//! The kernel's schedule computes it block by block (see `kernel::chain`). Does NOT fuse where weights are so large that
//! they'd be read again and again.

use super::cut::Step;
use super::kernels::lower_nodes;
use super::pairs;
use crate::from_kernel::Machine;
use crate::kernel::{chain, collapse, inline, plan};
use onnxc_base::Diagnostic;
use onnxc_ir::graph::{Graph, NodeId, Region, ValueId};
use onnxc_ir::kernel::Kernel;
use onnxc_ops::Registry;

/// A core's share of the caches, in units of its second-level one.
const SHARE: i64 = 8;

/// Joins steps of a region.
///
/// # Errors
/// A node that can't be lowered.
pub(super) fn join(
    graph: &Graph,
    registry: &Registry,
    machine: Machine,
    region: &Region,
    steps: Vec<Step>,
) -> Result<Vec<Step>, Diagnostic> {
    let between = |nodes: &[NodeId]| passes_on(graph, nodes).filter(|v| large(graph, machine, *v));
    pairs::join(graph, region, steps, between, |_, nodes| fits(graph, registry, machine, nodes))
}

/// The one value that leaves a kernel, if it has its memory to itself.
fn passes_on(graph: &Graph, nodes: &[NodeId]) -> Option<ValueId> {
    let [v] = graph.nodes[*nodes.last()?].outputs[..] else { return None };
    graph.frame(v).is_none().then_some(v)
}

/// True if a value is larger than a core's share of the caches.
fn large(graph: &Graph, machine: Machine, v: ValueId) -> bool {
    bytes(graph, v) > SHARE * i64::from(machine.l2_bytes)
}

/// Bytes of a value, about.
pub(super) fn bytes(graph: &Graph, v: ValueId) -> i64 {
    let Some(t) = graph.tensor_type(v) else { return 0 };
    let elements = graph.ranges().estimate(&t.count());
    elements.saturating_mul(t.dtype.size() as i64)
}

/// Bytes of a kernel's constants.
pub(super) fn weights(kernel: &Kernel) -> usize {
    kernel.params.values().filter_map(|p| Some(p.value.as_ref()?.bytes().len())).sum()
}

/// True if the nodes make a kernel of the right form.
fn fits(graph: &Graph, registry: &Registry, machine: Machine, nodes: &[NodeId]) -> Result<bool, Diagnostic> {
    let Some(last) = nodes.last() else { return Ok(false) };
    let outputs = &graph.nodes[*last].outputs;
    let mut kernel = lower_nodes(graph, registry, nodes, outputs, &graph.ranges())?.kernel;
    let weights = weights(&kernel);
    inline::inline(&mut kernel);
    collapse::collapse(&mut kernel);
    Ok(weights < machine.l2_bytes as usize / 4 && is_chain(&kernel))
}

fn is_chain(kernel: &Kernel) -> bool {
    let [first, second] = plan::nests(kernel)[..] else { return false };
    first.acc.is_some() && chain::feeds(kernel, &first, &second)
}
