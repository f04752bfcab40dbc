//! chain: two kernels become one where the second does nothing but sum over what the first makes at the same point (a
//! 1×1 convolution after another one), and what passes between is too large to stay in a cache.
//!
//! The kernel's schedule computes it block by block (see `kernel::chain`). Does NOT fuse where weights are so large that
//! they'd be read again and again.

use super::cut::Step;
use super::kernels::lower_nodes;
use super::{pairs, windows};
use crate::from_kernel::{Machine, reduction_axes};
use crate::kernel::{chain, collapse, inline, plan};
use onnxc_base::Diagnostic;
use onnxc_ir::graph::{Graph, NodeId, Region, ValueId};
use onnxc_ir::kernel::Kernel;
use onnxc_ops::Registry;

/// Sums of so few steps, those of a depthwise convolution, take no longer than to write their results and to read them again.
const SHORT: i64 = 64;
/// Results of short sums that are larger don't come from a second-level cache, whatever the core.
const WRITTEN: i64 = 3 << 19;

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
    let least = WRITTEN.min(far(machine));
    let between = |nodes: &[NodeId]| passes_on(graph, nodes).filter(|v| bytes(graph, *v) > least);
    pairs::join(graph, region, steps, between, |first, nodes| fits(graph, registry, machine, first, nodes))
}

/// Bytes that come from memory when they are read again: what else a kernel reads has the other half of the cache.
fn far(machine: Machine) -> i64 {
    i64::from(machine.l3_bytes / 2)
}

/// The one value that leaves a kernel, if it has its memory to itself.
fn passes_on(graph: &Graph, nodes: &[NodeId]) -> Option<ValueId> {
    let [v] = graph.nodes[*nodes.last()?].outputs[..] else { return None };
    graph.frame(v).is_none().then_some(v)
}

/// True if what passes between is worth it, and not better made row by row (see `windows`) where it comes from a short sum.
fn large(graph: &Graph, machine: Machine, nodes: &[NodeId], short: bool) -> bool {
    let alone = !machine.memory.scarce && machine.memory.thrift == 0;
    let inputs = nodes.iter().flat_map(|n| graph.nodes[*n].inputs.iter().flatten());
    let short = short && alone && !inputs.copied().any(|v| windows::large(graph, machine, v));
    let least = if short { WRITTEN } else { far(machine) };
    passes_on(graph, nodes).is_some_and(|v| bytes(graph, v) > least)
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
fn fits(
    graph: &Graph,
    registry: &Registry,
    machine: Machine,
    before: &[NodeId],
    nodes: &[NodeId],
) -> Result<bool, Diagnostic> {
    let Some(last) = nodes.last() else { return Ok(false) };
    let outputs = &graph.nodes[*last].outputs;
    let mut kernel = lower_nodes(graph, registry, nodes, outputs, &graph.ranges())?.kernel;
    let weights = weights(&kernel);
    inline::inline(&mut kernel);
    collapse::collapse(&mut kernel);
    let [first, second] = plan::nests(&kernel)[..] else { return Ok(false) };
    let Some(sum) = first.acc.filter(|_| chain::feeds(&kernel, &first, &second)) else { return Ok(false) };
    let steps = reduction_axes(&kernel.defs[sum]).iter().map(|a| a.extent.as_int()).product::<Option<i64>>();
    let short = steps.is_some_and(|n| n <= SHORT);
    Ok(weights < machine.l2_bytes as usize / 4 && large(graph, machine, before, short))
}

#[cfg(test)]
mod tests {
    use crate::graph::layout_tests::{Dice, Net, lowered};
    use onnxc_base::DType;
    use onnxc_ir::graph::{Attr, Attrs};

    /// The operators of each step for a depthwise convolution of a square and a 1×1 convolution after it.
    fn steps(size: usize) -> Vec<Vec<String>> {
        let mut net = Net::new(3);
        let side = size.to_string();
        let x = net.b.tensor_input("x", DType::F32, &["1", "64", &side, &side]);
        let (w, v) = (net.weights(&[64, 1, 3, 3]), net.weights(&[8, 64, 1, 1]));
        let attrs = Attrs::default().with("pads", Attr::Ints(vec![1; 4])).with("group", Attr::Int(64));
        let a = net.node("Conv", attrs, &[x, w]);
        let b = net.node("Relu", Attrs::default(), &[a]);
        let c = net.node("Conv", Attrs::default().with("group", Attr::Int(1)), &[b, v]);
        let input = Dice(5).tensor(&[1, 64, size, size]);
        let (_, assembled) = lowered(&net.b.finish(&[c]), &[input], "a depthwise convolution");
        assembled.steps.iter().map(|s| s.ops.clone()).collect()
    }

    #[test]
    fn a_depthwise_result_beyond_the_second_level_cache_is_not_written() {
        let whole = ["Conv", "Relu", "Conv"].map(String::from).to_vec();
        assert!(steps(80).contains(&whole), "1.6 MB: {:?}", steps(80));
        assert!(!steps(24).contains(&whole));
    }
}
