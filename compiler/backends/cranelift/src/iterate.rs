//! Operations that need a loop in scalar code: the remainder of floats and powers of integers.

use crate::func::Translator;
use crate::rep::int_type;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use onnxc_base::DType;

impl Translator<'_, '_> {
    fn float(&mut self, ty: Type, v: f64) -> Value {
        if ty == types::F32 { self.b.ins().f32const(v as f32) } else { self.b.ins().f64const(v) }
    }

    /// `a % b` of floats, exact: |b| is doubled while it fits into |a|, then subtracted on the way back. Every step is
    /// exact: twice a float and half of a doubled one are floats, and so is r - t for t <= r < 2t.
    pub fn float_rem(&mut self, a: Value, b: Value) -> Value {
        let ty = self.b.func.dfg.value_type(a);
        let (size, divisor) = (self.b.ins().fabs(a), self.b.ins().fabs(b));
        let (zero, infinity, half, nan) =
            (self.float(ty, 0.0), self.float(ty, f64::INFINITY), self.float(ty, 0.5), self.float(ty, f64::NAN));
        let (up, down, next, exit) =
            (self.b.create_block(), self.b.create_block(), self.b.create_block(), self.b.create_block());
        let grown = self.b.append_block_param(up, ty);
        let (step, rest) = (self.b.append_block_param(down, ty), self.b.append_block_param(down, ty));
        let result = self.b.append_block_param(exit, ty);

        let positive = self.b.ins().fcmp(FloatCC::GreaterThan, divisor, zero);
        let finite = self.b.ins().fcmp(FloatCC::LessThan, size, infinity);
        let defined = self.b.ins().band(positive, finite);
        self.b.ins().brif(defined, up, &[divisor.into()], exit, &[nan.into()]);

        self.b.switch_to_block(up);
        let twice = self.b.ins().fadd(grown, grown);
        let fits = self.b.ins().fcmp(FloatCC::LessThanOrEqual, twice, size);
        self.b.ins().brif(fits, up, &[twice.into()], down, &[grown.into(), size.into()]);
        self.b.seal_block(up);

        self.b.switch_to_block(down);
        let less = self.b.ins().fsub(rest, step);
        let fits = self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, rest, step);
        let left = self.b.ins().select(fits, less, rest);
        let done = self.b.ins().fcmp(FloatCC::Equal, step, divisor);
        let signed = self.b.ins().fcopysign(left, a);
        self.b.ins().brif(done, exit, &[signed.into()], next, &[]);
        self.b.switch_to_block(next);
        self.b.seal_block(next);
        let smaller = self.b.ins().fmul(step, half);
        self.b.ins().jump(down, &[smaller.into(), left.into()]);
        self.b.seal_block(down);

        self.b.switch_to_block(exit);
        self.b.seal_block(exit);
        result
    }

    /// The remainder with the divisor's sign.
    pub fn float_floor_mod(&mut self, a: Value, b: Value) -> Value {
        let ty = self.b.func.dfg.value_type(a);
        let zero = self.float(ty, 0.0);
        let r = self.float_rem(a, b);
        let left = self.b.ins().fcmp(FloatCC::NotEqual, r, zero);
        let (r_minus, b_minus) =
            (self.b.ins().fcmp(FloatCC::LessThan, r, zero), self.b.ins().fcmp(FloatCC::LessThan, b, zero));
        let differ = self.b.ins().bxor(r_minus, b_minus);
        let adjust = self.b.ins().band(left, differ);
        let sum = self.b.ins().fadd(r, b);
        self.b.ins().select(adjust, sum, r)
    }

    /// `a` to the power `b`, wrapping, by squaring; a negative exponent gives the truncated quotient 1 / a^-b.
    pub fn int_pow(&mut self, elem: DType, a: Value, b: Value) -> Value {
        let ty = int_type(elem.bits() as u32);
        let (zero, one) = (self.int(ty, 0), self.int(ty, 1));
        let exponent = if elem == DType::U64 {
            // The scalar rule caps exponents of u64 there.
            let most = self.int(ty, i64::MAX);
            self.b.ins().umin(b, most)
        } else {
            b
        };
        let power = self.power_loop(ty, a, exponent);
        if !elem.is_signed_int() {
            return power;
        }
        let negative = self.b.ins().icmp(IntCC::SignedLessThan, b, zero);
        let minus = self.int(ty, -1);
        let is_one = self.b.ins().icmp(IntCC::Equal, a, one);
        let is_minus = self.b.ins().icmp(IntCC::Equal, a, minus);
        let odd = self.b.ins().band(b, one);
        let alternating = self.b.ins().select(odd, minus, one);
        let quotient = self.b.ins().select(is_minus, alternating, zero);
        let quotient = self.b.ins().select(is_one, one, quotient);
        self.b.ins().select(negative, quotient, power)
    }

    fn power_loop(&mut self, ty: Type, a: Value, exponent: Value) -> Value {
        let (zero, one) = (self.int(ty, 0), self.int(ty, 1));
        let (head, body, exit) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        let [n, base, acc] = [(); 3].map(|()| self.b.append_block_param(head, ty));
        self.b.ins().jump(head, &[exponent.into(), a.into(), one.into()]);
        self.b.switch_to_block(head);
        let more = self.b.ins().icmp(IntCC::NotEqual, n, zero);
        self.b.ins().brif(more, body, &[], exit, &[]);
        self.b.switch_to_block(body);
        self.b.seal_block(body);
        let odd = self.b.ins().band(n, one);
        let product = self.b.ins().imul(acc, base);
        let acc_next = self.b.ins().select(odd, product, acc);
        let square = self.b.ins().imul(base, base);
        let shift = self.int(types::I32, 1);
        let n_next = self.b.ins().ushr(n, shift);
        self.b.ins().jump(head, &[n_next.into(), square.into(), acc_next.into()]);
        self.b.seal_block(head);
        self.b.switch_to_block(exit);
        self.b.seal_block(exit);
        acc
    }
}
