//! Rules for operators that pick elements, and those that slide a window.
//!
//! What only moves elements is told by moving their numbers: each element of the derivative is added to the place whose
//! number stands at its own. Of elements that are greatest together, each gets an equal part.

use super::rules::{Cx, filled};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// The shares by a rule of this file, if it has one.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Option<Vec<Option<ValueId>>>> {
    let (g, all) = (cx.g, cx.inputs.clone());
    let Some(&x) = all.first() else { return Ok(None) };
    let share = match name {
        "Slice" | "Gather" | "GatherElements" | "GatherND" | "Tile" | "DepthToSpace" | "SpaceToDepth"
        | "ReverseSequence" | "Pad" => renumbered(cx, name, x)?,
        "Trilu" => cx.copy(&[&[Some(g)], &cx.given()[1..]].concat())?,
        "TopK" => {
            let Some(&indices) = cx.n.graph.nodes[cx.id].outputs.get(1) else { return Ok(None) };
            let zeros = filled(cx.n, 0.0, x)?;
            let axis = ("axis", Attr::Int(cx.attrs.int("axis").unwrap_or(-1)));
            cx.with("ScatterElements", &[axis], &[zeros, indices, g])?
        }
        "Max" | "Min" => return extremes(cx, &all).map(Some),
        "ReduceMax" | "ReduceMin" | "GlobalMaxPool" => extreme(cx, name, x, all.get(1).copied())?,
        "GlobalAveragePool" => {
            let g = mean_share(cx, x)?;
            let shape = cx.op("Shape", &[x])?;
            cx.op("Expand", &[g, shape])?
        }
        "MaxPool" => max_pool(cx, x)?,
        "AveragePool" => cx.inner("AveragePoolGradient", &[g, x])?,
        "Conv" => return conv(cx, &all).map(Some),
        "Clip" => clip(cx, x)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![Some(share)]))
}

/// The derivative over how many elements of `x` each mean was taken.
pub(super) fn mean_share(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let (g, y) = (cx.g, cx.y);
    let (of_x, of_y) = (cx.op("Size", &[x])?, cx.op("Size", &[y])?);
    let (of_x, of_y) = (cx.op("CastLike", &[of_x, g])?, cx.op("CastLike", &[of_y, g])?);
    let share = cx.op("Div", &[of_y, of_x])?;
    cx.times(share)
}

/// The numbers of x's elements go the way of the elements; what comes from nowhere has the number behind the last.
fn renumbered(cx: &mut Cx, name: &str, x: ValueId) -> Result<ValueId> {
    let [zero, one] = [0i64, 1].map(|v| cx.n.constant("number", Tensor::scalar(v)));
    let size = cx.op("Size", &[x])?;
    let numbers = cx.op("Range", &[zero, size, one])?;
    let numbers = cx.shaped(numbers, x)?;
    let mut inputs = cx.given();
    inputs[0] = Some(numbers);
    if name == "Pad" && cx.attrs.str("mode").unwrap_or("constant") == "constant" {
        inputs.resize(inputs.len().max(3), None);
        inputs[2] = Some(size);
    }
    let places = cx.copy(&inputs)?;
    scattered(cx, places, x)
}

/// Zeros like `x`, to which each element of the derivative is added at the place that `places` has for it.
fn scattered(cx: &mut Cx, places: ValueId, x: ValueId) -> Result<ValueId> {
    let g = cx.g;
    let [flat, one, zero] = [-1i64, 1, 0].map(|v| cx.n.constant("list", Tensor::from_slice(&[1], &[v])));
    let size = cx.op("Size", &[x])?;
    let size = cx.op("Reshape", &[size, flat])?;
    let more = cx.op("Add", &[size, one])?;
    let nothing = cx.number(0.0)?;
    let zeros = cx.op("Expand", &[nothing, more])?;
    let (places, g) = (cx.op("Reshape", &[places, flat])?, cx.op("Reshape", &[g, flat])?);
    let attrs = [("axis", Attr::Int(0)), ("reduction", Attr::Str("add".into()))];
    let sums = cx.with("ScatterElements", &attrs, &[zeros, places, g])?;
    let sums = cx.op("Slice", &[sums, zero, size])?;
    cx.shaped(sums, x)
}

