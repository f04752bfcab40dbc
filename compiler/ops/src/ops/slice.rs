//! Slice: every `step`-th element of a range of each axis.
//!
//! Since 1: starts, ends, axes are attributes; since 10: inputs, and there are steps, also negative ones. Starts and
//! ends count from the end if negative and are clamped to the extent, whatever their size.
//! From here down: inputs 1 to 4. What is known as symbols is sliced symbolically; else `extents` computes first, step
//! and length of each axis.
//!
//! Does NOT copy: it is a view, which what comes next reads through.

use super::lengths::{self, Beside, expect_length, known_length, open_length};
use super::movement::*;
use crate::prelude::*;
use onnxc_base::Ranges;
use onnxc_ir::graph::Graph;
use onnxc_ir::loops::Value;

/// Slice.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Slice",
    versions: &[(1, import_attrs), (10, none), (11, none), (13, none)],
    infer,
    lower: Lower::View(view),
    extents: Some(extents),
};

/// Numbers of this size and beyond mean "to the end" in files, whatever the extent.
const FAR: i64 = i32::MAX as i64;

fn import_attrs(n: &mut NodeReader) -> Result<Attrs> {
    let (starts, ends) = (n.need_ints("starts")?, n.need_ints("ends")?);
    for (i, name, v) in [(1, "starts", starts), (2, "ends", ends)] {
        n.set_input(i, name, Tensor::from_slice(&[v.len()], &v));
    }
    ints_to_input(n, "axes", 3)?;
    Ok(Attrs::default())
}

/// The part of one axis: index `first + step * i` for `i` below `length`.
struct Cut {
    axis: usize,
    first: Sym,
    step: Sym,
    length: Sym,
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = any(cx, 0)?;
    let cuts = cuts(cx, &x.shape)?;
    let mut shape = x.shape.clone();
    let ranges = cx.ranges();
    for c in &cuts {
        shape[c.axis] = ranges.simplify(&c.length);
    }
    if let Some(known) = Known::input(cx, 0) {
        let fixed: Option<Vec<(usize, i64, i64)>> =
            cuts.iter().map(|c| Some((c.axis, c.first.as_int()?, c.step.as_int()?))).collect();
        if let Some(fixed) = fixed {
            set_moved(cx, &shape, |i| {
                let mut i = i.to_vec();
                for &(axis, first, step) in &fixed {
                    i[axis] = usize::try_from(first + step * i[axis] as i64).ok()?;
                }
                known.at(&i)
            });
        }
    }
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

fn cuts(cx: &mut InferCx, x: &[Sym]) -> Result<Vec<Cut>> {
    // One list whose length is known says that of the others.
    if let Some(n) = (1..=4).find_map(|i| known_length(cx, i)) {
        (1..=4).for_each(|i| expect_length(cx, i, n));
    }
    if open_length(&cx.shape(1)?) {
        return open_cuts(cx, x);
    }
    let count = list_length(cx, 1)?;
    let axes = axes_input(cx, 3, x.len())?.unwrap_or_else(|| Axes::Known((0..count.min(x.len())).collect()));
    for i in [1, 2, 4] {
        if (i < 4 || cx.opt(i).is_some()) && (list_length(cx, i)? != count || axes.len() != count) {
            return Err(cx
                .error("E2005", "starts, ends, axes and steps are of different lengths, or longer than the rank")
                .expected("one start, end and step for each axis"));
        }
    }
    let axes = match axes {
        Axes::Known(axes) => axes,
        Axes::Later(_) => return Ok((0..x.len()).map(|a| run_time_cut(cx, a as u32, a, &x[a])).collect()),
    };
    let input = |i: usize| cx.opt(i).map(|_| cx.content(i));
    let known = Contents::new(count, cx.content(1), cx.content(2), input(4));
    let mut cuts = Vec::new();
    for (k, &axis) in axes.iter().enumerate() {
        if known.as_ref().is_some_and(|c| c.steps[k].is_zero()) {
            return Err(cx.error("E2045", format!("the step of axis {axis} is 0")).expected("a step other than 0"));
        }
        let cut = known.as_ref().and_then(|c| c.cut(cx.graph, k, axis, &x[axis]));
        cuts.push(cut.unwrap_or_else(|| run_time_cut(cx, k as u32, axis, &x[axis])));
    }
    Ok(cuts)
}

/// The parts of all axes, if it isn't known for how many there are starts.
fn open_cuts(cx: &mut InferCx, x: &[Sym]) -> Result<Vec<Cut>> {
    let length = product(&cx.shape(1)?);
    for i in 2..=4 {
        if cx.opt(i).is_some() {
            let other = product(&cx.shape(i)?);
            cx.unify(&length, &other, "starts, ends, axes and steps are equally many")?;
        }
    }
    Ok((0..x.len()).map(|a| run_time_cut(cx, a as u32, a, &x[a])).collect())
}

/// The symbolic elements of the inputs.
struct Contents {
    starts: Vec<Sym>,
    ends: Vec<Sym>,
    steps: Vec<Sym>,
}

impl Contents {
    /// `steps` is `None` without such an input, and `Some(None)` if its elements aren't known.
    fn new(
        count: usize,
        starts: Option<Vec<Sym>>,
        ends: Option<Vec<Sym>>,
        steps: Option<Option<Vec<Sym>>>,
    ) -> Option<Self> {
        let steps = steps.unwrap_or_else(|| Some(vec![Sym::int(1); count]))?;
        Some(Contents { starts: starts?, ends: ends?, steps })
    }

