//! The tile of a copy that changes the order of memory: as many rows as lanes, so that vectors along the rows can be
//! loaded and transposed in registers (`from_kernel/transpose.rs`) instead of being gathered.
//!
//! Only for maps: what a reduction reads is packed.

use super::expr::{def_loads, offset};
use super::lanes::{self, Access};
use super::plan::Nest;
use onnxc_base::Ranges;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{Axis, Kernel};

/// The least extent of the rows: below it, gathers are as good.
const LEAST: i64 = 4;
/// The most rows.
const MOST: u16 = 64;

/// The axis along which a load that gathers across lanes goes element by element, and the most rows of a tile along it: a
/// power of two.
pub fn rows(kernel: &Kernel, ranges: &Ranges, nest: &Nest, own: &[Axis], lane: &Symbol) -> Option<(Symbol, u16)> {
    let gathers = def_loads(&kernel.defs[nest.def]).into_iter().filter(|s| {
        s.index.iter().all(Option::is_some)
            && offset(kernel, s).contains(lane)
            && lanes::access(kernel, ranges, s, lane) == Access::Gather
    });
    gathers.into_iter().find_map(|s| {
        let beside = |a: &&Axis| {
            a.var != *lane && lanes::wide(a, LEAST) && lanes::access(kernel, ranges, &s, &a.var) == Access::Unit
        };
        let most = |a: &Axis| a.extent.as_int().map_or(MOST, |n| n.min(i64::from(MOST)) as u16);
        own.iter().rev().find(beside).map(|a| (a.var.clone(), 1 << most(a).ilog2()))
    })
}
