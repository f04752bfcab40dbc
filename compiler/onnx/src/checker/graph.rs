//! Names and order: each value defined once per scope, before its uses, outer scopes visible inside.
//!
//! A use before the definition is either a wrong order or part of a cycle; the two are told apart when the whole graph
//! has been seen, as every use also records an edge between nodes, from inside nested graphs, too.

use super::order::find_cycles;
use super::values::{self, Need};
use super::{Checker, Context, node, suggest};
use crate::messages::{FunctionProto, GraphProto, NodeProto, ValueInfoProto};
use crate::{sparse, tensor};
use onnxc_base::Diagnostic;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// What defined a value.
#[derive(Clone, Copy)]
enum By<'a> {
    Input,
    FunctionInput,
    Initializer,
    /// A node with its index.
    Node(&'a NodeProto, usize),
}

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Input => f.write_str("a graph input"),
            By::FunctionInput => f.write_str("a function input"),
            By::Initializer => f.write_str("an initializer"),
            By::Node(n, i) => write!(f, "node '{}'", n.label(*i)),
        }
    }
}

/// The names of one body of nodes.
pub(super) struct Scope<'s, 'a> {
    outer: Option<&'s Scope<'s, 'a>>,
    /// Name to what defined it, up to the present node.
    defined: RefCell<HashMap<&'a str, By<'a>>>,
    /// Name to the node that will define it, for all nodes.
    producers: HashMap<&'a str, usize>,
    /// The node being looked at, itself or something inside it.
    current: Cell<usize>,
    /// (consumer, producer), from direct uses and uses inside nested graphs.
    edges: RefCell<Vec<(usize, usize)>>,
    /// Uses before the definition: consumer, producer, value.
    early: RefCell<Vec<(usize, usize, &'a str)>>,
}

impl<'s, 'a> Scope<'s, 'a> {
    fn new(outer: Option<&'s Scope<'s, 'a>>, nodes: &'a [NodeProto]) -> Self {
        // Reversed, so that of two definitions the first counts; the second is reported.
        let outputs = nodes.iter().enumerate().rev().flat_map(|(i, n)| n.output.iter().map(move |o| (o.as_str(), i)));
        Self {
            outer,
            defined: RefCell::default(),
            producers: outputs.filter(|(o, _)| !o.is_empty()).collect(),
            current: Cell::new(0),
            edges: RefCell::default(),
            early: RefCell::default(),
        }
    }

    /// Records a use; false if nothing defines the name.
    fn use_value(&self, name: &'a str) -> bool {
        let producer = self.producers.get(name).copied();
        let edge = |producer| self.edges.borrow_mut().push((self.current.get(), producer));
        if self.defined.borrow().contains_key(name) {
            producer.into_iter().for_each(edge);
            return true;
        }
        // What an outer scope has defined is meant until this scope's own definition stands.
        match (producer, self.outer) {
            (_, Some(outer)) if outer.sees(name) => outer.use_value(name),
            (Some(producer), _) => {
                edge(producer);
                self.early.borrow_mut().push((self.current.get(), producer, name));
                true
            }
            (None, outer) => outer.is_some_and(|o| o.use_value(name)),
        }
    }

    /// True if the name is defined by now, here or further out.
    fn sees(&self, name: &str) -> bool {
        self.defined.borrow().contains_key(name) || self.outer.is_some_and(|o| o.sees(name))
    }

    /// The nearest visible name.
    fn suggest(&self, name: &str) -> Option<String> {
        let defined = self.defined.borrow();
        let mut names: Vec<&str> = defined.keys().copied().chain(self.producers.keys().copied()).collect();
        names.sort_unstable();
        suggest::did_you_mean(name, names.into_iter()).or_else(|| self.outer.and_then(|o| o.suggest(name)))
    }
}

/// Checks the main graph.
pub(super) fn check_main<'a>(cx: &mut Checker<'a>, context: &Context<'_>, g: &'a GraphProto) {
    check_graph(cx, context, g, None, Need::Type);
}

