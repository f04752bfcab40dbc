//! Rules for operators that slide a window, and for those that are made of them here (`windows`).

use super::picks::put_back;
use super::rules::{Cx, Found};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// The shares by a rule of this file, if it has one.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Found> {
    let (g, all) = (cx.g, cx.inputs.clone());
    let share = match (name, &all[..]) {
        ("MaxPool", &[x]) => max_pool(cx, x)?,
        ("AveragePool", &[x]) => cx.inner("AveragePoolGradient", &[g, x])?,
        ("AveragePoolGradient", _) => cx.same_attrs("AveragePool", &[g]),
        ("Conv", &[x, w, ..]) => return conv(cx, x, w).map(Some),
        ("ConvTranspose", &[x, w, ..]) => return conv_transpose(cx, x, w),
        // Each is a product of the convolution's derivative with an operand, so it has such rules itself.
        ("ConvGradientInput", &[d, w, _]) => {
            let by_d = cx.same_attrs("Conv", &[g, w]);
            let by_w = cx.inner("ConvGradientWeights", &[d, g, w])?;
            return Ok(Some(vec![Some(by_d), Some(by_w)]));
        }
        ("ConvGradientWeights", &[d, x, _]) => {
            let by_d = cx.same_attrs("Conv", &[x, g]);
            let by_x = cx.inner("ConvGradientInput", &[d, g, x])?;
            return Ok(Some(vec![Some(by_d), Some(by_x)]));
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![Some(share)]))
}

/// The pool is asked for where its elements are from.
fn max_pool(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let mut attrs = cx.attrs.clone();
    attrs.set("storage_order", Attr::Int(0));
    let both = cx.n.emit_regions(OpName::onnx("MaxPool"), attrs, &[Some(x)], 2, vec![]);
    put_back(cx, both[1], x)
}

/// Batch and places are summed: channels become the last axis but one, all places the last.
fn bias(cx: &mut Cx) -> Result<Option<ValueId>> {
    if cx.inputs.len() < 3 || !cx.asked(2) {
        return Ok(None);
    }
    let shape = cx.n.constant("shape", Tensor::from_slice(&[3], &[0i64, 0, -1]));
    let axes = cx.n.constant("axes", Tensor::from_slice(&[2], &[0i64, 2]));
    let flat = cx.op("Reshape", &[cx.g, shape])?;
    cx.with("ReduceSum", &[("keepdims", Attr::Int(0))], &[flat, axes]).map(Some)
}

fn conv(cx: &mut Cx, x: ValueId, w: ValueId) -> Result<Vec<Option<ValueId>>> {
    let (g, mut shares) = (cx.g, vec![None; 3]);
    if cx.asked(0) {
        shares[0] = Some(cx.inner("ConvGradientInput", &[g, w, x])?);
    }
    if cx.asked(1) {
        shares[1] = Some(cx.inner("ConvGradientWeights", &[g, x, w])?);
    }
    shares[2] = bias(cx)?;
    Ok(shares)
}

/// It is what a convolution hands to its data, so a convolution goes back. Where the output's extents say how it is padded,
/// these aren't known here.
fn conv_transpose(cx: &mut Cx, x: ValueId, w: ValueId) -> Result<Found> {
    let same = cx.attrs.str("auto_pad").is_some_and(|a| a.starts_with("SAME"));
    let padded = cx.attrs.0.remove("output_padding").is_some();
    if cx.attrs.ints("output_shape").is_some() || same && padded {
        return Ok(None);
    }
    let (g, mut shares) = (cx.g, vec![None; 3]);
    if cx.asked(0) {
        shares[0] = Some(cx.same_attrs("Conv", &[g, w]));
    }
    if cx.asked(1) {
        shares[1] = Some(cx.inner("ConvGradientWeights", &[x, g, w])?);
    }
    shares[2] = bias(cx)?;
    Ok(Some(shares))
}
