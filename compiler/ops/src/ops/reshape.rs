//! Reshape, Flatten, Squeeze, Unsqueeze: the same elements in the same order under another shape.
//!
//! Reshape since 1: attribute `shape`; since 5: input 1; since 14: `allowzero`. A 0 in the shape keeps the extent
//! (unless `allowzero`), one -1 takes what is left. A symbolic element of the shape that comes from extents is taken at
//! its word; one that is known only when the model runs may be 0 or -1 and is computed by `extents`.
//! Squeeze, Unsqueeze since 1: attribute `axes`; since 13: input 1. Flatten since 11: a negative axis.
//! From here down: the inputs of the newest versions, attribute `allowzero` or `axis`.
//! Does NOT move an element: each is an alias of its input.

use super::lengths::{declared_rank, expect_length};
use super::movement::*;
use crate::prelude::*;
use onnxc_ir::graph::{Guard, Relation};
use onnxc_ir::loops::Value;

/// Reshape.
pub static RESHAPE: OpDef = OpDef {
    domain: "",
    name: "Reshape",
    versions: &[
        (1, import_reshape_attr),
        (5, import_keep_zero),
        (13, import_keep_zero),
        (14, import_allowzero),
        (19, import_allowzero),
        (21, import_allowzero),
        (23, import_allowzero),
        (24, import_allowzero),
        (25, import_allowzero),
    ],
    infer: infer_reshape,
    lower: Lower::Alias,
    extents: Some(reshape_extents),
};

/// Flatten.
pub static FLATTEN: OpDef = OpDef {
    domain: "",
    name: "Flatten",
    versions: &[
        (1, import_flatten),
        (9, import_flatten),
        (11, import_flatten),
        (13, import_flatten),
        (21, import_flatten),
        (23, import_flatten),
        (24, import_flatten),
        (25, import_flatten),
    ],
    infer: infer_flatten,
    lower: Lower::Alias,
    extents: None,
};

/// Squeeze.
pub static SQUEEZE: OpDef = OpDef {
    domain: "",
    name: "Squeeze",
    versions: &[(1, import_axes), (11, import_axes), (13, none), (21, none), (23, none), (24, none), (25, none)],
    infer: infer_squeeze,
    lower: Lower::Alias,
    extents: Some(squeeze_extents),
};

/// Unsqueeze.
pub static UNSQUEEZE: OpDef = OpDef {
    domain: "",
    name: "Unsqueeze",
    versions: &[(1, import_axes), (11, import_axes), (13, none), (21, none), (23, none), (24, none), (25, none)],
    infer: infer_unsqueeze,
    lower: Lower::Alias,
    extents: Some(unsqueeze_extents),
};

fn import_reshape_attr(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["consumed_inputs"]);
    ints_to_input(n, "shape", 1)?;
    import_keep_zero(n)
}

fn import_keep_zero(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("allowzero", Attr::Int(0)))
}

fn import_allowzero(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("allowzero", Attr::Int(n.int("allowzero", 0)?)))
}

fn import_flatten(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", 1)?)))
}

fn import_axes(n: &mut NodeReader) -> Result<Attrs> {
    ints_to_input(n, "axes", 1)?;
    Ok(Attrs::default())
}

/// What an element of the target shape asks for.
enum Target {
    /// This extent.
    Is(Sym),
    /// What is left.
    Rest,
    /// Known only when the model runs.
    Later,
}

