//! Regions that roll: an attached stage whose region moves on with a loop computes only what the iteration before hadn't.
//!
//! Its memory is a ring along the dim that moves: an index lies at its rest by the region's length. The first iteration
//! of the loop, wherever that begins, computes all of the region.

use super::span::{Domain, Span, typical};
use super::{Cx, whole};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{DefId, Stage};

/// The dim of a region that is a ring.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ring {
    /// Which dim.
    pub dim: usize,
    /// How far the region moves in one iteration.
    pub step: i64,
    /// The region's length along the dim.
    pub len: i64,
    /// How much further an index lies in the ring.
    pub shift: i64,
}

impl Cx<'_> {
    /// The ring of an attached stage; none if it doesn't roll.
    pub(super) fn ring(&self, stage: &Stage) -> Result<Option<Ring>, Diagnostic> {
        let Some(at) = stage.at.filter(|a| a.rolls) else { return Ok(None) };
        let owner = self.kernel.schedule.stage_of(at.owner);
        let ring = owner.and_then(|o| self.ring_at(stage.def, o, at.depth as usize).transpose()).transpose()?;
        ring.map(Some)
            .ok_or_else(|| self.error(format!("the region of {} can't roll", self.kernel.defs[stage.def].name)))
    }

    /// The ring that a definition's region could have inside the first `depth` loops of an owner: if it moves along one
    /// dim, by less than its length.
    pub(super) fn ring_at(&self, p: DefId, owner: &Stage, depth: usize) -> Result<Option<Ring>, Diagnostic> {
        let Some(l) = depth.checked_sub(1).and_then(|i| owner.loops.get(i)) else { return Ok(None) };
        let region = self.region(p, owner, &typical(self.kernel, owner, depth), false)?;
        let moving = Symbol::new(&format!("{}.block", l.axis));
        let axes = &self.kernel.defs[p].axes;
        let mut found = None;
        for (dim, a) in axes.iter().enumerate() {
            let span = &region[&a.var];
            if span.len.contains(&moving) {
                return Ok(None);
            }
            if !span.lo.contains(&moving) {
                continue;
            }
            let step = span.lo.split_linear(&moving).and_then(|(c, _)| c.as_int());
            match (step, span.len.as_int()) {
                (Some(step), Some(len)) if found.is_none() && 0 < step && step < len => {
                    found = Some(Ring { dim, step, len, shift: 0 });
                }
                _ => return Ok(None),
            }
        }
        Ok(found)
    }

    /// The part of a stage's region that isn't in its memory yet.
    ///
    /// # Errors
    /// A region that isn't known.
    pub(super) fn what_is_new(
        &self,
        stage: &Stage,
        mut region: Domain,
        owner: &Stage,
        domain: &Domain,
    ) -> Result<Domain, Diagnostic> {
        let ring = self.defs[stage.def].as_ref().and_then(|s| s.ring.as_ref());
        let (Some(ring), Some(at)) = (ring, stage.at) else { return Ok(region) };
        let axis = &self.kernel.defs[stage.def].axes[ring.dim].var;
        let depth = at.depth as usize;
        let begun = self.begun.get(&(owner.def, depth - 1)).map_or(Sym::int(0), |s| s.lo.clone());
        let moving = self.ranges.simplify(&(&domain[&owner.loops[depth - 1].axis].lo - &begun));
        let later = if moving.is_zero() { Sym::int(0) } else { Sym::min(&moving, &Sym::int(1)) };
        let known = later * (ring.len - ring.step);
        // The region begins elsewhere where it reaches beyond the edge: what is known is counted from where it would begin.
        let begin = self.region(stage.def, owner, domain, false)?.remove(axis);
        if let (Some(Span { lo, len }), Some(begin)) = (region.get_mut(axis), begin) {
            let (end, next) = (&*lo + &*len, begin.lo + known);
            *lo = if self.ranges.prove_le(&*lo, &next) == Some(true) { next } else { Sym::max(&*lo, &next) };
            *len = self.ranges.simplify(&(end - &*lo));
        }
        Ok(region)
    }
}

/// The dim of a definition along which its region moves inside the first `depth` loops of an owner, if it could be a ring.
pub fn ring_dim(kernel: &onnxc_ir::kernel::Kernel, p: DefId, owner: &Stage, depth: usize) -> Option<usize> {
    Cx::bare(kernel).ring_at(p, owner, depth).ok()?.map(|r| r.dim)
}

/// How much an attached stage would compute and store.
pub struct Cost {
    /// The extents of its memory.
    pub shape: Vec<i64>,
    /// Elements of its memory.
    pub elements: i64,
    /// Elements that it computes in all.
    pub computed: i64,
}

/// What it costs to compute a definition inside the first `depth` loops of an owner, rolling or not; none if its region
/// isn't constant or can't roll.
pub fn cost(kernel: &onnxc_ir::kernel::Kernel, p: DefId, owner: &Stage, depth: usize, rolls: bool) -> Option<Cost> {
    let cx = Cx::bare(kernel);
    let shape = cx.region_shape(p, owner, depth).ok()?;
    let shape = shape.iter().map(Sym::as_int).collect::<Option<Vec<i64>>>()?;
    let elements = shape.iter().try_fold(1i64, |n, e| n.checked_mul(*e))?;
    let mut left = whole(kernel, owner.def);
    let mut times = vec![];
    for l in &owner.loops[..depth] {
        let span = left.get_mut(&l.axis)?;
        let (n, block) = (span.len.as_int()?, i64::from(l.block));
        times.push((n + block - 1) / block);
        span.len = Sym::int(n.min(block));
    }
    let outside: i64 = times.iter().product();
    if !rolls {
        return Some(Cost { shape, elements, computed: outside * elements });
    }
    let ring = cx.ring_at(p, owner, depth).ok()??;
    let n = *times.last()?;
    let row = elements / shape[ring.dim].max(1);
    let rows = ring.len + (n - 1) * ring.step;
    let rows = kernel.defs[p].axes[ring.dim].extent.as_int().map_or(rows, |all| rows.min(all));
    Some(Cost { shape, elements, computed: outside / n * row * rows })
}
