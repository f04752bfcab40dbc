//! The register tile of a contraction: how many rows and how many vectors are accumulated at once.
//!
//! Rows reuse the vectors that are loaded, vectors reuse the scalars that are broadcast. The tile is the candidate of
//! the least estimated cycles for one step of the reduction over the whole output, rests included. Only the ranking
//! counts; the figures are those of a core with two FMA units, two load ports and six micro-operations a cycle.

use super::expr::{Site, loads};
use super::few;
use super::lanes::{self, Access};
use super::pack::{is_const, is_const_copy};
use super::plan::Nest;
use super::schedule::weights_bytes;
use super::window::window_tile;
use crate::from_kernel::{Machine, equal_parts, graded_tiles, reduction_axes};
use onnxc_base::sym::Symbol;
use onnxc_base::{Ranges, Sym};
use onnxc_ir::kernel::{Axis, Cut, Kernel, Lanes, Src};

/// The most rows of a tile: beyond this the code grows and nothing gets faster.
const MAX_ROWS: u32 = 28;
/// The most vectors of a tile.
const MAX_VECTORS: u32 = 8;
/// An axis of up to so many points may share the rows of a tile with the one outside of it.
const SHORT: i64 = 16;
/// Rows where one at a time is usual, but there may be more: tiles of many do well for both.
const MANY: i64 = 128;
/// So many numbers of rows stand for all that there may be.
const SAMPLES: i64 = 16;
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
    /// The reduction axis along which a window slides with the rows: written out whole.
    pub taps: Option<Symbol>,
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
                let rest = |v: u32| if v % nv == 0 || !copied { 1.0 } else { REST };
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

/// How many rows there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rows {
    /// So many, or about so many.
    pub number: i64,
    /// That is their number in every run.
    pub known: bool,
    /// One is usual.
    pub one: bool,
}

impl Rows {
    const ONE: Rows = Rows { number: 1, known: true, one: true };

    /// The points of an axis.
    pub fn of(kernel: &Kernel, a: &Axis) -> Rows {
        match (a.extent.as_int(), kernel.ranges.estimate(&a.extent)) {
            (Some(number), _) => Rows { number, known: true, one: number == 1 },
            (None, ..=1) => Rows { number: MANY, known: false, one: true },
            (None, number) => Rows { number, known: false, one: false },
        }
    }

    /// Sizes and how many of each, in tiles of at most so many. A known number is cut equally. Another one as well if there
    /// are enough tiles, else tiles of one less overlap, and fewer than such a tile's are done one by one (see `from_kernel`);
    /// that is the mean over numbers from the estimate to twice as many. Where one is usual few count as much as many, each by
    /// its share of the time, in tiles of several sizes.
    pub fn runs(self, most: i64) -> Vec<(u32, f64)> {
        if self.known {
            let parts = equal_parts(self.number, most).into_iter();
            return parts.map(|(a, b, size)| (size as u32, ((b - a) / size) as f64)).collect();
        }
        if self.one {
            let share = |n: i64| self.number as f64 / (n * (SAMPLES + 1)) as f64;
            let of =
                |n: i64| graded_tiles(n, most as u32).into_iter().map(move |(size, k)| (size, k as f64 * share(n)));
            return (1..=SAMPLES).chain([self.number]).flat_map(of).collect();
        }
        let (samples, mut counts) = (SAMPLES.min(self.number), [0; 3]);
        for n in (0..samples).map(|k| self.number + k * self.number / samples) {
            let tiles = (n + most - 1) / most;
            let large = n - tiles * (most - 1);
            let [a, b, c] = match large {
                0.. => [large, tiles - large, 0],
                _ if n >= most - 1 => [0, tiles, 0],
                _ => [0, 0, n],
            };
            counts = [counts[0] + a, counts[1] + b, counts[2] + c];
        }
        let mean = |n: i64| n as f64 / samples as f64;
        let sizes = [most as u32, (most - 1) as u32, 1];
        sizes.into_iter().zip(counts.map(mean)).filter(|r| r.0 > 0 && r.1 > 0.0).collect()
    }
}

