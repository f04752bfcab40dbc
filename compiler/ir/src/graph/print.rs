//! The text of a graph: deterministic, for readers and for `parse`.
//!
//! Holds afterwards: parsing the text (with full constants, or beside a graph that has them) and printing the result
//! gives the same text. Only what the body reaches is printed: nodes and constants that a pass has left behind are not.
//!
//! ```text
//! graph @net(%x: f32[n, 3], %k: i64[] = [k]) -> (%y, %z) {   # `= [...]`: symbolic contents
//!   sym n = dim(%x, 0) in 0..=1024                           # also element(%k), extent(@node, 0), result(@node, 0),
//!   guard n == k "why"                                       # carried(%param, 0)
//!   guard n repeats to k "why"                               # n is 1 or k
//!   const $w: f32[3, 2] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]     # large data: `elided HASH`, or `hex "..." "..."`
//!   %h = MatMul(%x, $w) : f32[n, 2] @MatMul_0
//!   %y, %z = Split(%h, _) { axis: 1, num_outputs: 2 } : f32[n, 1], f32[n, 1] @"the/node's name"
//!   %l = Loop(%k, _, %h) : f32[n, 2] @loop {
//!     region (%i: i64[], %c: bool[], %v: f32[n, 2]) -> (%c, %v) {
//!     }
//!   }
//! }
//! ```
//! Attributes: `3` integer, `3.0` float, `"word"`, lists of these (`ints[]`, `floats[]`, `strs[]` when empty),
//! `syms[n, 2*n]`, a dtype's name, `tensor f32[2] [0.0, 1.0]`.

mod data;
mod walk;

use super::*;
use crate::scalar::literal::literal;
pub(super) use data::hash as data_hash;
use onnxc_base::text::{Writer, fmt_f32, is_identifier, quoted, sigil};
use std::fmt;
pub(super) use walk::{live_nodes, live_symbols, live_values, syms_of_value};

/// What to print.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PrintOptions {
    /// The data of large constants too, not only their hashes.
    pub full: bool,
}

/// The text of a whole graph.
pub fn print_graph(graph: &Graph, options: PrintOptions) -> String {
    let mut w = Writer::new();
    let p = Printer { graph, options };
    let head = p.signature(&graph.body, &sigil('@', &graph.name));
    w.open(format_args!("graph {head}"));
    p.header(&mut w);
    p.nodes(&mut w, &graph.body);
    w.close();
    w.finish()
}

impl fmt::Display for Graph {
    /// Large constants are elided.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_graph(self, PrintOptions::default()))
    }
}

/// The text of one node, without its regions.
pub fn print_node(graph: &Graph, node: NodeId) -> String {
    Printer { graph, options: PrintOptions::default() }.node_line(node)
}

/// How a value is referred to: `%name`, or `$name` if it is a constant.
pub fn value_ref(graph: &Graph, v: ValueId) -> String {
    let data = &graph.values[v];
    sigil(if matches!(data.def, ValueDef::Const(_)) { '$' } else { '%' }, &data.name)
}

impl fmt::Display for Type {
    /// `f32[n, 3]`, `seq(T)`, `optional(T)`, `map(i64, T)`, `any(f32)`, `any(f32, 2)`, `absent(f32)`, `?` when not known
    /// yet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            t if *t == Type::unknown() => f.write_str("?"),
            Type::Tensor(t) => write!(f, "{t}"),
            Type::Sequence(t) => write!(f, "seq({t})"),
            Type::Optional(t) => write!(f, "optional({t})"),
            Type::Map(k, t) => write!(f, "map({k}, {t})"),
            Type::AnyTensor(d, None) => write!(f, "any({d})"),
            Type::AnyTensor(d, Some(r)) => write!(f, "any({d}, {r})"),
            Type::Absent(d) => write!(f, "absent({d})"),
        }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.dtype, join(&self.shape))
    }
}

fn join<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|i| i.to_string()).collect::<Vec<_>>().join(", ")
}

/// An operator's name where it can be read back: two strings if it isn't a plain word.
fn op_text(op: &OpName) -> String {
    let plain = is_identifier(&op.to_string()) && !op.name.contains(['.', '#']) && !op.domain.contains('#');
    if plain { op.to_string() } else { format!("{} {}", quoted(&op.domain, '"'), quoted(&op.name, '"')) }
}

struct Printer<'a> {
    graph: &'a Graph,
    options: PrintOptions,
}

