//! Arithmetic, logic and comparisons of parts: scalars or 128-bit chunks.
//!
//! Chunks use vector instructions where Cranelift has them for the lane type; the rest (division, shifts by different
//! amounts, multiplication of bytes ...) takes lanes out and puts results in. Meaning: [`onnxc_ir::scalar`].

use crate::func::Translator;
use crate::rep::{Rep, scalar_type};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, types};
use onnxc_base::DType;
use onnxc_ir::loops::{BinOp, Op, Ty, UnOp, Value};

impl Translator<'_, '_> {
    /// `Op::Binary`.
    pub fn binary(&mut self, op: BinOp, a: Value, b: Value, ty: Ty) -> Rep {
        let known = self.known(b);
        let (mut a, mut b) = (self.rep(a), self.rep(b));
        if a.width != b.width {
            // Bools of different forms meet at the packed one, if there is one.
            let width = a.width.max(b.width);
            a = self.mask_of_width(&a, ty.lanes, width);
            b = self.mask_of_width(&b, ty.lanes, width);
        }
        let width = a.width;
        let part = self.part(ty.elem, width);
        let parts =
            (0..a.parts.len()).map(|i| self.binary_part(op, part, width, a.parts[i], b.parts[i], known)).collect();
        Rep { width, parts }
    }

    /// The integer that a value has in every lane, if that is known now.
    fn known(&self, v: Value) -> Option<i64> {
        let v = match self.func.values[v].op {
            Op::Splat(s) => s,
            _ => v,
        };
        self.func.values[v].ty.elem.is_int().then(|| self.constant(v)).flatten()
    }

    /// Two parts of type `ty` (of 128 bits, or scalar) combined. `known`: the second operand, if constant.
    pub fn binary_part(
        &mut self,
        op: BinOp,
        ty: Ty,
        width: u32,
        a: ir::Value,
        b: ir::Value,
        known: Option<i64>,
    ) -> ir::Value {
        match ty.elem {
            DType::Bool => self.bool_binary(op, width, a, b),
            DType::F32 | DType::F64 if ty.lanes > 1 && matches!(op, BinOp::Rem | BinOp::FloorMod) => {
                self.by_lanes(ty, width, a, b, |t, x, y| t.float_binary(op, ty.elem, x, y))
            }
            DType::F32 | DType::F64 => self.float_binary(op, ty.elem, a, b),
            d if d.is_int() && ty.lanes == 1 => self.int_binary(op, d, a, b, known),
            d if d.is_int() => match self.vector_int_binary(op, d, a, b, known) {
                Some(v) => v,
                None => self.by_lanes(ty, width, a, b, |t, x, y| t.int_binary(op, d, x, y, known)),
            },
            d => {
                self.fail(format!("arithmetic ('{}') on {d}, which is for storage only", op.name()));
                a
            }
        }
    }

    /// A chunk's operation lane by lane.
    fn by_lanes(
        &mut self,
        ty: Ty,
        width: u32,
        a: ir::Value,
        b: ir::Value,
        mut f: impl FnMut(&mut Self, ir::Value, ir::Value) -> ir::Value,
    ) -> ir::Value {
        let (a, b) = (Rep::packed(width, vec![a]), Rep::packed(width, vec![b]));
        let lanes = (0..usize::from(ty.lanes))
            .map(|i| {
                let (x, y) = (self.lane(&a, ty.elem, i), self.lane(&b, ty.elem, i));
                f(self, x, y)
            })
            .collect();
        self.with_lanes(ty, lanes).one()
    }

