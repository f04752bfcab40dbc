//! The tile of a stage: what is computed at once, in registers. Accumulate if there is a reduction, then store each
//! element.
//!
//! A point of the tile is a row (one value of each tile axis but the lane axis) and a vector (along the lane axis).
//! The last vector may be partly masked.

use super::cuts::{Kind, cut};
use super::eval::{Acc, Eval, Lane, Memo};
use super::span::Domain;
use super::{Cx, Env};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Sym};
use onnxc_ir::kernel::{Axis, BinOp, Body, DefId, Expr, ExprKind, Src, Stage};
use onnxc_ir::loops::{CmpOp, Op, Ty, Value, Var};

/// The shape of a tile at one place.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    /// What the stage's axes are at the tile's points.
    pub env: Env,
    /// Every row: a value of each tile coordinate.
    pub rows: Vec<Vec<(Symbol, i64)>>,
    pub lane: Option<Lane>,
    /// The tile coordinate along the lane axis.
    pub along: Option<Symbol>,
    /// The coordinate of the stage's own blocks along the lane axis, and the vectors of each, where a tile has several.
    pub blocks: Option<(Symbol, u32)>,
    pub vectors: u32,
    /// Lanes of the last vector that are within the extent.
    pub tail: Option<Value>,
}

/// The coordinate within a tile along an axis.
pub(super) fn coordinate(axis: &Symbol) -> Symbol {
    Symbol::new(&format!("{axis}.tile"))
}

impl Tile {
    /// Row and vector numbers, row by row.
    pub fn points(&self) -> impl Iterator<Item = (usize, u32)> + use<> {
        let vectors = self.vectors;
        (0..self.rows.len()).flat_map(move |r| (0..vectors).map(move |v| (r, v)))
    }
}

impl<'k> Cx<'k> {
    /// The tile over a domain that is small enough.
    pub(super) fn tile(&mut self, stage: &'k Stage, domain: &Domain) -> Result<(), Diagnostic> {
        let tile = self.tile_of(stage, domain)?;
        let acc = self.accumulate(stage, &tile)?;
        if let Some(guarded) = self.guarded(stage, domain) {
            return self.store_within(stage, &tile, acc, &guarded);
        }
        let mut memo = Memo::default();
        if let (Body::Map(value), None) = (&self.kernel.defs[stage.def].body, acc) {
            memo = self.together(&tile, &tile.env, value, memo)?;
        }
        self.store_tile(stage, &tile, acc, memo)
    }

    /// Stores every point.
    pub(super) fn store_tile(
        &mut self,
        stage: &Stage,
        tile: &Tile,
        acc: Option<(DefId, Var)>,
        mut memo: Memo,
    ) -> Result<(), Diagnostic> {
        for point in tile.points() {
            let mut e = Eval::new(self, tile.lane.clone(), tile.env.clone());
            e.memo = memo;
            e.at(tile, point, &[]);
            e.acc = acc.map(|(def, var)| e.acc_at(def, var, point));
            let value = e.stage_value(stage.def)?;
            e.store(stage.def, value)?;
            memo = e.memo;
        }
        Ok(())
    }

    pub(super) fn tile_of(&mut self, stage: &Stage, domain: &Domain) -> Result<Tile, Diagnostic> {
        let (rows, lane, along, blocks) = (vec![vec![]], None, None, None);
        let mut tile = Tile { env: Env::new(), rows, lane, along, blocks, vectors: 1, tail: None };
        for a in &self.kernel.defs[stage.def].axes {
            let span = &domain[&a.var];
            if let Some(l) = stage.vector.as_ref().filter(|l| l.axis == a.var) {
                self.lane_axis(&mut tile, a, (l.lanes, stage.tile(&a.var)), span.lo.clone(), &span.len);
                continue;
            }
            let n = span.len.as_int().ok_or_else(|| self.error(format!("axis {} has no fixed tile", a.var)))?;
            if n == 1 {
                tile.env.insert(a.var.clone(), span.lo.clone());
                continue;
            }
            let t = coordinate(&a.var);
            self.ranges.set_index(t.clone(), &Sym::int(n));
            tile.env.insert(a.var.clone(), &span.lo + &Sym::var(t.clone()));
            let with = |row: &Vec<(Symbol, i64)>| {
                let row = row.clone();
                let t = t.clone();
                (0..n).map(move |i| row.iter().cloned().chain([(t.clone(), i)]).collect::<Vec<_>>())
            };
            tile.rows = tile.rows.iter().flat_map(with).collect();
        }
        Ok(tile)
    }