/// Checks a graph in an attribute.
pub(super) fn check_nested<'a>(cx: &mut Checker<'a>, context: &Context<'_>, g: &'a GraphProto, outer: &Scope<'_, 'a>) {
    check_graph(cx, context, g, Some(outer), Need::Nothing);
}

fn check_graph<'a>(
    cx: &mut Checker<'a>,
    context: &Context<'_>,
    g: &'a GraphProto,
    outer: Option<&Scope<'_, 'a>>,
    need: Need,
) {
    let scope = Scope::new(outer, &g.node);
    for v in &g.input {
        define(cx, &scope, &v.name, By::Input);
        values::check(cx, &format!("graph input '{}'", v.name), v, need);
    }
    check_initializers(cx, &scope, g);
    for v in &g.value_info {
        values::check(cx, &format!("value '{}'", v.name), v, Need::Nothing);
    }
    check_nodes(cx, context, &g.node, &scope);
    for v in &g.output {
        check_output(cx, &scope, &v.name, "graph");
        values::check(cx, &format!("graph output '{}'", v.name), v, Need::Nothing);
    }
}

/// Checks the body of a function, which sees nothing but its own inputs.
pub(super) fn check_function<'a>(cx: &mut Checker<'a>, context: &Context<'_>, f: &'a FunctionProto) {
    let scope = Scope::new(None, &f.node);
    f.input.iter().for_each(|name| define(cx, &scope, name, By::FunctionInput));
    f.value_info
        .iter()
        .for_each(|v: &ValueInfoProto| values::check(cx, &format!("value '{}'", v.name), v, Need::Nothing));
    check_nodes(cx, context, &f.node, &scope);
    f.output.iter().for_each(|name| check_output(cx, &scope, name, "function"));
}

fn check_initializers<'a>(cx: &mut Checker<'a>, scope: &Scope<'_, 'a>, g: &'a GraphProto) {
    let inputs: HashSet<&str> = g.input.iter().map(|v| v.name.as_str()).collect();
    let mut seen = HashSet::new();
    let sparse = g.sparse_initializer.iter().map(|s| s.values.as_ref().map_or("", |v| v.name.as_str()));
    for name in g.initializer.iter().map(|t| t.name.as_str()).chain(sparse) {
        // An initializer named like an input is that input's default.
        if !inputs.contains(name) || !seen.insert(name) {
            define(cx, scope, name, By::Initializer);
        }
    }
    let (files, limits) = (&cx.model.files, &cx.model.limits);
    for t in &g.initializer {
        if let Err(d) = tensor::verify(t, files, limits) {
            cx.report(d.tensor(&t.name));
        }
    }
    for s in &g.sparse_initializer {
        if let Err(d) = sparse::verify(s, files, limits) {
            cx.report(d.tensor(s.values.as_ref().map_or("", |v| &v.name)));
        }
    }
}

fn check_nodes<'a>(cx: &mut Checker<'a>, context: &Context<'_>, nodes: &'a [NodeProto], scope: &Scope<'_, 'a>) {
    let mut names = HashSet::new();
    for (i, n) in nodes.iter().enumerate() {
        scope.current.set(i);
        cx.node = Some((n.label(i), n.op_label()));
        if !n.name.is_empty() && !names.insert(n.name.as_str()) {
            let found = format!("another node of the graph is named '{}'", n.name);
            cx.report(Diagnostic::warning("E1016", found).help("give each node a name of its own"));
        }
        for input in n.input.iter().filter(|s| !s.is_empty()) {
            check_use(cx, scope, input);
        }
        node::check(cx, context, n, scope);
        for output in n.output.iter().filter(|s| !s.is_empty()) {
            define(cx, scope, output, By::Node(n, i));
        }
    }
    cx.node = None;
    check_order(cx, nodes, scope);
}

