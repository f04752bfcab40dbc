//! Quantised operators, each put together of DequantizeLinear, the operator on numbers, and QuantizeLinear, so that the
//! passes find one form: QLinearAdd, QLinearMul, QLinearSigmoid, QLinearLeakyRelu, QLinearAveragePool,
//! QLinearGlobalAveragePool, QLinearReduceMean, QLinearConcat, QLinearSoftmax, QLinearWhere, QGemm; and of the exact sums of
//! MatMulInteger: MatMulIntegerToFloat, DynamicQuantizeMatMul. QAttention is Attention of dequantised input and weights, and
//! QEmbedLayerNormalization is EmbedLayerNormalization of dequantised tables.
//!
//! A zero point that is left out is 0 of the first quantised input's dtype.
//!
//! Does NOT choose how integers are computed with: `passes/graph/quantised_integers` finds these forms as it finds others.

use super::DOMAIN;
use super::channels_last::{to_first, to_last};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

macro_rules! operators {
    ($($id:ident $name:literal $import:expr;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef::composed(DOMAIN, $name, &[(1, $import)]);
    )* };
}

operators! {
    ADD "QLinearAdd" |n| binary_op(n, "Add");
    MUL "QLinearMul" |n| binary_op(n, "Mul");
    SIGMOID "QLinearSigmoid" |n| unary_op(n, "Sigmoid", vec![]);
    LEAKY_RELU "QLinearLeakyRelu" |n| {
        let alpha = n.float("alpha", 0.01)?;
        unary_op(n, "LeakyRelu", vec![("alpha", Attr::Float(alpha))])
    };
    SOFTMAX "QLinearSoftmax" import_softmax;
    AVERAGE_POOL "QLinearAveragePool" import_average_pool;
    GLOBAL_AVERAGE_POOL "QLinearGlobalAveragePool" |n| pool(n, "GlobalAveragePool", vec![]);
    REDUCE_MEAN "QLinearReduceMean" import_reduce_mean;
    CONCAT "QLinearConcat" import_concat;
    WHERE "QLinearWhere" import_where;
    GEMM "QGemm" import_gemm;
    MATMUL_TO_FLOAT "MatMulIntegerToFloat" import_matmul_to_float;
    DYNAMIC_MATMUL "DynamicQuantizeMatMul" import_dynamic_matmul;
    ATTENTION "QAttention" import_attention;
    EMBED_LAYER "QEmbedLayerNormalization" import_embed;
}

/// Input `i`, if it is there.
fn input(n: &NodeReader, i: usize) -> Option<ValueId> {
    n.inputs.get(i).copied().flatten()
}

/// Inputs `i`, `i + 1`, `i + 2` (elements, scale, zero point) as numbers.
fn numbers(n: &mut NodeReader, i: usize) -> Result<ValueId> {
    let inputs = [input(n, i), input(n, i + 1), input(n, i + 2)];
    n.emit_one("DequantizeLinear", &[], &inputs)
}

/// The node becomes numbers as integers, see [`quantised`].
fn integers(n: &mut NodeReader, v: ValueId, i: usize, like: Option<ValueId>) -> Result<Attrs> {
    let y = quantised(n, v, i, like)?;
    n.become_values(vec![y])
}

/// Numbers to integers of scale and zero point that are inputs `i` and `i + 1`; `like` has their dtype if need be.
fn quantised(n: &mut NodeReader, v: ValueId, i: usize, like: Option<ValueId>) -> Result<ValueId> {
    let zero = match input(n, i + 1) {
        Some(z) => z,
        None => {
            let zero = n.constant("zero", Tensor::scalar(0i32));
            n.emit_one("CastLike", &[], &[Some(zero), like])?
        }
    };
    let scale = input(n, i);
    n.emit_one("QuantizeLinear", &[], &[Some(v), scale, Some(zero)])
}

fn binary_op(n: &mut NodeReader, op: &str) -> Result<Attrs> {
    let (a, b) = (numbers(n, 0)?, numbers(n, 3)?);
    let c = n.emit_one(op, &[], &[Some(a), Some(b)])?;
    let like = input(n, 0);
    integers(n, c, 6, like)
}

fn unary_op(n: &mut NodeReader, op: &str, attrs: Vec<(&str, Attr)>) -> Result<Attrs> {
    let x = numbers(n, 0)?;
    let y = n.emit_one(op, &attrs, &[Some(x)])?;
    let like = input(n, 0);
    integers(n, y, 3, like)
}

