//! The register tile of a contraction: how many rows and how many vectors are accumulated at once.
//!
//! Rows reuse the vectors that are loaded, vectors reuse the scalars that are broadcast. The tile is the candidate of
//! the least estimated cycles for one step of the reduction over the whole output, rests included. Only the ranking
//! counts; the figures are those of a core with two FMA units, two load ports and six micro-operations a cycle.

mod rows;
#[cfg(test)]
mod tests;

use super::expr::{Site, loads};
use super::few;
use super::lanes::{self, Access};
use super::pack::{is_const, is_const_copy};
use super::plan::Nest;
use super::schedule::weights_bytes;
use super::window::window_tile;
use crate::from_kernel::{Machine, reduction_axes};
use onnxc_base::sym::Symbol;
use onnxc_base::{Ranges, Sym};
use onnxc_ir::kernel::{Axis, Cut, Kernel, Lanes, Src};
pub(super) use rows::{Rows, runs_of_vectors};

/// The most rows of a tile: beyond this the code grows and nothing gets faster.
const MAX_ROWS: u32 = 28;
/// The most vectors of a tile.
const MAX_VECTORS: u32 = 8;
/// An axis of up to so many points may share the rows of a tile with the one outside of it.
const SHORT: i64 = 16;
/// Cycles from one fused multiply-add to the next that needs its result.
const LATENCY: f64 = 4.0;
/// Cycles from the last step of a tile to the first of the next, where few rows have few tiles.
const END: f64 = 24.0;
/// Cycles by which a line from the second-level cache is late while that is busy with what memory delivers, times the rows:
/// the fewer they are, the busier it is.
const LATE: f64 = 8.0;
/// Of more rows than these no line is late.
const BUSY: i64 = 64;
/// Bytes of a panel of vectors that stays in the first-level cache: half of the usual one.
pub(super) const NEAR_BYTES: i64 = 16 << 10;
/// Cycles of a vector that comes from the second-level cache.
const FAR_VECTOR: f64 = 1.5;

/// A rest of fewer vectors of what is copied into panels when the kernel runs costs so many times what its operations take:
/// it is copied under a mask, and as much is copied for it as for a whole panel.
const REST: f64 = 1.1;

/// Where fewer steps than these are written out, code is what there is too much of.
pub(super) const LITTLE: u32 = 4;

/// What of a stage is computed at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TileShape {
    /// Vectors along the lane axis.
    pub vectors: u32,
    /// The axes that give the rows, outermost first, and how many points of each: up to two.
    pub rows: Vec<(Symbol, u32)>,
    /// How the rows' axes are cut where their number doesn't divide.
    pub cut: Cut,
    /// The reduction axis along which a window slides with the rows, and how many of its taps are written out.
    pub taps: Option<(Symbol, u32)>,
}

impl Default for TileShape {
    fn default() -> Self {
        TileShape { vectors: 1, rows: vec![], cut: Cut::Even, taps: None }
    }
}

