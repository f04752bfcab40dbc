//! windows: two kernels become one where the second slides windows over what the first makes (a depthwise convolution after
//! a 1×1 one, a pool after a convolution), and that is too large to stay in a cache.
//!
//! The kernel's schedule computes it row by row (see `kernel::sliding`). Does NOT fuse what other windows read, too, nor what
//! is faster in a transformed domain.

use super::chain::{bytes, weights};
use super::cut::Step;
use super::kernels::lower_nodes;
use super::pairs;
use crate::from_kernel::Machine;
use crate::kernel::{self, collapse, inline, plan, sliding, winograd};
use onnxc_base::Diagnostic;
use onnxc_ir::graph::{Graph, NodeId, Region, ValueId};
use onnxc_ir::kernel::Kernel;
use onnxc_ops::Registry;

/// What passes between is at least so many second-level caches.
const LARGE: i64 = 2;

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
    if machine.memory.scarce || machine.memory.thrift > 0 {
        return Ok(steps);
    }
    let between = |nodes: &[NodeId]| result(graph, nodes).filter(|v| large(graph, machine, *v));
    pairs::join(graph, region, steps, between, |first, nodes| fits(graph, registry, machine, first, nodes))
}

/// The one value that leaves a kernel, if it isn't part of another.
fn result(graph: &Graph, nodes: &[NodeId]) -> Option<ValueId> {
    let [v] = graph.nodes[*nodes.last()?].outputs[..] else { return None };
    graph.layout(v).is_none_or(|l| l.within().is_none()).then_some(v)
}

/// True if a value is so large that it had better not be written.
pub(super) fn large(graph: &Graph, machine: Machine, v: ValueId) -> bool {
    bytes(graph, v) > LARGE * i64::from(machine.l2_bytes)
}

/// True if the nodes make a kernel whose schedule has rings.
fn fits(
    graph: &Graph,
    registry: &Registry,
    machine: Machine,
    first: &[NodeId],
    nodes: &[NodeId],
) -> Result<bool, Diagnostic> {
    let lower = |nodes: &[NodeId]| {
        let outputs = nodes.last().map_or(&[][..], |n| &graph.nodes[*n].outputs);
        lower_nodes(graph, registry, nodes, outputs, &graph.ranges()).map(|k| k.kernel)
    };
    let mut whole = lower(nodes)?;
    // Each row reads all weights again.
    let small = weights(&whole) <= machine.l2_bytes as usize / 4;
    let mut simple = whole.clone();
    inline::inline(&mut simple);
    collapse::collapse(&mut simple);
    if !small || !slides(&simple) {
        return Ok(false);
    }
    let mut alone = lower(first)?;
    inline::inline(&mut alone);
    collapse::collapse(&mut alone);
    if !machine.strict && winograd::winograd(&mut alone, machine).is_some() {
        return Ok(false);
    }
    kernel::optimise(&mut whole, machine)?;
    Ok(whole.schedule.stages.iter().any(|s| s.at.is_some_and(|a| a.rolls)))
}

fn slides(kernel: &Kernel) -> bool {
    plan::nests(kernel).last().is_some_and(|w| sliding::slides_over(kernel, w).is_some())
}
