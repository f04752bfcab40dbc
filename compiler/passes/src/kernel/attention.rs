//! attention: a contraction, something along the rows of what it gives, and a contraction with those rows.
//!
//! All of it runs for a block of rows at a time: their scores, what is taken along them (the greatest, exponentials, the
//! sum) and their part of the second product stay in the second-level cache, and no matrix of all scores exists. The
//! stages are attached to the last one's loop over blocks of rows. Keys and values, as far as they are copied, are
//! copied for one head at a time, into panels of the register tile's width.
//!
//! Exponentials take the place of the scores (see `from_kernel::inherit`). A sum over many keys goes part by part
//! ([`key_parts`]), and where keys don't stay in the cache, the next panel of them is fetched while one is used.
//!
//! A divisor of the rows (softmax's sum) is taken out of the second product, unless formulas must stay as they are.
//!
//! Not where a contraction's weights don't stay in the cache: each block of rows would read them again.
//!
//! A panel of keys or weights meets all rows of a block before the next one, but where there usually is one row
//! ([`few`]).
//!
//! Whether kernels are put together like this is for `assemble::attention` to say. Does NOT work through rows in blocks of
//! their length: a block holds whole rows.

use super::expr::{Site, def_loads, loads, map_parts, rewrite, substitute};
use super::plan::{Nest, nests};
use super::schedule::{stage, weights_bytes};
use super::{collapse, few, inline, key_parts, lanes, pack, panels, precompute, split};
use crate::from_kernel::{Machine, all_ranges, predecessor, reduction_axes};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, EntityRef, Sym};
use onnxc_ir::kernel::build::{binary, int};
use onnxc_ir::kernel::{
    At, Axis, BinOp, Body, Cut, Def, DefId, Expr, ExprKind, Kernel, Loop, ReduceOp, Schedule, Src, Stage,
};

/// Blocks of rows of an unknown length: so many register tiles.
const TILES: u32 = 4;
/// Blocks of rows for each thread, where there aren't as many heads and samples: shares are about equal then.
const BLOCKS_PER_THREAD: i64 = 4;
/// Rows of a block that need not be fewer to be shared out: a panel is used by all of them.
const SHARED_ROWS: i64 = 64;

/// True if a kernel, not yet simplified, gets the schedule of attention.
///
/// # Errors
/// A constant definition that can't be evaluated.
pub fn applies(kernel: &Kernel, machine: Machine) -> Result<bool, Diagnostic> {
    let mut k = kernel.clone();
    inline::inline(&mut k);
    split::split(&mut k, machine);
    Ok(attention(&k, machine)?.is_some())
}

/// The kernel, optimised and scheduled, if it is an attention.
///
/// # Errors
/// A constant definition that can't be evaluated.
pub fn attention(kernel: &Kernel, machine: Machine) -> Result<Option<Kernel>, Diagnostic> {
    if second(kernel).is_none() || streams_weights(kernel, machine) {
        return Ok(None);
    }
    let mut k = kernel.clone();
    collapse::drop_ones(&mut k);
    if !machine.strict {
        divide_last(&mut k);
    }
    panels::panels(&mut k, machine);
    pack::pack(&mut k, machine, &[], &[]);
    precompute::precompute(&mut k)?;
    Ok(schedule(&k, machine).map(|mut s| {
        if let Some(second) = second(&k) {
            key_parts::cut(&mut k, &mut s, &second);
        }
        k.schedule = s;
        k
    }))
}

/// True if a contraction's constants don't stay in the cache: each block of rows would read all of them again.
fn streams_weights(kernel: &Kernel, machine: Machine) -> bool {
    nests(kernel).iter().any(|n| weights_bytes(kernel, n) > i64::from(machine.l2_bytes / 2))
}

/// The last nest: a contraction whose one factor are rows that another contraction leads to.
pub(super) struct Second {
    pub nest: Nest,
    pub reduction: DefId,
    /// The load of the rows.
    rows: Site,
    /// The reduction variable, which is one of the rows' indices.
    over: Symbol,
}

