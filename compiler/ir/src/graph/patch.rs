//! Edits of a graph as named patches: new nodes are built aside, then take the place of old values, or nothing happens.
//!
//! A [`Patch`] adds nodes to the graph's arena but to no region, so that dropping it changes nothing that is alive.
//! [`Editor::apply`] puts them before the node that they replace and redirects every use of the old values; names stay
//! with the place, not with the value: the replacement of `y` is called `y`. What nobody uses any more is removed by
//! [`remove_dead`].
//!
//! The editor counts patches and can stop after N, so that a wrong one is found by bisection.

mod dead;
#[cfg(test)]
mod tests;

use super::print::live_nodes;
use super::*;
pub use dead::remove_dead;
use onnxc_base::SecondaryMap;
use std::collections::BTreeMap;

/// A place where a value is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Input number `.1` of a node.
    Input(NodeId, usize),
    /// Result number `.1` of region `.0.1` of node `.0.0`; of the body if there is no node.
    Result(Option<(NodeId, usize)>, usize),
}

/// All uses of all values.
pub struct Uses(SecondaryMap<ValueId, Vec<Use>>);

impl Uses {
    /// The uses in the body and the regions in it.
    pub fn new(graph: &Graph) -> Uses {
        let mut uses: SecondaryMap<ValueId, Vec<Use>> = SecondaryMap::new();
        let results = |uses: &mut SecondaryMap<ValueId, Vec<Use>>, r: &Region, owner| {
            r.results.iter().enumerate().for_each(|(i, &v)| uses[v].push(Use::Result(owner, i)));
        };
        for n in live_nodes(graph) {
            let node = &graph.nodes[n];
            for (i, v) in node.inputs.iter().enumerate() {
                v.iter().for_each(|&v| uses[v].push(Use::Input(n, i)));
            }
            node.regions.iter().enumerate().for_each(|(i, r)| results(&mut uses, r, Some((n, i))));
        }
        results(&mut uses, &graph.body, None);
        Uses(uses)
    }

    /// The uses of a value.
    pub fn of(&self, v: ValueId) -> &[Use] {
        &self.0[v]
    }

    /// The node that alone uses a value, if it is used just once, as an input.
    pub fn single(&self, v: ValueId) -> Option<NodeId> {
        match self.of(v) {
            [Use::Input(n, _)] => Some(*n),
            _ => None,
        }
    }
}

/// An edit, built aside.
#[derive(Debug)]
pub struct Patch {
    /// What it does, for dumps: the pass's name.
    pub name: &'static str,
    /// The node whose place the new nodes take.
    pub anchor: NodeId,
    nodes: Vec<NodeId>,
    replace: Vec<(ValueId, ValueId)>,
    /// Symbols whose source moves from the anchor to a new node.
    moved: Option<NodeId>,
}

impl Patch {
    /// An edit at a node.
    pub fn new(name: &'static str, anchor: NodeId) -> Patch {
        Patch { name, anchor, nodes: vec![], replace: vec![], moved: None }
    }

    /// Adds a node, with a name made from the anchor's. Gives its outputs, one for each type.
    pub fn node(
        &mut self,
        graph: &mut Graph,
        op: OpName,
        attrs: Attrs,
        inputs: &[Option<ValueId>],
        types: Vec<Type>,
    ) -> Vec<ValueId> {
        let id = graph.nodes.next_key();
        let hint = format!("{}/{}", graph.nodes[self.anchor].name, op.name);
        let name = free_name(&hint, |n| graph.nodes.values().any(|x| x.name == n));
        let node = Node { name: name.clone(), op, attrs, inputs: inputs.to_vec(), outputs: vec![], regions: vec![] };
        graph.nodes.push(node);
        for (i, ty) in types.into_iter().enumerate() {
            let v = new_value(graph, &name, ty, ValueDef::Node(id, i as u32));
            graph.nodes[id].outputs.push(v);
        }
        self.nodes.push(id);
        graph.nodes[id].outputs.clone()
    }

    /// Adds a constant, with a name made from the anchor's.
    pub fn constant(&mut self, graph: &mut Graph, hint: &str, t: Tensor) -> ValueId {
        let name = format!("{}/{hint}", graph.nodes[self.anchor].name);
        let ty = build::tensor_type_of(&t);
        new_value(graph, &name, ty, ValueDef::Const(t))
    }

    /// Lets every use of `old` use `new` instead.
    pub fn replace(&mut self, old: ValueId, new: ValueId) {
        self.replace.push((old, new));
    }

    /// Lets extents and results that the anchor computes be computed by a new node, under the same numbers.
    pub fn move_symbols(&mut self, to: NodeId) {
        self.moved = Some(to);
    }

