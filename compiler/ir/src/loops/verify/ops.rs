//! The type rule of each operation.

use super::{Checker, code};
use crate::loops::*;
use crate::scalar::arithmetic_float;

impl Checker<'_> {
    pub(super) fn op(&mut self, def: &ValueDef) {
        let ty = def.ty;
        match &def.op {
            Op::Param(i) => {
                let kind = self.func.params.get(*i as usize).map(|p| p.kind);
                let ok = ty.lanes == 1 && kind == Some(ParamKind::Scalar(ty.elem));
                self.check(ok, code::TYPE, |_| format!("parameter {i} is no scalar of type {ty}"));
            }
            Op::Index | Op::Result => {}
            Op::Const(s) => self.const_op(ty, *s),
            Op::Iota => self.check(ty.elem.is_int(), code::TYPE, |_| format!("iota of {ty}")),
            Op::Splat(a) => self.typed(*a, Some(Ty::scalar(ty.elem)), "the scalar"),
            Op::Unary(op, a) => self.unary(ty, *op, *a),
            Op::Binary(op, a, b) => {
                self.typed(*a, Some(ty), "operand");
                self.typed(*b, Some(ty), "operand");
                self.check(op.takes(ty.elem), code::TYPE, |_| format!("{} of {ty}", op.name()));
            }
            Op::Fma(a, b, c) => {
                [a, b, c].into_iter().for_each(|v| self.typed(*v, Some(ty), "operand"));
                self.check(arithmetic_float(ty.elem), code::TYPE, |_| format!("fma of {ty}"));
            }
            Op::Dot(a, b, c) => self.dot(ty, *a, *b, *c),
            Op::Compare(op, a, b) => self.compare(ty, *op, *a, *b),
            Op::Select(c, a, b) => self.select(ty, *c, *a, *b),
            Op::Cast(a) => {
                let from = self.uses(*a);
                self.follows(ty, from.map(|t| t.with_elem(ty.elem)));
            }
            Op::Bitcast(a) => self.bitcast(ty, *a),
            Op::Load { buf, offset, mask } => {
                self.loaded(ty, *buf, *mask);
                self.index(*offset, "the offset");
            }
            Op::Gather { buf, offsets, mask } => {
                self.loaded(ty, *buf, *mask);
                self.lane_offsets(*offsets, ty.lanes);
            }
            Op::Get(place) => {
                let want = self.place(place);
                self.follows(ty, want);
            }
            Op::Extract(a, lane) => {
                let from = self.uses(*a);
                self.follows(ty, from.map(|t| Ty::scalar(t.elem)));
                let lanes = from.map_or(u16::MAX, |t| t.lanes);
                self.check(*lane < lanes, code::TYPE, |_| format!("lane {lane} of {lanes}"));
            }
            Op::Reduce(op, a) => {
                let from = self.uses(*a);
                self.follows(ty, from.map(|t| Ty::scalar(t.elem)));
                self.check(op.binary().takes(ty.elem), code::TYPE, |_| format!("reduce {} of {ty}", op.name()));
            }
            Op::Shuffle(a, b, pick) => self.shuffle(ty, *a, *b, pick),
            Op::IsNull(b) => {
                self.reads(*b);
                self.follows(ty, Some(Ty::BOOL));
            }
            Op::ThreadId => self.follows(ty, Some(Ty::I64)),
        }
    }

    /// Checks the result's type.
    fn follows(&mut self, got: Ty, want: Option<Ty>) {
        if let Some(want) = want {
            self.check(got == want, code::TYPE, |_| format!("the result is {want}, not {got}"));
        }
    }

    fn const_op(&mut self, ty: Ty, s: Scalar) {
        self.follows(ty, Some(Ty::scalar(s.dtype)));
        let bits = if s.dtype == DType::Bool { 1 } else { s.dtype.bits() };
        let ok = bits >= 64 || s.bits >> bits == 0;
        self.check(ok, code::TYPE, |_| format!("bits {:#x} are too many for {}", s.bits, s.dtype));
    }

    fn unary(&mut self, ty: Ty, op: UnOp, a: Value) {
        self.typed(a, Some(ty), "operand");
        self.check(op.takes(ty.elem), code::TYPE, |_| format!("{} of {ty}", op.name()));
        let late = self.stage.expanded && op.is_math();
        self.check(!late, code::STAGE, |_| format!("{} is left after expand-math", op.name()));
    }

    fn dot(&mut self, ty: Ty, a: Value, b: Value, c: Value) {
        self.typed(c, Some(ty), "operand");
        self.check(ty.elem == DType::I32, code::TYPE, |_| format!("dot of {ty}"));
        let (Some(x), Some(y)) = (self.uses(a), self.uses(b)) else { return };
        let narrow = |t: Ty| t.elem.is_int() && matches!(t.elem.bits(), 8 | 16);
        let fits = narrow(x) && narrow(y) && x.lanes == y.lanes && x.lanes % ty.lanes == 0;
        self.check(fits, code::TYPE, |_| format!("dot of {x} and {y} into {ty}"));
    }

    fn compare(&mut self, ty: Ty, op: CmpOp, a: Value, b: Value) {
        let from = self.uses(a);
        self.typed(b, from, "operand");
        self.follows(ty, from.map(|t| t.with_elem(DType::Bool)));
        let elem = from.map_or(DType::I64, |t| t.elem);
        self.check(op.takes(elem), code::TYPE, |_| format!("cmp {} of {elem}", op.name()));
    }

    fn select(&mut self, ty: Ty, cond: Value, a: Value, b: Value) {
        if let Some(c) = self.uses(cond) {
            let ok = c.elem == DType::Bool && (c.lanes == 1 || c.lanes == ty.lanes);
            self.check(ok, code::TYPE, |p| format!("the condition {} is {c}", p.value(cond)));
        }
        self.typed(a, Some(ty), "operand");
        self.typed(b, Some(ty), "operand");
    }

    fn bitcast(&mut self, ty: Ty, a: Value) {
        let Some(from) = self.uses(a) else { return };
        let bits = |t: Ty| t.elem.bits() * usize::from(t.lanes);
        self.check(bits(from) == bits(ty), code::TYPE, |_| format!("bitcast of {from} to {ty}, another size"));
        let bool_lanes = from.elem == DType::Bool || ty.elem == DType::Bool;
        self.check(!bool_lanes, code::TYPE, |_| "bitcast of bool, whose lanes have no size".into());
    }

    fn loaded(&mut self, ty: Ty, buf: Buf, mask: Option<Value>) {
        self.reads(buf);
        self.mask(mask, ty.lanes);
        let dtype = self.func.bufs.get(buf).map(|d| d.dtype);
        self.follows(ty, dtype.map(|d| ty.with_elem(d)));
    }

    fn shuffle(&mut self, ty: Ty, a: Value, b: Value, pick: &[u16]) {
        let from = self.uses(a);
        self.typed(b, from, "operand");
        self.follows(ty, from.map(|t| Ty::vector(t.elem, pick.len().try_into().unwrap_or(0))));
        let lanes = from.map_or(u32::MAX, |t| 2 * u32::from(t.lanes));
        if let Some(bad) = pick.iter().find(|&&p| u32::from(p) >= lanes) {
            self.report(code::TYPE, |_| format!("lane {bad} of {lanes}"));
        }
    }
}
