//! One stage: loops over its output axes, and in the innermost place a register tile.
//!
//! The lane axis advances by whole tiles of vectors, then by what is left; the last vector may be partly masked. The
//! rows axis advances by tiles of rows, then by what is left. An extent known at compile time gives exactly the loops
//! it needs; another gives a loop per size with run-time bounds.

use super::eval::{Acc, Eval, Lane, Memo};
use super::{Cx, Env};
use onnxc_base::{DType, Diagnostic, Sym};
use onnxc_ir::kernel::{Axis, BinOp, Body, Def, DefId, Expr, ExprKind, Src, Stage};
use onnxc_ir::loops::{CmpOp, LoopKind, Op, Ty, Value, Var};

/// The size of the register tile at one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile {
    pub rows: u32,
    pub vectors: u32,
    /// The last vector is only partly within the extent.
    pub masked: bool,
}

impl<'k> Cx<'k> {
    /// Lowers a stage within `shared` loops that are open already.
    pub(super) fn stage(&mut self, stage: &Stage, shared: usize) -> Result<(), Diagnostic> {
        let def = &self.kernel.defs[stage.def];
        if stage.vector.as_ref().is_some_and(|l| !def.axes.iter().any(|a| a.var == l.axis)) {
            return self.row_stage(stage, shared);
        }
        let axes = self.ordered_axes(stage, def, shared)?;
        self.loops(stage, &axes, Tile { rows: 1, vectors: 1, masked: false })
    }

    /// The stage's output axes in the order of the schedule.
    pub(super) fn ordered_axes(&self, stage: &Stage, def: &Def, shared: usize) -> Result<Vec<Axis>, Diagnostic> {
        let own = &def.axes[shared..];
        let axes: Vec<Axis> = stage.order.iter().filter_map(|s| own.iter().find(|a| a.var == *s)).cloned().collect();
        if axes.len() == own.len() {
            Ok(axes)
        } else {
            Err(self.error(format!("the order of {} leaves out an axis", def.name)))
        }
    }

    /// Opens the loops of the remaining axes, outermost first.
    fn loops(&mut self, stage: &Stage, axes: &[Axis], tile: Tile) -> Result<(), Diagnostic> {
        let Some((axis, rest)) = axes.split_first() else { return self.tile(stage, tile) };
        if let Some(lanes) = stage.vector.as_ref().filter(|l| l.axis == axis.var) {
            return self.lane_loops(stage, axis, rest, tile, lanes.lanes, lanes.vectors);
        }
        if let Some((_, rows)) = stage.rows.as_ref().filter(|(s, _)| *s == axis.var) {
            return self.row_loops(stage, axis, rest, tile, *rows);
        }
        let outermost = self.kernel.schedule.parallel
            && self.kernel.schedule.shared == 0
            && rest.len() + 1 == self.output_axes(stage);
        let kind = if outermost { LoopKind::Parallel } else { LoopKind::Serial };
        let (lo, hi) = (self.f.int(0), self.f.sym(&axis.extent));
        self.axis_loop(axis, lo, hi, 1, kind, |cx| cx.loops(stage, rest, tile))
    }

    fn output_axes(&self, stage: &Stage) -> usize {
        self.kernel.defs[stage.def].axes.len()
    }

    fn axis_loop(
        &mut self,
        axis: &Axis,
        lo: Value,
        hi: Value,
        step: i64,
        kind: LoopKind,
        body: impl FnOnce(&mut Self) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        self.for_loop(axis.var.as_str(), lo, hi, step, kind, |cx, i| {
            cx.f.bind(axis.var.clone(), i);
            body(cx)
        })
    }

    /// Runs the body once, at a position known now.
    fn at(
        &mut self,
        axis: &Axis,
        position: Value,
        body: impl FnOnce(&mut Self) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        self.f.bind(axis.var.clone(), position);
        body(self)
    }

    fn row_loops(
        &mut self,
        stage: &Stage,
        axis: &Axis,
        rest: &[Axis],
        tile: Tile,
        rows: u32,
    ) -> Result<(), Diagnostic> {
        let step = i64::from(rows);
        let zero = self.f.int(0);
        if let Some(n) = axis.extent.as_int() {
            for (start, end, size) in equal_parts(n, step) {
                let (lo, hi) = (self.f.int(start), self.f.int(end));
                let tile = Tile { rows: size as u32, ..tile };
                if end - start == size {
                    self.at(axis, lo, |cx| cx.loops(stage, rest, tile))?;
                } else {
                    self.axis_loop(axis, lo, hi, size, LoopKind::Serial, |cx| cx.loops(stage, rest, tile))?;
                }
            }
            return Ok(());
        }
        let whole = axis.extent.floordiv(&Sym::int(step)) * step;
        let (mid, end) = (self.f.sym(&whole), self.f.sym(&axis.extent));
        self.axis_loop(axis, zero, mid, step, LoopKind::Serial, |cx| cx.loops(stage, rest, Tile { rows, ..tile }))?;
        self.axis_loop(axis, mid, end, 1, LoopKind::Serial, |cx| cx.loops(stage, rest, Tile { rows: 1, ..tile }))
    }

