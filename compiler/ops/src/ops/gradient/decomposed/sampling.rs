//! Tensors read between their elements: GridSample as a sum over the elements around each point, Resize by interpolation
//! as a product with a matrix for each axis, which is what the operator itself makes of the unit matrix.

use super::{Extent, number_list, shape};
use crate::ops::gradient::rules::{Cx, filled};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// The node's output, if it is one of those. How many axes it has must be known.
pub(super) fn output(cx: &mut Cx, name: &str, x: ValueId) -> Result<Option<ValueId>> {
    let Some(rank) = cx.n.known.rank(x) else { return Ok(None) };
    match name {
        "AffineGrid" => affine(cx, x),
        "GridSample" => grid_sample(cx, x, rank - 2).map(Some),
        "Resize" | "Upsample" if cx.attrs.str("mode") != Some("nearest") => resize(cx, x, rank),
        _ => Ok(None),
    }
}

/// The points of the unit transform, with a coordinate 1 more, times the transform.
fn affine(cx: &mut Cx, theta: ValueId) -> Result<Option<ValueId>> {
    let (unit, equation) = match cx.n.known.extents(theta).and_then(|e| e.get(1).copied().flatten()) {
        Some(2) => (vec![1f32, 0.0, 0.0, 0.0, 1.0, 0.0], "nabk,njk->nabj"),
        Some(3) => (vec![1f32, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0], "nabck,njk->nabcj"),
        _ => return Ok(None),
    };
    let rows = if unit.len() == 6 { 2 } else { 3 };
    let unit = cx.n.constant("unit", Tensor::from_slice(&[1, rows, rows + 1], &unit));
    let unit = cx.op("CastLike", &[unit, theta])?;
    let whole = cx.op("Shape", &[theta])?;
    let unit = cx.op("Expand", &[unit, whole])?;
    let points = cx.copy(&[&[Some(unit)], &cx.given()[1..]].concat())?;
    let first = super::slice(cx, points, -1, 0, 1)?;
    let ones = filled(cx.n, 1.0, first)?;
    let points = cx.with("Concat", &[("axis", Attr::Int(-1))], &[points, ones])?;
    cx.with("Einsum", &[("equation", Attr::Str(equation.into()))], &[points, theta]).map(Some)
}

fn resize(cx: &mut Cx, x: ValueId, rank: usize) -> Result<Option<ValueId>> {
    let crops = cx.attrs.str("coords") == Some("tf_crop_and_resize");
    let given = cx.given();
    let part = |i: usize| given.get(i).copied().flatten();
    let (scales, sizes) = (part(2), part(3));
    if crops || sizes.is_some() && cx.attrs.str("policy") != Some("stretch") {
        return Ok(None);
    }
    let axes = match cx.attrs.ints("axes") {
        Some(axes) => axes.iter().map(|a| a.rem_euclid(rank as i64) as usize).collect(),
        None => (0..rank).collect::<Vec<_>>(),
    };
    let factors = scales.and_then(|s| cx.n.graph.constant(s)).and_then(Tensor::to_f64);
    let same = |k: usize, axis: usize| match &factors {
        Some(f) => f.get(k) == Some(&1.0),
        // Batch and channels keep their extents.
        None => rank > 3 && axis < 2 && cx.attrs.ints("axes").is_none(),
    };
    let resized: Vec<(usize, usize)> = axes.iter().copied().enumerate().filter(|&(k, axis)| !same(k, axis)).collect();
    let letters: String = ('a'..='z').take(rank).collect();
    let mut v = x;
    for (k, axis) in resized {
        let matrix = matrix(cx, x, axis, k, scales, sizes)?;
        let own = &letters[axis..=axis];
        let equation = format!("{letters},z{own}->{}", letters.replacen(own, "z", 1));
        v = cx.with("Einsum", &[("equation", Attr::Str(equation))], &[v, matrix])?;
    }
    Ok(Some(v))
}

