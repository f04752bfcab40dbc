//! Which nodes compute each sample of a batch from that sample alone.
//!
//! The formula says so: along axis 0 everything that comes from the batch is read at the output's own index, and that
//! index is used for nothing else. Then what the node computes of one sample is what it computes of a batch of one.
//!
//! Does NOT look at values: an operator whose attributes or constants speak of the batch's size (a target shape) may pass
//! here and not fit one sample.

use crate::assemble::lower_alone;
use crate::graph::patterns::defines_symbols;
use crate::kernel::expr::{Site, def_loads, parts, walk};
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::graph::{Graph, NodeId, ValueId};
use onnxc_ir::kernel::{Body, Def, DefId, ExprKind, Kernel, Src};
use onnxc_ops::{Lower, OpRef, Registry};
use std::collections::BTreeSet;

/// Nodes of the body, in order, that compute samples on their own, from the model's inputs on; and of how many.
pub(super) fn nodes(graph: &Graph, registry: &Registry) -> Result<(Vec<NodeId>, Sym), Diagnostic> {
    let images = |v: &&ValueId| graph.tensor_type(**v).is_some_and(|t| t.rank() >= 3);
    let Some(&first) = graph.body.params.iter().find(images) else { return Ok((vec![], Sym::int(1))) };
    let size = graph.tensor_type(first).map_or(Sym::int(1), |t| t.shape[0].clone());
    let mut batch = Batch { graph, registry, size, values: BTreeSet::new() };
    if batch.size.is_one() {
        return Ok((vec![], batch.size));
    }
    batch.values = graph.body.params.iter().copied().filter(|v| batch.holds(*v)).collect();
    let mut found = vec![];
    for &n in &graph.body.nodes {
        if batch.is_independent(n)? {
            batch.values.extend(&graph.nodes[n].outputs);
            found.push(n);
        }
    }
    Ok((found, batch.size))
}

/// The values that have a sample at each index of axis 0.
struct Batch<'a> {
    graph: &'a Graph,
    registry: &'a Registry,
    size: Sym,
    values: BTreeSet<ValueId>,
}

impl Batch<'_> {
    /// True if a tensor's first extent, and no other, is the number of samples.
    fn holds(&self, v: ValueId) -> bool {
        let number = self.size.symbols();
        self.graph.tensor_type(v).is_some_and(|t| {
            let mut extents = t.shape.iter();
            extents.next() == Some(&self.size) && !extents.any(|d| d.any_symbol(&|s| number.contains(s)))
        })
    }

    fn is_independent(&self, n: NodeId) -> Result<bool, Diagnostic> {
        let node = &self.graph.nodes[n];
        let given = |v: &ValueId| self.values.contains(v) || self.graph.constant(*v).is_some();
        let some = node.inputs.iter().flatten().any(|v| self.values.contains(v));
        let fits = node.regions.is_empty() && some && node.inputs.iter().flatten().all(given);
        if !fits || !node.outputs.iter().all(|v| self.holds(*v)) || defines_symbols(self.graph, n) {
            return Ok(false);
        }
        Ok(match self.registry.find(&node.op) {
            Some(OpRef::Builtin(d)) => match d.lower {
                // The same elements in the same order, of as many samples.
                Lower::Alias => node.inputs[0].is_some_and(|v| self.values.contains(&v)),
                Lower::Compute(_) | Lower::View(_) => self.own_samples(n, &lower_alone(self.graph, self.registry, n)?),
                _ => false,
            },
            _ => false,
        })
    }

    /// True if every definition of a node's kernel that depends on the batch reads it at its own first index only.
    fn own_samples(&self, n: NodeId, kernel: &Kernel) -> bool {
        let inputs = self.graph.nodes[n].inputs.iter().flatten();
        let mut seen = BTreeSet::new();
        let params: Vec<bool> = inputs.filter(|v| seen.insert(**v)).map(|v| self.values.contains(v)).collect();
        let mut defs: BTreeSet<DefId> = BTreeSet::new();
        for (id, d) in kernel.defs.iter() {
            let of_batch = |s: &Site| match s.src {
                Src::Param(p) => kernel.params.keys().zip(&params).any(|(k, batch)| k == p && *batch),
                Src::Def(d) => defs.contains(&d),
            };
            if def_loads(d).iter().any(of_batch) {
                if d.axes.first().is_none_or(|a| a.extent != self.size) || !own_index(d, &of_batch) {
                    return false;
                }
                defs.insert(id);
            }
        }
        kernel.checks.is_empty()
            && params.len() == kernel.params.len()
            && kernel.outputs.iter().all(|d| defs.contains(d))
    }
}

/// True if a definition uses its first index to read what `of_batch` says there, and for nothing else.
fn own_index(d: &Def, of_batch: &dyn Fn(&Site) -> bool) -> bool {
    let own = &d.axes[0].var;
    let mut mentions = 0;
    for e in parts(&d.body) {
        walk(e, &mut |e| mentions += usize::from(matches!(e.kind(), ExprKind::Int(s) if s.contains(own))));
    }
    let sites = def_loads(d);
    let sites: Vec<&Site> = sites.iter().filter(|s| of_batch(s)).collect();
    let reduced = matches!(&d.body, Body::Reduce { axes, .. } if axes.iter().any(|a| a.extent.contains(own)));
    let read = |s: &&Site| s.index.first().is_some_and(|i| i.as_ref().and_then(Sym::as_symbol) == Some(own));
    !reduced && sites.iter().all(read) && mentions == sites.len()
}
