//! Lists whose length a model leaves open: what else says it, and reading them at any length.
//!
//! A rank is known at compile time, so a list that says one must have a known length. Where an input's shape leaves it
//! open, the rank that the model declares for the result, or the operator's rule, decides; the input then has that
//! extent, and a run with another one is refused like any wrong shape.
//!
//! Does NOT guess: what neither rule nor declaration says stays an error.

use super::movement::OUT_OF_RANGE;
use crate::infer::unknown_type;
use crate::prelude::*;
use onnxc_ir::loops::{LoopKind, Ty, Value, Var};

/// Input `i`, a list, has `n` elements, if its length is open.
pub(super) fn expect_length(cx: &mut InferCx, i: usize, n: usize) {
    let Ok(t) = cx.input_type(i) else { return };
    if let [d] = t.shape.as_slice() {
        cx.assume(d, n);
    }
}

/// The length of input `i`, a list, if it is there and its length isn't open.
pub(super) fn known_length(cx: &InferCx, i: usize) -> Option<usize> {
    match cx.input_type(i).ok()?.shape.as_slice() {
        [d] => usize::try_from(d.as_int()?).ok(),
        _ => None,
    }
}

/// Input `i`, if it is there, is one element.
pub(super) fn expect_one(cx: &mut InferCx, i: usize) {
    let Ok(t) = cx.input_type(i) else { return };
    for d in &t.shape {
        cx.assume(d, 1);
    }
}

/// The last extent of input `i` is `n`, if it is open.
pub(super) fn expect_last(cx: &mut InferCx, i: usize, n: Option<usize>) {
    let last = cx.input_type(i).ok().and_then(|t| t.shape.last().cloned());
    if let (Some(d), Some(n)) = (last, n) {
        cx.assume(&d, n);
    }
}

/// The rank that the model declares for output 0, or that was inferred before.
pub(super) fn declared_rank(cx: &InferCx) -> Option<usize> {
    let v = *cx.node().outputs.first()?;
    let ty = &cx.graph.values[v].ty;
    (*ty != unknown_type()).then(|| ty.as_tensor().map(|t| t.rank())).flatten()
}

/// Is the length of input `i` known only when the model runs?
pub(super) fn open_length(shape: &[Sym]) -> bool {
    shape.first().is_some_and(|d| d.as_int().is_none())
}

/// A list beside a list of axes.
pub(super) struct Beside {
    /// The input.
    pub input: usize,
    /// Its elements start this many lengths of the list of axes in.
    pub part: i64,
    /// For axes that aren't listed.
    pub default: i64,
}

/// What a list says about each axis of a tensor.
pub(super) struct ByAxis {
    /// 1 for axes that are listed, 0 for others.
    pub listed: Vec<Value>,
    /// For each list beside, the element that belongs to each axis.
    pub beside: Vec<Vec<Value>>,
}

/// Reads input `axes`, a list of axes of a tensor of some rank, and lists beside it, of any length. Without a list of
/// axes the others are for the first axes. The module ends with a status unless the axes are there and differ.
pub(super) fn by_axis(cx: &mut RoutineCx, axes: Option<usize>, rank: usize, lists: &[Beside]) -> Result<ByAxis> {
    let longest = axes.or(lists.first().map(|l| l.input)).expect("a caller gives a list");
    let length = cx.input_type(longest).shape.first().cloned().unwrap_or(Sym::int(1));
    let length = cx.f.sym(&length);
    let listed = variables(cx, rank, 0);
    let beside: Vec<Vec<Var>> = lists.iter().map(|l| variables(cx, rank, l.default)).collect();
    let k = cx.f.open_loop("k");
    let a = axis(cx, axes, k, rank)?;
    let one = cx.f.int(1);
    let mut values = vec![one];
    for l in lists {
        let part = cx.f.int(l.part);
        let first = cx.f.mul(part, length);
        let at = cx.f.add(k, first);
        values.push(element(cx, l.input, at)?);
    }
    for n in 0..rank {
        let number = cx.f.int(n as i64);
        let here = cx.f.compare(CmpOp::Eq, a, number);
        let before = cx.f.get(listed[n], &[]);
        let again = cx.f.compare(CmpOp::Eq, before, one);
        let twice = cx.f.binary(BinOp::And, again, here);
        cx.fail_if(twice, OUT_OF_RANGE);
        for (vars, &v) in std::iter::once(&listed).chain(&beside).zip(&values) {
            let old = cx.f.get(vars[n], &[]);
            let new = cx.f.select(here, v, old);
            cx.f.set(vars[n], &[], new);
        }
    }
    let zero = cx.f.int(0);
    cx.f.close_loop(k, zero, length, 1, LoopKind::Serial);
    let mut read = |vars: &Vec<Var>| vars.iter().map(|&v| cx.f.get(v, &[])).collect();
    Ok(ByAxis { listed: read(&listed), beside: beside.iter().map(read).collect() })
}