/// What the node makes of the rows of a unit matrix, as many as the axis has elements.
fn matrix(
    cx: &mut Cx,
    x: ValueId,
    axis: usize,
    k: usize,
    scales: Option<ValueId>,
    sizes: Option<ValueId>,
) -> Result<ValueId> {
    let extent = Extent::Of(x, axis as i64, axis as i64 + 1);
    let (square, zero) = (shape(cx, &[extent, extent])?, cx.number(0.0)?);
    let zeros = cx.op("Expand", &[zero, square])?;
    let unit = cx.op("EyeLike", &[zeros])?;
    let at = number_list(cx, &[k as i64]);
    let mut inputs = [Some(unit), None, None, None];
    if let Some(scales) = scales {
        let own = cx.op("Gather", &[scales, at])?;
        let one = cx.n.constant("one", Tensor::from_slice(&[1], &[1f32]));
        inputs[2] = Some(cx.with("Concat", &[("axis", Attr::Int(0))], &[own, one])?);
    }
    if let Some(sizes) = sizes {
        let own = cx.op("Gather", &[sizes, at])?;
        let kept = shape(cx, &[extent])?;
        inputs[3] = Some(cx.with("Concat", &[("axis", Attr::Int(0))], &[own, kept])?);
    }
    let mut attrs = cx.attrs.clone();
    attrs.0.remove("axes");
    Ok(cx.n.emit_regions(OpName::onnx("Resize"), attrs, &inputs, 1, vec![])[0])
}

/// Numbers that formulas of points are made of, and the extent of the axis they are along.
struct Axis {
    extent: ValueId,
    whole: ValueId,
}

/// An element that a point is made of, along one axis: its index, its weight.
type Tap = (ValueId, ValueId);

fn grid_sample(cx: &mut Cx, x: ValueId, spatial: usize) -> Result<ValueId> {
    let grid = cx.inputs[1];
    // The point's elements are gathered where channels come last.
    let order: Vec<i64> = [0].into_iter().chain(2..2 + spatial as i64).chain([1]).collect();
    let last = cx.with("Transpose", &[("perm", Attr::Ints(order))], &[x])?;
    let mut taps: Vec<Vec<Tap>> = vec![];
    for axis in 0..spatial {
        let at = cx.n.constant("axis", Tensor::scalar((spatial - 1 - axis) as i64));
        let g = cx.with("Gather", &[("axis", Attr::Int(-1))], &[grid, at])?;
        let whole =
            cx.with("Shape", &[("start", Attr::Int(axis as i64 + 2)), ("end", Attr::Int(axis as i64 + 3))], &[x])?;
        let extent = cx.op("CastLike", &[whole, grid])?;
        taps.push(axis_taps(cx, g, &Axis { extent, whole })?);
    }
    let mut sum: Option<ValueId> = None;
    let count: usize = taps.iter().map(Vec::len).product();
    for mut number in 0..count {
        let (mut index, mut weight) = (vec![], None);
        for list in &taps {
            let (i, w) = list[number % list.len()];
            number /= list.len();
            index.push(i);
            weight = Some(match weight {
                Some(other) => cx.op("Mul", &[other, w])?,
                None => w,
            });
        }
        let weight = weight.ok_or_else(|| super::super::rules::refused(cx.n, cx.id))?;
        let term = term(cx, last, &index, weight)?;
        sum = Some(match sum {
            Some(sum) => cx.op("Add", &[sum, term])?,
            None => term,
        });
    }
    let sum = sum.ok_or_else(|| super::super::rules::refused(cx.n, cx.id))?;
    let back: Vec<i64> = [0, spatial as i64 + 1].into_iter().chain(1..=spatial as i64).collect();
    cx.with("Transpose", &[("perm", Attr::Ints(back))], &[sum])
}

/// Elements at an index, times its weight.
fn term(cx: &mut Cx, x: ValueId, index: &[ValueId], weight: ValueId) -> Result<ValueId> {
    let last = number_list(cx, &[-1]);
    let index = index.iter().map(|&i| cx.op("Unsqueeze", &[i, last])).collect::<Result<Vec<_>>>()?;
    let at = cx.with("Concat", &[("axis", Attr::Int(-1))], &index)?;
    let elements = cx.with("GatherND", &[("batch_dims", Attr::Int(1))], &[x, at])?;
    let weight = cx.op("CastLike", &[weight, x])?;
    let weight = cx.op("Unsqueeze", &[weight, last])?;
    cx.op("Mul", &[elements, weight])
}

