//! strips: where RAM is scarce, what a reduction reads through a copy is copied bit by bit.
//!
//! A copy with padding, or in another order, is needed by one nest only. Instead of making all of it before, the nest
//! copies what its next block reads, inside as many of its loops as is cheap: mostly a few pixels' neighbourhood, which
//! fits the stack. Where neighbourhoods overlap by much (a depthwise convolution), rows are kept in a ring; then the axis
//! that reductions don't mix, the channels, is outermost, so that the ring holds a few channels only.
//!
//! What such a copy reads of an earlier part of the kernel, another convolution say, is computed inside, too: then its rows
//! are in a ring, and none is computed twice.
//!
//! Holds afterwards: the schedule is legal. Does NOT change a definition, but for [`copy_param`].

use super::collapse::merge;
use super::expr::{Site, def_loads, map_parts, rewrite};
use super::im2col::is_windows;
use super::pack::insert_before;
use crate::from_kernel::{Machine, all_ranges, cost, reduction_axes, ring_dim, scratch_bytes};
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::build::int;
use onnxc_ir::kernel::reach::reached_by;
use onnxc_ir::kernel::{At, Axis, Body, Cut, Def, DefId, Expr, ExprKind, Kernel, Loop, ParamId, Src, Stage};
use onnxc_ir::scalar::Scalar;

/// A copy may cost this part of the nest's own work.
const PART: i64 = 8;

/// Elements that a copy moves at once.
const AT_ONCE: i64 = 8;

/// The most windows that are copied side by side.
const MOST_BESIDE: i64 = 4;

/// One way to compute a copy inside of its user's nest.
struct Choice {
    depth: u32,
    rolls: bool,
    loops: Vec<Loop>,
    computed: i64,
    bytes: i64,
    /// Extents of the region.
    shape: Vec<i64>,
}

/// Attaches what can be. Where steps have been joined to spare RAM, in the order of loops that leaves the least in the
/// workspace.
pub fn attach(kernel: &mut Kernel, machine: Machine) {
    let Some(owner) = kernel.schedule.stages.last().cloned() else { return };
    if kernel.schedule.stages.iter().any(|s| s.at.is_some()) {
        return;
    }
    let before = kernel.schedule.clone();
    attach_in(kernel, machine, None);
    if machine.memory.thrift < Machine::JOINING || before.stages.len() < 2 {
        return;
    }
    let mut least = scratch_bytes(kernel, machine).unwrap_or(i64::MAX);
    for loops in orders(kernel, &owner).into_iter().chain(rows_outermost(kernel, &owner)) {
        let best = std::mem::replace(&mut kernel.schedule, before.clone());
        attach_in(kernel, machine, Some(loops));
        match scratch_bytes(kernel, machine).filter(|bytes| *bytes < least) {
            Some(bytes) => least = bytes,
            None => kernel.schedule = best,
        }
    }
}

/// Attaches to the last stage, in one order of its loops or in the best for what is attached first.
fn attach_in(kernel: &mut Kernel, machine: Machine, order: Option<Vec<Loop>>) {
    let Some(last) = kernel.schedule.stages.len().checked_sub(1) else { return };
    let given = order.is_some();
    if let Some(loops) = order {
        kernel.schedule.stages[last].loops = loops;
    }
    for i in (0..last).rev() {
        if let Some(c) = choose(kernel, machine, i, given) {
            let owner = kernel.schedule.stages[last].def;
            let d = kernel.schedule.stages[i].def;
            let windows =
                is_windows(kernel, d).then(|| kernel.defs[d].axes.iter().map(|a| a.var.clone()).collect::<Vec<_>>());
            let stages = &mut kernel.schedule.stages;
            stages[last].loops = c.loops;
            stages[last].parallel &= !c.rolls;
            widen(&mut stages[i], c.shape.last().copied().unwrap_or(1));
            if let Some(pixels) = windows {
                beside(&mut stages[i], &pixels, &c.shape);
            }
            stages[i].parallel = false;
            stages[i].at = Some(At { owner, depth: c.depth, rolls: c.rolls });
        }
    }
}

/// Copies several vectors of a region's rows at once, so that tests and addresses are done for all of them.
fn widen(s: &mut Stage, row: i64) {
    let Some(v) = s.vector.as_ref().filter(|_| s.acc.is_none() && s.over.is_empty()) else { return };
    let lanes = i64::from(v.lanes);
    let most = (1..=AT_ONCE / lanes).rev().find(|n| row % (n * lanes) == 0).unwrap_or(1);
    if let Some(l) = s.loops.iter_mut().rev().find(|l| l.axis == v.axis) {
        l.block = l.block.max((most * lanes) as u32);
    }
}

/// Windows of a few neighbours are copied side by side: where a row of the data lies is found once for all of them.
fn beside(s: &mut Stage, axes: &[Symbol], shape: &[i64]) {
    let Some((axis, &n)) = axes.iter().zip(shape).find(|(_, n)| **n > 1) else { return };
    if let Some(l) = s.loops.iter_mut().find(|l| l.axis == *axis && n <= MOST_BESIDE) {
        l.block = l.block.max(n as u32);
    }
}

