//! The extents of Resize: from constant scales in closed form where one exists, else computed before the node runs.
//!
//! Does NOT say where elements are read (see `coords`, `lower`).

use super::plan::{Factor, Known, Plan, axes};
use crate::ops::complex::part_of;
use crate::ops::elementwise::{Class, tensor};
use crate::ops::window::not_negative;
use crate::prelude::*;
use onnxc_ir::loops::{FuncBuilder, Value};

/// Up to this extent a closed form is compared with the floor in f32.
const COMPARED: i64 = 1 << 16;

/// The type of the output.
pub(super) fn infer(cx: &mut InferCx) -> Result<()> {
    let nearest = cx.attrs().str("mode") == Some("nearest");
    let complex = part_of(cx.input_type(0)?.dtype).is_some();
    let class = match (nearest, complex) {
        (true, _) => Class::Any,
        (false, true) => Class::Linear,
        (false, false) => Class::Number,
    };
    let x = tensor(cx, 0, class)?;
    check_inputs(cx, x.rank())?;
    let constant = |i: usize| cx.constant(i).and_then(Tensor::to_f64);
    let known = Known {
        attrs: cx.attrs(),
        shape: x.shape.clone(),
        scales: cx.opt(2).map(|_| constant(2).map(|s| s.iter().map(|&v| v as f32).collect())),
        sizes: cx.content(3),
        roi: constant(1),
        ranges: cx.ranges(),
    };
    let plan = Plan::new(known);
    for (axis, factor) in &plan.kept {
        if let (Factor::Size(k), Some(sizes)) = (factor, &plan.sizes) {
            cx.unify(&x.shape[*axis], &sizes[*k], "an axis that isn't interpolated keeps its extent")?;
        }
    }
    let mut out = vec![];
    for (axis, extent) in x.shape.iter().enumerate() {
        out.push(match &plan.factors[axis] {
            None => extent.clone(),
            Some(f) => resized(cx, &plan, axis, f)?,
        });
    }
    cx.set_tensor(0, x.dtype, out);
    Ok(())
}

/// The axes, and how many elements `roi`, `scales` and `sizes` have; which of them are there.
fn check_inputs(cx: &mut InferCx, rank: usize) -> Result<()> {
    let axes = axes(cx.attrs(), rank).map_err(|a| {
        cx.error("E2004", format!("axis {a} is out of range for a tensor of rank {rank}, or repeated"))
            .expected(format!("{}..={}, each once", -(rank as i64), rank as i64 - 1))
    })?;
    if cx.opt(2).is_some() == cx.opt(3).is_some() {
        let found = if cx.opt(2).is_some() { "both" } else { "neither" };
        return Err(cx.error("E2043", format!("{found} of 'scales' and 'sizes' given")).expected("one of them"));
    }
    let crops = cx.attrs().str("coords") == Some("tf_crop_and_resize");
    if crops && cx.opt(1).is_none() {
        return Err(cx.error("E2043", "'roi' is missing").expected("it, for tf_crop_and_resize"));
    }
    for (i, count) in [(1, 2 * axes.len()), (2, axes.len()), (3, axes.len())] {
        if cx.opt(i).is_none() || (i == 1 && !crops) {
            continue;
        }
        let t = tensor(cx, i, if i == 3 { Class::Int } else { Class::Float })?;
        if t.rank() != 1 || t.shape[0].as_int().is_some_and(|n| n != count as i64) {
            return Err(cx
                .error("E2043", format!("input {i} has extents {:?}", t.shape))
                .expected(format!("[{count}]: elements for each of {} axes", axes.len())));
        }
        cx.unify(&t.shape[0], &Sym::int(count as i64), &format!("the number of elements of input {i}"))?;
    }
    if let Some(scales) = cx.constant(2).and_then(Tensor::to_f64)
        && let Some(s) = scales.iter().find(|s| !(s.is_finite() && **s > 0.0))
    {
        return Err(cx.error("E2043", format!("a scale of {s}")).expected("finite scales above 0"));
    }
    Ok(())
}

/// The extent of a resized axis.
fn resized(cx: &mut InferCx, plan: &Plan, axis: usize, factor: &Factor) -> Result<Sym> {
    let x = &plan.shape[axis];
    let size = |k: &usize| plan.sizes.as_ref().map(|s| s[*k].clone());
    Ok(match factor {
        Factor::Scale(s) => match scaled(x, *s) {
            Some(out) => out,
            None => {
                let most = Sym::int(s.ceil() as i64);
                cx.fresh_extent(axis as u32, "resized", 0, Some(x * most + 1))
            }
        },
        Factor::Size(k) => match size(k) {
            Some(out) => {
                not_negative(cx, &out, "an element of 'sizes'")?;
                out
            }
            None => cx.fresh_extent(axis as u32, "resized", 0, None),
        },
        Factor::Policy(_) => match fixed_policy(cx.attrs(), plan, axis) {
            Some(out) => Sym::int(out),
            None => cx.fresh_extent(axis as u32, "resized", 0, None),
        },
        Factor::Scales(_) => cx.fresh_extent(axis as u32, "resized", 0, None),
    })
}

