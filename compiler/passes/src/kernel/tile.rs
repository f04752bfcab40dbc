//! The register tile of a contraction: how many rows and how many vectors are accumulated at once.
//!
//! Rows reuse the vectors that are loaded, vectors reuse the scalars that are broadcast. The tile is the candidate of
//! the least estimated cycles for one step of the reduction over the whole output, rests included. Only the ranking
//! counts; the figures are those of a core with two FMA units, two load ports and six micro-operations a cycle.

use super::expr::{Site, loads};
use super::lanes::{self, Access};
use super::plan::Nest;
use super::window::window_tile;
use crate::from_kernel::{Machine, equal_parts};
use onnxc_base::sym::Symbol;
use onnxc_base::{Ranges, Sym};
use onnxc_ir::kernel::{Axis, Cut, Kernel, Lanes};

/// The most rows of a tile: beyond this the code grows and nothing gets faster.
const MAX_ROWS: u32 = 28;
/// The most vectors of a tile.
const MAX_VECTORS: u32 = 8;
/// The extent that stands for one that isn't known.
pub(super) const TYPICAL: i64 = 128;
/// Cycles from one fused multiply-add to the next that needs its result.
const LATENCY: f64 = 4.0;

/// Where fewer steps than these are written out, code is what there is too much of.
const LITTLE: u32 = 4;

/// What of a stage is computed at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TileShape {
    /// Vectors along the lane axis.
    pub vectors: u32,
    /// The axis that gives the rows, and how many.
    pub rows: Option<(Symbol, u32)>,
    /// How the rows' axis is cut where their number doesn't divide.
    pub cut: Cut,
    /// The reduction axis along which a window slides with the rows: written out whole.
    pub taps: Option<Symbol>,
}

impl Default for TileShape {
    fn default() -> Self {
        TileShape { vectors: 1, rows: None, cut: Cut::Even, taps: None }
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
    let rows = own.iter().filter(|a| a.var != l.axis && lanes::wide(a, 2)).max_by_key(|a| reused(a));
    let rows = rows.filter(|a| reused(a) > 0);
    let m = rows.map_or(1, |a| a.extent.as_int().unwrap_or(TYPICAL));
    let n = along.extent.as_int().unwrap_or(TYPICAL);
    // The sites that rows share are loaded once per vector; the others once per row and vector unless uniform.
    let shared_rows = rows.is_none_or(|a| reused(a) == vector_sites.len());
    let broadcast = vector_sites.len() < sites.len();
    let (mut mr, nv) = best(machine.registers, i64::from(l.lanes), m, n, shared_rows, broadcast);
    if machine.memory.scarce && machine.memory.unroll < LITTLE {
        // A rest is the tile's code once more.
        mr = (mr.div_ceil(2)..=mr).rev().find(|r| m % i64::from(*r) == 0).unwrap_or(mr);
    }
    TileShape { vectors: nv, rows: rows.map(|a| (a.var.clone(), mr)), ..TileShape::default() }
}

/// The cheapest (rows, vectors) for an output of `m` rows by `n` elements.
fn best(registers: u32, lanes: i64, m: i64, n: i64, shared: bool, broadcast: bool) -> (u32, u32) {
    let most_vectors = ((n + lanes - 1) / lanes).clamp(1, i64::from(MAX_VECTORS)) as u32;
    let most_rows = m.clamp(1, i64::from(MAX_ROWS)) as u32;
    let mut found = (f64::INFINITY, 1, 1);
    for nv in 1..=most_vectors {
        for mr in 1..=most_rows {
            let vectors_loaded = if shared { nv } else { nv + 1 };
            if mr * nv + vectors_loaded + u32::from(broadcast && nv > 1) > registers {
                continue;
            }
            let cost: f64 = runs_of_vectors(n, lanes, nv)
                .iter()
                .map(|(v, count)| {
                    let per_row: f64 = runs(m, i64::from(mr)).iter().map(|(r, c)| c * step(*r, *v, shared)).sum();
                    count * per_row
                })
                .sum();
            if cost < found.0 - 1e-9 {
                found = (cost, mr, nv);
            }
        }
    }
    (found.1, found.2)
}

/// Sizes and how many of each: `m` rows cut equally.
pub(super) fn runs(m: i64, most: i64) -> Vec<(u32, f64)> {
    equal_parts(m, most).into_iter().map(|(a, b, size)| (size as u32, ((b - a) / size) as f64)).collect()
}

/// Sizes and how many of each: whole blocks of `nv` vectors, and the rest.
fn runs_of_vectors(n: i64, lanes: i64, nv: u32) -> Vec<(u32, f64)> {
    let vectors = (n + lanes - 1) / lanes;
    let (whole, rest) = (vectors / i64::from(nv), (vectors % i64::from(nv)) as u32);
    [(nv, whole as f64), (rest, 1.0)].into_iter().filter(|(v, c)| *v > 0 && *c > 0.0).collect()
}

/// Cycles of one step of the reduction for a tile.
fn step(mr: u32, nv: u32, shared: bool) -> f64 {
    let (mr, nv) = (f64::from(mr), f64::from(nv));
    let fma = mr * nv;
    let vector_loads = if shared { nv } else { fma };
    // One vector to a row: the broadcast is part of the multiply-add.
    let uops = if nv == 1.0 { fma + vector_loads } else { fma + mr + vector_loads };
    cycles(fma, mr + vector_loads, uops).max(LATENCY + 0.02 * uops)
}

/// Cycles of so many arithmetic operations, loads and micro-operations that don't wait for each other.
pub(super) fn cycles(arithmetic: f64, loads: f64, uops: f64) -> f64 {
    // Fewer micro-operations are kinder to a core that shares its ports.
    (arithmetic / 2.0).max(loads / 2.0).max(uops / 6.0) + 0.02 * uops
}

/// True if no vector load of the reduction goes along a reduction axis and the rows at once, so that writing its steps
/// out keeps no more values alive.
pub fn may_unroll(kernel: &Kernel, nest: &Nest, rows: Option<&Symbol>, over: &Symbol) -> bool {
    let (Some(r), Some(rows)) = (nest.reduction(kernel), rows) else { return true };
    let Some(rows) = lanes::own_axis(kernel, nest, rows) else { return true };
    let both = |i: &Option<Sym>| i.as_ref().is_some_and(|s| s.contains(&rows) && s.contains(over));
    !loads(kernel.defs[r].value()).iter().any(|s| s.index.iter().any(both))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fit_the_registers_and_the_output() {
        assert_eq!(best(32, 16, 1, 768, true, true), (1, 8), "one row: many vectors hide the latency");
        let (mr, nv) = best(32, 16, 128, 768, true, true);
        assert!(mr * nv + nv < 32 && mr * nv >= 24, "{mr}x{nv}");
        let (mr, nv) = best(16, 8, 128, 768, true, true);
        assert!(mr * nv + nv < 16 && mr * nv >= 10, "{mr}x{nv}");
        assert_eq!(best(32, 16, 7, 512, true, true).0, 7);
        assert_eq!(best(32, 16, 3, 16, true, true), (3, 1));
    }
}