/// The best way for stage number `i`, if there is one that is better than all of it at once. `given`: the owner's loops keep
/// their order.
fn choose(kernel: &Kernel, machine: Machine, i: usize, given: bool) -> Option<Choice> {
    let (s, owner) = (&kernel.schedule.stages[i], kernel.schedule.stages.last()?);
    if kernel.outputs.contains(&s.def) {
        return None;
    }
    let (deepest, padded) = deepest(kernel, i, owner)?;
    let size = |d: DefId| kernel.defs[d].axes.iter().try_fold(1i64, |n, a| n.checked_mul(a.extent.as_int()?));
    let whole = size(s.def)?;
    let work = work(kernel, owner)?;
    let element = kernel.defs[s.def].dtype.size() as i64;
    let copies = s.acc.is_none() && matches!(kernel.defs[s.def].body, Body::Map(_));
    let fixed = given || kernel.schedule.stages.iter().any(|x| x.at.is_some());
    let mut best: Option<Choice> = None;
    let all = if fixed { vec![owner.loops.clone()] } else { orders(kernel, owner) };
    for loops in all {
        let moved = Stage { loops, parallel: false, ..owner.clone() };
        for depth in 1..=deepest {
            for rolls in [false, true] {
                // A region at an edge may be empty: only loops over single points take that.
                let own = deepest == moved.loops.len();
                if padded && !rolls || rolls && !may_roll(kernel, &moved, s, depth, own) {
                    continue;
                }
                let Some(c) = cost(kernel, s.def, &moved, depth, rolls) else { continue };
                let choice = Choice {
                    depth: depth as u32,
                    rolls,
                    loops: moved.loops.clone(),
                    computed: c.computed,
                    bytes: c.elements * element,
                    shape: c.shape,
                };
                let again = if copies { whole / 4 + work / PART } else { whole / 8 };
                let cheap = choice.computed <= whole + again && choice.bytes < whole * element;
                if cheap && best.as_ref().is_none_or(|b| better(&choice, b, machine)) {
                    best = Some(choice);
                }
            }
        }
    }
    best
}

/// On the stack before in the workspace, then the one that computes less, then the smaller one.
fn better(a: &Choice, b: &Choice, machine: Machine) -> bool {
    let key = |c: &Choice| (c.bytes > i64::from(machine.memory.stack_bytes), c.computed, c.bytes);
    key(a) < key(b)
}

/// Steps of the owner's reduction, or its points.
fn work(kernel: &Kernel, owner: &Stage) -> Option<i64> {
    let over = owner.acc.map_or(&kernel.defs[owner.def], |a| &kernel.defs[a]);
    let axes = kernel.defs[owner.def].axes.iter().chain(reduction_axes(over));
    axes.into_iter().try_fold(1i64, |n, a| n.checked_mul(a.extent.as_int()?))
}

/// Inside of how many of the owner's loops a stage can be: only the owner and what is attached to it load it, at known
/// indices. Also whether some load is padded.
fn deepest(kernel: &Kernel, i: usize, owner: &Stage) -> Option<(usize, bool)> {
    let stages = &kernel.schedule.stages;
    let homes = |d: DefId| stages.iter().any(|s| s.def == d || s.acc == Some(d));
    let inline = |d: DefId| !homes(d) && matches!(kernel.defs[d].body, Body::Map(_));
    let mut deepest = owner.loops.len();
    let (mut used, mut padded) = (false, false);
    for (j, user) in stages.iter().enumerate() {
        let parts = [Some(user.def), user.acc].into_iter().flatten();
        let loads: Vec<_> =
            parts.flat_map(|d| reached_by(kernel, d, &inline)).filter(|l| l.src == Src::Def(stages[i].def)).collect();
        if loads.is_empty() {
            continue;
        }
        used = true;
        padded |= loads.iter().any(|l| l.padded);
        let known = loads.iter().all(|l| l.index.iter().all(Option::is_some));
        match user.at {
            _ if !known || j <= i => return None,
            Some(at) if at.owner == owner.def => deepest = deepest.min(at.depth as usize),
            None if user.def == owner.def => {}
            _ => return None,
        }
    }
    used.then_some((deepest, padded))
}

/// A region can roll along a loop of single points if the dim that moves is across no lanes, of who writes it or reads it,
/// and is written point by point. What the owner itself reads of another stage's copy doesn't roll: that stage does.
fn may_roll(kernel: &Kernel, owner: &Stage, s: &Stage, depth: usize, own: bool) -> bool {
    let l = &owner.loops[depth - 1];
    let alone = owner.loops.iter().filter(|o| o.axis == l.axis).count() == 1;
    let Some(dim) = ring_dim(kernel, s.def, owner, depth) else { return false };
    let axis = &kernel.defs[s.def].axes[dim].var;
    let single = s.loops.iter().all(|x| x.axis != *axis || x.block == 1);
    let across =
        s.vector.as_ref().is_some_and(|v| v.axis == *axis) || owner.vector.as_ref().is_some_and(|v| v.axis == l.axis);
    let stored = |d: DefId| kernel.schedule.stages.iter().any(|x| x.def == d || x.acc == Some(d));
    let of_stage = own
        && s.acc.is_none()
        && matches!(kernel.defs[s.def].body, Body::Map(_))
        && reached_by(kernel, s.def, &|d| !stored(d)).iter().any(|r| matches!(r.src, Src::Def(d) if stored(d)));
    l.block == 1 && l.cut != Cut::Guarded && alone && single && !across && !of_stage
}

