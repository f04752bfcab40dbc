//! Expressions of a kernel to values, scalar or across lanes.
//!
//! An evaluation happens at a *point* of a stage. Its environment gives each index variable in terms of loops (bound in
//! the function builder), of the tile's coordinates (constants, once the point is chosen: `shift`) and of the lane. A
//! value that doesn't depend on the lane stays a scalar until it meets a vector.
//!
//! Masks: `tail` switches off the lanes beyond the extent of the lane axis, `guard` the points outside of a padded
//! load. What is off is never read.

use super::{Cx, Env};
use crate::kernel::expr::Site;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Sym};
use onnxc_ir::kernel::{Body, DefId, Expr, ExprKind, Src};
use onnxc_ir::loops::{Buf, CmpOp, Op, Ty, Value, Var};
use onnxc_ir::scalar::{BinOp, Scalar};
use std::collections::{BTreeMap, BTreeSet};

/// The lane axis of an evaluation.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub axis: Symbol,
    pub lanes: u16,
}

/// A reduction that is in registers.
#[derive(Clone, Debug)]
pub(super) struct Acc {
    pub def: DefId,
    pub var: Var,
    pub index: Vec<Value>,
}

/// What has been computed at this point already. Keys are offsets after the shift, so tile coordinates share.
#[derive(Default)]
pub(super) struct Memo {
    pub(super) loads: BTreeMap<(Buf, Sym, bool), Value>,
    defs: BTreeMap<(DefId, Vec<Sym>, bool), Value>,
    syms: BTreeMap<Sym, Value>,
}

/// Evaluates expressions at one point.
pub(super) struct Eval<'c, 'k> {
    pub cx: &'c mut Cx<'k>,
    pub lane: Option<Lane>,
    /// Bool lanes that are within the extent.
    pub tail: Option<Value>,
    /// The values of the tile's coordinates and of the steps that are written out.
    pub shift: Vec<(Symbol, i64)>,
    pub acc: Option<Acc>,
    pub memo: Memo,
    pub(super) env: Env,
    guard: Option<Value>,
}

impl<'c, 'k> Eval<'c, 'k> {
    pub fn new(cx: &'c mut Cx<'k>, lane: Option<Lane>, env: Env) -> Self {
        Self { cx, lane, tail: None, shift: vec![], acc: None, memo: Memo::default(), env, guard: None }
    }

    /// Outside of all stages: index variables are bound as they are.
    pub fn scalar(cx: &'c mut Cx<'k>) -> Self {
        Self::new(cx, None, Env::new())
    }

    fn lanes(&self) -> u16 {
        self.lane.as_ref().map_or(1, |l| l.lanes)
    }

    /// The value of an expression: a scalar, or a vector of the evaluation's lanes.
    pub fn expr(&mut self, e: &Expr) -> Result<Value, Diagnostic> {
        Ok(match e.kind() {
            ExprKind::Const(s) => self.cx.f.scalar(*s),
            ExprKind::Int(s) => {
                let s = self.resolve(s);
                self.int(&s)
            }
            ExprKind::Load { src, index, pad } => self.load(*src, index, *pad)?,
            ExprKind::Unary(op, a) => {
                let a = self.expr(a)?;
                self.cx.f.unary(*op, a)
            }
            ExprKind::Binary(op, a, b) => self.binary(*op, a, b)?,
            ExprKind::Compare(op, a, b) => {
                let (a, b) = (self.expr(a)?, self.expr(b)?);
                self.cx.f.compare(*op, a, b)
            }
            ExprKind::Select(c, a, b) => {
                let c = self.expr(c)?;
                // A choice by the tile's coordinates is made now.
                if let Some(known) = self.cx.f.as_const(c) {
                    return self.expr(if known.to_i64() != 0 { a } else { b });
                }
                let (a, b) = (self.expr(a)?, self.expr(b)?);
                self.cx.f.select(c, a, b)
            }
            ExprKind::Cast(to, a) => {
                let a = self.expr(a)?;
                self.cx.f.cast(a, *to)
            }
        })
    }

    /// An index expression in terms of loops, tile coordinates and the lane.
    pub(super) fn resolve(&self, s: &Sym) -> Sym {
        if self.env.is_empty() { s.clone() } else { self.cx.ranges.simplify(&s.subst(&|v| self.env.get(v).cloned())) }
    }