    /// The part of the `k`-th listed axis, if its step is a constant and its start and end are known to be counted from
    /// one side; of those that come from extents alone, the formula says which.
    fn cut(&self, graph: &Graph, k: usize, axis: usize, extent: &Sym) -> Option<Cut> {
        let (start, end, step) = (self.starts.get(k)?, self.ends.get(k)?, self.steps.get(k)?.as_int()?);
        // Such a step leaves one element, whatever its size.
        let step = step.clamp(-FAR, FAR);
        let ranges = graph.ranges();
        let sided = |v: &Sym| !from_values(graph, v) || ranges.prove_le(&Sym::int(0), v).is_some();
        (sided(start) && sided(end)).then(|| known_cut(&ranges, axis, extent, start, end, step))
    }
}

fn known_cut(ranges: &Ranges, axis: usize, extent: &Sym, start: &Sym, end: &Sym, step: i64) -> Cut {
    // Backwards, the range ends before 0 and starts at the last element.
    let back = i64::from(step < 0);
    let first = clamp(ranges, start, extent, back, 0);
    let end = clamp(ranges, end, extent, back, back);
    let span = if step > 0 { &end - &first } else { &first - &end };
    let length = Sym::max(&span.ceildiv(&Sym::int(step.abs())), &Sym::int(0));
    Cut { axis, first: ranges.simplify(&first), step: Sym::int(step), length: ranges.simplify(&length) }
}

/// A start or end, counted from the front and clamped: to `0 ..= extent` going forward; backwards (`back` = 1) a start
/// to `0 ..= extent - 1`, an end (`below` = 1) to `-1 ..= extent - 1`.
fn clamp(ranges: &Ranges, v: &Sym, extent: &Sym, back: i64, below: i64) -> Sym {
    let (low, high) = (Sym::int(-below), extent - back);
    match v.as_int() {
        Some(v) if v >= FAR => return high,
        Some(v) if v <= -FAR => return low,
        _ => {}
    }
    let zero = Sym::int(0);
    let at = match ranges.prove_le(&zero, v) {
        Some(true) => v.clone(),
        Some(false) => v + extent,
        // extent * (v < 0 ? 1 : 0)
        None => v + extent * Sym::min(&Sym::max(&-v, &zero), &Sym::int(1)),
    };
    // In this order: for an empty axis the high bound is below the low one, and it wins.
    Sym::min(&Sym::max(&at, &low), &high)
}

fn run_time_cut(cx: &mut InferCx, k: u32, axis: usize, extent: &Sym) -> Cut {
    Cut {
        axis,
        first: cx.fresh_extent(3 * k, "first", 0, Some(extent.max(&Sym::int(0)))),
        step: cx.fresh_extent(3 * k + 1, "step", -FAR, Some(Sym::int(FAR))),
        length: cx.fresh_extent(3 * k + 2, "length", 0, Some(extent.clone())),
    }
}

/// First, step and length of each listed axis; of each axis of all if the list isn't known.
fn extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let x = cx.input_type(0).shape.clone();
    if open_length(&cx.input_type(1).shape) {
        return open_extents(cx, &x);
    }
    let (starts, ends) = (run_time_list(cx, 1)?, run_time_list(cx, 2)?);
    let one = cx.f.int(1);
    let steps = if cx.opt(4).is_some() { run_time_list(cx, 4)? } else { vec![one; starts.len()] };
    let given = cx.opt(3).is_some().then(|| cx.content(3));
    let (axes, lists) = match listed(given, starts.len(), x.len()) {
        Some(axes) => (axes, [starts, ends, steps]),
        None => {
            let axes = run_time_axes(cx, 3, x.len())?;
            let spread = [(starts, 0), (ends, FAR), (steps, 1)].map(|(v, d)| by_axis(cx, x.len(), &axes, &v, d));
            ((0..x.len()).collect(), spread)
        }
    };
    let mut values = Vec::new();
    for (k, &axis) in axes.iter().enumerate() {
        let extent = cx.f.sym(&x[axis]);
        values.extend(run_time_part(cx, extent, lists[0][k], lists[1][k], lists[2][k]));
    }
    Ok(values)
}

