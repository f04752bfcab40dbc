//! The chooser: which nests there are, how they share loops, and for each its lanes, its register tile and its order.
//!
//! Lanes go along the cheapest axis (see [`super::lanes`]), the register tile is the one of the least estimated cycles
//! (see [`super::tile`]), and constants that the second-level cache can't hold are read once. Holds afterwards: the
//! schedule is legal (`ir::kernel::verify`). Does NOT change a definition; `winograd` brings a schedule of its own.

use super::expr::{Site, loads, walk};
use super::inline::cheap;
use super::pack::{in_panels, is_const};
use super::plan::{Nest, nests};
use super::share::{hoisted, shared_axes};
use super::tile::{TileShape, may_unroll, register_tile};
use super::{along, bands, columns, lanes, sliding, transpose};
use crate::from_kernel::{Machine, all_ranges, reduction_axes};
use onnxc_base::sym::Symbol;
use onnxc_base::{Ranges, Sym};
use onnxc_ir::kernel::{At, Axis, Cut, Expr, ExprKind, Kernel, Lanes, Loop, Schedule, Src, Stage};

/// Vector accumulators of a row reduction: the latency of an addition times its throughput.
const ROW_VECTORS: u32 = 4;
/// Up to so many uses of a panel it is worth fetching the next one meanwhile.
pub(super) const PASSES: i64 = 64;
/// On cores that compute in halves of vectors (Zen 4), points for which each vector of a panel that is fetched ahead is used, at
/// least: what software fetches takes up the few places where loads wait, too, so fewer points wait for it.
const POINTS: i64 = 32;
/// Steps of a reduction that are written out.
const UNROLL: i64 = 4;
/// A reduction axis of up to this extent is written out whole.
const MAX_UNROLL: i64 = 9;
/// Multiply-adds of a tile up to which an outer reduction axis is written out whole.
const WRITTEN: i64 = 96;

/// Chooses a schedule.
pub fn schedule(kernel: &mut Kernel, machine: Machine) {
    let ranges = all_ranges(kernel);
    let nests = nests(kernel);
    let hoisted: Vec<bool> = hoisted(kernel, &nests);
    let inner: Vec<Nest> = nests.iter().zip(&hoisted).filter(|(_, h)| !**h).map(|(n, _)| *n).collect();
    let shared = own_lanes(kernel, &ranges, machine, &inner, shared_axes(kernel, &inner));
    let owner = inner.last().map(|n| n.def);
    let attached = |n: &Nest, h: bool| !h && shared > 0 && Some(n.def) != owner;
    let stages = nests.iter().zip(&hoisted).map(|(n, &h)| {
        let at = owner.filter(|_| attached(n, h)).map(|owner| At { owner, depth: shared as u32, rolls: false });
        let mut s = stage(kernel, &ranges, machine, n, at, if h { 0 } else { shared });
        if h || shared == 0 {
            bands::band(kernel, machine, n, &mut s);
        }
        s
    });
    kernel.schedule = Schedule { stages: stages.collect() };
}

/// Gives every nest a stage of its own, which shares no loops. What is copied with padding is stored as it is copied: the
/// copy can have it inside then.
pub fn apart(kernel: &mut Kernel, machine: Machine) {
    let (ranges, all) = (all_ranges(kernel), nests(kernel));
    let copies = all.iter().filter(|n| n.reduction(kernel).is_none());
    let copied: Vec<Nest> = copies.filter_map(|n| sliding::source(kernel, &all, n.def)).collect();
    let ended = |n: &Nest| copied.iter().find(|c| c.acc == Some(n.def)).copied().unwrap_or(*n);
    let stages = all.iter().map(|n| stage(kernel, &ranges, machine, &ended(n), None, 0)).collect();
    kernel.schedule = Schedule { stages };
}

/// Of so many shared axes those outside of the one that all reductions read element by element: a shared axis has no lanes,
/// and without them a reduction down a matrix goes through memory once for every column. Scarce memory shares all the
/// same: what each nest stores is one element then, not a row.
fn own_lanes(kernel: &Kernel, ranges: &Ranges, machine: Machine, nests: &[Nest], shared: usize) -> usize {
    let level = |n: &Nest| {
        let a = lanes::free(kernel, ranges, n).filter(|a| lanes::lane_count(kernel, n, machine, &a.extent) > 1)?;
        kernel.defs[n.def].axes.iter().position(|x| x.var == a.var)
    };
    let reductions: Vec<&Nest> = nests.iter().filter(|n| n.reduction(kernel).is_some()).collect();
    if machine.memory.scarce || reductions.is_empty() {
        return shared;
    }
    let levels: Option<Vec<usize>> = reductions.iter().map(|n| level(n)).collect();
    levels.and_then(|l| l.into_iter().min()).map_or(shared, |l| l.min(shared))
}

