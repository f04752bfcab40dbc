//! dead-taps: taps of a convolution that meet nothing but padding are taken off its weights.
//!
//! Dilated convolutions over small images have them: with dilation 24 over 14 pixels, a 3x3 convolution is a 1x1 one. Only
//! constant weights, and fixed extents along the axis; only taps at the ends of an axis. The result has the same extents
//! and, but for the sign of zeros and what infinite weights make of padding, the same values.

use super::patterns::input;
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{Diagnostics, Sym, Tensor};
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Attr, Attrs, Graph, Node, NodeId, OpName, Type, ValueId};

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "dead-taps", about: "take taps that meet only padding off convolutions", level: 1, run };

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    let name = OpName::onnx("Conv");
    cx.patch_nodes(graph, |graph, _, n| if graph.nodes[n].op == name { trimmed(graph, n) } else { None });
    Ok(())
}

/// One axis: the first tap that is kept, how many are, and the padding then.
struct Kept {
    first: usize,
    taps: usize,
    begin: i64,
    end: i64,
}

/// The taps of an axis of extent `x` that meet it from some of `out` positions.
fn kept(x: i64, out: i64, taps: usize, [stride, dilation]: [i64; 2], [begin, end]: [i64; 2]) -> Option<Kept> {
    let at = |tap: usize| i64::try_from(tap).ok()?.checked_mul(dilation)?.checked_sub(begin);
    let reach = out.checked_sub(1)?.checked_mul(stride)?;
    let mut live = vec![];
    for tap in 0..taps {
        let from = at(tap)?;
        if from < x && from.checked_add(reach)? >= 0 {
            live.push(tap);
        }
    }
    let (&first, &last) = (live.first()?, live.last()?);
    let off = |n: usize| i64::try_from(n).ok()?.checked_mul(dilation);
    let (begin, end) = (begin - off(first)?, end - off(taps - 1 - last)?);
    (begin >= 0 && end >= 0).then_some(Kept { first, taps: last + 1 - first, begin, end })
}

fn trimmed(graph: &mut Graph, n: NodeId) -> Option<Patch> {
    let node = graph.nodes[n].clone();
    let weights = graph.constant(input(&node, 1)?)?;
    let shape = |v: ValueId| graph.tensor_type(v).map(|t| t.shape.clone());
    let (x, y) = (shape(input(&node, 0)?)?, shape(node.outputs[0])?);
    if !matches!(node.attrs.str("auto_pad"), None | Some("NOTSET")) {
        return None;
    }
    let kernel = weights.shape()[2..].to_vec();
    let list = |name: &str, default: i64, count: usize| {
        node.attrs.ints(name).map_or_else(|| vec![default; count], <[i64]>::to_vec)
    };
    let axes = kernel.len();
    let (strides, dilations, pads) = (list("strides", 1, axes), list("dilations", 1, axes), list("pads", 0, 2 * axes));
    let mut all = vec![];
    for (a, &taps) in kernel.iter().enumerate() {
        let whole = Kept { first: 0, taps, begin: pads[a], end: pads[axes + a] };
        let known = x[2 + a].as_int().zip(y[2 + a].as_int());
        let own = known.and_then(|(x, y)| kept(x, y, taps, [strides[a], dilations[a]], [pads[a], pads[axes + a]]));
        all.push(own.unwrap_or(whole));
    }
    if all.iter().zip(&kernel).all(|(k, &taps)| k.taps == taps) {
        return None;
    }
    let mut patch = Patch::new(PASS.name, n);
    let less = slice(graph, &mut patch, &node, &all)?;
    let ends = all.iter().map(|k| k.begin).chain(all.iter().map(|k| k.end)).collect();
    let mut attrs = node.attrs.clone().with("pads", Attr::Ints(ends));
    if attrs.ints("kernel_shape").is_some() {
        attrs.set("kernel_shape", Attr::Ints(all.iter().map(|k| k.taps as i64).collect()));
    }
    let mut inputs = node.inputs.clone();
    inputs[1] = Some(less);
    let ty = graph.values[node.outputs[0]].ty.clone();
    let out = patch.node(graph, node.op.clone(), attrs, &inputs, vec![ty])[0];
    patch.replace(node.outputs[0], out);
    Some(patch)
}

/// The taps of the weights that are kept: of constants, a constant.
fn slice(graph: &mut Graph, patch: &mut Patch, node: &Node, kept: &[Kept]) -> Option<ValueId> {
    let weights = input(node, 1)?;
    let mut ty = graph.tensor_type(weights)?.clone();
    for (d, k) in ty.shape[2..].iter_mut().zip(kept) {
        *d = Sym::int(k.taps as i64);
    }
    let ints = |v: Vec<i64>| Tensor::from_slice(&[v.len()], &v);
    let starts = ints(kept.iter().map(|k| k.first as i64).collect());
    let ends = ints(kept.iter().map(|k| (k.first + k.taps) as i64).collect());
    let along = ints((2..).take(kept.len()).collect());
    let [starts, ends, along] =
        [("starts", starts), ("ends", ends), ("axes", along)].map(|(hint, t)| patch.constant(graph, hint, t));
    let inputs = [Some(weights), Some(starts), Some(ends), Some(along)];
    Some(patch.node(graph, OpName::onnx("Slice"), Attrs::default(), &inputs, vec![Type::Tensor(ty)])[0])
}
