//! order: where RAM is scarce, nodes run in an order in which little is alive at one time.
//!
//! The order is found by taking, of the nodes that could run next, the one after which the least is alive; it is kept
//! if it has a lower peak than the model's own. A node that changes nothing but elements counts as done in place. Does
//! NOT try all orders.

use super::regions::{owners, region};
use crate::assemble::cut::captured;
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::Diagnostics;
use onnxc_ir::graph::{Graph, NodeId, Region, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "order", about: "run nodes in an order that needs less memory", level: 2, run };

/// Longer regions stay as they are: every choice looks at all nodes that are ready.
const MOST: usize = 4096;

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    if !cx.machine.memory.scarce {
        return Ok(());
    }
    for owner in owners(graph) {
        let r = region(graph, owner);
        if r.nodes.len() > MOST {
            continue;
        }
        let found = greedy(graph, r);
        if peak(graph, r, &found) < peak(graph, r, &r.nodes) && cx.editor.note(PASS.name, "the nodes' order") {
            match owner {
                None => graph.body.nodes = found,
                Some((n, i)) => graph.nodes[n].regions[i].nodes = found,
            }
        }
    }
    Ok(())
}

/// What a node reads of the region's own values.
fn reads(graph: &Graph, n: NodeId, made: &BTreeSet<ValueId>) -> BTreeSet<ValueId> {
    let mut all: BTreeSet<ValueId> = graph.nodes[n].inputs.iter().flatten().copied().collect();
    graph.nodes[n].regions.iter().for_each(|r| {
        captured(graph, r, &mut |v| {
            all.insert(v);
        });
    });
    all.retain(|v| made.contains(v));
    all
}

fn bytes(graph: &Graph, v: ValueId) -> i64 {
    let size = || {
        let t = graph.tensor_type(v)?;
        Some(t.count().as_int()? * t.dtype.size() as i64)
    };
    size().unwrap_or(0)
}

/// Memory while nodes run one after the other.
struct Memory<'g> {
    graph: &'g Graph,
    made: BTreeSet<ValueId>,
    /// Nodes that will still read a value; results are read for ever.
    left: BTreeMap<ValueId, usize>,
    alive: i64,
}

impl<'g> Memory<'g> {
    fn new(graph: &'g Graph, region: &Region) -> Self {
        let made: BTreeSet<ValueId> = region.nodes.iter().flat_map(|n| graph.nodes[*n].outputs.clone()).collect();
        let mut left = BTreeMap::new();
        for &n in &region.nodes {
            reads(graph, n, &made).into_iter().for_each(|v| *left.entry(v).or_default() += 1);
        }
        region.results.iter().for_each(|v| *left.entry(*v).or_default() += 1);
        Memory { graph, made, left, alive: 0 }
    }

    /// Bytes that become alive with a node, and those that end with it.
    fn change(&self, n: NodeId) -> (i64, i64) {
        let new = self.graph.nodes[n].outputs.iter().map(|v| bytes(self.graph, *v)).sum();
        let last = |v: &ValueId| self.left.get(v) == Some(&1);
        let ends = reads(self.graph, n, &self.made).into_iter().filter(last).map(|v| bytes(self.graph, v)).sum();
        (new, ends)
    }

    /// Runs a node; gives the bytes alive meanwhile.
    fn step(&mut self, n: NodeId) -> i64 {
        let (new, ends) = self.change(n);
        // An operand of the same size that ends gives its memory to the result.
        let most = if new == ends { self.alive } else { self.alive + new };
        self.alive += new - ends;
        for v in reads(self.graph, n, &self.made) {
            if let Some(l) = self.left.get_mut(&v) {
                *l -= 1;
            }
        }
        most
    }
}

fn peak(graph: &Graph, region: &Region, order: &[NodeId]) -> i64 {
    let mut memory = Memory::new(graph, region);
    order.iter().map(|n| memory.step(*n)).max().unwrap_or(0)
}

fn greedy(graph: &Graph, region: &Region) -> Vec<NodeId> {
    let mut memory = Memory::new(graph, region);
    let mut done: BTreeSet<ValueId> = BTreeSet::new();
    let mut todo = region.nodes.clone();
    let mut order = Vec::with_capacity(todo.len());
    while !todo.is_empty() {
        let ready = |n: &NodeId| reads(graph, *n, &memory.made).iter().all(|v| done.contains(v));
        let cost = |n: &NodeId| {
            let (new, ends) = memory.change(*n);
            (new - ends, new)
        };
        let next = todo.iter().enumerate().filter(|(_, n)| ready(n)).min_by_key(|(i, n)| (cost(n), *i)).map(|(i, _)| i);
        // Nodes stand in an order that works, so the first one left is always ready.
        let n = todo.remove(next.unwrap_or(0));
        memory.step(n);
        done.extend(&graph.nodes[n].outputs);
        order.push(n);
    }
    order
}