/// The stage of a nest; its first `shared` axes are alike in all stages of its group.
pub fn stage(kernel: &Kernel, ranges: &Ranges, machine: Machine, nest: &Nest, at: Option<At>, shared: usize) -> Stage {
    let (outer, own) = kernel.defs[nest.def].axes.split_at(shared);
    stage_of(kernel, ranges, machine, nest, at, [outer, own])
}

/// The stage of a nest that is done in blocks of so many points along some axes.
pub fn stage_in_blocks(
    kernel: &Kernel,
    ranges: &Ranges,
    machine: Machine,
    nest: &Nest,
    blocks: &[(Symbol, i64)],
) -> Stage {
    stage_of(kernel, ranges, machine, nest, None, [&[], &in_blocks(&kernel.defs[nest.def].axes, blocks)])
}

/// Axes as long as their blocks.
pub(super) fn in_blocks(axes: &[Axis], blocks: &[(Symbol, i64)]) -> Vec<Axis> {
    let one = |a: &Axis| match blocks.iter().find(|b| b.0 == a.var) {
        Some((_, n)) => Axis { extent: Sym::int(a.extent.as_int().map_or(*n, |e| e.min(*n))), ..a.clone() },
        None => a.clone(),
    };
    axes.iter().map(one).collect()
}

/// The stage of a nest whose axes are those outside, shared with others, and its own.
fn stage_of(
    kernel: &Kernel,
    ranges: &Ranges,
    machine: Machine,
    nest: &Nest,
    at: Option<At>,
    [outer, own]: [&[Axis]; 2],
) -> Stage {
    let shared = outer.len();
    let over: Vec<Axis> = nest.reduction(kernel).map(|r| reduction_axes(&kernel.defs[r]).to_vec()).unwrap_or_default();
    let (vector, tile) = lanes_and_tile(kernel, ranges, machine, nest, [own, &over]);
    let rows_of = |a: &Symbol| tile.rows.iter().find(|r| r.0 == *a).map(|r| r.1);
    let block = |a: &Axis| match (&vector, rows_of(&a.var)) {
        (Some(l), _) if l.axis == a.var => {
            let block = u32::from(l.lanes) * tile.vectors;
            let overlap = lanes::may_overlap(kernel, ranges, nest, a, l, &tile);
            Loop { axis: a.var.clone(), block, cut: if overlap { Cut::Even } else { Cut::Aligned } }
        }
        (_, Some(rows)) => Loop { axis: a.var.clone(), block: rows, cut: tile.cut },
        _ => Loop::new(&a.var, 1),
    };
    let mut loops: Vec<Loop> = outer.iter().map(|a| Loop::new(&a.var, 1)).chain(own.iter().map(block)).collect();
    // The rows' axes go just outside of the lane axis: a block of rows runs over the lanes before the next block.
    if let (false, Some(l)) = (tile.rows.is_empty(), &vector) {
        let (row_loops, others) = loops.into_iter().partition(|x: &Loop| rows_of(&x.axis).is_some());
        loops = others;
        let far = weights_bytes(kernel, nest) > i64::from(machine.l2_bytes / 2);
        let inner = lanes::groups(kernel, ranges, nest, &l.axis).filter(|_| !far).unwrap_or_else(|| l.axis.clone());
        let to = loops.iter().position(|x| x.axis == inner).unwrap_or(loops.len());
        loops.splice(to..to, row_loops as Vec<Loop>);
        if far {
            panels_outermost(kernel, nest, &mut loops, shared, l);
        }
    }
    if nest.reduction(kernel).is_none() {
        repeats_innermost(kernel, nest, &mut loops[shared..], vector.as_ref());
    }
    if at.is_none() && shared == 0 {
        columns::block(kernel, machine, nest, &mut loops);
    }
    // Steps that take other lanes of the same vectors are written out.
    let given = |a: &Axis| match vector.as_ref()? {
        l if l.axis == a.var => Some(block(a)),
        l => lanes::shuffles(kernel, ranges, nest, &l.axis, a).map(|n| Loop::new(&a.var, n)),
    };
    let over = steps(kernel, machine, nest, &tile, &over, &given);
    let ahead = ahead(kernel, machine, nest, &tile, vector.as_ref());
    Stage {
        def: nest.def,
        acc: nest.acc,
        at,
        parallel: at.is_none(),
        loops,
        over,
        vector,
        few: vec![],
        ahead,
        fused: false,
        dots: None,
    }
}