/// The same for every axis, from lists of any length.
fn open_extents(cx: &mut RoutineCx, x: &[Sym]) -> Result<Vec<Value>> {
    let beside = |(input, default)| Beside { input, part: 0, default };
    let lists = [(1, 0), (2, FAR), (4, 1)].into_iter().filter(|(i, _)| cx.opt(*i).is_some()).map(beside);
    let lists: Vec<Beside> = lists.collect();
    let axes = cx.opt(3).map(|_| 3);
    let found = lengths::by_axis(cx, axes, x.len(), &lists)?.beside;
    let one = cx.f.int(1);
    let mut values = Vec::new();
    for (a, extent) in x.iter().enumerate() {
        let extent = cx.f.sym(extent);
        let step = found.get(2).map_or(one, |s| s[a]);
        values.extend(run_time_part(cx, extent, found[0][a], found[1][a], step));
    }
    Ok(values)
}

fn run_time_part(cx: &mut RoutineCx, extent: Value, start: Value, end: Value, step: Value) -> [Value; 3] {
    let (zero, one, far) = (cx.f.int(0), cx.f.int(1), cx.f.int(FAR));
    let none = cx.f.compare(CmpOp::Eq, step, zero);
    cx.fail_if(none, OUT_OF_RANGE);
    let f = &mut *cx.f;
    let lowest = f.int(-FAR);
    let step = f.binary(BinOp::Max, step, lowest);
    let step = f.binary(BinOp::Min, step, far);
    let is_back = f.compare(CmpOp::Lt, step, zero);
    let back = f.select(is_back, one, zero);
    let high = f.sub(extent, back);
    let below = f.sub(zero, back);
    let mut clamp = |v: Value, low: Value| {
        let negative = f.compare(CmpOp::Lt, v, zero);
        let from_end = f.add(v, extent);
        let v = f.select(negative, from_end, v);
        let v = f.binary(BinOp::Max, v, low);
        f.binary(BinOp::Min, v, high)
    };
    let (first, end) = (clamp(start, zero), clamp(end, below));
    let forward = f.sub(end, first);
    let backward = f.sub(first, end);
    let span = f.select(is_back, backward, forward);
    let size = f.unary(UnOp::Abs, step);
    let round = f.sub(size, one);
    let span = f.add(span, round);
    let length = f.binary(BinOp::FloorDiv, span, size);
    let length = f.binary(BinOp::Max, length, zero);
    [f.binary(BinOp::Max, first, zero), step, length]
}

/// The axes as `infer` has checked them; `None` if they are listed, but not known.
fn listed(axes: Option<Option<Vec<Sym>>>, count: usize, rank: usize) -> Option<Vec<usize>> {
    let Some(axes) = axes else { return Some((0..count.min(rank)).collect()) };
    axes?.iter().map(|a| Some(a.as_int()?.rem_euclid(rank.max(1) as i64) as usize)).collect()
}

fn view(cx: &ViewCx, index: &[Sym]) -> Result<Vec<Sym>> {
    let x = cx.shape(0);
    let count = cx.shape(1).first().and_then(Sym::as_int).unwrap_or(1) as usize;
    let given = |i: usize| cx.graph.nodes[cx.node].inputs.get(i).copied().flatten().map(|_| cx.content(i));
    let axes = listed(given(3), count, x.len()).filter(|_| !open_length(&cx.shape(1)));
    let known = Contents::new(count, cx.content(1), cx.content(2), given(4)).filter(|_| axes.is_some());
    let mut from = index.to_vec();
    let axes = axes.unwrap_or_else(|| (0..x.len()).collect());
    for (k, axis) in axes.into_iter().enumerate() {
        let cut = known.as_ref().and_then(|c| c.cut(cx.graph, k, axis, &x[axis]));
        let (first, step) = match cut {
            Some(c) => (c.first, c.step),
            None => (extent_symbol(cx, 3 * k as u32)?, extent_symbol(cx, 3 * k as u32 + 1)?),
        };
        from[axis] = first + step * &from[axis];
    }
    Ok(from)
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("slice");
    }

    #[test]
    fn wrong_slices_are_refused() {
        let list = |v: &[i64]| Tensor::from_slice(&[v.len()], v);
        let error = |axes: &[i64], steps: &[i64]| {
            let case = Case::new("Slice", 13).input(Tensor::from_slice(&[4], &[0f32; 4]));
            case.constant(list(&[0])).constant(list(&[1])).constant(list(axes)).constant(list(steps)).error()
        };
        assert_eq!([error(&[1], &[1]), error(&[0], &[0]), error(&[0], &[1, 1])], ["E2004", "E2045", "E2005"]);
    }
}