    /// Puts in the tile's coordinates.
    pub(super) fn shifted(&self, s: &Sym) -> Sym {
        s.subst(&|v| self.shift.iter().find(|(x, _)| x == v).map(|(_, k)| Sym::int(*k)))
    }

    fn depends_on_lane(&self, s: &Sym) -> bool {
        self.lane.as_ref().is_some_and(|l| s.contains(&l.axis))
    }

    /// A symbolic integer, per lane if it depends on the lane.
    fn int(&mut self, s: &Sym) -> Value {
        let t = self.shifted(s);
        if !self.depends_on_lane(s) {
            return self.uniform(&t);
        }
        let Lane { axis, lanes } = self.lane.clone().expect("depends on it");
        if let Some((coefficient, rest)) = t.split_linear(&axis) {
            let base = self.uniform(&rest);
            return self.ramp(base, &coefficient, lanes);
        }
        let iota = self.cx.f.op(Ty::vector(DType::I64, lanes), Op::Iota);
        self.cx.f.bind(axis, iota);
        self.cx.f.sym(&t)
    }

    /// base + coefficient * lane.
    fn ramp(&mut self, base: Value, coefficient: &Sym, lanes: u16) -> Value {
        let f = &mut self.cx.f;
        let iota = f.op(Ty::vector(DType::I64, lanes), Op::Iota);
        let c = f.sym(coefficient);
        let scaled = if coefficient.is_one() { iota } else { f.mul(iota, c) };
        f.add(base, scaled)
    }

    /// A scalar symbolic integer: what varies is computed once, constants are added to it.
    pub(super) fn uniform(&mut self, s: &Sym) -> Value {
        let constant = s.constant_term();
        let varying = s - constant;
        let base = match self.memo.syms.get(&varying) {
            Some(&v) => v,
            None => {
                let v = self.cx.f.sym(&varying);
                self.memo.syms.insert(varying, v);
                v
            }
        };
        let c = self.cx.f.int(constant);
        self.cx.f.add(base, c)
    }

    fn load(&mut self, src: Src, index: &[Expr], pad: Option<Scalar>) -> Result<Value, Diagnostic> {
        if let (Src::Def(d), Some(acc)) = (src, &self.acc)
            && acc.def == d
        {
            let (var, index) = (acc.var, acc.index.clone());
            return Ok(self.cx.f.get(var, &index));
        }
        let Some(pad) = pad else { return self.load_in_range(src, index) };
        let Some(inside) = self.inside(src, index)? else { return self.load_in_range(src, index) };
        let outer = self.guard;
        self.guard = Some(match outer {
            Some(g) => self.cx.f.binary(BinOp::And, g, inside),
            None => inside,
        });
        let v = self.load_in_range(src, index);
        self.guard = outer;
        let p = self.cx.f.scalar(pad);
        Ok(self.cx.f.select(inside, v?, p))
    }

    /// Whether a symbolic integer is below another.
    pub fn below(&mut self, s: &Sym, extent: &Sym) -> Value {
        let (value, extent) = (self.int(&self.resolve(s)), self.uniform(extent));
        self.cx.f.compare(CmpOp::Lt, value, extent)
    }

    /// Whether an index is in range of what it loads; `None` if it provably is.
    fn inside(&mut self, src: Src, index: &[Expr]) -> Result<Option<Value>, Diagnostic> {
        let shape = self.cx.kernel.src_shape(src);
        let mut all: Option<Value> = None;
        for (e, extent) in index.iter().zip(&shape) {
            let (low, high, value) = match e.as_sym() {
                Some(s) => {
                    let s = self.resolve(s);
                    let last = extent.clone() - 1;
                    let low = self.cx.ranges.prove_le(&Sym::int(0), &s) != Some(true);
                    let high = self.cx.ranges.prove_le(&s, &last) != Some(true);
                    if !low && !high {
                        continue;
                    }
                    (low, high, self.int(&s))
                }
                None => (true, true, self.expr(e)?),
            };
            let extent = self.uniform(extent);
            let zero = self.cx.f.int(0);
            let tests = [(low, CmpOp::Ge, zero), (high, CmpOp::Lt, extent)];
            for (_, op, bound) in tests.into_iter().filter(|t| t.0) {
                let t = self.cx.f.compare(op, value, bound);
                all = Some(match all {
                    Some(a) => self.cx.f.binary(BinOp::And, a, t),
                    None => t,
                });
            }
        }
        Ok(all)
    }

