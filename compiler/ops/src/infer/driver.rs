//! Types of a whole graph: each node's `infer` in order, regions when their node asks for them.
//!
//! Holds afterwards, if there are no errors: every value has a type over symbols that the graph defines, and no branch whose
//! condition is known is left ([`branches`]). Small results of constants that no content can say (floats, from which
//! exporters compute extents) are constants. With errors:
//! what depends on a wrong node has [`unknown_type`], silently, so that one mistake is one message.
//!
//! May run again after a pass has changed the graph: types and contents get sharper, symbols stay.
//!
//! Codes: those of the operators · `E2026` an operator left an output without type · `E2048` a size beyond
//! 64 bits · [`E2025`] the file declares something else than what was inferred.

use super::branches::{self, Choices};
use super::{InferCx, unknown_type};
use crate::eval::Evaluator;
use crate::registry::{OpRef, Registry};
use onnxc_base::tensor::element_count;
use onnxc_base::{DType, Diagnostic, Diagnostics, Sym, Tensor};
use onnxc_ir::graph::{Graph, Node, NodeId, Region, TensorType, Type, ValueDef, ValueId};
use std::cell::RefCell;

/// The most elements of constants and of results that are computed with while types are inferred.
const SMALL: usize = 256;

/// Says that a region could not be typed because of problems reported already.
pub const REPORTED: &str = "E2099";

/// Infers the types of every node of the graph.
pub fn infer_graph(graph: &mut Graph, registry: &Registry) -> Diagnostics {
    let mut choices = Choices::default();
    let mut first: Option<(Graph, Diagnostics)> = None;
    loop {
        let mut trial = choices.apply(graph);
        let (mut found, undecided) = infer_once(&mut trial, registry);
        if !found.has_errors() {
            branches::settle(&mut trial, registry);
            found.extend(choices.warnings(&trial));
            *graph = trial;
            return found;
        }
        let more = choices.next(graph, &trial, &undecided);
        let (trial, found) = first.get_or_insert((trial, found));
        if !more {
            *graph = std::mem::take(trial);
            return std::mem::take(found);
        }
    }
}

/// One pass over all nodes; gives what it found and the nodes whose branches it couldn't choose from.
fn infer_once(graph: &mut Graph, registry: &Registry) -> (Diagnostics, Vec<NodeId>) {
    let driver = Driver { registry, found: RefCell::default(), undecided: RefCell::default() };
    let body = graph.body.clone();
    for &node in &body.nodes {
        driver.node(graph, node);
        if let Some(values) = known(graph, node, registry) {
            for (v, t) in graph.nodes[node].outputs.clone().into_iter().zip(values) {
                graph.values[v].def = ValueDef::Const(t);
            }
            graph.body.nodes.retain(|&n| n != node);
        }
    }
    let done = driver.results(graph, &body);
    let mut found = driver.found.into_inner();
    // The sink has whatever went wrong, unless a node waited for what no one said.
    if let Err(d) = done
        && !found.has_errors()
    {
        found.push(Diagnostic { code: "E2026", ..d }.help("declare the type in the model"));
    }
    (found, driver.undecided.into_inner())
}

/// Infers the types of one node whose inputs have types, as a pass that adds nodes does.
pub fn infer_node(graph: &mut Graph, node: NodeId, registry: &Registry) -> Diagnostics {
    let driver = Driver { registry, found: RefCell::default(), undecided: RefCell::default() };
    driver.node(graph, node);
    driver.found.into_inner()
}

struct Driver<'a> {
    registry: &'a Registry,
    found: RefCell<Diagnostics>,
    undecided: RefCell<Vec<NodeId>>,
}