/// Sizes and how many of each: whole blocks of `nv` vectors, and the rest.
pub(super) fn runs_of_vectors(n: i64, lanes: i64, nv: u32) -> Vec<(u32, f64)> {
    let vectors = (n + lanes - 1) / lanes;
    let (whole, rest) = (vectors / i64::from(nv), (vectors % i64::from(nv)) as u32);
    [(nv, whole as f64), (rest, 1.0)].into_iter().filter(|(v, c)| *v > 0 && *c > 0.0).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fit_the_registers_and_the_output() {
        let best = |registers, lanes, m: [i64; 2], n| {
            let rows = m.map(|number| Rows { number, known: true, one: number == 1 });
            let output = Output {
                rows,
                n,
                shared: true,
                broadcast: true,
                in_turn: true,
                near: i64::MAX,
                copied: false,
                steps: 64,
                far: false,
            };
            let ([ro, ri], nv) = best(registers, lanes, &output);
            (ro * ri, nv)
        };
        assert_eq!(best(32, 16, [1, 1], 768), (1, 8), "one row: many vectors hide the latency");
        let (mr, nv) = best(32, 16, [1, 128], 768);
        assert!(mr * nv + nv < 32 && mr * nv >= 24, "{mr}x{nv}");
        let (mr, nv) = best(16, 8, [1, 128], 768);
        assert!(mr * nv + nv < 16 && mr * nv >= 10, "{mr}x{nv}");
        assert_eq!(best(32, 16, [1, 7], 512).0, 7);
        assert_eq!(best(32, 16, [1, 3], 16), (3, 1));
        assert_eq!(best(16, 8, [2, 2], 256).0, 4, "short axes share a tile");
    }

    #[test]
    fn panels_made_by_a_run_leave_no_rest() {
        const MANY: Rows = Rows { number: 1500, known: true, one: false };
        let vectors = |copied| {
            let rows = [Rows::ONE, MANY];
            best(
                16,
                8,
                &Output {
                    rows,
                    n: 64,
                    shared: true,
                    broadcast: true,
                    in_turn: true,
                    near: i64::MAX,
                    copied,
                    steps: 64,
                    far: false,
                },
            )
            .1
        };
        assert_eq!((vectors(true), 8 % vectors(true)), (2, 0));
        assert_eq!(vectors(false), 3, "constants are filled up once for all");
    }

    #[test]
    fn numbers_that_are_not_known_are_many() {
        let runs = |number, most| Rows { number, known: false, one: false }.runs(most);
        assert_eq!(runs(4, 4), [(4, 0.5), (3, 1.25)], "4; 3 and 3, which overlap; 3 and 3; 4 and 3");
        assert_eq!(runs(2, 4), [(3, 0.5), (1, 1.0)], "2 one by one, or 3");
        assert_eq!(runs(1, 1), [(1, 1.0)]);
    }

    #[test]
    fn vectors_from_the_second_level_are_used_by_more_rows() {
        const FOURTEEN: Rows = Rows { number: 14, known: true, one: false };
        let tile = |near| {
            best(
                16,
                8,
                &Output {
                    rows: [FOURTEEN; 2],
                    n: 512,
                    shared: true,
                    broadcast: true,
                    in_turn: true,
                    near,
                    copied: false,
                    steps: 64,
                    far: false,
                },
            )
        };
        let rows = |([ro, ri], _): ([u32; 2], u32)| ro * ri;
        assert!(rows(tile(0)) >= 4 && rows(tile(0)) >= rows(tile(i64::MAX)), "{:?}", tile(0));
        assert_eq!(near(4 * 1024, 512, Machine::USUAL), 4, "a panel at a time");
        assert_eq!(near(4 * 64, 256, Machine::USUAL), 0, "all of them");
        assert_eq!(near(4 * 16, 64, Machine::USUAL), 256);
    }
    /// Products in a transformed domain of a 7x7 image.
    #[test]
    fn vectors_from_memory_are_used_by_more_rows_where_there_are_few() {
        const FOUR: Rows = Rows { number: 4, known: true, one: false };
        let usual = Output {
            rows: [FOUR; 2],
            n: 512,
            shared: true,
            broadcast: true,
            in_turn: true,
            near: 0,
            copied: false,
            steps: 512,
            far: false,
        };
        assert_eq!(best(32, 16, &usual), ([1, 4], 6));
        assert_eq!(best(32, 16, &Output { far: true, ..usual }), ([2, 4], 3));
    }
}