/// A pool, its channels where `channels_last` says: moved as integers.
fn pool(n: &mut NodeReader, op: &str, attrs: Vec<(&str, Attr)>) -> Result<Attrs> {
    if n.int("channels_last", 0)? == 0 {
        return unary_op(n, op, attrs);
    }
    let kernel = attrs.iter().find_map(|(name, v)| match v {
        Attr::Ints(v) if *name == "kernel_shape" => Some(v.len() + 2),
        _ => None,
    });
    let x = super::need(n, 0)?;
    let unknown = || n.error("E2041", "the rank of input 0 isn't known").expected("a rank in the file");
    let rank = kernel.or_else(|| super::rank(n, x)).ok_or_else(unknown)?;
    let x = to_first(n, x, rank)?;
    let (scale, zero) = (input(n, 1), input(n, 2));
    let x = n.emit_one("DequantizeLinear", &[], &[Some(x), scale, zero])?;
    let y = n.emit_one(op, &attrs, &[Some(x)])?;
    let like = input(n, 0);
    let y = quantised(n, y, 3, like)?;
    let y = to_last(n, y, rank)?;
    n.become_values(vec![y])
}

/// Softmax of the operator set that `opset` names: before 13, of the axes from `axis` on taken together.
fn import_softmax(n: &mut NodeReader) -> Result<Attrs> {
    let opset = n.int("opset", 13)?;
    let axis = n.int("axis", if opset < 13 { 1 } else { -1 })?;
    let x = numbers(n, 0)?;
    let like = input(n, 0);
    if opset >= 13 {
        let y = n.emit_one("Softmax", &[("axis", Attr::Int(axis))], &[Some(x)])?;
        return integers(n, y, 3, like);
    }
    // Flattened to two axes, and back.
    let flat = n.emit_one("Flatten", &[("axis", Attr::Int(axis))], &[Some(x)])?;
    let y = n.emit_one("Softmax", &[("axis", Attr::Int(-1))], &[Some(flat)])?;
    let shape = n.emit_one("Shape", &[], &[Some(x)])?;
    let y = n.emit_one("Reshape", &[("allowzero", Attr::Int(1))], &[Some(y), Some(shape)])?;
    integers(n, y, 3, like)
}

fn import_average_pool(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs: Vec<(&str, Attr)> = vec![];
    for name in ["auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"] {
        attrs.extend(n.attr(name).map(|a| (name, a)));
    }
    pool(n, "AveragePool", attrs)
}

fn import_reduce_mean(n: &mut NodeReader) -> Result<Attrs> {
    let keep = n.int("keepdims", 1)?;
    let axes = n.opt_ints("axes")?.map(|a| n.constant("axes", Tensor::from_slice(&[a.len()], &a)));
    let x = numbers(n, 0)?;
    let y = n.emit_one("ReduceMean", &[("keepdims", Attr::Int(keep))], &[Some(x), axes])?;
    let like = input(n, 0);
    integers(n, y, 3, like)
}

fn import_concat(n: &mut NodeReader) -> Result<Attrs> {
    let axis = n.need_int("axis")?;
    let mut parts = vec![];
    for i in (2..n.inputs.len()).step_by(3) {
        parts.push(Some(numbers(n, i)?));
    }
    let y = n.emit_one("Concat", &[("axis", Attr::Int(axis))], &parts)?;
    let like = input(n, 2);
    integers(n, y, 0, like)
}

fn import_where(n: &mut NodeReader) -> Result<Attrs> {
    let (x, y) = (numbers(n, 1)?, numbers(n, 4)?);
    let condition = input(n, 0);
    let z = n.emit_one("Where", &[], &[condition, Some(x), Some(y)])?;
    let like = input(n, 1);
    integers(n, z, 7, like)
}

/// The product of two scales: a constant if both are.
fn product(n: &mut NodeReader, a: Option<ValueId>, b: Option<ValueId>) -> Result<ValueId> {
    let floats = |v: Option<ValueId>| n.graph.constant(v?)?.to_vec::<f32>().map(|f| (v, f));
    if let (Some((_, x)), Some((_, y))) = (floats(a), floats(b))
        && x.len() == 1
    {
        let all: Vec<f32> = y.iter().map(|v| x[0] * v).collect();
        let shape = if all.len() == 1 { vec![] } else { vec![all.len()] };
        return Ok(n.constant("scale", Tensor::from_slice(&shape, &all)));
    }
    n.emit_one("Mul", &[], &[a, b])
}

