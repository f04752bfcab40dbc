//! Regions: what they take from around them, copies of them, and which of their nodes are needed.

use crate::prelude::*;
use onnxc_ir::graph::{Graph, NodeId, Region, ValueData, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// Which values stand for which.
pub(crate) type Now = BTreeMap<ValueId, ValueId>;

/// What a node reads: its inputs, and what its regions take from around them.
pub(crate) fn reads(graph: &Graph, id: NodeId) -> Vec<ValueId> {
    let node = &graph.nodes[id];
    let captured = node.regions.iter().flat_map(|r| captured(graph, r));
    node.inputs.iter().flatten().copied().chain(captured).collect()
}

/// What a region takes from around it.
pub(crate) fn captured(graph: &Graph, region: &Region) -> Vec<ValueId> {
    let made = region.nodes.iter().flat_map(|&n| &graph.nodes[n].outputs);
    let own: BTreeSet<ValueId> = region.params.iter().chain(made).copied().collect();
    let inner = region.nodes.iter().flat_map(|&n| reads(graph, n));
    inner.chain(region.results.iter().copied()).filter(|v| !own.contains(v)).collect()
}

/// A copy of a node that reads other values, also inside its regions.
pub(crate) fn copy(n: &mut NodeReader, id: NodeId, now: &Now) -> Result<(NodeId, Vec<ValueId>)> {
    let node = n.graph.nodes[id].clone();
    let mut regions = Vec::new();
    for old in &node.regions {
        let mut now = now.clone();
        let params = old.params.iter().map(|&p| {
            let data = ValueData { content: None, ..n.graph.values[p].clone() };
            let new = n.graph.values.push(data);
            n.known.same(p, new);
            now.insert(p, new);
            new
        });
        let mut region = Region { params: params.collect(), nodes: vec![], results: vec![] };
        region.results = n.inside(&mut region, |n| Ok(copy_nodes(n, old, &mut now)?.1))?;
        regions.push(region);
    }
    let inputs: Vec<_> = node.inputs.iter().map(|v| v.map(|v| at(now, v))).collect();
    let outputs = n.emit_regions(node.op, node.attrs, &inputs, node.outputs.len(), regions);
    node.outputs.iter().zip(&outputs).for_each(|(&old, &new)| n.known.same(old, new));
    Ok((*n.emitted().last().expect("a node was emitted"), outputs))
}

fn at(now: &Now, v: ValueId) -> ValueId {
    now.get(&v).copied().unwrap_or(v)
}

/// Copies of a region's nodes, and what its results are then.
pub(crate) fn copy_nodes(n: &mut NodeReader, region: &Region, now: &mut Now) -> Result<(Vec<NodeId>, Vec<ValueId>)> {
    let mut nodes = Vec::new();
    for &id in &region.nodes {
        let from = n.graph.nodes[id].outputs.clone();
        let (copy, outputs) = copy(n, id, now)?;
        now.extend(from.into_iter().zip(outputs));
        nodes.push(copy);
    }
    Ok((nodes, region.results.iter().map(|&v| at(now, v)).collect()))
}

/// Drops the nodes that a region's results don't need; gives what is needed.
pub(crate) fn prune(graph: &Graph, region: &mut Region) -> BTreeSet<ValueId> {
    let mut needed: BTreeSet<ValueId> = region.results.iter().copied().collect();
    let mut kept = Vec::new();
    for &id in region.nodes.iter().rev() {
        if graph.nodes[id].outputs.iter().any(|v| needed.contains(v)) {
            needed.extend(reads(graph, id));
            kept.push(id);
        }
    }
    kept.reverse();
    region.nodes = kept;
    needed
}
