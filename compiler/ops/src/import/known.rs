//! What an import may know of values before the graph has types: an operator that depends on ranks infers a copy of what
//! stands before its node. Extents that aren't numbers mean nothing here: their symbols are those of the copy.
//!
//! Does NOT change the graph, or report what is wrong with it.

use crate::infer::{infer_graph, unknown_type};
use crate::registry::Registry;
use onnxc_ir::graph::{Graph, NodeId, SymbolSource, Type, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// Types of values, as far as they are known.
#[derive(Default)]
pub struct Known {
    registry: Registry,
    types: BTreeMap<ValueId, Type>,
    changing: BTreeSet<ValueId>,
}

impl Known {
    /// Nothing yet; what is to be learned has operators of `registry`.
    pub fn new(registry: &Registry) -> Self {
        Known { registry: registry.clone(), ..Known::default() }
    }

    /// Infers what `nodes`, which are in order, make. What is wrong with them is said when the graph is inferred.
    pub fn learn(&mut self, graph: &Graph, nodes: Vec<NodeId>) {
        let mut copy = graph.clone();
        copy.body.nodes = nodes;
        copy.body.results.clear();
        infer_graph(&mut copy, &self.registry);
        for (v, data) in copy.values.iter().filter(|(_, data)| data.ty != unknown_type()) {
            self.types.insert(v, data.ty.clone());
            let source = |axis: usize| SymbolSource::Carried(v, axis as u32);
            let own = |(axis, d): (usize, &onnxc_base::Sym)| {
                d.as_symbol().and_then(|s| copy.symbols.get(s)).is_some_and(|i| i.source == source(axis))
            };
            if data.ty.as_tensor().is_some_and(|t| t.shape.iter().enumerate().any(own)) {
                self.changing.insert(v);
            }
        }
    }

    /// `new` is like `old`.
    pub fn same(&mut self, old: ValueId, new: ValueId) {
        if let Some(t) = self.types.get(&old).cloned() {
            self.types.insert(new, t);
        }
        if self.changing.contains(&old) {
            self.changing.insert(new);
        }
    }

    /// A value's type.
    pub fn of(&self, v: ValueId) -> Option<&Type> {
        self.types.get(&v)
    }

    /// How many axes a tensor has.
    pub fn rank(&self, v: ValueId) -> Option<usize> {
        self.of(v)?.as_tensor().map(|t| t.rank())
    }

    /// The extents of a tensor that are numbers.
    pub fn extents(&self, v: ValueId) -> Option<Vec<Option<i64>>> {
        Some(self.of(v)?.as_tensor()?.shape.iter().map(|d| d.as_int()).collect())
    }

    /// Is it a sequence?
    pub fn is_sequence(&self, v: ValueId) -> bool {
        matches!(self.of(v), Some(Type::Sequence(_)))
    }

    /// Is it a value of a loop whose shape iterations change?
    pub fn changes(&self, v: ValueId) -> bool {
        self.changing.contains(&v)
    }
}
