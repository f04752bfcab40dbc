//! attention: three kernels become one because only parts of what passes between them need ever exist: a contraction,
//! what is taken along the rows of its result, and a contraction with those rows.
//!
//! Kernels are joined if each one's result is wanted by the next alone, the second keeps the first one's shape, and the
//! kernel that they would be has such a schedule (`kernel::attention`). Views in front of them and behind them join as
//! well where nothing else wants what they read and give.

use super::cut::{Step, is_view, uses};
use super::kernels::lower_nodes;
use crate::from_kernel::Machine;
use crate::kernel::attention;
use onnxc_base::{Diagnostic, EntityRef, Ranges};
use onnxc_ir::graph::{Graph, NodeId, Region, ValueId};
use onnxc_ops::Registry;
use std::collections::BTreeMap;

struct Joiner<'a> {
    graph: &'a Graph,
    registry: &'a Registry,
    machine: Machine,
    ranges: &'a Ranges,
    /// Where each node stands in the region.
    places: BTreeMap<NodeId, usize>,
    /// The place of each use of a value; `usize::MAX` for uses elsewhere.
    uses: Vec<Vec<usize>>,
}

/// Joins steps of a region.
///
/// # Errors
/// A node that can't be lowered.
pub(super) fn join(
    graph: &Graph,
    registry: &Registry,
    machine: Machine,
    ranges: &Ranges,
    region: &Region,
    mut steps: Vec<Step>,
) -> Result<Vec<Step>, Diagnostic> {
    let places = region.nodes.iter().enumerate().map(|(at, &n)| (n, at)).collect();
    let j = Joiner { graph, registry, machine, ranges, places, uses: uses(graph, region) };
    let mut gone = vec![false; steps.len()];
    let results = steps.iter().enumerate().filter_map(|(s, step)| Some((j.result(kernel(step))?, s)));
    // Only of steps that are as the cut has left them.
    let mut makers: BTreeMap<ValueId, usize> = results.collect();
    for last in 0..steps.len() {
        let Some((first, middle)) = j.before(&steps, &makers, last) else { continue };
        let nodes = j.in_order([first, middle, last].iter().flat_map(|&s| kernel(&steps[s])));
        if !j.fits(&nodes)? {
            continue;
        }
        let (nodes, joined) = j.with_views(&steps, nodes, [first, middle, last])?;
        let place = joined.iter().copied().max().unwrap_or(last);
        for s in joined {
            gone[s] = s != place;
            makers.retain(|_, m| *m != s);
        }
        steps[place] = Step::Kernel(nodes);
    }
    let mut gone = gone.into_iter();
    steps.retain(|_| gone.next() != Some(true));
    Ok(steps)
}

/// The nodes of a step that is a kernel.
fn kernel(step: &Step) -> &[NodeId] {
    match step {
        Step::Kernel(nodes) => nodes,
        Step::Node(_) => &[],
    }
}

/// The only output of a node.
fn only_output(graph: &Graph, node: NodeId) -> Option<ValueId> {
    match graph.nodes[node].outputs[..] {
        [v] => Some(v),
        _ => None,
    }
}