fn infer_reshape(cx: &mut InferCx) -> Result<()> {
    if let Some(rank) = declared_rank(cx) {
        expect_length(cx, 1, rank);
    }
    let x = any(cx, 0)?;
    let rank = list_length(cx, 1)?;
    let targets = targets(cx, &x.shape, rank)?;
    let count = product(&x.shape);
    let mut shape: Vec<Option<Sym>> = Vec::new();
    let later = targets.iter().any(|t| matches!(t, Target::Later));
    let bound = bound(&targets, &count);
    for (k, t) in targets.iter().enumerate() {
        shape.push(match t {
            Target::Is(d) => Some(d.clone()),
            Target::Rest if !later => None,
            _ => Some(cx.fresh_extent(k as u32, "reshaped", 0, bound.clone())),
        });
    }
    let known: Sym = shape.iter().flatten().product();
    let rest = rest(cx, &count, &known, &targets)?;
    let shape: Vec<Sym> = shape.into_iter().map(|d| d.unwrap_or_else(|| rest.clone())).collect();
    if !later {
        cx.unify(&count, &product(&shape), "the number of elements")?;
    }
    keep_content(cx);
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

/// What bounds each extent that isn't known. For several, each may be all elements; but the product of such bounds is
/// worth having for small tensors only, since memory would be planned for it. In an empty tensor an extent may be
/// anything.
fn bound(targets: &[Target], count: &Sym) -> Option<Sym> {
    const SMALL: i64 = 1 << 20;
    let known: Sym = targets.iter().filter_map(|t| if let Target::Is(d) = t { Some(d) } else { None }).product();
    let unknown = targets.iter().filter(|t| !matches!(t, Target::Is(_))).count();
    if unknown == 1 && known.as_int().is_some_and(|k| k > 0) {
        return Some(count.floordiv(&known));
    }
    let n = count.as_int().filter(|&n| n > 0)?;
    n.checked_pow(u32::try_from(unknown).ok()?).filter(|&all| all <= SMALL).map(|_| count.clone())
}

/// The extent for -1.
fn rest(cx: &InferCx, count: &Sym, known: &Sym, targets: &[Target]) -> Result<Sym> {
    let wanted = targets.iter().filter(|t| matches!(t, Target::Rest)).count();
    if wanted > 1 {
        return Err(cx.error("E2044", "the target shape has several -1").expected("at most one"));
    }
    if wanted == 1 && known.is_zero() {
        return Err(cx
            .error("E2044", "the target shape has a -1 beside an extent of 0, which leaves it undefined")
            .expected("extents of at least 1 beside a -1"));
    }
    Ok(if wanted == 1 { cx.ranges().simplify(&count.floordiv(known)) } else { Sym::int(0) })
}

fn targets(cx: &InferCx, x: &[Sym], rank: usize) -> Result<Vec<Target>> {
    let Some(content) = cx.content(1) else { return Ok((0..rank).map(|_| Target::Later).collect()) };
    let keep_zero = cx.attrs().int("allowzero") != Some(1);
    let ranges = cx.ranges();
    let mut targets = Vec::new();
    for (k, t) in content.into_iter().enumerate() {
        targets.push(match t.as_int() {
            Some(0) if keep_zero => Target::Is(x.get(k).cloned().ok_or_else(|| {
                cx.error("E2044", format!("element {k} of the target shape keeps an extent that input 0 lacks"))
                    .expected(format!("zeros only among the first {} elements", x.len()))
            })?),
            Some(-1) => Target::Rest,
            Some(d) if d < 0 => {
                return Err(cx
                    .error("E2044", format!("element {k} of the target shape is {d}"))
                    .expected("at least -1"));
            }
            Some(_) => Target::Is(t),
            None if from_values(cx.graph, &t) && ranges.prove_le(&Sym::int(1), &t) != Some(true) => Target::Later,
            None => Target::Is(t),
        });
    }
    Ok(targets)
}

/// All extents at run time, with 0 and -1 resolved. Fails if they don't hold the elements.
fn reshape_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let x = cx.input_type(0).shape.clone();
    let targets = run_time_list(cx, 1)?;
    let keep_zero = cx.attrs().int("allowzero") != Some(1);
    let (zero, one, minus) = (cx.f.int(0), cx.f.int(1), cx.f.int(-1));
    let mut kept = Vec::new();
    for (k, &t) in targets.iter().enumerate() {
        kept.push(match x.get(k) {
            Some(d) if keep_zero => {
                let is_zero = cx.f.compare(CmpOp::Eq, t, zero);
                let d = cx.f.sym(d);
                cx.f.select(is_zero, d, t)
            }
            _ => t,
        });
    }
    let mut known = one;
    for &t in &kept {
        let is_rest = cx.f.compare(CmpOp::Eq, t, minus);
        let factor = cx.f.select(is_rest, one, t);
        known = cx.f.mul(known, factor);
    }
    let count = cx.f.sym(&product(&x));
    let rest = cx.f.binary(BinOp::FloorDiv, count, known);
    let mut total = one;
    for t in &mut kept {
        let is_rest = cx.f.compare(CmpOp::Eq, *t, minus);
        *t = cx.f.select(is_rest, rest, *t);
        let negative = cx.f.compare(CmpOp::Lt, *t, zero);
        cx.fail_if(negative, OUT_OF_RANGE);
        total = cx.f.mul(total, *t);
    }
    let differs = cx.f.compare(CmpOp::Ne, total, count);
    cx.fail_if(differs, OUT_OF_RANGE);
    Ok(kept)
}

