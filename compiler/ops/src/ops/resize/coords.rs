//! Positions in the input and weights around them: f32 formulas of one axis, in the order of operations of ONNX
//! Runtime, so that positions that lie between two elements round alike.

use super::plan::{Factor, Plan};
use crate::prelude::*;

/// What the positions along a resized axis come from.
pub(super) struct Coords<'a> {
    /// The node's attributes.
    pub(super) attrs: &'a Attrs,
    /// Extent of the input.
    pub(super) length: Sym,
    /// Extent of the output.
    pub(super) out: Sym,
    /// Scale, f32.
    pub(super) scale: Expr,
    /// Scale times extent of the input, f32: the output's extent before rounding.
    pub(super) width: Expr,
    /// Start and end of the part that is taken (f32), for `tf_crop_and_resize`.
    pub(super) roi: Option<(Expr, Expr)>,
}

pub(super) fn f32(v: f32) -> Expr {
    constant(Scalar::f32(v))
}

/// A symbolic integer as f32.
pub(super) fn float(s: impl Into<Sym>) -> Expr {
    cast(DType::I64, DType::F32, int(s))
}

/// The factor of an axis as an f32 expression, given how to load elements of `scales` and `sizes` as f32.
pub(super) fn scale(
    attrs: &Attrs,
    plan: &Plan,
    factor: &Factor,
    axis: usize,
    out: &Sym,
    element: &dyn Fn(usize, usize) -> Expr,
) -> Expr {
    match factor {
        Factor::Scale(s) => f32(*s),
        Factor::Scales(k) => element(2, *k),
        Factor::Size(_) => float(out) / float(&plan.shape[axis]),
        Factor::Policy(_) => {
            let op = if attrs.str("policy") == Some("not_larger") { BinOp::Min } else { BinOp::Max };
            let ratio = |(k, &a): (usize, &usize)| {
                let size = plan.sizes.as_ref().map_or_else(|| element(3, k), |s| float(&s[k]));
                size / float(&plan.shape[a])
            };
            let ratios = plan.axes.iter().enumerate().map(ratio);
            ratios.reduce(|a, b| binary(op, a, b)).expect("the axis is one of them")
        }
    }
}

