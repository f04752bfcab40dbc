//! Spans of axes: what part of each axis the loops that are open leave, and the region of a definition that an
//! attached stage has to compute there.
//!
//! A region is found by interval arithmetic on the indices of every load by the owner's nest. It contains all that is
//! loaded and stays within the definition's extents.

use super::{Cx, Env};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Ranges, Sym};
use onnxc_ir::kernel::reach::reached_by;
use onnxc_ir::kernel::{Body, Cut, DefId, Kernel, Src, Stage};
use std::collections::BTreeMap;

/// `len` points of an axis from `lo` on.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Span {
    pub lo: Sym,
    pub len: Sym,
}

/// The span of each axis of a definition.
pub(super) type Domain = BTreeMap<Symbol, Span>;

/// All points of a definition.
pub(super) fn whole(kernel: &Kernel, d: DefId) -> Domain {
    let span = |len: &Sym| Span { lo: Sym::int(0), len: len.clone() };
    kernel.defs[d].axes.iter().map(|a| (a.var.clone(), span(&a.extent))).collect()
}

/// What the first `depth` loops of a stage leave: blocks at unknown places, as large as they get.
pub(super) fn typical(kernel: &Kernel, stage: &Stage, depth: usize) -> Domain {
    let mut domain = whole(kernel, stage.def);
    for l in &stage.loops[..depth] {
        if let Some(span) = domain.get_mut(&l.axis) {
            let block = i64::from(l.block);
            if span.len.as_int().is_none_or(|n| n > block) {
                // A loop over points of an empty axis runs for none. Blocks whose code is there once are as far apart as
                // whole ones are: distances that are known cost nothing.
                let known = block == 1 || span.len.as_int().is_some() || l.cut == Cut::Alike;
                let len = if known { Sym::int(block) } else { Sym::min(&span.len, &Sym::int(block)) };
                *span = Span { lo: block * Sym::var(format!("{}.block", l.axis).as_str()), len };
            }
        }
    }
    domain
}