    fn lane_loops(
        &mut self,
        stage: &Stage,
        axis: &Axis,
        rest: &[Axis],
        tile: Tile,
        lanes: u16,
        vectors: u32,
    ) -> Result<(), Diagnostic> {
        let lane = i64::from(lanes);
        let full = lane * i64::from(vectors);
        let zero = self.f.int(0);
        if let Some(n) = axis.extent.as_int() {
            let whole = n / full * full;
            if whole > 0 {
                let hi = self.f.int(whole);
                let tile = Tile { vectors, ..tile };
                self.axis_loop(axis, zero, hi, full, LoopKind::Serial, |cx| cx.loops(stage, rest, tile))?;
            }
            if n > whole {
                let at = self.f.int(whole);
                let left = n - whole;
                let tile = Tile { vectors: ((left + lane - 1) / lane) as u32, masked: left % lane != 0, ..tile };
                self.at(axis, at, |cx| cx.loops(stage, rest, tile))?;
            }
            return Ok(());
        }
        let mut from = zero;
        for v in if vectors > 1 { vec![vectors, 1] } else { vec![1] } {
            let step = lane * i64::from(v);
            let to = self.f.sym(&(axis.extent.floordiv(&Sym::int(step)) * step));
            let tile = Tile { vectors: v, ..tile };
            self.axis_loop(axis, from, to, step, LoopKind::Serial, |cx| cx.loops(stage, rest, tile))?;
            from = to;
        }
        // At most one more, partly masked.
        let end = self.f.sym(&axis.extent);
        self.axis_loop(axis, from, end, lane, LoopKind::Serial, |cx| {
            cx.loops(stage, rest, Tile { vectors: 1, masked: true, ..tile })
        })
    }

    /// The register tile: accumulate if there is a reduction, then store each element.
    fn tile(&mut self, stage: &Stage, tile: Tile) -> Result<(), Diagnostic> {
        let lane = stage.vector.as_ref().map(|l| Lane { axis: l.axis.clone(), lanes: l.lanes });
        let tail = match (&lane, tile.masked) {
            (Some(l), true) => Some(self.tail_mask(stage, l, tile.vectors - 1)?),
            _ => None,
        };
        let acc = self.accumulate(stage, tile, lane.as_ref(), tail)?;
        let mut memo = Memo::default();
        for point in tile.points() {
            let mut e = Eval::new(self, lane.clone());
            e.memo = memo;
            e.at(stage, point, tile, tail);
            e.acc = acc.map(|(def, var)| e.acc_at(def, var, point));
            let value = e.stage_value(stage.def)?;
            e.store(stage.def, value)?;
            memo = e.memo;
        }
        Ok(())
    }

    /// Bool lanes of vector `v` of the tile that are within the extent of the lane axis.
    fn tail_mask(&mut self, stage: &Stage, lane: &Lane, v: u32) -> Result<Value, Diagnostic> {
        let def = &self.kernel.defs[stage.def];
        let axis = def
            .axes
            .iter()
            .find(|a| a.var == lane.axis)
            .ok_or_else(|| self.error("the lane axis isn't an output axis"))?;
        let base = self.f.lookup(&axis.var).ok_or_else(|| self.error("the lane loop isn't open"))?;
        let start = self.f.int(i64::from(v) * i64::from(lane.lanes));
        let first = self.f.add(base, start);
        let end = self.f.sym(&axis.extent);
        let left = self.f.sub(end, first);
        Ok(self.prefix_mask(left, lane.lanes))
    }

    /// Lanes below `count`. Compared as i32: the count is at most the extent of one vector's rest.
    pub(super) fn prefix_mask(&mut self, count: Value, lanes: u16) -> Value {
        let cap = self.f.int(i64::from(lanes));
        let count = self.f.binary(BinOp::Min, count, cap);
        let count = self.f.cast(count, DType::I32);
        let iota = self.f.op(Ty::vector(DType::I32, lanes), Op::Iota);
        self.f.compare(CmpOp::Lt, iota, count)
    }