fn check_use<'a>(cx: &mut Checker<'a>, scope: &Scope<'_, 'a>, name: &'a str) {
    if scope.use_value(name) {
        return;
    }
    let known = if cx.is_full() { None } else { scope.suggest(name) };
    cx.report(
        Diagnostic::error("E1010", format!("input '{name}' is not defined"))
            .tensor(name)
            .expected("a graph input, an initializer or an output of another node")
            .help(known.unwrap_or_else(|| "define the value or correct the name".into())),
    );
}

/// Defines a name in a scope.
fn define<'a>(cx: &mut Checker<'a>, scope: &Scope<'_, 'a>, name: &'a str, by: By<'a>) {
    if name.is_empty() {
        cx.report(Diagnostic::error("E1015", format!("{by} has no name")).help("name it"));
        return;
    }
    if let Some(first) = scope.defined.borrow().get(name) {
        cx.report(
            Diagnostic::error("E1011", format!("value '{name}' is defined by {first} and again by {by}"))
                .tensor(name)
                .expected("one definition (SSA)")
                .help("rename one of the two"),
        );
        return;
    }
    if scope.outer.is_some_and(|o| o.sees(name)) {
        cx.report(
            Diagnostic::warning("E1017", format!("value '{name}' hides the one of the enclosing graph"))
                .tensor(name)
                .help("rename the inner value; the standard allows a name once"),
        );
    }
    scope.defined.borrow_mut().insert(name, by);
}

fn check_output<'a>(cx: &mut Checker<'a>, scope: &Scope<'_, 'a>, name: &'a str, of: &str) {
    if name.is_empty() {
        cx.report(Diagnostic::error("E1015", format!("a {of} output has no name")).help("name it"));
        return;
    }
    if scope.defined.borrow().contains_key(name) {
        return;
    }
    if scope.outer.is_some_and(|o| o.use_value(name)) {
        let found = format!("graph output '{name}' is a value of the enclosing graph");
        cx.report(Diagnostic::warning("E1018", found).tensor(name).help("pass it through an Identity"));
    } else {
        let known = scope.suggest(name).unwrap_or_else(|| "produce it, or drop the output".into());
        let found = format!("{of} output '{name}' is not produced by any node");
        cx.report(Diagnostic::error("E1014", found).tensor(name).help(known));
    }
}

/// Tells cycles from wrong order among the early uses.
fn check_order(cx: &mut Checker<'_>, nodes: &[NodeProto], scope: &Scope<'_, '_>) {
    let early = scope.early.borrow();
    if early.is_empty() {
        return;
    }
    let knot = find_cycles(nodes.len(), &scope.edges.borrow());
    for cycle in &knot.cycles {
        let names: Vec<String> = cycle.iter().chain(cycle.first()).map(|&i| nodes[i].label(i)).collect();
        cx.node = cycle.first().map(|&i| (nodes[i].label(i), nodes[i].op_label()));
        cx.report(
            Diagnostic::error("E1012", format!("nodes need each other's outputs in a circle: {}", names.join(" -> ")))
                .expected("a graph without cycles")
                .help("use Loop for iteration, or correct the names of the inputs"),
        );
    }
    let mut unordered = early.iter().filter(|(a, b, _)| !(knot.stuck[*a] && knot.stuck[*b]));
    if let Some(&(consumer, producer, name)) = unordered.next() {
        cx.node = Some((nodes[consumer].label(consumer), nodes[consumer].op_label()));
        let more = match unordered.count() {
            0 => String::new(),
            n => format!(", and so are {n} more"),
        };
        let found =
            format!("input '{name}' is produced only later, by node '{}'{more}", nodes[producer].label(producer));
        cx.report(
            Diagnostic::warning("E1013", found)
                .tensor(name)
                .expected("producers before consumers")
                .help("the nodes are taken in an order that works; sort them for other tools"),
        );
    }
    cx.node = None;
}
