//! How long a stage takes on one thread, roughly, and how many threads that is worth.
//!
//! Counted are operations and, where each is used once, loads; a core starts two vector operations a cycle. An estimate
//! within a factor of a few does: it only says whether a loop is long beside the fork and join around it. Does NOT know
//! of caches.

use super::expr::walk;
use crate::from_kernel::reduction_axes;
use onnxc_base::Sym;
use onnxc_ir::kernel::{Body, DefId, Expr, ExprKind, Kernel, Src, Stage};

/// Cycles of work that each thread must have: about 4 us. A fork and a join are a tenth of that; the rest is for what moves
/// from core to core, as the next stage reads what two of them have written.
const CYCLES_PER_THREAD: i64 = 15_000;
/// What a math function is, in operations: a polynomial.
const MATH: i64 = 20;
/// Definitions inside of each other that are looked into.
const DEPTH: u32 = 8;

/// The threads that a stage is worth, its attached stages included: below 2 it had better run alone.
pub fn worth(kernel: &Kernel, stage: &Stage) -> Sym {
    let attached = kernel.schedule.attached(stage.def);
    let all = attached.fold(cycles(kernel, stage), |n, s| n + cycles(kernel, s));
    all.floordiv(&Sym::int(CYCLES_PER_THREAD))
}

/// Cycles for all points of a stage's definition.
fn cycles(kernel: &Kernel, stage: &Stage) -> Sym {
    let lanes = stage.vector.as_ref().map_or(1, |l| i64::from(l.lanes));
    let quarters = [Some(stage.def), stage.acc].into_iter().flatten().fold(Sym::int(0), |n, d| n + quarters(kernel, d));
    quarters.floordiv(&Sym::int(4 * lanes))
}

/// Quarters of a cycle for all points of a definition, if they were computed one by one.
fn quarters(kernel: &Kernel, d: DefId) -> Sym {
    let def = &kernel.defs[d];
    let points = def.axes.iter().chain(reduction_axes(def)).fold(Sym::int(1), |n, a| &n * &a.extent);
    match &def.body {
        // Two operations are one multiply-add, and what is loaded is in registers mostly.
        Body::Reduce { value, .. } => points * (operations(kernel, value, false, DEPTH) + 1),
        Body::Map(value) => points * (2 * operations(kernel, value, true, DEPTH) + 2),
    }
}

/// Operations of an expression and of the definitions that are computed within it.
fn operations(kernel: &Kernel, e: &Expr, loads: bool, depth: u32) -> i64 {
    let mut count = 0;
    walk(e, &mut |e| {
        count += match e.kind() {
            ExprKind::Const(_) | ExprKind::Int(_) => 0,
            ExprKind::Load { src: Src::Def(d), .. } if depth > 0 && kernel.schedule.stage_of(*d).is_none() => {
                let def = &kernel.defs[*d];
                let times = reduction_axes(def).iter().filter_map(|a| a.extent.as_int()).product::<i64>();
                let accumulated = kernel.schedule.stages.iter().any(|s| s.acc == Some(*d));
                if accumulated { 0 } else { times.saturating_mul(operations(kernel, def.value(), loads, depth - 1)) }
            }
            ExprKind::Load { .. } => i64::from(loads),
            ExprKind::Unary(op, _) if op.is_math() => MATH,
            _ => 1,
        }
    });
    count
}