    fn float_binary(&mut self, op: BinOp, elem: DType, a: ir::Value, b: ir::Value) -> ir::Value {
        match op {
            BinOp::Add => self.b.ins().fadd(a, b),
            BinOp::Sub => self.b.ins().fsub(a, b),
            BinOp::Mul => self.b.ins().fmul(a, b),
            BinOp::Div => self.b.ins().fdiv(a, b),
            BinOp::FloorDiv => {
                let q = self.b.ins().fdiv(a, b);
                self.b.ins().floor(q)
            }
            // The operand order is what makes these one instruction on x86 (a NaN in `a` stays).
            BinOp::Min => self.float_choose(b, a),
            BinOp::Max => {
                let less = self.b.ins().fcmp(FloatCC::LessThan, a, b);
                self.choose(less, b, a)
            }
            BinOp::Rem => self.float_rem(a, b),
            BinOp::FloorMod => self.float_floor_mod(a, b),
            BinOp::Pow => {
                self.fail(format!("'pow' on {elem} was not expanded into simpler operations"));
                a
            }
            // Bit operations leave floats as they are.
            BinOp::And | BinOp::Or | BinOp::Xor | BinOp::Shl | BinOp::Shr => a,
        }
    }

    /// `if x < y { x } else { y }`.
    fn float_choose(&mut self, x: ir::Value, y: ir::Value) -> ir::Value {
        let less = self.b.ins().fcmp(FloatCC::LessThan, x, y);
        self.choose(less, x, y)
    }

    /// `cond ? a : b` for a comparison's result.
    fn choose(&mut self, cond: ir::Value, a: ir::Value, b: ir::Value) -> ir::Value {
        let ty = self.b.func.dfg.value_type(a);
        if !ty.is_vector() {
            return self.b.ins().select(cond, a, b);
        }
        let mask = self.recast(ty, cond);
        self.b.ins().bitselect(mask, a, b)
    }

    /// Logical not of a mask part: all bits of packed lanes, the low bit of a scalar.
    pub fn bool_not(&mut self, a: ir::Value, width: u32) -> ir::Value {
        if width != 0 {
            return self.b.ins().bnot(a);
        }
        let one = self.int(types::I8, 1);
        self.b.ins().bxor(a, one)
    }

    /// One-bit arithmetic: both forms of a bool obey the same identities.
    fn bool_binary(&mut self, op: BinOp, width: u32, a: ir::Value, b: ir::Value) -> ir::Value {
        match op {
            BinOp::Add | BinOp::Sub | BinOp::Xor => self.b.ins().bxor(a, b),
            BinOp::Mul | BinOp::Div | BinOp::FloorDiv | BinOp::And | BinOp::Min => self.b.ins().band(a, b),
            BinOp::Or | BinOp::Max => self.b.ins().bor(a, b),
            BinOp::Rem | BinOp::FloorMod => self.b.ins().bxor(a, a),
            BinOp::Shl | BinOp::Shr => {
                let not = self.bool_not(b, width);
                self.b.ins().band(a, not)
            }
            BinOp::Pow => {
                let not = self.bool_not(b, width);
                self.b.ins().bor(a, not)
            }
        }
    }

    /// Integer operations that Cranelift has on whole chunks.
    fn vector_int_binary(
        &mut self,
        op: BinOp,
        elem: DType,
        a: ir::Value,
        b: ir::Value,
        known: Option<i64>,
    ) -> Option<ir::Value> {
        let signed = elem.is_signed_int();
        Some(match op {
            BinOp::Add => self.b.ins().iadd(a, b),
            BinOp::Sub => self.b.ins().isub(a, b),
            BinOp::Mul if elem.bits() >= 16 => self.b.ins().imul(a, b),
            BinOp::And => self.b.ins().band(a, b),
            BinOp::Or => self.b.ins().bor(a, b),
            BinOp::Xor => self.b.ins().bxor(a, b),
            BinOp::Min | BinOp::Max if elem.bits() == 64 => {
                let less = if signed { IntCC::SignedLessThan } else { IntCC::UnsignedLessThan };
                let (x, y) = if op == BinOp::Min { (b, a) } else { (a, b) };
                let cond = self.b.ins().icmp(less, x, y);
                self.b.ins().bitselect(cond, b, a)
            }
            BinOp::Min if signed => self.b.ins().smin(a, b),
            BinOp::Min => self.b.ins().umin(a, b),
            BinOp::Max if signed => self.b.ins().smax(a, b),
            BinOp::Max => self.b.ins().umax(a, b),
            BinOp::Shl | BinOp::Shr => {
                let by = known.filter(|by| (0..elem.bits() as i64).contains(by))?;
                let by = self.int(types::I32, by);
                match op {
                    BinOp::Shl => self.b.ins().ishl(a, by),
                    _ if signed => self.b.ins().sshr(a, by),
                    _ => self.b.ins().ushr(a, by),
                }
            }
            _ => return None,
        })
    }