    /// Runs the reduction of a stage in a fresh register tile; gives the reduced definition and the tile.
    fn accumulate(
        &mut self,
        stage: &Stage,
        tile: Tile,
        lane: Option<&Lane>,
        tail: Option<Value>,
    ) -> Result<Option<(DefId, Var)>, Diagnostic> {
        let reduced = stage.acc.unwrap_or(stage.def);
        let def = &self.kernel.defs[reduced];
        let Body::Reduce { op, axes, init, value } = &def.body else { return Ok(None) };
        let ty = Ty::vector(def.dtype, lane.map_or(1, |l| l.lanes));
        let var = self.f.var(ty, &[tile.rows, tile.vectors], &def.name);
        let env = self.point_env(stage)?;
        let mut memo = Memo::default();
        for point in tile.points() {
            let mut e = Eval::new(self, lane.cloned());
            e.memo = memo;
            e.at(stage, point, tile, tail);
            let start = match init {
                Some(init) => e.with_env(env.clone(), |e| e.expr(init))?,
                None => e.cx.f.scalar(op.identity(def.dtype)),
            };
            let index = e.acc_at(reduced, var, point).index;
            e.cx.f.set(var, &index, start);
            memo = e.memo;
        }
        let ordered = self.reduction_order(stage, axes)?;
        self.reduction_loops(stage, &ordered, &mut |cx| {
            let mut memo = Memo::default();
            for point in tile.points() {
                let mut e = Eval::new(cx, lane.cloned());
                e.memo = memo;
                e.at(stage, point, tile, tail);
                let index = e.acc_at(reduced, var, point).index;
                let next = e.with_env(env.clone(), |e| e.step(var, &index, op.binary(), value))?;
                e.cx.f.set(var, &index, next);
                memo = e.memo;
            }
            Ok(())
        })?;
        Ok(Some((reduced, var)))
    }

    /// The reduction axes in the order of the schedule.
    pub(super) fn reduction_order(&self, stage: &Stage, axes: &[Axis]) -> Result<Vec<Axis>, Diagnostic> {
        let ordered: Vec<Axis> =
            stage.order.iter().filter_map(|s| axes.iter().find(|a| a.var == *s)).cloned().collect();
        if ordered.len() == axes.len() { Ok(ordered) } else { Err(self.error("the order leaves out a reduction axis")) }
    }

    pub(super) fn reduction_loops(
        &mut self,
        stage: &Stage,
        axes: &[Axis],
        body: &mut dyn FnMut(&mut Self) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let Some((axis, rest)) = axes.split_first() else { return body(self) };
        if axis.extent.is_one() {
            let zero = self.f.int(0);
            return self.at(axis, zero, |cx| cx.reduction_loops(stage, rest, body));
        }
        let unrolled = stage.unroll.contains(&axis.var) && axis.extent.as_int().is_some();
        let kind = if unrolled { LoopKind::Unrolled } else { LoopKind::Serial };
        let (lo, hi) = (self.f.int(0), self.f.sym(&axis.extent));
        self.axis_loop(axis, lo, hi, 1, kind, |cx| cx.reduction_loops(stage, rest, body))
    }

    /// The index variables of the reduction in registers, in terms of the stage's own.
    pub(super) fn point_env(&self, stage: &Stage) -> Result<Env, Diagnostic> {
        let Some(acc) = stage.acc else { return Ok(Env::new()) };
        let index = self
            .acc_index(&self.kernel.defs[stage.def].body, acc)
            .ok_or_else(|| self.error("the definition doesn't load its reduction at one point"))?;
        Ok(self.kernel.defs[acc].axes.iter().map(|a| a.var.clone()).zip(index).collect())
    }

    /// The index at which a body (or an inline definition that it loads) loads `acc`.
    fn acc_index(&self, body: &Body, acc: DefId) -> Option<Vec<Sym>> {
        let Body::Map(e) = body else { return None };
        self.find_load(e, acc, &Env::new())
    }