/// The tile of a nest with a reduction, of whose axes `own` can be in it.
pub fn register_tile(
    kernel: &Kernel,
    ranges: &Ranges,
    machine: Machine,
    nest: &Nest,
    own: &[Axis],
    l: &Lanes,
) -> TileShape {
    let Some(r) = nest.reduction(kernel) else { return TileShape::default() };
    if let Some(window) = window_tile(kernel, ranges, machine, nest, own, l) {
        return window;
    }
    let (Some(lane), Some(along)) = (lanes::own_axis(kernel, nest, &l.axis), own.iter().find(|a| a.var == l.axis))
    else {
        return TileShape::default();
    };
    let sites = loads(kernel.defs[r].value());
    let vector_sites: Vec<&Site> =
        sites.iter().filter(|x| lanes::access(kernel, ranges, x, &lane) != Access::Uniform).collect();
    let reused = |a: &Axis| {
        let Some(v) = lanes::own_axis(kernel, nest, &a.var) else { return 0 };
        vector_sites.iter().filter(|x| lanes::access(kernel, ranges, x, &v) == Access::Uniform).count()
    };
    let candidates: Vec<&Axis> = own.iter().filter(|a| a.var != l.axis && lanes::wide(a, 2)).collect();
    let inner = candidates.iter().rposition(|a| reused(a) > 0 && candidates.iter().all(|b| reused(b) <= reused(a)));
    // A second axis, just outside, fills the registers where the first is short.
    let inner = inner.map(|i| (candidates[i], i.checked_sub(1).map(|o| candidates[o])));
    let short = |a: &Axis| a.extent.as_int().is_some_and(|e| e <= SHORT);
    let outer = inner.and_then(|(a, o)| o.filter(|o| short(a) && reused(o) == reused(a)));
    let inner = inner.map(|i| i.0);
    let rows_of = |a: Option<&Axis>| a.map_or(Rows::ONE, |a| Rows::of(kernel, a));
    let n = Rows::of(kernel, along).number;
    // The sites that rows share are loaded once per vector; the others once per row and vector unless uniform.
    let shared = inner.is_none_or(|a| reused(a) == vector_sites.len());
    let steps: i64 = reduction_axes(&kernel.defs[r]).iter().map(|a| kernel.ranges.estimate(&a.extent)).product();
    let size = vector_sites.iter().map(|s| kernel.src_dtype(s.src).size() as i64).max().unwrap_or(1);
    let output = Output {
        rows: [rows_of(outer), rows_of(inner)],
        n,
        shared,
        broadcast: vector_sites.len() < sites.len(),
        in_turn: !machine.memory.scarce,
        near: near(steps.saturating_mul(size), n, machine),
        copied: sites.iter().all(|s| !is_const(kernel, s.src) && !is_const_copy(kernel, s.src)),
        steps: steps.max(1),
        far: sites.iter().any(|s| matches!(s.src, Src::Def(_)) && !is_const_copy(kernel, s.src))
            && weights_bytes(kernel, nest) > i64::from(machine.l2_bytes),
    };
    let ([ro, mut ri], nv) = best(machine.registers, i64::from(l.lanes), &output);
    if machine.memory.scarce && machine.memory.unroll < LITTLE {
        // A rest is the tile's code once more.
        let m = rows_of(inner).number;
        ri = (ri.div_ceil(2)..=ri).rev().find(|r| m % i64::from(*r) == 0).unwrap_or(ri);
    }
    let rows = [(outer, ro), (inner, ri)].into_iter().filter_map(|(a, r)| Some((a?.var.clone(), r)));
    // An axis of one row is none of the tile.
    let rows = rows.filter(|(a, r)| *r > 1 || inner.is_some_and(|i| i.var == *a)).collect();
    TileShape { vectors: nv, rows, ..TileShape::default() }
}

/// Elements of a panel up to which its vectors are in the first-level cache after their first use, for a column of so many
/// bytes: panels change inside of rows only where all of them stay in the second-level cache (see [`super::schedule`]).
fn near(column: i64, n: i64, machine: Machine) -> i64 {
    let all = column.saturating_mul(n);
    let inside = all <= i64::from(machine.l2_bytes / 2);
    if inside && all > NEAR_BYTES { 0 } else { NEAR_BYTES / column.max(1) }
}

/// What a tile is chosen for.
struct Output {
    /// Points of the axes that give the rows, the outer one first.
    rows: [Rows; 2],
    /// Elements along the lanes.
    n: i64,
    /// Every vector is loaded once for all rows.
    shared: bool,
    /// Rows read scalars.
    broadcast: bool,
    /// A single row uses each vector once, one after the other: not where code is what there is too much of.
    in_turn: bool,
    /// The widest panel that stays in the first-level cache.
    near: i64,
    /// No operand is constant, so panels are made when the kernel runs.
    copied: bool,
    /// Steps of the reduction.
    steps: i64,
    /// The vectors come from memory, through a second-level cache in which there is what the kernel made of its input.
    far: bool,
}