    /// Integer scalars. `known`: the second operand, if constant.
    fn int_binary(&mut self, op: BinOp, elem: DType, a: ir::Value, b: ir::Value, known: Option<i64>) -> ir::Value {
        let signed = elem.is_signed_int();
        match op {
            BinOp::Add => self.b.ins().iadd(a, b),
            BinOp::Sub => self.b.ins().isub(a, b),
            BinOp::Mul => self.b.ins().imul(a, b),
            BinOp::And => self.b.ins().band(a, b),
            BinOp::Or => self.b.ins().bor(a, b),
            BinOp::Xor => self.b.ins().bxor(a, b),
            BinOp::Min if signed => self.b.ins().smin(a, b),
            BinOp::Min => self.b.ins().umin(a, b),
            BinOp::Max if signed => self.b.ins().smax(a, b),
            BinOp::Max => self.b.ins().umax(a, b),
            BinOp::Div | BinOp::Rem | BinOp::FloorDiv | BinOp::FloorMod => self.divide(op, elem, a, b, known),
            BinOp::Shl | BinOp::Shr => self.shift(op, elem, a, b),
            BinOp::Pow => self.int_pow(elem, a, b),
        }
    }

    fn shift(&mut self, op: BinOp, elem: DType, a: ir::Value, b: ir::Value) -> ir::Value {
        let ty = scalar_type(elem).unwrap_or(types::I64);
        let bits = self.int(ty, i64::from(ty.bits()));
        let fits = self.b.ins().icmp(IntCC::UnsignedLessThan, b, bits);
        if op == BinOp::Shr && elem.is_signed_int() {
            let most = self.int(ty, i64::from(ty.bits()) - 1);
            let by = self.b.ins().select(fits, b, most);
            return self.b.ins().sshr(a, by);
        }
        let v = if op == BinOp::Shl { self.b.ins().ishl(a, b) } else { self.b.ins().ushr(a, b) };
        let zero = self.int(ty, 0);
        self.b.ins().select(fits, v, zero)
    }

