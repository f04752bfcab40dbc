//! Arithmetic of several tensors that are broadcast to each other.

use super::rules::{Cx, Found};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The shares of a node's inputs by a rule of this file, if it has one.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Found> {
    let (g, all) = (cx.g, cx.inputs.clone());
    if matches!(name, "Sum" | "Mean") {
        let g = if name == "Mean" {
            let count = cx.number(all.len() as f64)?;
            cx.op("Div", &[g, count])?
        } else {
            g
        };
        return all.iter().map(|&x| cx.sum_to(g, x).map(Some)).collect::<Result<_>>().map(Some);
    }
    let [a, b, ..] = all[..] else { return Ok(None) };
    let mut shares = vec![None; all.len()];
    for (i, &x) in all.iter().enumerate() {
        if !cx.asked(i) {
            continue;
        }
        let share = match (name, i) {
            ("Add", _) | ("Sub" | "Mod", 0) => g,
            ("Sub", _) => cx.op("Neg", &[g])?,
            ("Mul", 0) => cx.times(b)?,
            ("Mul", _) => cx.times(a)?,
            ("Div", 0) => cx.op("Div", &[g, b])?,
            ("Div", _) => {
                let by_a = cx.op("Div", &[g, b])?;
                let scaled = cx.op("Mul", &[by_a, cx.y])?;
                cx.op("Neg", &[scaled])?
            }
            ("Pow", 0) => power_by_base(cx, a, b)?,
            ("Pow", _) => power_by_exponent(cx, a)?,
            // a minus as many b as fit.
            ("Mod", _) => {
                let rest = cx.op("Sub", &[a, cx.y])?;
                let count = cx.op("Div", &[rest, b])?;
                let count = cx.op("Round", &[count])?;
                let share = cx.times(count)?;
                cx.op("Neg", &[share])?
            }
            ("Where", 1 | 2) => {
                let zero = cx.number(0.0)?;
                cx.op("Where", &if i == 1 { [a, g, zero] } else { [a, zero, g] })?
            }
            _ => return Ok(None),
        };
        shares[i] = Some(cx.sum_to(share, x)?);
    }
    let binary = matches!(name, "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Where");
    Ok(binary.then_some(shares))
}

/// g b a^(b - 1), and 0 where b is 0.
fn power_by_base(cx: &mut Cx, a: ValueId, b: ValueId) -> Result<ValueId> {
    let b = cx.op("CastLike", &[b, a])?;
    let (zero, one) = (cx.number(0.0)?, cx.number(1.0)?);
    let none = cx.op("Equal", &[b, zero])?;
    let less = cx.op("Sub", &[b, one])?;
    // Of 0^-1, an infinity, 0 times were no number.
    let less = cx.op("Where", &[none, one, less])?;
    let power = cx.op("Pow", &[a, less])?;
    let factor = cx.op("Mul", &[b, power])?;
    cx.times(factor)
}

/// g a^b log a, and 0 where the logarithm isn't a number.
fn power_by_exponent(cx: &mut Cx, a: ValueId) -> Result<ValueId> {
    let (zero, one, y) = (cx.number(0.0)?, cx.number(1.0)?, cx.y);
    let positive = cx.op("Greater", &[a, zero])?;
    let base = cx.op("Where", &[positive, a, one])?;
    let log = cx.op("Log", &[base])?;
    let factor = cx.op("Mul", &[y, log])?;
    cx.times(factor)
}
