//! Values: as a line of their own, or waiting for their user.

use super::{Flow, Known, LONGEST, Language, Pending, lanes};
use crate::expr::Expr;
use crate::range::Range;
use onnxc_base::DType;
use onnxc_ir::loops::{BinOp, Buf, BufKind, CmpOp, Op, Place, Value, Var};

/// What an expression depends on.
#[derive(Default)]
pub(super) struct Deps {
    pub loads: Vec<Buf>,
    pub reads: Vec<Var>,
}

impl<L: Language> Flow<'_, L> {
    /// Computes a value: a line, or an expression that waits.
    pub(super) fn compute(&mut self, v: Value) {
        if self.limited[v] {
            return;
        }
        if self.uses[v] == 0 && !matches!(self.func.values[v].op, Op::Param(_)) {
            return;
        }
        let written = matches!(self.func.values[v].op, Op::Const(_) | Op::Param(_) | Op::Index | Op::Result);
        if written || lanes::constant(self.func, v).is_some() {
            return;
        }
        let mut deps = Deps::default();
        let (mut update, mut place) = (None, None);
        let expr = self.expression(v, &mut deps, &mut update, &mut place);
        let Deps { loads, reads } = deps;
        let pending = Pending { value: v, expr, loads, reads, update, place };
        if self.uses[v] == 1 && pending.expr.text.len() <= LONGEST {
            self.pending.push(pending);
        } else {
            self.write_out(pending);
        }
    }

    /// Gives a value a name and a line.
    pub(super) fn write_out(&mut self, p: Pending) {
        let def = &self.func.values[p.value];
        let name = if !def.name.is_empty() {
            self.names.unique(&def.name)
        } else {
            let letter = match (&def.op, def.ty.elem) {
                (Op::Load { buf, .. }, _) => {
                    let hint = self.func.bufs[*buf].name.clone();
                    if hint.is_empty() { "v".to_string() } else { format!("{hint}_") }
                }
                (_, DType::Bool) => "is".into(),
                (_, d) if d.is_float() => "v".into(),
                _ => "k".into(),
            };
            let letter: String = letter.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let letter =
                if letter.starts_with(|c: char| c.is_ascii_alphabetic()) { letter } else { format!("t{letter}") };
            self.names.numbered(&letter)
        };
        let line = self.lang.declare(&name, &p.expr, false);
        self.line(line);
        self.value_names[p.value] = Some(name);
    }

    /// The expression of an operand, as it is.
    pub(super) fn operand(&mut self, v: Value, deps: &mut Deps) -> Expr {
        if let Some(i) = self.pending.iter().position(|p| p.value == v) {
            let p = self.pending.remove(i);
            deps.loads.extend(p.loads);
            deps.reads.extend(p.reads);
            return p.expr;
        }
        if let Some(s) = self.constant(v) {
            let repr = self.repr(v);
            return self.lang.literal(s, repr);
        }
        if let Some(s) = lanes::constant(self.func, v) {
            let ty = self.func.values[v].ty;
            let one = self.lang.literal(s, ty.elem);
            return self.lang.splat(one, ty.lanes).unwrap_or_else(|| self.left_over(ty.elem));
        }
        let dtype = self.repr(v);
        match &self.value_names[v] {
            Some(name) => Expr { lanes: self.func.values[v].ty.lanes, ..Expr::primary(name.clone(), dtype) },
            None => {
                self.fail(format!("{v} is used before it is computed"));
                Expr::primary("0", dtype)
            }
        }
    }

    /// An operand in a width.
    pub(super) fn operand_as(&mut self, v: Value, dtype: DType, deps: &mut Deps) -> Expr {
        if let Some(s) = self.constant(v) {
            return self.lang.literal(s, dtype);
        }
        let e = self.operand(v, deps);
        if e.dtype == dtype || !matches!((e.dtype, dtype), (DType::I32, DType::I64) | (DType::I64, DType::I32)) {
            return e;
        }
        self.lang.widen(e, dtype)
    }

    pub(super) fn known(&self, v: Value, a: Value, b: Value) -> Known {
        let dtype = self.repr(v);
        let (ra, rb) = (self.ranges[a], self.ranges[b]);
        let natural = match &self.func.values[v].op {
            Op::Binary(op, ..) if dtype.is_int() => Range::binary(*op, ra, rb),
            Op::Unary(op, _) if dtype.is_int() => Range::unary(*op, ra),
            _ => None,
        };
        Known { dtype, a: ra, b: rb, exact: natural.is_some_and(|r| r.fits(dtype)) }
    }

    /// `update`: set if the value changes a variable in place.
    fn binary(
        &mut self,
        v: Value,
        (op, a, b): (BinOp, Value, Value),
        deps: &mut Deps,
        update: &mut Option<(String, &'static str, Expr)>,
    ) -> Expr {
        let repr = self.repr(v);
        let known = self.known(v, a, b);
        if let (BinOp::Min, Some(e)) = (op, self.within_limits(v, known, deps)) {
            return e;
        }
        let of = self.pending.iter().find(|p| p.value == a).and_then(|p| p.place.clone());
        let (a, b) = (self.operand_as(a, repr, deps), self.operand_as(b, repr, deps));
        let sign = match op {
            BinOp::Add => "+=",
            BinOp::Sub => "-=",
            BinOp::Mul => "*=",
            _ => "",
        };
        if let (Some(of), true) = (of, !sign.is_empty() && (repr.is_float() || known.exact && repr.bits() >= 32)) {
            *update = Some((of, sign, b.clone()));
        }
        self.lang.binary(op, a, b, known)
    }

    fn compare(&mut self, op: CmpOp, a: Value, b: Value, deps: &mut Deps) -> Expr {
        let (mut d, narrow) = (self.func.values[a].ty.elem, DType::I32);
        if d == DType::I64 && self.style.narrow && self.ranges[a].fits(narrow) && self.ranges[b].fits(narrow) {
            d = narrow;
        }
        let (a, b) = (self.operand_as(a, d, deps), self.operand_as(b, d, deps));
        self.lang.compare(op, a, b)
    }

    fn load(&mut self, buf: Buf, offset: Value, mask: Option<Value>, deps: &mut Deps) -> Expr {
        let func = self.func;
        let offset = self.operand(offset, deps);
        let mask = mask.map(|m| self.operand(m, deps));
        if !matches!(func.bufs[buf].kind, BufKind::Const(_)) {
            deps.loads.push(buf);
        }
        self.lang.load(func, buf, offset, mask)
    }

    fn expression(
        &mut self,
        v: Value,
        deps: &mut Deps,
        update: &mut Option<(String, &'static str, Expr)>,
        place: &mut Option<String>,
    ) -> Expr {
        let func = self.func;
        let def = &func.values[v];
        let repr = self.repr(v);
        if def.ty.lanes > 1 {
            return self.vector(v, deps);
        }
        match &def.op {
            Op::Unary(op, a) => {
                let known = self.known(v, *a, *a);
                let a = self.operand_as(*a, repr, deps);
                self.lang.unary(*op, a, known)
            }
            Op::Binary(op, a, b) => self.binary(v, (*op, *a, *b), deps, update),
            Op::Fma(a, b, c) => {
                let [a, b, c] = [*a, *b, *c].map(|x| self.operand(x, deps));
                self.lang.fma(a, b, c)
            }
            Op::Dot(a, b, c) => {
                let [a, b, c] = [*a, *b, *c].map(|x| self.operand(x, deps));
                self.lang.dot(a, b, c).unwrap_or_else(|| self.left_over(repr))
            }
            Op::Compare(op, a, b) => self.compare(*op, *a, *b, deps),
            Op::Select(c, a, b) => {
                let c = self.operand(*c, deps);
                let (a, b) = (self.operand_as(*a, repr, deps), self.operand_as(*b, repr, deps));
                self.lang.select(c, a, b)
            }
            Op::Cast(a) => {
                let a = self.operand(*a, deps);
                if a.dtype == repr { a } else { self.lang.cast(a, repr) }
            }
            Op::Bitcast(a) => {
                let from = func.values[*a].ty.elem;
                let a = self.operand_as(*a, from, deps);
                self.lang.bitcast(a, repr)
            }
            Op::Load { buf, offset, mask } => self.load(*buf, *offset, *mask, deps),
            Op::Get(p) => {
                let e = self.variable(p, deps);
                deps.reads.push(p.var);
                *place = Some(e.text.clone());
                e
            }
            Op::IsNull(b) => self.lang.is_null(func, *b),
            Op::ThreadId => self.lang.thread(),
            // Named elsewhere, or gone with the vectors.
            Op::Param(_) | Op::Index | Op::Result | Op::Const(_) => self.operand(v, deps),
            Op::Iota | Op::Splat(_) | Op::Gather { .. } | Op::Extract(..) | Op::Reduce(..) | Op::Shuffle(..) => {
                self.left_over(repr)
            }
        }
    }

    pub(super) fn left_over(&mut self, repr: DType) -> Expr {
        self.fail("a vector is left".into());
        Expr::primary("0", repr)
    }

    /// A variable, or an element of a tile in memory.
    pub(super) fn variable(&mut self, p: &Place, deps: &mut Deps) -> Expr {
        let func = self.func;
        let def = &func.vars[p.var];
        let name = self.var_names[p.var].clone().unwrap_or_default();
        if p.index.is_empty() {
            return Expr { lanes: def.ty.lanes, ..Expr::primary(name, def.ty.elem) };
        }
        let index_type = if self.style.narrow { DType::I32 } else { DType::I64 };
        let mut flat: Option<Expr> = None;
        for (&i, &d) in p.index.iter().zip(&def.dims) {
            let i = self.operand_as(i, index_type, deps);
            flat = Some(match flat {
                None => i,
                Some(f) => {
                    let known = Known { dtype: index_type, a: Range::default(), b: Range::default(), exact: true };
                    let d = self.lang.literal(onnxc_ir::loops::Scalar::i64(i64::from(d)), index_type);
                    let scaled = self.lang.binary(BinOp::Mul, f, d, known);
                    self.lang.binary(BinOp::Add, scaled, i, known)
                }
            });
        }
        let flat = flat.unwrap_or_else(|| Expr::primary("0", index_type));
        self.lang.element(&name, flat, def.ty.elem)
    }
}