/// The owner's loops as they are, and with the axis of the lanes (without lanes: of the innermost loop) outermost, if every
/// load of the reduction goes along it.
fn orders(kernel: &Kernel, owner: &Stage) -> Vec<Vec<Loop>> {
    let mut all = vec![owner.loops.clone()];
    let Some(lanes) = owner.vector.as_ref().map(|v| &v.axis).or(owner.loops.last().map(|l| &l.axis)) else {
        return all;
    };
    let Some(at) = owner.loops.iter().position(|l| l.axis == *lanes).filter(|&i| i > 0) else { return all };
    let reduced = owner.acc.unwrap_or(owner.def);
    let own = super::plan::Nest { def: owner.def, acc: owner.acc };
    let Some(axis) = super::lanes::own_axis(kernel, &own, lanes) else { return all };
    let along = |s: &super::expr::Site| s.index.iter().flatten().any(|i| i.contains(&axis));
    if super::expr::loads(kernel.defs[reduced].value()).iter().all(along) {
        let mut loops = owner.loops.clone();
        let l = loops.remove(at);
        loops.insert(0, l);
        all.push(loops);
    }
    all
}

/// The owner's loops with its rows outermost, if those are gone through one by one and not outermost anyway.
fn rows_outermost(kernel: &Kernel, owner: &Stage) -> Option<Vec<Loop>> {
    let rows = &kernel.defs[owner.def].axes.first()?.var;
    let of_rows = |l: &&Loop| l.axis == *rows;
    let at = owner.loops.iter().position(|l| of_rows(&l)).filter(|&i| i > 0 && owner.loops[i].block == 1)?;
    (owner.loops.iter().filter(of_rows).count() == 1).then(|| {
        let mut loops = owner.loops.clone();
        let l = loops.remove(at);
        loops.insert(0, l);
        loops
    })
}

/// Merges the axes of a copy that all of its readers take for quotient and remainder of one, so that what they need of it is a
/// block of it.
fn merge_walked(kernel: &mut Kernel, copy: DefId) {
    let mut at = kernel.defs[copy].axes.len();
    while at > 1 {
        at -= 1;
        let ranges = all_ranges(kernel);
        let inner = kernel.defs[copy].axes[at].extent.clone();
        let one = |s: &Site| match (&s.index[at - 1], &s.index[at]) {
            (Some(a), Some(b)) if a.as_int().is_none() && a.as_symbol().is_none() => {
                s.pad.is_none() && ranges.simplify(&(a * &inner + b)).as_symbol().is_some()
            }
            _ => false,
        };
        if kernel.defs.values().flat_map(def_loads).filter(|s| s.src == Src::Def(copy)).all(|s| one(&s)) {
            merge(kernel, copy, at - 1);
        }
    }
}

/// Lets the reductions of a kernel read a parameter through a copy, which [`attach`] makes bit by bit: so the parameter
/// is read before anything that lies in its place is written.
pub fn copy_param(kernel: &mut Kernel, p: ParamId) {
    let reads = |d: &Def| matches!(d.body, Body::Reduce { .. }) && def_loads(d).iter().any(|s| s.src == Src::Param(p));
    let Some(first) = kernel.defs.iter().find(|(_, d)| reads(d)).map(|(id, _)| id) else { return };
    let param = &kernel.params[p];
    let name = format!("{}.copy", param.name);
    let var = |i: usize| Symbol::new(&format!("{name}{i}"));
    let axes: Vec<Axis> =
        param.shape.iter().enumerate().map(|(i, e)| Axis { var: var(i), extent: e.clone() }).collect();
    let index = axes.iter().map(|a| int(Sym::var(a.var.clone()))).collect();
    // The pad marks it as a copy that is worth storing; every index is in range.
    let pad = Some(Scalar::from_i64(param.dtype, 0));
    let load = Expr::new(ExprKind::Load { src: Src::Param(p), index, pad });
    let def = Def { name, dtype: param.dtype, axes, body: Body::Map(load) };
    let (copy, _) = insert_before(kernel, first, def);
    for (id, d) in kernel.defs.iter_mut() {
        if id != copy && matches!(d.body, Body::Reduce { .. }) {
            map_parts(d, &mut |e| {
                rewrite(e, &mut |n| match n.kind() {
                    ExprKind::Load { src, index, pad } if *src == Src::Param(p) => {
                        Some(Expr::new(ExprKind::Load { src: Src::Def(copy), index: index.clone(), pad: *pad }))
                    }
                    _ => None,
                })
            });
        }
    }
    merge_walked(kernel, copy);
}
