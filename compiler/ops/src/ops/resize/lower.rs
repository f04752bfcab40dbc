//! Resize as definitions: for each resized axis small tables (positions; indices and weights of the taps), then one sum
//! over the taps per axis, so that the inner loops run along the innermost axis.
//!
//! Does NOT find extents (see `infer`).

use super::coords::{Coords, f32, scale};
use super::plan::{Factor, Known, Plan};
use crate::ops::elementwise::wide;
use crate::prelude::*;

/// A resized axis: its positions are a definition of [out], f32.
struct Axis<'a> {
    axis: usize,
    factor: Factor,
    coords: Coords<'a>,
    position: Src,
}

pub(super) fn lower(cx: &mut ComputeCx) -> Result<()> {
    let constant = |i: usize| cx.constant(i).and_then(Tensor::to_f64);
    let known = Known {
        attrs: cx.attrs(),
        shape: cx.shape(0),
        scales: cx.opt(2).map(|_| constant(2).map(|s| s.iter().map(|&v| v as f32).collect())),
        sizes: cx.content(3),
        roi: constant(1),
        ranges: cx.ranges(),
    };
    let plan = Plan::new(known);
    check(cx, &plan);
    if !plan.resizes() {
        let x = cx.input(0);
        cx.map_output(|_, i| load(x, i));
        return Ok(());
    }
    let axes = axes(cx, &plan);
    if cx.attrs().str("mode") == Some("nearest") {
        nearest(cx, &axes)
    } else {
        interpolate(cx, &axes)
    }
    Ok(())
}

/// What must hold of the data: axes that keep their extent, and something to take elements from.
fn check(cx: &mut ComputeCx, plan: &Plan) {
    let (scales, sizes) = (cx.opt(2), cx.opt(3));
    for (axis, factor) in &plan.kept {
        match (factor, scales, sizes, &plan.sizes) {
            (Factor::Scales(k), Some(s), ..) => {
                let dtype = cx.k.dtype(s);
                let one = number(dtype, 1.0);
                cx.k.check(&[], 2, |_, _| compare(CmpOp::Eq, load(s, &[Sym::int(*k as i64)]), one));
            }
            (Factor::Size(k), _, Some(s), None) => {
                let (dtype, extent) = (cx.k.dtype(s), plan.shape[*axis].clone());
                let size = cast(dtype, DType::I64, load(s, &[Sym::int(*k as i64)]));
                cx.k.check(&[], 2, |_, _| compare(CmpOp::Eq, size, int(extent)));
            }
            _ => {}
        }
    }
    let (ranges, out) = (cx.ranges(), cx.out_shape(0));
    for (axis, factor) in plan.factors.iter().enumerate() {
        let by_size = matches!(factor, Some(Factor::Size(_)));
        if by_size && ranges.prove_le(&Sym::int(1), &plan.shape[axis]) != Some(true) {
            let (extent, out) = (plan.shape[axis].clone(), out[axis].clone());
            cx.k.check(&[], 2, |_, _| {
                binary(BinOp::Or, compare(CmpOp::Ge, int(extent), int(1)), compare(CmpOp::Eq, int(out), int(0)))
            });
        }
    }
}

/// The resized axes, with a definition of the positions along each.
fn axes<'a>(cx: &mut ComputeCx<'a>, plan: &Plan) -> Vec<Axis<'a>> {
    let (attrs, out) = (cx.attrs(), cx.out_shape(0));
    let inputs: Vec<Option<(Src, DType)>> = (0..4).map(|i| cx.opt(i).map(|s| (s, cx.k.dtype(s)))).collect();
    let element = |input: usize, k: usize| {
        let (src, dtype) = inputs[input].expect("the plan names inputs that are there");
        cast(dtype, DType::F32, load(src, &[Sym::int(k as i64)]))
    };
    let mut axes = vec![];
    for (axis, factor) in plan.factors.iter().enumerate() {
        let Some(factor) = factor else { continue };
        let (length, out) = (plan.shape[axis].clone(), out[axis].clone());
        let scale = scale(attrs, plan, factor, axis, &out, &element);
        let width = match factor {
            Factor::Size(_) => super::coords::float(&out),
            _ => scale.clone() * super::coords::float(&length),
        };
        let k = plan.axes.iter().position(|&a| a == axis).expect("the plan resizes its axes only");
        let roi = crops(attrs).then(|| (element(1, k), element(1, plan.axes.len() + k)));
        let coords = Coords { attrs, length, out: out.clone(), scale, width, roi };
        let position = cx.k.map("position", DType::F32, &[out], |_, i| coords.position(&i[0]));
        axes.push(Axis { axis, factor: factor.clone(), coords, position });
    }
    axes
}

