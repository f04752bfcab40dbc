//! Strings, sequences, optionals and maps become integers: the *handles* that the runtime ([`onnxc_runtime::objects`])
//! gives out. Afterwards every value of the graph is a tensor that machine code can hold, and nothing below knows more:
//! - a tensor of strings is a tensor of `i64`, equal strings being equal numbers, so whatever moves elements stays as it
//!   is; so do If, Loop, Scan and Identity, whatever they carry;
//! - any other value that is no tensor is one `i64`, 0 for an empty optional;
//! - a node that looks into such values becomes calls of the runtime ([`expand`]): tensors go in by `onnxc.Box`, come out
//!   by `onnxc.Unbox`, and `onnxc.Call` is all the rest.
//!
//! A graph without such values is left alone.
//!
//! Codes: `E2056` an operator that can't take such values.

mod expand;
pub mod host;
pub mod linked;
mod nodes;
#[cfg(test)]
mod tests;

pub use expand::{Operand, RuntimeCx};
pub use nodes::{BOX, CALL, UNBOX};

use crate::registry::{OpRef, Registry};
use crate::{Lower, ops};
use onnxc_base::{DType, Diagnostic, Diagnostics, IndexSet, SecondaryMap, Sym, Tensor};
use onnxc_ir::graph::{Graph, NodeId, Region, Type, ValueDef, ValueId};

/// The domain of the nodes that stand for calls of the runtime.
pub const DOMAIN: &str = "onnxc";

/// What the values of a graph were before they became handles.
#[derive(Clone, Debug, Default)]
pub struct Handles {
    /// The types of values that are handles or tensors of them now.
    pub types: SecondaryMap<ValueId, Option<Type>>,
    /// The strings of the module; the one at position i has the handle i. The first is empty.
    pub strings: IndexSet<Vec<u8>>,
}

/// Nodes that stand for a node of strings whose operator is usually a formula.
type Expand = fn(&mut RuntimeCx) -> Result<(), Diagnostic>;

/// Operators that look into strings, beside what they do with numbers. Every other operator on strings moves them.
static STRING_FORMS: &[(&str, Expand)] = &[
    ("Cast", ops::cast::expand),
    ("CastLike", ops::cast::expand),
    ("com.microsoft.MurmurHash3", ops::contrib::hash::expand),
    ("Unique", ops::compress::expand_unique),
];

/// True for a tensor of strings and for what is no tensor.
pub fn is_handle(ty: &Type) -> bool {
    ty.as_tensor().is_none_or(|t| t.dtype == DType::String)
}

/// The graph with handles, if it has any need for them.
///
/// # Errors
/// Every node that can't take such values.
pub fn convert(graph: &Graph, registry: &Registry) -> Result<Option<(Graph, Handles)>, Diagnostics> {
    let mut values = IndexSet::new();
    used(graph, &graph.body, &mut values);
    let called = |n: NodeId| matches!(registry.find(&graph.nodes[n].op), Some(OpRef::Builtin(d)) if matches!(d.lower, Lower::Runtime(_)));
    let nodes = values.iter().filter_map(|&v| graph.producer(v));
    if !values.iter().any(|&v| is_handle(&graph.values[v].ty)) && !nodes.into_iter().any(called) {
        return Ok(None);
    }
    let mut c = Converter { graph: graph.clone(), registry, handles: Handles::default(), problems: Diagnostics::new() };
    c.handles.strings.insert(vec![]);
    let mut body = std::mem::take(&mut c.graph.body);
    c.region(&mut body);
    c.graph.body = body;
    let mut values = IndexSet::new();
    used(&c.graph, &c.graph.body, &mut values);
    for v in values {
        c.value(v);
    }
    c.problems.into_result(Some((c.graph, c.handles)))
}

/// The nodes, inside of regions too, that have a value which machine code can hold as a handle only.
pub fn users(graph: &Graph) -> Vec<NodeId> {
    fn walk(graph: &Graph, region: &Region, out: &mut Vec<NodeId>) {
        for &n in &region.nodes {
            let node = &graph.nodes[n];
            if node.inputs.iter().flatten().chain(&node.outputs).any(|&v| is_handle(&graph.values[v].ty)) {
                out.push(n);
            }
            node.regions.iter().for_each(|r| walk(graph, r, out));
        }
    }
    let mut out = vec![];
    walk(graph, &graph.body, &mut out);
    out
}

/// Every value that a region, or one inside it, mentions.
fn used(graph: &Graph, region: &Region, out: &mut IndexSet<ValueId>) {
    out.extend(region.params.iter().chain(&region.results).copied());
    for &n in &region.nodes {
        let node = &graph.nodes[n];
        out.extend(node.inputs.iter().flatten().chain(&node.outputs).copied());
        node.regions.iter().for_each(|r| used(graph, r, out));
    }
}

struct Converter<'a> {
    graph: Graph,
    registry: &'a Registry,
    handles: Handles,
    problems: Diagnostics,
}