impl Cx<'_> {
    /// The extents of the scratch memory of an attached stage.
    pub(super) fn region_shape(&self, p: DefId, owner: &Stage, depth: usize) -> Result<Vec<Sym>, Diagnostic> {
        let domain = typical(self.kernel, owner, depth);
        let region = self.region(p, owner, &domain, false)?;
        Ok(self.kernel.defs[p].axes.iter().map(|a| self.stored(&region[&a.var], &a.extent)).collect())
    }

    /// How many points of a span are within an extent at most: what is outside of it is never computed.
    fn stored(&self, span: &Span, extent: &Sym) -> Sym {
        match (span.lo.as_int(), span.len.as_int(), extent.as_int()) {
            (Some(lo), Some(len), Some(extent)) => Sym::int((lo + len).min(extent) - lo.max(0)),
            (None, Some(len), Some(extent)) => Sym::int(len.min(extent)),
            _ => span.len.clone(),
        }
    }

    /// The region of definition `p` that the owner's nest loads for the points of `domain`; `clip` keeps it within
    /// the extents where it isn't anyway.
    pub(super) fn region(&self, p: DefId, owner: &Stage, domain: &Domain, clip: bool) -> Result<Domain, Diagnostic> {
        let axes = &self.kernel.defs[p].axes;
        let mut found: Vec<Option<(Sym, Sym)>> = vec![None; axes.len()];
        let inside = self.kernel.schedule.stages.iter().skip_while(|s| s.def != p).skip(1);
        for user in inside.filter(|s| s.def == owner.def || s.at.is_some_and(|a| a.owner == owner.def)) {
            let loads = self.stage_loads(user, p)?;
            if loads.is_empty() {
                continue;
            }
            let spans =
                if user.def == owner.def { domain.clone() } else { self.region(user.def, owner, domain, clip)? };
            let (env, ranges) = self.inner_points(&spans);
            for index in loads {
                for ((slot, i), a) in found.iter_mut().zip(index).zip(axes) {
                    let whole = || (Sym::int(0), &a.extent - 1);
                    let (lo, hi) = self.interval(&ranges, &i.subst(&|v| env.get(v).cloned())).unwrap_or_else(whole);
                    *slot = Some(match slot.take() {
                        None => (lo, hi),
                        Some((l, h)) => (smaller(&ranges, &l, &lo), larger(&ranges, &h, &hi)),
                    });
                }
            }
        }
        let mut region = Domain::new();
        for (a, slot) in axes.iter().zip(found) {
            let (mut lo, mut hi) =
                slot.ok_or_else(|| self.error(format!("nothing loads {}", self.kernel.defs[p].name)))?;
            // Bounds of an index may be wider than it is; known ones are never beyond the extent.
            if let (Some(l), Some(h), Some(e)) = (lo.as_int(), hi.as_int(), a.extent.as_int()) {
                (lo, hi) = (Sym::int(l.clamp(0, (e - 1).max(0))), Sym::int(h.clamp(0, (e - 1).max(0))));
            }
            if clip {
                if self.ranges.prove_le(&Sym::int(0), &lo) != Some(true) {
                    lo = Sym::max(&lo, &Sym::int(0));
                }
                if self.ranges.prove_lt(&hi, &a.extent) != Some(true) {
                    hi = Sym::min(&hi, &(&a.extent - 1));
                }
            }
            let len = self.ranges.simplify(&(hi - &lo + 1));
            region.insert(a.var.clone(), Span { lo, len });
        }
        Ok(region)
    }

    /// Each axis as the start of its span plus a variable over its length.
    fn inner_points(&self, spans: &Domain) -> (Env, Ranges) {
        let mut ranges = self.ranges.clone();
        let mut env = Env::new();
        for (axis, span) in spans {
            if span.len.is_one() {
                env.insert(axis.clone(), span.lo.clone());
                continue;
            }
            let inner = Symbol::new(&format!("{axis}.in"));
            ranges.set_index(inner.clone(), &span.len);
            env.insert(axis.clone(), &span.lo + &Sym::var(inner));
        }
        (env, ranges)
    }

    /// The least and the greatest value of an index, if they have a closed form.
    fn interval(&self, ranges: &Ranges, index: &Sym) -> Option<(Sym, Sym)> {
        let index = ranges.simplify(index);
        let inner = |s: &Symbol| s.as_str().ends_with(".in") || self.reduction_vars.contains(s);
        let (lo, hi) = ranges.lower_bound(&index, &inner).zip(ranges.upper_bound(&index, &inner))?;
        Some((ranges.simplify(&lo), ranges.simplify(&hi)))
    }

    /// As [`Self::stage_loads`]; none where that isn't known.
    pub(super) fn loads_of(&self, stage: &Stage, p: DefId) -> Option<Vec<Vec<Sym>>> {
        self.stage_loads(stage, p).ok()
    }

    /// The indices at which a stage loads `p`, in terms of the axes of the stage's definition and reduction variables.
    fn stage_loads(&self, stage: &Stage, p: DefId) -> Result<Vec<Vec<Sym>>, Diagnostic> {
        let staged = |d: DefId| self.kernel.schedule.stages.iter().any(|s| s.def == d || s.acc == Some(d));
        let inline = |d: DefId| !staged(d) && matches!(self.kernel.defs[d].body, Body::Map(_));
        let mut all = Vec::new();
        for d in [Some(stage.def), stage.acc].into_iter().flatten() {
            let env = if Some(d) == stage.acc { self.point_env(stage)? } else { Env::new() };
            for l in reached_by(self.kernel, d, &inline).into_iter().filter(|l| l.src == Src::Def(p)) {
                let index: Option<Vec<Sym>> =
                    l.index.iter().map(|i| i.as_ref().map(|i| i.subst(&|v| env.get(v).cloned()))).collect();
                all.push(index.ok_or_else(|| self.error("an attached stage is loaded at a computed index"))?);
            }
        }
        Ok(all)
    }
}

fn smaller(ranges: &Ranges, a: &Sym, b: &Sym) -> Sym {
    match (ranges.prove_le(a, b), ranges.prove_le(b, a)) {
        (Some(true), _) => a.clone(),
        (_, Some(true)) => b.clone(),
        _ => Sym::min(a, b),
    }
}

fn larger(ranges: &Ranges, a: &Sym, b: &Sym) -> Sym {
    if smaller(ranges, a, b) == *a {
        b.clone()
    } else if smaller(ranges, a, b) == *b {
        a.clone()
    } else {
        Sym::max(a, b)
    }
}