fn second(kernel: &Kernel) -> Option<Second> {
    let all = nests(kernel);
    let nest = *all.last()?;
    let simple = kernel.checks.is_empty() && kernel.outputs.len() == 1 && kernel.outputs[0] == nest.def;
    let reduction = nest.reduction(kernel).filter(|_| simple)?;
    let [over] = reduction_axes(&kernel.defs[reduction]) else { return None };
    let sites = factors(kernel, reduction)?;
    let stored = |s: &&Site| matches!(s.src, Src::Def(d) if all.iter().any(|n| n.def == d));
    let of_rows: Vec<&Site> = sites.iter().filter(stored).filter(|s| depends(kernel, s, &all)).collect();
    let [rows] = of_rows[..] else { return None };
    let known = rows.pad.is_none() && rows.index.iter().all(Option::is_some);
    let along = rows.index.iter().flatten().any(|i| i.as_symbol() == Some(&over.var));
    (known && along).then(|| Second { nest, reduction, rows: rows.clone(), over: over.var.clone() })
}

/// The loads of a sum of products (a sum of squares is none).
fn factors(kernel: &Kernel, d: DefId) -> Option<Vec<Site>> {
    let Body::Reduce { op: ReduceOp::Add, value, .. } = &kernel.defs[d].body else { return None };
    match value.kind() {
        ExprKind::Binary(BinOp::Mul, a, b) if a != b => Some(loads(value)).filter(|s| s.len() >= 2),
        _ => None,
    }
}

/// True if what is loaded comes from another contraction.
fn depends(kernel: &Kernel, site: &Site, all: &[Nest]) -> bool {
    let (mut todo, mut seen) = (vec![site.src], vec![]);
    while let Some(src) = todo.pop() {
        let Src::Def(d) = src else { continue };
        if seen.contains(&d) {
            continue;
        }
        seen.push(d);
        let nest = all.iter().find(|n| n.def == d).copied();
        if nest.and_then(|n| n.reduction(kernel)).is_some_and(|r| factors(kernel, r).is_some()) {
            return true;
        }
        todo.extend(def_loads(&kernel.defs[d]).into_iter().map(|s| s.src));
    }
    false
}

/// sum of (x / t) v is (sum of x v) / t where t is the same for all that is summed.
fn divide_last(kernel: &mut Kernel) -> Option<()> {
    let s = second(kernel)?;
    let Src::Def(rows) = s.rows.src else { return None };
    let Body::Map(quotient) = &kernel.defs[rows].body else { return None };
    let ExprKind::Binary(BinOp::Div, x, t) = quotient.kind() else { return None };
    let along = s.rows.index.iter().position(|i| i.as_ref().and_then(Sym::as_symbol) == Some(&s.over))?;
    let axes = kernel.defs[rows].axes.clone();
    let same =
        !loads(t).iter().any(|l| l.index.iter().any(|i| i.as_ref().is_none_or(|i| i.contains(&axes[along].var))));
    if !same {
        return None;
    }
    let at = |e: &Expr| substitute(e, &|v| s.rows.index[axes.iter().position(|a| a.var == *v)?].clone());
    let (x, t) = (at(x), at(t));
    map_parts(&mut kernel.defs[s.reduction], &mut |e| {
        rewrite(e, &mut |n| match n.kind() {
            ExprKind::Load { src, .. } if *src == Src::Def(rows) => Some(x.clone()),
            _ => None,
        })
    });
    let own = kernel.defs[s.reduction].axes.clone();
    let divided = |n: &Expr, index: &[Sym]| {
        let t = substitute(&t, &|v| Some(index[own.iter().position(|a| a.var == *v)?].clone()));
        binary(BinOp::Div, n.clone(), t)
    };
    if s.nest.acc.is_some() {
        map_parts(&mut kernel.defs[s.nest.def], &mut |e| {
            rewrite(e, &mut |n| match n.kind() {
                ExprKind::Load { src, index, .. } if *src == Src::Def(s.reduction) => {
                    let index: Option<Vec<Sym>> = index.iter().map(|i| i.as_sym().cloned()).collect();
                    Some(divided(n, &index?))
                }
                _ => None,
            })
        });
        return Some(());
    }
    let fresh = |a: &Axis| Axis { var: Symbol::new(&format!("{}_row", a.var)), extent: a.extent.clone() };
    let axes: Vec<Axis> = own.iter().map(fresh).collect();
    let index: Vec<Sym> = axes.iter().map(|a| Sym::var(a.var.clone())).collect();
    let src = Src::Def(s.reduction);
    let sum = Expr::new(ExprKind::Load { src, index: index.iter().cloned().map(int).collect(), pad: None });
    let def = Def {
        name: format!("{}_divided", kernel.defs[s.reduction].name),
        dtype: kernel.defs[s.reduction].dtype,
        axes,
        body: Body::Map(divided(&sum, &index)),
    };
    let id = kernel.defs.push(def);
    kernel.outputs[0] = id;
    Some(())
}

