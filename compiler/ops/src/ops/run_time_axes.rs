//! Reductions over axes that are computed when the model runs.
//!
//! One formula serves every choice of axes. Axis `a` of the input is read at `sum(from[a][k] * i[k]) + r[a]`:
//! `from[a][k]` is 1 if axis `k` of the result is axis `a`, and the reduction runs over `0 .. over[a]`, which is the
//! axis's extent if it is reduced and 1 if not. These numbers are extents of the node, computed before it runs.
//!
//! Holds: the number of axes is known at compile time, since without `keepdims` the rank follows from it. Axes out of
//! range or listed twice give status 2.

use super::elementwise::{Class, tensor};
use super::lengths::{self, open_length};
use super::movement::{OUT_OF_RANGE, extent_symbol, in_range, list_length, run_time_list, wrapped};
use crate::prelude::*;
use onnxc_ir::loops::{FuncBuilder, Value};

/// How the extents of a node are numbered: those of the result, then `over`, then `from`, row by row.
struct Numbers {
    rank: usize,
    kept: usize,
    keep: bool,
}

impl Numbers {
    fn new(rank: usize, axes: usize, keep: bool) -> Option<Numbers> {
        Some(Numbers { rank, kept: if keep { rank } else { rank.checked_sub(axes)? }, keep })
    }
    fn over(&self, a: usize) -> u32 {
        (self.kept + a) as u32
    }
    fn from(&self, a: usize, k: usize) -> u32 {
        (self.kept + self.rank + a * self.kept + k) as u32
    }
}

/// The extents of the result.
pub(super) fn infer(cx: &mut InferCx, shape: &[Sym], keep: bool) -> Result<Vec<Sym>> {
    let rank = shape.len();
    let list = tensor(cx, 1, Class::Int)?;
    if list.rank() > 1 {
        return Err(cx.error("E2005", format!("input 1 has rank {}", list.rank())).expected("a list (rank 1)"));
    }
    let axes = if keep && open_length(&cx.shape(1)?) { 0 } else { list_length(cx, 1)? };
    let n = Numbers::new(rank, axes, keep)
        .ok_or_else(|| cx.error("E2004", format!("{axes} axes are to be reduced, of a tensor of rank {rank}")))?;
    let one = Sym::int(1);
    let any = Sym::max_of(shape.iter().cloned().chain([one.clone()]).collect());
    let mut result = vec![];
    for k in 0..n.kept {
        let most = if keep { Sym::max(&shape[k], &one) } else { any.clone() };
        result.push(cx.fresh_extent(k as u32, "kept", 0, Some(most)));
    }
    for (a, d) in shape.iter().enumerate() {
        cx.fresh_extent(n.over(a), "over", 0, Some(Sym::max(d, &one)));
        for k in 0..if keep { 0 } else { n.kept } {
            cx.fresh_extent(n.from(a, k), "from", 0, Some(one.clone()));
        }
    }
    Ok(result)
}

/// The values of those extents.
pub(super) fn extents(cx: &mut RoutineCx, keep: bool) -> Result<Vec<Value>> {
    let shape = cx.input_type(0).shape.clone();
    let open = open_length(&cx.input_type(1).shape);
    let axes = if open { vec![] } else { run_time_list(cx, 1)? };
    let n = Numbers::new(shape.len(), axes.len(), keep).expect("infer has compared the counts");
    let any_length = if open { Some(listed_or_all(cx, n.rank)?) } else { None };
    let f = &mut *cx.f;
    let (zero, one) = (f.int(0), f.int(1));
    let dims: Vec<Value> = shape.iter().map(|d| f.sym(d)).collect();
    let known = |f: &mut FuncBuilder| (0..n.rank).map(|a| is_listed(f, &axes, a as i64, n.rank as i64)).collect();
    let reduced: Vec<Value> = any_length.unwrap_or_else(|| known(f));
    let over = reduced.iter().zip(&dims).map(|(&r, &d)| f.select(r, d, one)).collect::<Vec<_>>();
    if n.keep {
        let kept = reduced.iter().zip(&dims).map(|(&r, &d)| f.select(r, one, d)).collect::<Vec<_>>();
        return Ok([kept, over].concat());
    }
    let mut kept = vec![zero; n.kept];
    let (mut from, mut position) = (vec![], zero);
    for (&r, &d) in reduced.iter().zip(&dims) {
        let step = f.select(r, zero, one);
        for (k, extent) in kept.iter_mut().enumerate() {
            let k = f.int(k as i64);
            let here = f.compare(CmpOp::Eq, position, k);
            let it = f.select(here, step, zero);
            let part = f.mul(it, d);
            *extent = f.add(*extent, part);
            from.push(it);
        }
        position = f.add(position, step);
    }
    Ok([kept, over, from].concat())
}