fn infer_flatten(cx: &mut InferCx) -> Result<()> {
    let x = any(cx, 0)?;
    let axis = cx.attrs().int("axis").unwrap_or(1);
    let rank = x.rank() as i64;
    let at = if axis < 0 { axis + rank } else { axis };
    if !(0..=rank).contains(&at) {
        return Err(cx
            .error("E2004", format!("axis {axis} is out of range for a tensor of rank {rank}"))
            .expected(format!("{}..={rank}", -rank)));
    }
    let (outer, inner) = x.shape.split_at(at as usize);
    cx.set_tensor(0, x.dtype, vec![product(outer), product(inner)]);
    keep_content(cx);
    Ok(())
}

fn infer_squeeze(cx: &mut InferCx) -> Result<()> {
    if let Some(n) = declared_rank(cx).and_then(|rank| cx.shape(0).ok()?.len().checked_sub(rank)) {
        expect_length(cx, 1, n);
    }
    let x = any(cx, 0)?;
    keep_content(cx);
    let axes = match axes_input(cx, 1, x.rank())? {
        Some(Axes::Known(axes)) => axes,
        None => ones(cx, &x.shape),
        Some(Axes::Later(n)) => {
            let rank = x.rank().checked_sub(n);
            let rank = rank.ok_or_else(|| cx.error("E2004", format!("{n} axes of a tensor of rank {}", x.rank())))?;
            let shape = (0..rank).map(|k| cx.fresh_extent(k as u32, "squeezed", 0, None)).collect();
            cx.set_tensor(0, x.dtype, shape);
            return Ok(());
        }
    };
    for &a in &axes {
        cx.unify(&x.shape[a], &Sym::int(1), &format!("axis {a} is squeezed, so its extent must be 1"))?;
    }
    let kept = (0..x.rank()).filter(|a| !axes.contains(a)).map(|a| x.shape[a].clone()).collect();
    cx.set_tensor(0, x.dtype, kept);
    Ok(())
}

/// The axes of extent 1. One that only a run knows stays, and a run in which it is 1 is refused: the output would have
/// another rank.
fn ones(cx: &mut InferCx, shape: &[Sym]) -> Vec<usize> {
    let axes: Vec<usize> = (0..shape.len()).filter(|&a| shape[a].is_one()).collect();
    for (a, d) in shape.iter().enumerate().filter(|(a, _)| !axes.contains(a)) {
        let n = cx.node();
        let what = "stays, as its extent isn't known, so it must not be 1";
        let reason = format!("node '{}' ({}): axis {a} {what}", n.name, n.op);
        // 0, 1 and more are 0, 1 and 0.
        let left = cx.ranges().simplify(&Sym::min(d, &Sym::int(2)).modulo(&Sym::int(2)));
        if !left.is_zero() {
            cx.add_guard(Guard { left, right: Sym::int(0), relation: Relation::Equal, reason, region: None });
        }
    }
    axes
}

/// The extents of axes that aren't listed; those that are must be 1.
fn squeeze_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let x = cx.input_type(0).shape.clone();
    let axes = run_time_axes(cx, 1, x.len())?;
    let (zero, one) = (cx.f.int(0), cx.f.int(1));
    let ones = vec![one; axes.len()];
    let listed = by_axis(cx, x.len(), &axes, &ones, 0);
    let mut kept = vec![one; x.len() - axes.len()];
    // The position of the axis among those that stay.
    let mut at = zero;
    for (d, listed) in x.iter().zip(listed) {
        let d = cx.f.sym(d);
        let is_listed = cx.f.compare(CmpOp::Eq, listed, one);
        let wide = cx.f.compare(CmpOp::Ne, d, one);
        let bad = cx.f.binary(BinOp::And, is_listed, wide);
        cx.fail_if(bad, OUT_OF_RANGE);
        for (k, extent) in kept.iter_mut().enumerate() {
            let k = cx.f.int(k as i64);
            let here = cx.f.compare(CmpOp::Eq, at, k);
            let stays = cx.f.unary(UnOp::Not, is_listed);
            let here = cx.f.binary(BinOp::And, here, stays);
            *extent = cx.f.select(here, d, *extent);
        }
        let step = cx.f.sub(one, listed);
        at = cx.f.add(at, step);
    }
    Ok(kept)
}

