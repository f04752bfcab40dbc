//! Operators that others put together are derived through them: the node's first output is computed anew, by operators
//! that have rules.
//!
//! Ranks aren't known where this is done, so channels are brought to a known place by `Reshape`.

use super::rules::Cx;
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The node's first output by other operators, if it is one of those.
pub(super) fn output(cx: &mut Cx, name: &str) -> Result<Option<ValueId>> {
    let Some(&x) = cx.inputs.first() else { return Ok(None) };
    let value = match name {
        "LayerNormalization" | "RMSNormalization" => last_axes(cx, x, name == "LayerNormalization")?,
        "BatchNormalization" if of_channels(cx) => batch(cx, x)?,
        "InstanceNormalization" => per_sample(cx, x, 0)?,
        "GroupNormalization" if cx.attrs.int("grouped") != Some(1) => {
            let groups = cx.attrs.int("groups").unwrap_or(1);
            per_sample(cx, x, groups)?
        }
        "Gelu" => gelu(cx, x)?,
        "Mish" => {
            let softplus = cx.op("Softplus", &[x])?;
            let factor = cx.op("Tanh", &[softplus])?;
            cx.op("Mul", &[x, factor])?
        }
        "HardSigmoid" | "HardSwish" => {
            let swish = name == "HardSwish";
            let slope = if swish { 1.0 / 6.0 } else { cx.attrs.float("alpha").unwrap_or(0.2) };
            let offset = if swish { 0.5 } else { cx.attrs.float("beta").unwrap_or(0.5) };
            let line = linear(cx, x, slope, offset)?;
            let [zero, one] = [0.0, 1.0].map(|v| cx.number(v));
            let gate = cx.op("Clip", &[line, zero?, one?])?;
            if swish { cx.op("Mul", &[x, gate])? } else { gate }
        }
        "Elu" => {
            let alpha = cx.number(cx.attrs.float("alpha").unwrap_or(1.0))?;
            let (power, one, zero) = (cx.op("Exp", &[x])?, cx.number(1.0)?, cx.number(0.0)?);
            let less = cx.op("Sub", &[power, one])?;
            let below = cx.op("Mul", &[alpha, less])?;
            let above = cx.op("Greater", &[x, zero])?;
            cx.op("Where", &[above, x, below])?
        }
        "PRelu" => {
            let (slope, zero) = (cx.inputs[1], cx.number(0.0)?);
            let below = cx.op("Mul", &[slope, x])?;
            let negative = cx.op("Less", &[x, zero])?;
            cx.op("Where", &[negative, below, x])?
        }
        "Softsign" => {
            let (size, one) = (cx.op("Abs", &[x])?, cx.number(1.0)?);
            let more = cx.op("Add", &[size, one])?;
            cx.op("Div", &[x, more])?
        }
        "Tan" => {
            let (sine, cosine) = (cx.op("Sin", &[x])?, cx.op("Cos", &[x])?);
            cx.op("Div", &[sine, cosine])?
        }
        "Sinh" | "Cosh" => {
            let (power, half) = (cx.op("Exp", &[x])?, cx.number(0.5)?);
            let inverse = cx.op("Reciprocal", &[power])?;
            let both = cx.op(if name == "Sinh" { "Sub" } else { "Add" }, &[power, inverse])?;
            cx.op("Mul", &[both, half])?
        }
        "ReduceSumSquare" | "ReduceL2" | "ReduceLogSumExp" => norm(cx, x, name)?,
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// BatchNormalization by statistics that are given, one for each channel.
fn of_channels(cx: &Cx) -> bool {
    cx.attrs.int("spatial") != Some(0) && cx.attrs.int("training") != Some(1) && cx.inputs.len() == 5
}

/// slope x + offset.
fn linear(cx: &mut Cx, x: ValueId, slope: f32, offset: f32) -> Result<ValueId> {
    let (slope, offset) = (cx.number(slope)?, cx.number(offset)?);
    let scaled = cx.op("Mul", &[x, slope])?;
    cx.op("Add", &[scaled, offset])
}

/// Rows of a mean of 0 (if asked) and a mean square of 1, along axis `axis` of `x`.
fn standardised(cx: &mut Cx, x: ValueId, axis: i64, centred: bool) -> Result<ValueId> {
    let axes = cx.n.constant("axes", Tensor::from_slice(&[1], &[axis]));
    let keep = [("keepdims", Attr::Int(1))];
    let x = match centred {
        true => {
            let mean = cx.with("ReduceMean", &keep, &[x, axes])?;
            cx.op("Sub", &[x, mean])?
        }
        false => x,
    };
    let square = cx.op("Mul", &[x, x])?;
    let variance = cx.with("ReduceMean", &keep, &[square, axes])?;
    let deviation = deviation(cx, variance)?;
    cx.op("Div", &[x, deviation])
}

/// The root of a variance and the node's epsilon.
fn deviation(cx: &mut Cx, variance: ValueId) -> Result<ValueId> {
    let epsilon = cx.number(cx.attrs.float("epsilon").unwrap_or(1e-5))?;
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

/// A reshaped tensor; 0 keeps an extent.
fn reshaped(cx: &mut Cx, x: ValueId, shape: &[i64]) -> Result<ValueId> {
    let shape = cx.n.constant("shape", Tensor::from_slice(&[shape.len()], shape));
    cx.op("Reshape", &[x, shape])
}

/// `x` times a number per channel, plus another: its channels are axis 1 of three.
fn affine(cx: &mut Cx, x: ValueId, scale: ValueId, bias: ValueId) -> Result<ValueId> {
    let (scale, bias) = (reshaped(cx, scale, &[-1, 1])?, reshaped(cx, bias, &[-1, 1])?);
    let scaled = cx.op("Mul", &[x, scale])?;
    cx.op("Add", &[scaled, bias])
}

fn batch(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let [scale, bias, mean, variance] = [1, 2, 3, 4].map(|i| cx.inputs[i]);
    let planes = reshaped(cx, x, &[0, 0, -1])?;
    let (mean, deviation) = (reshaped(cx, mean, &[-1, 1])?, deviation(cx, variance)?);
    let deviation = reshaped(cx, deviation, &[-1, 1])?;
    let centred = cx.op("Sub", &[planes, mean])?;
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

/// x/2 (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)).
fn gelu(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let gate = match cx.attrs.str("approximate") {
        Some("tanh") => {
            let square = cx.op("Mul", &[x, x])?;
            let slope = linear(cx, square, 0.044715, 1.0)?;
            let curve = cx.op("Mul", &[x, slope])?;
            let scale = cx.number((2.0 / std::f32::consts::PI).sqrt())?;
            let inner = cx.op("Mul", &[curve, scale])?;
            cx.op("Tanh", &[inner])?
        }
        _ => {
            let scale = cx.number(std::f32::consts::FRAC_1_SQRT_2)?;
            let inner = cx.op("Mul", &[x, scale])?;
            cx.op("Erf", &[inner])?
        }
    };
    let half = linear(cx, gate, 0.5, 0.5)?;
    cx.op("Mul", &[x, half])
}

/// Sums of squares, their roots, logarithms of sums of powers.
fn norm(cx: &mut Cx, x: ValueId, name: &str) -> Result<ValueId> {
    let term = if name == "ReduceLogSumExp" { cx.op("Exp", &[x])? } else { cx.op("Mul", &[x, x])? };
    let attrs: Vec<(&str, Attr)> = [("keepdims", "keepdims"), ("noop_with_empty_axes", "noop")]
        .into_iter()
        .filter_map(|(name, own)| Some((name, Attr::Int(cx.attrs.int(own)?))))
        .collect();
    let inputs = [&[term], &cx.inputs[1..]].concat();
    let sum = cx.with("ReduceSum", &attrs, &inputs)?;
    match name {
        "ReduceL2" => cx.op("Sqrt", &[sum]),
        "ReduceLogSumExp" => cx.op("Log", &[sum]),
        _ => Ok(sum),
    }
}
