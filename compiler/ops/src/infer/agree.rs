//! The usual case of a model whose run decides what broadcasts: all extents beside each other are equal.
//!
//! [`agreement`] says which dims of inputs have to be what for that; [`agreed`] gives the graph in which they are. It is
//! faster than the graph that repeats, and right only for runs whose dims are so.
//!
//! Does NOT assume anything of extents that only a value or a node's run says.

use onnxc_base::Sym;
use onnxc_base::sym::{SymNode, Symbol};
use onnxc_ir::graph::{Attr, Graph, Guard, Relation, SymbolSource, Type};

/// Dims of inputs, each with what it has to be, over other dims of inputs: then nothing is repeated that needn't be.
pub fn agreement(graph: &Graph) -> Vec<(Symbol, Sym)> {
    let mut all: Vec<(Symbol, Sym)> = vec![];
    for g in graph.guards.iter().filter(|g| g.relation == Relation::Repeated && g.region.is_none()) {
        let now = |s: &Sym| s.subst(&|x| value(&all, x));
        if let Some((symbol, is)) = pair(graph, &now(&g.left), &now(&g.right)) {
            all.iter_mut().for_each(|(_, e)| *e = e.subst(&|x| (*x == symbol).then(|| is.clone())));
            all.push((symbol, is));
        }
    }
    all
}

/// The graph in which dims are what others say; types are to be inferred anew.
pub fn agreed(mut graph: Graph, all: &[(Symbol, Sym)]) -> Graph {
    let known = |s: &Symbol| value(all, s);
    for data in graph.values.values_mut() {
        if let Type::Tensor(t) = &mut data.ty {
            t.shape.iter_mut().for_each(|d| *d = d.subst(&known));
        }
        data.content.iter_mut().flatten().for_each(|c| *c = c.subst(&known));
    }
    for node in graph.nodes.values_mut() {
        for attr in node.attrs.0.values_mut() {
            if let Attr::Syms(syms) = attr {
                syms.iter_mut().for_each(|s| *s = s.subst(&known));
            }
        }
    }
    for g in &mut graph.guards {
        (g.left, g.right) = (g.left.subst(&known), g.right.subst(&known));
    }
    graph.guards.retain(|g| g.left != g.right);
    for (symbol, is) in all {
        let Some(info) = graph.symbols.shift_remove(symbol) else { continue };
        // Its own range holds for what it is now.
        let lowest = Sym::max(is, &Sym::int(info.lo));
        let within = info.hi.map_or(lowest.clone(), |hi| Sym::min(&lowest, &hi.subst(&known)));
        if graph.ranges().prove_eq(&within, is) != Some(true) {
            let reason = format!("the range of '{}'", symbol.as_str());
            let (left, right) = (is.clone(), within);
            graph.guards.push(Guard { left, right, relation: Relation::Equal, reason, region: None });
        }
    }
    for info in graph.symbols.values_mut() {
        info.hi = info.hi.take().map(|hi| hi.subst(&known));
    }
    graph
}

fn value(all: &[(Symbol, Sym)], symbol: &Symbol) -> Option<Sym> {
    all.iter().find(|(s, _)| s == symbol).map(|(_, is)| is.clone())
}

/// A dim of an input, and what it has to be for an extent not to be repeated along another.
fn pair(graph: &Graph, extent: &Sym, out: &Sym) -> Option<(Symbol, Sym)> {
    let own = |s: &Symbol| graph.symbols.get(s).is_some_and(|i| matches!(i.source, SymbolSource::Dim(..)));
    let given = |s: &Sym| !s.any_symbol(&|x| !own(x));
    let is = |a: &Sym, b: &Sym| {
        let s = a.as_symbol().filter(|s| own(s) && !b.contains(s) && given(b))?;
        Some((s.clone(), b.clone()))
    };
    members(out).iter().find_map(|m| is(extent, m).or_else(|| is(m, extent)))
}

/// What an extent is one of.
fn members(s: &Sym) -> Vec<Sym> {
    match s.node() {
        SymNode::Max(first, rest) | SymNode::Joint(first, rest) => [vec![first], members(&rest)].concat(),
        _ => vec![s.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::infer_graph;
    use crate::registry::Registry;
    use onnxc_ir::graph::parse_graph;

    #[test]
    fn what_has_to_be_equal() {
        let text = "graph @g(%a: f32[n, t, 8], %b: f32[m, p + 1, k]) -> %y {\n  sym n = dim(%a, 0) in 0..\n  \
                    sym t = dim(%a, 1) in 0..\n  sym m = dim(%b, 0) in 0..=9\n  sym p = dim(%b, 1) in 0..\n  \
                    sym k = dim(%b, 2) in 0..\n  %y = Add(%a, %b) : ? @y\n}\n";
        let imported = parse_graph(text, None, None).expect("the text is right");
        let mut graph = imported.clone();
        assert!(!infer_graph(&mut graph, &Registry::new()).has_errors());
        let all = agreement(&graph);
        let said: Vec<String> = all.iter().map(|(s, e)| format!("{} = {e}", s.as_str())).collect();
        assert_eq!(said, ["n = m", "t = p + 1", "k = 8"]);
        let mut same = agreed(imported, &all);
        assert!(!infer_graph(&mut same, &Registry::new()).has_errors());
        assert_eq!(same.values[same.body.results[0]].ty.to_string(), "f32[m, p + 1, 8]");
        assert!(same.guards.is_empty());
    }
}