/// Where an operand is the greatest (or least), as numbers.
fn hits(cx: &mut Cx, x: ValueId, y: ValueId) -> Result<ValueId> {
    let (equal, g) = (cx.op("Equal", &[x, y])?, cx.g);
    cx.op("CastLike", &[equal, g])
}

fn extremes(cx: &mut Cx, inputs: &[ValueId]) -> Result<Vec<Option<ValueId>>> {
    let (y, g) = (cx.y, cx.g);
    let hits = inputs.iter().map(|&x| hits(cx, x, y)).collect::<Result<Vec<_>>>()?;
    let count = cx.op("Sum", &hits)?;
    let part = cx.op("Div", &[g, count])?;
    let share = |(&x, &hit): (&ValueId, &ValueId)| {
        let share = cx.op("Mul", &[part, hit])?;
        cx.sum_to(share, x).map(Some)
    };
    inputs.iter().zip(&hits).map(share).collect()
}

fn extreme(cx: &mut Cx, name: &str, x: ValueId, axes: Option<ValueId>) -> Result<ValueId> {
    let (mut y, mut g) = (cx.y, cx.g);
    // Without axes the result is a scalar, or all axes are kept: it broadcasts as it is.
    if let (Some(axes), Some(0), true) = (axes, cx.attrs.int("keepdims"), name != "GlobalMaxPool") {
        (y, g) = (cx.op("Unsqueeze", &[y, axes])?, cx.op("Unsqueeze", &[g, axes])?);
    }
    let hits = hits(cx, x, y)?;
    let count = cx.sum_to(hits, y)?;
    let part = cx.op("Div", &[g, count])?;
    cx.op("Mul", &[hits, part])
}

/// The pool is asked for where its elements are from.
fn max_pool(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let mut attrs = cx.attrs.clone();
    attrs.set("storage_order", Attr::Int(0));
    let both = cx.n.emit_regions(OpName::onnx("MaxPool"), attrs, &[Some(x)], 2, vec![]);
    scattered(cx, both[1], x)
}

fn conv(cx: &mut Cx, inputs: &[ValueId]) -> Result<Vec<Option<ValueId>>> {
    let (g, x, w) = (cx.g, inputs[0], inputs[1]);
    let mut shares = vec![None; inputs.len()];
    if cx.asked(0) {
        shares[0] = Some(cx.inner("ConvGradientInput", &[g, w, x])?);
    }
    if cx.asked(1) {
        shares[1] = Some(cx.inner("ConvGradientWeights", &[g, x, w])?);
    }
    if inputs.len() > 2 && cx.asked(2) {
        // Batch and places are summed: channels become the last axis but one, all places the last.
        let shape = cx.n.constant("shape", Tensor::from_slice(&[3], &[0i64, 0, -1]));
        let axes = cx.n.constant("axes", Tensor::from_slice(&[2], &[0i64, 2]));
        let flat = cx.op("Reshape", &[g, shape])?;
        shares[2] = Some(cx.with("ReduceSum", &[("keepdims", Attr::Int(0))], &[flat, axes])?);
    }
    Ok(shares)
}

/// What is not clipped passes, and so do the bounds themselves.
fn clip(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let (mut g, given) = (cx.g, cx.given());
    let zero = cx.number(0.0)?;
    for (i, test) in [(1, "GreaterOrEqual"), (2, "LessOrEqual")] {
        if let Some(bound) = given.get(i).copied().flatten() {
            let bound = cx.op("CastLike", &[bound, x])?;
            let inside = cx.op(test, &[x, bound])?;
            g = cx.op("Where", &[inside, g, zero])?;
        }
    }
    Ok(g)
}
