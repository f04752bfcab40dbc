//! The schedule of a convolution in the transformed domain: the transform of the data and the products are attached to
//! the stage that stores the result, per block of tiles, or each comes before it for all tiles ([`super::traffic`] says
//! which). Where the result feeds another reduction alone, that one is the owner, and the result is attached to it as well.
//!
//! Holds afterwards: what lives between the transforms of a block fills about a third of the second-level cache. Does NOT
//! decide whether to transform, nor change a definition.

use super::Winograd;
use super::traffic::Cut;
use crate::from_kernel::{Machine, all_ranges, ring_dim};
use crate::kernel::chain;
use crate::kernel::plan::Nest;
use crate::kernel::schedule::{stage, stage_in_blocks};
use onnxc_base::Ranges;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{At, DefId, Kernel, Lanes, Loop, Schedule, Stage};

/// The schedule of a rewritten kernel.
pub fn schedule(kernel: &mut Kernel, w: &Winograd, machine: Machine) -> Option<()> {
    let ranges = all_ranges(kernel);
    let find = |name: &String| kernel.defs.iter().find(|(_, d)| d.name == *name).map(|(id, _)| id);
    let (v, m, sum, stored) = (find(&w.transformed)?, find(&w.products)?, find(&w.sum)?, find(&w.stored)?);
    let last = *kernel.outputs.first()?;
    let nest = |def: DefId| Nest { def, acc: None };

    let products = stage_in_blocks(kernel, &ranges, machine, &nest(m), &w.blocks());
    let lanes = products.vector.clone()?;
    let panel = products.tile(&lanes.axis);
    let result = result_stage(kernel, w, (sum, stored), lanes.lanes, panel)?;
    let mut stages = vec![];
    if let Some(copy) = &w.copy {
        stages.push(stage(kernel, &ranges, machine, &nest(find(copy)?), None, 0));
    }
    let outside = kernel.defs[stored].axes.len() - 1;
    let at = |depth: usize| Some(At { owner: last, depth: depth as u32, rolls: false });
    let products = products_order(products, kernel, m);
    if let Cut::Blocks(sizes) = w.cut {
        let each = w.form.m();
        let sizes = [0, 1].map(|t| sizes[t] * each[t]);
        stages.push(transform_stage(kernel, v, at(outside), lanes.lanes)?);
        // The next point's weights follow this one's.
        let ahead = products.ahead.as_ref().map(|_| kernel.defs[m].axes[1].var.clone());
        // Products of all channels at once where they aren't in panels.
        let inside = outside + usize::from(stored == last && !w.planar);
        stages.push(Stage { at: at(inside), parallel: false, ahead, ..products });
        if stored == last {
            stages.push(blocked(kernel, result, outside, sizes));
        } else {
            // One panel after the other only pays if what it needs is made for it.
            let loops = without_panels(&result.loops);
            stages.push(Stage { at: at(outside), parallel: false, loops, ..result });
            stages.push(owner(kernel, &ranges, machine, stored, sizes)?);
        }
    } else {
        stages.push(transform_stage(kernel, v, None, lanes.lanes)?);
        stages.push(products);
        stages.push(Stage { loops: without_panels(&result.loops), ..result });
    }
    kernel.schedule = Schedule { stages };
    if w.slices && stored == last && w.cut != Cut::Whole {
        slices_innermost(kernel, v, outside, machine);
    }
    Some(())
}

/// The result, one tile at a time: a loop over panels of channels outside, or where lanes are columns, over channels.
fn result_stage(kernel: &Kernel, w: &Winograd, (sum, stored): (DefId, DefId), lanes: u16, panel: u32) -> Option<Stage> {
    let axes = &kernel.defs[stored].axes;
    let (outer, [first, second, across]) = axes.split_at(axes.len() - 3) else { return None };
    let [m, columns] = w.form.m().map(|m| m as u32);
    let mut loops: Vec<Loop> = outer.iter().map(|a| Loop::new(&a.var, 1)).collect();
    loops.extend(match w.planar {
        true => [Loop::new(&first.var, 1), Loop::guarded(&second.var, m)].to_vec(),
        false => {
            [Loop::new(&across.var, panel), Loop::guarded(&first.var, m), Loop::guarded(&second.var, columns)].to_vec()
        }
    });
    loops.push(Loop::new(&across.var, u32::from(lanes)));
    let vector = Some(Lanes { axis: across.var.clone(), lanes });
    Some(Stage {
        def: stored,
        acc: Some(sum),
        at: None,
        parallel: true,
        loops,
        over: vec![],
        vector,
        few: vec![],
        ahead: None,
        fused: true,
        dots: None,
    })
}

/// A stage per block of rows and columns; their loops come after those of the axes outside of them.
fn blocked(kernel: &Kernel, mut s: Stage, outside: usize, sizes: [i64; 2]) -> Stage {
    let axes = &kernel.defs[s.def].axes;
    let of = |n: usize| axes.iter().find(|a| a.var == s.loops[outside - 1 + n].axis);
    let blocks: Vec<Loop> = (0..2).filter_map(|n| Some(Loop::blocks(of(n)?, sizes[n] as u32))).collect();
    s.loops.splice(outside - 2..outside - 2, blocks);
    s
}

/// Goes slice by slice inside of each block if neighbours share most of what is transformed for them, so that each slice is
/// transformed once; not where threads would have no blocks to share.
fn slices_innermost(kernel: &mut Kernel, v: DefId, outside: usize, machine: Machine) {
    let before = kernel.schedule.clone();
    let Some((owner, attached)) = kernel.schedule.stages.split_last_mut() else { return };
    let slices = owner.loops.remove(outside - 3);
    owner.loops.insert(outside - 1, slices);
    for at in attached.iter_mut().filter(|s| s.def == v).filter_map(|s| s.at.as_mut()) {
        at.rolls = true;
    }
    let axes = &kernel.defs[owner.def].axes;
    let blocks = owner.loops[..outside - 1].iter().map(|l| {
        let points = axes.iter().find(|a| a.var == l.axis).map_or(1, |a| kernel.ranges.estimate(&a.extent));
        (points / i64::from(l.block)).max(1)
    });
    let shared = blocks.product::<i64>() >= i64::from(machine.threads);
    let owner = owner.clone();
    if !shared || ring_dim(kernel, v, &owner, outside).is_none() {
        kernel.schedule = before;
    }
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

/// All points of one tile at once, or of neighbours along the innermost axis, as many as a vector has lanes.
fn transform_stage(kernel: &Kernel, v: DefId, at: Option<At>, mut lanes: u16) -> Option<Stage> {
    let axes = &kernel.defs[v].axes;
    let across = axes.last()?;
    while lanes > 1 && across.extent.as_int().is_some_and(|n| n <= i64::from(lanes / 2)) {
        lanes /= 2;
    }
    let mut loops: Vec<Loop> = axes[2..axes.len() - 1].iter().map(|a| Loop::new(&a.var, 1)).collect();
    loops.push(Loop::even(&across.var, u32::from(lanes)));
    for point in &axes[..2] {
        loops.push(Loop::new(&point.var, point.extent.as_int()? as u32));
    }
    let vector = (lanes > 1).then(|| Lanes { axis: across.var.clone(), lanes });
    Some(Stage {
        def: v,
        acc: None,
        parallel: at.is_none(),
        at,
        loops,
        over: vec![],
        vector,
        few: vec![],
        ahead: None,
        fused: true,
        dots: None,
    })
}
