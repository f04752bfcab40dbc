//! The schedule of a convolution in the transformed domain: the transform of the data and the products are attached to
//! the stage that stores the result, per block of tiles. Where the result feeds another reduction alone, that one is
//! the owner, and the result is attached to it as well.
//!
//! Holds afterwards: what lives between the transforms fills about a third of the second-level cache. Does NOT decide
//! whether to transform, nor change a definition.

use super::{TAPS, Winograd};
use crate::from_kernel::{Machine, all_ranges};
use crate::kernel::chain;
use crate::kernel::plan::Nest;
use crate::kernel::schedule::stage;
use onnxc_base::Ranges;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{At, Axis, DefId, Kernel, Lanes, Loop, Schedule, Stage};

/// Tiles in a row of a block where it isn't known how many there are.
const TYPICAL: i64 = 12;

/// The schedule of a rewritten kernel.
pub fn schedule(kernel: &mut Kernel, w: &Winograd, machine: Machine) -> Option<()> {
    let ranges = all_ranges(kernel);
    let find = |name: &String| kernel.defs.iter().find(|(_, d)| d.name == *name).map(|(id, _)| id);
    let (v, m, sum, stored) = (find(&w.transformed)?, find(&w.products)?, find(&w.sum)?, find(&w.stored)?);
    let last = *kernel.outputs.first()?;
    let nest = |def: DefId| Nest { def, acc: None };

    let products = stage(kernel, &ranges, machine, &nest(m), None, 0);
    let lanes = products.vector.clone()?;
    let panel = products.tile(&lanes.axis);
    let result = result_stage(kernel, w, (sum, stored), lanes.lanes, panel)?;
    let mut stages = vec![];
    if let Some(copy) = &w.copy {
        stages.push(stage(kernel, &ranges, machine, &nest(find(copy)?), None, 0));
    }
    let outside = kernel.defs[stored].axes.len() - 1;
    let at = |depth: usize| Some(At { owner: last, depth: depth as u32, rolls: false });
    let lanes_in = if w.wide { lanes.lanes } else { 1 };
    stages.push(transform_stage(kernel, v, at(outside)?, lanes_in)?);
    let mut products = products_order(products, kernel, m);
    // The next point's weights follow this one's.
    products.ahead = products.ahead.and(Some(kernel.defs[m].axes[1].var.clone()));
    if stored == last {
        let [rows, columns] = block(machine, w, i64::from(panel), 0);
        stages.push(Stage { at: at(outside + 1), parallel: false, ..products });
        stages.push(blocked(result, outside, [rows, columns].map(|n| n * w.m)));
    } else {
        let channels = kernel.defs[stored].axes.last()?.extent.as_int()?;
        let sizes = block(machine, w, channels, channels).map(|n| n * w.m);
        stages.push(Stage { at: at(outside), parallel: false, ..products });
        // One panel after the other only pays if what it needs is made for it.
        let inner = Stage { loops: without_panels(&result.loops), ..result };
        stages.push(Stage { at: at(outside), parallel: false, ..inner });
        stages.push(owner(kernel, &ranges, machine, stored, sizes)?);
    }
    kernel.schedule = Schedule { stages };
    Some(())
}

/// The result, one tile at a time: a loop over panels of channels outside.
fn result_stage(kernel: &Kernel, w: &Winograd, (sum, stored): (DefId, DefId), lanes: u16, panel: u32) -> Option<Stage> {
    let axes = &kernel.defs[stored].axes;
    let (outer, [row, column, channel]) = axes.split_at(axes.len() - 3) else { return None };
    let mut loops: Vec<Loop> = outer.iter().map(|a| Loop::new(&a.var, 1)).collect();
    loops.extend([
        Loop::new(&channel.var, panel),
        Loop::guarded(&row.var, w.m as u32),
        Loop::guarded(&column.var, w.m as u32),
        Loop::new(&channel.var, u32::from(lanes)),
    ]);
    let vector = Some(Lanes { axis: channel.var.clone(), lanes });
    Some(Stage {
        def: stored,
        acc: Some(sum),
        at: None,
        parallel: true,
        loops,
        over: vec![],
        vector,
        ahead: None,
        dots: None,
    })
}

/// A stage per block of rows and columns; their loops come after those of the axes outside of them.
fn blocked(mut s: Stage, outside: usize, [rows, columns]: [i64; 2]) -> Stage {
    let of = |n: usize, s: &Stage| s.loops[outside - 1 + n].axis.clone();
    let (row, column) = (of(0, &s), of(1, &s));
    s.loops.splice(outside - 2..outside - 2, [Loop::new(&row, rows as u32), Loop::new(&column, columns as u32)]);
    s
}

/// The loops but for those of an axis that has another inside.
fn without_panels(loops: &[Loop]) -> Vec<Loop> {
    let last = |i: usize| loops[i + 1..].iter().all(|l| l.axis != loops[i].axis);
    loops.iter().enumerate().filter(|(i, _)| last(*i)).map(|(_, l)| l.clone()).collect()
}

/// The reduction that the result feeds, per block of rows and columns.
fn owner(kernel: &Kernel, ranges: &Ranges, machine: Machine, feeds: DefId, sizes: [i64; 2]) -> Option<Stage> {
    let nest = chain::fed(kernel, feeds)?;
    Some(chain::blocked(kernel, stage(kernel, ranges, machine, &nest, None, 0), sizes))
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
    let across = |a: &Axis| Lanes { axis: a.var.clone(), lanes };
    let vector = axes.last().filter(|_| lanes > 1).map(across);
    Some(Stage {
        def: v,
        acc: None,
        at: Some(at),
        parallel: false,
        loops,
        over: vec![],
        vector,
        ahead: None,
        dots: None,
    })
}

/// Rows and columns of tiles of a block: what is kept of them between the transforms fills a third of the cache. `kept`
/// are the channels of the result if that is kept as well.
fn block(machine: Machine, w: &Winograd, panel: i64, kept: i64) -> [i64; 2] {
    let points = (w.m + TAPS - 1) * (w.m + TAPS - 1);
    let bytes = |rows: i64, columns: i64| {
        let data = (rows + w.parts[0] - 1) * (columns + w.parts[1] - 1) * points * w.inputs;
        4 * (data + rows * columns * (points * panel + w.m * w.m * kept))
    };
    let most = i64::from(machine.l2_bytes) / 3;
    // At least as many as fill a register tile.
    let fits = |rows: i64, columns: i64| rows * columns <= 8 || bytes(rows, columns) <= most;
    // Blocks that are as equal as can be.
    let ceil = |a: i64, b: i64| (a + b - 1) / b;
    let equal = |n: i64, most: i64| ceil(n, ceil(n, most.max(1)));
    let most_of = |n: i64, fits: &dyn Fn(i64) -> bool| (1..=n).take_while(|k| fits(*k)).last().unwrap_or(1);
    match [w.tiles[0].as_int(), w.tiles[1].as_int()] {
        [rows, Some(columns)] => {
            let wide = equal(columns, most_of(columns, &|k| fits(1, k)));
            let rows = rows.unwrap_or(TYPICAL);
            let high = if wide == columns { most_of(rows, &|k| fits(k, columns)) } else { 1 };
            [equal(rows, high), wide]
        }
        _ => [1, most_of(TYPICAL, &|k| fits(1, k))],
    }
}
