//! Normalisations, and norms of windows.

use super::{parameter, reshaped};
use crate::ops::gradient::rules::Cx;
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The node's output, if it is one of those.
pub(super) fn output(cx: &mut Cx, name: &str, x: ValueId) -> Result<Option<ValueId>> {
    Ok(Some(match name {
        "LayerNormalization" | "RMSNormalization" => last_axes(cx, x, name == "LayerNormalization")?,
        "BatchNormalization" if cx.attrs.int("spatial") != Some(0) && cx.inputs.len() == 5 => batch(cx, x)?,
        "InstanceNormalization" => per_sample(cx, x, 0)?,
        "GroupNormalization" if cx.attrs.int("grouped") != Some(1) => {
            let groups = cx.attrs.int("groups").unwrap_or(1);
            per_sample(cx, x, groups)?
        }
        "MeanVarianceNormalization" => {
            let axes = cx.attrs.ints("axes").unwrap_or_default().to_vec();
            let axes = cx.n.constant("axes", Tensor::from_slice(&[axes.len()], &axes));
            let (centred, variance) = moments(cx, x, axes, true)?;
            let (deviation, least) = (cx.op("Sqrt", &[variance])?, cx.number(1e-9)?);
            let deviation = cx.op("Add", &[deviation, least])?;
            cx.op("Div", &[centred, deviation])?
        }
        "LpNormalization" => {
            let axis = cx.attrs.int("axis").unwrap_or(-1);
            let axes = cx.n.constant("axes", Tensor::from_slice(&[1], &[axis]));
            let norm = if cx.attrs.int("p") == Some(1) { "ReduceL1" } else { "ReduceL2" };
            let (norm, zero, one) = (cx.op(norm, &[x, axes])?, cx.number(0.0)?, cx.number(1.0)?);
            let none = cx.op("Equal", &[norm, zero])?;
            let norm = cx.op("Where", &[none, one, norm])?;
            let y = cx.op("Div", &[x, norm])?;
            cx.op("Where", &[none, zero, y])?
        }
        "LRN" => neighbours(cx, x)?,
        "GlobalLpPool" => {
            let power = power(cx, x)?;
            let planes = reshaped(cx, power, &[0, 0, -1])?;
            let axes = cx.n.constant("axes", Tensor::from_slice(&[1], &[2i64]));
            let sum = cx.op("ReduceSum", &[planes, axes])?;
            let root = root(cx, sum)?;
            cx.shaped(root, cx.y)?
        }
        "LpPool" if cx.attrs.int("ceil_mode") != Some(1) => lp_pool(cx, x)?,
        _ => return Ok(None),
    }))
}

/// Elements (less their mean, if asked) and their mean square over axes.
fn moments(cx: &mut Cx, x: ValueId, axes: ValueId, centred: bool) -> Result<(ValueId, ValueId)> {
    let keep = [("keepdims", Attr::Int(1))];
    let x = match centred {
        true => {
            let mean = cx.with("ReduceMean", &keep, &[x, axes])?;
            cx.op("Sub", &[x, mean])?
        }
        false => x,
    };
    let square = cx.op("Mul", &[x, x])?;
    Ok((x, cx.with("ReduceMean", &keep, &[square, axes])?))
}

/// Rows of a mean of 0 (if asked) and a mean square of 1, along axis `axis` of `x`.
fn standardised(cx: &mut Cx, x: ValueId, axis: i64, centred: bool) -> Result<ValueId> {
    let axes = cx.n.constant("axes", Tensor::from_slice(&[1], &[axis]));
    let (x, variance) = moments(cx, x, axes, centred)?;
    let deviation = deviation(cx, variance)?;
    cx.op("Div", &[x, deviation])
}

/// The root of a variance and the node's epsilon.
fn deviation(cx: &mut Cx, variance: ValueId) -> Result<ValueId> {
    let epsilon = parameter(cx, "epsilon", 1e-5)?;
    let sum = cx.op("Add", &[variance, epsilon])?;
    cx.op("Sqrt", &[sum])
}

fn last_axes(cx: &mut Cx, x: ValueId, centred: bool) -> Result<ValueId> {
    let axis = cx.attrs.int("axis").unwrap_or(-1);
    let rows = cx.with("Flatten", &[("axis", Attr::Int(axis))], &[x])?;
    let rows = standardised(cx, rows, 1, centred)?;
    let whole = cx.shaped(rows, x)?;
    let scaled = cx.op("Mul", &[whole, cx.inputs[1]])?;
    match cx.inputs.get(2) {
        Some(&bias) => cx.op("Add", &[scaled, bias]),
        None => Ok(scaled),
    }
}

