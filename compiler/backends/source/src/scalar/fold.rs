//! Computing a scalar: from constants, from ranges, from what the block has computed already, or anew.

use super::Splitter;
use crate::range::Range;
use onnxc_base::DType;
use onnxc_ir::loops::{Op, Stmt, Value};
use onnxc_ir::scalar::{BinOp, CmpOp, Scalar, UnOp, eval_binary, eval_cast, eval_compare, eval_unary};

impl Splitter<'_> {
    /// A constant.
    pub(super) fn constant(&mut self, s: Scalar) -> Value {
        self.pure(s.dtype, Op::Const(s), Range::constant(s))
    }

    /// An i64 constant.
    pub(super) fn int(&mut self, v: i64) -> Value {
        self.constant(Scalar::i64(v))
    }

    /// An operation of operands only: computed once per block.
    pub(super) fn pure(&mut self, dtype: DType, op: Op, range: Range) -> Value {
        if let (Some(v), true) = (range.single(), dtype.is_int() && !matches!(op, Op::Const(_))) {
            // Every integer of a known value is a constant; u64 beyond i64 keeps its bits.
            return self.constant(Scalar::from_i64(dtype, v as i64));
        }
        let key = format!("{dtype} {op:?}");
        if let Some(&v) = self.known.iter().rev().find_map(|m| m.get(&key)) {
            return v;
        }
        let v = self.define(dtype, op, range, "");
        self.stmt(Stmt::Let(v));
        self.known.last_mut().expect("a block is open").insert(key, v);
        v
    }

    pub(super) fn unary(&mut self, op: UnOp, a: Value) -> Value {
        let d = self.elem(a);
        match self.known_constant(a) {
            Some(s) if !op.is_math() => return self.constant(eval_unary(op, s)),
            _ => {}
        }
        let range = if d.is_int() { Range::unary(op, self.ranges[a]) } else { None };
        self.pure(d, Op::Unary(op, a), wrapped(range, d))
    }

    pub(super) fn binary(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        let d = self.elem(a);
        let (ca, cb) = (self.known_constant(a), self.known_constant(b));
        if let (Some(x), Some(y)) = (ca, cb)
            && op != BinOp::Pow
        {
            return self.constant(eval_binary(op, x, y));
        }
        if let Some(v) = self.neutral(op, a, b, ca, cb) {
            return v;
        }
        // (x + c) + d = x + (c + d), also where it wraps.
        if let (BinOp::Add, Some(y), Op::Binary(BinOp::Add, x, c)) = (op, cb, self.out.values[a].op.clone())
            && let (true, Some(c)) = (d.is_int(), self.known_constant(c))
        {
            let sum = self.constant(eval_binary(BinOp::Add, c, y));
            return self.binary(BinOp::Add, x, sum);
        }
        let range = if d.is_int() { Range::binary(op, self.ranges[a], self.ranges[b]) } else { None };
        self.pure(d, Op::Binary(op, a, b), wrapped(range, d))
    }

    /// The operand that the result is.
    fn neutral(&self, op: BinOp, a: Value, b: Value, ca: Option<Scalar>, cb: Option<Scalar>) -> Option<Value> {
        let integer = |s: &Scalar| s.dtype.is_int() || s.dtype == DType::Bool;
        let is = |c: Option<Scalar>, n: i64| c.filter(integer).is_some_and(|s| s.to_i64() == n);
        let boolean = self.elem(a) == DType::Bool;
        match op {
            BinOp::Add | BinOp::Or | BinOp::Xor if is(ca, 0) => Some(b),
            BinOp::Add | BinOp::Sub | BinOp::Or | BinOp::Xor | BinOp::Shl | BinOp::Shr if is(cb, 0) => Some(a),
            BinOp::Mul if is(ca, 1) || is(cb, 0) => Some(b),
            BinOp::Mul | BinOp::Div | BinOp::FloorDiv if is(cb, 1) || is(ca, 0) => Some(a),
            BinOp::And if boolean && is(ca, 1) || is(cb, 0) => Some(b),
            BinOp::And if boolean && is(cb, 1) || is(ca, 0) => Some(a),
            BinOp::Or if boolean && is(ca, 1) => Some(a),
            BinOp::Or if boolean && is(cb, 1) => Some(b),
            BinOp::And | BinOp::Or if a == b => Some(a),
            BinOp::FloorMod
                if self.elem(a).is_int()
                    && Range::binary(op, self.ranges[a], self.ranges[b]) == Some(self.ranges[a])
                    && self.ranges[b].lo > self.ranges[a].hi =>
            {
                Some(a)
            }
            _ => None,
        }
    }

    pub(super) fn compare(&mut self, op: CmpOp, a: Value, b: Value) -> Value {
        if let (Some(x), Some(y)) = (self.known_constant(a), self.known_constant(b)) {
            return self.constant(Scalar::bool(eval_compare(op, x, y)));
        }
        if self.elem(a).is_int()
            && let Some(v) = Range::compare(op, self.ranges[a], self.ranges[b])
        {
            return self.constant(Scalar::bool(v));
        }
        self.pure(DType::Bool, Op::Compare(op, a, b), Range::of(DType::Bool))
    }

    pub(super) fn select(&mut self, cond: Value, a: Value, b: Value) -> Value {
        if let Some(c) = self.known_constant(cond) {
            return if c.bits != 0 { a } else { b };
        }
        if a == b {
            return a;
        }
        // What a masked load gives for a lane that it leaves out is what the selection asks for.
        if let Op::Load { mask: Some(m), .. } = self.out.values[a].op
            && m == cond
            && self.known_constant(b).is_some_and(|s| s.bits == 0)
        {
            return a;
        }
        let range = self.ranges[a].union(self.ranges[b]);
        self.pure(self.elem(a), Op::Select(cond, a, b), range)
    }

    pub(super) fn cast(&mut self, a: Value, to: DType) -> Value {
        let from = self.elem(a);
        if from == to {
            return a;
        }
        if let Some(s) = self.known_constant(a) {
            return self.constant(eval_cast(s, to));
        }
        let known = if from.is_float() || to.is_float() || to == DType::Bool { None } else { Some(self.ranges[a]) };
        self.pure(to, Op::Cast(a), wrapped(known, to))
    }

    /// The same bits as a type of the same size.
    pub(super) fn bits_as(&mut self, a: Value, to: DType) -> Value {
        if self.elem(a) == to {
            return a;
        }
        if let Some(s) = self.known_constant(a) {
            return self.constant(Scalar { dtype: to, bits: s.bits });
        }
        self.pure(to, Op::Bitcast(a), Range::of(to))
    }
}

/// The range if the type holds it, else the type's.
fn wrapped(range: Option<Range>, d: DType) -> Range {
    range.filter(|r| d.is_int() && r.fits(d)).unwrap_or(Range::of(d))
}
