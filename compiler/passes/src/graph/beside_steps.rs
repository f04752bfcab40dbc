//! beside-steps: the product of a recurrent layer's output with the next layer's weights is computed beside the steps.
//!
//! A step of a batch of 1 waits for its weights while a product of many rows mostly computes: side by side they take less
//! time than one after the other. The product becomes a further output of RecurrentSteps, the weights an input in the order in
//! which steps read them. The next layer is another recurrent one, or linear, with or without a bias.
//!
//! Only layers of f32 with one direction, a batch of 1, no lengths and a known number of steps, whose output nobody else
//! wants. Does NOT decide what pays on which machine (`ops/rnn/beside`).

use super::patterns::{input, reshapes};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{DType, Diagnostics, Sym, Tensor};
use onnxc_ir::graph::patch::{Patch, Uses};
use onnxc_ir::graph::{Attr, Attrs, Graph, Node, NodeId, OpName, TensorType, Type, ValueId};
use onnxc_ops::Registry;
use onnxc_ops::ops::INNER;
use onnxc_ops::ops::rnn::{TILE, rows_beside};

/// The pass.
pub const PASS: GraphPass = GraphPass {
    name: "beside-steps",
    about: "multiply what a recurrent layer gives by the next layer's weights beside its steps",
    level: 2,
    run,
};

/// The fewest steps: the rows of the last ones are computed after them.
const STEPS: i64 = 24;

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    let cores = cx.machine.cores();
    cx.patch_nodes(graph, |graph, registry, n| {
        let found = found(graph, &Uses::new(graph), registry, n)?;
        let every = rows_beside(&graph.nodes[n].attrs, cores, found.hidden, found.columns)?;
        build(graph, n, &found, every)
    });
    Ok(())
}

/// A product of a layer's output.
struct Found {
    hidden: i64,
    columns: i64,
    /// Weights [hidden, columns], or [columns, hidden].
    weights: ValueId,
    transposed: bool,
    bias: Option<ValueId>,
    /// What the product becomes.
    result: ValueId,
}

fn found(graph: &Graph, uses: &Uses, registry: &Registry, n: NodeId) -> Option<Found> {
    let node = &graph.nodes[n];
    let plain =
        node.attrs.int("columns").is_none() && node.attrs.int("quantised") != Some(1) && input(node, 3).is_none();
    if node.op.domain != INNER || node.op.name != "RecurrentSteps" || !plain {
        return None;
    }
    let (r, y) = (graph.tensor_type(input(node, 1)?)?, graph.tensor_type(node.outputs[0])?);
    let (steps, batch) = if node.attrs.int("layout") == Some(1) { (1, 0) } else { (0, 2) };
    let extent = |d: &Sym| d.as_int();
    let single = extent(&r.shape[0]) == Some(1) && extent(&y.shape[batch]) == Some(1);
    if r.dtype != DType::F32 || !single || extent(&y.shape[steps])? < STEPS {
        return None;
    }
    let (mut value, hidden) = (node.outputs[0], extent(&r.shape[2])?);
    loop {
        let user = uses.single(value)?;
        let next = &graph.nodes[user];
        if input(next, 0) != Some(value) {
            return None;
        }
        if !reshapes(graph, registry, user) && !keeps_order(graph, next) {
            return product(graph, uses, next, hidden);
        }
        value = next.outputs[0];
    }
}

/// True if a node only moves axes of extent 1.
fn keeps_order(graph: &Graph, node: &Node) -> bool {
    let (Some(x), Some(perm)) = (input(node, 0).and_then(|x| graph.tensor_type(x)), node.attrs.ints("perm")) else {
        return false;
    };
    let wide = |&&a: &&i64| x.shape.get(a as usize).is_some_and(|d| d.as_int() != Some(1));
    node.op == OpName::onnx("Transpose") && perm.iter().filter(wide).is_sorted()
}

/// A product of rows of so many units with constants, and the bias that is added to it.
fn product(graph: &Graph, uses: &Uses, node: &Node, hidden: i64) -> Option<Found> {
    let (weights, given) = (input(node, 1)?, input(node, 2));
    let row = |v: ValueId, columns: usize| graph.constant(v).is_some_and(|t| t.shape() == [columns]);
    let one = |name: &str| node.attrs.float(name).unwrap_or(1.0) == 1.0;
    let transposed = match (node.op.domain.as_str(), node.op.name.as_str()) {
        ("", "MatMul") => false,
        ("", "Gemm") if one("alpha") && one("beta") && node.attrs.int("transA") != Some(1) => {
            node.attrs.int("transB") == Some(1)
        }
        (INNER, "RecurrentInput") => true,
        _ => return None,
    };
    let w = graph.constant(weights).filter(|w| w.dtype() == DType::F32 && w.shape().len() == 2)?;
    let (rows, columns) = if transposed { (w.shape()[1], w.shape()[0]) } else { (w.shape()[0], w.shape()[1]) };
    if rows as i64 != hidden || given.is_some_and(|b| !row(b, columns)) {
        return None;
    }
    let (mut bias, mut result) = (given, node.outputs[0]);
    if let (None, Some(n)) = (bias, uses.single(result)) {
        let add = &graph.nodes[n];
        let other = add.inputs.iter().flatten().find(|&&v| v != result).filter(|&&v| row(v, columns));
        if let (true, Some(&other)) = (add.op == OpName::onnx("Add"), other) {
            (bias, result) = (Some(other), add.outputs[0]);
        }
    }
    Some(Found { hidden, columns: columns as i64, weights, transposed, bias, result })
}

fn build(graph: &mut Graph, n: NodeId, f: &Found, every: i64) -> Option<Patch> {
    let node = graph.nodes[n].clone();
    let mut patch = Patch::new(PASS.name, n);
    let f32 = |shape: &[i64]| {
        Type::Tensor(TensorType { dtype: DType::F32, shape: shape.iter().map(|&d| d.into()).collect() })
    };
    let op = |name: &str| OpName { domain: INNER.into(), name: name.into() };
    let attrs = Attrs::default().with("transposed", Attr::Int(f.transposed.into()));
    let packed = f32(&[(f.columns + TILE - 1) / TILE, f.hidden, TILE]);
    let weights = patch.node(graph, op("RecurrentColumns"), attrs, &[Some(f.weights)], vec![packed])[0];
    let mut inputs = node.inputs.clone();
    inputs.resize(7, None);
    inputs.extend([Some(weights), f.bias]);
    let result = graph.tensor_type(f.result)?.clone();
    let shape = result.shape.iter().map(Sym::as_int).collect::<Option<Vec<i64>>>()?;
    let steps = shape.iter().product::<i64>() / f.columns;
    let mut types: Vec<Type> = node.outputs.iter().map(|&v| graph.values[v].ty.clone()).collect();
    types.push(f32(&[steps, f.columns]));
    let attrs = node.attrs.clone().with("columns", Attr::Int(f.columns)).with("every", Attr::Int(every));
    let made = patch.node(graph, node.op.clone(), attrs, &inputs, types);
    let shape = patch.constant(graph, "shape", Tensor::from_slice(&[shape.len()], &shape));
    let attrs = Attrs::default().with("allowzero", Attr::Int(0));
    let product = [made.last().copied(), Some(shape)];
    let y = patch.node(graph, OpName::onnx("Reshape"), attrs, &product, vec![Type::Tensor(result)])[0];
    patch.replace(f.result, y);
    node.outputs.iter().zip(&made).for_each(|(&old, &new)| patch.replace(old, new));
    Some(patch)
}