    fn load_in_range(&mut self, src: Src, index: &[Expr]) -> Result<Value, Diagnostic> {
        let Some(storage) = self.cx.storage(src).cloned() else { return self.inline(src, index) };
        let mut offset = Sym::int(0);
        let mut computed: Vec<(Value, Sym)> = Vec::new();
        for (dim, e) in index.iter().enumerate().rev() {
            match e.as_sym() {
                Some(s) => {
                    let (at, stride) = storage.place(dim, self.resolve(s));
                    let further = &offset + &at * &stride;
                    match further.is_overflow() {
                        false => offset = further,
                        // Too long as one formula: the axis counts on its own.
                        true if !at.is_overflow() => computed.push((self.int(&at), stride)),
                        true => return Err(self.cx.error("an index is too long a formula")),
                    }
                }
                None => computed.push((self.expr(e)?, storage.strides[dim].clone())),
            }
        }
        let offset = self.cx.ranges.simplify(&(offset + &storage.base));
        if computed.is_empty() && self.guard.is_none() {
            let key = (storage.buf, self.shifted(&offset), self.tail.is_some());
            if let Some(&v) = self.memo.loads.get(&key) {
                return Ok(v);
            }
            let v = match self.near(&storage, &offset) {
                Some(v) => v,
                None => self.load_offset(storage.buf, &offset, &[]),
            };
            self.memo.loads.insert(key, v);
            return Ok(v);
        }
        Ok(self.load_offset(storage.buf, &offset, &computed))
    }

    /// Fetches what a load reads in lane 0.
    pub fn fetch(&mut self, site: &Site) {
        let Some(storage) = self.cx.storage(site.src).cloned() else { return };
        let mut offset = storage.base.clone();
        for ((i, stride), lo) in site.index.iter().zip(&storage.strides).zip(&storage.lo) {
            let Some(i) = i else { return };
            offset += (self.resolve(i) - lo) * stride;
        }
        let offset = self.cx.ranges.simplify(&offset);
        let at = self.uniform(&self.lane_zero(&self.shifted(&offset)));
        self.cx.f.prefetch(storage.buf, at);
    }

    /// Loads at a symbolic offset plus computed indices times strides.
    fn load_offset(&mut self, buf: Buf, offset: &Sym, computed: &[(Value, Sym)]) -> Value {
        let mut extra: Option<Value> = None;
        for (v, stride) in computed {
            let s = self.uniform(stride);
            let term = self.cx.f.mul(*v, s);
            extra = Some(extra.map_or(term, |e| self.cx.f.add(e, term)));
        }
        let lanes = self.lanes();
        let varies = |v: &Option<Value>, this: &Self| v.is_some_and(|v| this.cx.f.ty(v).lanes > 1);
        let unit = match &self.lane {
            Some(l) if self.depends_on_lane(offset) => {
                offset.split_linear(&l.axis).is_some_and(|(c, _)| c.is_one()) && !varies(&extra, self)
            }
            _ => false,
        };
        let uniform = !self.depends_on_lane(offset) && !varies(&extra, self) && !varies(&self.guard, self);
        if unit || uniform {
            let mut at = self.uniform(&self.lane_zero(&self.shifted(offset)));
            if let Some(e) = extra {
                at = self.cx.f.add(at, e);
            }
            let mask = if uniform { self.guard } else { self.vector_mask() };
            return self.cx.f.load(buf, at, if uniform { 1 } else { lanes }, mask);
        }
        if let Some(v) = self.every_other(buf, offset, extra) {
            return v;
        }
        if let Some(v) = extra.is_none().then(|| self.transposed(buf, offset)).flatten() {
            return v;
        }
        let mut at = self.int(offset);
        if let Some(e) = extra {
            at = self.cx.f.add(at, e);
        }
        let at = self.cx.f.splat(at, lanes);
        let mask = self.vector_mask();
        self.cx.f.gather(buf, at, mask)
    }

