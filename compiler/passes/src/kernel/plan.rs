//! What collapsing, packing and scheduling agree on: which definitions get a loop nest, and which reduction is
//! computed in the registers of which nest.

use super::expr::{def_loads, live};
use onnxc_base::{EntityRef, Sym};
use onnxc_ir::kernel::{Body, Def, DefId, Kernel, Src};

/// One nest: the definition that it stores and the reduction that it keeps in registers, if that is another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nest {
    /// Stored.
    pub def: DefId,
    /// In registers.
    pub acc: Option<DefId>,
}

impl Nest {
    /// The reduction of the nest, if there is one: the one in registers, or the stored definition itself.
    pub fn reduction(&self, kernel: &Kernel) -> Option<DefId> {
        self.acc.or_else(|| matches!(kernel.defs[self.def].body, Body::Reduce { .. }).then_some(self.def))
    }
}

/// The nests of a kernel, in order. Definitions that are in none are inline.
pub fn nests(kernel: &Kernel) -> Vec<Nest> {
    let live = live(kernel);
    let mut nests: Vec<Nest> = Vec::new();
    let mut absorbed = vec![false; kernel.defs.len()];
    for (id, def) in kernel.defs.iter() {
        if !live[id.index()] || !must_store(kernel, id) {
            continue;
        }
        let acc = match &def.body {
            Body::Map(_) => absorbable(kernel, id, &live),
            Body::Reduce { .. } => None,
        };
        if let Some(a) = acc {
            absorbed[a.index()] = true;
        }
        nests.push(Nest { def: id, acc });
    }
    nests.retain(|n| !absorbed[n.def.index()]);
    nests
}

/// Outputs, reductions, and maps that are loaded at computed indices or are dear and loaded again and again.
fn must_store(kernel: &Kernel, id: DefId) -> bool {
    if kernel.outputs.contains(&id) {
        return true;
    }
    match &kernel.defs[id].body {
        Body::Reduce { .. } => true,
        // What `inline` has left alone is worth storing, but for guarded loads of cheap views elsewhere.
        Body::Map(e) => {
            let computed = kernel
                .defs
                .values()
                .flat_map(def_loads)
                .chain(kernel.checks.iter().flat_map(|c| super::expr::loads(&c.cond)))
                .any(|s| s.src == Src::Def(id) && s.index.iter().any(Option::is_none));
            computed
                || !super::inline::cheap(e)
                || padded_for_reduction(kernel, id)
                || super::inline::finishes(kernel, id)
        }
    }
}

/// A padded copy that a reduction reads, or what copies its windows: bounds are tested once per element, not in the
/// reduction's inner loop.
fn padded_for_reduction(kernel: &Kernel, id: DefId) -> bool {
    let reads = |d: &Def| def_loads(d).iter().any(|s| s.src == Src::Def(id));
    def_loads(&kernel.defs[id]).iter().any(|s| s.pad.is_some())
        && (kernel.defs.values().any(|d| matches!(d.body, Body::Reduce { .. }) && reads(d))
            || super::im2col::has_windows(kernel, id))
}

/// The reduction that a map loads at exactly one point of its own, that nobody else loads, and that has as many points.
fn absorbable(kernel: &Kernel, id: DefId, live: &[bool]) -> Option<DefId> {
    let sites = def_loads(&kernel.defs[id]);
    let candidate = |c: DefId| {
        let reduce = matches!(kernel.defs[c].body, Body::Reduce { .. });
        let mine: Vec<_> = sites.iter().filter(|s| s.src == Src::Def(c)).collect();
        let same = mine.windows(2).all(|w| w[0].index == w[1].index);
        let exact = mine.iter().all(|s| s.pad.is_none() && s.index.iter().all(Option::is_some));
        let others = kernel
            .defs
            .iter()
            .filter(|(u, _)| *u != id && live[u.index()])
            .any(|(_, d)| def_loads(d).iter().any(|s| s.src == Src::Def(c)));
        let checked = kernel.checks.iter().any(|k| super::expr::loads(&k.cond).iter().any(|s| s.src == Src::Def(c)));
        let points = |d: DefId| kernel.defs[d].axes.iter().fold(Sym::int(1), |n, a| &n * &a.extent);
        reduce && same && exact && !others && !checked && !kernel.outputs.contains(&c) && points(c) == points(id)
    };
    sites.iter().find_map(|s| match s.src {
        Src::Def(c) if candidate(c) => Some(c),
        _ => None,
    })
}