/// The elements around coordinates from -1 to 1 along an axis.
fn axis_taps(cx: &mut Cx, g: ValueId, axis: &Axis) -> Result<Vec<Tap>> {
    let numbers = [0.5, 1.0].map(|v| cx.number(v));
    let [half, one] = numbers;
    let (half, one) = (cx.op("CastLike", &[half?, g])?, cx.op("CastLike", &[one?, g])?);
    let from = cx.op("Add", &[g, one])?;
    let at = if cx.attrs.int("align") == Some(1) {
        let last = cx.op("Sub", &[axis.extent, one])?;
        cx.op("Mul", &[from, last])?
    } else {
        let whole = cx.op("Mul", &[from, axis.extent])?;
        cx.op("Sub", &[whole, one])?
    };
    let at = cx.op("Mul", &[at, half])?;
    let mode = cx.attrs.str("mode").unwrap_or("linear").to_string();
    if mode == "nearest" {
        let nearest = cx.op("Round", &[at])?;
        let weight = filled(cx.n, 1.0, at)?;
        return Ok(vec![inside(cx, nearest, 0, weight, axis)?]);
    }
    let low = cx.op("Floor", &[at])?;
    let t = cx.op("Sub", &[at, low])?;
    let rest = cx.op("Sub", &[one, t])?;
    if mode == "linear" {
        return Ok(vec![inside(cx, low, 0, rest, axis)?, inside(cx, low, 1, t, axis)?]);
    }
    let (more, most) = (cx.op("Add", &[t, one])?, cx.op("Add", &[rest, one])?);
    let mut taps = vec![];
    for (k, d, near) in [(-1, more, false), (0, t, true), (1, rest, true), (2, most, false)] {
        // Keys' kernel with a = -0.75.
        let factors = if near { [1.25, -2.25, 0.0, 1.0] } else { [-0.75, 3.75, -6.0, 3.0] };
        let mut weight: Option<ValueId> = None;
        for f in factors {
            let f = cx.number(f)?;
            let f = cx.op("CastLike", &[f, g])?;
            weight = Some(match weight {
                Some(w) => {
                    let w = cx.op("Mul", &[w, d])?;
                    cx.op("Add", &[w, f])?
                }
                None => f,
            });
        }
        taps.push(inside(cx, low, k, weight.unwrap_or(d), axis)?);
    }
    Ok(taps)
}

/// A tap as the padding has it: the index of an element that is there.
fn inside(cx: &mut Cx, low: ValueId, k: i64, weight: ValueId, axis: &Axis) -> Result<Tap> {
    let int = |cx: &mut Cx, v: i64| cx.n.constant("number", Tensor::from_slice(&[1], &[v]));
    let (zero, one, two, k) = (int(cx, 0), int(cx, 1), int(cx, 2), int(cx, k));
    let index = cx.with("Cast", &[("to", Attr::Int(7))], &[low])?;
    let index = cx.op("Add", &[index, k])?;
    let last = cx.op("Sub", &[axis.whole, one])?;
    if cx.attrs.str("padding") == Some("reflection") {
        let align = cx.attrs.int("align") == Some(1);
        let double = cx.op("Mul", &[if align { last } else { axis.whole }, two])?;
        let mirror = if align { double } else { cx.op("Sub", &[double, one])? };
        let period = cx.op("Max", &[double, one])?;
        let m = cx.op("Mod", &[index, period])?;
        let other = cx.op("Sub", &[mirror, m])?;
        return Ok((cx.op("Min", &[m, other])?, weight));
    }
    let clamped = cx.op("Max", &[index, zero])?;
    let clamped = cx.op("Min", &[clamped, last])?;
    if cx.attrs.str("padding") == Some("border") {
        return Ok((clamped, weight));
    }
    let there = cx.op("Equal", &[index, clamped])?;
    let nothing = cx.number(0.0)?;
    let nothing = cx.op("CastLike", &[nothing, weight])?;
    Ok((clamped, cx.op("Where", &[there, weight, nothing])?))
}
