//! Arithmetic of one and two operands, comparisons and reductions, bit for bit as `onnxc_ir::scalar` defines them.
//!
//! No fast-math flag is ever set, so LLVM keeps every rounding. Does NOT compile math functions: `expand-math` has made
//! polynomials of them, and meeting one is an error.

use crate::emit::{Emit, Val, lanes};
use crate::error::{Error, Res, program};
use inkwell::values::{BasicValueEnum, InstructionOpcode as I};
use inkwell::{FloatPredicate as F, IntPredicate as P};
use onnxc_base::DType;
use onnxc_ir::loops::{BinOp, CmpOp, ReduceOp, UnOp};

/// How the elements of a dtype are computed with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
}

fn kind(d: DType) -> Res<Kind> {
    match d {
        DType::Bool => Ok(Kind::Bool),
        DType::F32 | DType::F64 => Ok(Kind::Float),
        d if d.is_signed_int() => Ok(Kind::Signed),
        d if d.is_unsigned_int() => Ok(Kind::Unsigned),
        d => program(format!("{d} is for storage, not for arithmetic")),
    }
}

impl<'c> Emit<'c> {
    /// One operand of dtype `d`.
    pub fn unary(&self, op: UnOp, d: DType, a: Val<'c>) -> Res<Val<'c>> {
        let zero = || self.int_like(a, 0);
        match (kind(d)?, op) {
            (Kind::Float, op) if op.is_math() => {
                program(format!("{} is left; expand-math should have replaced it", op.name()))
            }
            (Kind::Float, op) => self.float_unary(op, a),
            (_, UnOp::Not) => self.op(I::Xor, a, self.int_like(a, -1)),
            (Kind::Signed | Kind::Unsigned, UnOp::Neg) => self.op(I::Sub, zero(), a),
            (Kind::Signed, UnOp::Abs) => {
                let negative = self.icmp(P::SLT, a, zero())?;
                let minus = self.op(I::Sub, zero(), a)?;
                self.select(negative, minus, a)
            }
            _ => Ok(a),
        }
    }

    fn float_unary(&self, op: UnOp, a: Val<'c>) -> Res<Val<'c>> {
        let call = |name: &str| self.intrinsic_value(name, &[a.get_type()], &[a]);
        match op {
            UnOp::Neg => Ok(match a {
                BasicValueEnum::VectorValue(v) => self.b.build_float_neg(v, "")?.into(),
                v => self.b.build_float_neg(v.into_float_value(), "")?.into(),
            }),
            UnOp::Abs => call("llvm.fabs"),
            UnOp::Sqrt => call("llvm.sqrt"),
            UnOp::Floor | UnOp::Ceil | UnOp::Trunc | UnOp::RoundEven => self.round(op, a),
            _ => Ok(a),
        }
    }

    /// Two operands of dtype `d`.
    pub fn binary(&self, op: BinOp, d: DType, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        match kind(d)? {
            Kind::Bool => self.bool_binary(op, a, b),
            Kind::Float => self.float_binary(op, a, b),
            k => self.int_binary(op, k == Kind::Signed, a, b),
        }
    }

    fn float_binary(&self, op: BinOp, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        match op {
            BinOp::Add => self.op(I::FAdd, a, b),
            BinOp::Sub => self.op(I::FSub, a, b),
            BinOp::Mul => self.op(I::FMul, a, b),
            BinOp::Div => self.op(I::FDiv, a, b),
            BinOp::Rem => self.float_rem(a, b),
            BinOp::FloorDiv => {
                let q = self.op(I::FDiv, a, b)?;
                self.round(UnOp::Floor, q)
            }
            BinOp::FloorMod => {
                let r = self.float_rem(a, b)?;
                let zero = self.float_like(a, 0.0);
                let left = self.fcmp(F::UNE, r, zero)?;
                let (r_minus, b_minus) = (self.fcmp(F::OLT, r, zero)?, self.fcmp(F::OLT, b, zero)?);
                let differ = self.op(I::Xor, r_minus, b_minus)?;
                let adjust = self.op(I::And, left, differ)?;
                let sum = self.op(I::FAdd, r, b)?;
                self.select(adjust, sum, r)
            }
            // Comparison and choice in exactly this order are one instruction on x86.
            BinOp::Min => self.select(self.fcmp(F::OLT, b, a)?, b, a),
            BinOp::Max => self.select(self.fcmp(F::OLT, a, b)?, b, a),
            BinOp::Pow => program("pow is left; expand-math should have replaced it"),
            BinOp::And | BinOp::Or | BinOp::Xor | BinOp::Shl | BinOp::Shr => Ok(a),
        }
    }

    fn int_binary(&self, op: BinOp, signed: bool, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        let less = if signed { P::SLT } else { P::ULT };
        match op {
            BinOp::Add => self.op(I::Add, a, b),
            BinOp::Sub => self.op(I::Sub, a, b),
            BinOp::Mul => self.op(I::Mul, a, b),
            BinOp::Min => self.select(self.icmp(less, b, a)?, b, a),
            BinOp::Max => self.select(self.icmp(less, a, b)?, b, a),
            BinOp::And => self.op(I::And, a, b),
            BinOp::Or => self.op(I::Or, a, b),
            BinOp::Xor => self.op(I::Xor, a, b),
            BinOp::Div | BinOp::Rem | BinOp::FloorDiv | BinOp::FloorMod => self.divide(op, signed, a, b),
            BinOp::Shl | BinOp::Shr => self.shift(op, signed, a, b),
            BinOp::Pow => self.int_pow(signed, a, b),
        }
    }

    /// Arithmetic modulo 2, with the total division and shifts of all integers.
    fn bool_binary(&self, op: BinOp, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        match op {
            BinOp::Add | BinOp::Sub | BinOp::Xor => self.op(I::Xor, a, b),
            BinOp::Mul | BinOp::And | BinOp::Min | BinOp::Div | BinOp::FloorDiv => self.op(I::And, a, b),
            BinOp::Or | BinOp::Max => self.op(I::Or, a, b),
            BinOp::Rem | BinOp::FloorMod => Ok(self.int_like(a, 0)),
            BinOp::Shl | BinOp::Shr => {
                let not = self.op(I::Xor, b, self.int_like(b, -1))?;
                self.op(I::And, a, not)
            }
            // 0 to the 0th is 1.
            BinOp::Pow => {
                let not = self.op(I::Xor, b, self.int_like(b, -1))?;
                self.op(I::Or, a, not)
            }
        }
    }

    /// `a * b + c` with one rounding.
    pub fn fma(&self, d: DType, a: Val<'c>, b: Val<'c>, c: Val<'c>) -> Res<Val<'c>> {
        if kind(d)? != Kind::Float {
            return program(format!("fma of {d}"));
        }
        if !self.abilities.fma {
            return Err(Error::Target("the processor has no fused multiply-add".into()));
        }
        self.intrinsic_value("llvm.fma", &[a.get_type()], &[a, b, c])
    }

    /// Bool lanes.
    pub fn compare(&self, op: CmpOp, d: DType, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        let signed = match kind(d)? {
            Kind::Float => {
                let p = match op {
                    CmpOp::Eq => F::OEQ,
                    CmpOp::Ne => F::UNE,
                    CmpOp::Lt => F::OLT,
                    CmpOp::Le => F::OLE,
                    CmpOp::Gt => F::OGT,
                    CmpOp::Ge => F::OGE,
                };
                return self.fcmp(p, a, b);
            }
            k => k == Kind::Signed,
        };
        let p = match (op, signed) {
            (CmpOp::Eq, _) => P::EQ,
            (CmpOp::Ne, _) => P::NE,
            (CmpOp::Lt, true) => P::SLT,
            (CmpOp::Lt, false) => P::ULT,
            (CmpOp::Le, true) => P::SLE,
            (CmpOp::Le, false) => P::ULE,
            (CmpOp::Gt, true) => P::SGT,
            (CmpOp::Gt, false) => P::UGT,
            (CmpOp::Ge, true) => P::SGE,
            (CmpOp::Ge, false) => P::UGE,
        };
        self.icmp(p, a, b)
    }

    /// All lanes combined: the upper half with the lower, until one is left.
    pub fn reduce(&self, op: ReduceOp, d: DType, v: Val<'c>) -> Res<Val<'c>> {
        let mut v = v;
        while lanes(v) > 1 {
            let half = lanes(v) / 2;
            let low = self.shuffle(v, v, &(0..half).collect::<Vec<_>>())?;
            let high = self.shuffle(v, v, &(half..2 * half).collect::<Vec<_>>())?;
            v = self.binary(op.binary(), d, low, high)?;
        }
        Ok(v)
    }
}