fn infer_unsqueeze(cx: &mut InferCx) -> Result<()> {
    if let Some(n) = declared_rank(cx).and_then(|rank| rank.checked_sub(cx.shape(0).ok()?.len())) {
        expect_length(cx, 1, n);
    }
    let x = any(cx, 0)?;
    let rank = x.rank() + list_length(cx, 1)?;
    keep_content(cx);
    let axes = match axes_input(cx, 1, rank)? {
        Some(Axes::Later(_)) => {
            let shape = (0..rank).map(|k| cx.fresh_extent(k as u32, "unsqueezed", 0, None)).collect();
            cx.set_tensor(0, x.dtype, shape);
            return Ok(());
        }
        Some(Axes::Known(axes)) => axes,
        None => vec![],
    };
    let mut kept = x.shape.into_iter();
    let one = Sym::int(1);
    let shape = (0..rank).map(|a| if axes.contains(&a) { one.clone() } else { kept.next().unwrap_or(one.clone()) });
    let shape = shape.collect();
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

/// 1 for listed axes, the input's extents in order for the others.
fn unsqueeze_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let x = cx.input_type(0).shape.clone();
    let rank = x.len() + product(&cx.input_type(1).shape).as_int().unwrap_or(0) as usize;
    let axes = run_time_axes(cx, 1, rank)?;
    let (zero, one) = (cx.f.int(0), cx.f.int(1));
    let ones = vec![one; axes.len()];
    let listed = by_axis(cx, rank, &axes, &ones, 0);
    let (mut extents, mut at) = (Vec::new(), zero);
    for listed in listed {
        let mut extent = one;
        for (k, d) in x.iter().enumerate() {
            let (k, d) = (cx.f.int(k as i64), cx.f.sym(d));
            let here = cx.f.compare(CmpOp::Eq, at, k);
            extent = cx.f.select(here, d, extent);
        }
        let is_listed = cx.f.compare(CmpOp::Eq, listed, one);
        extents.push(cx.f.select(is_listed, one, extent));
        let step = cx.f.sub(one, listed);
        at = cx.f.add(at, step);
    }
    Ok(extents)
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("reshape");
    }

    #[test]
    fn an_extent_of_1_that_only_the_run_knows_is_refused() {
        let squeezed = |extent: usize| {
            let x = Tensor::from_slice(&[extent, 1], &vec![0f32; extent]);
            let i = Case::new("Squeeze", 13).input(x).ones().infer().expect("it is right");
            let value = |s: &onnxc_base::sym::Symbol| i.env.get(s).copied();
            let holds = |g: &onnxc_ir::graph::Guard| g.left.eval(&value) == g.right.eval(&value);
            (i.output_type(0).rank(), i.graph.guards.iter().filter(|g| !holds(g)).count())
        };
        // Of two axes, the second one is 1 in each run.
        assert_eq!([0, 1, 2, 7].map(squeezed), [(2, 1), (2, 2), (2, 1), (2, 1)]);
    }

    #[test]
    fn bad_shapes_are_refused() {
        let x = Tensor::from_slice(&[2, 3], &[0f32; 6]);
        let reshape =
            |t: &[i64]| Case::new("Reshape", 14).input(x.clone()).constant(Tensor::from_slice(&[t.len()], t)).error();
        assert_eq!(reshape(&[4, 2]), "E2003");
        assert_eq!(reshape(&[-1, -1]), "E2044");
        assert_eq!(reshape(&[2, 3, 0]), "E2044");
        assert_eq!(reshape(&[-2]), "E2044");
        let squeeze =
            |t: &[i64]| Case::new("Squeeze", 13).input(x.clone()).constant(Tensor::from_slice(&[t.len()], t)).error();
        assert_eq!(squeeze(&[0]), "E2003");
        assert_eq!(squeeze(&[2]), "E2004");
    }
}
