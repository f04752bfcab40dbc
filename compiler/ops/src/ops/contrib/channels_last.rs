//! NhwcConv, NhwcFusedConv, NhwcMaxPool, QLinearConv of com.microsoft: the operators of ONNX between two transpositions, which the choice of layouts
//! takes away where it can.

use super::fused::{CONV_ATTRS, activation, window};
use super::{DOMAIN, emit, need, opt, plus, rank};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// NhwcConv.
pub static CONV: OpDef = OpDef::composed(DOMAIN, "NhwcConv", &[(1, import_conv)]);

/// NhwcFusedConv: also adds a tensor of the output's extents, then an activation.
pub static FUSED_CONV: OpDef = OpDef::composed(DOMAIN, "NhwcFusedConv", &[(1, import_conv)]);

/// NhwcMaxPool.
pub static MAX_POOL: OpDef = OpDef::composed(DOMAIN, "NhwcMaxPool", &[(1, import_max_pool)]);

/// QLinearConv, which differs from ONNX's in `channels_last`.
pub static QUANTISED_CONV: OpDef = OpDef::composed(DOMAIN, "QLinearConv", &[(1, import_quantised_conv)]);

/// Channels from the last axis to the second.
pub(super) fn to_first(n: &mut NodeReader, v: ValueId, rank: usize) -> Result<ValueId> {
    let last = rank as i64 - 1;
    let perm = [0, last].into_iter().chain(1..last).collect();
    emit(n, "Transpose", &[("perm", Attr::Ints(perm))], &[v])
}

/// And back.
pub(super) fn to_last(n: &mut NodeReader, v: ValueId, rank: usize) -> Result<ValueId> {
    let perm = [0].into_iter().chain(2..rank as i64).chain([1]).collect();
    emit(n, "Transpose", &[("perm", Attr::Ints(perm))], &[v])
}

fn import_conv(n: &mut NodeReader) -> Result<Attrs> {
    let (word, params) = (n.str("activation", "")?, n.opt_floats("activation_params")?.unwrap_or_default());
    let attrs = window(n, &CONV_ATTRS);
    let (x, w, bias, z) = (need(n, 0)?, need(n, 1)?, opt(n, 2), opt(n, 3));
    let known = rank(n, w).or_else(|| rank(n, x));
    let rank =
        known.ok_or_else(|| n.error("E2041", "the rank of the weights isn't known").expected("constant weights"))?;
    let x = to_first(n, x, rank)?;
    let y = n.emit_one("Conv", &attrs, &[Some(x), Some(w), bias])?;
    let y = to_last(n, y, rank)?;
    let y = plus(n, y, z)?;
    let y = activation(n, y, &word, &params)?;
    n.become_values(vec![y])
}

fn import_max_pool(n: &mut NodeReader) -> Result<Attrs> {
    let rank = n.need_ints("kernel_shape")?.len() + 2;
    let attrs = window(n, &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides"]);
    let x = need(n, 0)?;
    let x = to_first(n, x, rank)?;
    let y = emit(n, "MaxPool", &attrs, &[x])?;
    let y = to_last(n, y, rank)?;
    n.become_values(vec![y])
}

fn import_quantised_conv(n: &mut NodeReader) -> Result<Attrs> {
    let (attrs, last, mut inputs) = (window(n, &CONV_ATTRS), n.int("channels_last", 0)? != 0, n.inputs.clone());
    let x = need(n, 0)?;
    let known = rank(n, need(n, 3)?).or_else(|| rank(n, x));
    let order = |n: &mut NodeReader, v, to: fn(&mut NodeReader, ValueId, usize) -> Result<ValueId>| match known {
        _ if !last => Ok(v),
        Some(rank) => to(n, v, rank),
        None => Err(n.error("E2041", "the rank of the weights isn't known").expected("constant weights")),
    };
    inputs[0] = Some(order(n, x, to_first)?);
    let y = n.emit_one("QLinearConv", &attrs, &inputs)?;
    let y = order(n, y, to_last)?;
    n.become_values(vec![y])
}