/// The cheapest rows along both axes, and vectors.
fn best(registers: u32, lanes: i64, output: &Output) -> ([u32; 2], u32) {
    let Output { rows: [outer, inner], n, shared, broadcast, in_turn, near, copied, steps, far } = *output;
    let most_vectors = ((n + lanes - 1) / lanes).clamp(1, i64::from(MAX_VECTORS)) as u32;
    let several = outer.number * inner.number > 1;
    let most = |m: Rows| m.number.clamp(1, i64::from(MAX_ROWS)) as u32;
    // The fewer the rows, the more of the time memory is read.
    let points = (outer.number * inner.number).max(1);
    let line = if far && shared && points <= BUSY { LATE / points as f64 } else { 0.0 };
    // A row's numbers follow each other, as many to a line as there are to a vector.
    let lines = |r: u32, v: u32| f64::from(v) + f64::from(r) / lanes as f64;
    // Many tiles overlap.
    let end = if inner.one { END / steps as f64 } else { 0.0 };
    let mut found = (f64::INFINITY, [1, 1], 1);
    for nv in 1..=most_vectors {
        for ro in 1..=most(outer) {
            for ri in 1..=most(inner) {
                let together = if shared { nv } else { nv + 1 };
                let vectors_loaded = if in_turn && ro * ri == 1 { 1 } else { together };
                if ro * ri > MAX_ROWS || ro * ri * nv + vectors_loaded + u32::from(broadcast && nv > 1) > registers {
                    break;
                }
                let short = inner.runs(i64::from(ri));
                let rows = |(a, c): (u32, f64)| short.iter().map(move |(b, d)| (a * b, c * d)).collect::<Vec<_>>();
                let rows: Vec<(u32, f64)> = outer.runs(i64::from(ro)).into_iter().flat_map(rows).collect();
                let second = shared && several && i64::from(nv) * lanes > near;
                let rest = |v: u32| if v.is_multiple_of(nv) || !copied { 1.0 } else { REST };
                let tile = |r: u32, v: u32| rest(v) * (step(r, v, shared, second) + end + line * lines(r, v));
                let along = |r: u32| {
                    let blocks = if inner.one && r + 1 < ri { few::several(registers, (n, lanes), r, nv) } else { 1 };
                    runs_of_vectors(n, lanes, blocks * nv).iter().map(|(v, c)| c * tile(r, *v)).sum::<f64>()
                };
                let cost: f64 = rows.iter().map(|(r, c)| c * along(*r)).sum();
                // Rows in one line of memory are kinder to the caches.
                let cost = cost * (1.0 + 0.005 * f64::from(ro - 1));
                if cost < found.0 - 1e-9 {
                    found = (cost, [ro, ri], nv);
                }
            }
        }
    }
    (found.1, found.2)
}

/// Cycles of one step of the reduction for a tile. `far`: its vectors come from the second-level cache, where there is more
/// than one row in all; a single one uses each once, however many there are.
pub(super) fn step(mr: u32, nv: u32, shared: bool, far: bool) -> f64 {
    let (mr, nv) = (f64::from(mr), f64::from(nv));
    let fma = mr * nv;
    let vector_loads = if shared { nv } else { fma };
    // One vector to a row: the broadcast is part of the multiply-add.
    let uops = if nv == 1.0 { fma + vector_loads } else { fma + mr + vector_loads };
    let waits = if far { FAR_VECTOR * vector_loads } else { 0.0 };
    cycles(fma, mr + vector_loads, uops).max(LATENCY + 0.02 * uops).max(waits)
}

/// Cycles of so many arithmetic operations, loads and micro-operations that don't wait for each other.
pub(super) fn cycles(arithmetic: f64, loads: f64, uops: f64) -> f64 {
    // Fewer micro-operations are kinder to a core that shares its ports.
    (arithmetic / 2.0).max(loads / 2.0).max(uops / 6.0) + 0.02 * uops
}

/// True if no load of the reduction goes along a reduction axis and the rows at once, but where each step goes beyond all
/// rows: then writing its steps out keeps no more values alive.
pub fn may_unroll(kernel: &Kernel, nest: &Nest, rows: &[(Symbol, u32)], over: &Symbol) -> bool {
    let Some(r) = nest.reduction(kernel) else { return true };
    let own = |a: &Symbol| lanes::own_axis(kernel, nest, a);
    let rows: Vec<(Symbol, i64)> = rows.iter().filter_map(|(a, n)| Some((own(a)?, i64::from(*n)))).collect();
    let step = |i: &Sym, v: &Symbol| i.split_linear(v)?.0.as_int();
    let beyond = |i: &Sym| {
        let far: Option<i64> = rows.iter().filter(|r| i.contains(&r.0)).map(|r| Some((r.1 - 1) * step(i, &r.0)?)).sum();
        step(i, over).zip(far).is_some_and(|(step, far)| step > far && far >= 0)
    };
    let both = |i: &Option<Sym>| {
        i.as_ref().is_some_and(|s| rows.iter().any(|r| s.contains(&r.0)) && s.contains(over) && !beyond(s))
    };
    !loads(kernel.defs[r].value()).iter().any(|s| s.index.iter().any(both))
}
