//! What moves elements does so with integers: before they are dequantised, and with one scale.

use super::super::patterns::{defines_symbols, input, made_by};
use super::find::{self, Target};
use super::{Found, PASS, table};
use crate::manager::GraphCx;
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Graph, Node, NodeId, OpName, Type, ValueId};
use onnxc_ops::Registry;

/// Operators that move elements of their first input, or pick the greatest, and make no more of them.
const MOVES: &[&str] = &[
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Identity",
    "Slice",
    "Split",
    "Gather",
    "MaxPool",
    "DepthToSpace",
    "SpaceToDepth",
    "GlobalMaxPool",
];

/// Moves what is dequantised before dequantising it.
pub(super) fn sink(graph: &mut Graph, cx: &mut GraphCx<'_>) {
    cx.patch_nodes(graph, |graph, _, n| sunk(graph, n));
}

fn sunk(graph: &mut Graph, n: NodeId) -> Option<Patch> {
    let node = graph.nodes[n].clone();
    let plain = node.op.domain.is_empty() && MOVES.contains(&node.op.name.as_str()) && !defines_symbols(graph, n);
    // The places of the greatest elements aren't dequantised.
    if !plain || node.op.name == "MaxPool" && node.outputs.len() > 1 || node.op.name == "GlobalMaxPool" {
        return None;
    }
    let (_, dq) = made_by(graph, input(&node, 0)?, "DequantizeLinear")?;
    let dq = dq.clone();
    let x = find::dequantised(graph, input(&node, 0)).ok()?;
    // Weights are looked for behind their own DequantizeLinear.
    if graph.constant(x.value).is_some() {
        return None;
    }
    let mut patch = Patch::new(PASS.name, n);
    let types = |graph: &Graph| node.outputs.iter().map(|&v| graph.tensor_type(v).cloned()).collect::<Option<Vec<_>>>();
    let types = types(graph)?;
    let moved = types.iter().map(|t| Type::tensor(x.dtype, t.shape.clone())).collect();
    let mut inputs = node.inputs.clone();
    inputs[0] = Some(x.value);
    let outs = patch.node(graph, node.op.clone(), node.attrs.clone(), &inputs, moved);
    for ((&old, out), ty) in node.outputs.iter().zip(outs).zip(types) {
        let inputs = [Some(out), input(&dq, 1), input(&dq, 2)];
        let back = patch.node(graph, dq.op.clone(), dq.attrs.clone(), &inputs, vec![Type::Tensor(ty)]);
        patch.replace(old, back[0]);
    }
    Some(patch)
}

/// A QuantizeLinear of what was dequantised by the same scale and zero point is nothing.
pub(super) fn cancel(graph: &Graph, q: NodeId, v: ValueId, target: &Target) -> Option<Patch> {
    let x = find::dequantised(graph, Some(v)).ok()?;
    let same = x.scale == target.scale && x.zero == target.zero && x.dtype == target.dtype;
    same.then(|| {
        let mut patch = Patch::new(PASS.name, q);
        patch.replace(graph.nodes[q].outputs[0], x.value);
        patch
    })
}

/// Concat: parts of another scale through a table each.
pub(super) fn concat(graph: &mut Graph, registry: &Registry, q: NodeId, node: &Node, target: &Target) -> Found {
    let mut parts = vec![];
    for v in &node.inputs {
        parts.push((find::dequantised(graph, *v)?, v.ok_or("an input is missing")?));
    }
    let mut patch = Patch::new(PASS.name, q);
    let mut inputs = vec![];
    for (x, v) in parts {
        let same = x.scale == target.scale && x.zero == target.zero && x.dtype == target.dtype;
        let shape = graph.tensor_type(x.value).map(|t| t.shape.clone()).unwrap_or_default();
        inputs.push(Some(if same {
            x.value
        } else {
            let t = table::table(graph, registry, q, v, v)?;
            let t = patch.constant(graph, "table", t);
            let name = OpName { domain: "onnxc".into(), name: "IntegerTable".into() };
            let ty = Type::tensor(target.dtype, shape);
            patch.node(graph, name, Default::default(), &[Some(x.value), Some(t)], vec![ty])[0]
        }));
    }
    let output = graph.nodes[q].outputs[0];
    let ty = graph.values[output].ty.clone();
    let out = patch.node(graph, node.op.clone(), node.attrs.clone(), &inputs, vec![ty]);
    patch.replace(output, out[0]);
    Ok(patch)
}
