//! The derivatives through If.
//!
//! The share of what the branches take from around them is another If with the same condition: its branches compute the
//! branch anew, then go backwards through it.

use super::{Shares, rules, through};
use crate::ops::regions::{Now, copy_nodes, reads};
use crate::prelude::*;
use onnxc_ir::graph::{NodeId, Region, ValueId};
use std::collections::BTreeSet;

/// The shares of those of `depends` that the branches of a node read, of the derivatives `from` of its outputs.
pub(super) fn shares(
    n: &mut NodeReader,
    id: NodeId,
    from: &[Option<ValueId>],
    depends: &BTreeSet<ValueId>,
) -> Result<Shares> {
    let node = n.graph.nodes[id].clone();
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
