//! The derivatives through If, and copies of regions.
//!
//! The share of what the branches take from around them is another If with the same condition: its branches compute the
//! branch anew, then go backwards through it. Loop and Scan are copied as well, but not derived.

use super::{reads, rules, through};
use crate::prelude::*;
use onnxc_ir::graph::{NodeId, OpName, Region, ValueData, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// Which values stand for which.
type Now = BTreeMap<ValueId, ValueId>;

/// The shares of those of `depends` that the branches of a node read, of the derivatives `from` of its outputs.
pub(super) fn shares(
    n: &mut NodeReader,
    id: NodeId,
    from: &[Option<ValueId>],
    depends: &BTreeSet<ValueId>,
) -> Result<Vec<(ValueId, ValueId)>> {
    let node = n.graph.nodes[id].clone();
    if node.op != OpName::onnx("If") {
        return Err(rules::refused(n, id));
    }
    let inputs: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
    let read: BTreeSet<ValueId> = reads(n.graph, id).into_iter().collect();
    let wanted: Vec<ValueId> = read.into_iter().filter(|v| depends.contains(v) && !inputs.contains(v)).collect();
    let mut regions = Vec::new();
    for branch in &node.regions {
        let mut region = Region { params: vec![], nodes: vec![], results: vec![] };
        region.results = n.inside(&mut region, |n| {
            let (nodes, results) = copy_nodes(n, branch, &mut Now::new())?;
            let seeds: Vec<_> = results.into_iter().zip(from).filter_map(|(y, g)| Some((y, (*g)?))).collect();
            let shares = through(n, &nodes, &seeds, &wanted)?;
            // A value of the branch's own for each.
            let own = |n: &mut NodeReader, (&v, share): (&ValueId, Option<ValueId>)| match share {
                Some(share) => n.emit_one("Identity", &[], &[Some(share)]),
                None => rules::filled(n, 0.0, v),
            };
            wanted.iter().zip(shares).map(|pair| own(n, pair)).collect::<Result<Vec<_>>>()
        })?;
        regions.push(region);
    }
    let outputs = n.emit_regions(node.op, node.attrs, &node.inputs, wanted.len(), regions);
    Ok(wanted.into_iter().zip(outputs).collect())
}

/// A copy of a node that reads other values, also inside its regions.
pub(super) fn copy(n: &mut NodeReader, id: NodeId, now: &Now) -> Result<(NodeId, Vec<ValueId>)> {
    let node = n.graph.nodes[id].clone();
    let mut regions = Vec::new();
    for old in &node.regions {
        let mut now = now.clone();
        let params = old.params.iter().map(|&p| {
            let data = ValueData { content: None, ..n.graph.values[p].clone() };
            let new = n.graph.values.push(data);
            now.insert(p, new);
            new
        });
        let mut region = Region { params: params.collect(), nodes: vec![], results: vec![] };
        region.results = n.inside(&mut region, |n| Ok(copy_nodes(n, old, &mut now)?.1))?;
        regions.push(region);
    }
    let inputs: Vec<_> = node.inputs.iter().map(|v| v.map(|v| at(now, v))).collect();
    let outputs = n.emit_regions(node.op, node.attrs, &inputs, node.outputs.len(), regions);
    Ok((*n.emitted().last().expect("a node was emitted"), outputs))
}

fn at(now: &Now, v: ValueId) -> ValueId {
    now.get(&v).copied().unwrap_or(v)
}

/// Copies of a region's nodes, and what its results are then.
fn copy_nodes(n: &mut NodeReader, region: &Region, now: &mut Now) -> Result<(Vec<NodeId>, Vec<ValueId>)> {
    let mut nodes = Vec::new();
    for &id in &region.nodes {
        let from = n.graph.nodes[id].outputs.clone();
        let (copy, outputs) = copy(n, id, now)?;
        now.extend(from.into_iter().zip(outputs));
        nodes.push(copy);
    }
    Ok((nodes, region.results.iter().map(|&v| at(now, v)).collect()))
}