    /// The nodes added so far.
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// True if the model's outputs would keep their names: the replacement of an output is a node's output that isn't
    /// one of the model's outputs already.
    fn keeps_outputs(&self, graph: &Graph) -> bool {
        self.replace.iter().all(|(old, new)| {
            let results = &graph.body.results;
            !results.contains(old) || (graph.producer(*new).is_some() && !results.contains(new))
        })
    }
}

/// A value with a name that no other value has.
pub fn new_value(graph: &mut Graph, hint: &str, ty: Type, def: ValueDef) -> ValueId {
    let name = free_name(hint, |n| graph.values.values().any(|v| v.name == n));
    graph.values.push(ValueData { name, ty, def, content: None })
}

fn free_name(hint: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = hint.to_string();
    let mut i = 1;
    while taken(&name) {
        i += 1;
        name = format!("{hint}_{i}");
    }
    name
}

/// Applies patches, counts and remembers them.
#[derive(Default, Debug)]
pub struct Editor {
    /// Apply no more than so many.
    pub limit: Option<usize>,
    /// What was applied: the patch's name and the name of the node that it was applied at.
    pub log: Vec<(&'static str, String)>,
}

impl Editor {
    /// An editor without a limit.
    pub fn new() -> Editor {
        Editor::default()
    }

    /// An editor that stops after so many patches.
    pub fn stop_after(limit: usize) -> Editor {
        Editor { limit: Some(limit), log: vec![] }
    }

    /// Counts an edit that a pass makes by itself, without a patch; false beyond the limit: it must not be made then.
    pub fn note(&mut self, pass: &'static str, node: &str) -> bool {
        let free = self.limit.is_none_or(|n| self.log.len() < n);
        if free {
            self.log.push((pass, node.to_string()));
        }
        free
    }

    /// Applies a patch entirely or not at all; says which. It isn't applied beyond the limit, where its anchor is gone,
    /// or where an output of the model would lose its name.
    pub fn apply(&mut self, graph: &mut Graph, patch: Patch) -> bool {
        if self.limit.is_some_and(|n| self.log.len() >= n) || !patch.keeps_outputs(graph) {
            return false;
        }
        let mut body = std::mem::take(&mut graph.body);
        let placed = insert_before(graph, &mut body, patch.anchor, &patch.nodes);
        graph.body = body;
        if !placed {
            return false;
        }
        let with: BTreeMap<ValueId, ValueId> = patch.replace.iter().copied().collect();
        redirect(graph, &with, &patch.nodes);
        for (old, new) in &patch.replace {
            take_name(graph, *old, *new, patch.nodes.as_slice());
        }
        if let Some(to) = patch.moved {
            move_symbols(graph, patch.anchor, to);
        }
        self.log.push((patch.name, graph.nodes[patch.anchor].name.clone()));
        true
    }
}

/// Puts nodes before another, in whichever region that stands.
fn insert_before(graph: &mut Graph, region: &mut Region, anchor: NodeId, nodes: &[NodeId]) -> bool {
    if let Some(at) = region.nodes.iter().position(|n| *n == anchor) {
        region.nodes.splice(at..at, nodes.iter().copied());
        return true;
    }
    for &n in &region.nodes {
        let mut regions = std::mem::take(&mut graph.nodes[n].regions);
        let found = regions.iter_mut().any(|r| insert_before(graph, r, anchor, nodes));
        graph.nodes[n].regions = regions;
        if found {
            return true;
        }
    }
    false
}

/// Redirects all uses, but for those in the new nodes, which may use what they replace.
fn redirect(graph: &mut Graph, with: &BTreeMap<ValueId, ValueId>, except: &[NodeId]) {
    let swap = |v: &mut ValueId| *v = with.get(v).copied().unwrap_or(*v);
    for n in live_nodes(graph).into_iter().filter(|n| !except.contains(n)) {
        let node = &mut graph.nodes[n];
        node.inputs.iter_mut().flatten().for_each(swap);
        node.regions.iter_mut().flat_map(|r| &mut r.results).for_each(swap);
    }
    graph.body.results.iter_mut().for_each(swap);
}

/// The replacement takes the name over if it is new, or if the name is that of one of the model's outputs.
fn take_name(graph: &mut Graph, old: ValueId, new: ValueId, nodes: &[NodeId]) {
    let fresh = graph.producer(new).is_some_and(|n| nodes.contains(&n));
    if fresh || graph.body.results.contains(&new) {
        let name = std::mem::take(&mut graph.values[old].name);
        graph.values[old].name = std::mem::replace(&mut graph.values[new].name, name);
    }
}

fn move_symbols(graph: &mut Graph, from: NodeId, to: NodeId) {
    for info in graph.symbols.values_mut() {
        match &mut info.source {
            SymbolSource::Extent(n, _) | SymbolSource::Result(n, _) if *n == from => *n = to,
            _ => {}
        }
    }
}
