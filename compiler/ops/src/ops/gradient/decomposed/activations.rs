//! Activations by elementary functions. Where one is put together of pieces, the arguments of a piece are such that it is
//! finite where another is taken.

use super::{linear, parameter};
use crate::ops::gradient::rules::Cx;
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The node's output, if it is one of those.
pub(super) fn output(cx: &mut Cx, name: &str, x: ValueId) -> Result<Option<ValueId>> {
    Ok(Some(match name {
        "Gelu" => gelu(cx, x)?,
        "Mish" => {
            let softplus = cx.op("Softplus", &[x])?;
            let factor = cx.op("Tanh", &[softplus])?;
            cx.op("Mul", &[x, factor])?
        }
        "Swish" => swish(cx, x)?,
        "SwiGLU" => {
            let gate = swish(cx, x)?;
            cx.op("Mul", &[gate, cx.inputs[1]])?
        }
        "HardSigmoid" | "HardSwish" => {
            let swish = name == "HardSwish";
            let [slope, offset] = if swish {
                [1.0 / 6.0, 0.5]
            } else {
                [("alpha", 0.2), ("beta", 0.5)].map(|(n, d)| f64::from(cx.attrs.float(n).unwrap_or(d)))
            };
            let line = linear(cx, x, slope, offset)?;
            let [zero, one] = [0.0, 1.0].map(|v| cx.number(v));
            let gate = cx.op("Clip", &[line, zero?, one?])?;
            if swish { cx.op("Mul", &[x, gate])? } else { gate }
        }
        "Elu" | "Celu" | "Selu" => exponential(cx, name, x)?,
        "PRelu" => {
            let (slope, zero) = (cx.inputs[1], cx.number(0.0)?);
            let below = cx.op("Mul", &[slope, x])?;
            let negative = cx.op("Less", &[x, zero])?;
            cx.op("Where", &[negative, below, x])?
        }
        "ThresholdedRelu" => {
            let (threshold, zero) = (parameter(cx, "alpha", 1.0)?, cx.number(0.0)?);
            let above = cx.op("Greater", &[x, threshold])?;
            cx.op("Where", &[above, x, zero])?
        }
        "Shrink" => shrink(cx, x)?,
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
        _ => return Ok(None),
    }))
}

/// x + bias below -lambd, x - bias above lambd, 0 between.
fn shrink(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let (bias, most, zero) = (parameter(cx, "bias", 0.0)?, parameter(cx, "lambd", 0.5)?, cx.number(0.0)?);
    let (more, less) = (cx.op("Add", &[x, bias])?, cx.op("Sub", &[x, bias])?);
    let least = cx.op("Neg", &[most])?;
    let (above, below) = (cx.op("Greater", &[x, most])?, cx.op("Less", &[x, least])?);
    let outer = cx.op("Where", &[above, less, zero])?;
    cx.op("Where", &[below, more, outer])
}

/// x sigmoid(alpha x).
fn swish(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let alpha = parameter(cx, "alpha", 1.0)?;
    let inner = cx.op("Mul", &[alpha, x])?;
    let gate = cx.op("Sigmoid", &[inner])?;
    cx.op("Mul", &[x, gate])
}

/// x above 0, alpha (e^x - 1) below; of Celu with x / alpha, of Selu all times gamma.
fn exponential(cx: &mut Cx, name: &str, x: ValueId) -> Result<ValueId> {
    let (alpha, one, zero) = (parameter(cx, "alpha", 1.0)?, cx.number(1.0)?, cx.number(0.0)?);
    let above = cx.op("Greater", &[x, zero])?;
    let low = cx.op("Where", &[above, zero, x])?;
    let low = if name == "Celu" { cx.op("Div", &[low, alpha])? } else { low };
    let power = cx.op("Exp", &[low])?;
    let less = cx.op("Sub", &[power, one])?;
    let below = cx.op("Mul", &[alpha, less])?;
    let y = cx.op("Where", &[above, x, below])?;
    if name != "Selu" {
        return Ok(y);
    }
    let gamma = parameter(cx, "gamma", 1.0)?;
    cx.op("Mul", &[gamma, y])
}

/// x/2 (1 + erf(x / sqrt 2)), or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)).
fn gelu(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let gate = match cx.attrs.str("approximate") {
        Some("tanh") => {
            let square = cx.op("Mul", &[x, x])?;
            let slope = linear(cx, square, 0.044715, 1.0)?;
            let curve = cx.op("Mul", &[x, slope])?;
            let scale = cx.number((2.0 / std::f64::consts::PI).sqrt())?;
            let inner = cx.op("Mul", &[curve, scale])?;
            cx.op("Tanh", &[inner])?
        }
        _ => {
            let scale = cx.number(std::f64::consts::FRAC_1_SQRT_2)?;
            let inner = cx.op("Mul", &[x, scale])?;
            cx.op("Erf", &[inner])?
        }
    };
    let half = linear(cx, gate, 0.5, 0.5)?;
    cx.op("Mul", &[x, half])
}
