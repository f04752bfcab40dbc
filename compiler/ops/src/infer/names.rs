//! Dim names that a model contradicts: exporters write one name for extents that differ (`dynamic_axes={"x": {0: "d", 1: "d"}}`).
//!
//! Extents of one name are one symbol, as the standard has it. Where that makes a model wrong, or binds such a symbol
//! to something else without sparing any other check, or is at odds with what the file declares for an output, places get
//! symbols of their own, with a warning: names are hints then, as ONNX Runtime takes them. Places that inference needs to
//! be equal (two inputs of one batch that are added) keep a common one.
//!
//! Runs before inference, on a graph that isn't inferred, and leaves it so.
//!
//! Codes: `E2031` one name for extents that needn't be equal.

use super::infer_graph;
use crate::registry::Registry;
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Diagnostics, Severity, Sym};
use onnxc_ir::graph::{Graph, SymbolInfo, SymbolSource, Type, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// Where a symbol stands as a whole extent of an input.
type Places = Vec<(ValueId, u32)>;

/// Gives extents of one name symbols of their own where the name does harm; warns for each such name.
pub fn loosen_names(graph: &mut Graph, registry: &Registry) -> Diagnostics {
    let mut warnings = Diagnostics::new();
    if shared(graph).is_empty() {
        return warnings;
    }
    let mut best = outcome(graph, registry);
    for (symbol, places) in shared(graph) {
        if best.errors == 0 && !best.questioned.contains(&symbol) {
            continue;
        }
        let (trial, own) = parted(graph, registry, &symbol, &places);
        let found = outcome(&trial, registry);
        if own.len() < 2 {
            continue;
        }
        let better = found.errors < best.errors || found.errors == 0 && best.errors == 0 && found.checks <= best.checks;
        if better {
            warnings.push(warning(&symbol, &own));
            (*graph, best) = (trial, found);
        }
    }
    warnings
}

/// What inference makes of a graph.
struct Outcome {
    errors: usize,
    /// How many equalities a run must fulfil.
    checks: usize,
    /// The symbols that those mention, or that outputs are declared with and don't have.
    questioned: BTreeSet<Symbol>,
}

fn outcome(graph: &Graph, registry: &Registry) -> Outcome {
    let mut trial = graph.clone();
    let found = infer_graph(&mut trial, registry);
    let sides = trial.guards.iter().flat_map(|g| [&g.left, &g.right]);
    Outcome {
        errors: found.0.iter().filter(|d| d.severity == Severity::Error).count(),
        checks: trial.guards.len(),
        questioned: sides.flat_map(Sym::symbols).chain(misnamed(graph, &trial)).collect(),
    }
}

/// The symbols that the file declares as extents of outputs which inference finds to be something else.
fn misnamed(declared: &Graph, inferred: &Graph) -> BTreeSet<Symbol> {
    let ranges = inferred.ranges();
    let pairs = declared.body.results.iter().zip(&inferred.body.results);
    let types = pairs.filter_map(|(&d, &i)| declared.tensor_type(d).zip(inferred.tensor_type(i)));
    let extents = types.filter(|(d, i)| d.rank() == i.rank()).flat_map(|(d, i)| d.shape.iter().zip(&i.shape));
    extents.filter(|(d, i)| ranges.prove_eq(d, i) != Some(true)).filter_map(|(d, _)| d.as_symbol().cloned()).collect()
}

/// The symbols that are extents of inputs in several places, by name.
fn shared(graph: &Graph) -> Vec<(Symbol, Places)> {
    let mut places: BTreeMap<Symbol, Places> = BTreeMap::new();
    for &v in &graph.body.params {
        let shape = graph.tensor_type(v).map(|t| t.shape.clone()).unwrap_or_default();
        for (axis, d) in shape.iter().enumerate() {
            if let Some(s) = d.as_symbol() {
                places.entry(s.clone()).or_default().push((v, axis as u32));
            }
        }
    }
    places.into_iter().filter(|(_, p)| p.len() > 1).collect()
}

/// The graph with symbols for the places of one: those that a check sets equal when each has its own share one. Gives
/// the symbols, too.
fn parted(graph: &Graph, registry: &Registry, symbol: &Symbol, places: &[(ValueId, u32)]) -> (Graph, Vec<Symbol>) {
    let each: Vec<Places> = places.iter().map(|&p| vec![p]).collect();
    let mut trial = graph.clone();
    let own = split(&mut trial, symbol, &each);
    let mut typed = trial.clone();
    infer_graph(&mut typed, registry);
    let mut groups: Vec<(BTreeSet<usize>, Places)> =
        each.into_iter().enumerate().map(|(i, p)| (BTreeSet::from([i]), p)).collect();
    for g in &typed.guards {
        let names: Vec<Symbol> = g.left.symbols().into_iter().chain(g.right.symbols()).collect();
        let asked = |(members, _): &(BTreeSet<usize>, Places)| members.iter().any(|&i| names.contains(&own[i]));
        let (joined, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(asked);
        groups = apart;
        let members = joined.iter().flat_map(|g| g.0.clone()).collect::<BTreeSet<usize>>();
        groups.extend((!members.is_empty()).then(|| (members, joined.into_iter().flat_map(|g| g.1).collect())));
    }
    groups.sort();
    if groups.len() == places.len() {
        return (trial, own);
    }
    let mut trial = graph.clone();
    let own = split(&mut trial, symbol, &groups.into_iter().map(|g| g.1).collect::<Vec<_>>());
    (trial, own)
}

/// A symbol of its own for each group of places but the first; gives all of them.
fn split(graph: &mut Graph, symbol: &Symbol, groups: &[Places]) -> Vec<Symbol> {
    let mut own = vec![symbol.clone()];
    let Some(SymbolInfo { lo, hi, .. }) = graph.symbols.get(symbol).cloned() else { return own };
    for places in &groups[1..] {
        let free = |n: &u64| !graph.symbols.contains_key(&Symbol::new(&format!("{symbol}_{n}")));
        let name = Symbol::new(&format!("{}_{}", symbol.as_str(), (2..).find(free).unwrap_or_default()));
        let Some(&(first, axis)) = places.first() else { continue };
        let info = SymbolInfo { source: SymbolSource::Dim(first, axis), lo, hi: hi.clone() };
        graph.symbols.insert(name.clone(), info);
        for &(v, axis) in places {
            if let Type::Tensor(t) = &mut graph.values[v].ty {
                t.shape[axis as usize] = Sym::var(name.clone());
            }
        }
        own.push(name);
    }
    own
}

fn warning(symbol: &Symbol, own: &[Symbol]) -> Diagnostic {
    let names = own.iter().map(Symbol::as_str).collect::<Vec<_>>().join(", ");
    let found = format!(
        "extents of inputs have the name '{symbol}', and the model doesn't need all of them to be equal: {} would do",
        own.len()
    );
    Diagnostic::warning("E2031", found)
        .expected("one name for equal extents")
        .help(format!("they count as {names}; name them apart when exporting"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_ir::graph::parse_graph;

    /// The shapes of the inputs afterwards, and how many names are warned of.
    fn loosened(inputs: &str, node: &str) -> String {
        let symbols = "  sym n = dim(%x, 0) in 0..\n  sym k = dim(%x, 1) in 0..\n";
        let node = if node.contains(" : ") { node.to_string() } else { format!("{node} : ?") };
        let text =
            format!("graph @g({inputs}) -> %y {{\n{symbols}  const $w: f32[2, 1] = [1.0, 2.0]\n  {node} @y\n}}\n");
        let mut g = parse_graph(&text, None, None).expect("the text is right");
        let warnings = loosen_names(&mut g, &Registry::new()).0.len();
        let shapes = g.body.params.iter().map(|&v| g.values[v].ty.to_string()).collect::<Vec<_>>();
        format!("{} ({warnings})", shapes.join(" "))
    }

    #[test]
    fn a_name_counts_where_the_model_needs_it() {
        // Needed: without it there would be a check.
        assert_eq!(loosened("%x: f32[n, k], %z: f32[n, k]", "%y = Add(%x, %z)"), "f32[n, k] f32[n, k] (0)");
        // The product's inner extents are checked with it and without it.
        assert_eq!(loosened("%x: f32[n, n], %k: f32[k]", "%y = MatMul(%x, $w)"), "f32[n, n_2] f32[k] (1)");
        assert_eq!(loosened("%x: f32[n, k], %z: f32[n, k]", "%y = MatMul(%x, %z)"), "f32[n, k] f32[n_2, k_2] (2)");
        // The extent that is bound to 2 is one of them.
        assert_eq!(loosened("%x: f32[n, k], %z: f32[n, k]", "%y = MatMul(%x, $w)"), "f32[n, k] f32[n, k_2] (1)");
    }

    #[test]
    fn outputs_that_are_declared_otherwise_question_a_name() {
        let both = "%x: f32[n, n], %z: f32[n, n], %k: f32[1, k]";
        let joined = |declared: &str| loosened(both, &format!("%y = Concat(%x, %z) {{ axis: 1 }} : {declared}"));
        // The rows have to be equal, all else needn't.
        assert_eq!(joined("f32[n, n]"), "f32[n, n_2] f32[n, n_3] f32[1, k] (1)");
        assert_eq!(joined("f32[n, 2*n]"), "f32[n, n] f32[n, n] f32[1, k] (0)");
    }
}