/// Whether each axis is in a list of any length. Of no elements: all are, unless the node says none.
fn listed_or_all(cx: &mut RoutineCx, rank: usize) -> Result<Vec<Value>> {
    let listed = lengths::by_axis(cx, Some(1), rank, &[])?.listed;
    let length = cx.input_type(1).shape.iter().product::<Sym>();
    let (length, zero) = (cx.f.sym(&length), cx.f.int(0));
    let all = match cx.attrs().int("noop") {
        Some(1) => cx.f.scalar(Scalar::bool(false)),
        _ => cx.f.compare(CmpOp::Eq, length, zero),
    };
    let one = |v: Value| {
        let is = cx.f.compare(CmpOp::Ne, v, zero);
        cx.f.binary(BinOp::Or, is, all)
    };
    Ok(listed.into_iter().map(one).collect())
}

/// Is axis `a` in the list, counted from either end?
fn is_listed(f: &mut FuncBuilder, axes: &[Value], a: i64, rank: i64) -> Value {
    let mut listed = f.scalar(Scalar::bool(false));
    for &axis in axes {
        for name in [a, a - rank] {
            let name = f.int(name);
            let same = f.compare(CmpOp::Eq, axis, name);
            listed = f.binary(BinOp::Or, listed, same);
        }
    }
    listed
}

/// The extents to reduce over, and what gives the index of an element from that of the result and the reduction's.
pub(super) fn plan(cx: &mut ComputeCx, keep: bool) -> Result<(Vec<Sym>, impl Fn(&[Sym], &[Sym]) -> Vec<Sym> + use<>)> {
    let (rank, axes) = (cx.shape(0).len(), cx.shape(1));
    let count = axes.first().and_then(Sym::as_int).unwrap_or(1);
    let n = Numbers::new(rank, count as usize, keep).expect("infer has compared the counts");
    let view = cx.as_view();
    let over = (0..rank).map(|a| extent_symbol(&view, n.over(a))).collect::<Result<Vec<_>>>()?;
    let row = |a: usize| (0..n.kept).map(|k| extent_symbol(&view, n.from(a, k))).collect::<Result<Vec<_>>>();
    let from = if keep { vec![] } else { (0..rank).map(row).collect::<Result<Vec<_>>>()? };
    check_axes(cx, rank);
    let index = move |i: &[Sym], r: &[Sym]| {
        let place = |a: usize| if keep { i[a].clone() } else { i.iter().zip(&from[a]).map(|(i, f)| i * f).sum() };
        (0..rank).map(|a| place(a) + &r[a]).collect()
    };
    Ok((over, index))
}

/// Every axis is there, and no two are the same.
fn check_axes(cx: &mut ComputeCx, rank: usize) {
    let (list, shape, dtype, rank) = (cx.input(1), cx.shape(1), cx.dtype(1), Sym::int(rank as i64));
    let axis = |i: &[Sym]| cast(dtype, DType::I64, load(list, i));
    cx.k.check(&shape, OUT_OF_RANGE, |_, i| in_range(&axis(i), &rank));
    cx.k.check(&[shape.clone(), shape.clone()].concat(), OUT_OF_RANGE, |_, i| {
        let (i, j) = i.split_at(shape.len());
        let [a, b] = [axis(i), axis(j)].map(|a| wrapped(a, &rank));
        let itself = i.iter().zip(j).fold(constant(Scalar::bool(true)), |same, (i, j)| {
            binary(BinOp::And, same, compare(CmpOp::Eq, int(i.clone()), int(j.clone())))
        });
        binary(BinOp::Or, itself, compare(CmpOp::Ne, a, b))
    });
}
