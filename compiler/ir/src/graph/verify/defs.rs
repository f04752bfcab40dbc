//! Definitions and uses.

use super::Verifier;
use crate::graph::print::value_ref;
use crate::graph::{NodeId, Region, ValueDef, ValueId};
use std::collections::HashSet;

/// What is visible at a point of the walk, and what was defined anywhere.
#[derive(Default)]
struct Walk {
    visible: HashSet<ValueId>,
    defined: HashSet<ValueId>,
    placed: HashSet<NodeId>,
}

impl Verifier<'_> {
    pub(super) fn definitions(&mut self) {
        let mut walk = Walk::default();
        let body = self.graph.body.clone();
        self.region(&body, None, &mut walk);
    }

    fn region(&mut self, region: &Region, owner: Option<NodeId>, walk: &mut Walk) {
        let mut own = Vec::new();
        for &p in &region.params {
            if self.graph.values[p].def != ValueDef::Param {
                self.value_violation("E3101", p, format!("{} is listed as a parameter", value_ref(self.graph, p)));
            }
            self.define(p, walk, &mut own);
        }
        for &n in &region.nodes {
            self.node(n, walk, &mut own);
        }
        for &r in &region.results {
            if !self.usable(r, walk) {
                let message = format!("the result {} isn't defined where it is used", value_ref(self.graph, r));
                match owner {
                    Some(n) => self.node_violation("E3101", n, message),
                    None => self.violation("E3101", message),
                }
            }
        }
        for v in own {
            walk.visible.remove(&v);
        }
    }

    fn node(&mut self, n: NodeId, walk: &mut Walk, own: &mut Vec<ValueId>) {
        if !walk.placed.insert(n) {
            return self.node_violation("E3101", n, "the node stands in two places".into());
        }
        let node = self.graph.nodes[n].clone();
        for &v in node.inputs.iter().flatten() {
            if !self.usable(v, walk) {
                let name = value_ref(self.graph, v);
                self.node_violation("E3101", n, format!("{name} is used where it isn't defined yet"));
            }
        }
        for r in &node.regions {
            self.region(r, Some(n), walk);
        }
        for (i, &v) in node.outputs.iter().enumerate() {
            if self.graph.values[v].def != ValueDef::Node(n, i as u32) {
                let name = value_ref(self.graph, v);
                self.node_violation("E3101", n, format!("{name} doesn't say that it is output {i} of this node"));
            }
            self.define(v, walk, own);
        }
    }

    fn define(&mut self, v: ValueId, walk: &mut Walk, own: &mut Vec<ValueId>) {
        if !walk.defined.insert(v) {
            self.value_violation("E3101", v, format!("{} is defined twice", value_ref(self.graph, v)));
        }
        walk.visible.insert(v);
        own.push(v);
    }

    fn usable(&self, v: ValueId, walk: &Walk) -> bool {
        walk.visible.contains(&v) || matches!(self.graph.values[v].def, ValueDef::Const(_))
    }
}
