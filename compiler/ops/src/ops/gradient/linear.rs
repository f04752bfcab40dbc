//! Operators that are linear in their first input, and not by moving elements alone: what goes back is linear, too.

use super::rules::{Cx, Found};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// The share of the node's first input, if it is such an operator.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Found> {
    let (g, all) = (cx.g, cx.given());
    let share = match name {
        // The same elements are kept: which, depends on their positions alone.
        "DropoutTraining" => cx.copy(&[&[Some(g)], &all[1..]].concat())?,
        // Turned the other way.
        "RotaryEmbedding" => {
            let sine = cx.op("Neg", &[cx.inputs[2]])?;
            let rest = all.get(3..).unwrap_or_default();
            cx.copy(&[&[Some(g), all[1], Some(sine)], rest].concat())?
        }
        "MaxUnpool" if all.len() == 2 => {
            let flat = cx.n.constant("list", Tensor::from_slice(&[1], &[-1i64]));
            let places = cx.op("Reshape", &[cx.inputs[1], flat])?;
            let row = cx.op("Reshape", &[g, flat])?;
            let share = cx.op("Gather", &[row, places])?;
            cx.shaped(share, cx.inputs[0])?
        }
        "Col2Im" => columns(cx)?,
        "DFT" => spectrum(cx)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![Some(share)]))
}

/// The blocks of an image: a convolution whose weights pick one element of a block each.
fn columns(cx: &mut Cx) -> Result<ValueId> {
    let (g, x, image, block) = (cx.g, cx.inputs[0], cx.inputs[1], cx.inputs[2]);
    let (one, both, none) = (list(cx, &[1]), list(cx, &[-1, 1]), list(cx, &[0]));
    let shape = cx.with("Concat", &[("axis", Attr::Int(0))], &[both, image])?;
    let planes = cx.op("Reshape", &[g, shape])?;
    let count = cx.with("ReduceProd", &[("keepdims", Attr::Int(1))], &[block, none])?;
    let square = cx.with("Concat", &[("axis", Attr::Int(0))], &[count, count])?;
    let zero = cx.number(0.0)?;
    let zeros = cx.op("Expand", &[zero, square])?;
    let picks = cx.op("EyeLike", &[zeros])?;
    let shape = cx.with("Concat", &[("axis", Attr::Int(0))], &[count, one, block])?;
    let picks = cx.op("Reshape", &[picks, shape])?;
    let attrs: Vec<(&str, Attr)> = ["dilations", "pads", "strides"]
        .into_iter()
        .filter_map(|name| Some((name, Attr::Ints(cx.attrs.ints(name)?.to_vec()))))
        .collect();
    let blocks = cx.with("Conv", &attrs, &[planes, picks])?;
    cx.shaped(blocks, x)
}

fn list(cx: &mut Cx, list: &[i64]) -> ValueId {
    cx.n.constant("list", Tensor::from_slice(&[list.len()], list))
}

/// A transform's matrix is symmetric, so back it is conjugated: the inverse one, without that one's factor. What was
/// filled up is cut, and the other way round; of real elements there is the real part.
fn spectrum(cx: &mut Cx) -> Result<ValueId> {
    let x = cx.inputs[0];
    let [inverse, onesided] = ["inverse", "onesided"].map(|name| cx.attrs.int(name).unwrap_or(0) != 0);
    let axis = match cx.given().get(2).copied().flatten() {
        Some(axis) => axis,
        None => cx.n.constant("axis", Tensor::scalar(-2i64)),
    };
    let at = list(cx, &[-1]);
    let axis = cx.op("Reshape", &[axis, at])?;
    // Elements that were transformed.
    let own = extent(cx, x, axis)?;
    let length = match cx.given().get(1).copied().flatten() {
        Some(n) => cx.op("Reshape", &[n, at])?,
        None if inverse && onesided => extent(cx, cx.y, axis)?,
        None => own,
    };
    let scalar = list(cx, &[]);
    let count = cx.op("CastLike", &[length, cx.g])?;
    let count = cx.op("Reshape", &[count, scalar])?;
    let mut g = cx.g;
    let mut flags = vec![("inverse", Attr::Int(i64::from(!inverse)))];
    match (inverse, onesided) {
        (false, false) => {}
        (false, true) => g = fitted(cx, g, axis, length)?,
        (true, false) => {}
        (true, true) => flags.push(("onesided", Attr::Int(1))),
    }
    let transform = [Some(g), Some(length), Some(axis)];
    let scalars = [transform[0], squeezed(cx, transform[1])?, squeezed(cx, transform[2])?];
    let mut share = cx.n.emit(OpName::onnx("DFT"), &flags, &scalars, 1)?[0];
    if inverse {
        share = cx.op("Div", &[share, count])?;
        if onesided {
            share = mirrored(cx, share, axis, length)?;
        }
    } else {
        share = cx.op("Mul", &[share, count])?;
    }
    let share = fitted(cx, share, axis, own)?;
    let parts = cx.with("Shape", &[("start", Attr::Int(-1))], &[x])?;
    let (from, last) = (list(cx, &[0]), list(cx, &[-1]));
    cx.op("Slice", &[share, from, parts, last])
}

fn squeezed(cx: &mut Cx, v: Option<ValueId>) -> Result<Option<ValueId>> {
    let scalar = list(cx, &[]);
    v.map(|v| cx.op("Reshape", &[v, scalar])).transpose()
}

/// The extent of an axis that is a value.
fn extent(cx: &mut Cx, x: ValueId, axis: ValueId) -> Result<ValueId> {
    let shape = cx.op("Shape", &[x])?;
    cx.op("Gather", &[shape, axis])
}

/// Cut or filled up with zeros, to so many elements along an axis.
fn fitted(cx: &mut Cx, v: ValueId, axis: ValueId, length: ValueId) -> Result<ValueId> {
    let none = list(cx, &[0]);
    let own = extent(cx, v, axis)?;
    let more = cx.op("Sub", &[length, own])?;
    let pads = cx.with("Concat", &[("axis", Attr::Int(0))], &[none, more])?;
    let inputs = [Some(v), Some(pads), None, Some(axis)];
    cx.n.emit_one("Pad", &[], &inputs)
}

/// Each element of half a spectrum stands for two but the first and, of an even number, the last.
fn mirrored(cx: &mut Cx, v: ValueId, axis: ValueId, length: ValueId) -> Result<ValueId> {
    let [zero, one, two] = [0i64, 1, 2].map(|n| list(cx, &[n]));
    let half = extent(cx, v, axis)?;
    let scalars = [Some(zero), Some(half), Some(one)];
    let mut ends = vec![];
    for v in scalars {
        ends.push(squeezed(cx, v)?);
    }
    let numbers = cx.n.emit_one("Range", &[], &ends)?;
    let double = cx.op("Mul", &[numbers, two])?;
    let (first, last) = (cx.op("Equal", &[numbers, zero])?, cx.op("Equal", &[double, length])?);
    let single = cx.op("Or", &[first, last])?;
    let counts = cx.op("Where", &[single, one, two])?;
    let counts = cx.op("CastLike", &[counts, v])?;
    // Along the axis, and along all behind it.
    let shape = cx.op("Shape", &[v])?;
    let ones = cx.op("Div", &[shape, shape])?;
    let shape = cx.with("ScatterElements", &[], &[ones, axis, half])?;
    let counts = cx.op("Reshape", &[counts, shape])?;
    cx.op("Mul", &[v, counts])
}