impl Printer<'_> {
    fn name(&self, v: ValueId) -> String {
        value_ref(self.graph, v)
    }

    /// The type, with the layout if it isn't row-major and the symbolic contents if there are any.
    fn type_of(&self, v: ValueId) -> String {
        let data = &self.graph.values[v];
        let layout = self.graph.layout(v).map_or(String::new(), |l| self.layout(l));
        let content = data.content.as_ref().map_or(String::new(), |c| format!(" = [{}]", join(c)));
        format!("{}{layout}{content}", data.ty)
    }

    /// ` order [0, 2, 1] border [0, 1, 0] [0, 2, 0] 0.0 within %y [0, 64, 0]`.
    fn layout(&self, l: &Layout) -> String {
        let mut text = format!(" order [{}]", join(l.order()));
        if let Some(b) = l.border() {
            let (lo, hi): (Vec<i64>, Vec<i64>) = b.width.iter().copied().unzip();
            text += &format!(" border [{}] [{}] {}", join(lo), join(hi), literal(b.fill));
        }
        if let Some(w) = l.within() {
            text += &format!(" within {} [{}]", self.name(w.host), join(&w.at));
        }
        text
    }

    /// `name(%x: f32[n], ...) -> %y`.
    fn signature(&self, region: &Region, name: &str) -> String {
        let params = join(region.params.iter().map(|&v| format!("{}: {}", self.name(v), self.type_of(v))));
        let results = match region.results.as_slice() {
            [v] => self.name(*v),
            all => format!("({})", join(all.iter().map(|&v| self.name(v)))),
        };
        format!("{name}({params}) -> {results}")
    }

    /// Symbols, guards, constants.
    fn header(&self, w: &mut Writer) {
        let g = self.graph;
        for s in live_symbols(g) {
            let info = &g.symbols[&s];
            let hi = info.hi.as_ref().map_or(String::new(), |h| format!("={h}"));
            w.line(format_args!("sym {s} = {} in {}..{hi}", self.source(info.source), info.lo));
        }
        for guard in &g.guards {
            let relation = match guard.relation {
                Relation::Equal => "==",
                Relation::Repeated => "repeats to",
            };
            w.line(format_args!("guard {} {relation} {} {}", guard.left, guard.right, quoted(&guard.reason, '"')));
        }
        for v in live_values(g) {
            if let ValueDef::Const(t) = &g.values[v].def {
                let head = format!("const {}: {} = ", self.name(v), g.values[v].ty);
                w.line(format_args!("{head}{}", data::text(t, self.options.full)));
            }
        }
    }

    fn source(&self, source: SymbolSource) -> String {
        let node = |n: NodeId| sigil('@', &self.graph.nodes[n].name);
        match source {
            SymbolSource::Dim(v, i) => format!("dim({}, {i})", self.name(v)),
            SymbolSource::Element(v, i) => format!("element({}, {i})", self.name(v)),
            SymbolSource::Extent(n, i) => format!("extent({}, {i})", node(n)),
            SymbolSource::Result(n, i) => format!("result({}, {i})", node(n)),
            SymbolSource::Carried(v, i) => format!("carried({}, {i})", self.name(v)),
        }
    }

    fn nodes(&self, w: &mut Writer, region: &Region) {
        for &id in &region.nodes {
            let node = &self.graph.nodes[id];
            if node.regions.is_empty() {
                w.line(self.node_line(id));
                continue;
            }
            w.open(self.node_line(id));
            for r in &node.regions {
                w.open(self.signature(r, "region "));
                self.nodes(w, r);
                w.close();
            }
            w.close();
        }
    }

    /// `%y = Op(%x) { axis: 1 } : f32[n] @name`.
    fn node_line(&self, id: NodeId) -> String {
        let node = &self.graph.nodes[id];
        let inputs = join(node.inputs.iter().map(|v| v.map_or("_".to_string(), |v| self.name(v))));
        let mut line = format!("{}({inputs})", op_text(&node.op));
        if !node.attrs.0.is_empty() {
            let attrs = node.attrs.0.iter().map(|(k, a)| format!("{}: {}", attr_name(k), self.attr(a)));
            line = format!("{line} {{ {} }}", join(attrs));
        }
        if !node.outputs.is_empty() {
            let names = join(node.outputs.iter().map(|&v| self.name(v)));
            line = format!("{names} = {line} : {}", join(node.outputs.iter().map(|&v| self.type_of(v))));
        }
        format!("{line} {}", sigil('@', &node.name))
    }

    fn attr(&self, a: &Attr) -> String {
        let list = |word: &str, items: Vec<String>| {
            if items.is_empty() { format!("{word}[]") } else { format!("[{}]", items.join(", ")) }
        };
        match a {
            Attr::Int(v) => v.to_string(),
            Attr::Float(v) => fmt_f32(*v),
            Attr::Str(s) => quoted(s, '"'),
            Attr::Ints(v) => list("ints", v.iter().map(i64::to_string).collect()),
            Attr::Floats(v) => list("floats", v.iter().map(|&f| fmt_f32(f)).collect()),
            Attr::Strs(v) => list("strs", v.iter().map(|s| quoted(s, '"')).collect()),
            Attr::Syms(v) => format!("syms[{}]", join(v)),
            Attr::DType(d) => d.to_string(),
            Attr::Type(t) => format!("type {t}"),
            Attr::Tensor(t) => {
                format!("tensor {}[{}] {}", t.dtype(), join(t.shape()), data::text(t, self.options.full))
            }
        }
    }
}

fn attr_name(name: &str) -> String {
    if is_identifier(name) { name.into() } else { quoted(name, '"') }
}
