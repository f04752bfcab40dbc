//! The register tile of a sliding window whose lanes are channels: depthwise convolutions and pools.
//!
//! The windows of neighbouring outputs share most of what they read. A tile is a run of outputs along one axis, with
//! the window's taps along that axis (of a large window a part of them) written out: a vector is loaded once and used for
//! every tap that meets it, and the weights of those taps stay in registers for the whole run. (`from_kernel` visits points
//! and taps in the order of what they load.)
//!
//! Does NOT serve convolutions that sum over more channels than a vector holds: those are contractions (see
//! [`super::tile`]).

use super::expr::{Site, def_loads, loads};
use super::lanes::{self, Access};
use super::plan::Nest;
use super::tile::{Rows, TileShape, cycles};
use crate::from_kernel::{Machine, reduction_axes};
use onnxc_base::Ranges;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{Axis, Kernel, Lanes, Src};
use std::collections::BTreeSet;

/// The most outputs of a tile: beyond this the code grows and nothing gets faster.
const MAX_ROWS: u32 = 12;
/// The most taps that are written out at once.
const MAX_TAPS: i64 = 9;
/// Cycles that each pass over the taps costs besides: its loop, its addresses.
const PASS: f64 = 2.0;

/// How a window moves along the axis of its outputs.
struct Slide {
    /// The axis of the outputs, in the nest's head.
    rows: Axis,
    /// The axis of the taps.
    taps: Symbol,
    /// How many of them are written out.
    count: i64,
    /// Elements from output to output, and from tap to tap.
    steps: (i64, i64),
}

/// The tile of a nest that slides a window over vectors; `None` for any other.
pub fn window_tile(
    kernel: &Kernel,
    ranges: &Ranges,
    machine: Machine,
    nest: &Nest,
    own: &[Axis],
    l: &Lanes,
) -> Option<TileShape> {
    let lane = lanes::own_axis(kernel, nest, &l.axis)?;
    let sites = loads(kernel.defs[nest.reduction(kernel)?].value());
    // Constants are packed (`pack`), before or after this is asked.
    let along = |s: &Site| is_constant(kernel, s.src) && s.index.iter().flatten().any(|i| i.contains(&lane));
    let vector = |s: &Site| along(s) || matches!(lanes::access(kernel, ranges, s, &lane), Access::Unit | Access::Near);
    let all_vectors = sites.iter().all(vector);
    let mut slide = own.iter().rev().filter(|a| a.var != l.axis).find_map(|a| slide(kernel, nest, &sites, a))?;
    // Of more taps equal parts.
    let parts = (slide.count + MAX_TAPS - 1) / MAX_TAPS;
    slide.count = (slide.count + parts - 1) / parts;
    if !all_vectors {
        return None;
    }
    let row = lanes::own_axis(kernel, nest, &slide.rows.var)?;
    let weights = sites.iter().filter(|s| !s.index.iter().flatten().any(|i| i.contains(&row))).count() as i64;
    let mut rows = best(machine.registers, &slide, Rows::of(kernel, &slide.rows), weights * slide.count);
    if machine.memory.scarce && machine.memory.unroll == 0 {
        rows = rows.div_ceil(2);
    }
    Some(TileShape {
        rows: vec![(slide.rows.var, rows)],
        taps: Some((slide.taps, slide.count as u32)),
        ..TileShape::default()
    })
}

/// Data that is known at compile time, or a copy of such.
fn is_constant(kernel: &Kernel, src: Src) -> bool {
    match src {
        Src::Param(p) => kernel.params[p].value.is_some(),
        Src::Def(d) => {
            let loads = def_loads(&kernel.defs[d]);
            !loads.is_empty() && loads.iter().all(|s| matches!(s.src, Src::Param(_)) && is_constant(kernel, s.src))
        }
    }
}

/// The window along an output axis, if exactly one load slides along it.
fn slide(kernel: &Kernel, nest: &Nest, sites: &[Site], a: &Axis) -> Option<Slide> {
    let row = lanes::own_axis(kernel, nest, &a.var)?;
    let mut moving = sites.iter().flat_map(|s| s.index.iter().flatten()).filter(|i| i.contains(&row));
    let (index, None) = (moving.next()?, moving.next()) else { return None };
    let (step, rest) = index.split_linear(&row)?;
    let over = reduction_axes(&kernel.defs[nest.reduction(kernel)?]);
    let taps = over.iter().find(|t| rest.contains(&t.var))?;
    let (dilation, _) = rest.split_linear(&taps.var)?;
    let steps = (step.as_int().filter(|s| *s > 0)?, dilation.as_int().filter(|d| *d > 0)?);
    Some(Slide { rows: a.clone(), taps: taps.var.clone(), count: taps.extent.as_int().filter(|n| *n > 1)?, steps })
}

/// The cheapest number of outputs, with so many vectors of weights.
fn best(registers: u32, slide: &Slide, outputs: Rows, weights: i64) -> u32 {
    let most = (i64::from(registers) - weights - 2).clamp(1, i64::from(MAX_ROWS)).min(outputs.number.max(1));
    let cost =
        |rows: i64| -> f64 { outputs.runs(rows).iter().map(|(r, n)| n * pass(slide, i64::from(*r), weights)).sum() };
    // Of equals the least code.
    (1..=most).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(1) as u32
}

/// Cycles of one pass over the taps for a tile.
fn pass(slide: &Slide, rows: i64, weights: i64) -> f64 {
    let (step, dilation) = slide.steps;
    let places: BTreeSet<i64> =
        (0..rows).flat_map(|r| (0..slide.count).map(move |t| r * step + t * dilation)).collect();
    let loads = places.len() as f64 + weights as f64;
    let arithmetic = (rows * slide.count) as f64;
    cycles(arithmetic, loads, arithmetic + loads) + PASS
}
