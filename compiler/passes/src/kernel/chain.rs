//! chain: a reduction whose result feeds just one other, point by point, is computed inside of that one's loops, block by
//! block: what passes between a convolution and the 1×1 convolution after it never goes to memory.
//!
//! Which nodes become such a kernel is decided where nodes are cut into kernels; here is what those kernels look like and
//! how they are scheduled. Does NOT change a definition.

use super::expr::{Site, def_loads, loads};
use super::plan::{Nest, nests};
use super::schedule::stage;
use crate::from_kernel::{Machine, all_ranges, reduction_axes};
use onnxc_base::Sym;
use onnxc_ir::kernel::{At, DefId, Kernel, Loop, Schedule, Src, Stage};

/// Bytes of a block of what passes between: half of the usual first-level cache.
const BLOCK_BYTES: i64 = 16 << 10;
/// The fewest columns of a block.
const FEWEST: i64 = 8;

/// True if the second nest's reduction, which sums over nothing else, reads the first one's result at its own point, and
/// nobody else does.
pub fn feeds(kernel: &Kernel, first: &Nest, second: &Nest) -> bool {
    let Some(r) = second.reduction(kernel) else { return false };
    let reads = |d: DefId| def_loads(&kernel.defs[d]).into_iter().filter(|s| s.src == Src::Def(first.def));
    let inside: Vec<Site> =
        loads(kernel.defs[r].value()).into_iter().filter(|s| s.src == Src::Def(first.def)).collect();
    let [site] = &inside[..] else { return false };
    let all: usize = kernel.defs.keys().map(|d| reads(d).count()).sum();
    let (own, over) = (&kernel.defs[r].axes, reduction_axes(&kernel.defs[r]));
    let is = |i: &Option<Sym>, v| i.as_ref().and_then(Sym::as_symbol) == Some(v);
    let n = own.len();
    let ([q], Some((last, outer))) = (over, site.index.split_last()) else { return false };
    let same = |d: DefId| {
        let (a, b) = (&kernel.defs[d].axes, own);
        a.len() == n && a.iter().zip(b).all(|(a, b)| a.extent == b.extent)
    };
    n >= 2
        && all == 1
        && !kernel.outputs.contains(&first.def)
        && second.acc.is_none_or(|_| same(second.def))
        && outer.len() + 1 == n
        && outer.iter().zip(own).all(|(i, a)| is(i, &a.var))
        && is(last, &q.var)
}

/// The nest that a definition feeds.
pub fn fed(kernel: &Kernel, first: DefId) -> Option<Nest> {
    let all = nests(kernel);
    let from = all.iter().find(|n| n.def == first || n.acc == Some(first)).copied();
    let from = from.unwrap_or(Nest { def: first, acc: None });
    all.into_iter().find(|n| n.def != first && feeds(kernel, &from, n))
}

/// A stage per block of its last two axes before the channels: the loops over blocks come after those of the axes
/// outside of them, and before all others.
pub fn blocked(kernel: &Kernel, mut s: Stage, sizes: [i64; 2]) -> Stage {
    let axes = &kernel.defs[s.def].axes;
    let blocks = axes.len().saturating_sub(3);
    let (outer, inner) = (&axes[..blocks], &axes[blocks..axes.len() - 1]);
    let sizes = &sizes[2 - inner.len()..];
    let (mut first, rest): (Vec<Loop>, Vec<Loop>) =
        s.loops.into_iter().partition(|l| outer.iter().any(|a| a.var == l.axis));
    first.extend(inner.iter().zip(sizes).map(|(a, size)| Loop::blocks(a, *size as u32)));
    // A block inside is no larger than the one outside.
    let within = |l: Loop| match inner.iter().position(|a| a.var == l.axis) {
        Some(i) => Loop { block: l.block.min(sizes[i] as u32), ..l },
        None => l,
    };
    first.extend(rest.into_iter().map(within));
    s.loops = first;
    s
}

/// Schedules a kernel whose last nest is fed by the one before it; false if it is no such kernel.
pub fn schedule(kernel: &mut Kernel, machine: Machine) -> bool {
    let all = nests(kernel);
    let [before @ .., first, second] = &all[..] else { return false };
    if !feeds(kernel, first, second) || before.iter().any(|n| n.reduction(kernel).is_some()) {
        return false;
    }
    let Some(channels) = kernel.defs[first.def].axes.last().and_then(|a| a.extent.as_int()) else { return false };
    let ranges = all_ranges(kernel);
    let owner = stage(kernel, &ranges, machine, second, None, 0);
    let size = kernel.defs[first.def].dtype.size() as i64;
    let columns = (BLOCK_BYTES / (channels * size).max(1)).max(FEWEST);
    let outside = kernel.defs[second.def].axes.len() as u32 - 1;
    let mut stages: Vec<Stage> = before.iter().map(|n| stage(kernel, &ranges, machine, n, None, 0)).collect();
    stages.push(stage(
        kernel,
        &ranges,
        machine,
        first,
        Some(At { owner: second.def, depth: outside, rolls: false }),
        0,
    ));
    stages.push(blocked(kernel, owner, [1, columns]));
    kernel.schedule = Schedule { stages };
    true
}
