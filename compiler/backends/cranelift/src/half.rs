//! Half floats by integer arithmetic: exact, rounding to nearest even, without run-time functions.
//!
//! Formats: IEEE 754 binary16 (5 exponent bits, bias 15), and bfloat16, the upper half of an f32. Everything here works
//! on an i32 scalar and on a chunk of four alike, as CLIF instructions do.

use crate::func::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use onnxc_base::DType;

impl Translator<'_, '_> {
    /// The f32 (or four) of half bits that are zero-extended to i32.
    pub fn half_to_f32(&mut self, half: DType, bits: Value) -> Value {
        let ty = self.b.func.dfg.value_type(bits);
        let float = float_like(ty);
        if half == DType::BF16 {
            let v = self.shift_left(bits, 16);
            return self.recast(float, v);
        }
        let magnitude = self.and(bits, 0x7fff);
        let exponent = self.and(bits, 0x7c00);
        let moved = self.shift_left(magnitude, 13);
        // Rebiasing adds 127 - 15 to the exponent; infinities and NaNs go to the top exponent by adding it twice.
        let normal = self.plus(moved, 112 << 23);
        let special = self.plus(moved, 224 << 23);
        // Subnormals are mantissa * 2^-24, an exact product of normal numbers.
        let mantissa = self.b.ins().fcvt_from_sint(float, magnitude);
        let scale = self.int(ty, 0x3380_0000);
        let scale = self.recast(float, scale);
        let tiny = self.b.ins().fmul(mantissa, scale);
        let tiny = self.recast(ty, tiny);
        let is_special = self.equals(exponent, 0x7c00);
        let is_tiny = self.equals(exponent, 0);
        let v = self.pick(is_special, special, normal);
        let v = self.pick(is_tiny, tiny, v);
        let sign = self.and(bits, 0x8000);
        let sign = self.shift_left(sign, 16);
        let v = self.b.ins().bor(v, sign);
        self.recast(float, v)
    }

    /// The half bits of an f32 (or four), zero-extended in i32.
    pub fn f32_to_half(&mut self, half: DType, v: Value) -> Value {
        let ty = if self.b.func.dfg.value_type(v).is_vector() { types::I32X4 } else { types::I32 };
        let bits = self.recast(ty, v);
        let magnitude = self.and(bits, 0x7fff_ffff);
        let top = self.int(ty, 0x7f80_0000);
        let is_nan = self.b.ins().icmp(IntCC::SignedGreaterThan, magnitude, top);
        if half == DType::BF16 {
            let rounded = self.round_off(bits, 16);
            let high = self.shift_right(bits, 16);
            let quiet = self.int(ty, 0x40);
            let nan = self.b.ins().bor(high, quiet);
            return self.pick(is_nan, nan, rounded);
        }
        let rounded = self.round_off(magnitude, 13);
        let normal = self.plus(rounded, -(112 << 10));
        // Adding 0.5 puts the unit of the sum's last place at 2^-24, that of subnormal halves.
        let half_one = self.int(ty, 0x3f00_0000);
        let (as_float, half_one_f) = (self.recast(float_like(ty), magnitude), self.recast(float_like(ty), half_one));
        let sum = self.b.ins().fadd(as_float, half_one_f);
        let sum = self.recast(ty, sum);
        let tiny = self.b.ins().isub(sum, half_one);
        let least_normal = self.int(ty, 0x3880_0000);
        let is_tiny = self.b.ins().icmp(IntCC::SignedLessThan, magnitude, least_normal);
        let too_large = self.int(ty, 0x4780_0000);
        let is_large = self.b.ins().icmp(IntCC::SignedGreaterThanOrEqual, magnitude, too_large);
        let (infinity, nan) = (self.int(ty, 0x7c00), self.int(ty, 0x7e00));
        let v = self.pick(is_tiny, tiny, normal);
        let v = self.pick(is_large, infinity, v);
        let v = self.pick(is_nan, nan, v);
        let sign = self.shift_right(bits, 16);
        let sign = self.and(sign, 0x8000);
        self.b.ins().bor(v, sign)
    }

    /// The low `by` bits rounded off to nearest even, and shifted out.
    fn round_off(&mut self, v: Value, by: i64) -> Value {
        let odd = self.shift_right(v, by);
        let odd = self.and(odd, 1);
        let v = self.plus(v, (1 << (by - 1)) - 1);
        let v = self.b.ins().iadd(v, odd);
        self.shift_right(v, by)
    }

    fn shift_left(&mut self, v: Value, by: i64) -> Value {
        let by = self.int(types::I32, by);
        self.b.ins().ishl(v, by)
    }

    fn shift_right(&mut self, v: Value, by: i64) -> Value {
        let by = self.int(types::I32, by);
        self.b.ins().ushr(v, by)
    }

    fn and(&mut self, v: Value, mask: i64) -> Value {
        let mask = self.int(self.b.func.dfg.value_type(v), mask);
        self.b.ins().band(v, mask)
    }

    fn plus(&mut self, v: Value, add: i64) -> Value {
        let add = self.int(self.b.func.dfg.value_type(v), add);
        self.b.ins().iadd(v, add)
    }

    fn equals(&mut self, v: Value, to: i64) -> Value {
        let to = self.int(self.b.func.dfg.value_type(v), to);
        self.b.ins().icmp(IntCC::Equal, v, to)
    }

    fn pick(&mut self, cond: Value, a: Value, b: Value) -> Value {
        if self.b.func.dfg.value_type(a).is_vector() {
            self.b.ins().bitselect(cond, a, b)
        } else {
            self.b.ins().select(cond, a, b)
        }
    }
}

fn float_like(int: Type) -> Type {
    if int.is_vector() { types::F32X4 } else { types::F32 }
}
