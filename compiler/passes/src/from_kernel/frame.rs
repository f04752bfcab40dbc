//! Padding around what rolls: a padded copy that is attached where its source is takes no memory beside it. The source
//! lies within the copy's ring, and the copy only fills what is around it.
//!
//! Holds afterwards: the copy's memory is what it would be if all of it had been copied. Not where copies and sources have
//! different depths.

use super::span::{Domain, Span};
use super::{Cx, Storage};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{Body, DefId, ExprKind, Kernel, Src, Stage};
use onnxc_ir::loops::{LoopKind, Value};
use onnxc_ir::scalar::Scalar;

/// A padded copy of a definition.
pub(super) struct Frame {
    /// The copy.
    pub copy: DefId,
    /// How far the source's index is behind the copy's, for each dim.
    before: Vec<i64>,
    /// What is around the source.
    fill: Scalar,
}

/// The frame that a map is, if it is nothing but a load at its own point, moved by constants.
fn frame(kernel: &Kernel, copy: DefId) -> Option<(DefId, Frame)> {
    let def = &kernel.defs[copy];
    let Body::Map(e) = &def.body else { return None };
    let ExprKind::Load { src: Src::Def(of), index, pad: Some(fill) } = e.kind() else { return None };
    let before = |(i, a): (&onnxc_ir::kernel::Expr, &onnxc_ir::kernel::Axis)| {
        let (one, rest) = i.as_sym()?.split_linear(&a.var)?;
        one.is_one().then(|| rest.as_int().map(|c| -c)).flatten()
    };
    let before: Option<Vec<i64>> = index.iter().zip(&def.axes).map(before).collect();
    let same = index.len() == def.axes.len();
    before.filter(|_| same).map(|before| (*of, Frame { copy, before, fill: *fill }))
}

/// A dim while it is filled.
struct Dim {
    /// The points to fill or to leave alone.
    span: Span,
    /// The points that are the source's: from, to.
    inside: [Sym; 2],
    axis: Symbol,
}

impl<'k> Cx<'k> {
    /// The frame that a stage's definition lies within.
    pub(super) fn framed(&self, stage: &Stage) -> Option<Frame> {
        let at = stage.at.filter(|a| a.rolls)?;
        let same = self.kernel.schedule.attached(at.owner).filter(|s| s.at == stage.at && s.acc.is_none());
        let frames = same.filter_map(|s| frame(self.kernel, s.def)).filter(|f| f.0 == stage.def);
        let mut all: Vec<Frame> = frames.map(|f| f.1).collect();
        all.pop().filter(|_| all.is_empty() && self.only_user(stage))
    }

    /// True if one stage loads what a stage stores.
    fn only_user(&self, stage: &Stage) -> bool {
        let stages = &self.kernel.schedule.stages;
        let loads = |s: &&Stage| self.loads_of(s, stage.def).is_none_or(|l| !l.is_empty());
        !self.kernel.outputs.contains(&stage.def)
            && stages.iter().filter(|s| s.def != stage.def).filter(loads).count() == 1
    }

    /// The stage that lies within a stage's memory, and how.
    pub(super) fn frames(&self, stage: &Stage) -> Option<(&'k Stage, Frame)> {
        let (of, _) = frame(self.kernel, stage.def)?;
        let kernel: &'k Kernel = self.kernel;
        let inner = kernel.schedule.stage_of(of)?;
        self.framed(inner).filter(|f| f.copy == stage.def).map(|f| (inner, f))
    }

    /// Memory within the memory of a frame.
    pub(super) fn within(&self, frame: &Frame) -> Option<Storage> {
        let mut storage = self.defs[frame.copy].clone()?;
        if let Some(ring) = &mut storage.ring {
            ring.shift = frame.before[ring.dim];
        }
        Some(storage)
    }

    /// The region of a frame's copy, as the source counts: its memory begins there.
    ///
    /// # Errors
    /// A region that isn't known.
    pub(super) fn frame_region(
        &self,
        stage: &Stage,
        frame: &Frame,
        owner: &Stage,
        domain: &Domain,
    ) -> Result<Domain, Diagnostic> {
        let region = self.region(frame.copy, owner, domain, true)?;
        let (copy, own) = (&self.kernel.defs[frame.copy].axes, &self.kernel.defs[stage.def].axes);
        let moved = |((c, a), before): ((&onnxc_ir::kernel::Axis, &onnxc_ir::kernel::Axis), &i64)| {
            let span = &region[&c.var];
            (a.var.clone(), Span { lo: &span.lo - *before, len: span.len.clone() })
        };
        Ok(copy.iter().zip(own).zip(&frame.before).map(moved).collect())
    }

