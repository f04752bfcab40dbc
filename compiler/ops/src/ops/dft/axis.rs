//! Along which axis DFT transforms: one that is known, or one that the model computes when it runs.
//!
//! For the latter, `choice[a]` is 1 if axis `a` is it and 0 if not; extents of the node, computed before it runs, so that
//! indices are plain arithmetic. The others are the transform's length, how many elements it takes, and the extents of
//! the output.

use super::{flag, half};
use crate::ops::movement::*;
use crate::prelude::*;
use onnxc_ir::loops::Value;

/// How a transform lies in its input and output.
pub(super) struct Layout {
    pub(super) length: Sym,
    /// At least the length, and known before the run if it can be.
    pub(super) most: Sym,
    /// How many elements are summed over.
    pub(super) terms: Sym,
    /// How many sums there are, if that is known.
    pub(super) sums: Sym,
    along: Along,
}

enum Along {
    Known(usize),
    Later(Vec<Sym>),
}

/// What `infer` has asked for when the axis is computed at run time.
const LENGTH: u32 = 0;
const TERMS: u32 = 1;
const OUT: u32 = 2;

impl Layout {
    /// The layout of a node that `infer` has accepted.
    pub(super) fn new(cx: &ComputeCx) -> Result<Layout> {
        let (shape, out, view) = (cx.shape(0), cx.out_shape(0), cx.as_view());
        let axes = shape.len() - 1;
        let real = flag(cx.attrs(), "inverse") && flag(cx.attrs(), "onesided");
        let axis = match (cx.opt(2), cx.content(2).as_deref()) {
            (None, _) => Some(-2),
            (_, Some([a])) => a.as_int(),
            _ => None,
        };
        let Some(axis) = axis else {
            let get = |which: u32| extent_symbol(&view, which);
            let choice = (0..axes).map(|a| get(OUT + (axes + a) as u32)).collect::<Result<_>>()?;
            let (length, terms) = (get(LENGTH)?, get(TERMS)?);
            let given = cx.content(1).and_then(|c| c.first().cloned());
            let most = longest(&shape[..axes], cx.opt(1).is_some(), given, real).unwrap_or(length.clone());
            return Ok(Layout { sums: length.clone(), length, most, terms, along: Along::Later(choice) });
        };
        let axis = axis.rem_euclid(shape.len() as i64) as usize;
        let length = match (cx.opt(1), cx.content(1).as_deref()) {
            (None, _) if real => (&shape[axis] - 1) * 2,
            (None, _) => shape[axis].clone(),
            (_, Some([n])) => n.clone(),
            _ => extent_symbol(&view, LENGTH)?,
        };
        let available = if real { half(&length) } else { length.clone() };
        let terms = cx.ranges().simplify(&Sym::min(&shape[axis], &available));
        Ok(Layout { most: length.clone(), length, terms, sums: out[axis].clone(), along: Along::Known(axis) })
    }

    /// The axis, if it is known.
    pub(super) fn axis(&self) -> Option<usize> {
        match &self.along {
            Along::Known(axis) => Some(*axis),
            Along::Later(_) => None,
        }
    }

    /// The index of an element, from that of the output and the number of the summand.
    pub(super) fn element(&self, i: &[Sym], n: &Sym) -> Vec<Sym> {
        let mut from = i.to_vec();
        match &self.along {
            Along::Known(axis) => from[*axis] = n.clone(),
            Along::Later(choice) => {
                for (a, c) in choice.iter().enumerate() {
                    from[a] = &i[a] + c * (n - &i[a]);
                }
            }
        }
        from
    }

    /// Which sum an index of the output is.
    pub(super) fn sum(&self, i: &[Sym]) -> Sym {
        match &self.along {
            Along::Known(axis) => i[*axis].clone(),
            Along::Later(choice) => choice.iter().zip(i).map(|(c, i)| c * i).sum(),
        }
    }
}

/// The longest that a transform along any of some axes can be; `given`: what the length's input holds.
fn longest(shape: &[Sym], has_length: bool, given: Option<Sym>, real: bool) -> Option<Sym> {
    let own = Sym::max_of(shape.iter().cloned().chain([Sym::int(0)]).collect());
    match has_length {
        true => given,
        false if real => Some(own * 2),
        false => Some(own),
    }
}

/// The extents of the output for an axis that isn't known.
pub(super) fn infer_later(cx: &mut InferCx, shape: &[Sym]) -> Result<Vec<Sym>> {
    let axes = shape.len() - 1;
    let real = flag(cx.attrs(), "inverse") && flag(cx.attrs(), "onesided");
    let most_terms = longest(&shape[..axes], false, None, false);
    let given = cx.content(1).and_then(|c| c.first().cloned());
    let most = longest(&shape[..axes], cx.opt(1).is_some(), given, real);
    cx.fresh_extent(LENGTH, "dft", 0, most.clone());
    cx.fresh_extent(TERMS, "terms", 0, most_terms);
    let mut out = vec![];
    for (a, d) in shape[..axes].iter().enumerate() {
        let most = most.as_ref().map(|m| Sym::max(m, d));
        out.push(cx.fresh_extent(OUT + a as u32, "transformed", 0, most));
    }
    for a in 0..axes {
        cx.fresh_extent(OUT + (axes + a) as u32, "along", 0, Some(Sym::int(1)));
    }
    Ok(out)
}

/// The values of those extents, or of the length alone.
pub(super) fn extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let known = cx.content(2).is_none_or(|c| c.iter().all(|a| a.as_int().is_some()));
    if cx.node().inputs.get(2).copied().flatten().is_none() || known && cx.content(2).is_some() {
        return Ok(vec![run_time_extent(cx, 1)?]);
    }
    let shape = cx.input_type(0).shape.clone();
    let axes = shape.len() - 1;
    let (inverse, onesided) = (flag(cx.attrs(), "inverse"), flag(cx.attrs(), "onesided"));
    let axis = run_time_axes(cx, 2, shape.len())?[0];
    let given = if cx.opt(1).is_some() { Some(run_time_extent(cx, 1)?) } else { None };
    let last = cx.f.int(axes as i64);
    let parts = cx.f.compare(CmpOp::Eq, axis, last);
    cx.fail_if(parts, OUT_OF_RANGE);
    let f = &mut *cx.f;
    let (zero, one, two) = (f.int(0), f.int(1), f.int(2));
    let (mut own, mut choice, mut dims) = (zero, vec![], vec![]);
    for (a, d) in shape[..axes].iter().enumerate() {
        let (d, a) = (f.sym(d), f.int(a as i64));
        let here = f.compare(CmpOp::Eq, axis, a);
        own = f.select(here, d, own);
        choice.push(f.select(here, one, zero));
        dims.push(d);
    }
    let length = given.unwrap_or_else(|| match inverse && onesided {
        true => {
            let n = f.sub(own, one);
            let n = f.mul(n, two);
            f.binary(BinOp::Max, n, zero)
        }
        false => own,
    });
    let half = f.binary(BinOp::Div, length, two);
    let half = f.add(half, one);
    let available = if inverse && onesided { half } else { length };
    let terms = f.binary(BinOp::Min, own, available);
    let sums = if onesided && !inverse { half } else { length };
    let mut all = vec![length, terms];
    for (&d, &c) in dims.iter().zip(&choice) {
        let here = f.compare(CmpOp::Eq, c, one);
        all.push(f.select(here, sums, d));
    }
    all.extend(choice);
    Ok(all)
}