impl Driver<'_> {
    fn region(&self, graph: &mut Graph, region: &Region) -> Result<(), Diagnostic> {
        for &node in &region.nodes {
            self.node(graph, node);
        }
        self.results(graph, region)
    }

    fn results(&self, graph: &Graph, region: &Region) -> Result<(), Diagnostic> {
        let missing = region.results.iter().find(|v| graph.values[**v].ty == unknown_type());
        match missing {
            Some(&v) => Err(Diagnostic::error(REPORTED, "a result has no type").tensor(&graph.values[v].name)),
            None => Ok(()),
        }
    }

    fn node(&self, graph: &mut Graph, id: NodeId) {
        let node = &graph.nodes[id];
        let outputs = node.outputs.clone();
        let untyped = node.inputs.iter().flatten().any(|&v| graph.values[v].ty == unknown_type());
        if untyped {
            return forget(graph, &outputs);
        }
        let declared: Vec<Type> = outputs.iter().map(|&v| graph.values[v].ty.clone()).collect();
        match self.infer(graph, id) {
            Ok(()) => self.check_outputs(graph, id, &declared),
            Err(d) => {
                if d.code == branches::UNDECIDED {
                    self.undecided.borrow_mut().push(id);
                }
                if d.code != REPORTED {
                    self.report(d);
                }
                forget(graph, &outputs);
            }
        }
    }

    fn infer(&self, graph: &mut Graph, id: NodeId) -> Result<(), Diagnostic> {
        let regions = |g: &mut Graph, r: &Region| self.region(g, r);
        let op = graph.nodes[id].op.clone();
        let mut cx = InferCx::new(graph, id, &regions);
        match self.registry.find(&op) {
            Some(OpRef::Builtin(def)) => (def.infer)(&mut cx),
            Some(OpRef::Custom(custom)) => custom.infer(&mut cx),
            None => Err(cx.error("E2014", format!("operator {op} is unknown"))),
        }
    }

    fn check_outputs(&self, graph: &mut Graph, id: NodeId, declared: &[Type]) {
        let outputs = graph.nodes[id].outputs.clone();
        drop_wrapped(graph, &outputs);
        for (&v, declared) in outputs.iter().zip(declared) {
            let node = &graph.nodes[id];
            let data = &graph.values[v];
            if data.ty == unknown_type() || mentions_undefined(graph, &data.ty) {
                let d = Diagnostic::error("E2026", "the operator says no type for this output")
                    .node(node.name.clone(), node.op.to_string())
                    .tensor(data.name.clone())
                    .help("for a custom operator, declare the type in the model; otherwise this is a bug of onnxc");
                self.report(d);
                forget(graph, &[v]);
            } else if too_large(&data.ty) {
                let d = Diagnostic::error("E2048", "the output has more bytes than 64 bits can count")
                    .node(node.name.clone(), node.op.to_string())
                    .tensor(data.name.clone())
                    .help("look for absurd numbers in what the node gets as shape, pads, repeats, sizes");
                self.report(d);
                forget(graph, &[v]);
            } else if let Some(why) = disagreement(declared, &data.ty) {
                let d = Diagnostic::warning("E2025", format!("the file declares {why}"))
                    .node(node.name.clone(), node.op.to_string())
                    .tensor(data.name.clone())
                    .help("the inferred type is used; declared types are hints");
                self.report(d);
            }
        }
    }

    /// Adds a problem once: bodies of loops are inferred several times.
    fn report(&self, d: Diagnostic) {
        let mut found = self.found.borrow_mut();
        if !found.0.contains(&d) {
            found.push(d);
        }
    }
}

/// The small outputs of a node of constants, unless contents say them already. Quantised constants stay integers.
fn known(graph: &Graph, id: NodeId, registry: &Registry) -> Option<Vec<Tensor>> {
    let node = &graph.nodes[id];
    let constant = |&v: &ValueId| graph.constant(v).is_some_and(|t| t.len() <= SMALL);
    let small = |v: &ValueId| {
        let shape = graph.tensor_type(*v).and_then(TensorType::fixed);
        shape.and_then(|s| element_count(&s)).is_some_and(|n| n <= SMALL)
    };
    let said = node.outputs.iter().all(|&v| graph.values[v].content.is_some());
    let quantised = is_quantised(graph, node);
    let of_constants = !node.inputs.is_empty() && node.inputs.iter().flatten().all(constant);
    if said || quantised || !of_constants || !node.outputs.iter().all(small) {
        return None;
    }
    Evaluator::new(registry).fold(graph, id)
}

/// Does a node make floats of what is stored in fewer bits? As integers of at most 16 bits, weights are smaller, and
/// what multiplies integers finds them.
fn is_quantised(graph: &Graph, node: &Node) -> bool {
    let dtype = |v: ValueId| graph.tensor_type(v).map(|t| t.dtype);
    let narrow = node.inputs.first().copied().flatten().and_then(dtype).is_some_and(|d| d.is_int() && d.bits() <= 16);
    narrow && node.outputs.first().copied().and_then(dtype).is_some_and(DType::is_float)
}

fn forget(graph: &mut Graph, values: &[ValueId]) {
    for &v in values {
        graph.values[v].ty = unknown_type();
        graph.values[v].content = None;
    }
}

/// Drops contents that the element type may not hold: a run would wrap, symbols don't. Symbolic elements of i32 and
/// wider are taken to fit, as extents do.
fn drop_wrapped(graph: &mut Graph, values: &[ValueId]) {
    for &v in values {
        let data = &graph.values[v];
        let Some((content, t)) = data.content.as_ref().zip(data.ty.as_tensor()) else { continue };
        let (dtype, bits) = (t.dtype, t.dtype.bits() as u32);
        let (lo, hi) = match dtype {
            DType::Bool => (0, 1),
            d if d.is_signed_int() => (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits)),
            // The elements of u64 beyond i64 are spelled as negative ones.
            DType::U64 => (i64::MIN, i64::MAX),
            _ => (0, (u64::MAX >> (64 - bits)) as i64),
        };
        let ranges = graph.ranges();
        let fits = |s: &Sym| match s.as_int() {
            Some(v) => (lo..=hi).contains(&v),
            None if bits >= 32 => !s.is_overflow(),
            None => matches!(ranges.bounds(s), (Some(a), Some(b)) if lo <= a && b <= hi),
        };
        if !content.iter().all(fits) {
            graph.values[v].content = None;
        }
    }
}

