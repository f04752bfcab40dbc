//! The schedule of a convolution in the transformed domain: the transform of the data and the products are attached to
//! the stage that stores the result, per block of tiles.
//!
//! Holds afterwards: what lives between the transforms fills about a third of the second-level cache. Does NOT decide
//! whether to transform, nor change a definition.

use super::{TAPS, Winograd};
use crate::from_kernel::{Machine, all_ranges};
use crate::kernel::expr::def_loads;
use crate::kernel::plan::Nest;
use crate::kernel::schedule::stage;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{At, Axis, DefId, Kernel, Lanes, Loop, Schedule, Src, Stage};

/// The schedule of a rewritten kernel.
pub fn schedule(kernel: &mut Kernel, w: &Winograd, machine: Machine) -> Option<()> {
    let ranges = all_ranges(kernel);
    let find = |name: &str| kernel.defs.iter().find(|(_, d)| d.name == name).map(|(id, _)| id);
    let (data, v, m) = (find(&w.data)?, find(&w.transformed)?, find(&w.products)?);
    let last = *kernel.outputs.first()?;
    let result = find(&w.result)?;
    let acc = if last == result {
        def_loads(&kernel.defs[last]).iter().find_map(|s| if let Src::Def(d) = s.src { Some(d) } else { None })?
    } else {
        result
    };
    let nest = |def: DefId| Nest { def, acc: None };

    let products = stage(kernel, &ranges, machine, &nest(m), None, 0);
    let lanes = products.vector.clone()?;
    let panel = products.tile(&lanes.axis);
    let [rows, columns] = block(machine, w, i64::from(panel));
    let axes = &kernel.defs[last].axes;
    let [row, column, channel] = &axes[axes.len() - 3..] else { return None };
    let mut loops: Vec<Loop> = axes[..axes.len() - 3].iter().map(|a| Loop::new(&a.var, 1)).collect();
    loops.extend([Loop::new(&row.var, (w.m * rows) as u32), Loop::new(&column.var, (w.m * columns) as u32)]);
    let outside = loops.len() as u32;
    loops.extend([
        Loop::new(&channel.var, panel),
        Loop::guarded(&row.var, w.m as u32),
        Loop::guarded(&column.var, w.m as u32),
        Loop::new(&channel.var, u32::from(lanes.lanes)),
    ]);
    let at = |depth: u32| Some(At { owner: last, depth, rolls: false });
    let copy = stage(kernel, &ranges, machine, &nest(data), None, 0);
    let vector = |l: &Axis| Some(Lanes { axis: l.var.clone(), lanes: lanes.lanes });
    let stages = vec![
        copy,
        transform_stage(kernel, v, at(outside)?, lanes.lanes)?,
        Stage { at: at(outside + 1), parallel: false, ..products_order(products, kernel, m) },
        Stage { def: last, acc: Some(acc), at: None, parallel: true, loops, over: vec![], vector: vector(channel) },
    ];
    kernel.schedule = Schedule { stages };
    Some(())
}

/// The products: one point of the transformed domain after the other.
fn products_order(mut s: Stage, kernel: &Kernel, m: DefId) -> Stage {
    let first: Vec<Symbol> = kernel.defs[m].axes[..2].iter().map(|a| a.var.clone()).collect();
    // Panels change outside of rows only if the chooser has put them there; here a call has one panel anyway.
    s.loops.sort_by_key(|l| !first.contains(&l.axis));
    s
}

/// All points of one tile at once, for the channels of one vector.
fn transform_stage(kernel: &Kernel, v: DefId, at: At, lanes: u16) -> Option<Stage> {
    let axes = &kernel.defs[v].axes;
    let n = axes[0].extent.as_int()? as u32;
    let mut loops: Vec<Loop> = axes[2..].iter().map(|a| Loop::new(&a.var, 1)).collect();
    loops.last_mut()?.block = u32::from(lanes);
    loops.extend([Loop::new(&axes[0].var, n), Loop::new(&axes[1].var, n)]);
    let vector = Some(Lanes { axis: axes.last()?.var.clone(), lanes });
    Some(Stage { def: v, acc: None, at: Some(at), parallel: false, loops, over: vec![], vector })
}

/// Rows and columns of tiles of a block: what is kept of them between the transforms fills a third of the cache.
fn block(machine: Machine, w: &Winograd, panel: i64) -> [i64; 2] {
    let points = (w.m + TAPS - 1) * (w.m + TAPS - 1);
    let most = (i64::from(machine.l2_bytes) / 3 / (4 * points * (w.channels[0] + panel))).max(8);
    // Blocks that are as equal as can be.
    let ceil = |a: i64, b: i64| (a + b - 1) / b;
    let equal = |n: i64, most: i64| ceil(n, ceil(n, most));
    match [w.tiles[0].as_int(), w.tiles[1].as_int()] {
        [Some(rows), Some(columns)] if columns <= most => [equal(rows, (most / columns).clamp(1, rows)), columns],
        [_, Some(columns)] if columns > most => [1, equal(columns, most)],
        [_, Some(columns)] => [(most / columns).max(1), columns],
        _ => [1, most.min(16)],
    }
}
