//! fold-batch-norm: a BatchNormalization of a convolution's result is scaled weights and another bias.
//!
//! BN(conv(x, w) + b) = conv(x, w * s) + (b - mean) * s + beta with s = scale / sqrt(var + epsilon), per channel. The new
//! constants are computed in f64 and rounded once. Only f32, constant weights, and a convolution nobody else uses.

use super::patterns::{floats, input, made_only_for};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{Diagnostics, Tensor};
use onnxc_ir::graph::patch::{Patch, Uses, remove_dead};
use onnxc_ir::graph::{Graph, NodeId, ValueId};

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "fold-batch-norm", about: "put batch normalisation into the weights before it", level: 1, run };

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    for n in graph.body.nodes.clone() {
        if graph.nodes[n].op.domain.is_empty() && graph.nodes[n].op.name == "BatchNormalization" {
            let uses = Uses::new(graph);
            if let Some(patch) = fold(graph, &uses, n) {
                cx.editor.apply(graph, patch);
            }
        }
    }
    remove_dead(graph);
    Ok(())
}

fn fold(graph: &mut Graph, uses: &Uses, n: NodeId) -> Option<Patch> {
    let bn = graph.nodes[n].clone();
    if bn.attrs.int("training") == Some(1) {
        return None;
    }
    let (_, conv) = made_only_for(graph, uses, input(&bn, 0)?, "Conv")?;
    let conv = conv.clone();
    let weights = input(&conv, 1)?;
    let w: Vec<f32> = graph.constant(weights)?.to_vec()?;
    let shape = graph.constant(weights)?.shape().to_vec();
    let per_channel = |i: usize| input(&bn, i).and_then(|v| floats(graph, v)).filter(|f| f.len() == shape[0]);
    let (scale, beta, mean, var) = (per_channel(1)?, per_channel(2)?, per_channel(3)?, per_channel(4)?);
    let bias = match input(&conv, 2) {
        Some(b) => floats(graph, b)?,
        None => vec![0.0; shape[0]],
    };
    let epsilon = f64::from(bn.attrs.float("epsilon").unwrap_or(1e-5));
    let s: Vec<f64> = scale.iter().zip(&var).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
    let each = w.len() / shape[0].max(1);
    let scaled: Vec<f32> = w.iter().enumerate().map(|(i, &x)| (f64::from(x) * s[i / each.max(1)]) as f32).collect();
    let shifted: Vec<f32> = (0..shape[0]).map(|o| ((bias[o] - mean[o]) * s[o] + beta[o]) as f32).collect();

    let mut patch = Patch::new(PASS.name, n);
    let w2 = patch.constant(graph, "weights", Tensor::from_slice(&shape, &scaled));
    let b2 = patch.constant(graph, "bias", Tensor::from_slice(&[shape[0]], &shifted));
    let ty = graph.values[bn.outputs[0]].ty.clone();
    let inputs: [Option<ValueId>; 3] = [input(&conv, 0), Some(w2), Some(b2)];
    let out = patch.node(graph, conv.op.clone(), conv.attrs.clone(), &inputs, vec![ty]);
    patch.replace(bn.outputs[0], out[0]);
    Some(patch)
}
