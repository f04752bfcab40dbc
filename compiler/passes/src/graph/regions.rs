//! Regions of a graph one by one, and which of a region's values only kernels of that region see.

use crate::assemble::cut::captured;
use onnxc_ir::graph::{Graph, NodeId, Region, ValueId};
use onnxc_ops::custom::CustomBody;
use onnxc_ops::{Lower, OpRef, Registry};
use std::collections::BTreeSet;

/// A region: that of a node, by its number, or the body.
pub type Owner = Option<(NodeId, usize)>;

/// Every region, outer ones first.
pub fn owners(graph: &Graph) -> Vec<Owner> {
    let mut all = vec![None];
    let mut at = 0;
    while at < all.len() {
        for &n in &region(graph, all[at]).nodes {
            all.extend((0..graph.nodes[n].regions.len()).map(|i| Some((n, i))));
        }
        at += 1;
    }
    all
}

/// A region.
pub fn region(graph: &Graph, owner: Owner) -> &Region {
    match owner {
        None => &graph.body,
        Some((n, i)) => &graph.nodes[n].regions[i],
    }
}

/// Who sees the values of a region.
pub struct Seen {
    /// Results, values of regions inside, and what others than kernels read.
    outside: BTreeSet<ValueId>,
    /// What kernels make.
    made: BTreeSet<ValueId>,
}

impl Seen {
    /// Of a region.
    pub fn new(graph: &Graph, registry: &Registry, region: &Region) -> Seen {
        let mut seen = Seen { outside: region.results.iter().copied().collect(), made: BTreeSet::new() };
        for &n in &region.nodes {
            let node = &graph.nodes[n];
            for r in &node.regions {
                captured(graph, r, &mut |v| {
                    seen.outside.insert(v);
                });
            }
            if is_kernel(graph, registry, n) {
                seen.made.extend(&node.outputs);
                seen.outside.extend(read_for_extents(graph, registry, n));
            } else {
                seen.outside.extend(node.inputs.iter().flatten());
            }
        }
        seen
    }

    /// True if nobody but kernels of this region reads a value.
    pub fn by_kernels_only(&self, v: ValueId) -> bool {
        !self.outside.contains(&v)
    }

    /// True if a kernel of this region makes a value.
    pub fn made(&self, v: ValueId) -> bool {
        self.made.contains(&v)
    }
}

/// What a node's operator may read to compute its output's extents before its kernel runs: it takes such a tensor as
/// plain memory. Input 0 is data unless it is a list, as for `Range` and `ConstantOfShape`.
fn read_for_extents(graph: &Graph, registry: &Registry, n: NodeId) -> impl Iterator<Item = ValueId> {
    let reads = matches!(registry.find(&graph.nodes[n].op), Some(OpRef::Builtin(d)) if d.extents.is_some());
    let list = |v: ValueId| graph.tensor_type(v).is_none_or(|t| t.rank() <= 1);
    let inputs = graph.nodes[n].inputs.iter().enumerate().filter_map(|(k, v)| Some((k, (*v)?)));
    inputs.filter(move |&(k, v)| reads && (k > 0 || list(v))).map(|(_, v)| v)
}

fn is_kernel(graph: &Graph, registry: &Registry, n: NodeId) -> bool {
    match registry.find(&graph.nodes[n].op) {
        Some(OpRef::Builtin(d)) => matches!(d.lower, Lower::Compute(_) | Lower::View(_)),
        Some(OpRef::Custom(c)) => matches!(c.body(), CustomBody::Compute(_)),
        None => false,
    }
}
