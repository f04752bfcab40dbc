//! Blocks of columns for windows whose rows don't stay in the second-level cache.
//!
//! Neighbouring rows of an output read mostly the same rows of the data. Where all columns of a window's rows are more than
//! the cache holds, each row would come from memory once for every row of the window. So a loop over blocks of columns goes
//! outside of the rows: what a block reads of a window stays.
//!
//! Does NOT change the tile; constants must be small, as every block reads them again.

use super::expr::{Site, loads};
use super::lanes;
use super::pack::is_const;
use super::plan::Nest;
use super::schedule::weights_bytes;
use crate::from_kernel::{Machine, reduction_axes};
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{Axis, Kernel, Loop};

/// The fewest tiles of a block: a block reads the columns around it again.
const FEWEST: i64 = 4;

/// Puts a loop over blocks of columns before the loop over the rows, if that keeps windows in the cache.
pub fn block(kernel: &Kernel, machine: Machine, nest: &Nest, loops: &mut Vec<Loop>) {
    let l2 = i64::from(machine.l2_bytes);
    let Some(r) = nest.reduction(kernel).filter(|_| !machine.memory.scarce) else { return };
    if weights_bytes(kernel, nest) > l2 / 4 {
        return;
    }
    let sites = loads(kernel.defs[r].value());
    for site in sites.iter().filter(|s| !is_const(kernel, s.src)) {
        let Some((row, bytes)) = rows(kernel, nest, site) else { continue };
        let Some(at) = loops.iter().position(|l| l.axis == row).filter(|_| bytes > l2 / 2) else { continue };
        let inside = |l: &&Loop| l.axis != row && once(loops, &l.axis) && moves(kernel, nest, site, &l.axis);
        let Some(l) = loops[at..].iter().filter(inside).max_by_key(|l| extent(kernel, nest, &l.axis)) else { continue };
        let (Some(n), tile) = (extent(kernel, nest, &l.axis), i64::from(l.block)) else { continue };
        if let Some(size) = size(n, tile, n * (l2 / 4) / bytes) {
            let l = Loop::new(&l.axis, size as u32);
            loops.insert(at, l);
            return;
        }
    }
}

fn once(loops: &[Loop], axis: &Symbol) -> bool {
    loops.iter().filter(|l| l.axis == *axis).count() == 1
}

fn extent(kernel: &Kernel, nest: &Nest, axis: &Symbol) -> Option<i64> {
    kernel.defs[nest.def].axes.iter().find(|a| a.var == *axis)?.extent.as_int()
}

/// True if what a load reads moves along an axis.
fn moves(kernel: &Kernel, nest: &Nest, site: &Site, axis: &Symbol) -> bool {
    lanes::own_axis(kernel, nest, axis).is_some_and(|v| site.index.iter().flatten().any(|i| i.contains(&v)))
}

/// The outermost axis along which the windows of a load overlap, and the bytes of all that a window's rows hold.
fn rows(kernel: &Kernel, nest: &Nest, site: &Site) -> Option<(Symbol, i64)> {
    let shape: Vec<i64> = kernel.src_shape(site.src).iter().map(Sym::as_int).collect::<Option<_>>()?;
    let all: i64 = shape.iter().product::<i64>() * kernel.src_dtype(site.src).size() as i64;
    let over = reduction_axes(&kernel.defs[nest.reduction(kernel)?]);
    let window = |a: &Axis| {
        let v = lanes::own_axis(kernel, nest, &a.var)?;
        let dim = site.index.iter().position(|i| i.as_ref().is_some_and(|i| i.contains(&v)))?;
        let (step, rest) = site.index[dim].as_ref()?.split_linear(&v)?;
        let tap = over.iter().find(|t| rest.contains(&t.var))?;
        let (dilation, _) = rest.split_linear(&tap.var)?;
        let reach = (tap.extent.as_int()? - 1) * dilation.as_int()? + 1;
        (step.as_int()? < reach).then(|| (a.var.clone(), all / shape[dim].max(1) * reach))
    };
    kernel.defs[nest.def].axes.iter().find_map(window)
}

/// Points of a block, in whole tiles and at most so many; none if that is too few. Blocks that divide the axis are better.
pub(super) fn size(n: i64, tile: i64, most: i64) -> Option<i64> {
    let most = most / tile * tile;
    if most < FEWEST * tile || n <= most {
        return None;
    }
    let fewest = (n + most - 1) / most;
    let equal = (fewest..2 * fewest).find(|k| n % (k * tile) == 0).map(|k| n / k);
    Some(equal.unwrap_or(((n + fewest - 1) / fewest + tile - 1) / tile * tile))
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn blocks_are_whole_tiles() {
        assert_eq!(size(768, 4, 199), Some(192));
        assert_eq!(size(770, 4, 199), Some(196), "nothing divides");
        assert_eq!(size(768, 64, 199), None, "too few tiles");
        assert_eq!(size(100, 4, 199), None, "all of it fits");
    }
}
