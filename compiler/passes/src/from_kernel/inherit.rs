//! Memory that one attached stage takes over from another: a map that reads a stage's region point by point, and is the last
//! to read it, stores its results where it read from.
//!
//! Exponentials of scores lie where the scores did, so twice as many rows of them stay in the cache. Each point must be
//! computed once, so blocks that overlap, and rings, are left alone.
//!
//! Does NOT look at parameters and outputs (see `assemble::reuse`).

use super::span::{Domain, typical};
use super::{Cx, Storage};
use onnxc_base::Sym;
use onnxc_ir::kernel::reach::reached_by;
use onnxc_ir::kernel::{Body, Cut, DefId, Src, Stage};

impl Cx<'_> {
    /// The storage of a stage that takes over what another one has.
    pub(super) fn inherited(&self, stage: &Stage) -> Option<Storage> {
        let from = self.takes_over(stage)?;
        self.defs[from].clone().filter(|s| s.ring.is_none())
    }

    /// The definition whose memory a stage takes over.
    fn takes_over(&self, stage: &Stage) -> Option<DefId> {
        let (kernel, at) = (self.kernel, stage.at.filter(|a| !a.rolls)?);
        let def = &kernel.defs[stage.def];
        let once = stage.loops.iter().enumerate().all(|(i, l)| l.cut == Cut::Aligned && stage.is_tile_loop(i));
        if stage.acc.is_some() || !matches!(def.body, Body::Map(_)) || !once || kernel.outputs.contains(&stage.def) {
            return None;
        }
        let staged = |d: DefId| kernel.schedule.stages.iter().any(|s| s.def == d || s.acc == Some(d));
        let inline = |d: DefId| !staged(d) && matches!(kernel.defs[d].body, Body::Map(_));
        let loads = reached_by(kernel, stage.def, &inline);
        let own = |index: &[Option<Sym>]| {
            index.len() == def.axes.len()
                && index.iter().zip(&def.axes).all(|(i, a)| i.as_ref().and_then(Sym::as_symbol) == Some(&a.var))
        };
        let fits = |d: &DefId| {
            let like = kernel.defs[*d].dtype == def.dtype && kernel.defs[*d].shape() == def.shape();
            let beside = kernel.schedule.stage_of(*d).is_some_and(|s| s.at == Some(at) && self.framed(s).is_none());
            let point_by_point = loads.iter().filter(|l| l.src == Src::Def(*d)).all(|l| own(&l.index));
            like && beside && point_by_point && !kernel.outputs.contains(d) && self.read_last_by(*d, stage)
        };
        let mut sources = loads.iter().filter_map(|l| if let Src::Def(d) = l.src { Some(d) } else { None });
        let from = sources.find(fits)?;
        self.same_region(from, stage).then_some(from)
    }

    /// True if no stage after this one reads a definition.
    fn read_last_by(&self, d: DefId, stage: &Stage) -> bool {
        let mut after = self.kernel.schedule.stages.iter().skip_while(|s| s.def != stage.def).skip(1);
        after.all(|s| self.loads_of(s, d).is_some_and(|l| l.is_empty())) && self.kernel.checks.is_empty()
    }

    /// True if two stages of one place compute the same region there.
    fn same_region(&self, from: DefId, stage: &Stage) -> bool {
        let Some((owner, depth)) = self.owner(stage) else { return false };
        let domain = typical(self.kernel, owner, depth);
        let spans = |d: DefId| -> Option<Vec<_>> {
            let region: Domain = self.region(d, owner, &domain, false).ok()?;
            Some(
                self.kernel.defs[d]
                    .axes
                    .iter()
                    .map(|a| (region[&a.var].lo.clone(), region[&a.var].len.clone()))
                    .collect(),
            )
        };
        spans(from).is_some_and(|s| Some(s) == spans(stage.def))
    }
}