    fn lane_axis(&mut self, tile: &mut Tile, axis: &Axis, (lanes, block): (u16, u32), lo: Sym, len: &Sym) {
        let n = i64::from(lanes);
        let lane = Lane { axis: Symbol::new(&format!("{}.lane", axis.var)), lanes };
        // A rest of unknown length is within one vector.
        tile.vectors = len.as_int().map_or(1, |len| (len + n - 1) / n) as u32;
        let before = i64::from(tile.vectors - 1) * n;
        if len.as_int().is_none_or(|len| len % n != 0) {
            let left = self.f.sym(&(len - before));
            tile.tail = Some(self.prefix_mask(left, lanes));
        }
        self.ranges.set_index(lane.axis.clone(), &Sym::int(n));
        let mut at = lo;
        if lanes > 1 {
            at += Sym::var(lane.axis.clone());
        }
        // Of several blocks each is one of the panels that operands may be in: apart, quotients by their width disappear.
        let own = block / u32::from(lanes);
        let before = if tile.vectors > own {
            let b = Symbol::new(&format!("{}.block", axis.var));
            self.ranges.set_index(b.clone(), &Sym::int(i64::from(tile.vectors.div_ceil(own))));
            at += Sym::var(b.clone()) * i64::from(block);
            tile.blocks = Some((b, own));
            i64::from(block) - n
        } else {
            before
        };
        if tile.vectors.min(own) > 1 {
            let t = coordinate(&axis.var);
            self.ranges.set(t.clone(), 0, Some(Sym::int(before)));
            at += Sym::var(t.clone());
            tile.along = Some(t);
        }
        tile.env.insert(axis.var.clone(), at);
        tile.lane = (lanes > 1).then_some(lane);
    }

    /// Lanes below `count`. Compared as i32: the count is at most the extent of one vector's rest.
    pub(super) fn prefix_mask(&mut self, count: Value, lanes: u16) -> Value {
        let cap = self.f.int(i64::from(lanes));
        let count = self.f.binary(BinOp::Min, count, cap);
        let count = self.f.cast(count, DType::I32);
        let iota = self.f.op(Ty::vector(DType::I32, lanes), Op::Iota);
        self.f.compare(CmpOp::Lt, iota, count)
    }

    /// Runs the reduction of a stage in fresh registers; gives the reduced definition and the registers.
    fn accumulate(&mut self, stage: &Stage, tile: &Tile) -> Result<Option<(DefId, Var)>, Diagnostic> {
        let reduced = stage.acc.unwrap_or(stage.def);
        let def = &self.kernel.defs[reduced];
        let (op, init, value) = match &def.body {
            Body::Reduce { op, init, value, .. } => (op, init, value),
            Body::Map(e) if stage.acc.is_some() => return self.in_registers(stage, tile, reduced, e).map(Some),
            Body::Map(_) => return Ok(None),
        };
        let ty = Ty::vector(def.dtype, tile.lane.as_ref().map_or(1, |l| l.lanes));
        let var = self.f.var(ty, &[tile.rows.len() as u32, tile.vectors], &def.name);
        let env = self.reduced_env(stage, &tile.env)?;
        let mut memo = Memo::default();
        for point in tile.points() {
            let mut e = Eval::new(self, tile.lane.clone(), env.clone());
            e.memo = memo;
            e.at(tile, point, &[]);
            let start = match init {
                Some(init) => e.expr(init)?,
                None => e.cx.f.scalar(op.identity(def.dtype)),
            };
            let index = e.acc_at(reduced, var, point).index;
            e.cx.f.set(var, &index, start);
            memo = e.memo;
        }
        let over = self.reduction(stage)?;
        self.reduce(&over, env, vec![vec![]], &mut |cx, env, steps| {
            let mut memo = Memo::default();
            let (sums, rest) = cx.dot_steps(stage, steps);
            // A group's weights are as many times as wide.
            let fetched: Vec<_> = sums.iter().map(|s| s.0.to_vec()).chain(rest.iter().cloned()).collect();
            let bytes = sums.first().map_or(1, |s| i64::from(s.1));
            for (first, group) in sums {
                memo = cx.dot_step(tile, (reduced, var), &env, (stage, first, group), memo)?;
            }
            cx.fetch_ahead(stage, tile, &env, (&fetched, bytes), value)?;
            for (step, point) in cx.visits(tile, &env, rest, value) {
                let mut e = Eval::new(cx, tile.lane.clone(), env.clone());
                e.memo = memo;
                e.at(tile, point, &rest[step]);
                let index = e.acc_at(reduced, var, point).index;
                let next = e.step(var, &index, op.binary(), value)?;
                e.cx.f.set(var, &index, next);
                memo = e.memo;
            }
            Ok(())
        })?;
        Ok(Some((reduced, var)))
    }

    /// Computes a map in fresh registers.
    fn in_registers(&mut self, stage: &Stage, tile: &Tile, d: DefId, value: &Expr) -> Result<(DefId, Var), Diagnostic> {
        let ty = Ty::vector(self.kernel.defs[d].dtype, tile.lane.as_ref().map_or(1, |l| l.lanes));
        let var = self.f.var(ty, &[tile.rows.len() as u32, tile.vectors], &self.kernel.defs[d].name);
        let env = self.reduced_env(stage, &tile.env)?;
        let mut memo = self.together(tile, &env, value, Memo::default())?;
        for point in tile.points() {
            let mut e = Eval::new(self, tile.lane.clone(), env.clone());
            e.memo = memo;
            e.at(tile, point, &[]);
            let v = e.expr(value)?;
            let index = e.acc_at(d, var, point).index;
            e.cx.f.set(var, &index, v);
            memo = e.memo;
        }
        Ok((d, var))
    }

