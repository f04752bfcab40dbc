//! Any formula of one quantised tensor, element by element, is a table of 256 entries: what the operators themselves give
//! for every integer, from DequantizeLinear to QuantizeLinear.

use super::super::patterns::{input, made_by};
use super::find::{self, Target};
use super::{Found, PASS, integer_node};
use onnxc_base::{DType, Sym, Tensor};
use onnxc_ir::graph::build::GraphBuilder;
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Attrs, Graph, NodeId, OpName, Type, ValueId};
use onnxc_ir::scalar::Scalar;
use onnxc_ops::{Evaluator, Registry};

/// Operators whose output elements depend on the input elements beside them alone.
const POINTWISE: &[&str] = &[
    "Abs",
    "Add",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Log",
    "Max",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "PRelu",
    "Pow",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Swish",
    "Tanh",
    "ThresholdedRelu",
];
/// Formulas of more operators than this aren't looked at.
const DEPTH: usize = 24;

/// The table that a QuantizeLinear node and the formula before it are.
pub(super) fn build(graph: &mut Graph, registry: &Registry, q: NodeId, v: ValueId, _: &Target) -> Found {
    let mut leaves = vec![];
    leaf(graph, v, DEPTH, &mut leaves)?;
    let [leaf] = leaves[..] else { return Err("it isn't a function of one quantised tensor".into()) };
    let x = find::dequantised(graph, Some(leaf))?;
    let table = table(graph, registry, q, v, leaf)?;
    let mut patch = Patch::new(PASS.name, q);
    let table = patch.constant(graph, "table", table);
    Ok(integer_node(graph, patch, q, "IntegerTable", Attrs::default(), &[Some(x.value), Some(table)]))
}

/// Finds the dequantised tensors that a formula is of.
fn leaf(graph: &Graph, v: ValueId, depth: usize, leaves: &mut Vec<ValueId>) -> Result<(), String> {
    if made_by(graph, v, "DequantizeLinear").is_some() {
        if !leaves.contains(&v) {
            leaves.push(v);
        }
        return Ok(());
    }
    if graph.constant(v).is_some_and(|t| t.len() == 1) {
        return Ok(());
    }
    let node = graph.producer(v).map(|n| &graph.nodes[n]).filter(|_| depth > 0);
    let node = node.ok_or_else(|| format!("input '{}' isn't quantised", graph.values[v].name))?;
    if !node.op.domain.is_empty() || !POINTWISE.contains(&node.op.name.as_str()) {
        return Err(format!("there is no form of {} in integers", node.op));
    }
    let shape = graph.tensor_type(v).map(|t| t.shape.clone());
    for &i in node.inputs.iter().flatten() {
        let constant = graph.constant(i).is_some_and(|t| t.len() == 1);
        if !constant && graph.tensor_type(i).map(|t| t.shape.clone()) != shape {
            return Err("operands are broadcast".into());
        }
        leaf(graph, i, depth - 1, leaves)?;
    }
    Ok(())
}

/// What the QuantizeLinear node `q` makes of `v`, for each integer that `leaf` is dequantised from.
pub(super) fn table(
    graph: &Graph,
    registry: &Registry,
    q: NodeId,
    v: ValueId,
    leaf: ValueId,
) -> Result<Tensor, String> {
    let x = find::dequantised(graph, Some(leaf))?;
    let least = Scalar::least(x.dtype).to_i64();
    let bytes: Vec<u8> = (0..256).map(|i| (i + least) as u8).collect();
    let all = Tensor::from_bytes(x.dtype, vec![256], bytes.into()).ok_or("256 bytes are 256 integers")?;
    let numbers = of(graph, registry, v, leaf, &all)?;
    let node = &graph.nodes[q];
    let dtype = graph.tensor_type(node.outputs[0]).map_or(DType::U8, |t| t.dtype);
    let parameters = [Some(numbers), constant(graph, input(node, 1)), constant(graph, input(node, 2))];
    evaluate(registry, &node.op, &node.attrs, &parameters, dtype)
}

fn constant(graph: &Graph, v: Option<ValueId>) -> Option<Tensor> {
    graph.constant(v?).cloned()
}

/// The numbers that a value is, for every integer.
fn of(graph: &Graph, registry: &Registry, v: ValueId, leaf: ValueId, all: &Tensor) -> Result<Tensor, String> {
    if let Some(t) = graph.constant(v) {
        return t.reshaped(&[]).ok_or_else(|| "a constant of several elements".into());
    }
    let node = graph.producer(v).map(|n| &graph.nodes[n]).ok_or("an input isn't computed")?;
    let mut inputs = vec![];
    for (i, given) in node.inputs.iter().enumerate() {
        inputs.push(match given {
            None => None,
            Some(_) if v == leaf && i == 0 => Some(all.clone()),
            Some(g) if v == leaf => constant(graph, Some(*g)),
            Some(g) => Some(of(graph, registry, *g, leaf, all)?),
        });
    }
    let dtype = graph.tensor_type(v).map_or(DType::F32, |t| t.dtype);
    evaluate(registry, &node.op, &node.attrs, &inputs, dtype)
}

/// One operator on 256 elements.
fn evaluate(
    registry: &Registry,
    op: &OpName,
    attrs: &Attrs,
    inputs: &[Option<Tensor>],
    dtype: DType,
) -> Result<Tensor, String> {
    let mut b = GraphBuilder::new("table");
    let inputs: Vec<Option<ValueId>> =
        inputs.iter().enumerate().map(|(i, t)| t.clone().map(|t| b.constant(&format!("i{i}"), t))).collect();
    let out = b.node(op.clone(), attrs.clone(), &inputs, vec![Type::tensor(dtype, vec![Sym::int(256)])]);
    let g = b.finish(&out);
    let node = g.producer(out[0]).ok_or("a node computes its output")?;
    let outputs = Evaluator::new(registry).fold(&g, node);
    outputs.and_then(|o| o.into_iter().next()).ok_or_else(|| format!("{op} can't be evaluated"))
}