/// floor(x * s) in f32, as an expression of x where there is one.
fn scaled(x: &Sym, s: f32) -> Option<Sym> {
    let floor = |x: i64| (x as f32 * s).floor() as i64;
    if let Some(x) = x.as_int() {
        return Some(Sym::int(floor(x)));
    }
    let (p, q) = fraction(s)?;
    let agrees = |x: i64| floor(x) == (x * p).div_euclid(q);
    (1..=COMPARED).all(agrees).then(|| (x * p).floordiv(&Sym::int(q)))
}

/// The simplest fraction of a small denominator that rounds to `s`.
fn fraction(s: f32) -> Option<(i64, i64)> {
    if s > 4096.0 {
        return None;
    }
    (1..=512i64).find_map(|q| {
        let p = (f64::from(s) * q as f64).round() as i64;
        (p > 0 && (p as f64 / q as f64) as f32 == s).then_some((p, q))
    })
}

/// The extent by a policy, if all is known.
fn fixed_policy(attrs: &Attrs, plan: &Plan, axis: usize) -> Option<i64> {
    let sizes = plan.sizes.as_ref()?;
    let mut ratios = vec![];
    for (k, &a) in plan.axes.iter().enumerate() {
        ratios.push(sizes[k].as_int()? as f32 / plan.shape[a].as_int()? as f32);
    }
    let least = attrs.str("policy") == Some("not_larger");
    let ratio = ratios.into_iter().reduce(|a, b| if least { a.min(b) } else { a.max(b) })?;
    Some((ratio * plan.shape[axis].as_int()? as f32 + 0.5).floor().max(0.0) as i64)
}

/// The extents of all axes, from the values of `scales` or `sizes`; those that aren't asked for mean nothing.
pub(super) fn extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let shape = cx.input_type(0).shape.clone();
    let axes = axes(cx.attrs(), shape.len()).expect("infer has checked the axes");
    let lengths: Vec<Value> = shape.iter().map(|d| cx.f.sym(d)).collect();
    let mut out = lengths.clone();
    if let Some(scales) = cx.opt(2) {
        for (k, &axis) in axes.iter().enumerate() {
            let scale = element(cx.f, &scales, k);
            let length = cx.f.cast(lengths[axis], DType::F32);
            let scaled = cx.f.mul(length, scale);
            out[axis] = to_extent(cx.f, scaled);
        }
        return Ok(out);
    }
    let sizes = sizes(cx, axes.len());
    let policy = cx.attrs().str("policy").unwrap_or("stretch").to_string();
    let mut ratio: Option<Value> = None;
    for (&size, &axis) in sizes.iter().zip(&axes) {
        let zero = cx.f.int(0);
        out[axis] = cx.f.binary(BinOp::Max, size, zero);
        let (n, d) = (cx.f.cast(size, DType::F32), cx.f.cast(lengths[axis], DType::F32));
        let own = cx.f.binary(BinOp::Div, n, d);
        let op = if policy == "not_larger" { BinOp::Min } else { BinOp::Max };
        ratio = Some(ratio.map_or(own, |r| cx.f.binary(op, r, own)));
    }
    if let (Some(ratio), true) = (ratio, policy != "stretch") {
        for &axis in &axes {
            let length = cx.f.cast(lengths[axis], DType::F32);
            let half = cx.f.scalar(Scalar::f32(0.5));
            let scaled = cx.f.mul(length, ratio);
            let rounded = cx.f.add(scaled, half);
            out[axis] = to_extent(cx.f, rounded);
        }
    }
    Ok(out)
}

/// The elements of `sizes`.
fn sizes(cx: &mut RoutineCx, count: usize) -> Vec<Value> {
    if let Some(known) = cx.content(3) {
        return known.iter().map(|s| cx.f.sym(s)).collect();
    }
    let sizes = cx.input(3);
    (0..count)
        .map(|k| {
            let at = cx.f.int(k as i64);
            let v = cx.f.load(sizes.buf, at, 1, None);
            cx.f.cast(v, DType::I64)
        })
        .collect()
}

fn element(f: &mut FuncBuilder, t: &crate::routine::TensorBuf, k: usize) -> Value {
    let at = f.int(k as i64);
    let v = f.load(t.buf, at, 1, None);
    f.cast(v, DType::F32)
}

/// The floor of a float as an extent: never negative, also for NaN.
fn to_extent(f: &mut FuncBuilder, v: Value) -> Value {
    let floor = f.unary(UnOp::Floor, v);
    let int = f.cast(floor, DType::I64);
    let zero = f.int(0);
    f.binary(BinOp::Max, int, zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_closed_forms_only_where_floats_agree() {
        let h = Sym::var("h");
        let form = |s: f32| scaled(&h, s).map(|e| e.to_string());
        assert_eq!(form(3.0).as_deref(), Some("3*h"));
        assert_eq!(form(0.5).as_deref(), Some("floordiv(h, 2)"));
        assert_eq!(form(1.5).as_deref(), Some("h + floordiv(h, 2)"));
        assert_eq!(form(std::f32::consts::PI), None, "no small denominator");
        for s in [0.7f32, 0.6, 1.1, 1.0 / 3.0, 2.0 / 3.0] {
            let Some(e) = scaled(&h, s) else { continue };
            for x in 1..5000i64 {
                assert_eq!(e.eval(&|_| Some(x)), Ok((x as f32 * s).floor() as i64), "{x} * {s}");
            }
        }
        assert_eq!(scaled(&Sym::int(10), 0.7), Some(Sym::int(7)), "f32 rounds the product up to 7");
    }
}