    /// Fills what of a region isn't the source's.
    pub(super) fn fill_frame(&mut self, stage: &Stage, inner: &Stage, frame: &Frame, region: &Domain) {
        let (copy, own) = (&self.kernel.defs[stage.def].axes, &self.kernel.defs[inner.def].axes);
        let dim = |((c, a), before): ((&onnxc_ir::kernel::Axis, &onnxc_ir::kernel::Axis), &i64)| Dim {
            span: region[&c.var].clone(),
            inside: [Sym::int(*before), &a.extent + *before],
            axis: c.var.clone(),
        };
        let dims: Vec<Dim> = copy.iter().zip(own).zip(&frame.before).map(dim).collect();
        self.around(stage, frame.fill, &dims, vec![]);
    }

    fn around(&mut self, stage: &Stage, fill: Scalar, dims: &[Dim], at: Vec<Sym>) {
        let Some((dim, rest)) = dims.split_first() else { return };
        let (lo, hi) = (dim.span.lo.clone(), self.ranges.simplify(&(&dim.span.lo + &dim.span.len)));
        let [from, to] = &dim.inside;
        self.over(dim, lo.clone(), self.least(&hi, from), &at, &mut |cx, at| cx.all(stage, fill, rest, at));
        if rest.iter().any(|d| self.crosses(d)) {
            let (first, last) = (self.most(&lo, from), self.least(&hi, to));
            self.over(dim, first, last, &at, &mut |cx, at| cx.around(stage, fill, rest, at));
        }
        self.over(dim, self.most(&lo, to), hi, &at, &mut |cx, at| cx.all(stage, fill, rest, at));
    }

    fn crosses(&self, d: &Dim) -> bool {
        let end = &d.span.lo + &d.span.len;
        self.ranges.prove_le(&d.inside[0], &d.span.lo) != Some(true)
            || self.ranges.prove_le(&end, &d.inside[1]) != Some(true)
    }

    fn least(&self, a: &Sym, b: &Sym) -> Sym {
        match (self.ranges.prove_le(a, b), self.ranges.prove_le(b, a)) {
            (Some(true), _) => a.clone(),
            (_, Some(true)) => b.clone(),
            _ => Sym::min(a, b),
        }
    }

    fn most(&self, a: &Sym, b: &Sym) -> Sym {
        if self.least(a, b) == *a {
            b.clone()
        } else if self.least(a, b) == *b {
            a.clone()
        } else {
            Sym::max(a, b)
        }
    }

    /// Fills all points of the dims that are left.
    fn all(&mut self, stage: &Stage, fill: Scalar, dims: &[Dim], at: Vec<Sym>) {
        let Some((dim, rest)) = dims.split_first() else {
            let value = self.f.scalar(fill);
            return self.put(stage, &at, value);
        };
        let (lo, hi) = (dim.span.lo.clone(), self.ranges.simplify(&(&dim.span.lo + &dim.span.len)));
        let lanes = i64::from((self.machine.vector_bits / fill.dtype.bits().max(8) as u32).clamp(1, 64));
        let whole = dim.span.len.as_int().is_some_and(|n| n % lanes == 0);
        if !rest.is_empty() || !whole || lanes == 1 {
            return self.over(dim, lo, hi, &at, &mut |cx, at| cx.all(stage, fill, rest, at));
        }
        let (from, to) = (self.f.sym(&lo), self.f.sym(&hi));
        let name = self.fresh(&dim.axis, &hi);
        let index = self.f.open_loop(name.as_str());
        self.f.bind(name.clone(), index);
        let value = self.f.scalar(fill);
        let value = self.f.splat(value, lanes as u16);
        self.put(stage, &[at, vec![Sym::var(name)]].concat(), value);
        self.f.close_loop(index, from, to, lanes, LoopKind::Serial);
    }

    fn put(&mut self, stage: &Stage, at: &[Sym], value: Value) {
        let Some(storage) = self.defs[stage.def].clone() else { return };
        let offset = at.iter().enumerate().fold(storage.base.clone(), |n, (d, i)| n + storage.distance(d, i.clone()));
        let offset = self.ranges.simplify(&offset);
        let offset = self.f.sym(&offset);
        self.f.store(storage.buf, offset, value, None);
    }

    /// Runs the body for each point from `lo` to `hi`.
    fn over(&mut self, dim: &Dim, lo: Sym, hi: Sym, at: &[Sym], body: &mut dyn FnMut(&mut Self, Vec<Sym>)) {
        if self.ranges.prove_le(&hi, &lo) == Some(true) {
            return;
        }
        if self.ranges.simplify(&(&hi - &lo)).is_one() {
            return body(self, [at, &[lo]].concat());
        }
        let (from, to) = (self.f.sym(&lo), self.f.sym(&hi));
        let name = self.fresh(&dim.axis, &hi);
        let index = self.f.open_loop(name.as_str());
        self.f.bind(name.clone(), index);
        body(self, [at, &[Sym::var(name)]].concat());
        self.f.close_loop(index, from, to, 1, LoopKind::Serial);
    }
}
