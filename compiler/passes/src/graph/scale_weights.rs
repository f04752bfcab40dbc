//! scale-weights: a factor per channel in front of a pointwise convolution scales its weights instead of its input.
//!
//! conv(x * s, w) = conv(x, w * s) for s of shape [1, C, 1, ..]. Squeeze-and-excitation blocks multiply whole images so; the
//! weights are fewer elements, and a pass over the image disappears. Only constant f32 weights of one tap and one group,
//! a product that nobody else uses, and images of at least twice the weights' elements.

use super::patterns::{either, input, made_only_for};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{DType, Diagnostics, Sym};
use onnxc_ir::graph::patch::{Patch, Uses};
use onnxc_ir::graph::{Attrs, Graph, NodeId, OpName, ValueId};

/// The pass.
pub const PASS: GraphPass = GraphPass {
    name: "scale-weights",
    about: "scale weights instead of images by a factor per channel",
    level: 2,
    run,
};

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    let name = OpName::onnx("Conv");
    cx.patch_nodes(
        graph,
        |graph, _, n| if graph.nodes[n].op == name { scaled(graph, &Uses::new(graph), n) } else { None },
    );
    Ok(())
}

fn scaled(graph: &mut Graph, uses: &Uses, n: NodeId) -> Option<Patch> {
    let conv = graph.nodes[n].clone();
    let (product, weights) = (input(&conv, 0)?, input(&conv, 1)?);
    let w = graph.constant(weights)?;
    let one_tap = w.dtype() == DType::F32 && w.shape().len() >= 3 && w.shape()[2..].iter().all(|&k| k == 1);
    if !one_tap || conv.attrs.int("group").unwrap_or(1) != 1 {
        return None;
    }
    let elements = w.shape().iter().product::<usize>() as i64;
    let image = graph.tensor_type(product)?.shape.clone();
    let (_, mul) = made_only_for(graph, uses, product, "Mul")?;
    let (x, s) = either(mul, |x, s| {
        let whole = graph.tensor_type(x)?.shape == image;
        (whole && per_channel(graph, s, &image)).then_some((x, s))
    })?;
    let pixels = graph.ranges().estimate(&image.iter().product::<Sym>());
    if pixels < 2 * elements {
        return None;
    }
    let mut patch = Patch::new(PASS.name, n);
    let ty = graph.values[weights].ty.clone();
    let scaled = patch.node(graph, OpName::onnx("Mul"), Attrs::default(), &[Some(weights), Some(s)], vec![ty])[0];
    let ty = graph.values[conv.outputs[0]].ty.clone();
    let inputs: Vec<Option<ValueId>> =
        [Some(x), Some(scaled)].into_iter().chain(conv.inputs[2..].iter().copied()).collect();
    let out = patch.node(graph, conv.op.clone(), conv.attrs.clone(), &inputs, vec![ty]);
    patch.replace(conv.outputs[0], out[0]);
    Some(patch)
}

/// True for a tensor of the image's channels and otherwise of extents 1.
fn per_channel(graph: &Graph, s: ValueId, image: &[Sym]) -> bool {
    let Some(ty) = graph.tensor_type(s).filter(|t| t.shape.len() == image.len()) else { return false };
    ty.shape.iter().enumerate().all(|(d, n)| if d == 1 { *n == image[1] && !n.is_one() } else { n.is_one() })
}