/// For each axis of a tensor of some rank, the element of a list that stands as far from its end; a default where the
/// list is shorter. The module ends with a status if it is longer than the rank.
pub(super) fn from_the_right(cx: &mut RoutineCx, i: usize, rank: usize, default: i64) -> Result<Vec<Value>> {
    let length = cx.input_type(i).shape.first().cloned().unwrap_or(Sym::int(1));
    let (length, limit) = (cx.f.sym(&length), cx.f.int(rank as i64));
    let long = cx.f.compare(CmpOp::Gt, length, limit);
    cx.fail_if(long, OUT_OF_RANGE);
    let found = variables(cx, rank, default);
    let skip = cx.f.sub(limit, length);
    let k = cx.f.open_loop("k");
    let (v, axis) = (element(cx, i, k)?, cx.f.add(k, skip));
    for (n, &var) in found.iter().enumerate() {
        let number = cx.f.int(n as i64);
        let here = cx.f.compare(CmpOp::Eq, axis, number);
        let old = cx.f.get(var, &[]);
        let new = cx.f.select(here, v, old);
        cx.f.set(var, &[], new);
    }
    let zero = cx.f.int(0);
    cx.f.close_loop(k, zero, length, 1, LoopKind::Serial);
    Ok(found.into_iter().map(|v| cx.f.get(v, &[])).collect())
}

/// The `k`-th listed axis, counted from the front.
fn axis(cx: &mut RoutineCx, axes: Option<usize>, k: Value, rank: usize) -> Result<Value> {
    let (zero, limit) = (cx.f.int(0), cx.f.int(rank as i64));
    let a = match axes {
        Some(i) => {
            let a = element(cx, i, k)?;
            let negative = cx.f.compare(CmpOp::Lt, a, zero);
            let from_end = cx.f.add(a, limit);
            cx.f.select(negative, from_end, a)
        }
        None => k,
    };
    let (low, high) = (cx.f.compare(CmpOp::Lt, a, zero), cx.f.compare(CmpOp::Ge, a, limit));
    let bad = cx.f.binary(BinOp::Or, low, high);
    cx.fail_if(bad, OUT_OF_RANGE);
    Ok(a)
}

/// A variable for each axis.
fn variables(cx: &mut RoutineCx, rank: usize, first: i64) -> Vec<Var> {
    let first = cx.f.int(first);
    let one = |cx: &mut RoutineCx| {
        let v = cx.f.var(Ty::I64, &[], "of_axis");
        cx.f.set(v, &[], first);
        v
    };
    (0..rank).map(|_| one(cx)).collect()
}

fn element(cx: &mut RoutineCx, i: usize, at: Value) -> Result<Value> {
    let t = cx.opt(i).ok_or_else(|| cx.error("E2043", format!("the elements of input {i} aren't at hand")))?;
    let v = cx.f.load(t.buf, at, 1, None);
    Ok(cx.f.cast(v, DType::I64))
}