impl Coords<'_> {
    /// The position in the input of output element `i`.
    pub(super) fn position(&self, i: &Sym) -> Expr {
        let half = || f32(0.5);
        let half_pixel = || (float(i) + half()) / self.scale.clone() - half();
        let single = |one: Expr, more: Expr| select(compare(CmpOp::Eq, int(&self.out), int(1)), one, more);
        let last = || float(&self.length - 1);
        match self.attrs.str("coords").unwrap_or("half_pixel") {
            "asymmetric" => float(i) / self.scale.clone(),
            "tf_half_pixel_for_nn" => (float(i) + half()) / self.scale.clone(),
            "pytorch_half_pixel" => single(f32(0.0), half_pixel()),
            "align_corners" => single(f32(0.0), float(i) * last() / (self.width.clone() - f32(1.0))),
            "half_pixel_symmetric" => {
                let adjustment = float(&self.out) / self.width.clone();
                let center = float(&self.length) / f32(2.0);
                center * (f32(1.0) - adjustment) + half_pixel()
            }
            "tf_crop_and_resize" => {
                let (start, end) = self.roi.clone().expect("the caller gives it for this mode");
                let middle = half() * (start.clone() + end.clone()) * last();
                let step = float(i) * (end - start.clone()) * last() / (self.width.clone() - f32(1.0));
                single(middle, start * last() + step)
            }
            _ => half_pixel(),
        }
    }

    /// True where a position is outside of the input and the extrapolation value counts.
    pub(super) fn outside(&self, position: Expr) -> Expr {
        let low = compare(CmpOp::Lt, position.clone(), f32(0.0));
        let high = compare(CmpOp::Gt, position, float(&self.length - 1));
        binary(BinOp::Or, low, high)
    }

    /// The input element that is nearest to a position, i64.
    pub(super) fn nearest(&self, position: Expr) -> Expr {
        let up = |p: Expr| unary(UnOp::Ceil, p);
        let down = |p: Expr| unary(UnOp::Floor, p);
        let at = match self.attrs.str("rounding").unwrap_or("round_prefer_floor") {
            "floor" => down(position),
            "ceil" => up(position),
            "round_prefer_ceil" => down(position + f32(0.5)),
            "simple" => {
                let shrinks = compare(CmpOp::Lt, self.scale.clone(), f32(1.0));
                select(shrinks, up(position.clone()), down(position))
            }
            _ => up(position - f32(0.5)),
        };
        self.clamp(cast(DType::F32, DType::I64, at))
    }

    /// An index moved into the input.
    pub(super) fn clamp(&self, index: Expr) -> Expr {
        binary(BinOp::Max, binary(BinOp::Min, index, int(&self.length - 1)), int(0))
    }

    /// The index of the input for each output element of the nearest mode, where it is a quotient: enlarging by a whole
    /// number `s` takes element floor(i / s), since (i + 1/2) / s is never whole.
    pub(super) fn quotient(&self, i: &Sym) -> Option<Sym> {
        let s = as_const(&self.scale).map(Scalar::to_f64).filter(|s| s.fract() == 0.0 && *s >= 1.0 && *s < 1e6)? as i64;
        let whole = self.out == &self.length * s;
        let rounds = self.attrs.str("rounding").is_some_and(|r| r.starts_with("round"));
        let floors = matches!(self.attrs.str("rounding"), Some("floor" | "simple"));
        let fits = match self.attrs.str("coords").unwrap_or_default() {
            "asymmetric" | "tf_half_pixel_for_nn" => floors,
            "half_pixel" | "half_pixel_symmetric" | "pytorch_half_pixel" => rounds && s > 1,
            _ => false,
        };
        (whole && fits).then(|| i.floordiv(&Sym::int(s)))
    }

    /// True for a filter that is stretched where the axis shrinks.
    fn antialias(&self) -> bool {
        self.attrs.int("antialias") == Some(1)
    }

    /// Half the number of taps: no element further from a position has a weight.
    pub(super) fn radius(&self, factor: &Factor) -> Sym {
        let support = if self.attrs.str("mode") == Some("cubic") { 2 } else { 1 };
        if !self.antialias() {
            return Sym::int(support);
        }
        match factor {
            Factor::Scale(s) => Sym::int((support as f32 / s.min(1.0)).ceil() as i64),
            // The scale is at least out / length, but for rounding.
            _ => {
                let out = Sym::max(&self.out, &Sym::int(1));
                Sym::max(&((&self.length * support).ceildiv(&out) + 1), &Sym::int(support))
            }
        }
    }

    /// The weight of an element at a distance (f32) from a position, before they are made to sum to 1.
    pub(super) fn weight(&self, distance: Expr) -> Expr {
        let distance =
            if self.antialias() { distance * binary(BinOp::Min, self.scale.clone(), f32(1.0)) } else { distance };
        let t = unary(UnOp::Abs, distance);
        if self.attrs.str("mode") == Some("linear") {
            return binary(BinOp::Max, f32(1.0) - t, f32(0.0));
        }
        // R. Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 4.
        let a = self.attrs.float("cubic_coeff_a").unwrap_or(-0.75);
        let near = ((f32(a + 2.0) * t.clone() - f32(a + 3.0)) * t.clone()) * t.clone() + f32(1.0);
        let far = ((f32(a) * t.clone() - f32(5.0 * a)) * t.clone() + f32(8.0 * a)) * t.clone() - f32(4.0 * a);
        let within = |d: f32, yes: Expr, no: Expr| select(compare(CmpOp::Lt, t.clone(), f32(d)), yes, no);
        within(1.0, near, within(2.0, far, f32(0.0)))
    }

    /// True if the weights of an output element may not sum to 1.
    pub(super) fn normalises(&self) -> bool {
        self.antialias() || self.excludes()
    }

    /// True if elements outside of the input have no weight; otherwise they are those at the border.
    pub(super) fn excludes(&self) -> bool {
        self.attrs.int("exclude_outside") == Some(1)
    }
}
