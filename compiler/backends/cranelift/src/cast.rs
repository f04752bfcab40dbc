//! `Op::Cast`: between integers, floats, half floats and bools, by chunks where there are instructions, else by lanes.

use crate::func::Translator;
use crate::rep::{Rep, int_type, scalar_type};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, types};
use onnxc_base::DType;
use onnxc_ir::loops::Ty;

impl Translator<'_, '_> {
    /// A value of type `from` with elements of type `to`.
    pub fn cast(&mut self, rep: &Rep, from: Ty, to: DType) -> Rep {
        if from.elem == to {
            return rep.clone();
        }
        let ty = from.with_elem(to);
        if rep.width != 0 {
            if to == DType::Bool {
                let parts = rep.parts.iter().map(|&p| self.nonzero(from.elem, p)).collect();
                return Rep::packed(rep.width, parts);
            }
            if self.width(ty) != 0
                && let Some(parts) = self.cast_chunks(rep, from, to)
            {
                return Rep::packed(to.bits() as u32, parts);
            }
        }
        let lanes = self.lanes(rep, from);
        let lanes = lanes.into_iter().map(|v| self.cast_scalar(v, from.elem, to)).collect();
        if to == DType::Bool {
            return Rep::scalars(lanes);
        }
        self.with_lanes(ty, lanes)
    }

    /// Not equal to zero (NaN is not), as a bool of the part's form.
    fn nonzero(&mut self, elem: DType, v: ir::Value) -> ir::Value {
        let ty = self.b.func.dfg.value_type(v);
        let zero = self.zero(ty);
        match elem {
            DType::F32 | DType::F64 => self.b.ins().fcmp(FloatCC::NotEqual, v, zero),
            DType::F16 | DType::BF16 => {
                let rest = self.int(ty, 0x7fff);
                let magnitude = self.b.ins().band(v, rest);
                self.b.ins().icmp(IntCC::NotEqual, magnitude, zero)
            }
            _ => self.b.ins().icmp(IntCC::NotEqual, v, zero),
        }
    }

    /// The conversions that whole chunks have instructions for.
    fn cast_chunks(&mut self, rep: &Rep, from: Ty, to: DType) -> Option<Vec<ir::Value>> {
        use DType::*;
        let width = to.bits() as u32;
        match (from.elem, to) {
            (Bool, _) => {
                // A mask of the right width, its bits those of one.
                let mask = self.mask_of_width(rep, from.lanes, width).parts;
                let one = onnxc_ir::loops::Scalar::from_i64(to, 1).bits as i64;
                let chunk = crate::rep::chunk_type(scalar_type(to)?);
                let parts = mask.into_iter().map(|m| {
                    let one = self.int(crate::rep::mask_type(width), one);
                    let v = self.b.ins().band(m, one);
                    self.recast(chunk, v)
                });
                Some(parts.collect())
            }
            (F16 | BF16, F32) => {
                let wide = self.widen(&rep.parts, 16, false);
                Some(wide.into_iter().map(|v| self.half_to_f32(from.elem, v)).collect())
            }
            (F32, F16 | BF16) => {
                let bits: Vec<_> = rep.parts.iter().map(|&v| self.f32_to_half(to, v)).collect();
                Some(self.narrow(&bits, 32))
            }
            (F32, F64) => Some(self.promote_chunks(&rep.parts)),
            (F32, I32) => Some(rep.parts.iter().map(|&v| self.b.ins().fcvt_to_sint_sat(types::I32X4, v)).collect()),
            (a, F32) if a.is_int() && a.bits() <= 32 && a != U32 => {
                let wide = self.resize_chunks(&rep.parts, a, 32);
                Some(wide.into_iter().map(|v| self.b.ins().fcvt_from_sint(types::F32X4, v)).collect())
            }
            (a, b) if a.is_int() && b.is_int() => Some(self.resize_chunks(&rep.parts, a, width)),
            _ => None,
        }
    }

    fn promote_chunks(&mut self, parts: &[ir::Value]) -> Vec<ir::Value> {
        let mut out = Vec::with_capacity(parts.len() * 2);
        for &p in parts {
            let high = self.shuffle_bytes(p, p, &[8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]);
            let high = self.recast(types::F32X4, high);
            out.extend([self.b.ins().fvpromote_low(p), self.b.ins().fvpromote_low(high)]);
        }
        out
    }