    fn find_load(&self, e: &Expr, acc: DefId, env: &Env) -> Option<Vec<Sym>> {
        match e.kind() {
            ExprKind::Load { src: Src::Def(d), index, .. } => {
                let resolved: Option<Vec<Sym>> =
                    index.iter().map(|i| i.as_sym().map(|s| s.subst(&|v| env.get(v).cloned()))).collect();
                if *d == acc {
                    let ranges = &self.ranges;
                    return resolved.map(|r| r.iter().map(|s| ranges.simplify(s)).collect());
                }
                let inline = self.defs[*d].is_none();
                match (&self.kernel.defs[*d].body, resolved) {
                    (Body::Map(inner), Some(r)) if inline => {
                        let env = self.kernel.defs[*d].axes.iter().map(|a| a.var.clone()).zip(r).collect();
                        self.find_load(inner, acc, &env)
                    }
                    _ => None,
                }
            }
            ExprKind::Const(_) | ExprKind::Int(_) => None,
            ExprKind::Load { index, .. } => index.iter().find_map(|i| self.find_load(i, acc, env)),
            ExprKind::Unary(_, a) | ExprKind::Cast(_, a) => self.find_load(a, acc, env),
            ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) => {
                self.find_load(a, acc, env).or_else(|| self.find_load(b, acc, env))
            }
            ExprKind::Select(c, a, b) => [c, a, b].iter().find_map(|e| self.find_load(e, acc, env)),
        }
    }
}

impl Tile {
    /// Row and vector numbers, row by row.
    pub fn points(self) -> impl Iterator<Item = (u32, u32)> {
        (0..self.rows).flat_map(move |r| (0..self.vectors).map(move |v| (r, v)))
    }
}

impl Eval<'_, '_> {
    /// Moves to a point of the tile.
    pub fn at(&mut self, stage: &Stage, (row, vector): (u32, u32), tile: Tile, tail: Option<Value>) {
        self.shift.clear();
        if let Some((axis, _)) = &stage.rows {
            self.shift.push((axis.clone(), i64::from(row)));
        }
        if let Some(l) = &self.lane {
            self.shift.push((l.axis.clone(), i64::from(vector) * i64::from(l.lanes)));
        }
        self.tail = if vector + 1 == tile.vectors { tail } else { None };
    }

    /// The element of a register tile for a point.
    pub fn acc_at(&mut self, def: DefId, var: Var, (row, vector): (u32, u32)) -> Acc {
        let index = vec![self.cx.f.int(i64::from(row)), self.cx.f.int(i64::from(vector))];
        Acc { def, var, index }
    }

    /// What a stage stores: its expression, or its own reduction.
    pub fn stage_value(&mut self, d: DefId) -> Result<Value, Diagnostic> {
        match &self.cx.kernel.defs[d].body {
            Body::Map(e) => self.expr(e),
            Body::Reduce { .. } => {
                let acc = self.acc.clone().ok_or_else(|| self.cx.error("a reduction without registers"))?;
                Ok(self.cx.f.get(acc.var, &acc.index))
            }
        }
    }

    /// An element of the tile combined with one more value; a product of floats becomes a fused multiply-add where
    /// the machine has one.
    pub fn step(&mut self, var: Var, index: &[Value], op: BinOp, value: &Expr) -> Result<Value, Diagnostic> {
        let float = matches!(self.cx.f.func.vars[var].ty.elem, DType::F32 | DType::F64);
        if let (ExprKind::Binary(BinOp::Mul, a, b), BinOp::Add, true) = (value.kind(), op, float && self.cx.machine.fma)
        {
            let (a, b) = (self.expr(a)?, self.expr(b)?);
            let old = self.cx.f.get(var, index);
            return Ok(self.cx.f.fma(a, b, old));
        }
        let v = self.expr(value)?;
        let old = self.cx.f.get(var, index);
        Ok(self.cx.f.binary(op, old, v))
    }
}

/// Cuts `0 .. n` into tiles of at most `most`, as equal as can be: `(start, end, size)` of up to two runs.
/// 49 by 14 gives 13, 12, 12, 12 instead of 14, 14, 14, 7 (libxsmm's equalised blocking).
pub(super) fn equal_parts(n: i64, most: i64) -> Vec<(i64, i64, i64)> {
    if n <= 0 {
        return vec![];
    }
    let chunks = (n + most - 1) / most;
    let (low, more) = (n / chunks, n % chunks);
    let middle = more * (low + 1);
    [(0, middle, low + 1), (middle, n, low)].into_iter().filter(|(a, b, _)| a < b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_and_cover() {
        assert_eq!(equal_parts(49, 14), vec![(0, 13, 13), (13, 49, 12)]);
        assert_eq!(equal_parts(6, 6), vec![(0, 6, 6)]);
        assert_eq!(equal_parts(64, 6), vec![(0, 54, 6), (54, 64, 5)]);
        assert_eq!(equal_parts(0, 6), vec![]);
    }
}