    /// Division without traps: a divisor of 0 (or -1, which overflows) is replaced by 1 and the result mended.
    fn divide(&mut self, op: BinOp, elem: DType, a: ir::Value, b: ir::Value, known: Option<i64>) -> ir::Value {
        let ty = scalar_type(elem).unwrap_or(types::I64);
        let remainder = matches!(op, BinOp::Rem | BinOp::FloorMod);
        if !elem.is_signed_int() {
            return self.divide_unsigned(ty, remainder, a, b, known);
        }
        if let Some(v) = known.and_then(|d| self.divide_by_power(ty, op, a, d)) {
            return v;
        }
        let safe_constant = known.is_some_and(|d| d != 0 && d != -1);
        let (zero, one) = (self.int(ty, 0), self.int(ty, 1));
        // b + 1 is 0 or 1 (unsigned at most 1) exactly for -1 and 0.
        let next = self.b.ins().iadd(b, one);
        let special = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, next, one);
        let divisor = if safe_constant { b } else { self.b.ins().select(special, one, b) };
        let v = match op {
            BinOp::Div => self.b.ins().sdiv(a, divisor),
            BinOp::Rem => self.b.ins().srem(a, divisor),
            BinOp::FloorDiv => {
                let q = self.b.ins().sdiv(a, divisor);
                let down = self.rounds_down(a, divisor, q, zero);
                self.b.ins().isub(q, down)
            }
            _ => {
                let q = self.b.ins().sdiv(a, divisor);
                let back = self.b.ins().imul(q, divisor);
                let r = self.b.ins().isub(a, back);
                let down = self.rounds_down(a, divisor, q, zero);
                let more = self.b.ins().imul(down, divisor);
                self.b.ins().iadd(r, more)
            }
        };
        if remainder || safe_constant {
            return v;
        }
        // -1: the negation, wrapping; 0: 0. Both are a * b.
        let by_special = self.b.ins().imul(a, b);
        self.b.ins().select(special, by_special, v)
    }

    /// 1 if the truncated quotient `q` of `a / b` lies above the exact one, else 0.
    fn rounds_down(&mut self, a: ir::Value, b: ir::Value, q: ir::Value, zero: ir::Value) -> ir::Value {
        let ty = self.b.func.dfg.value_type(a);
        let back = self.b.ins().imul(q, b);
        let r = self.b.ins().isub(a, back);
        let inexact = self.b.ins().icmp(IntCC::NotEqual, r, zero);
        let signs = self.b.ins().bxor(r, b);
        let differ = self.b.ins().icmp(IntCC::SignedLessThan, signs, zero);
        let down = self.b.ins().band(inexact, differ);
        if ty == types::I8 { down } else { self.b.ins().uextend(ty, down) }
    }

    fn divide_unsigned(
        &mut self,
        ty: ir::Type,
        remainder: bool,
        a: ir::Value,
        b: ir::Value,
        known: Option<i64>,
    ) -> ir::Value {
        let safe = known.is_some_and(|d| d != 0);
        let (zero, one) = (self.int(ty, 0), self.int(ty, 1));
        let by_zero = self.b.ins().icmp(IntCC::Equal, b, zero);
        let divisor = if safe { b } else { self.b.ins().select(by_zero, one, b) };
        if remainder {
            // a % 1 is 0, as is the result for a divisor of 0.
            return self.b.ins().urem(a, divisor);
        }
        let q = self.b.ins().udiv(a, divisor);
        if safe { q } else { self.b.ins().select(by_zero, zero, q) }
    }

    /// Floored division by a positive power of two, the commonest in index arithmetic.
    fn divide_by_power(&mut self, ty: ir::Type, op: BinOp, a: ir::Value, d: i64) -> Option<ir::Value> {
        if d <= 0 || d.count_ones() != 1 {
            return None;
        }
        match op {
            BinOp::FloorDiv => {
                let by = self.int(ty, i64::from(d.trailing_zeros()));
                Some(self.b.ins().sshr(a, by))
            }
            BinOp::FloorMod => {
                let mask = self.int(ty, d - 1);
                Some(self.b.ins().band(a, mask))
            }
            _ => None,
        }
    }

    /// One part of `Op::Unary` (not of a bool's `Not`).
    pub fn unary_part(&mut self, op: UnOp, elem: DType, a: ir::Value) -> ir::Value {
        match elem {
            DType::F32 | DType::F64 => match op {
                UnOp::Neg => self.b.ins().fneg(a),
                UnOp::Abs => self.b.ins().fabs(a),
                UnOp::Sqrt => self.b.ins().sqrt(a),
                UnOp::Floor => self.b.ins().floor(a),
                UnOp::Ceil => self.b.ins().ceil(a),
                UnOp::Trunc => self.b.ins().trunc(a),
                UnOp::RoundEven => self.b.ins().nearest(a),
                _ => a,
            },
            DType::F16 | DType::BF16 => {
                self.fail(format!("arithmetic ('{}') on {elem}, which is for storage only", op.name()));
                a
            }
            DType::Bool => a,
            d => match op {
                UnOp::Neg => self.b.ins().ineg(a),
                UnOp::Not => self.b.ins().bnot(a),
                UnOp::Abs if d.is_signed_int() => self.b.ins().iabs(a),
                _ => a,
            },
        }
    }
}
