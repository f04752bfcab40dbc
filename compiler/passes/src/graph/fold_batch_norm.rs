//! fold-batch-norm: a BatchNormalization of a convolution's result is scaled weights and another bias.
//!
//! A transposed convolution, too, whose weights have the output channels of a group as their second axis.
//!
//! BN(conv(x, w) + b) = conv(x, w * s) + (b - mean) * s + beta with s = scale / sqrt(var + epsilon), per channel. The new
//! constants are computed in f64 and rounded once. Only f32, constant weights, and a convolution nobody else uses.

use super::patterns::{floats, input, made_only_for};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{Diagnostics, Tensor};
use onnxc_ir::graph::patch::{Patch, Uses};
use onnxc_ir::graph::{Graph, NodeId, OpName, ValueId};

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "fold-batch-norm", about: "put batch normalisation into the weights before it", level: 1, run };

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    let name = OpName::onnx("BatchNormalization");
    cx.patch_nodes(
        graph,
        |graph, _, n| if graph.nodes[n].op == name { fold(graph, &Uses::new(graph), n) } else { None },
    );
    Ok(())
}

fn fold(graph: &mut Graph, uses: &Uses, n: NodeId) -> Option<Patch> {
    let bn = graph.nodes[n].clone();
    if bn.attrs.int("training") == Some(1) {
        return None;
    }
    let made = |op: &str| made_only_for(graph, uses, input(&bn, 0)?, op);
    let conv = made("Conv").or_else(|| made("ConvTranspose"))?.1.clone();
    let weights = input(&conv, 1)?;
    let w: Vec<f32> = graph.constant(weights)?.to_vec()?;
    let shape = graph.constant(weights)?.shape().to_vec();
    let transposed = conv.op.name == "ConvTranspose";
    let group = if transposed { conv.attrs.int("group").unwrap_or(1) as usize } else { 1 };
    // Channels of the output, and of one group.
    let own = if transposed { shape[1] } else { shape[0] };
    let channels = own * group;
    let per_channel = |i: usize| input(&bn, i).and_then(|v| floats(graph, v)).filter(|f| f.len() == channels);
    let (scale, beta, mean, var) = (per_channel(1)?, per_channel(2)?, per_channel(3)?, per_channel(4)?);
    let bias = match input(&conv, 2) {
        Some(b) => floats(graph, b)?,
        None => vec![0.0; channels],
    };
    let epsilon = f64::from(bn.attrs.float("epsilon").unwrap_or(1e-5));
    let s: Vec<f64> = scale.iter().zip(&var).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
    // Weights of one output channel that lie together; a transposed convolution has them for each input channel.
    let each = shape[if transposed { 2 } else { 1 }..].iter().product::<usize>().max(1);
    let inputs = if transposed { (shape[0] / group.max(1)).max(1) } else { usize::MAX };
    let channel = |i: usize| i / each % own + if transposed { i / (each * own * inputs) * own } else { 0 };
    let scaled: Vec<f32> = w.iter().enumerate().map(|(i, &x)| (f64::from(x) * s[channel(i)]) as f32).collect();
    let shifted: Vec<f32> = (0..channels).map(|o| ((bias[o] - mean[o]) * s[o] + beta[o]) as f32).collect();

    let mut patch = Patch::new(PASS.name, n);
    let w2 = patch.constant(graph, "weights", Tensor::from_slice(&shape, &scaled));
    let b2 = patch.constant(graph, "bias", Tensor::from_slice(&[channels], &shifted));
    let ty = graph.values[bn.outputs[0]].ty.clone();
    let inputs: [Option<ValueId>; 3] = [input(&conv, 0), Some(w2), Some(b2)];
    let out = patch.node(graph, conv.op.clone(), conv.attrs.clone(), &inputs, vec![ty]);
    patch.replace(bn.outputs[0], out[0]);
    Some(patch)
}