    /// Opens the loops of a reduction; the body gets the variables' values and the steps that are written out.
    pub(super) fn reduce(
        &mut self,
        over: &[(Axis, u32)],
        env: Env,
        steps: Vec<Vec<(Symbol, i64)>>,
        body: &mut dyn FnMut(&mut Self, Env, &[Vec<(Symbol, i64)>]) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let Some(((axis, block), rest)) = over.split_first() else { return body(self, env, &steps) };
        let extent = if *block > 1 { self.named(&axis.var, &axis.extent) } else { axis.extent.clone() };
        for part in cut(&extent, *block, Kind::Points { even: false, again: false }) {
            let n = part.len.as_int().unwrap_or(1);
            self.part(&axis.var, &part, false, |cx, lo| {
                let (mut env, mut steps) = (env.clone(), steps.clone());
                if n == 1 {
                    env.insert(axis.var.clone(), lo);
                } else {
                    let t = coordinate(&axis.var);
                    cx.ranges.set_index(t.clone(), &Sym::int(n));
                    env.insert(axis.var.clone(), lo + Sym::var(t.clone()));
                    let with = |s: &Vec<(Symbol, i64)>| {
                        let (s, t) = (s.clone(), t.clone());
                        (0..n).map(move |i| s.iter().cloned().chain([(t.clone(), i)]).collect::<Vec<_>>())
                    };
                    steps = steps.iter().flat_map(with).collect();
                }
                cx.reduce(rest, env, steps, body)
            })?;
        }
        Ok(())
    }

    /// The index variables of the reduction in registers, given those of the stage.
    pub(super) fn reduced_env(&self, stage: &Stage, env: &Env) -> Result<Env, Diagnostic> {
        if stage.acc.is_none() {
            return Ok(env.clone());
        }
        let at = |s: &Sym| self.ranges.simplify(&s.subst(&|v| env.get(v).cloned()));
        Ok(self.point_env(stage)?.into_iter().map(|(v, s)| (v, at(&s))).collect())
    }

    /// The index variables of the reduction in registers, in terms of the stage's axes.
    pub(super) fn point_env(&self, stage: &Stage) -> Result<Env, Diagnostic> {
        let Some(acc) = stage.acc else { return Ok(Env::new()) };
        let index = match &self.kernel.defs[stage.def].body {
            Body::Map(e) => self.find_load(e, acc, &Env::new()),
            Body::Reduce { .. } => None,
        };
        let index = index.ok_or_else(|| self.error("the definition doesn't load its reduction at one point"))?;
        Ok(self.kernel.defs[acc].axes.iter().map(|a| a.var.clone()).zip(index).collect())
    }

    /// The index at which an expression (or an inline definition that it loads) loads `acc`.
    fn find_load(&self, e: &Expr, acc: DefId, env: &Env) -> Option<Vec<Sym>> {
        match e.kind() {
            ExprKind::Load { src: Src::Def(d), index, .. } => {
                let resolved: Option<Vec<Sym>> =
                    index.iter().map(|i| i.as_sym().map(|s| s.subst(&|v| env.get(v).cloned()))).collect();
                if *d == acc {
                    let ranges = &self.ranges;
                    return resolved.map(|r| r.iter().map(|s| ranges.simplify(s)).collect());
                }
                let inline = self.kernel.schedule.stages.iter().all(|s| s.def != *d);
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

impl Eval<'_, '_> {
    /// Moves to a point of the tile and a step of the reduction.
    pub fn at(&mut self, tile: &Tile, (row, vector): (usize, u32), step: &[(Symbol, i64)]) {
        self.shift = tile.rows[row].iter().chain(step).cloned().collect();
        if let (Some(t), Some(l)) = (&tile.along, tile.lane.as_ref().map_or(Some(1), |l| Some(l.lanes))) {
            let within = tile.blocks.as_ref().map_or(vector, |(_, own)| vector % own);
            self.shift.push((t.clone(), i64::from(within) * i64::from(l)));
        }
        if let Some((b, own)) = &tile.blocks {
            self.shift.push((b.clone(), i64::from(vector / own)));
        }
        self.tail = if vector + 1 == tile.vectors { tile.tail } else { None };
    }

    /// The element of the registers for a point.
    pub fn acc_at(&mut self, def: DefId, var: Var, (row, vector): (usize, u32)) -> Acc {
        let index = vec![self.cx.f.int(row as i64), self.cx.f.int(i64::from(vector))];
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
