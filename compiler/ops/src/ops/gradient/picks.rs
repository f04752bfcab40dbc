//! Rules for operators that move or pick elements of one tensor or of two.
//!
//! What only moves elements is told by moving their numbers: each element of the derivative is added to the place whose
//! number stands at its own. Numbers begin with 1; what comes from nowhere has number 0. Of operands that are greatest
//! together, each gets an equal part.

use super::rules::{Cx, Found, filled};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The shares by a rule of this file, if it has one.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Found> {
    let (g, all) = (cx.g, cx.inputs.clone());
    let Some(&x) = all.first() else { return Ok(None) };
    let share = match name {
        "Slice" | "Gather" | "GatherElements" | "GatherND" | "Tile" | "DepthToSpace" | "SpaceToDepth"
        | "ReverseSequence" | "Pad" | "CenterCropPad" | "Compress" => renumbered(cx, name, &[(0, x)])?[0],
        "Resize" | "Upsample" if cx.attrs.str("mode") == Some("nearest") => renumbered(cx, name, &[(0, x)])?[0],
        "TensorScatter" => {
            let shares = renumbered(cx, name, &[(0, x), (1, all[1])])?;
            return Ok(Some(shares.into_iter().map(Some).collect()));
        }
        "Trilu" => cx.copy(&[&[Some(g)], &cx.given()[1..]].concat())?,
        "TopK" => {
            let Some(&indices) = cx.n.graph.nodes[cx.id].outputs.get(1) else { return Ok(None) };
            let zeros = filled(cx.n, 0.0, x)?;
            let axis = ("axis", Attr::Int(cx.attrs.int("axis").unwrap_or(-1)));
            cx.with("ScatterElements", &[axis], &[zeros, indices, g])?
        }
        "Max" | "Min" => return extremes(cx, &all).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(vec![Some(share)]))
}

/// The numbers of the elements of those inputs (places and values) go the way of the elements.
fn renumbered(cx: &mut Cx, name: &str, moved: &[(usize, ValueId)]) -> Result<Vec<ValueId>> {
    let one = cx.n.constant("number", Tensor::scalar(1i64));
    let (mut inputs, mut first, mut firsts) = (cx.given(), one, vec![]);
    for &(i, x) in moved {
        let size = cx.op("Size", &[x])?;
        let next = cx.op("Add", &[first, size])?;
        let numbers = cx.op("Range", &[first, next, one])?;
        inputs[i] = Some(cx.shaped(numbers, x)?);
        firsts.push((first, next));
        first = next;
    }
    if name == "Pad" && inputs.len() > 2 {
        inputs[2] = None;
    }
    let places = cx.copy(&inputs)?;
    let sums = scattered(cx, places, first)?;
    let share = |((_, x), (from, to)): (&(usize, ValueId), (ValueId, ValueId))| {
        let flat = cx.n.constant("list", Tensor::from_slice(&[1], &[-1i64]));
        let (from, to) = (cx.op("Reshape", &[from, flat])?, cx.op("Reshape", &[to, flat])?);
        let share = cx.op("Slice", &[sums, from, to])?;
        cx.shaped(share, *x)
    };
    moved.iter().zip(firsts).map(share).collect()
}

/// So many zeros, to which each element of the derivative is added at the place that `places` has for it.
fn scattered(cx: &mut Cx, places: ValueId, count: ValueId) -> Result<ValueId> {
    let g = cx.g;
    let flat = cx.n.constant("list", Tensor::from_slice(&[1], &[-1i64]));
    let count = cx.op("Reshape", &[count, flat])?;
    let nothing = cx.number(0.0)?;
    let zeros = cx.op("Expand", &[nothing, count])?;
    let (places, g) = (cx.op("Reshape", &[places, flat])?, cx.op("Reshape", &[g, flat])?);
    let attrs = [("axis", Attr::Int(0)), ("reduction", Attr::Str("add".into()))];
    cx.with("ScatterElements", &attrs, &[zeros, places, g])
}

/// Zeros like `x`, to which each element of the derivative is added at the row-major position that `places` has for it.
pub(super) fn put_back(cx: &mut Cx, places: ValueId, x: ValueId) -> Result<ValueId> {
    let size = cx.op("Size", &[x])?;
    let sums = scattered(cx, places, size)?;
    cx.shaped(sums, x)
}

fn extremes(cx: &mut Cx, inputs: &[ValueId]) -> Result<Vec<Option<ValueId>>> {
    let (y, g) = (cx.y, cx.g);
    let mut hits = vec![];
    for &x in inputs {
        let equal = cx.op("Equal", &[x, y])?;
        hits.push(cx.op("CastLike", &[equal, g])?);
    }
    let count = cx.op("Sum", &hits)?;
    let part = cx.op("Div", &[g, count])?;
    let share = |(&x, &hit): (&ValueId, &ValueId)| {
        let share = cx.op("Mul", &[part, hit])?;
        cx.sum_to(share, x).map(Some)
    };
    inputs.iter().zip(&hits).map(share).collect()
}
