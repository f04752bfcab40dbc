//! key parts: the second product of an attention sums over all keys. A panel of that many values is no matter for the cache
//! next to the core, and neither are the rows that meet it; so the sum goes part by part: all tiles of the block of rows
//! through one part of a panel, then through the next. What they give is added up where the result is stored.
//!
//! Only where the number of keys is known and has a divisor that fits. Does NOT choose the blocks of rows.

use super::attention::Second;
use super::expr::substitute;
use super::lanes;
use super::pack::insert_before;
use crate::from_kernel::reduction_axes;
use onnxc_base::sym::Symbol;
use onnxc_base::{EntityRef, Sym};
use onnxc_ir::kernel::build::int;
use onnxc_ir::kernel::{At, Axis, Body, Def, DefId, Expr, ExprKind, Kernel, Lanes, Loop, Schedule, Src, Stage};

/// The fewest keys of a part: a store and a load of a partial sum are little beside them.
const FEWEST: i64 = 128;
/// A part of a panel has at most so many bytes: half of the usual cache next to the core, and the rest is for rows.
const PART: i64 = 16 << 10;
/// Steps of the final sums that are written out.
const UNROLL: i64 = 4;

/// Cuts the second product of a scheduled attention, whose last stage it is.
pub(super) fn cut(kernel: &mut Kernel, schedule: &mut Schedule, s: &Second) -> Option<()> {
    let owner = schedule.stages.last().filter(|o| o.def == s.nest.def)?.clone();
    let lanes = owner.vector.clone()?;
    let over = reduction_axes(&kernel.defs[s.reduction]).first()?.clone();
    let (keys, width) = (over.extent.as_int()?, i64::from(owner.tile(&lanes.axis)));
    let step = width * kernel.defs[s.reduction].dtype.size() as i64;
    let parts = parts(keys, step)?;
    // The loops of the register tile are those after the ones over blocks of rows.
    let depth = schedule.attached(owner.def).filter_map(|s| s.at).map(|a| a.depth as usize).max()?;
    let (outside, inside) = owner.loops.split_at_checked(depth)?;
    let own = |a: &Symbol| lanes::own_axis(kernel, &s.nest, a).map(|v| fresh(&v, "point"));
    let moved = |l: &Loop| Some(Loop { axis: own(&l.axis)?, ..l.clone() });
    let rest: Vec<Loop> = outside.iter().filter(|l| inside.iter().all(|i| i.axis != l.axis)).cloned().collect();
    let mut loops = vec![Loop::new(&fresh(&over.var, "part"), 1)];
    loops.extend(rest.iter().chain(inside).map(moved).collect::<Option<Vec<_>>>()?);
    let vector = Some(Lanes { axis: own(&lanes.axis)?, ..lanes });
    let over_part = vec![Loop::new(&fresh(&over.var, "within"), owner.over.first()?.block)];
    let partial = partial(kernel, s, &over, parts)?;
    renumber(schedule, partial);
    let owner = schedule.stages.last_mut()?;
    let written = (1..=UNROLL).rev().find(|n| parts % n == 0).unwrap_or(1);
    owner.over = vec![Loop::new(&fresh(&over.var, "number"), written as u32)];
    let at = Some(At { owner: owner.def, depth: depth as u32, rolls: false });
    let stage = Stage {
        def: partial,
        acc: None,
        at,
        parallel: false,
        loops,
        over: over_part,
        vector,
        few: vec![],
        ahead: None,
        fused: false,
        dots: None,
    };
    schedule.stages.insert(schedule.stages.len() - 1, stage);
    Some(())
}

/// The fewest equal parts that fit, of so many bytes for each key.
fn parts(keys: i64, step: i64) -> Option<i64> {
    (2..=keys / FEWEST).find(|n| keys % n == 0 && keys / n * step <= PART).filter(|_| keys * step > PART)
}

fn fresh(v: &Symbol, what: &str) -> Symbol {
    Symbol::new(&format!("{v}_{what}"))
}

/// Makes a definition of the partial sums, `[part, ..axes of the sum]`, and of the sum that of the parts.
fn partial(kernel: &mut Kernel, s: &Second, over: &Axis, parts: i64) -> Option<DefId> {
    let def = kernel.defs[s.reduction].clone();
    let Body::Reduce { op, init, value, .. } = &def.body else { return None };
    let (part, within) = (fresh(&over.var, "part"), fresh(&over.var, "within"));
    let size = over.extent.as_int()? / parts;
    let renamed = |v: &Symbol| {
        if *v == over.var {
            return Some(Sym::var(part.clone()) * size + Sym::var(within.clone()));
        }
        def.axes.iter().any(|a| a.var == *v).then(|| Sym::var(fresh(v, "point")))
    };
    let points = def.axes.iter().map(|a| Axis { var: fresh(&a.var, "point"), extent: a.extent.clone() });
    let axes = [Axis { var: part.clone(), extent: Sym::int(parts) }].into_iter().chain(points).collect();
    let inner = vec![Axis { var: within.clone(), extent: Sym::int(size) }];
    let body = Body::Reduce { op: *op, axes: inner, init: None, value: substitute(value, &renamed) };
    let (partial, sum) =
        insert_before(kernel, s.reduction, Def { name: format!("{}_parts", def.name), dtype: def.dtype, axes, body });
    let number = fresh(&over.var, "number");
    let own = def.axes.iter().map(|a| Sym::var(a.var.clone()));
    let index = [Sym::var(number.clone())].into_iter().chain(own).map(int).collect();
    kernel.defs[sum].body = Body::Reduce {
        op: *op,
        axes: vec![Axis { var: number, extent: Sym::int(parts) }],
        init: init.clone(),
        value: Expr::new(ExprKind::Load { src: Src::Def(partial), index, pad: None }),
    };
    Some(partial)
}

/// Gives stages the numbers that definitions have with one more at `at`.
fn renumber(schedule: &mut Schedule, at: DefId) {
    let moved = |d: DefId| if d.index() >= at.index() { DefId::new(d.index() + 1) } else { d };
    for s in &mut schedule.stages {
        (s.def, s.acc) = (moved(s.def), s.acc.map(moved));
        s.at = s.at.map(|a| At { owner: moved(a.owner), ..a });
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_divide_and_fit() {
        assert_eq!(parts(1500, 64), Some(6));
        assert_eq!(parts(1024, 64), Some(4));
        assert_eq!(parts(197, 64), None, "all of it fits");
        assert_eq!(parts(1031, 64), None, "a prime");
    }
}
