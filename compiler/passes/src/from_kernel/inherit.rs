//! Memory that one attached stage takes over from another: a map that reads a stage's region point by point, and is the last
//! to read it, stores its results where it read from.
//!
//! Exponentials of scores lie where the scores did, so twice as many rows of them stay in the cache. Each point must be
//! computed once, so blocks that overlap, and rings, are left alone.
//!
//! Does NOT look at parameters and outputs (see `assemble::reuse`).

use super::span::{Domain, typical};
use super::{Cx, Storage};
use crate::kernel::plan::Nest;
use onnxc_base::Sym;
use onnxc_ir::kernel::reach::reached_by;
use onnxc_ir::kernel::{Body, Cut, DefId, Kernel, Src, Stage};

/// The definition whose memory a map can take over, by who reads what: one of `nests`, which are in the order of their
/// work, for which `beside` holds. It is like the map, which reads it point by point and is the last to read it.
pub(crate) fn predecessor(
    kernel: &Kernel,
    map: DefId,
    nests: &[Nest],
    beside: &dyn Fn(DefId) -> bool,
) -> Option<DefId> {
    let (def, at) = (&kernel.defs[map], nests.iter().position(|n| n.def == map)?);
    let stays = |d: DefId| kernel.outputs.contains(&d);
    if nests[at].acc.is_some() || !matches!(def.body, Body::Map(_)) || stays(map) || !kernel.checks.is_empty() {
        return None;
    }
    let stored = |d: DefId| nests.iter().any(|n| n.def == d || n.acc == Some(d));
    let inline = |d: DefId| !stored(d) && matches!(kernel.defs[d].body, Body::Map(_));
    let reads = |d: DefId, from: DefId| reached_by(kernel, d, &inline).iter().any(|l| l.src == Src::Def(from));
    let loads = reached_by(kernel, map, &inline);
    let own = |index: &[Option<Sym>]| {
        index.len() == def.axes.len()
            && index.iter().zip(&def.axes).all(|(i, a)| i.as_ref().and_then(Sym::as_symbol) == Some(&a.var))
    };
    let fits = |d: &DefId| {
        let like = kernel.defs[*d].dtype == def.dtype && kernel.defs[*d].shape() == def.shape();
        let point_by_point = loads.iter().filter(|l| l.src == Src::Def(*d)).all(|l| own(&l.index));
        let mut after = nests[at + 1..].iter().flat_map(|n| [Some(n.def), n.acc]).flatten();
        let alone = !stays(*d) && !after.any(|u| reads(u, *d));
        nests.iter().any(|n| n.def == *d) && like && beside(*d) && point_by_point && alone
    };
    loads.iter().filter_map(|l| if let Src::Def(d) = l.src { Some(d) } else { None }).find(fits)
}

impl Cx<'_> {
    /// The storage of a stage that takes over what another one has.
    pub(super) fn inherited(&self, stage: &Stage) -> Option<Storage> {
        let from = self.takes_over(stage)?;
        self.defs[from].clone().filter(|s| s.ring.is_none())
    }

    /// The definition whose memory a stage takes over.
    fn takes_over(&self, stage: &Stage) -> Option<DefId> {
        let (schedule, at) = (&self.kernel.schedule, stage.at.filter(|a| !a.rolls)?);
        let once = stage.loops.iter().enumerate().all(|(i, l)| l.cut == Cut::Aligned && stage.is_tile_loop(i));
        if !once {
            return None;
        }
        let nests: Vec<Nest> = schedule.stages.iter().map(|s| Nest { def: s.def, acc: s.acc }).collect();
        let beside = |d| schedule.stage_of(d).is_some_and(|s| s.at == Some(at) && self.framed(s).is_none());
        let from = predecessor(self.kernel, stage.def, &nests, &beside)?;
        self.same_region(from, stage).then_some(from)
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
