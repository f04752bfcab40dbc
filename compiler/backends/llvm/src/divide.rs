//! Integer division, remainder, shifts and powers that no operand makes undefined.
//!
//! A zero divisor gives 0, MIN / -1 wraps, a shift by the width or more (or by a negative count) shifts everything out.
//! The guards are selects on the divisor: where it is constant, LLVM's builder folds them away at once.

use crate::emit::{Emit, Val, int_elem, lanes, widen};
use crate::error::{Res, program};
use inkwell::IntPredicate as P;
use inkwell::module::Linkage;
use inkwell::types::BasicType;
use inkwell::values::{BasicValue, FunctionValue, InstructionOpcode as I};
use onnxc_ir::loops::BinOp;

impl<'c> Emit<'c> {
    /// One of the four divisions.
    pub fn divide(&self, op: BinOp, signed: bool, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        match op {
            BinOp::Div if signed => self.signed_quotient(a, b).map(|(q, _)| q),
            BinOp::Rem if signed => self.op(I::SRem, a, self.signed_divisor(b)?),
            BinOp::FloorDiv if signed => self.floor_div(a, b),
            BinOp::FloorMod if signed => self.floor_mod(a, b),
            BinOp::Div | BinOp::FloorDiv => {
                let zero = self.icmp(P::EQ, b, self.int_like(b, 0))?;
                let q = self.op(I::UDiv, a, self.select(zero, self.int_like(b, 1), b)?)?;
                self.select(zero, self.int_like(b, 0), q)
            }
            BinOp::Rem | BinOp::FloorMod => {
                let zero = self.icmp(P::EQ, b, self.int_like(b, 0))?;
                // Any number modulo 1 is the 0 that we want.
                self.op(I::URem, a, self.select(zero, self.int_like(b, 1), b)?)
            }
            _ => program(format!("{} isn't a division", op.name())),
        }
    }

