//! Vectors that stay: what the language's forms for them are given.
//!
//! Lanes of 64 bits and masks never get a text of their own: they are part of the upper half of a product and of a load.

use super::{Flow, Language};
use crate::expr::Expr;
use crate::flow::ops::Deps;
use crate::scalar::lanes::upper;
use onnxc_base::DType;
use onnxc_ir::loops::walk::operands;
use onnxc_ir::loops::{BinOp, BufKind, Func, Op, Scalar, Ty, Value};

/// A constant, or the one in all lanes.
pub(super) fn constant(f: &Func, v: Value) -> Option<Scalar> {
    let at = match f.values[v].op {
        Op::Splat(a) => a,
        _ => v,
    };
    match f.values[at].op {
        Op::Const(s) => Some(s),
        _ => None,
    }
}

/// What the text of a value mentions, as often as it does.
pub(super) fn reads(f: &Func, v: Value, each: &mut dyn FnMut(Value)) {
    let def = &f.values[v];
    if def.ty.lanes == 1 {
        return operands(&def.op, each);
    }
    if matches!(def.ty.elem, DType::I64 | DType::Bool) {
        return;
    }
    match def.op {
        Op::Cast(x) if upper(f, x).is_some() => {
            if let Some((a, b)) = upper(f, x) {
                [a, b].into_iter().for_each(each);
            }
        }
        Op::Load { offset, mask, .. } => {
            each(offset);
            mask.map(|m| under(f, m)).into_iter().for_each(each);
        }
        Op::Binary(op, a, b) => pair(f, op, a, b).into_iter().for_each(each),
        Op::Fma(a, b, c) => pair(f, BinOp::Mul, a, b).into_iter().chain([c]).for_each(each),
        _ => operands(&def.op, each),
    }
}

/// The operands of an operation in the order they are written in: a float in all lanes is the second where it may be, and a
/// scalar then, which needs no register of vectors.
fn pair(f: &Func, op: BinOp, a: Value, b: Value) -> [Value; 2] {
    let float = f.values[a].ty.elem.is_float();
    let all = |v: Value| if float { matches!(f.values[v].op, Op::Splat(_)) } else { constant(f, v).is_some() };
    // Which operand a NaN comes from matters to the limits of floats.
    let commutes = matches!(op, BinOp::Add | BinOp::Mul) || !float && matches!(op, BinOp::Max | BinOp::Min);
    let [a, b] = if commutes && all(a) { [b, a] } else { [a, b] };
    if float && constant(f, b).is_none() { [a, under(f, b)] } else { [a, b] }
}

/// The scalar of a splat.
fn under(f: &Func, v: Value) -> Value {
    match f.values[v].op {
        Op::Splat(a) => a,
        _ => v,
    }
}

impl<L: Language> Flow<'_, L> {
    /// Zero, in all lanes.
    pub(super) fn zero(&mut self, ty: Ty) -> Expr {
        let one = self.lang.literal(Scalar { dtype: ty.elem, bits: 0 }, ty.elem);
        if ty.lanes == 1 {
            return one;
        }
        self.lang.splat(one, ty.lanes).unwrap_or_else(|| self.left_over(ty.elem))
    }

    /// A value of several lanes.
    pub(super) fn vector(&mut self, v: Value, deps: &mut Deps) -> Expr {
        let (func, ty) = (self.func, self.func.values[v].ty);
        let made = match &func.values[v].op {
            Op::Splat(a) => {
                let a = self.operand(*a, deps);
                self.lang.splat(a, ty.lanes)
            }
            Op::Binary(op, a, b) => self.vectors(v, *op, *a, *b, deps),
            Op::Fma(a, b, c) => {
                let [a, b] = pair(func, BinOp::Mul, *a, *b);
                let (a, b, c) = (self.operand(a, deps), self.second(b, deps), self.operand(*c, deps));
                self.lang.fma_lanes(a, b, c)
            }
            Op::Cast(a) => match upper(func, *a) {
                Some((a, b)) => {
                    let (a, b) = (self.operand(a, deps), self.operand(b, deps));
                    self.lang.upper_lanes(a, b)
                }
                None => {
                    let a = self.operand(*a, deps);
                    self.lang.cast_lanes(a, ty.elem)
                }
            },
            Op::Select(c, a, b) => {
                let [c, a, b] = [*c, *a, *b].map(|x| self.operand(x, deps));
                Some(self.lang.select(c, a, b))
            }
            Op::Load { buf, offset, mask } => {
                let offset = self.operand(*offset, deps);
                let mask = mask.map(|m| self.operand(under(func, m), deps));
                if !matches!(func.bufs[*buf].kind, BufKind::Const(_)) {
                    deps.loads.push(*buf);
                }
                let all = self.lang.load_packed(func, *buf, offset, ty.lanes);
                match (all, mask) {
                    (Some(all), Some(m)) => {
                        let zero = self.zero(ty);
                        Some(self.lang.select(m, all, zero))
                    }
                    (all, _) => all,
                }
            }
            Op::Get(p) => {
                let e = self.variable(p, deps);
                deps.reads.push(p.var);
                Some(e)
            }
            _ => None,
        };
        made.unwrap_or_else(|| self.left_over(ty.elem))
    }

    fn vectors(&mut self, v: Value, op: BinOp, a: Value, b: Value, deps: &mut Deps) -> Option<Expr> {
        if op == BinOp::Min
            && let Some(e) = self.limited_lanes(v, deps)
        {
            return Some(e);
        }
        let [a, b] = pair(self.func, op, a, b);
        let (first, second) = (self.operand(a, deps), self.second(b, deps));
        self.lang.binary_lanes(op, first, second)
    }

    /// A second operand: a vector, or what all lanes get.
    fn second(&mut self, b: Value, deps: &mut Deps) -> Expr {
        match constant(self.func, b) {
            Some(s) => self.lang.literal(s, self.func.values[b].ty.elem),
            None => self.operand(b, deps),
        }
    }

    fn limited_lanes(&mut self, v: Value, deps: &mut Deps) -> Option<Expr> {
        let known = self.known(v, v, v);
        self.within_limits(v, known, deps)
    }
}
