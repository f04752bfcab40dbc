//! quantised-integers: DequantizeLinear, an operator on numbers, QuantizeLinear become one operator on integers.
//!
//! Also QLinearConv and QLinearMatMul, so that both ways to write a quantised model end in the same operators (those of
//! `onnxc_ops::ops::integer`, which says how sums become 8 bits again). What moves elements, or picks the greatest, is done
//! before dequantising; where that leaves a QuantizeLinear of the same scale, nothing is left.
//!
//! Scales, zero points and weights must be constants, and what is quantised of 8 bits. What stays in float is noted with
//! the reason, see [`Note`]. Runs before constants are folded: weights must still be integers.

mod average;
mod contract;
mod find;
mod fixed;
mod moves;
mod pointwise;
mod softmax;
mod table;
#[cfg(test)]
mod tests;

use super::patterns::input;
use crate::manager::{GraphCx, GraphPass, Note};
use find::Target;
use onnxc_base::Diagnostics;
use onnxc_ir::graph::patch::{Patch, Uses, remove_dead};
use onnxc_ir::graph::{Attr, Attrs, Graph, Node, NodeId, OpName, ValueId};
use std::collections::BTreeMap;

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "quantised-integers", about: "compute quantised operators in integers", level: 1, run };

/// A group as integers, or why it stays in float.
type Found = Result<Patch, String>;

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    let mut reasons: BTreeMap<NodeId, String> = BTreeMap::new();
    moves::sink(graph, cx);
    for n in graph.body.nodes.clone() {
        let (at, found) = match graph.nodes[n].op.to_string().as_str() {
            "QuantizeLinear" => quantised(graph, cx, &Uses::new(graph), n),
            "QLinearConv" => (n, contract::qlinear_conv(graph, n)),
            "QLinearMatMul" => (n, contract::qlinear_matmul(graph, n)),
            _ => continue,
        };
        match found {
            Ok(patch) => {
                cx.editor.apply(graph, patch);
            }
            Err(why) => {
                reasons.insert(at, why);
            }
        }
    }
    remove_dead(graph);
    cx.notes.extend(notes(graph, &reasons));
    Ok(())
}

/// A QuantizeLinear node and what is before it. Also gives the node to which a reason belongs.
fn quantised(graph: &mut Graph, cx: &GraphCx<'_>, uses: &Uses, q: NodeId) -> (NodeId, Found) {
    let node = graph.nodes[q].clone();
    let Some(v) = input(&node, 0) else { return (q, Err("it has no input".into())) };
    let Some(by) = graph.producer(v) else { return (q, Err("its input is the model's".into())) };
    let target = match find::target(graph, &node) {
        Ok(t) => t,
        Err(why) => return (by, Err(why)),
    };
    if let Some(patch) = moves::cancel(graph, q, v, &target) {
        return (by, Ok(patch));
    }
    let whole = table::build(graph, cx.registry, q, v, &target);
    if whole.is_ok() {
        return (by, whole);
    }
    let (by, target) = activation(graph, uses, by, target);
    if uses.single(graph.nodes[by].outputs[0]).is_none() {
        return (by, Err("its result is also used as it is".into()));
    }
    let op = graph.nodes[by].clone();
    let found = match op.op.to_string().as_str() {
        "Conv" => contract::conv(graph, q, &op, &target),
        "Gemm" => contract::gemm(graph, q, &op, &target),
        "MatMul" => contract::matmul(graph, q, &op, &target),
        "Add" => pointwise::add(graph, q, &op, &target, 1.0),
        "Sub" => pointwise::add(graph, q, &op, &target, -1.0),
        "Mul" => pointwise::mul(graph, q, &op, &target),
        "AveragePool" | "GlobalAveragePool" | "ReduceMean" => average::build(graph, q, &op, &target),
        "Softmax" => softmax::build(graph, q, &op, &target),
        "Concat" => moves::concat(graph, cx.registry, q, &op, &target),
        // Nothing else is before it; the table knows why not.
        _ => whole,
    };
    (by, found)
}

/// Takes a Relu or Clip before the QuantizeLinear into the limits of the target, where an operator that has limits is
/// before it.
fn activation(graph: &Graph, uses: &Uses, by: NodeId, target: Target) -> (NodeId, Target) {
    let node = &graph.nodes[by];
    let limits = match node.op.to_string().as_str() {
        "Relu" => Some((Some(0.0), None)),
        "Clip" => {
            let limit = |i: usize| match input(node, i) {
                None => Some(None),
                Some(v) => super::patterns::float(graph, v).map(Some),
            };
            limit(1).zip(limit(2))
        }
        _ => None,
    };
    let (Some((low, top)), Some(x)) = (limits, input(node, 0)) else { return (by, target) };
    match graph.producer(x).filter(|_| uses.single(x).is_some()) {
        Some(inner) => (inner, target.within(low, top)),
        None => (by, target),
    }
}

/// An operator of [`onnxc_ops::ops::integer`] in place of the QuantizeLinear node `q`.
fn integer_node(
    graph: &mut Graph,
    mut patch: Patch,
    q: NodeId,
    op: &str,
    attrs: Attrs,
    inputs: &[Option<ValueId>],
) -> Patch {
    let output = graph.nodes[q].outputs[0];
    let ty = graph.values[output].ty.clone();
    let name = OpName { domain: "onnxc".into(), name: op.into() };
    let out = patch.node(graph, name, attrs, inputs, vec![ty]);
    patch.replace(output, out[0]);
    patch
}

/// What the target asks of an operator.
fn attrs(target: &Target) -> Attrs {
    Attrs::default()
        .with("to", Attr::DType(target.dtype))
        .with("zero", Attr::Int(target.zero))
        .with("low", Attr::Int(target.low))
        .with("top", Attr::Int(target.top))
}

/// What is left between dequantised inputs and quantised outputs.
fn notes(graph: &Graph, reasons: &BTreeMap<NodeId, String>) -> Vec<Note> {
    let from_integers = |node: &Node| {
        node.inputs.iter().flatten().any(|&v| super::patterns::made_by(graph, v, "DequantizeLinear").is_some())
    };
    let mut notes = vec![];
    for &n in &graph.body.nodes {
        let node = &graph.nodes[n];
        let op = node.op.to_string();
        let reason = match reasons.get(&n) {
            Some(why) => why.clone(),
            None if from_integers(node) && op != "DequantizeLinear" && op != "QuantizeLinear" => {
                "its result isn't quantised".into()
            }
            None => continue,
        };
        if op == "DequantizeLinear"
            || op == "QuantizeLinear" && graph.body.params.contains(&node.inputs[0].unwrap_or(node.outputs[0]))
        {
            continue;
        }
        notes.push(Note { pass: PASS.name, node: node.name.clone(), op, message: format!("stays in float: {reason}") });
    }
    notes
}
