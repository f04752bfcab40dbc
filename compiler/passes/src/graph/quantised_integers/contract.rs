//! Convolutions and products of matrices.

use super::super::patterns::input;
use super::find::{self, Quantised, Target, Weights, magnitude};
use super::{Found, PASS, attrs, fixed, integer_node};
use onnxc_base::Tensor;
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Attr, Attrs, Graph, Node, NodeId, ValueId};

/// Sums as integers: what data, weights and bias give.
struct Sums {
    weights: Tensor,
    bias: Vec<i64>,
    /// Scales of the output's steps, for each channel or all.
    scales: Vec<f64>,
    /// No sum is greater.
    bound: i64,
}

/// Conv between DequantizeLinear and QuantizeLinear.
pub(super) fn conv(graph: &mut Graph, q: NodeId, node: &Node, target: &Target) -> Found {
    let x = find::dequantised(graph, input(node, 0))?;
    let w = find::weights(graph, input(node, 1), 0)?;
    let sums = sums(graph, &x, w, 0, input(node, 2), target, 1.0)?;
    build_conv(graph, q, node.attrs.clone(), &x, sums, target)
}

/// QLinearConv.
pub(super) fn qlinear_conv(graph: &mut Graph, n: NodeId) -> Found {
    let node = graph.nodes[n].clone();
    let part = |i: usize| input(&node, i);
    let x = find::by_parts(graph, part(0), part(1), part(2))?;
    let w = find::weights_by_parts(graph, part(3), part(4), part(5), 0)?;
    let dtype = graph.tensor_type(node.outputs[0]).ok_or("the output is no tensor")?.dtype;
    let target = find::target_of(graph, part(6), part(7), dtype)?;
    let bias = match part(8) {
        None => vec![0; w.shape[0]],
        Some(b) => graph.constant(b).and_then(Tensor::to_i64).ok_or("the bias is no constant")?,
    };
    let sums = sums_with(&x, w, 0, bias, &target, 1.0)?;
    build_conv(graph, n, node.attrs.clone(), &x, sums, &target)
}

/// The sums of data with weights whose output channels are along `axis`.
fn sums(
    graph: &Graph,
    x: &Quantised,
    w: Weights,
    axis: usize,
    bias: Option<ValueId>,
    target: &Target,
    factor: f64,
) -> Result<Sums, String> {
    let scales: Vec<f64> = w.scale.iter().map(|s| s * x.scale).collect();
    let bias = find::bias(graph, bias, &scales, w.shape[axis])?;
    sums_with(x, w, axis, bias, target, factor)
}

fn sums_with(
    x: &Quantised,
    w: Weights,
    axis: usize,
    bias: Vec<i64>,
    target: &Target,
    factor: f64,
) -> Result<Sums, String> {
    if bias.len() != w.shape[axis] {
        return Err("the bias isn't one for each output channel".into());
    }
    let each = w.sums(axis);
    let scales: Vec<f64> = w.scale.iter().map(|s| s * x.scale * factor / target.scale).collect();
    // Padding is the zero point, so every sum has all the weights.
    let bias: Vec<i64> = bias.iter().zip(&each).map(|(b, s)| b - x.zero * s.0).collect();
    let bound = bias.iter().zip(&each).map(|(b, s)| b.abs() + s.1 * magnitude(x.dtype)).max().unwrap_or(0);
    if bound > i64::from(i32::MAX) {
        return Err(format!("sums of up to {bound} don't fit 32 bits"));
    }
    Ok(Sums { weights: w.tensor(), bias, scales, bound })
}

fn build_conv(graph: &mut Graph, q: NodeId, mut own: Attrs, x: &Quantised, sums: Sums, target: &Target) -> Found {
    own.0.extend(attrs(target).0);
    own.set("pad", Attr::Int(x.zero));
    build(graph, q, "IntegerConv", own, x.value, sums)
}