    /// Integer chunks with lanes of another width, wrapped or extended as `from` is signed.
    fn resize_chunks(&mut self, parts: &[ir::Value], from: DType, width: u32) -> Vec<ir::Value> {
        let mut parts = parts.to_vec();
        let mut now = from.bits() as u32;
        while now < width {
            parts = self.widen(&parts, now, from.is_signed_int());
            now *= 2;
        }
        while now > width {
            parts = self.narrow(&parts, now);
            now /= 2;
        }
        parts
    }

    /// One scalar.
    fn cast_scalar(&mut self, v: ir::Value, from: DType, to: DType) -> ir::Value {
        let half = |d: DType| matches!(d, DType::F16 | DType::BF16);
        if to == DType::Bool {
            return self.nonzero(from, v);
        }
        if half(from) {
            let wide = self.b.ins().uextend(types::I32, v);
            let single = self.half_to_f32(from, wide);
            return if to == DType::F32 { single } else { self.cast_scalar(single, DType::F32, to) };
        }
        match (from, to) {
            (DType::F32, d) if half(d) => {
                let bits = self.f32_to_half(d, v);
                self.b.ins().ireduce(types::I16, bits)
            }
            // Whatever it is, through f32: the one rule of loops IR.
            (_, d) if half(d) => {
                let single = self.cast_scalar(v, from, DType::F32);
                self.cast_scalar(single, DType::F32, to)
            }
            (DType::F32, DType::F64) => self.b.ins().fpromote(types::F64, v),
            (DType::F64, DType::F32) => self.b.ins().fdemote(types::F32, v),
            (_, DType::F32) => self.int_to_float(v, from, types::F32),
            (_, DType::F64) => self.int_to_float(v, from, types::F64),
            (DType::F32 | DType::F64, _) => self.float_to_int(v, to),
            _ => self.int_to_int(v, from, to.bits() as u32),
        }
    }

    fn int_to_int(&mut self, v: ir::Value, from: DType, width: u32) -> ir::Value {
        let (now, ty) = (from.bits() as u32, int_type(width));
        match now.cmp(&width) {
            std::cmp::Ordering::Equal => v,
            std::cmp::Ordering::Greater => self.b.ins().ireduce(ty, v),
            std::cmp::Ordering::Less if from.is_signed_int() => self.b.ins().sextend(ty, v),
            std::cmp::Ordering::Less => self.b.ins().uextend(ty, v),
        }
    }

    fn int_to_float(&mut self, v: ir::Value, from: DType, to: ir::Type) -> ir::Value {
        match from {
            DType::U64 => self.b.ins().fcvt_from_uint(to, v),
            // Exact in i64, and signed conversions are single instructions.
            DType::I64 | DType::U32 => {
                let wide = self.int_to_int(v, from, 64);
                self.b.ins().fcvt_from_sint(to, wide)
            }
            _ => {
                let wide = self.int_to_int(v, from, 32);
                self.b.ins().fcvt_from_sint(to, wide)
            }
        }
    }

    /// Truncates and saturates; NaN gives 0.
    fn float_to_int(&mut self, v: ir::Value, to: DType) -> ir::Value {
        match to {
            DType::I64 => self.b.ins().fcvt_to_sint_sat(types::I64, v),
            DType::U64 => self.b.ins().fcvt_to_uint_sat(types::I64, v),
            DType::I32 => self.b.ins().fcvt_to_sint_sat(types::I32, v),
            DType::U32 => self.b.ins().fcvt_to_uint_sat(types::I32, v),
            small => {
                let wide = self.b.ins().fcvt_to_sint_sat(types::I32, v);
                let bits = small.bits() as u32;
                let (lo, hi) = if small.is_signed_int() {
                    (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1)
                } else {
                    (0, (1i64 << bits) - 1)
                };
                let (lo, hi) = (self.int(types::I32, lo), self.int(types::I32, hi));
                let v = self.b.ins().smax(wide, lo);
                let v = self.b.ins().smin(v, hi);
                self.b.ins().ireduce(int_type(bits), v)
            }
        }
    }
}