fn schedule(kernel: &Kernel, machine: Machine) -> Option<Schedule> {
    let (s, ranges, all) = (second(kernel)?, all_ranges(kernel), nests(kernel));
    let mut owner = stage(kernel, &ranges, machine, &s.nest, None, 0);
    let lane = owner.vector.as_ref().map(|l| l.axis.clone())?;
    let axes = kernel.defs[s.nest.def].axes.clone();
    // The rows: the axis that the register tile goes over, which only the rows' factor has.
    let rows = tile_rows(&owner, &lane)?;
    let own = lanes::own_axis(kernel, &s.nest, &rows)?;
    let of = |site: &Site| site.index.iter().flatten().any(|i| i.contains(&own));
    let others = factors(kernel, s.reduction)?;
    if !of(&s.rows) || others.iter().any(|o| o.src != s.rows.src && of(o)) || !axes.iter().any(|a| a.var == lane) {
        return None;
    }
    let extent = axes.iter().find(|a| a.var == rows)?.extent.clone();
    let outer: Vec<&Axis> = axes.iter().filter(|a| a.var != rows && a.var != lane).collect();
    let tile = owner.tile(&rows);
    let block = block(kernel, machine, &s, &all, &extent, tile);
    let mut loops: Vec<Loop> = outer.iter().map(|a| Loop::new(&a.var, 1)).collect();
    loops.push(Loop::new(&rows, block));
    let blocks = loops.len() as u32;
    let few = few::usually_one(kernel, &extent);
    let [first, last] = if few { [&rows, &lane] } else { [&lane, &rows] };
    loops.extend(owner.loops.iter().filter(|l| l.axis == *first).cloned());
    loops.extend(owner.loops.iter().filter(|l| l.axis == *last).cloned());
    owner.loops = loops;
    let mut stages = vec![];
    for n in all.iter().filter(|n| n.def != s.nest.def) {
        let of_head = is_copy(kernel, n, &all);
        let depth = if of_head { blocks - 1 } else { blocks };
        let at = (depth > 0).then_some(At { owner: s.nest.def, depth, rolls: false });
        let mut inner = stage(kernel, &ranges, machine, n, at, 0);
        if !few {
            panels_outside(&mut inner);
        }
        if takes_over(kernel, n, &all) {
            inner.loops.iter_mut().for_each(|l| l.cut = Cut::Aligned);
        }
        if fetches(kernel, machine, n, &all) {
            inner.ahead = inner.vector.as_ref().map(|l| l.axis.clone());
        }
        if !known(kernel, n) {
            return None;
        }
        stages.push(inner);
    }
    stages.push(owner);
    Some(Schedule { stages })
}

/// The axis of a stage's register tile that isn't the one of its lanes.
fn tile_rows(s: &Stage, lane: &Symbol) -> Option<Symbol> {
    s.loops.iter().find(|l| l.axis != *lane && l.cut == Cut::Even && l.block > 1).map(|l| l.axis.clone())
}

/// A panel is used by all rows of the block before the next one.
fn panels_outside(s: &mut Stage) {
    let Some(lane) = s.vector.as_ref().map(|l| l.axis.clone()) else { return };
    let Some(rows) = tile_rows(s, &lane) else { return };
    let at = |s: &Stage, axis: &Symbol| s.loops.iter().position(|l| l.axis == *axis);
    if let (Some(from), Some(to)) = (at(s, &lane), at(s, &rows))
        && from > to
    {
        let panel = s.loops.remove(from);
        s.loops.insert(to, panel);
    }
}

