//! The tile of a contraction whose lanes run along what is summed over: convolutions to a few channels, products of a few
//! columns. Each point has vectors of its own, which are added up at the end.
//!
//! Both operands are read as vectors; a tile of several points along an axis that one of them doesn't know uses each of
//! its vectors that often. Does NOT choose the lane axis (see [`super::lanes`]).

use super::expr::{Site, loads};
use super::lanes;
use super::plan::Nest;
use super::tile::Rows;
use crate::from_kernel::{Machine, equal_parts};
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{Axis, Kernel};

/// The most points along an axis.
const MOST: i64 = 8;
/// Sums in flight that hide the latency of a multiply-add.
const IN_FLIGHT: u32 = 8;

/// Axes and how many points of each; empty where there is nothing to share.
pub fn tile(kernel: &Kernel, machine: Machine, nest: &Nest, own: &[Axis]) -> Vec<(Symbol, u32)> {
    let Some(r) = nest.reduction(kernel) else { return vec![] };
    let sites = loads(kernel.defs[r].value());
    let [a, b] = &sites[..] else { return vec![] };
    let knows = |s: &Site, v: &Symbol| s.index.iter().any(|i| i.as_ref().is_none_or(|i: &Sym| i.contains(v)));
    let axis = |with: &Site, without: &Site| {
        own.iter().rev().find(|x| {
            let v = lanes::own_axis(kernel, nest, &x.var);
            v.is_some_and(|v| knows(with, &v) && !knows(without, &v)) && lanes::wide(x, 2)
        })
    };
    let (x, y) = (axis(a, b), axis(b, a));
    let extent = |a: Option<&Axis>| a.map_or(1, |a| Rows::of(kernel, a).number);
    let (nx, ny) = (extent(x), extent(y));
    let mut best = (f64::INFINITY, 1, 1);
    for px in 1..=nx.min(MOST) {
        for py in 1..=ny.min(MOST) {
            if px * py + px.min(py) < i64::from(machine.registers) {
                let cost = cost(nx, px, ny, py);
                if cost < best.0 - 1e-9 {
                    best = (cost, px, py);
                }
            }
        }
    }
    [(x, best.1), (y, best.2)].into_iter().filter_map(|(a, n)| Some((a?.var.clone(), n as u32))).collect()
}

/// Vectors of each point, so that enough sums are in flight.
pub fn vectors(tile: &[(Symbol, u32)], most: u32) -> u32 {
    let points: u32 = tile.iter().map(|t| t.1).product();
    IN_FLIGHT.div_ceil(points.max(1)).clamp(1, most)
}

/// Cycles of one step of the sum for all points.
fn cost(nx: i64, px: i64, ny: i64, py: i64) -> f64 {
    let mut all = 0.0;
    for (a, b, x) in equal_parts(nx, px) {
        for (c, d, y) in equal_parts(ny, py) {
            let tiles = ((b - a) / x * ((d - c) / y)) as f64;
            let (fma, loads) = ((x * y) as f64, (x + y) as f64);
            all += tiles * ((fma / 2.0).max(loads / 2.0) + 0.05 * loads);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_sums_are_in_flight() {
        assert_eq!(vectors(&[], 4), 4);
        assert_eq!(vectors(&[("i".into(), 4), ("o".into(), 3)], 4), 1);
        assert_eq!(vectors(&[("o".into(), 3)], 4), 3);
    }

    #[test]
    fn more_points_share_more() {
        assert!(cost(12, 4, 3, 3) < cost(12, 1, 3, 3));
        assert!(cost(12, 4, 3, 3) < cost(12, 4, 3, 1));
    }
}