/// `x` times a number per channel, plus another: its channels are axis 1 of three.
fn affine(cx: &mut Cx, x: ValueId, scale: ValueId, bias: ValueId) -> Result<ValueId> {
    let (scale, bias) = (reshaped(cx, scale, &[-1, 1])?, reshaped(cx, bias, &[-1, 1])?);
    let scaled = cx.op("Mul", &[x, scale])?;
    cx.op("Add", &[scaled, bias])
}

/// By statistics that are given, one for each channel, or by those of the batch.
fn batch(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let [scale, bias, mean, variance] = [1, 2, 3, 4].map(|i| cx.inputs[i]);
    let planes = reshaped(cx, x, &[0, 0, -1])?;
    let (centred, variance) = if cx.attrs.int("training") == Some(1) {
        let axes = cx.n.constant("axes", Tensor::from_slice(&[2], &[0i64, 2]));
        moments(cx, planes, axes, true)?
    } else {
        let mean = reshaped(cx, mean, &[-1, 1])?;
        (cx.op("Sub", &[planes, mean])?, reshaped(cx, variance, &[-1, 1])?)
    };
    let deviation = deviation(cx, variance)?;
    let planes = cx.op("Div", &[centred, deviation])?;
    let planes = affine(cx, planes, scale, bias)?;
    cx.shaped(planes, x)
}

/// By statistics of each channel of each sample, or of so many groups of channels.
fn per_sample(cx: &mut Cx, x: ValueId, groups: i64) -> Result<ValueId> {
    let (scale, bias) = (cx.inputs[1], cx.inputs[2]);
    let planes = reshaped(cx, x, &[0, groups, -1])?;
    let planes = standardised(cx, planes, 2, true)?;
    let whole = cx.shaped(planes, x)?;
    let planes = reshaped(cx, whole, &[0, 0, -1])?;
    let planes = affine(cx, planes, scale, bias)?;
    cx.shaped(planes, x)
}

/// LRN: a mean over channels is a pool over the first axis of images whose rows are channels.
fn neighbours(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let size = cx.attrs.int("size").unwrap_or(1);
    let planes = reshaped(cx, x, &[0, 0, -1])?;
    let axes = cx.n.constant("axes", Tensor::from_slice(&[1], &[1i64]));
    let planes = cx.op("Unsqueeze", &[planes, axes])?;
    let square = cx.op("Mul", &[planes, planes])?;
    let before = (size - 1) / 2;
    let window = [
        ("kernel_shape", Attr::Ints(vec![size, 1])),
        ("pads", Attr::Ints(vec![before, 0, size - 1 - before, 0])),
        ("count_include_pad", Attr::Int(1)),
    ];
    let mean = cx.with("AveragePool", &window, &[square])?;
    let (alpha, bias, beta) =
        (parameter(cx, "alpha", 1e-4)?, parameter(cx, "bias", 1.0)?, parameter(cx, "beta", 0.75)?);
    let scaled = cx.op("Mul", &[mean, alpha])?;
    let sum = cx.op("Add", &[scaled, bias])?;
    let power = cx.op("Pow", &[sum, beta])?;
    let y = cx.op("Div", &[planes, power])?;
    cx.shaped(y, x)
}

/// |x|^p.
fn power(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let (size, p) = (cx.op("Abs", &[x])?, parameter(cx, "p", 2.0)?);
    cx.op("Pow", &[size, p])
}

/// The p-th root of a sum of such powers.
fn root(cx: &mut Cx, sum: ValueId) -> Result<ValueId> {
    let p = f64::from(cx.attrs.float("p").unwrap_or(2.0));
    let p = cx.number(1.0 / p)?;
    cx.op("Pow", &[sum, p])
}

/// A sum over a window is its mean, paddings counted, times its taps.
fn lp_pool(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let taps: i64 = cx.attrs.ints("kernel_shape").unwrap_or_default().iter().product();
    let power = power(cx, x)?;
    let mut attrs = cx.attrs.clone();
    attrs.0.remove("p");
    attrs.set("count_include_pad", Attr::Int(1));
    std::mem::swap(&mut cx.attrs, &mut attrs);
    let mean = cx.same_attrs("AveragePool", &[power]);
    cx.attrs = attrs;
    let taps = cx.number(taps as f64)?;
    let sum = cx.op("Mul", &[mean, taps])?;
    root(cx, sum)
}
