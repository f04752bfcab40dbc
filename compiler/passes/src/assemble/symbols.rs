//! Symbols of shapes during the run: which are known before it, and how each gets its value.

use super::Assembler;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic};
use onnxc_ir::graph::{Graph, NodeId, Region, SymbolSource, ValueId};
use onnxc_ir::loops::{CmpOp, Value};
use onnxc_ops::routine::TensorBuf;
use onnxc_ops::{OpRef, RoutineCx};
use std::collections::BTreeSet;

/// The status for dims that don't agree with the input values.
pub(super) const PLAN_MISMATCH: i32 = 4;

/// Symbols known before the run: dims of inputs, and what `NAME_plan` computes from input values.
pub(super) fn early(graph: &Graph) -> Vec<Symbol> {
    graph.symbols.iter().filter(|(_, i)| is_early(graph, i.source)).map(|(s, _)| s.clone()).collect()
}

/// Elements of the model's inputs, and extents of nodes whose inputs are inputs of the model or constants.
pub(super) fn is_early(graph: &Graph, source: SymbolSource) -> bool {
    let input = |v: ValueId| graph.body.params.contains(&v);
    match source {
        SymbolSource::Dim(..) => true,
        SymbolSource::Element(v, _) => input(v),
        // The plan has no objects.
        SymbolSource::Extent(n, _) => graph.nodes[n].op.domain != onnxc_ops::handles::DOMAIN && planned_node(graph, n),
        SymbolSource::Result(..) | SymbolSource::Carried(..) => false,
    }
}

/// Input 0 of such a node gives dims only, unless it is as small as what `Range` or `ConstantOfShape` read; what else it
/// reads must be at hand before the run.
fn planned_node(graph: &Graph, n: NodeId) -> bool {
    let at_hand = |v: &ValueId| graph.body.params.contains(v) || graph.constant(*v).is_some();
    let dims_early = |v: &ValueId| {
        graph.tensor_type(*v).is_some_and(|t| {
            t.shape.iter().all(|d| {
                d.symbols()
                    .iter()
                    .all(|s| matches!(graph.symbols.get(s).map(|i| i.source), Some(SymbolSource::Dim(..))))
            })
        })
    };
    let inputs: Vec<ValueId> = graph.nodes[n].inputs.iter().flatten().copied().collect();
    let small = |v: &ValueId| {
        graph.tensor_type(*v).is_some_and(|t| t.rank() <= 1 && t.count().as_int().is_some_and(|n| n <= 16))
    };
    inputs.iter().skip(1).all(at_hand) && inputs.first().is_none_or(|x| at_hand(x) || !small(x) && dims_early(x))
}

impl Assembler<'_> {
    /// Symbols of shapes, of guards, and of the ranges of those; and what operators work in, where nothing bounds it.
    pub(super) fn used_symbols(&self) -> BTreeSet<Symbol> {
        let mut used = BTreeSet::new();
        for v in self.graph.values.values() {
            if let Some(t) = v.ty.as_tensor() {
                t.shape.iter().for_each(|d| used.extend(d.symbols()));
            }
        }
        for g in &self.graph.guards {
            used.extend(g.left.symbols());
            used.extend(g.right.symbols());
        }
        let mut nodes = BTreeSet::new();
        self.reached(&self.graph.body, &mut nodes);
        for (s, info) in &self.graph.symbols {
            if matches!((info.source, &info.hi), (SymbolSource::Extent(n, _), None) if nodes.contains(&n)) {
                used.insert(s.clone());
            }
        }
        for (s, info) in self.graph.symbols.iter().rev() {
            if let (true, Some(hi)) = (used.contains(s), &info.hi) {
                used.extend(hi.symbols());
            }
        }
        used
    }

    /// The nodes of a region and of those inside of it.
    fn reached(&self, region: &Region, nodes: &mut BTreeSet<NodeId>) {
        nodes.extend(&region.nodes);
        for &n in &region.nodes {
            self.graph.nodes[n].regions.iter().for_each(|r| self.reached(r, nodes));
        }
    }

    /// Gives values to the extents that a node's operator computes from input values, before the node runs. Those
    /// known from the plan must agree with it.
    pub(super) fn define_extents(&mut self, n: NodeId) -> Result<(), Diagnostic> {
        let mut wanted: Vec<(u32, Symbol)> = Vec::new();
        for (s, info) in &self.graph.symbols {
            if let SymbolSource::Extent(node, which) = info.source
                && node == n
            {
                wanted.push((which, s.clone()));
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let values = self.extents(n)?;
        for (which, symbol) in wanted {
            let Some(&value) = values.get(which as usize) else {
                return Err(self.error(n, format!("the operator computes no extent {which}")));
            };
            match self.f.lookup(&symbol) {
                Some(planned) => {
                    let differs = self.f.compare(CmpOp::Ne, planned, value);
                    self.return_if(differs, PLAN_MISMATCH);
                }
                None => self.f.bind(symbol, value),
            }
        }
        Ok(())
    }

    /// Emits the computation of a node's extents.
    pub(super) fn extents(&mut self, n: NodeId) -> Result<Vec<Value>, Diagnostic> {
        let Some(OpRef::Builtin(def)) = self.registry.find(&self.graph.nodes[n].op) else {
            return Err(self.error(n, "no such operator"));
        };
        let Some(f) = def.extents else { return Err(self.error(n, "the operator computes no extents")) };
        let mut inputs: Vec<Option<TensorBuf>> = Vec::new();
        for v in self.graph.nodes[n].inputs.clone() {
            // Only small inputs are read; a large one may not have memory yet when the plan is made.
            inputs.push(v.and_then(|v| self.buffer(v).ok()));
        }
        f(&mut RoutineCx::new(&mut self.f, &mut self.program, self.graph, n, inputs, vec![]))
    }

    /// Binds symbols that are elements of a value, once it is computed.
    pub(super) fn define_elements(&mut self, v: ValueId) -> Result<(), Diagnostic> {
        let wanted: Vec<(u32, Symbol)> = self
            .graph
            .symbols
            .iter()
            .filter_map(|(s, i)| match i.source {
                SymbolSource::Element(of, k) if of == v => Some((k, s.clone())),
                _ => None,
            })
            .collect();
        for (k, symbol) in wanted {
            let t = self.buffer(v)?;
            let at = self.f.int(i64::from(k));
            let x = self.f.load(t.buf, at, 1, None);
            let x = self.f.cast(x, DType::I64);
            match self.f.lookup(&symbol) {
                Some(planned) => {
                    let differs = self.f.compare(CmpOp::Ne, planned, x);
                    self.return_if(differs, PLAN_MISMATCH);
                }
                None => self.f.bind(symbol, x),
            }
        }
        Ok(())
    }
}