impl Converter<'_> {
    fn region(&mut self, region: &mut Region) {
        let mut nodes = Vec::with_capacity(region.nodes.len());
        for &n in &region.nodes {
            let mut inner = std::mem::take(&mut self.graph.nodes[n].regions);
            inner.iter_mut().for_each(|r| self.region(r));
            self.graph.nodes[n].regions = inner;
            match self.expansion(n) {
                Ok(Some(f)) => {
                    let mut cx = RuntimeCx::new(&mut self.graph, n, &mut nodes);
                    if let Err(d) = f(&mut cx) {
                        self.problems.push(d);
                    }
                }
                Ok(None) => nodes.push(n),
                Err(d) => self.problems.push(d),
            }
        }
        region.nodes = nodes;
    }

    /// What puts other nodes in a node's place; `None` if it stays.
    fn expansion(&self, n: NodeId) -> Result<Option<Expand>, Diagnostic> {
        let node = &self.graph.nodes[n];
        let own = || node.inputs.iter().flatten().chain(&node.outputs).map(|&v| &self.graph.values[v].ty);
        let lower = match self.registry.find(&node.op) {
            Some(OpRef::Builtin(d)) => d.lower,
            _ if own().any(is_handle) => {
                return Err(self.refuse(n, "a custom operator can't take or give it"));
            }
            _ => return Ok(None),
        };
        match lower {
            Lower::Runtime(f) => Ok(Some(f)),
            _ if !own().any(is_handle) => Ok(None),
            Lower::Control(_) => Ok(None),
            Lower::Alias if own().all(is_handle) || own().all(|t| t.as_tensor().is_some()) => Ok(None),
            _ if own().any(|t| t.as_tensor().is_none()) => Err(self.refuse(n, "the operator takes tensors only")),
            _ => {
                let op = node.op.to_string();
                Ok(STRING_FORMS.iter().find(|(name, _)| op == *name).map(|(_, f)| *f))
            }
        }
    }

    fn refuse(&self, n: NodeId, why: &str) -> Diagnostic {
        let node = &self.graph.nodes[n];
        let values = node.inputs.iter().flatten().chain(&node.outputs);
        let types: Vec<String> =
            values.map(|&v| &self.graph.values[v].ty).filter(|t| is_handle(t)).map(ToString::to_string).collect();
        Diagnostic::error("E2056", format!("the node has a value of type {}: {why}", types.join(", ")))
            .node(node.name.clone(), node.op.to_string())
    }

    /// Gives a value its machine type; a constant of strings its handles.
    fn value(&mut self, v: ValueId) {
        let ty = self.graph.values[v].ty.clone();
        if !is_handle(&ty) {
            return;
        }
        let shape = ty.as_tensor().map(|t| t.shape.clone()).unwrap_or_default();
        self.graph.values[v].ty = Type::tensor(DType::I64, shape);
        self.graph.values[v].content = None;
        if let ValueDef::Const(t) = &self.graph.values[v].def {
            let words = t.strings().unwrap_or_default();
            let handles: Vec<i64> =
                words.iter().map(|w| self.handles.strings.insert_full(w.clone()).0 as i64).collect();
            self.graph.values[v].def = ValueDef::Const(Tensor::from_slice(t.shape(), &handles));
        }
        self.handles.types[v] = Some(ty);
    }
}

/// A type as ONNX spells it: `seq(tensor(float))`.
pub fn type_text(ty: &Type) -> String {
    match ty {
        Type::Tensor(t) => format!("tensor({})", t.dtype.type_word()),
        Type::AnyTensor(d, _) | Type::Absent(d) => format!("tensor({})", d.type_word()),
        Type::Sequence(t) => format!("seq({})", type_text(t)),
        Type::Optional(t) => format!("optional({})", type_text(t)),
        Type::Map(k, t) => format!("map({},{})", k.type_word(), type_text(t)),
    }
}

/// ONNX's number of an element type.
pub fn dtype_number(dtype: DType) -> i32 {
    onnxc_onnx::dtype::to_onnx(dtype)
}

/// The element type of the tensors in a value.
pub fn leaf(ty: &Type) -> DType {
    match ty {
        Type::Tensor(t) => t.dtype,
        Type::AnyTensor(d, _) | Type::Absent(d) => *d,
        Type::Sequence(t) | Type::Optional(t) | Type::Map(_, t) => leaf(t),
    }
}

/// What two types have in common, as the type of items that may be of either; `None` if they are of different kinds or
/// dtypes.
pub fn join(ranges: &onnxc_base::Ranges, a: &Type, b: &Type) -> Option<Type> {
    let rank = |t: &Type| match t {
        Type::Tensor(t) => Some(t.rank() as u32),
        Type::AnyTensor(_, r) => *r,
        _ => None,
    };
    let boxed = |t: Type| Box::new(t);
    let same = |a: &[Sym], b: &[Sym]| a.iter().zip(b).all(|(a, b)| ranges.prove_eq(a, b) == Some(true));
    match (a, b) {
        (Type::Sequence(a), Type::Sequence(b)) => Some(Type::Sequence(boxed(join(ranges, a, b)?))),
        // A sequence stands for an optional that holds it: both are its handle.
        (Type::Optional(a), b @ Type::Sequence(_)) | (b @ Type::Sequence(_), Type::Optional(a)) => {
            Some(Type::Optional(boxed(join(ranges, a, b)?)))
        }
        (Type::Optional(a), Type::Optional(b)) => Some(Type::Optional(boxed(join(ranges, a, b)?))),
        (Type::Map(k, a), Type::Map(l, b)) if k == l => Some(Type::Map(*k, boxed(join(ranges, a, b)?))),
        (Type::Absent(d), t) | (t, Type::Absent(d)) if leaf(t) == *d => Some(t.clone()),
        (Type::Tensor(x), Type::Tensor(y))
            if x.dtype == y.dtype && x.rank() == y.rank() && same(&x.shape, &y.shape) =>
        {
            Some(a.clone())
        }
        (Type::Tensor(_) | Type::AnyTensor(..), Type::Tensor(_) | Type::AnyTensor(..)) if leaf(a) == leaf(b) => {
            Some(Type::AnyTensor(leaf(a), rank(a).filter(|r| Some(*r) == rank(b))))
        }
        _ => None,
    }
}