    /// The divisor, or 1 where it is 0 or -1 (which would trap on MIN).
    fn signed_divisor(&self, b: Val<'c>) -> Res<Val<'c>> {
        let zero = self.icmp(P::EQ, b, self.int_like(b, 0))?;
        let minus = self.icmp(P::EQ, b, self.int_like(b, -1))?;
        self.select(self.op(I::Or, zero, minus)?, self.int_like(b, 1), b)
    }

    /// The truncated quotient and the divisor used, 1 where the real one is 0 or -1.
    fn signed_quotient(&self, a: Val<'c>, b: Val<'c>) -> Res<(Val<'c>, Val<'c>)> {
        let safe = self.signed_divisor(b)?;
        let q = self.op(I::SDiv, a, safe)?;
        let minus = self.icmp(P::EQ, b, self.int_like(b, -1))?;
        let q = self.select(minus, self.op(I::Sub, self.int_like(a, 0), a)?, q)?;
        let zero = self.icmp(P::EQ, b, self.int_like(b, 0))?;
        Ok((self.select(zero, self.int_like(a, 0), q)?, safe))
    }

    /// True where a remainder isn't 0 and its sign differs from the divisor's.
    fn must_floor(&self, r: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        let left = self.icmp(P::NE, r, self.int_like(r, 0))?;
        let differ = self.icmp(P::SLT, self.op(I::Xor, r, b)?, self.int_like(r, 0))?;
        self.op(I::And, left, differ)
    }

    /// The exponent of a constant positive power of two that is the same in all lanes.
    fn power_of_two(&self, v: Val<'c>) -> Res<Option<u32>> {
        if !v.is_const() {
            return Ok(None);
        }
        let first = self.int(self.extract(v, 0)?)?;
        for lane in 1..lanes(v) {
            if self.int(self.extract(v, lane)?)? != first {
                return Ok(None);
            }
        }
        let c = first.get_sign_extended_constant().filter(|&c| c > 0 && c & (c - 1) == 0);
        Ok(c.map(i64::trailing_zeros))
    }

    fn floor_div(&self, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        if let Some(shift) = self.power_of_two(b)? {
            return self.op(I::AShr, a, self.int_like(a, shift.into()));
        }
        let (q, safe) = self.signed_quotient(a, b)?;
        let r = self.op(I::SRem, a, safe)?;
        let less = self.op(I::Sub, q, self.int_like(q, 1))?;
        self.select(self.must_floor(r, b)?, less, q)
    }

    fn floor_mod(&self, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        if let Some(shift) = self.power_of_two(b)? {
            return self.op(I::And, a, self.int_like(a, (1i64 << shift) - 1));
        }
        let r = self.op(I::SRem, a, self.signed_divisor(b)?)?;
        let more = self.op(I::Add, r, b)?;
        self.select(self.must_floor(r, b)?, more, r)
    }

    /// A shift by any count.
    pub fn shift(&self, op: BinOp, signed: bool, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        let bits = i64::from(int_elem(a).get_bit_width());
        // A negative count is a huge one when seen as unsigned.
        let inside = self.icmp(P::ULT, b, self.int_like(b, bits))?;
        if op == BinOp::Shr && signed {
            let count = self.select(inside, b, self.int_like(b, bits - 1))?;
            return self.op(I::AShr, a, count);
        }
        let shifted = self.op(if op == BinOp::Shl { I::Shl } else { I::LShr }, a, b)?;
        self.select(inside, shifted, self.int_like(a, 0))
    }

    /// Wrapping integer power, lane by lane through one local function.
    pub fn int_pow(&self, signed: bool, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        let f = match self.module.get_function("onnxc.pow") {
            Some(f) => f,
            None => self.define_int_pow()?,
        };
        let (wide, extend) = (self.cx.i64_type().into(), if signed { I::SExt } else { I::ZExt });
        let (x, mut y) = (self.convert(extend, a, wide)?, self.convert(extend, b, wide)?);
        if !signed {
            // The exponent of an unsigned 64-bit power saturates instead of turning negative.
            let max = self.int_like(y, i64::MAX);
            y = self.select(self.icmp(P::ULT, y, max)?, y, max)?;
        }
        let r = self.per_lane(f, &[x, y])?;
        self.convert(I::Trunc, r, int_elem(a).into())
    }

    /// Calls a scalar function on each lane.
    pub fn per_lane(&self, f: FunctionValue<'c>, args: &[Val<'c>]) -> Res<Val<'c>> {
        let n = lanes(args[0]);
        let call = |lane: u16| -> Res<Val<'c>> {
            let args = args.iter().map(|&a| Ok(self.extract(a, lane)?.into())).collect::<Res<Vec<_>>>()?;
            match self.b.build_call(f, &args, "")?.try_as_basic_value().basic() {
                Some(v) => Ok(v),
                None => program("a helper function returns nothing"),
            }
        };
        if n == 1 {
            return call(0);
        }
        let mut all = None;
        for lane in 0..n {
            let v = call(lane)?;
            let base = match all {
                Some(x) => x,
                None => widen(v.get_type(), n).into_vector_type().get_poison(),
            };
            let at = self.cx.i64_type().const_int(lane.into(), false);
            all = Some(self.b.build_insert_element(base, v, at, "")?);
        }
        Ok(all.expect("a vector has lanes").into())
    }

    /// Starts a local helper function; `define` fills it while the builder's own place is kept.
    pub fn helper(
        &self,
        name: &str,
        params: &[inkwell::types::BasicTypeEnum<'c>],
        ret: inkwell::types::BasicTypeEnum<'c>,
        define: impl FnOnce(FunctionValue<'c>) -> Res<()>,
    ) -> Res<FunctionValue<'c>> {
        let params: Vec<_> = params.iter().map(|&p| p.into()).collect();
        let f = self.module.add_function(name, ret.fn_type(&params, false), Some(Linkage::Internal));
        let back = self.b.get_insert_block();
        self.b.position_at_end(self.cx.append_basic_block(f, "entry"));
        define(f)?;
        if let Some(block) = back {
            self.b.position_at_end(block);
        }
        Ok(f)
    }

    /// `i64 onnxc.pow(i64, i64)`: by squaring; a negative exponent gives the truncated quotient.
    fn define_int_pow(&self) -> Res<FunctionValue<'c>> {
        let wide = self.cx.i64_type();
        self.helper("onnxc.pow", &[wide.into(), wide.into()], wide.into(), |f| {
            let args = f.get_params();
            let (a, b) = (args[0], args[1]);
            let (zero, one) = (wide.const_zero(), wide.const_int(1, false));
            let entry = self.b.get_insert_block().expect("helper placed the builder");
            let (square, done) = (self.cx.append_basic_block(f, "square"), self.cx.append_basic_block(f, "done"));
            let negative = self.icmp(P::SLT, b, zero.into())?;
            // 1 / a^n is 1 for 1, +-1 for -1, else 0: the power with the lowest exponent bit of such a base, or 0.
            let unit = self.icmp(P::ULT, self.op(I::Add, a, one.into())?, wide.const_int(3, false).into())?;
            let unit = self.op(I::And, unit, self.icmp(P::NE, a, zero.into())?)?;
            let count = self.select(negative, self.op(I::And, b, one.into())?, b)?;
            self.b.build_unconditional_branch(square)?;
            self.b.position_at_end(square);
            let (n, x, r) = (self.b.build_phi(wide, "n")?, self.b.build_phi(wide, "x")?, self.b.build_phi(wide, "r")?);
            let odd = self.icmp(P::NE, self.op(I::And, n.as_basic_value(), one.into())?, zero.into())?;
            let product = self.op(I::Mul, r.as_basic_value(), x.as_basic_value())?;
            let r2 = self.select(odd, product, r.as_basic_value())?;
            let x2 = self.op(I::Mul, x.as_basic_value(), x.as_basic_value())?;
            let n2 = self.op(I::LShr, n.as_basic_value(), one.into())?;
            n.add_incoming(&[(&count, entry), (&n2, square)]);
            x.add_incoming(&[(&a, entry), (&x2, square)]);
            r.add_incoming(&[(&one, entry), (&r2, square)]);
            let more = self.int(self.icmp(P::NE, n2, zero.into())?)?;
            self.b.build_conditional_branch(more, square, done)?;
            self.b.position_at_end(done);
            let vanishes = self.op(I::And, negative, self.op(I::Xor, unit, self.int_like(unit, -1))?)?;
            let result = self.select(vanishes, zero.into(), r2)?;
            self.b.build_return(Some(&result))?;
            Ok(())
        })
    }
}
