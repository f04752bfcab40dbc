//! Symbols: mentions and sources.

use super::Verifier;
use crate::graph::print::{live_symbols, syms_of_value, value_ref};
use crate::graph::{Attr, SymbolInfo, SymbolSource, ValueId};
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use std::collections::BTreeSet;

impl Verifier<'_> {
    pub(super) fn symbols(&mut self) {
        self.mentions();
        let mut earlier: BTreeSet<Symbol> = BTreeSet::new();
        let live: BTreeSet<Symbol> = live_symbols(self.graph).into_iter().collect();
        for (symbol, info) in &self.graph.symbols {
            if live.contains(symbol) {
                self.symbol(symbol, info, &earlier);
            }
            earlier.insert(symbol.clone());
        }
    }

    fn undefined(&self, s: &Sym) -> Option<Symbol> {
        s.symbols().into_iter().find(|x| !self.graph.symbols.contains_key(x))
    }

    fn mentions(&mut self) {
        for v in self.values.clone() {
            let mut missing = None;
            syms_of_value(self.graph, v, &mut |s| missing = missing.take().or_else(|| self.undefined(s)));
            if let Some(x) = missing {
                let name = value_ref(self.graph, v);
                self.value_violation("E3104", v, format!("{name} mentions the undefined symbol {x}"));
            }
        }
        for n in self.nodes.clone() {
            for (name, attr) in &self.graph.nodes[n].attrs.0 {
                let Attr::Syms(syms) = attr else { continue };
                if let Some(x) = syms.iter().find_map(|s| self.undefined(s)) {
                    self.node_violation("E3104", n, format!("attribute '{name}' mentions the undefined symbol {x}"));
                }
            }
        }
        for guard in &self.graph.guards {
            if let Some(x) = self.undefined(&guard.left).or_else(|| self.undefined(&guard.right)) {
                self.violation("E3104", format!("the guard '{}' mentions the undefined symbol {x}", guard.reason));
            }
        }
    }

    fn symbol(&mut self, symbol: &Symbol, info: &SymbolInfo, earlier: &BTreeSet<Symbol>) {
        if let Some(x) = info.hi.iter().flat_map(Sym::symbols).find(|x| !earlier.contains(x)) {
            self.violation("E3104", format!("the upper bound of {symbol} mentions {x}, which isn't defined before it"));
        }
        if info.hi.as_ref().and_then(Sym::as_int).is_some_and(|hi| hi < info.lo) {
            self.violation("E3104", format!("the range of {symbol} is empty"));
        }
        let problem = match info.source {
            SymbolSource::Dim(v, axis) => {
                let input = self.graph.body.params.contains(&v);
                if input { self.axis(v, axis) } else { Some("an input's extent, but it is no input".into()) }
            }
            SymbolSource::Carried(v, axis) => self.axis(v, axis),
            SymbolSource::Element(v, i) => {
                let count = self.graph.tensor_type(v).and_then(|t| t.count().as_int());
                let known = count.is_some_and(|n| i64::from(i) < n);
                (!known).then(|| format!("element {i} of {}, which has none", value_ref(self.graph, v)))
            }
            SymbolSource::Extent(n, _) | SymbolSource::Result(n, _) => {
                (!self.nodes.contains(&n)).then(|| "a node that is no longer in the graph".into())
            }
        };
        if let Some(p) = problem {
            self.violation("E3104", format!("the symbol {symbol} comes from {p}"));
        }
    }

    fn axis(&self, v: ValueId, axis: u32) -> Option<String> {
        let rank = self.graph.tensor_type(v).map_or(0, |t| t.rank());
        let alive = self.values.contains(&v);
        (!alive || axis as usize >= rank)
            .then(|| format!("axis {axis} of {}, which has none", value_ref(self.graph, v)))
    }
}