/// How many rows a block has: what is kept of them fills half of the second-level cache at most, and threads have several
/// blocks each.
fn block(kernel: &Kernel, machine: Machine, s: &Second, all: &[Nest], extent: &Sym, tile: u32) -> u32 {
    let Src::Def(rows) = s.rows.src else { return tile };
    let rank = kernel.defs[rows].axes.len();
    let of_row = |n: &&Nest| n.def != s.nest.def && kernel.defs[n.def].axes.len() == rank && !is_copy(kernel, n, all);
    let row = |n: &&Nest| of_row(n) && !takes_over(kernel, n, all);
    let kept = all.iter().filter(row).count() as i64;
    let length = reduction_axes(&kernel.defs[s.reduction]).first().and_then(|a| a.extent.as_int());
    let tile = i64::from(tile.max(1));
    let block = match (length, extent.as_int()) {
        (Some(length), n) => {
            let bytes = length * kept.max(1) * kernel.defs[rows].dtype.size() as i64;
            let most = i64::from(machine.l2_bytes / 2) / bytes.max(1);
            let most = most.min(rows_to_share(kernel, machine, rows, n)).max(tile);
            let n = n.unwrap_or(most);
            let blocks = (n + most - 1) / most.max(1);
            let even = (n + blocks - 1) / blocks.max(1);
            (even + tile - 1) / tile * tile
        }
        (None, _) => tile * i64::from(TILES),
    };
    block.clamp(tile, 1 << 20) as u32
}

/// Rows of a block, at most, so that each thread gets several blocks.
fn rows_to_share(kernel: &Kernel, machine: Machine, rows: DefId, extent: Option<i64>) -> i64 {
    let axes = &kernel.defs[rows].axes;
    let outer: i64 = axes.iter().rev().skip(2).map(|a| kernel.ranges.estimate(&a.extent).max(1)).product();
    let blocks = (i64::from(machine.threads) * BLOCKS_PER_THREAD + outer - 1) / outer;
    if machine.threads < 2 || blocks < 2 {
        return i64::MAX;
    }
    extent.map_or(SHARED_ROWS, |n| (n / blocks).max(SHARED_ROWS))
}

/// True if a nest can take over the place of what it is made of: that gives the size of blocks and the cuts. Whether it
/// does, hangs on the schedule, too, which `from_kernel::inherit` asks.
fn takes_over(kernel: &Kernel, n: &Nest, all: &[Nest]) -> bool {
    predecessor(kernel, n.def, all, &|_| true).is_some()
}

/// True if a product of the rows reads a copy that is too large for the second-level cache with all that is beside it: the
/// next panel is fetched while one is used.
fn fetches(kernel: &Kernel, machine: Machine, n: &Nest, all: &[Nest]) -> bool {
    let Some(sites) = n.reduction(kernel).and_then(|r| factors(kernel, r)) else { return false };
    let bytes = |d: DefId| {
        let inner = kernel.defs[d].shape().iter().rev().take(3).product::<Sym>();
        kernel.ranges.estimate(&inner).saturating_mul(kernel.defs[d].dtype.size() as i64)
    };
    let large = |d: DefId| {
        all.iter().any(|n| n.def == d && is_copy(kernel, n, all)) && bytes(d) > i64::from(machine.l2_bytes / 4)
    };
    sites.iter().any(|s| matches!(s.src, Src::Def(d) if large(d)))
}

/// A copy of what is given, which only contractions read.
fn is_copy(kernel: &Kernel, n: &Nest, all: &[Nest]) -> bool {
    let given =
        n.reduction(kernel).is_none() && def_loads(&kernel.defs[n.def]).iter().all(|s| matches!(s.src, Src::Param(_)));
    given
        && users(kernel, n.def)
            .iter()
            .all(|(d, _)| factors(kernel, *d).is_some() && all.iter().any(|n| n.reduction(kernel) == Some(*d)))
}

fn users(kernel: &Kernel, of: DefId) -> Vec<(DefId, Site)> {
    let live = super::expr::live(kernel);
    let sites = |(d, def): (DefId, &Def)| def_loads(def).into_iter().map(move |s| (d, s)).collect::<Vec<_>>();
    let all = kernel.defs.iter().filter(|(d, _)| live[d.index()]).flat_map(sites);
    all.filter(|(_, s)| s.src == Src::Def(of)).collect()
}

/// True if the region of a nest that others load can be said.
fn known(kernel: &Kernel, n: &Nest) -> bool {
    users(kernel, n.def).iter().all(|(_, s)| s.pad.is_none() && s.index.iter().all(Option::is_some))
}

#[cfg(test)]
mod tests;
