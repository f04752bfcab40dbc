//! Rounding to integers and the remainder of floats, exact, without a math library.
//!
//! Where the target has no instruction, LLVM would call libm, which a freestanding object must not need.

use crate::emit::{Emit, Val};
use crate::error::{Res, program};
use inkwell::types::{BasicTypeEnum, FloatType};
use inkwell::values::{FunctionValue, InstructionOpcode as I, IntValue};
use inkwell::{FloatPredicate as F, IntPredicate as P};
use onnxc_ir::loops::UnOp;

/// The layout of an IEEE format.
struct Format<'c> {
    float: FloatType<'c>,
    int: inkwell::types::IntType<'c>,
    /// Bits of the fraction.
    fraction: u32,
}

impl<'c> Emit<'c> {
    fn format(&self, v: Val<'c>) -> Res<Format<'c>> {
        let t = match v.get_type() {
            BasicTypeEnum::VectorType(t) => t.get_element_type(),
            t => t,
        };
        match t {
            BasicTypeEnum::FloatType(t) if t == self.cx.f32_type() => {
                Ok(Format { float: t, int: self.cx.i32_type(), fraction: 23 })
            }
            BasicTypeEnum::FloatType(t) => Ok(Format { float: t, int: self.cx.i64_type(), fraction: 52 }),
            _ => program("a float was expected"),
        }
    }

    /// Floor, ceil, trunc or round to even.
    pub fn round(&self, op: UnOp, a: Val<'c>) -> Res<Val<'c>> {
        if self.abilities.round {
            let name = match op {
                UnOp::Floor => "llvm.floor",
                UnOp::Ceil => "llvm.ceil",
                UnOp::Trunc => "llvm.trunc",
                _ => "llvm.roundeven",
            };
            return self.intrinsic_value(name, &[a.get_type()], &[a]);
        }
        match op {
            UnOp::Floor | UnOp::Ceil => {
                let t = self.truncated(a)?;
                let (p, step) = if op == UnOp::Floor { (F::OGT, I::FSub) } else { (F::OLT, I::FAdd) };
                let next = self.op(step, t, self.float_like(a, 1.0))?;
                let r = self.select(self.fcmp(p, t, a)?, next, t)?;
                // -1 + 1 is +0, but the ceiling of -0.5 is -0.
                self.with_sign(r, a)
            }
            UnOp::Trunc => self.truncated(a),
            _ => self.rounded_even(a),
        }
    }

    /// By conversion to an integer and back; numbers without a fraction, infinities and NaN stay.
    fn truncated(&self, a: Val<'c>) -> Res<Val<'c>> {
        let f = self.format(a)?;
        let small = self.below_integers(a, &f)?;
        let int = self.convert(I::FPToSI, self.select(small, a, self.float_like(a, 0.0))?, f.int.into())?;
        let t = self.with_sign(self.convert(I::SIToFP, int, f.float.into())?, a)?;
        self.select(small, t, a)
    }

    /// Adding 2^fraction leaves no bits for a fraction; the hardware's rounding does the rest.
    fn rounded_even(&self, a: Val<'c>) -> Res<Val<'c>> {
        let f = self.format(a)?;
        let magic = self.float_like(a, (1u64 << f.fraction) as f64);
        let abs = self.intrinsic_value("llvm.fabs", &[a.get_type()], &[a])?;
        let r = self.op(I::FSub, self.op(I::FAdd, abs, magic)?, magic)?;
        let r = self.with_sign(r, a)?;
        self.select(self.below_integers(a, &f)?, r, a)
    }

    /// True where a number is small enough to have a fraction.
    fn below_integers(&self, a: Val<'c>, f: &Format<'c>) -> Res<Val<'c>> {
        let abs = self.intrinsic_value("llvm.fabs", &[a.get_type()], &[a])?;
        self.fcmp(F::OLT, abs, self.float_like(a, (1u64 << f.fraction) as f64))
    }

    fn with_sign(&self, v: Val<'c>, sign: Val<'c>) -> Res<Val<'c>> {
        self.intrinsic_value("llvm.copysign", &[v.get_type()], &[v, sign])
    }

    /// The remainder of the truncated quotient, exact (C's `fmod`), lane by lane through one local function.
    pub fn float_rem(&self, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        let f = self.format(a)?;
        let name = if f.fraction == 23 { "onnxc.fmod.f32" } else { "onnxc.fmod.f64" };
        let helper = match self.module.get_function(name) {
            Some(h) => h,
            None => {
                self.helper(name, &[f.float.into(), f.float.into()], f.float.into(), |h| self.define_fmod(h, &f))?
            }
        };
        self.per_lane(helper, &[a, b])
    }

    fn define_fmod(&self, h: FunctionValue<'c>, f: &Format<'c>) -> Res<()> {
        let args = h.get_params();
        let (x, y) = (args[0], args[1]);
        let abs = |v: Val<'c>| self.intrinsic_value("llvm.fabs", &[v.get_type()], &[v]);
        let (ax, ay) = (abs(x)?, abs(y)?);
        let block = |name| self.cx.append_basic_block(h, name);
        let (whole, small, divide, nan) = (block("whole"), block("small"), block("divide"), block("nan"));
        // Undefined: x infinite or NaN, y zero or NaN.
        let x_ok = self.fcmp(F::OLT, ax, self.float_like(x, f64::INFINITY))?;
        let y_ok = self.fcmp(F::OGT, ay, self.float_like(y, 0.0))?;
        let ok = self.int(self.op(I::And, x_ok, y_ok)?)?;
        self.b.build_conditional_branch(ok, whole, nan)?;
        self.b.position_at_end(nan);
        self.b.build_return(Some(&f.float.const_float(f64::NAN)))?;
        self.b.position_at_end(whole);
        let less = self.int(self.fcmp(F::OLT, ax, ay)?)?;
        self.b.build_conditional_branch(less, small, divide)?;
        self.b.position_at_end(small);
        self.b.build_return(Some(&x))?;
        self.b.position_at_end(divide);
        let (mx, ex) = self.parts(ax, f)?;
        let (my, ey) = self.parts(ay, f)?;
        let r = self.long_remainder(h, mx, my, self.b.build_int_sub(ex, ey, "")?)?;
        let magnitude = self.assemble(r, ey, f)?;
        let result = self.with_sign(magnitude, x)?;
        self.b.build_return(Some(&result))?;
        Ok(())
    }

    /// |v| as an integer times 2^(exponent - 1) smallest denormals; the exponent is at least 1. Both i64.
    fn parts(&self, abs: Val<'c>, f: &Format<'c>) -> Res<(IntValue<'c>, IntValue<'c>)> {
        let wide = self.cx.i64_type();
        let bits = self.int(self.convert(I::ZExt, self.bits(abs, f.int.into())?, wide.into())?)?;
        let e = self.b.build_right_shift(bits, wide.const_int(f.fraction.into(), false), false, "")?;
        let m = self.b.build_and(bits, wide.const_int((1 << f.fraction) - 1, false), "")?;
        let normal = self.b.build_or(m, wide.const_int(1 << f.fraction, false), "")?;
        let denormal = self.icmp(P::EQ, e.into(), wide.const_zero().into())?;
        let m = self.int(self.select(denormal, m.into(), normal.into())?)?;
        let e = self.int(self.select(denormal, wide.const_int(1, false).into(), e.into())?)?;
        Ok((m, e))
    }

    /// `(m * 2^shift) mod d`, a few bits at a time: 11, since `d` has at most 53.
    fn long_remainder(
        &self,
        h: FunctionValue<'c>,
        m: IntValue<'c>,
        d: IntValue<'c>,
        shift: IntValue<'c>,
    ) -> Res<IntValue<'c>> {
        let wide = self.cx.i64_type();
        let first = self.b.build_int_unsigned_rem(m, d, "")?;
        let entry = self.b.get_insert_block().expect("the builder is inside the helper");
        let (test, step, done) = (
            self.cx.append_basic_block(h, "test"),
            self.cx.append_basic_block(h, "step"),
            self.cx.append_basic_block(h, "done"),
        );
        self.b.build_unconditional_branch(test)?;
        self.b.position_at_end(test);
        let (r, left) = (self.b.build_phi(wide, "r")?, self.b.build_phi(wide, "left")?);
        let (rv, lv) = (r.as_basic_value().into_int_value(), left.as_basic_value().into_int_value());
        let more = self.b.build_int_compare(P::SGT, lv, wide.const_zero(), "")?;
        self.b.build_conditional_branch(more, step, done)?;
        self.b.position_at_end(step);
        let eleven = wide.const_int(11, false);
        let few = self.icmp(P::SLT, lv.into(), eleven.into())?;
        let k = self.int(self.select(few, lv.into(), eleven.into())?)?;
        let shifted = self.b.build_left_shift(rv, k, "")?;
        let next = self.b.build_int_unsigned_rem(shifted, d, "")?;
        let rest = self.b.build_int_sub(lv, k, "")?;
        self.b.build_unconditional_branch(test)?;
        r.add_incoming(&[(&first, entry), (&next, step)]);
        left.add_incoming(&[(&shift, entry), (&rest, step)]);
        self.b.position_at_end(done);
        Ok(rv)
    }

    /// The float that is `r` times 2^(exponent - 1) smallest denormals; `r` has no more bits than a fraction has.
    fn assemble(&self, r: IntValue<'c>, exponent: IntValue<'c>, f: &Format<'c>) -> Res<Val<'c>> {
        let wide = self.cx.i64_type();
        let zeros =
            self.intrinsic_value("llvm.ctlz", &[wide.into()], &[r.into(), self.cx.bool_type().const_zero().into()])?;
        let one = wide.const_int(1, false);
        let room = self.b.build_int_sub(self.int(zeros)?, wide.const_int(63 - u64::from(f.fraction), false), "")?;
        let least = self.b.build_int_sub(exponent, one, "")?;
        let short = self.icmp(P::SLT, room.into(), least.into())?;
        let up = self.int(self.select(short, room.into(), least.into())?)?;
        let fraction = self.b.build_left_shift(r, up, "")?;
        // Without its leading bit a normal number's exponent is one less, so that adding both fields gives the number.
        let e = self.b.build_int_sub(least, up, "")?;
        let e = self.b.build_left_shift(e, wide.const_int(f.fraction.into(), false), "")?;
        let bits = self.b.build_int_add(fraction, e, "")?;
        // Zero has no leading bit to normalise by.
        let zero = self.icmp(P::EQ, r.into(), wide.const_zero().into())?;
        let bits = self.select(zero, wide.const_zero().into(), bits.into())?;
        let bits = self.convert(I::Trunc, bits, f.int.into())?;
        self.bits(bits, f.float.into())
    }
}