fn build(graph: &mut Graph, q: NodeId, op: &str, mut own: Attrs, x: ValueId, sums: Sums) -> Found {
    let fixed = fixed::choose(&sums.scales, sums.bound)?;
    let mut patch = Patch::new(PASS.name, q);
    let w = patch.constant(graph, "weights", sums.weights);
    let bias: Vec<i32> = sums.bias.iter().map(|&b| b as i32).collect();
    let b = patch.constant(graph, "bias", Tensor::from_slice(&[bias.len()], &bias));
    let [m, s] = fixed.put(graph, &mut patch, &mut own);
    Ok(integer_node(graph, patch, q, op, own, &[Some(x), Some(w), Some(b), m, s]))
}

/// Gemm.
pub(super) fn gemm(graph: &mut Graph, q: NodeId, node: &Node, target: &Target) -> Found {
    let factor = |name: &str| f64::from(node.attrs.float(name).unwrap_or(1.0));
    let (alpha, beta) = (factor("alpha"), factor("beta"));
    if node.attrs.int("transA") == Some(1) || alpha <= 0.0 || input(node, 2).is_some() && alpha != beta {
        return Err("the left matrix is transposed, or the factors differ".into());
    }
    let swap = node.attrs.int("transB") == Some(1);
    let axis = usize::from(!swap);
    let x = find::dequantised(graph, input(node, 0))?;
    let w = find::weights(graph, input(node, 1), axis)?;
    let sums = sums(graph, &x, w, axis, input(node, 2), target, alpha)?;
    let own = attrs(target).with("transB", Attr::Int(i64::from(swap)));
    build(graph, q, "IntegerMatMul", own, x.value, sums)
}

/// MatMul, of weights or of two computed matrices.
pub(super) fn matmul(graph: &mut Graph, q: NodeId, node: &Node, target: &Target) -> Found {
    let a = find::dequantised(graph, input(node, 0))?;
    if let Ok(w) = find::weights(graph, input(node, 1), 1) {
        return matmul_weights(graph, q, &a, w, target);
    }
    let b = find::dequantised(graph, input(node, 1))?;
    matmul_both(graph, q, &a, &b, target)
}

/// QLinearMatMul.
pub(super) fn qlinear_matmul(graph: &mut Graph, n: NodeId) -> Found {
    let node = graph.nodes[n].clone();
    let part = |i: usize| input(&node, i);
    let a = find::by_parts(graph, part(0), part(1), part(2))?;
    let dtype = graph.tensor_type(node.outputs[0]).ok_or("the output is no tensor")?.dtype;
    let target = find::target_of(graph, part(6), part(7), dtype)?;
    if let Ok(w) = find::weights_by_parts(graph, part(3), part(4), part(5), 1) {
        return matmul_weights(graph, n, &a, w, &target);
    }
    let b = find::by_parts(graph, part(3), part(4), part(5))?;
    matmul_both(graph, n, &a, &b, &target)
}

fn matmul_weights(graph: &mut Graph, q: NodeId, a: &Quantised, w: Weights, target: &Target) -> Found {
    if w.shape.len() != 2 {
        return Err("the weights are no matrix".into());
    }
    let bias = vec![0; w.shape[1]];
    let sums = sums_with(a, w, 1, bias, target, 1.0)?;
    build(graph, q, "IntegerMatMul", attrs(target), a.value, sums)
}

fn matmul_both(graph: &mut Graph, q: NodeId, a: &Quantised, b: &Quantised, target: &Target) -> Found {
    let shape = graph.tensor_type(a.value).map(|t| t.shape.clone()).unwrap_or_default();
    let k = shape.last().and_then(|d| d.as_int()).ok_or("the extent that is summed over isn't known")?;
    let bound = k.saturating_mul((magnitude(a.dtype) + a.zero.abs()) * (magnitude(b.dtype) + b.zero.abs()));
    let fixed = fixed::choose(&[a.scale * b.scale / target.scale], bound)?;
    let mut own = attrs(target).with("a_zero", Attr::Int(a.zero)).with("b_zero", Attr::Int(b.zero));
    let mut patch = Patch::new(PASS.name, q);
    let [m, s] = fixed.put(graph, &mut patch, &mut own);
    Ok(integer_node(graph, patch, q, "IntegerMatMul", own, &[Some(a.value), Some(b.value), None, m, s]))
}
