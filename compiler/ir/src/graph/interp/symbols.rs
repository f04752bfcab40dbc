//! Symbols during a run: binding them, and comparing values with types.

use super::{HostValue, Run};
use crate::graph::{NodeId, Region, Relation, SymbolSource, Type, ValueId};
use onnxc_base::Diagnostic;
use onnxc_base::sym::Symbol;
use std::collections::BTreeSet;

/// Tensors with more elements have no symbolic ones.
const MAX_ELEMENTS: usize = 4096;

impl Run<'_> {
    /// Binds the symbols that come from inputs, and compares the inputs with their types.
    pub(super) fn bind_inputs(&mut self) -> Result<(), Diagnostic> {
        let graph = self.graph;
        for (symbol, info) in &graph.symbols {
            let tensor = |v: ValueId| self.values.get(&v).and_then(HostValue::tensor);
            let value = match info.source {
                SymbolSource::Dim(v, axis) => tensor(v).and_then(|t| t.shape().get(axis as usize).map(|&d| d as i64)),
                _ => continue,
            };
            if let Some(value) = value {
                self.in_range(symbol, value).map_err(|e| Diagnostic::error("E3201", e))?;
                self.env.insert(symbol.clone(), value);
            }
        }
        for &v in &graph.body.params {
            let value = self.values[&v].clone();
            let fit = self.fit(v, &value);
            fit.map_err(|e| Diagnostic::error("E3201", e).tensor(&graph.values[v].name))?;
        }
        Ok(())
    }

    fn in_range(&self, symbol: &Symbol, value: i64) -> Result<(), String> {
        let info = &self.graph.symbols[symbol];
        let hi = info.hi.as_ref().and_then(|hi| hi.eval(&|s| self.env.get(s).copied()).ok());
        if value < info.lo || hi.is_some_and(|hi| value > hi) {
            let hi = hi.map_or(String::new(), |h| format!("={h}"));
            return Err(format!("{symbol} is {value}, but its range is {}..{hi}", info.lo));
        }
        Ok(())
    }

    /// Forgets the symbols that a node is about to define anew.
    pub(super) fn forget_symbols_of(&mut self, node: NodeId) {
        for (symbol, info) in &self.graph.symbols {
            if matches!(info.source, SymbolSource::Extent(n, _) | SymbolSource::Result(n, _) if n == node) {
                self.env.remove(symbol);
            }
        }
    }

    /// Forgets the symbols that nodes inside of a region have defined in an iteration before, so that guards aren't checked
    /// with the values of two iterations.
    pub(super) fn forget_symbols_in(&mut self, region: &Region) {
        let (mut inside, mut params) = (BTreeSet::<NodeId>::new(), BTreeSet::<ValueId>::new());
        let mut open = vec![region];
        while let Some(region) = open.pop() {
            params.extend(&region.params);
            for &n in &region.nodes {
                inside.insert(n);
                open.extend(&self.graph.nodes[n].regions);
            }
        }
        for (symbol, info) in &self.graph.symbols {
            let found_inside = match info.source {
                SymbolSource::Extent(n, _) | SymbolSource::Result(n, _) => inside.contains(&n),
                SymbolSource::Element(v, _) | SymbolSource::Dim(v, _) | SymbolSource::Carried(v, _) => {
                    params.contains(&v) || self.graph.producer(v).is_some_and(|n| inside.contains(&n))
                }
            };
            if found_inside {
                self.env.remove(symbol);
            }
        }
    }

    /// Gives a region's parameter its value; symbols that are carried with it are found anew.
    pub(super) fn enter(&mut self, param: ValueId, value: HostValue) -> Result<(), String> {
        for (symbol, info) in &self.graph.symbols {
            if matches!(info.source, SymbolSource::Carried(v, _) if v == param) {
                self.env.remove(symbol);
            }
        }
        self.fit(param, &value)?;
        self.values.insert(param, value);
        Ok(())
    }

    /// Compares a value with the type of `v`. A symbol without value that is a whole extent gets it from the value.
    /// Says whether that happened.
    pub(super) fn fit(&mut self, v: ValueId, value: &HostValue) -> Result<bool, String> {
        let ty = &self.graph.values[v].ty;
        let bound = self.fit_type(ty, value)?;
        let elements = value.tensor().filter(|t| t.len() <= MAX_ELEMENTS).and_then(|t| t.to_i64());
        let bound = self.bind_elements(v, elements.as_deref())? || bound;
        let content = self.graph.values[v].content.as_ref();
        if let (Some(content), Some(actual)) = (content, elements) {
            for (i, (c, a)) in content.iter().zip(&actual).enumerate() {
                if let Ok(c) = c.eval(&|s| self.env.get(s).copied())
                    && c != *a
                {
                    return Err(format!("element {i} is {a}, but inference says {c}"));
                }
            }
        }
        Ok(bound)
    }

    /// Gives symbols that are elements of `v` their values; says whether there are any.
    fn bind_elements(&mut self, v: ValueId, elements: Option<&[i64]>) -> Result<bool, String> {
        let graph = self.graph;
        let mut bound = false;
        for (symbol, info) in &graph.symbols {
            let SymbolSource::Element(of, i) = info.source else { continue };
            if let (true, Some(&value)) = (of == v, elements.and_then(|e| e.get(i as usize))) {
                self.in_range(symbol, value)?;
                self.env.insert(symbol.clone(), value);
                bound = true;
            }
        }
        Ok(bound)
    }

    fn fit_type(&mut self, ty: &Type, value: &HostValue) -> Result<bool, String> {
        match (ty, value) {
            (Type::Tensor(t), HostValue::Tensor(x)) => {
                if t.dtype != x.dtype() || t.rank() != x.shape().len() {
                    return Err(format!("{}{:?} where the type is {ty}", x.dtype(), x.shape()));
                }
                let mut bound = false;
                for (axis, (dim, &actual)) in t.shape.iter().zip(x.shape()).enumerate() {
                    let actual = actual as i64;
                    if let Some(s) = dim.as_symbol().filter(|s| !self.env.contains_key(*s)) {
                        if self.graph.symbols.contains_key(s) {
                            self.in_range(s, actual)?;
                        }
                        self.env.insert(s.clone(), actual);
                        bound = true;
                    }
                    match dim.eval(&|s| self.env.get(s).copied()) {
                        Ok(d) if d != actual => {
                            return Err(format!("axis {axis} has extent {actual}, but its type says {dim} = {d}"));
                        }
                        _ => {}
                    }
                }
                Ok(bound)
            }
            (Type::Sequence(t), HostValue::Sequence(items)) => {
                // Extents may differ from item to item, so nothing is bound by them.
                let env = self.env.clone();
                items.iter().try_for_each(|i| self.fit_type(t, i).map(|_| self.env.clone_from(&env)))?;
                Ok(false)
            }
            (Type::AnyTensor(d, rank), HostValue::Tensor(x))
                if x.dtype() == *d && rank.is_none_or(|r| r as usize == x.shape().len()) =>
            {
                Ok(false)
            }
            (Type::Map(k, _), HostValue::Map(m)) if m.keys.dtype() == *k => Ok(false),
            (Type::Optional(_), HostValue::Optional(None)) => Ok(false),
            (Type::Optional(t), HostValue::Optional(Some(x))) => self.fit_type(t, x),
            _ => Err(format!("another kind of value than {ty}")),
        }
    }

    /// Checks the guards of every run whose symbols all have values.
    pub(super) fn guards(&self) -> Result<(), Diagnostic> {
        let value = |s: &Symbol| self.env.get(s).copied();
        for guard in self.graph.guards.iter().filter(|g| g.region.is_none()) {
            if let (Ok(l), Ok(r)) = (guard.left.eval(&value), guard.right.eval(&value))
                && !guard.relation.holds(l, r)
            {
                let message = format!("{} is {l} and {} is {r}: {}", guard.left, guard.right, guard.reason);
                return Err(Diagnostic::error("E3202", message).expected(match guard.relation {
                    Relation::Equal => "equal extents",
                    Relation::Repeated => "equal extents, or 1 for the first",
                }));
            }
        }
        Ok(())
    }
}