/// What of a nest is computed at once: lanes, and the tile of them in registers. `over`: the axes of its reduction.
fn lanes_and_tile(
    kernel: &Kernel,
    ranges: &Ranges,
    machine: Machine,
    nest: &Nest,
    [own, over]: [&[Axis]; 2],
) -> (Option<Lanes>, TileShape) {
    let mut tile = TileShape::default();
    let lane = lanes::choose(kernel, ranges, nest).filter(|(s, along)| *along || own.iter().any(|a| a.var == *s));
    let Some((axis, along)) = lane else { return (None, tile) };
    let extent = own.iter().chain(over).find(|a| a.var == axis).map(|a| a.extent.clone()).unwrap_or(Sym::int(1));
    let lanes = lanes::lane_count(kernel, nest, machine, &extent);
    if lanes <= 1 {
        return (None, tile);
    }
    let mut vector = Lanes { axis, lanes };
    if along {
        tile.vectors = ROW_VECTORS.min(fit(&extent, lanes)).max(1);
        tile.rows = along::tile(kernel, machine, nest, own);
        if !tile.rows.is_empty() {
            tile.vectors = along::vectors(&tile.rows, tile.vectors);
        }
    } else if nest.reduction(kernel).is_some() {
        tile = register_tile(kernel, ranges, machine, nest, own, &vector);
    } else if let Some((rows, most)) = transpose::rows(kernel, ranges, nest, own, &vector.axis) {
        // As many lanes as rows, so that they swap places.
        vector.lanes = lanes.min(most);
        tile = TileShape { rows: vec![(rows, u32::from(vector.lanes))], cut: Cut::Aligned, ..tile };
    }
    (Some(vector), tile)
}

/// The loops over a reduction's axes; `given` are those of axes that lanes have to do with.
fn steps(
    kernel: &Kernel,
    machine: Machine,
    nest: &Nest,
    tile: &TileShape,
    over: &[Axis],
    given: &dyn Fn(&Axis) -> Option<Loop>,
) -> Vec<Loop> {
    let written = written_out(kernel, machine, nest, tile, over).filter(|i| given(&over[*i]).is_none());
    let step = |(i, a): (usize, &Axis)| match (a, &tile.taps) {
        (a, Some((taps, n))) if *taps == a.var => Loop::new(&a.var, *n),
        (a, _) if written == Some(i) => Loop::new(&a.var, unroll(a, i64::from(machine.memory.unroll))),
        (a, _) => Loop::new(&a.var, 1),
    };
    let mut loops: Vec<Loop> = over.iter().enumerate().map(|x| given(x.1).unwrap_or_else(|| step(x))).collect();
    if let Some(i) = written {
        loops[i..].rotate_left(1);
    }
    loops
}

/// Which reduction axis is written out, as the innermost: the last one, or where writing that out keeps too many values
/// alive, one outside of it that is short enough for all of its steps (a kernel's rows, the channels of an image).
fn written_out(kernel: &Kernel, machine: Machine, nest: &Nest, tile: &TileShape, over: &[Axis]) -> Option<usize> {
    let may = |a: &Axis| may_unroll(kernel, nest, &tile.rows, &a.var);
    let last = over.len().checked_sub(1)?;
    if may(&over[last]) {
        return Some(last);
    }
    if machine.memory.scarce || tile.taps.is_some() {
        return None;
    }
    let points = tile.rows.iter().fold(i64::from(tile.vectors), |n, r| n * i64::from(r.1));
    let of = |most: i64| {
        let most = most.min(i64::from(machine.memory.unroll));
        over[..last].iter().rposition(|a| a.extent.as_int().is_some_and(|e| (2..=most).contains(&e)) && may(a))
    };
    of(UNROLL).or_else(|| of((WRITTEN / points.max(1)).min(MAX_UNROLL)))
}

/// The axis along which constants are fetched ahead: where they come from beyond the second-level cache, and each panel
/// is used so few times that waiting for it counts. One that is used once is read from its begin to its end: that the
/// processor fetches by itself, and faster.
fn ahead(kernel: &Kernel, machine: Machine, nest: &Nest, tile: &TileShape, l: Option<&Lanes>) -> Option<Symbol> {
    let l = l.filter(|l| kernel.defs[nest.def].axes.iter().any(|a| a.var == l.axis))?;
    if weights_bytes(kernel, nest) <= i64::from(machine.l2_bytes / 2) {
        return None;
    }
    let rows: i64 = tile.rows.iter().map(|r| i64::from(r.1)).product();
    let uses = panel_uses(kernel, nest, rows)?;
    let halves = machine.unit_bits < machine.vector_bits;
    let pays = (2..=PASSES).contains(&uses) && !(halves && uses * rows < POINTS);
    pays.then(|| l.axis.clone())
}

