//! Removes what nobody needs: from the results backwards, everything else goes.
//!
//! A node is needed if one of its outputs is, or a symbol that comes from it: the type of a value that is needed may
//! mention an extent that another node finds. Inputs of the model stay, as they are its interface.

use crate::graph::print::{live_nodes, live_symbols, syms_of_value};
use crate::graph::{Attr, Graph, NodeId, Region, SymbolSource, ValueId};
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use std::collections::HashSet;

/// Removes nodes that aren't needed, in all regions, and symbols that nothing mentions any more. Gives the number of
/// nodes removed.
pub fn remove_dead(graph: &mut Graph) -> usize {
    let before = live_nodes(graph).len();
    let mut marks =
        Marks { graph, nodes: HashSet::new(), values: HashSet::new(), symbols: HashSet::new(), todo: vec![] };
    marks.run();
    let needed = marks.nodes;
    let mut body = std::mem::take(&mut graph.body);
    keep_nodes(graph, &mut body, &needed);
    graph.body = body;
    let keep: HashSet<Symbol> = live_symbols(graph).into_iter().collect();
    graph.symbols.retain(|s, _| keep.contains(s));
    before - live_nodes(graph).len()
}

/// What is needed so far, and what hasn't been followed yet.
struct Marks<'a> {
    graph: &'a Graph,
    nodes: HashSet<NodeId>,
    values: HashSet<ValueId>,
    symbols: HashSet<Symbol>,
    todo: Vec<ValueId>,
}

impl Marks<'_> {
    fn run(&mut self) {
        let body = &self.graph.body;
        self.todo.extend(body.results.iter().chain(&body.params));
        for guard in &self.graph.guards {
            self.sym(&guard.left);
            self.sym(&guard.right);
        }
        while let Some(v) = self.todo.pop() {
            if self.values.insert(v) {
                self.value(v);
            }
        }
    }

    fn value(&mut self, v: ValueId) {
        let graph = self.graph;
        syms_of_value(graph, v, &mut |s| self.sym(s));
        if let Some(n) = graph.producer(v) {
            self.node(n);
        }
    }

    fn node(&mut self, n: NodeId) {
        if !self.nodes.insert(n) {
            return;
        }
        let node = &self.graph.nodes[n];
        self.todo.extend(node.inputs.iter().flatten().chain(&node.outputs));
        for r in &node.regions {
            self.todo.extend(r.params.iter().chain(&r.results));
        }
        for attr in node.attrs.0.values() {
            if let Attr::Syms(syms) = attr {
                syms.iter().for_each(|s| self.sym(s));
            }
        }
    }

    fn sym(&mut self, s: &Sym) {
        for symbol in s.symbols() {
            let info = self.graph.symbols.get(&symbol);
            if let (true, Some(info)) = (self.symbols.insert(symbol), info) {
                match info.source {
                    SymbolSource::Dim(v, _) | SymbolSource::Element(v, _) | SymbolSource::Carried(v, _) => {
                        self.todo.push(v);
                    }
                    SymbolSource::Extent(n, _) | SymbolSource::Result(n, _) => self.node(n),
                }
                info.hi.iter().for_each(|hi| self.sym(hi));
            }
        }
    }
}

fn keep_nodes(graph: &mut Graph, region: &mut Region, needed: &HashSet<NodeId>) {
    region.nodes.retain(|n| needed.contains(n));
    for &n in &region.nodes {
        let mut regions = std::mem::take(&mut graph.nodes[n].regions);
        regions.iter_mut().for_each(|r| keep_nodes(graph, r, needed));
        graph.nodes[n].regions = regions;
    }
}
