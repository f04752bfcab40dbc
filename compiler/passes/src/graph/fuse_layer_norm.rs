//! fuse-layer-norm: LayerNormalization written out becomes the operator.
//!
//! (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon), over the last axis, then optionally times a constant and plus
//! a constant of the last extent, as exporters without the operator write it.

use super::patterns::{either, float, input, made_by};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{DType, Diagnostics, Tensor};
use onnxc_ir::graph::patch::{Patch, Uses};
use onnxc_ir::graph::{Attr, Attrs, Graph, Node, NodeId, OpName, ValueId};

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "fuse-layer-norm", about: "recognise layer normalisation written out", level: 1, run };

/// A normalisation found: what it normalises, and how.
struct Found {
    x: ValueId,
    epsilon: f64,
    scale: Option<ValueId>,
    bias: Option<ValueId>,
    /// The value that the operator's output replaces.
    output: ValueId,
    anchor: NodeId,
}

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    cx.patch_nodes(graph, |graph, _, n| build(graph, extend(graph, &Uses::new(graph), normalised(graph, n)?)));
    Ok(())
}

/// `n` is the division of the pattern.
fn normalised(graph: &Graph, n: NodeId) -> Option<Found> {
    let div = &graph.nodes[n];
    if !div.op.domain.is_empty() || div.op.name != "Div" {
        return None;
    }
    let centred = input(div, 0)?;
    let (_, sqrt) = made_by(graph, input(div, 1)?, "Sqrt")?;
    let (_, add) = made_by(graph, input(sqrt, 0)?, "Add")?;
    let (variance, epsilon) = either(add, |a, b| Some((a, float(graph, b)?)))?;
    let squares = last_axis_mean(graph, variance)?;
    if !is_square_of(graph, squares, centred) {
        return None;
    }
    let (_, sub) = made_by(graph, centred, "Sub")?;
    let x = input(sub, 0)?;
    if last_axis_mean(graph, input(sub, 1)?)? != x {
        return None;
    }
    let f32 = graph.tensor_type(x)?.dtype == DType::F32;
    f32.then_some(Found { x, epsilon, scale: None, bias: None, output: div.outputs[0], anchor: n })
}

/// What a mean over the last axis, kept as an extent of 1, is the mean of.
fn last_axis_mean(graph: &Graph, v: ValueId) -> Option<ValueId> {
    let (_, mean) = made_by(graph, v, "ReduceMean")?;
    let x = input(mean, 0)?;
    let rank = graph.tensor_type(x)?.rank() as i64;
    let axes = graph.constant(input(mean, 1)?)?.to_i64()?;
    let last = axes == [-1] || axes == [rank - 1];
    (last && mean.attrs.int("keepdims") != Some(0)).then_some(x)
}

fn is_square_of(graph: &Graph, v: ValueId, of: ValueId) -> bool {
    let pow = |p: &Node| input(p, 0) == Some(of) && input(p, 1).and_then(|e| float(graph, e)) == Some(2.0);
    let mul = |m: &Node| input(m, 0) == Some(of) && input(m, 1) == Some(of);
    made_by(graph, v, "Pow").is_some_and(|(_, p)| pow(p)) || made_by(graph, v, "Mul").is_some_and(|(_, m)| mul(m))
}

/// Takes in the multiplication and the addition that follow.
fn extend(graph: &Graph, uses: &Uses, mut f: Found) -> Found {
    let vector = |v: ValueId| graph.constant(v).is_some_and(|t| Some(t.shape().to_vec()) == last_extent(graph, f.x));
    for (op, is_scale) in [("Mul", true), ("Add", false)] {
        let Some(next) = uses.single(f.output) else { break };
        let node = &graph.nodes[next];
        let operand = either(node, |a, b| (a == f.output && vector(b)).then_some(b));
        let Some(operand) = operand.filter(|_| node.op.domain.is_empty() && node.op.name == op) else { continue };
        if is_scale {
            f.scale = Some(operand);
        } else {
            f.bias = Some(operand);
        }
        (f.output, f.anchor) = (node.outputs[0], next);
    }
    f
}

fn last_extent(graph: &Graph, x: ValueId) -> Option<Vec<usize>> {
    let n = graph.tensor_type(x)?.shape.last()?.as_int()?;
    usize::try_from(n).ok().map(|n| vec![n])
}

fn build(graph: &mut Graph, f: Found) -> Option<Patch> {
    let shape = last_extent(graph, f.x)?;
    let mut patch = Patch::new(PASS.name, f.anchor);
    let scale = match f.scale {
        Some(s) => s,
        None => patch.constant(graph, "scale", Tensor::from_slice(&shape, &vec![1.0f32; shape[0]])),
    };
    let attrs = Attrs::default()
        .with("axis", Attr::Int(-1))
        .with("epsilon", Attr::Float(f.epsilon as f32))
        .with("stash", Attr::DType(DType::F32));
    let ty = graph.values[f.output].ty.clone();
    let out = patch.node(graph, OpName::onnx("LayerNormalization"), attrs, &[Some(f.x), Some(scale), f.bias], vec![ty]);
    patch.replace(f.output, out[0]);
    Some(patch)
}
