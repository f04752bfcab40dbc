//! How many nodes of a batch are better run sample by sample: those after which the least is read from far.
//!
//! Where a tensor comes from when it is read again goes by its size: what a layer makes of all samples may be in memory
//! where what it makes of one is still in a cache. In return each sample reads all weights again, and what leaves the
//! nodes is copied. What is computed on the way, as activations are, is in registers.

use crate::assemble::cut::is_pointwise;
use crate::from_kernel::Machine;
use onnxc_base::{Diagnostic, Ranges, Sym};
use onnxc_ir::graph::{Graph, NodeId, ValueId};
use onnxc_ops::Registry;

/// Samples where nobody knows how many there are.
const SAMPLES: i64 = 8;

/// What reading a byte costs, in bytes from the third-level cache: that of a tensor of so many bytes. Memory gives half as
/// many in a cycle (see `kernel::winograd::traffic`).
fn cost(machine: Machine, bytes: i64) -> i64 {
    i64::from(bytes > i64::from(machine.l2_bytes)) + i64::from(bytes > i64::from(machine.l3_bytes / 2))
}

/// The first of the nodes that are worth it; none: it isn't.
pub(super) fn best<'n>(
    graph: &Graph,
    registry: &Registry,
    machine: Machine,
    nodes: &'n [NodeId],
    size: &Sym,
) -> Result<&'n [NodeId], Diagnostic> {
    let ranges = graph.ranges();
    let samples = size.as_int().unwrap_or(SAMPLES);
    let all = |one: i64| one.saturating_mul(samples);
    let (mut saved, mut weights) = (0i64, 0i64);
    // Less than the second-level cache holds isn't worth a loop.
    let mut best = (i64::from(machine.l2_bytes), 0);
    for (i, &n) in nodes.iter().enumerate() {
        if !is_pointwise(graph, registry, n)? {
            let node = &graph.nodes[n];
            let (constants, tensors): (Vec<ValueId>, Vec<ValueId>) =
                node.inputs.iter().flatten().chain(&node.outputs).partition(|v| graph.constant(**v).is_some());
            weights = constants.iter().map(|v| bytes(graph, &ranges, *v, 0)).fold(weights, i64::saturating_add);
            let one = tensors.iter().map(|v| bytes(graph, &ranges, *v, 1));
            let nearer = one.map(|b| all(b).saturating_mul(cost(machine, all(b)) - cost(machine, b)));
            saved = nearer.fold(saved, i64::saturating_add);
        }
        if saved <= best.0 {
            continue;
        }
        let left = super::leaving(graph, &nodes[..=i]).into_iter().map(|v| all(bytes(graph, &ranges, v, 1)));
        let copied = left.map(|b| b.saturating_mul(2 * cost(machine, b))).fold(0, i64::saturating_add);
        let again = weights.saturating_mul((samples - 1) * cost(machine, weights));
        let gain = saved.saturating_sub(copied).saturating_sub(again);
        if gain > best.0 {
            best = (gain, i + 1);
        }
    }
    Ok(&nodes[..best.1])
}

/// Bytes of a value without its first axes, about.
fn bytes(graph: &Graph, ranges: &Ranges, v: ValueId, without: usize) -> i64 {
    let Some(t) = graph.tensor_type(v) else { return 0 };
    let extents = t.shape[without.min(t.rank())..].iter().map(|d| ranges.estimate(d));
    extents.fold(t.dtype.size() as i64, i64::saturating_mul)
}
