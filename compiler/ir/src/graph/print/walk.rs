//! What the body of a graph reaches, in order of the text.

use crate::graph::{Attr, Graph, NodeId, Region, SymbolSource, Type, ValueId};
use onnxc_base::sym::Symbol;
use onnxc_base::{IndexSet, Sym};
use std::collections::BTreeSet;

/// Every node of the body and of the regions in it, each before those inside it.
pub(in crate::graph) fn live_nodes(graph: &Graph) -> Vec<NodeId> {
    fn walk(graph: &Graph, region: &Region, found: &mut Vec<NodeId>) {
        for &n in &region.nodes {
            found.push(n);
            graph.nodes[n].regions.iter().for_each(|r| walk(graph, r, found));
        }
    }
    let mut found = Vec::new();
    walk(graph, &graph.body, &mut found);
    found
}

/// Every value that the body and the regions in it mention, in order of first mention: parameters, then nodes with
/// inputs before outputs, then results.
pub(in crate::graph) fn live_values(graph: &Graph) -> IndexSet<ValueId> {
    fn walk(graph: &Graph, region: &Region, found: &mut IndexSet<ValueId>) {
        found.extend(region.params.iter().copied());
        for &n in &region.nodes {
            let node = &graph.nodes[n];
            found.extend(node.inputs.iter().flatten().copied());
            node.regions.iter().for_each(|r| walk(graph, r, found));
            found.extend(node.outputs.iter().copied());
        }
        found.extend(region.results.iter().copied());
    }
    let mut found = IndexSet::new();
    walk(graph, &graph.body, &mut found);
    found
}

/// Calls `f` for each symbolic integer in a type.
pub(in crate::graph) fn syms_of_type<'a>(ty: &'a Type, f: &mut dyn FnMut(&'a Sym)) {
    match ty {
        Type::Tensor(t) => t.shape.iter().for_each(f),
        Type::Sequence(t) | Type::Optional(t) | Type::Map(_, t) => syms_of_type(t, f),
        Type::AnyTensor(..) | Type::Absent(_) => {}
    }
}

/// Calls `f` for each symbolic integer of a value: in its type and contents.
pub(in crate::graph) fn syms_of_value<'a>(graph: &'a Graph, v: ValueId, f: &mut dyn FnMut(&'a Sym)) {
    syms_of_type(&graph.values[v].ty, f);
    graph.values[v].content.iter().flatten().for_each(f);
}

/// The symbols that what is alive mentions (types, contents, attributes, guards) and those that their upper bounds
/// mention in turn.
pub(in crate::graph) fn mentioned_symbols(
    graph: &Graph,
    values: &IndexSet<ValueId>,
    nodes: &[NodeId],
) -> BTreeSet<Symbol> {
    let mut found = BTreeSet::new();
    let mut add = |s: &Sym| found.extend(s.symbols());
    values.iter().for_each(|&v| syms_of_value(graph, v, &mut add));
    for &n in nodes {
        for attr in graph.nodes[n].attrs.0.values() {
            if let Attr::Syms(syms) = attr {
                syms.iter().for_each(&mut add);
            }
        }
    }
    for guard in &graph.guards {
        add(&guard.left);
        add(&guard.right);
    }
    // Upper bounds mention symbols that come before.
    for (symbol, info) in graph.symbols.iter().rev() {
        if let (true, Some(hi)) = (found.contains(symbol), &info.hi) {
            found.extend(hi.symbols());
        }
    }
    found
}

/// The symbols to keep: those whose source is alive, and those that something alive mentions.
pub(in crate::graph) fn live_symbols(graph: &Graph) -> Vec<Symbol> {
    let (values, nodes) = (live_values(graph), live_nodes(graph));
    let mentioned = mentioned_symbols(graph, &values, &nodes);
    let node_set: BTreeSet<NodeId> = nodes.into_iter().collect();
    let alive = |source: &SymbolSource| match source {
        SymbolSource::Dim(v, _) | SymbolSource::Element(v, _) | SymbolSource::Carried(v, _) => values.contains(v),
        SymbolSource::Extent(n, _) | SymbolSource::Result(n, _) => node_set.contains(n),
    };
    let keep = graph.symbols.iter().filter(|(s, info)| alive(&info.source) || mentioned.contains(*s));
    keep.map(|(s, _)| s.clone()).collect()
}
