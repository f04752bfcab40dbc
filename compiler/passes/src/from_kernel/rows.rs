//! A stage whose lanes run along a reduction axis: sums, maxima and dot products over contiguous rows.
//!
//! Each output point of a tile has several vector accumulators; they are combined as a balanced tree at the end, then their
//! lanes. Lanes beyond the extent contribute the identity.

use super::cuts::{Kind, cut};
use super::eval::{Acc, Eval, Lane, Memo};
use super::passing::Passing;
use super::span::Domain;
use super::tile::{Tile, coordinate};
use super::{Cx, Env};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{Axis, Body, DefId, Expr, Stage};
use onnxc_ir::loops::{Op, Ty, Value, Var};
use onnxc_ir::scalar::ReduceOp;

/// The reduction of the points of a tile.
struct Row<'a> {
    reduced: DefId,
    op: ReduceOp,
    value: &'a Expr,
    lanes: u16,
    axis: Axis,
    /// Of each point, its vectors.
    var: Var,
    vectors: u32,
    /// The coordinates of each point.
    points: Vec<Vec<(Symbol, i64)>>,
    passing: Option<Passing>,
}

impl<'k> Cx<'k> {
    /// The output points of a tile.
    pub(super) fn row_tile(&mut self, stage: &'k Stage, domain: &Domain) -> Result<(), Diagnostic> {
        let reduced = stage.acc.unwrap_or(stage.def);
        let def = &self.kernel.defs[reduced];
        let (Body::Reduce { op, init, value, .. }, Some(lanes)) = (&def.body, &stage.vector) else {
            return Err(self.error("lanes along a reduction axis need a reduction"));
        };
        let passing = self.passed.and_then(|map| self.passing_in(stage, map));
        let mut own = self.tile_of(stage, domain)?;
        in_order(&mut own.rows);
        let env = self.reduced_env(stage, &own.env)?;
        let mut outer = self.reduction(stage)?;
        let at = outer.iter().position(|(a, _)| a.var == lanes.axis);
        let (axis, block) = outer.remove(at.ok_or_else(|| self.error("the lane axis isn't known"))?);
        let vectors = block / u32::from(lanes.lanes);
        let points = own.rows.clone();
        let var = self.f.var(Ty::vector(def.dtype, lanes.lanes), &[points.len() as u32, vectors], &def.name);
        let row = Row { reduced, op: *op, value, lanes: lanes.lanes, axis, var, vectors, points, passing };
        for (p, v) in (0..row.points.len()).flat_map(|p| (0..vectors).map(move |v| (p, v))) {
            let index = [self.f.int(p as i64), self.f.int(i64::from(v))];
            let start = self.f.scalar(op.identity(def.dtype));
            self.f.set(var, &index, start);
        }
        self.reduce(&outer, env.clone(), vec![vec![]], &mut |cx, env, steps| {
            steps.iter().try_for_each(|s| cx.row_loops(&row, &env, s))
        })?;

        let result = self.f.var(Ty::scalar(def.dtype), &[row.points.len() as u32, 1], &def.name);
        for p in 0..row.points.len() {
            let sum = self.combine(&row, p);
            let index = vec![self.f.int(p as i64), self.f.int(0)];
            let total = match init {
                Some(init) => {
                    let mut e = Eval::new(self, None, env.clone());
                    e.at(&own, (p, 0), &[]);
                    let start = e.expr(init)?;
                    self.f.binary(op.binary(), start, sum)
                }
                None => sum,
            };
            self.f.set(result, &index, total);
            let mut e = Eval::new(self, None, own.env.clone());
            e.at(&own, (p, 0), &[]);
            e.acc = Some(Acc { def: row.reduced, var: result, index });
            let stored = e.stage_value(stage.def)?;
            e.store(stage.def, stored)?;
        }
        Ok(())
    }

    /// The loops along the lane axis: whole tiles, single vectors, the masked rest.
    fn row_loops(&mut self, row: &Row, env: &Env, step: &[(Symbol, i64)]) -> Result<(), Diagnostic> {
        let lanes = i64::from(row.lanes);
        let extent = self.named(&row.axis.var, &row.axis.extent);
        for part in cut(&extent, row.vectors * u32::from(row.lanes), Kind::Lanes { lanes: row.lanes, again: false }) {
            self.part(&row.axis.var, &part, false, |cx, lo| {
                let mut tile = Tile {
                    env: env.clone(),
                    rows: row.points.iter().map(|p| p.iter().chain(step).cloned().collect()).collect(),
                    lane: Some(Lane { axis: Symbol::new(&format!("{}.lane", row.axis.var)), lanes: row.lanes }),
                    along: None,
                    blocks: None,
                    vectors: part.len.as_int().map_or(1, |n| (n + lanes - 1) / lanes) as u32,
                    tail: None,
                };
                let before = i64::from(tile.vectors - 1) * lanes;
                if part.len.as_int().is_none_or(|n| n % lanes != 0) {
                    let left = cx.f.sym(&(&part.len - before));
                    tile.tail = Some(cx.prefix_mask(left, row.lanes));
                }
                let lane = tile.lane.as_ref().map(|l| l.axis.clone()).expect("set above");
                cx.ranges.set_index(lane.clone(), &Sym::int(lanes));
                let t = coordinate(&row.axis.var);
                cx.ranges.set(t.clone(), 0, Some(Sym::int(before)));
                tile.env.insert(row.axis.var.clone(), lo + Sym::var(lane) + Sym::var(t.clone()));
                tile.along = Some(t);
                cx.row_step(row, &tile)
            })?;
        }
        Ok(())
    }

    fn row_step(&mut self, row: &Row, tile: &Tile) -> Result<(), Diagnostic> {
        let mut memo = Memo::default();
        for point in tile.points() {
            let mut e = Eval::new(self, tile.lane.clone(), tile.env.clone());
            e.memo = memo;
            e.at(tile, point, &[]);
            if let Some(passing) = &row.passing {
                e.pass(passing)?;
            }
            let index = vec![e.cx.f.int(point.0 as i64), e.cx.f.int(i64::from(point.1))];
            let old = e.cx.f.get(row.var, &index);
            let mut next = e.step(row.var, &index, row.op.binary(), row.value)?;
            if let Some(t) = e.tail {
                next = e.cx.f.select(t, next, old);
            }
            e.cx.f.set(row.var, &index, next);
            memo = e.memo;
        }
        Ok(())
    }

    /// All accumulators of a point as one scalar.
    fn combine(&mut self, row: &Row, point: usize) -> Value {
        let mut parts: Vec<Value> = Vec::new();
        for v in 0..row.vectors {
            let index = [self.f.int(point as i64), self.f.int(i64::from(v))];
            parts.push(self.f.get(row.var, &index));
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

/// The coordinate of more points outside: then few of the vectors that points share are in use at a time.
fn in_order(points: &mut [Vec<(Symbol, i64)>]) {
    let Some(last) = points.last() else { return };
    if let [(_, a), (_, b)] = &last[..]
        && b > a
    {
        points.sort_by_key(|p| (p[1].1, p[0].1));
    }
}
