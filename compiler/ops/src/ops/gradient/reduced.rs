//! Sums, means, extremes, products and norms over axes; Softmax; running sums.
//!
//! Each element had a part in one result: `Part` brings the result and its derivative back to the elements.

use super::rules::{Cx, Found};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The share of the node's input by a rule of this file, if it has one.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Found> {
    let Some(&x) = cx.inputs.first() else { return Ok(None) };
    let share = match name {
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" | "GlobalAveragePool" | "GlobalMaxPool" => {
            let part = Part::of(cx)?;
            reduction(cx, name, x, &part)?
        }
        "Softmax" | "LogSoftmax" => softmax(cx, name == "LogSoftmax")?,
        "CumSum" => {
            let [exclusive, reverse] = ["exclusive", "reverse"].map(|a| cx.attrs.int(a).unwrap_or(0));
            let attrs = [("exclusive", Attr::Int(exclusive)), ("reverse", Attr::Int(1 - reverse))];
            cx.with("CumSum", &attrs, &[cx.g, cx.inputs[1]])?
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![Some(share)]))
}

/// A result and its derivative, with the axes that were reduced.
struct Part {
    y: ValueId,
    g: ValueId,
}

impl Part {
    fn of(cx: &mut Cx) -> Result<Part> {
        let (mut y, mut g) = (cx.y, cx.g);
        // Without axes the result is a scalar, or all axes are kept: it broadcasts as it is.
        if let (Some(&axes), Some(0)) = (cx.inputs.get(1), cx.attrs.int("keepdims")) {
            (y, g) = (cx.op("Unsqueeze", &[y, axes])?, cx.op("Unsqueeze", &[g, axes])?);
        }
        Ok(Part { y, g })
    }
}

fn reduction(cx: &mut Cx, name: &str, x: ValueId, part: &Part) -> Result<ValueId> {
    let (y, g) = (part.y, part.g);
    let factor = match name {
        "ReduceSum" => return repeated(cx, g, x),
        "ReduceMean" | "GlobalAveragePool" => {
            let share = mean_share(cx, x, g)?;
            return repeated(cx, share, x);
        }
        "ReduceMax" | "ReduceMin" | "GlobalMaxPool" => return extreme(cx, x, part),
        "ReduceProd" => return product(cx, x, part),
        "ReduceL1" => cx.op("Sign", &[x])?,
        "ReduceSumSquare" => cx.op("Add", &[x, x])?,
        // 0 where all elements are.
        "ReduceL2" => {
            let (zero, one) = (cx.number(0.0)?, cx.number(1.0)?);
            let none = cx.op("Equal", &[y, zero])?;
            let norm = cx.op("Where", &[none, one, y])?;
            cx.op("Div", &[x, norm])?
        }
        "ReduceLogSum" => {
            let minus = cx.op("Neg", &[y])?;
            let inverse = cx.op("Exp", &[minus])?;
            let share = cx.op("Mul", &[g, inverse])?;
            return repeated(cx, share, x);
        }
        _ => {
            let less = cx.op("Sub", &[x, y])?;
            cx.op("Exp", &[less])?
        }
    };
    cx.op("Mul", &[g, factor])
}

/// `v` for each element of `x`.
fn repeated(cx: &mut Cx, v: ValueId, x: ValueId) -> Result<ValueId> {
    let shape = cx.op("Shape", &[x])?;
    cx.op("Expand", &[v, shape])
}

/// The derivative over how many elements of `x` each mean was taken.
fn mean_share(cx: &mut Cx, x: ValueId, g: ValueId) -> Result<ValueId> {
    let y = cx.y;
    let (of_x, of_y) = (cx.op("Size", &[x])?, cx.op("Size", &[y])?);
    let (of_x, of_y) = (cx.op("CastLike", &[of_x, g])?, cx.op("CastLike", &[of_y, g])?);
    let share = cx.op("Div", &[of_y, of_x])?;
    cx.op("Mul", &[g, share])
}

/// Of elements that are greatest together, each gets an equal part.
fn extreme(cx: &mut Cx, x: ValueId, part: &Part) -> Result<ValueId> {
    let hits = cx.op("Equal", &[x, part.y])?;
    let hits = cx.op("CastLike", &[hits, part.g])?;
    let count = cx.sum_to(hits, part.y)?;
    let share = cx.op("Div", &[part.g, count])?;
    cx.op("Mul", &[hits, share])
}

/// The product of all other elements: 0 unless all of those differ from 0.
fn product(cx: &mut Cx, x: ValueId, part: &Part) -> Result<ValueId> {
    let (zero, one) = (cx.number(0.0)?, cx.number(1.0)?);
    let none = cx.op("Equal", &[x, zero])?;
    let filled = cx.op("Where", &[none, one, x])?;
    let product = cx.copy(&[&[Some(filled)], &cx.given()[1..]].concat())?;
    let product = cx.shaped(product, part.y)?;
    let zeros = cx.op("CastLike", &[none, x])?;
    let count = cx.sum_to(zeros, part.y)?;
    let others = cx.op("Equal", &[count, zeros])?;
    let rest = cx.op("Div", &[product, filled])?;
    let rest = cx.op("Where", &[others, rest, zero])?;
    cx.op("Mul", &[part.g, rest])
}

fn softmax(cx: &mut Cx, log: bool) -> Result<ValueId> {
    let (g, y) = (cx.g, cx.y);
    let axis = Tensor::from_slice(&[1], &[cx.attrs.int("axis").unwrap_or(-1)]);
    let axis = cx.n.constant("axis", axis);
    let weighted = if log { g } else { cx.times(y)? };
    let sum = cx.with("ReduceSum", &[("keepdims", Attr::Int(1))], &[weighted, axis])?;
    let p = if log { cx.op("Exp", &[y])? } else { y };
    let part = cx.op("Mul", &[p, sum])?;
    cx.op("Sub", &[weighted, part])
}
