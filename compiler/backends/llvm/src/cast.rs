//! Conversions between element types, bit for bit as `onnxc_ir::scalar` defines them.
//!
//! Floats to integers truncate and saturate, NaN gives 0. f16 and bf16 are reached through f32. bf16 is always made with
//! integer instructions: the processors' own conversion flushes denormals.

use crate::emit::{Emit, Val};
use crate::error::{Res, program};
use inkwell::values::InstructionOpcode as I;
use inkwell::{FloatPredicate as F, IntPredicate as P};
use onnxc_base::DType;

impl<'c> Emit<'c> {
    /// Converts values of dtype `from` to dtype `to`.
    pub fn cast(&self, v: Val<'c>, from: DType, to: DType) -> Res<Val<'c>> {
        if from == to {
            return Ok(v);
        }
        match from {
            DType::F16 => return self.cast(self.f16_to_f32(v)?, DType::F32, to),
            DType::BF16 => return self.cast(self.bf16_to_f32(v)?, DType::F32, to),
            _ => {}
        }
        match to {
            DType::Bool if from.is_float() => self.fcmp(F::UNE, v, self.float_like(v, 0.0)),
            DType::Bool => self.icmp(P::NE, v, self.int_like(v, 0)),
            DType::F16 => self.f32_to_f16(self.cast(v, from, DType::F32)?),
            DType::BF16 => self.f32_to_bf16(self.cast(v, from, DType::F32)?),
            DType::F32 if from == DType::F64 => self.convert(I::FPTrunc, v, self.elem(to)?),
            DType::F64 if from == DType::F32 => self.convert(I::FPExt, v, self.elem(to)?),
            DType::F32 | DType::F64 => {
                let op = if from.is_signed_int() { I::SIToFP } else { I::UIToFP };
                self.convert(op, v, self.elem(to)?)
            }
            d if d.is_int() && from.is_float() => self.saturate(v, from, to),
            d if d.is_int() => self.resize(v, from, to),
            d => program(format!("there is no conversion to {d}")),
        }
    }

    fn saturate(&self, v: Val<'c>, from: DType, to: DType) -> Res<Val<'c>> {
        if crate::emit::lanes(v) > 1 && to.bits() <= 32 {
            return self.clamp(v, from, to);
        }
        let name = if to.is_signed_int() { "llvm.fptosi.sat" } else { "llvm.fptoui.sat" };
        let result = crate::emit::widen(self.elem(to)?, crate::emit::lanes(v));
        self.intrinsic_value(name, &[result, v.get_type()], &[v])
    }

    /// Saturates vectors before they are converted: LLVM's own saturating conversions are made lane by lane on x86.
    fn clamp(&self, v: Val<'c>, from: DType, to: DType) -> Res<Val<'c>> {
        let signed = to.is_signed_int();
        let bits = to.bits() as i32;
        let (least, most) =
            if signed { (-2f64.powi(bits - 1), 2f64.powi(bits - 1) - 1.0) } else { (0.0, 2f64.powi(bits) - 1.0) };
        // The greatest integer may lie between two floats; then it is what the next one and all above become.
        let (between, below) = match from {
            DType::F32 if bits == 32 => (true, (most + 1.0) * (1.0 - 2f64.powi(-24))),
            _ => (false, most),
        };
        let (low, high) = (self.float_like(v, least), self.float_like(v, below));
        // A comparison with NaN is false: it becomes the least.
        let t = self.select(self.fcmp(F::OGT, v, low)?, v, low)?;
        let t = self.select(self.fcmp(F::OLT, t, high)?, t, high)?;
        let int = if bits == 32 { self.elem(to)? } else { self.cx.i32_type().into() };
        let mut r = self.convert(if signed || bits < 32 { I::FPToSI } else { I::FPToUI }, t, int)?;
        if between {
            let top = self.fcmp(F::OGT, v, high)?;
            r = self.select(top, self.int_like(r, most as i64), r)?;
        }
        if signed {
            r = self.select(self.fcmp(F::ORD, v, v)?, r, self.int_like(r, 0))?;
        }
        if bits == 32 { Ok(r) } else { self.convert(I::Trunc, r, self.elem(to)?) }
    }

    fn resize(&self, v: Val<'c>, from: DType, to: DType) -> Res<Val<'c>> {
        let width = |d: DType| if d == DType::Bool { 1 } else { d.bits() };
        let op = match (width(from), width(to)) {
            (a, b) if a > b => I::Trunc,
            (a, b) if a == b => return Ok(v),
            _ if from.is_signed_int() => I::SExt,
            _ => I::ZExt,
        };
        self.convert(op, v, self.elem(to)?)
    }

    fn bf16_to_f32(&self, v: Val<'c>) -> Res<Val<'c>> {
        let bits = self.convert(I::ZExt, v, self.cx.i32_type().into())?;
        let bits = self.op(I::Shl, bits, self.int_like(bits, 16))?;
        self.bits(bits, self.cx.f32_type().into())
    }

    /// Rounds to even by adding a little less than half a unit; NaN stays NaN.
    fn f32_to_bf16(&self, v: Val<'c>) -> Res<Val<'c>> {
        let bits = self.bits(v, self.cx.i32_type().into())?;
        let k = |c| self.int_like(bits, c);
        let top = self.op(I::LShr, bits, k(16))?;
        let odd = self.op(I::And, top, k(1))?;
        let sum = self.op(I::Add, self.op(I::Add, bits, k(0x7fff))?, odd)?;
        let rounded = self.op(I::LShr, sum, k(16))?;
        let quiet = self.op(I::Or, top, k(0x40))?;
        let r = self.select(self.fcmp(F::UNO, v, v)?, quiet, rounded)?;
        self.convert(I::Trunc, r, self.cx.i16_type().into())
    }

    fn f16_to_f32(&self, v: Val<'c>) -> Res<Val<'c>> {
        if self.abilities.half {
            let h = self.bits(v, self.cx.f16_type().into())?;
            return self.convert(I::FPExt, h, self.cx.f32_type().into());
        }
        let (int, float) = (self.cx.i32_type(), self.cx.f32_type());
        let bits = self.convert(I::ZExt, v, int.into())?;
        let k = |c| self.int_like(bits, c);
        let sign = self.op(I::Shl, self.op(I::And, bits, k(0x8000))?, k(16))?;
        let rest = self.op(I::And, bits, k(0x7fff))?;
        let wide = self.op(I::Shl, rest, k(13))?;
        // The exponent's bias grows from 15 to 127; the greatest exponent becomes the greatest again.
        let normal = self.op(I::Add, wide, k(112 << 23))?;
        let special = self.op(I::Add, wide, k(224 << 23))?;
        // A denormal is a count of 2^-24.
        let tiny = self.convert(I::UIToFP, rest, float.into())?;
        let tiny = self.op(I::FMul, tiny, self.float_like(tiny, 2f64.powi(-24)))?;
        let tiny = self.bits(tiny, int.into())?;
        let r = self.select(self.icmp(P::UGE, rest, k(0x7c00))?, special, normal)?;
        let r = self.select(self.icmp(P::ULT, rest, k(0x400))?, tiny, r)?;
        self.bits(self.op(I::Or, r, sign)?, float.into())
    }

    fn f32_to_f16(&self, v: Val<'c>) -> Res<Val<'c>> {
        let short = self.cx.i16_type();
        if self.abilities.half {
            let h = self.convert(I::FPTrunc, v, self.cx.f16_type().into())?;
            return self.bits(h, short.into());
        }
        let (int, float) = (self.cx.i32_type(), self.cx.f32_type());
        let bits = self.bits(v, int.into())?;
        let k = |c| self.int_like(bits, c);
        let sign = self.op(I::And, self.op(I::LShr, bits, k(16))?, k(0x8000))?;
        let abs = self.op(I::And, bits, k(0x7fff_ffff))?;
        // Normal: the bias falls from 127 to 15, and 13 bits are rounded to even.
        let odd = self.op(I::And, self.op(I::LShr, abs, k(13))?, k(1))?;
        let biased = self.op(I::Add, abs, k(0xfff - (112 << 23)))?;
        let normal = self.op(I::LShr, self.op(I::Add, biased, odd)?, k(13))?;
        // Denormal: adding 0.5 leaves a count of 2^-24 in the low bits, rounded by the hardware.
        let tiny = self.bits(abs, float.into())?;
        let tiny = self.op(I::FAdd, tiny, self.float_like(tiny, 0.5))?;
        let tiny = self.op(I::Sub, self.bits(tiny, int.into())?, k(126 << 23))?;
        let r = self.select(self.icmp(P::ULT, abs, k(0x3880_0000))?, tiny, normal)?;
        let r = self.select(self.icmp(P::UGE, abs, k(0x4780_0000))?, k(0x7c00), r)?;
        let r = self.select(self.icmp(P::UGT, abs, k(0x7f80_0000))?, k(0x7e00), r)?;
        self.convert(I::Trunc, self.op(I::Or, r, sign)?, short.into())
    }
}
