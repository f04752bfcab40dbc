//! A stage whose lanes run along a reduction axis: sums, maxima and dot products over contiguous rows.
//!
//! Each output point has several vector accumulators; they are combined as a balanced tree at the end, then their
//! lanes. Lanes beyond the extent contribute the identity.

use super::eval::{Eval, Lane, Memo};
use super::stage::Tile;
use super::{Cx, Env};
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{Axis, Body, DefId, Expr, Stage};
use onnxc_ir::loops::{LoopKind, Op, Ty, Value, Var};
use onnxc_ir::scalar::ReduceOp;

/// The reduction of a row stage.
struct Row<'a> {
    stage: &'a Stage,
    reduced: DefId,
    op: ReduceOp,
    value: &'a Expr,
    lane: Lane,
    axis: Axis,
    env: Env,
    var: Var,
    vectors: u32,
}

impl<'k> Cx<'k> {
    /// Lowers a stage with lanes along a reduction axis.
    pub(super) fn row_stage(&mut self, stage: &Stage, shared: usize) -> Result<(), Diagnostic> {
        let def = &self.kernel.defs[stage.def];
        let axes = self.ordered_axes(stage, def, shared)?;
        let loops: Vec<_> = axes
            .into_iter()
            .enumerate()
            .map(|(i, a)| {
                let parallel = i == 0 && self.kernel.schedule.parallel && self.kernel.schedule.shared == 0;
                (a, if parallel { LoopKind::Parallel } else { LoopKind::Serial }, vec![])
            })
            .collect();
        self.nest(&loops, &mut |cx| cx.row_point(stage))
    }

    /// One output point.
    fn row_point(&mut self, stage: &Stage) -> Result<(), Diagnostic> {
        let reduced = stage.acc.unwrap_or(stage.def);
        let def = &self.kernel.defs[reduced];
        let (Body::Reduce { op, axes, init, value }, Some(lanes)) = (&def.body, &stage.vector) else {
            return Err(self.error("lanes along a reduction axis need a reduction"));
        };
        let mut outer = self.reduction_order(stage, axes)?;
        let at =
            outer.iter().position(|a| a.var == lanes.axis).ok_or_else(|| self.error("the lane axis isn't known"))?;
        let axis = outer.remove(at);
        let var = self.f.var(Ty::vector(def.dtype, lanes.lanes), &[lanes.vectors], &def.name);
        let lane = Lane { axis: lanes.axis.clone(), lanes: lanes.lanes };
        let env = self.point_env(stage)?;
        let row = Row { stage, reduced, op: *op, value, lane, axis, env, var, vectors: lanes.vectors };
        for v in 0..row.vectors {
            let (i, start) = (self.f.int(i64::from(v)), self.f.scalar(op.identity(def.dtype)));
            self.f.set(var, &[i], start);
        }
        self.reduction_loops(stage, &outer, &mut |cx| cx.row_loops_along(&row))?;

        let sum = self.combine(&row);
        let result = self.f.var(Ty::scalar(def.dtype), &[1, 1], &def.name);
        let zero = self.f.int(0);
        let mut e = Eval::scalar(self);
        let total = match init {
            Some(init) => {
                let start = e.with_env(row.env.clone(), |e| e.expr(init))?;
                e.cx.f.binary(op.binary(), start, sum)
            }
            None => sum,
        };
        e.cx.f.set(result, &[zero, zero], total);
        e.acc = Some(super::eval::Acc { def: row.reduced, var: result, index: vec![zero, zero] });
        let stored = e.stage_value(stage.def)?;
        e.store(stage.def, stored)
    }

    /// The loops along the lane axis: whole tiles, single vectors, the masked rest.
    fn row_loops_along(&mut self, row: &Row) -> Result<(), Diagnostic> {
        let mut from = self.f.int(0);
        let lanes = i64::from(row.lane.lanes);
        let mut sizes = vec![row.vectors, 1];
        sizes.dedup();
        for v in sizes {
            let step = lanes * i64::from(v);
            let to = self.f.sym(&(row.axis.extent.floordiv(&Sym::int(step)) * step));
            if self.f.as_const(from) != self.f.as_const(to) || self.f.as_const(to).is_none() {
                self.row_loop(row, from, to, step, Tile { rows: 1, vectors: v, masked: false })?;
            }
            from = to;
        }
        let end = self.f.sym(&row.axis.extent);
        if self.f.as_const(from).is_some() && self.f.as_const(from) == self.f.as_const(end) {
            return Ok(());
        }
        self.row_loop(row, from, end, lanes, Tile { rows: 1, vectors: 1, masked: true })
    }

    fn row_loop(&mut self, row: &Row, lo: Value, hi: Value, step: i64, tile: Tile) -> Result<(), Diagnostic> {
        self.for_loop(row.axis.var.as_str(), lo, hi, step, LoopKind::Serial, |cx, i| {
            cx.f.bind(row.axis.var.clone(), i);
            let tail = if tile.masked {
                let end = cx.f.sym(&row.axis.extent);
                let left = cx.f.sub(end, i);
                Some(cx.prefix_mask(left, row.lane.lanes))
            } else {
                None
            };
            let mut memo = Memo::default();
            for point in tile.points() {
                let mut e = Eval::new(cx, Some(row.lane.clone()));
                e.memo = memo;
                e.at(row.stage, point, tile, tail);
                let index = vec![e.cx.f.int(i64::from(point.1))];
                let old = e.cx.f.get(row.var, &index);
                let mut next = e.with_env(row.env.clone(), |e| e.step(row.var, &index, row.op.binary(), row.value))?;
                if let Some(t) = tail {
                    next = e.cx.f.select(t, next, old);
                }
                e.cx.f.set(row.var, &index, next);
                memo = e.memo;
            }
            Ok(())
        })
    }

    /// All accumulators of a row as one scalar.
    fn combine(&mut self, row: &Row) -> Value {
        let mut parts: Vec<Value> = Vec::new();
        for v in 0..row.vectors {
            let i = self.f.int(i64::from(v));
            parts.push(self.f.get(row.var, &[i]));
        }
        while parts.len() > 1 {
            let half = parts.len().div_ceil(2);
            let upper = parts.split_off(half);
            for (p, u) in parts.iter_mut().zip(upper) {
                *p = self.f.binary(row.op.binary(), *p, u);
            }
        }
        let ty = Ty::scalar(self.f.ty(parts[0]).elem);
        self.f.op(ty, Op::Reduce(row.op, parts[0]))
    }
}