fn import_gemm(n: &mut NodeReader) -> Result<Attrs> {
    let alpha = n.float("alpha", 1.0)?;
    let (ta, tb) = (n.int("transA", 0)?, n.int("transB", 0)?);
    let a = numbers(n, 0)?;
    // Scales of the right matrix belong to its columns.
    let axis = Attr::Int(if tb == 0 { 1 } else { 0 });
    let right = [input(n, 3), input(n, 4), input(n, 5)];
    let b = n.emit_one("DequantizeLinear", &[("axis", axis)], &right)?;
    let c = match input(n, 6) {
        None => None,
        Some(c) => {
            let (sa, sb) = (input(n, 1), input(n, 4));
            let scale = product(n, sa, sb)?;
            Some(n.emit_one("DequantizeLinear", &[("axis", Attr::Int(-1))], &[Some(c), Some(scale)])?)
        }
    };
    // The addend's scale is that of the product, factor and all.
    let attrs = [
        ("alpha", Attr::Float(alpha)),
        ("beta", Attr::Float(alpha)),
        ("transA", Attr::Int(ta)),
        ("transB", Attr::Int(tb)),
    ];
    let y = n.emit_one("Gemm", &attrs, &[Some(a), Some(b), c])?;
    if input(n, 7).is_none() {
        return n.become_values(vec![y]);
    }
    let like = input(n, 0);
    integers(n, y, 7, like)
}

/// The exact sums of the product of inputs, times the product of the scales, plus a bias.
fn scaled_sums(
    n: &mut NodeReader,
    factors: [Option<ValueId>; 4],
    scale: ValueId,
    bias: Option<ValueId>,
) -> Result<Attrs> {
    let sums = n.emit_one("MatMulInteger", &[], &factors)?;
    let sums = n.emit_one("Cast", &[("to", Attr::Int(1))], &[Some(sums)])?;
    let y = n.emit_one("Mul", &[], &[Some(sums), Some(scale)])?;
    let y = match bias {
        Some(b) => n.emit_one("Add", &[], &[Some(y), Some(b)])?,
        None => y,
    };
    n.become_values(vec![y])
}

fn import_matmul_to_float(n: &mut NodeReader) -> Result<Attrs> {
    let (sa, sb, bias) = (input(n, 2), input(n, 3), input(n, 6));
    let scale = n.emit_one("Mul", &[], &[sa, sb])?;
    let factors = [input(n, 0), input(n, 1), input(n, 4), input(n, 5)];
    scaled_sums(n, factors, scale, bias)
}

/// Attention, whose product with the weights is of integers: input, weights, bias, their scales, mask, their zero points,
/// past.
fn import_attention(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs: Vec<(&str, Attr)> = vec![];
    for name in ["num_heads", "unidirectional", "scale", "mask_filter_value", "do_rotary", "past_present_share_buffer"]
    {
        attrs.extend(n.attr(name).map(|a| (name, a)));
    }
    let x = n.emit_one("DequantizeLinear", &[], &[input(n, 0), input(n, 3), input(n, 6)])?;
    let w = n.emit_one("DequantizeLinear", &[("axis", Attr::Int(1))], &[input(n, 1), input(n, 4), input(n, 7)])?;
    let inputs = [Some(x), Some(w), input(n, 2), input(n, 5), input(n, 8)];
    let name = OpName { domain: DOMAIN.into(), name: "Attention".into() };
    let outputs = n.output_count;
    let results = n.emit(name, &attrs, &inputs, outputs)?;
    n.become_values(results)
}

/// Words, segments, five quantised tensors (tables of words, positions and segments; gamma; beta), mask; then the five
/// scales and the five zero points.
fn import_embed(n: &mut NodeReader) -> Result<Attrs> {
    let epsilon = n.float("epsilon", 1e-12)?;
    let mut inputs = [0, 1, 2, 3, 4, 5, 6, 7].map(|i| input(n, i));
    for i in 0..5 {
        let parts = [2, 8, 13].map(|from| input(n, from + i));
        if parts[0].is_some() {
            inputs[2 + i] = Some(n.emit_one("DequantizeLinear", &[], &parts)?);
        }
    }
    let name = OpName { domain: DOMAIN.into(), name: "EmbedLayerNormalization".into() };
    let results = n.emit(name, &[("epsilon", Attr::Float(epsilon))], &inputs, 2)?;
    n.become_values(results)
}

fn import_dynamic_matmul(n: &mut NodeReader) -> Result<Attrs> {
    let (b, sb, zb, bias) = (input(n, 1), input(n, 2), input(n, 3), input(n, 4));
    let a = n.emit(OpName::onnx("DynamicQuantizeLinear"), &[], &[input(n, 0)], 3)?;
    let scale = n.emit_one("Mul", &[], &[Some(a[1]), sb])?;
    scaled_sums(n, [Some(a[0]), b, Some(a[2]), zb], scale, bias)
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_quantised");
    }
}