    /// Tail and guard together, as lanes.
    pub fn vector_mask(&mut self) -> Option<Value> {
        let lanes = self.lanes();
        let guard = self.guard.map(|g| self.cx.f.splat(g, lanes));
        match (self.tail, guard) {
            (Some(t), Some(g)) => Some(self.cx.f.binary(BinOp::And, t, g)),
            (t, g) => t.or(g),
        }
    }

    /// The value of a definition that isn't in memory, at an index.
    fn inline(&mut self, src: Src, index: &[Expr]) -> Result<Value, Diagnostic> {
        let Src::Def(d) = src else { return Err(self.cx.error("a parameter has no storage")) };
        let def = &self.cx.kernel.defs[d];
        let Body::Map(e) = &def.body else {
            return Err(self.cx.error(format!("reduction {} is neither staged nor in registers", def.name)));
        };
        let mut env = Env::new();
        let mut key = Vec::new();
        for (axis, i) in def.axes.iter().zip(index) {
            let Some(s) = i.as_sym() else {
                return Err(self.cx.error(format!("{} is inline but loaded at a computed index", def.name)));
            };
            let s = self.resolve(s);
            key.push(self.shifted(&s));
            env.insert(axis.var.clone(), s);
        }
        let key = (d, key, self.tail.is_some());
        if self.guard.is_none()
            && let Some(&v) = self.memo.defs.get(&key)
        {
            return Ok(v);
        }
        let outer = std::mem::replace(&mut self.env, env);
        let v = self.expr(e);
        self.env = outer;
        let v = v?;
        if self.guard.is_none() {
            self.memo.defs.insert(key, v);
        }
        Ok(v)
    }

    /// An offset of lane 0.
    pub(super) fn lane_zero(&self, s: &Sym) -> Sym {
        match &self.lane {
            Some(l) => s.subst(&|v| (*v == l.axis).then(|| Sym::int(0))),
            None => s.clone(),
        }
    }

    /// The offset at which the stage's own point is stored.
    pub fn store_offset(&self, d: DefId) -> Result<(Buf, Sym), Diagnostic> {
        let def = &self.cx.kernel.defs[d];
        let storage = self.cx.defs[d].as_ref().ok_or_else(|| self.cx.error(format!("{} has no memory", def.name)))?;
        let mut offset = storage.base.clone();
        for (dim, axis) in def.axes.iter().enumerate() {
            offset += storage.distance(dim, self.resolve(&Sym::var(axis.var.clone())));
        }
        Ok((storage.buf, self.cx.ranges.simplify(&offset)))
    }

    /// Stores a value at the stage's own point.
    pub fn store(&mut self, d: DefId, value: Value) -> Result<(), Diagnostic> {
        let (buf, offset) = self.store_offset(d)?;
        let lanes = self.lanes();
        let unit = |this: &Self| match &this.lane {
            Some(l) => offset.split_linear(&l.axis).is_some_and(|(c, _)| c.is_one()),
            None => true,
        };
        if unit(self) {
            let at = self.uniform(&self.lane_zero(&self.shifted(&offset)));
            let value = self.cx.f.splat(value, lanes);
            self.cx.f.store(buf, at, value, self.tail);
        } else {
            let offsets = self.int(&offset);
            let offsets = self.cx.f.splat(offsets, lanes);
            let value = self.cx.f.splat(value, lanes);
            self.cx.f.stmt(onnxc_ir::loops::Stmt::Scatter { buf, offsets, value, mask: self.tail });
        }
        Ok(())
    }
}

/// Every symbol that an expression mentions.
pub(super) fn symbols(e: &Expr, into: &mut BTreeSet<Symbol>) {
    match e.kind() {
        ExprKind::Const(_) => {}
        ExprKind::Int(s) => into.extend(s.symbols()),
        ExprKind::Load { index, .. } => index.iter().for_each(|i| symbols(i, into)),
        ExprKind::Unary(_, a) | ExprKind::Cast(_, a) => symbols(a, into),
        ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) => [a, b].iter().for_each(|e| symbols(e, into)),
        ExprKind::Select(c, a, b) => [c, a, b].iter().for_each(|e| symbols(e, into)),
    }
}
