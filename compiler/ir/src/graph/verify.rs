//! Checks a graph against the rules of graph IR and lists every violation, with the printed node under it.
//!
//! Definitions (E3101)
//! - A value is defined once: as a constant, as a parameter of one region, or as an output of one node, at the place
//!   that its definition says. A node stands in one region, once.
//! - A use comes after the definition, in the same region or in one inside it. Constants can be used anywhere.
//!
//! Names (E3102)
//! - Names of values are unique and not empty; so are names of nodes.
//!
//! Types (E3103), but for untyped graphs, as [`Stage`] says
//! - Every value has a type. A constant's type is that of its tensor.
//! - Contents are as many as the elements of the tensor that has them, where those are known.
//! - A layout has the rank of its tensor; inputs, outputs and constants have none. A part of another tensor has that
//!   one's order, and no border.
//!
//! Symbols (E3104)
//! - Every symbol of a type, content, attribute, guard or upper bound is defined; upper bounds mention earlier symbols.
//! - A symbol's source exists: axes and elements are in range, the node is alive. Its range isn't empty.
//!
//! NOT checked: what operators mean. Inference does that.

mod defs;
mod symbols;
#[cfg(test)]
mod tests;
mod types;

use super::print::{live_nodes, live_values, print_node};
use super::*;
use onnxc_base::{Diagnostic, Diagnostics, IndexSet};

/// What is behind the graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stage {
    /// Importing only: types may be missing or wrong.
    Imported,
    /// Inference: every value has its type.
    #[default]
    Typed,
}

/// Lists every violated rule.
pub fn verify(graph: &Graph, stage: Stage) -> Result<(), Diagnostics> {
    let mut v = Verifier::new(graph);
    v.definitions();
    v.names();
    if stage == Stage::Typed {
        v.types();
        v.symbols();
    }
    v.found.into_result(())
}

struct Verifier<'a> {
    graph: &'a Graph,
    values: IndexSet<ValueId>,
    nodes: IndexSet<NodeId>,
    found: Diagnostics,
}

impl<'a> Verifier<'a> {
    fn new(graph: &'a Graph) -> Self {
        // A node that stands in two places is one node, once reported.
        let nodes: IndexSet<NodeId> = live_nodes(graph).into_iter().collect();
        Self { graph, values: live_values(graph), nodes, found: Diagnostics::new() }
    }

    fn violation(&mut self, code: &'static str, message: String) {
        self.found.push(Diagnostic::error(code, message));
    }

    fn node_violation(&mut self, code: &'static str, node: NodeId, message: String) {
        let line = print_node(self.graph, node);
        let n = &self.graph.nodes[node];
        self.found.push(Diagnostic::error(code, format!("{message}\n  | {line}")).node(&n.name, n.op.to_string()));
    }

    fn value_violation(&mut self, code: &'static str, v: ValueId, message: String) {
        match self.graph.producer(v).filter(|n| self.graph.nodes.is_valid(*n)) {
            Some(node) => self.node_violation(code, node, message),
            None => self.found.push(Diagnostic::error(code, message).tensor(&self.graph.values[v].name)),
        }
    }

    fn names(&mut self) {
        let mut seen = std::collections::HashSet::new();
        let values = self.values.clone();
        for &v in &values {
            let name = &self.graph.values[v].name;
            if name.is_empty() {
                self.value_violation("E3102", v, format!("the value {v:?} has no name"));
            } else if !seen.insert(name) {
                self.value_violation("E3102", v, format!("two values have the name '{name}'"));
            }
        }
        let mut seen = std::collections::HashSet::new();
        for n in self.nodes.clone() {
            let name = &self.graph.nodes[n].name;
            if name.is_empty() || !seen.insert(name) {
                self.node_violation("E3102", n, format!("the node's name '{name}' isn't unique"));
            }
        }
    }
}
