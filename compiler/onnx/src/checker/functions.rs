//! Model-local functions: unique, well-formed inside, never recursive, of bounded size when expanded.

use super::order::find_cycles;
use super::schemas::full_domain;
use super::{Checker, Context, attributes, custom, graph, header};
use crate::messages::{FunctionProto, ModelProto, NodeProto};
use onnxc_base::Diagnostic;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Full domain, name, overload.
type Key<'a> = (&'a str, &'a str, &'a str);

/// The functions of a model by their key.
pub(super) struct Functions<'a> {
    list: &'a [FunctionProto],
    /// The first function of each key.
    by_key: BTreeMap<Key<'a>, usize>,
}

impl<'a> Functions<'a> {
    pub(super) fn new(proto: &'a ModelProto) -> Self {
        let list = proto.functions.as_slice();
        let by_key = list.iter().enumerate().rev().map(|(i, f)| (key(f), i)).collect();
        Self { list, by_key }
    }

    fn index(&self, node: &NodeProto) -> Option<usize> {
        self.by_key.get(&(full_domain(&node.domain), node.op_type.as_str(), node.overload.as_str())).copied()
    }

    /// The function that a node calls.
    pub(super) fn called_by(&self, node: &NodeProto) -> Option<&'a FunctionProto> {
        self.index(node).map(|i| &self.list[i])
    }

    /// The names that a domain defines, for suggestions.
    pub(super) fn names_in<'s>(&'s self, domain: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.by_key.keys().filter(move |k| k.0 == domain).map(|k| k.1)
    }
}

fn key(f: &FunctionProto) -> Key<'_> {
    (full_domain(&f.domain), &f.name, &f.overload)
}

fn label(f: &FunctionProto) -> String {
    let overload = if f.overload.is_empty() { String::new() } else { format!(":{}", f.overload) };
    format!("{}::{}{overload}", full_domain(&f.domain), f.name)
}

/// Checks all functions and how they call each other.
pub(super) fn check(cx: &mut Checker<'_>) {
    let list = cx.functions.list;
    for (i, f) in list.iter().enumerate() {
        cx.within(&[&format!("function {}", label(f))], |cx| {
            if cx.functions.by_key.get(&key(f)) != Some(&i) {
                let found = format!("function '{}' is defined twice", label(f));
                cx.report(Diagnostic::error("E1040", found).help("rename one, or give it another overload"));
            }
            check_function(cx, f);
        });
    }
    check_calls(cx, list);
}

fn check_function<'a>(cx: &mut Checker<'a>, f: &'a FunctionProto) {
    if f.name.is_empty() {
        cx.report(Diagnostic::error("E1015", "a function has no name").help("name the function"));
    }
    header::check_imports(cx, &f.opset_import);
    let mut seen = BTreeSet::new();
    let declared = f.attribute.iter().chain(f.attribute_proto.iter().map(|a| &a.name));
    for name in declared {
        if !seen.insert(name) {
            let found = format!("the function declares attribute '{name}' twice");
            cx.report(Diagnostic::error("E1033", found).help("declare it once, with or without a default"));
        }
    }
    let imports = header::import_map(&f.opset_import);
    let context = Context { imports: &imports, missing: RefCell::default(), function: Some(f) };
    attributes::check_defaults(cx, f);
    graph::check_function(cx, &context, f);
}

/// Recursion, and the number of nodes when every call is replaced by its body.
fn check_calls(cx: &mut Checker<'_>, list: &[FunctionProto]) {
    let mut calls: Vec<Vec<usize>> = vec![vec![]; list.len()];
    let mut sizes: Vec<usize> = vec![0; list.len()];
    for (i, f) in list.iter().enumerate() {
        collect_calls(&cx.functions, &f.node, &mut calls[i], &mut sizes[i]);
    }
    let edges: Vec<_> = calls.iter().enumerate().flat_map(|(i, c)| c.iter().map(move |&j| (i, j))).collect();
    let knot = find_cycles(list.len(), &edges);
    for cycle in &knot.cycles {
        let names: Vec<String> = cycle.iter().chain(cycle.first()).map(|&i| label(&list[i])).collect();
        let found = format!("functions call each other in a circle: {}", names.join(" -> "));
        cx.report(Diagnostic::error("E1041", found).help("functions of a model can't be recursive; use Loop"));
    }
    if knot.cycles.is_empty() {
        check_size(cx, calls, sizes);
    }
}

fn check_size(cx: &mut Checker<'_>, mut calls: Vec<Vec<usize>>, mut sizes: Vec<usize>) {
    let max = cx.model.limits.max_nodes;
    let mut main = (vec![], 0);
    collect_calls(&cx.functions, &cx.model.graph().node, &mut main.0, &mut main.1);
    calls.push(main.0);
    sizes.push(main.1);
    let n = expanded_size(&calls, sizes);
    if n > max {
        let n = if n == usize::MAX { "overflowing".to_string() } else { n.to_string() };
        cx.report(
            Diagnostic::error("E1043", format!("with its functions expanded the model has {n} nodes"))
                .expected(format!("at most {max}"))
                .help("functions that call functions multiply; raise `Limits::max_nodes` if that is meant"),
        );
    }
}

/// The number of nodes of the last body when every call is replaced by its body. There must be no cycles.
fn expanded_size(calls: &[Vec<usize>], mut sizes: Vec<usize>) -> usize {
    // A walk in post-order with its own stack; `next` is each body's first call not looked at yet.
    let mut next = vec![0; calls.len()];
    let mut stack = vec![calls.len() - 1];
    while let Some(&i) = stack.last() {
        match calls[i].get(next[i]) {
            // Seen before, so finished: its size is final.
            Some(&j) if next[j] > calls[j].len() => {
                sizes[i] = sizes[i].saturating_add(sizes[j]);
                next[i] += 1;
            }
            Some(&j) => stack.push(j),
            None => {
                next[i] += 1;
                stack.pop();
            }
        }
    }
    sizes.last().copied().unwrap_or(0)
}

/// The calls in a body, nested graphs included, and its number of nodes. Nesting is bounded by loading.
fn collect_calls(functions: &Functions<'_>, nodes: &[NodeProto], calls: &mut Vec<usize>, size: &mut usize) {
    for node in nodes {
        *size += 1;
        calls.extend(functions.index(node));
        for g in custom::subgraphs(node) {
            collect_calls(functions, &g.node, calls, size);
        }
    }
}