impl Joiner<'_> {
    /// The steps that lead to one: whose result is wanted by the next alone.
    fn before(&self, steps: &[Step], makers: &BTreeMap<ValueId, usize>, last: usize) -> Option<(usize, usize)> {
        let feeds = |to: usize| -> Vec<usize> {
            let nodes = kernel(&steps[to]);
            let inputs = nodes.iter().flat_map(|&n| self.graph.nodes[n].inputs.iter().flatten());
            inputs.filter(|v| self.wanted_by(Some(**v), nodes)).filter_map(|v| makers.get(v).copied()).collect()
        };
        let shape = |s: usize| self.result(kernel(&steps[s])).and_then(|v| self.graph.stored_shape(v));
        feeds(last).into_iter().find_map(|middle| {
            let same = |first: &usize| shape(*first).is_some_and(|d| d.len() >= 2 && Some(d) == shape(middle));
            Some((feeds(middle).into_iter().find(same)?, middle))
        })
    }

    /// Takes in views whose results nothing else wants, before the kernel and right after it; gives the nodes, and the
    /// steps that they are from.
    fn with_views(
        &self,
        steps: &[Step],
        mut nodes: Vec<NodeId>,
        from: [usize; 3],
    ) -> Result<(Vec<NodeId>, Vec<usize>), Diagnostic> {
        let mut joined = from.to_vec();
        for (s, step) in steps.iter().enumerate() {
            let [view] = kernel(step) else { continue };
            let before = self.wanted_by(only_output(self.graph, *view), &nodes);
            let after = self.wanted_by(self.result(&nodes), &[*view]);
            if joined.contains(&s) || !(before || after) || !is_view(self.graph, self.registry, *view)? {
                continue;
            }
            let with = self.in_order(nodes.iter().chain([view]));
            if self.fits(&with)? {
                nodes = with;
                joined.push(s);
            }
        }
        Ok((nodes, joined))
    }

    /// The one value of a kernel that others want.
    fn result(&self, nodes: &[NodeId]) -> Option<ValueId> {
        nodes.last().and_then(|&n| only_output(self.graph, n))
    }

    /// True if nothing but some nodes uses a value.
    fn wanted_by(&self, v: Option<ValueId>, nodes: &[NodeId]) -> bool {
        let Some(v) = v else { return false };
        let uses = &self.uses[v.index()];
        let inside = |u: &usize| nodes.iter().any(|n| self.places.get(n) == Some(u));
        !uses.is_empty() && uses.iter().all(inside)
    }

    fn in_order<'n>(&self, nodes: impl Iterator<Item = &'n NodeId>) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = nodes.copied().collect();
        nodes.sort_by_key(|n| self.places.get(n).copied());
        nodes
    }

    fn fits(&self, nodes: &[NodeId]) -> Result<bool, Diagnostic> {
        let Some(last) = nodes.last() else { return Ok(false) };
        let outputs = &self.graph.nodes[*last].outputs;
        let k = lower_nodes(self.graph, self.registry, nodes, outputs, self.ranges)?;
        attention::applies(&k.kernel, self.machine)
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::layout_tests::{Dice, Net, lowered};
    use onnxc_base::DType;
    use onnxc_ir::graph::{Attr, Attrs, ValueId};

    fn transposed(net: &mut Net, x: ValueId, perm: [i64; 4]) -> ValueId {
        net.node("Transpose", Attrs::default().with("perm", Attr::Ints(perm.to_vec())), &[x])
    }

    /// Self-attention of two heads as exporters spell it, with a mask and what follows; lengths may be symbols.
    fn spelled(length: &str) -> Vec<String> {
        let mut net = Net::new(11);
        let x = net.b.tensor_input("x", DType::F32, &["2", length, "32"]);
        let mask = net.b.tensor_input("mask", DType::F32, &["2", "1", "1", length]);
        let heads = net.ints(&[0, 0, 2, 16]);
        let [q, k, v] = [[0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]].map(|perm| {
            let (w, b) = (net.weights(&[32, 32]), net.weights(&[32]));
            let y = net.node("MatMul", Attrs::default(), &[x, w]);
            let y = net.node("Add", Attrs::default(), &[y, b]);
            let y = net.node("Reshape", Attrs::default(), &[y, heads]);
            transposed(&mut net, y, perm)
        });
        let scores = net.node("MatMul", Attrs::default(), &[q, k]);
        let scale = net.weights(&[1]);
        let scores = net.node("Mul", Attrs::default(), &[scores, scale]);
        let scores = net.node("Add", Attrs::default(), &[scores, mask]);
        let softmax = Attrs::default().with("axis", Attr::Int(-1)).with("flattened", Attr::Int(0));
        let weights = net.node("Softmax", softmax, &[scores]);
        let y = net.node("MatMul", Attrs::default(), &[weights, v]);
        let y = transposed(&mut net, y, [0, 2, 1, 3]);
        let mut dice = Dice(5);
        let inputs = [dice.tensor(&[2, 21, 32]), dice.tensor(&[2, 1, 1, 21])];
        let (_, assembled) = lowered(&net.b.finish(&[y]), &inputs, "attention");
        let sorted = |ops: &[String]| {
            let mut ops = ops.to_vec();
            ops.sort_unstable();
            ops.join(" ")
        };
        assembled.steps.iter().filter(|s| s.function.is_some()).map(|s| sorted(&s.ops)).collect()
    }

    #[test]
    fn exported_attention_is_one_kernel() {
        let one = "Add MatMul MatMul Mul Softmax Transpose Transpose Transpose Transpose";
        for length in ["21", "s"] {
            let steps = spelled(length);
            assert!(steps.iter().any(|s| s == one), "{length}: {steps:?}");
        }
    }
}
