//! sliding: what windows slide over is computed row by row, just before the first window that needs it.
//!
//! A depthwise convolution or a pool reads each element of what another convolution makes a few times, and soon. If all of
//! that is larger than the caches, it goes to memory and comes back. So the convolution is attached to the loop over rows:
//! its newest rows are in a ring, which stays near the core, together with the padding around them.
//!
//! Which nodes become such a kernel is decided where nodes are cut into kernels (`assemble::windows`). Several threads have
//! strips of rows, each with a ring of its own, whose first rows they compute twice. Does NOT change a definition.

use super::expr::{Site, def_loads, loads};
use super::plan::{Nest, nests};
use super::schedule::stage;
use crate::from_kernel::{Machine, all_ranges, reduction_axes, ring_dim};
use onnxc_base::Sym;
use onnxc_ir::kernel::{At, Body, DefId, Kernel, Loop, Schedule, Src, Stage};

/// Schedules a kernel whose last nest slides windows over what the one before makes; false if it is no such kernel.
pub fn schedule(kernel: &mut Kernel, machine: Machine) -> bool {
    if machine.memory.scarce || machine.memory.thrift > 0 {
        return false;
    }
    let Some(stages) = stages(kernel, machine) else { return false };
    let before = std::mem::replace(&mut kernel.schedule, Schedule { stages });
    if rolls(kernel) {
        return true;
    }
    kernel.schedule = before;
    false
}

/// The nests before, then the convolution, its padded copy if there is one, and the windows.
fn stages(kernel: &Kernel, machine: Machine) -> Option<Vec<Stage>> {
    let all = nests(kernel);
    let (window, others) = all.split_last()?;
    let over = slides_over(kernel, window)?;
    let map = |d: DefId| matches!(kernel.defs[d].body, Body::Map(_));
    let first = match others.iter().find(|n| n.def == over)? {
        n if n.reduction(kernel).is_none() && map(n.def) => source(kernel, others, n.def)?,
        n => *n,
    };
    let mut attached = vec![first];
    attached.extend(others.iter().filter(|n| n.def == over && n.def != first.def));
    let alone = |n: &&Nest| !attached.contains(n) && Some(n.def) != first.acc;
    if first.reduction(kernel).is_none() || others.iter().filter(alone).any(|n| n.reduction(kernel).is_some()) {
        return None;
    }
    let ranges = all_ranges(kernel);
    let mut owner = stage(kernel, &ranges, machine, window, None, 0);
    let row = owner.loops.first().filter(|l| l.block == 1)?.axis.clone();
    let rows = kernel.ranges.estimate(&kernel.defs[window.def].axes.iter().find(|a| a.var == row)?.extent).max(1);
    let threads = i64::from(machine.threads.max(1));
    owner.parallel = threads > 1;
    if threads > 1 {
        owner.loops.insert(0, Loop::new(&row, ((rows + threads - 1) / threads) as u32));
    }
    let at = At { owner: window.def, depth: 1 + u32::from(threads > 1), rolls: true };
    let mut stages: Vec<Stage> =
        others.iter().filter(alone).map(|n| stage(kernel, &ranges, machine, n, None, 0)).collect();
    stages.extend(attached.iter().map(|n| stage(kernel, &ranges, machine, n, Some(at), 0)));
    stages.push(owner);
    Some(stages)
}

/// True if what is attached has rings along the same rows, one point to a block.
fn rolls(kernel: &Kernel) -> bool {
    let Some(owner) = kernel.schedule.stages.last() else { return false };
    kernel.schedule.attached(owner.def).all(|s| {
        let depth = s.at.map_or(0, |a| a.depth as usize);
        let dim = ring_dim(kernel, s.def, owner, depth);
        dim.is_some_and(|d| {
            let axis = &kernel.defs[s.def].axes[d].var;
            s.loops.iter().all(|l| l.axis != *axis || l.block == 1) && s.vector.as_ref().is_none_or(|v| v.axis != *axis)
        })
    })
}

/// What the windows of a nest slide over: the only other definition that it reads, each of whose elements few points need.
pub fn slides_over(kernel: &Kernel, window: &Nest) -> Option<DefId> {
    let r = window.reduction(kernel)?;
    let taps = reduction_axes(&kernel.defs[r]);
    let sites = loads(kernel.defs[r].value());
    let mut of_defs = sites.iter().filter_map(|s| if let Src::Def(d) = s.src { Some((d, s)) } else { None });
    let ((over, site), None) = (of_defs.next()?, of_defs.next()) else { return None };
    let own = &kernel.defs[r].axes;
    // Each tap moves along an axis of the output: nothing is summed over alone.
    let slides = |v: &onnxc_base::sym::Symbol| {
        let moved = |i: &Sym| i.contains(v) && own.iter().any(|a| i.contains(&a.var));
        site.index.iter().flatten().any(moved)
    };
    let elsewhere = def_loads(&kernel.defs[window.def]).iter().any(|s| s.src == Src::Def(over)) && window.def != r;
    let few = !taps.is_empty() && taps.iter().all(|t| slides(&t.var));
    (few && !elsewhere && site.index.iter().all(Option::is_some) && !kernel.outputs.contains(&over)).then_some(over)
}

/// The nest of which a map is a copy. One that only ends a sum cheaply (a bias, a limit) is none yet.
pub fn source(kernel: &Kernel, all: &[Nest], copy: DefId) -> Option<Nest> {
    let sites = def_loads(&kernel.defs[copy]);
    let [Site { src: Src::Def(of), .. }] = sites[..] else { return None };
    let loaded = |d: DefId| kernel.defs.values().flat_map(def_loads).filter(|s| s.src == Src::Def(d)).count();
    if loaded(of) != 1 {
        return None;
    }
    let whole = all.iter().find(|n| n.def == of).copied();
    whole.or_else(|| {
        let own = |s: &&Site| {
            s.index.iter().flatten().filter_map(Sym::as_symbol).eq(kernel.defs[of].axes.iter().map(|a| &a.var))
        };
        let inside = def_loads(&kernel.defs[of]);
        let sum = inside.iter().filter(own).find_map(|s| all.iter().find(|n| s.src == Src::Def(n.def)))?;
        (sum.acc.is_none() && sum.reduction(kernel).is_some() && loaded(sum.def) == 1)
            .then_some(Nest { def: of, acc: Some(sum.def) })
    })
}