/// The extrapolation value where a position of output element `i` is outside of the input along any axis, else `value`.
fn extrapolated(attrs: &Attrs, axes: &[Axis], i: &[Sym], dtype: DType, value: Expr) -> Expr {
    if !crops(attrs) {
        return value;
    }
    let outside = axes.iter().map(|a| a.coords.outside(load(a.position, &i[a.axis..=a.axis])));
    let any = outside.reduce(|a, b| binary(BinOp::Or, a, b)).expect("an axis is resized");
    let v = attrs.float("extrapolation_value").unwrap_or(0.0);
    select(any, number(dtype, f64::from(v)), value)
}

fn crops(attrs: &Attrs) -> bool {
    attrs.str("coords") == Some("tf_crop_and_resize")
}

/// One element of the input for each of the output.
fn nearest(cx: &mut ComputeCx, axes: &[Axis]) {
    let (x, dtype, attrs) = (cx.input(0), cx.dtype(0), cx.attrs());
    let mut tables = vec![];
    for a in axes {
        let (out, coords) = (a.coords.out.clone(), &a.coords);
        let table = coords
            .quotient(&Sym::int(0))
            .is_none()
            .then(|| cx.k.map("source", DType::I64, &[out], |_, i| coords.nearest(load(a.position, i))));
        tables.push(table);
    }
    cx.map_output(|_, i| {
        let mut index: Vec<Expr> = i.iter().map(int).collect();
        for (a, table) in axes.iter().zip(&tables) {
            let at = &i[a.axis];
            index[a.axis] = match table {
                Some(t) => load(*t, std::slice::from_ref(at)),
                None => int(a.coords.quotient(at).expect("without it there is a table")),
            };
        }
        extrapolated(attrs, axes, i, dtype, load_at(x, index, None))
    });
}

/// A weighted sum along one axis after the other: the innermost first, as that is the least work where axes grow; the
/// outermost first where all shrink.
fn interpolate(cx: &mut ComputeCx, axes: &[Axis]) {
    let (attrs, dtype, name) = (cx.attrs(), cx.dtype(0), cx.node().name.clone());
    let acc = if dtype.is_float() { wide(dtype) } else { DType::F32 };
    let (mut src, mut from, mut shape) = (cx.input(0), dtype, cx.shape(0));
    let shrinks = axes.iter().all(|a| matches!(a.factor, Factor::Scale(s) if s < 1.0));
    let mut order: Vec<&Axis> = axes.iter().collect();
    if !shrinks {
        order.reverse();
    }
    for a in order {
        let (index, weights, taps) = taps(cx.k, a);
        shape[a.axis] = a.coords.out.clone();
        src = cx.k.reduce(&name, acc, &shape, ReduceOp::Add, &[taps], None, |_, i, r| {
            let tap = [i[a.axis].clone(), r[0].clone()];
            let mut at: Vec<Expr> = i.iter().map(int).collect();
            at[a.axis] = load(index, &tap);
            cast(DType::F32, acc, load(weights, &tap)) * cast(from, acc, load_at(src, at, None))
        });
        from = acc;
    }
    if acc == dtype && !crops(attrs) {
        cx.set_output(0, src);
        return;
    }
    cx.map_output(|_, i| {
        let value = extrapolated(attrs, axes, i, acc, load(src, i));
        // Integers are rounded and saturate, as in the reference.
        let value = if dtype.is_int() { unary(UnOp::RoundEven, value) } else { value };
        cast(acc, dtype, value)
    });
}

/// The tables of an axis: for each output element and tap the index of the input (i64) and the weight (f32); and how many
/// taps there are.
fn taps(k: &mut KernelBuilder, a: &Axis) -> (Src, Src, Sym) {
    let coords = &a.coords;
    let radius = coords.radius(&a.factor);
    let shape = [coords.out.clone(), &radius * 2];
    let first = |i: &[Sym]| unary(UnOp::Floor, load(a.position, &i[..1]));
    let step = |i: &[Sym]| &i[1] - &radius + 1;
    let tap = |i: &[Sym]| cast(DType::F32, DType::I64, first(i)) + int(step(i));
    let index = k.map("index", DType::I64, &shape, |_, i| coords.clamp(tap(i)));
    let weights = k.map("weight", DType::F32, &shape, |_, i| {
        let distance = first(i) - load(a.position, &i[..1]) + super::coords::float(step(i));
        let weight = coords.weight(distance);
        if !coords.excludes() {
            return weight;
        }
        let inside =
            binary(BinOp::And, compare(CmpOp::Ge, tap(i), int(0)), compare(CmpOp::Lt, tap(i), int(&coords.length)));
        select(inside, weight, f32(0.0))
    });
    if !coords.normalises() {
        return (index, weights, shape[1].clone());
    }
    let total = k.reduce("total", DType::F32, &shape[..1], ReduceOp::Add, &shape[1..], None, |_, i, r| {
        load(weights, &[i[0].clone(), r[0].clone()])
    });
    let weights = k.map("share", DType::F32, &shape, |_, i| {
        let total = load(total, &i[..1]);
        let none = compare(CmpOp::Eq, total.clone(), f32(0.0));
        load(weights, i) / select(none, f32(1.0), total)
    });
    (index, weights, shape[1].clone())
}
