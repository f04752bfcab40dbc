//! Elementary functions of one tensor: the derivative times a factor, for each element.

use super::rules::{Cx, Found};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The share of the node's input, if it is such a function.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Found> {
    let (Some(&x), y, g) = (cx.inputs.first(), cx.y, cx.g) else { return Ok(None) };
    let share = match name {
        "Identity" => g,
        "Cast" | "CastLike" => cx.op("CastLike", &[g, x])?,
        "Neg" => cx.op("Neg", &[g])?,
        "Log" => cx.op("Div", &[g, x])?,
        "Relu" => {
            let zero = cx.number(0.0)?;
            let on = cx.op("Greater", &[x, zero])?;
            cx.op("Where", &[on, g, zero])?
        }
        _ => match factor(cx, name, x, y)? {
            Some(factor) => cx.times(factor)?,
            None => return Ok(None),
        },
    };
    Ok(Some(vec![Some(share)]))
}

fn factor(cx: &mut Cx, name: &str, x: ValueId, y: ValueId) -> Result<Option<ValueId>> {
    Ok(Some(match name {
        "Exp" => y,
        "Abs" => cx.op("Sign", &[x])?,
        "Sin" => cx.op("Cos", &[x])?,
        "Cos" => {
            let sine = cx.op("Sin", &[x])?;
            cx.op("Neg", &[sine])?
        }
        "Softplus" => cx.op("Sigmoid", &[x])?,
        "Erf" => {
            // 2 / sqrt(pi) e^(-x^2).
            let (square, scale) = (cx.op("Mul", &[x, x])?, cx.number(std::f64::consts::FRAC_2_SQRT_PI)?);
            let minus = cx.op("Neg", &[square])?;
            let bell = cx.op("Exp", &[minus])?;
            cx.op("Mul", &[scale, bell])?
        }
        "LeakyRelu" => {
            let (zero, one) = (cx.number(0.0)?, cx.number(1.0)?);
            let slope = cx.number(f64::from(cx.attrs.float("alpha").unwrap_or(0.01)))?;
            let on = cx.op("Greater", &[x, zero])?;
            cx.op("Where", &[on, one, slope])?
        }
        "Sqrt" => {
            let half = cx.number(0.5)?;
            cx.op("Div", &[half, y])?
        }
        "Reciprocal" => {
            let square = cx.op("Mul", &[y, y])?;
            cx.op("Neg", &[square])?
        }
        "Tanh" | "Sigmoid" => {
            let one = cx.number(1.0)?;
            let square = cx.op("Mul", &[y, y])?;
            cx.op("Sub", &[if name == "Tanh" { one } else { y }, square])?
        }
        "Asin" | "Acos" | "Asinh" | "Acosh" | "Atan" | "Atanh" => arc(cx, name, x)?,
        _ => return Ok(None),
    }))
}

/// 1 / sqrt(+-x^2 +- 1) and 1 / (1 +- x^2).
fn arc(cx: &mut Cx, name: &str, x: ValueId) -> Result<ValueId> {
    let (square, one) = (cx.op("Mul", &[x, x])?, cx.number(1.0)?);
    let inner = match name {
        "Asin" | "Acos" | "Atanh" => cx.op("Sub", &[one, square])?,
        "Acosh" => cx.op("Sub", &[square, one])?,
        _ => cx.op("Add", &[square, one])?,
    };
    let root = if name.starts_with("Atan") { inner } else { cx.op("Sqrt", &[inner])? };
    let factor = cx.op("Reciprocal", &[root])?;
    if name == "Acos" { cx.op("Neg", &[factor]) } else { Ok(factor) }
}
