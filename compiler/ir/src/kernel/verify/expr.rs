//! Types and symbols of expressions.

use super::{Checker, Scope, code};
use crate::kernel::{Expr, ExprKind, Scalar, Src};
use onnxc_base::{DType, Sym};
use std::collections::HashMap;

/// Finds types, and reports what is wrong with an expression on the way. Shared parts are looked at once.
pub(super) struct Types<'c, 'a, 's> {
    checker: &'c mut Checker<'a>,
    scope: &'s Scope<'s>,
    /// By address: only ever looked up.
    seen: HashMap<*const ExprKind, Option<DType>>,
}

impl<'c, 'a, 's> Types<'c, 'a, 's> {
    pub fn new(checker: &'c mut Checker<'a>, scope: &'s Scope<'s>) -> Self {
        Self { checker, scope, seen: HashMap::new() }
    }

    fn report(&mut self, code: &'static str, message: String) {
        self.checker.report(code, self.scope.line, message);
    }

    /// The type of an expression; none if what is wrong leaves it open.
    pub fn of(&mut self, e: &Expr) -> Option<DType> {
        let key = std::ptr::from_ref(e.kind());
        if let Some(&known) = self.seen.get(&key) {
            return known;
        }
        let dtype = self.find(e);
        self.seen.insert(key, dtype);
        dtype
    }

    fn find(&mut self, e: &Expr) -> Option<DType> {
        match e.kind() {
            ExprKind::Const(s) => {
                self.literal(*s);
                Some(s.dtype)
            }
            ExprKind::Int(s) => {
                self.sym(s);
                Some(DType::I64)
            }
            ExprKind::Load { src, index, pad } => self.load(e, *src, index, *pad),
            ExprKind::Unary(op, a) => {
                let t = self.of(a)?;
                self.takes(op.takes(t), op.name(), t);
                Some(t)
            }
            ExprKind::Binary(op, a, b) => {
                let t = self.same(a, b, op.name())?;
                self.takes(op.takes(t), op.name(), t);
                Some(t)
            }
            ExprKind::Compare(op, a, b) => {
                if let Some(t) = self.same(a, b, op.name()) {
                    self.takes(op.takes(t), op.name(), t);
                }
                Some(DType::Bool)
            }
            ExprKind::Select(c, a, b) => {
                if let Some(t) = self.of(c).filter(|t| *t != DType::Bool) {
                    self.report(code::TYPE, format!("the condition of select is {t}, not bool"));
                }
                self.same(a, b, "select")
            }
            ExprKind::Cast(to, a) => {
                self.of(a);
                if !Scalar::holds(*to) {
                    self.report(code::TYPE, format!("{to} is no scalar type"));
                }
                Some(*to)
            }
        }
    }

    fn literal(&mut self, s: Scalar) {
        let bits = if s.dtype == DType::Bool { 1 } else { s.dtype.bits() };
        if !Scalar::holds(s.dtype) {
            self.report(code::TYPE, format!("{} is no scalar type", s.dtype));
        } else if bits < 64 && s.bits >> bits != 0 {
            self.report(code::TYPE, format!("bits {:#x} are too many for {}", s.bits, s.dtype));
        }
    }

    /// The type of two operands.
    fn same(&mut self, a: &Expr, b: &Expr, what: &str) -> Option<DType> {
        let (a, b) = (self.of(a), self.of(b));
        match (a, b) {
            (Some(x), Some(y)) if x != y => {
                self.report(code::TYPE, format!("{what} of {x} and {y}"));
                None
            }
            _ => a.or(b),
        }
    }

    fn takes(&mut self, ok: bool, what: &str, t: DType) {
        if !ok {
            let help = if t.is_float() { ": it is storage only, cast it to f32 first" } else { "" };
            self.report(code::TYPE, format!("{what} of {t}{help}"));
        }
    }

    /// A symbolic integer over dims and the variables in scope.
    fn sym(&mut self, s: &Sym) {
        if s.is_overflow() {
            self.report(code::NAME, "an index expression is too large".into());
        }
        for symbol in s.symbols() {
            if !self.checker.dims.contains(&symbol) && !self.scope.axes.iter().any(|a| a.var == symbol) {
                self.report(code::NAME, format!("'{symbol}' is neither a dim nor an index variable here"));
            }
        }
    }

    fn load(&mut self, e: &Expr, src: Src, index: &[Expr], pad: Option<Scalar>) -> Option<DType> {
        for i in index {
            if let Some(t) = self.of(i).filter(|t| *t != DType::I64) {
                self.report(code::TYPE, format!("an index is {t}, not i64"));
            }
        }
        let kernel = self.checker.kernel;
        let exists = match src {
            Src::Param(p) => kernel.params.get(p).is_some(),
            Src::Def(d) => kernel.defs.get(d).is_some(),
        };
        let name = self.checker.names.src(src);
        if !exists {
            self.report(code::LOAD, format!("{name} doesn't exist"));
            return None;
        }
        if let Src::Def(d) = src
            && d.as_u32() as usize >= self.scope.before
        {
            self.report(code::LOAD, format!("'{name}' doesn't come before this"));
        }
        let (dtype, shape) = (kernel.src_dtype(src), kernel.src_shape(src));
        if index.len() != shape.len() {
            self.report(code::LOAD, format!("{} indices for '{name}', which has {} dims", index.len(), shape.len()));
        } else if pad.is_none() {
            let found = super::load::outside(self.checker, self.scope, index, &shape);
            let text = self.checker.names.expr(e);
            found.into_iter().for_each(|why| self.report(code::LOAD, format!("{text} is out of range: {why}")));
        }
        if let Some(p) = pad {
            self.literal(p);
            if p.dtype != dtype {
                self.report(code::TYPE, format!("the pad of '{name}' is {}, not {dtype}", p.dtype));
            }
        }
        Some(dtype)
    }
}