fn mentions_undefined(graph: &Graph, ty: &Type) -> bool {
    match ty {
        Type::Tensor(t) => t.shape.iter().any(|d| d.any_symbol(&|s| !graph.symbols.contains_key(s))),
        Type::Sequence(t) | Type::Optional(t) | Type::Map(_, t) => mentions_undefined(graph, t),
        Type::AnyTensor(..) | Type::Absent(_) => false,
    }
}

/// A tensor of an extent, or a size in bytes, beyond 64 bits.
fn too_large(ty: &Type) -> bool {
    let Type::Tensor(t) = ty else { return false };
    t.shape.iter().any(Sym::is_overflow) || (t.count() * t.dtype.size().max(1) as i64).is_overflow()
}

/// What a declared type says that can't be right. Names of dims prove nothing, so only numbers count.
fn disagreement(declared: &Type, inferred: &Type) -> Option<String> {
    if *declared == unknown_type() {
        return None;
    }
    let (Type::Tensor(d), Type::Tensor(i)) = (declared, inferred) else {
        let same_kind = std::mem::discriminant(declared) == std::mem::discriminant(inferred);
        return (!same_kind).then(|| "another kind of value than what it is".into());
    };
    if d.dtype != i.dtype {
        return Some(format!("element type {}, but it is {}", d.dtype, i.dtype));
    }
    if d.rank() != i.rank() {
        return Some(format!("rank {}, but it is {}", d.rank(), i.rank()));
    }
    let wrong = |axis: &usize| {
        let (a, b) = (d.shape[*axis].as_int(), i.shape[*axis].as_int());
        a.zip(b).is_some_and(|(a, b)| a != b)
    };
    let axis = (0..d.rank()).find(wrong)?;
    Some(format!("extent {} for axis {axis}, but it is {}", d.shape[axis], i.shape[axis]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_ir::graph::build::GraphBuilder;
    use onnxc_ir::graph::{Attr, Attrs, OpName};

    #[test]
    fn extents_may_be_computed_from_constants_in_floats() {
        let mut b = GraphBuilder::new("g");
        let x = b.tensor_input("x", DType::F32, &["2", "6"]);
        let (height, patch) = (b.constant("h", Tensor::scalar(3.5f32)), b.constant("p", Tensor::scalar(1f32)));
        let shape = b.constant("shape", Tensor::from_slice(&[1], &[-1i64]));
        let mut node = |op: &str, attrs: Attrs, inputs: &[ValueId]| {
            let inputs: Vec<Option<ValueId>> = inputs.iter().map(|&v| Some(v)).collect();
            b.node(OpName::onnx(op), attrs, &inputs, vec![unknown_type()])[0]
        };
        let up = node("Ceil", Attrs::default(), &[height]);
        let up = node("Div", Attrs::default(), &[up, patch]);
        let n = node("Cast", Attrs::default().with("to", Attr::DType(DType::I64)), &[up]);
        let n = node("Reshape", Attrs::default().with("allowzero", Attr::Int(0)), &[n, shape]);
        let all = node("Concat", Attrs::default().with("axis", Attr::Int(0)), &[n, shape]);
        let y = node("Reshape", Attrs::default().with("allowzero", Attr::Int(0)), &[x, all]);
        let mut graph = b.finish(&[y]);
        let found = infer_graph(&mut graph, &Registry::new());
        assert!(!found.has_errors(), "{found}");
        let shape = &graph.tensor_type(graph.body.results[0]).expect("a tensor").shape;
        assert_eq!(shape.iter().map(Sym::as_int).collect::<Vec<_>>(), [Some(4), Some(3)]);
    }

    #[test]
    fn sizes_beyond_64_bits_are_refused() {
        let t = |d: &[i64]| Type::tensor(DType::F32, d.iter().map(|&d| Sym::int(d)).collect());
        assert!(!too_large(&t(&[1 << 30, 1 << 30])));
        assert!(too_large(&t(&[1 << 31, 1 << 30])));
        assert!(too_large(&t(&[i64::MAX, i64::MAX])));
        assert!(too_large(&Type::tensor(DType::F32, vec![Sym::overflow()])));
    }

    #[test]
    fn only_numbers_and_kinds_of_declared_types_are_believed() {
        let t = |dtype, dims: &[Sym]| Type::tensor(dtype, dims.to_vec());
        let (n, m) = (Sym::var("n"), Sym::var("m"));
        let a = t(DType::F32, &[Sym::int(2), n.clone()]);
        assert_eq!(disagreement(&a, &t(DType::F32, &[Sym::int(2), m.clone()])), None);
        assert_eq!(disagreement(&a, &t(DType::F32, &[m.clone(), Sym::int(7)])), None);
        assert_eq!(disagreement(&unknown_type(), &a), None);
        let said = |inferred| disagreement(&a, &inferred).unwrap_or_default();
        assert_eq!(said(t(DType::F64, &[Sym::int(2), n.clone()])), "element type f32, but it is f64");
        assert_eq!(said(t(DType::F32, &[Sym::int(2)])), "rank 2, but it is 1");
        assert_eq!(said(t(DType::F32, &[Sym::int(3), n])), "extent 2 for axis 0, but it is 3");
        assert_eq!(said(Type::Sequence(Box::new(a.clone()))), "another kind of value than what it is");
    }
}