/// How many tiles of so many rows use one panel of a reduction's constants.
pub(super) fn panel_uses(kernel: &Kernel, nest: &Nest, rows: i64) -> Option<i64> {
    let sites = loads(kernel.defs[nest.reduction(kernel)?].value());
    let constant = |s: &&Site| matches!(s.src, Src::Param(p) if kernel.params[p].value.is_some());
    let in_weights = |a: &Axis| {
        let Some(v) = lanes::own_axis(kernel, nest, &a.var) else { return true };
        sites.iter().filter(constant).any(|s| s.index.iter().flatten().any(|i| i.contains(&v)))
    };
    let others = kernel.defs[nest.def].axes.iter().filter(|a| !in_weights(a));
    let points: i64 = others.map(|a| kernel.ranges.estimate(&a.extent)).product();
    Some(points / rows.max(1))
}

/// Bytes of the constants that a reduction reads, and of what was copied into panels for it.
pub(super) fn weights_bytes(kernel: &Kernel, nest: &Nest) -> i64 {
    let Some(r) = nest.reduction(kernel) else { return 0 };
    let lane = kernel.defs[r].axes.last().map(|a| &a.var);
    let bytes = |s: &Site| match s.src {
        Src::Param(p) => kernel.params[p].value.as_ref().map_or(0, |t| t.bytes().len() as i64),
        Src::Def(_) if lane.is_some_and(|v| in_panels(s, v)) => {
            let elements = kernel.ranges.estimate(&kernel.src_shape(s.src).iter().product());
            elements.saturating_mul(kernel.src_dtype(s.src).size() as i64)
        }
        Src::Def(_) => 0,
    };
    loads(kernel.defs[r].value()).iter().map(bytes).sum()
}

/// Weights that don't stay in the cache are read once: their panels' loop goes outside of every loop whose axis isn't
/// in their index.
fn panels_outermost(kernel: &Kernel, nest: &Nest, loops: &mut Vec<Loop>, shared: usize, l: &Lanes) {
    let Some(r) = nest.reduction(kernel) else { return };
    let sites = loads(kernel.defs[r].value());
    let lane = lanes::own_axis(kernel, nest, &l.axis);
    let weights = |s: &&Site| is_const(kernel, s.src) || lane.as_ref().is_some_and(|v| in_panels(s, v));
    let in_weights = |x: &Loop| {
        let Some(v) = lanes::own_axis(kernel, nest, &x.axis) else { return true };
        sites.iter().filter(weights).any(|s| s.index.iter().flatten().any(|i| i.contains(&v)))
    };
    let Some(from) = loops.iter().position(|x| x.axis == l.axis) else { return };
    let to = (shared..from).rev().take_while(|&i| !in_weights(&loops[i])).last().unwrap_or(from);
    let panel = loops.remove(from);
    loops.insert(to, panel);
}

/// Axes that dear indices don't depend on go inside of all others, so that such an index is computed once for all of them:
/// the channels of an image that is sampled where the data says.
fn repeats_innermost(kernel: &Kernel, nest: &Nest, loops: &mut [Loop], l: Option<&Lanes>) {
    let mut dear: Vec<Expr> = vec![];
    walk(kernel.defs[nest.def].value(), &mut |n| {
        if let ExprKind::Load { index, .. } = n.kind() {
            dear.extend(index.iter().filter(|i| i.as_sym().is_none() && !cheap(i)).cloned());
        }
    });
    let depends = |axis: &Symbol| {
        let mut found = false;
        for e in &dear {
            walk(e, &mut |n| found |= matches!(n.kind(), ExprKind::Int(s) if s.contains(axis)));
        }
        found
    };
    if l.is_some_and(|l| depends(&l.axis)) {
        loops.sort_by_key(|x| !depends(&x.axis));
    }
}

/// Vectors that an extent fills.
fn fit(extent: &Sym, lanes: u16) -> u32 {
    extent.as_int().map_or(u32::MAX, |e| (e / i64::from(lanes)).clamp(1, 1 << 20) as u32)
}

/// How many steps along the innermost reduction axis to write out, at most `most`.
fn unroll(a: &Axis, most: i64) -> u32 {
    let divisor = |e: i64, most: i64| (1..=most).rev().find(|u| e % u == 0).unwrap_or(1);
    let steps = match a.extent.as_int() {
        Some(e) if e <= MAX_UNROLL => divisor(e.max(1), most.min(e.max(1))),
        Some(e) => divisor(e, UNROLL.min(most)).max(if e > 16 { most.min(2) } else { 1 }),
        None => UNROLL.min(most),
    };
    steps.max(1) as u32
}
