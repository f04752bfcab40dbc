//! Bands of rows for products whose data doesn't stay in the second-level cache.
//!
//! Where constants are larger than the cache, each panel of them meets all rows of the data before the next one does
//! (see [`super::schedule`]), so all data passes once for each panel. If the data is larger than the cache, too, both come
//! from beyond it. So a loop over bands of rows goes outside of the panels: the rows of a band stay, and the panels
//! pass once for each band. They are fetched ahead, which data that lies in rows can't be.
//!
//! Does NOT apply where a band would be so short that the panels pass more often than the data did.

use super::columns;
use super::expr::{Site, loads};
use super::lanes;
use super::pack::is_const;
use super::plan::Nest;
use super::schedule::{PASSES, weights_bytes};
use crate::from_kernel::{Machine, reduction_axes};
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{Kernel, Loop, Stage};

/// The fewest tiles of a band: so many use a panel while the next one is fetched.
const FEWEST: i64 = 8;
/// Bands must move at most this share of what they save.
const GAIN: i64 = 2;
/// Data of fewer second-level caches mostly stays there, or is read ahead by the processor.
const LARGE: i64 = 2;

/// Puts a loop over bands of rows before the loop over the panels, if that keeps the data in the cache.
pub fn band(kernel: &Kernel, machine: Machine, nest: &Nest, stage: &mut Stage) {
    if machine.memory.scarce {
        return;
    }
    if let Some((at, l, tiles)) = find(kernel, machine, nest, stage) {
        stage.loops.insert(at, l);
        stage.ahead = stage.vector.as_ref().filter(|_| tiles <= PASSES).map(|l| l.axis.clone());
    }
}

/// Where to insert which loop, and how many tiles of a band use a panel.
fn find(kernel: &Kernel, machine: Machine, nest: &Nest, stage: &Stage) -> Option<(usize, Loop, i64)> {
    let r = nest.reduction(kernel).filter(|r| kernel.defs[*r].dtype.is_float())?;
    let (l2, weights) = (i64::from(machine.l2_bytes), weights_bytes(kernel, nest));
    let lane = &stage.vector.as_ref()?.axis;
    let panels = stage.loops.iter().position(|l| l.axis == *lane).filter(|_| weights > l2 / 2)?;
    let sites = loads(kernel.defs[r].value());
    let (constants, data): (Vec<&Site>, Vec<&Site>) = sites.iter().partition(|s| is_const(kernel, s.src));
    let ([constant], [data]) = (&constants[..], &data[..]) else { return None };
    let rows = stage.loops.get(panels + 1).filter(|l| moves(kernel, nest, data, &l.axis))?;
    if moves(kernel, nest, constant, &rows.axis) || moves(kernel, nest, data, lane) {
        return None;
    }
    let bytes = passing(kernel, nest, data, &stage.loops[panels + 1..]).filter(|b| *b > LARGE * l2)?;
    let extent = |l: &Loop| kernel.defs[nest.def].axes.iter().find(|a| a.var == l.axis)?.extent.as_int();
    let tiles = |l: &Loop| Some((extent(l)? + i64::from(l.block) - 1) / i64::from(l.block));
    let inside = stage.loops[panels + 2..].iter().map(tiles).try_fold(1, |n, t| Some(n * t?))?;
    let (n, tile) = (extent(rows)?, i64::from(rows.block));
    let size = columns::size(n, tile, l2 * 3 / 4 / (bytes / n).max(1))?;
    let (bands, passes) = ((n + size - 1) / size, tiles(&stage.loops[panels])?);
    let uses = size / tile * inside;
    let pays = uses >= FEWEST && GAIN * (bands - 1) * weights <= (passes - 1) * bytes;
    pays.then(|| (panels, Loop::new(&rows.axis, size as u32), uses))
}

/// True if what a load reads moves along an axis.
fn moves(kernel: &Kernel, nest: &Nest, site: &Site, axis: &Symbol) -> bool {
    lanes::own_axis(kernel, nest, axis).is_some_and(|v| site.index.iter().flatten().any(|i| i.contains(&v)))
}

/// Bytes of the data that some loops and the reduction read, at one place of the loops outside of them.
fn passing(kernel: &Kernel, nest: &Nest, site: &Site, loops: &[Loop]) -> Option<i64> {
    let r = nest.reduction(kernel)?;
    let own = loops.iter().filter_map(|l| lanes::own_axis(kernel, nest, &l.axis));
    let vars: Vec<Symbol> = own.chain(reduction_axes(&kernel.defs[r]).iter().map(|a| a.var.clone())).collect();
    let of = |(i, extent): (&Option<Sym>, Sym)| {
        let read = i.as_ref()?;
        if vars.iter().any(|v| read.contains(v)) { extent.as_int() } else { Some(1) }
    };
    let elements = site.index.iter().zip(kernel.src_shape(site.src)).map(of).try_fold(1, |n, e| Some(n * e?))?;
    Some(elements * kernel.src_dtype(site.src).size() as i64)
}

#[cfg(test)]
mod tests {
    use crate::from_kernel::Machine;
    use crate::kernel::optimise;
    use crate::kernel::tests::{agree, dims, numbers, syms};
    use onnxc_base::DType;
    use onnxc_ir::kernel::build::load;
    use onnxc_ir::kernel::{Kernel, KernelBuilder, ReduceOp};

    fn product(rows: i64, over: i64, columns: i64) -> Kernel {
        let mut b = KernelBuilder::new("product", dims(&[]));
        let [m, k, n] = [rows, over, columns].map(|n| n.to_string());
        let x = b.param("x", DType::F32, syms(&[&m, &k]), None);
        let w = b.param("w", DType::F32, syms(&[&k, &n]), Some(numbers(&[over as usize, columns as usize])));
        let c = b.reduce("c", DType::F32, &syms(&[&m, &n]), ReduceOp::Add, &syms(&[&k]), None, |_, i, r| {
            load(x, &[i[0].clone(), r[0].clone()]) * load(w, &[r[0].clone(), i[1].clone()])
        });
        b.output(c);
        b.kernel
    }

    /// The blocks of the loops over the rows, outermost first.
    fn blocks(rows: i64, over: i64, columns: i64) -> Vec<u32> {
        let mut k = product(rows, over, columns);
        optimise(&mut k, Machine { l2_bytes: 1 << 15, ..Machine::USUAL }).expect("constants evaluate");
        let stage = k.schedule.stages.last().expect("a product");
        let row = &k.defs[stage.def].axes[0].var;
        stage.loops.iter().filter(|l| l.axis == *row).map(|l| l.block).collect()
    }

    #[test]
    fn rows_that_the_cache_cannot_hold_go_in_bands() {
        assert_eq!(blocks(512, 64, 192), [64, 4], "a third of what fits divides");
        assert_eq!(blocks(64, 64, 192), [4], "all rows fit");
        assert_eq!(blocks(512, 64, 48), [4], "the constants fit");
        assert_eq!(blocks(512, 1024, 192), [4], "a band of a few rows would read the constants again and again");
    }

    #[test]
    fn bands_change_no_sum() {
        for rows in [256, 301] {
            agree(product(rows, 64, 192), &[], &[numbers(&[rows as usize, 64])]);
        }
    }
}
