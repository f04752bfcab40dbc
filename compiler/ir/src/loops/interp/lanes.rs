//! Arithmetic on all lanes of a value. The commonest operations have a loop of their own, for speed only.

use crate::scalar::{BinOp, Scalar, eval_binary};
use onnxc_base::DType;

/// Where the lanes of the result and of the operands start.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub to: usize,
    pub a: usize,
    pub b: usize,
    pub lanes: usize,
}

#[inline]
fn each(regs: &mut [u64], at: At, f: impl Fn(u64, u64) -> u64) {
    for i in 0..at.lanes {
        regs[at.to + i] = f(regs[at.a + i], regs[at.b + i]);
    }
}

#[inline]
fn each_f32(regs: &mut [u64], at: At, f: impl Fn(f32, f32) -> f32) {
    each(regs, at, |a, b| u64::from(f(f32::from_bits(a as u32), f32::from_bits(b as u32)).to_bits()));
}

/// Applies a two-operand operation lane by lane.
pub(super) fn binary(regs: &mut [u64], op: BinOp, dtype: DType, at: At) {
    match (dtype, op) {
        (DType::F32, BinOp::Add) => each_f32(regs, at, |a, b| a + b),
        (DType::F32, BinOp::Sub) => each_f32(regs, at, |a, b| a - b),
        (DType::F32, BinOp::Mul) => each_f32(regs, at, |a, b| a * b),
        (DType::F32, BinOp::Max) => each_f32(regs, at, |a, b| if a < b { b } else { a }),
        (DType::I64, BinOp::Min) => each(regs, at, |a, b| (a as i64).min(b as i64) as u64),
        (DType::I64, BinOp::Max) => each(regs, at, |a, b| (a as i64).max(b as i64) as u64),
        (DType::I64, BinOp::Add) => each(regs, at, u64::wrapping_add),
        (DType::I64, BinOp::Sub) => each(regs, at, u64::wrapping_sub),
        (DType::I64, BinOp::Mul) => each(regs, at, u64::wrapping_mul),
        _ => each(regs, at, |a, b| eval_binary(op, Scalar { dtype, bits: a }, Scalar { dtype, bits: b }).bits),
    }
}

/// a * b + c with one rounding, lane by lane.
pub(super) fn fma(regs: &mut [u64], dtype: DType, at: At, c: usize) {
    for i in 0..at.lanes {
        let (a, b, c) = (regs[at.a + i], regs[at.b + i], regs[c + i]);
        regs[at.to + i] = if dtype == DType::F32 {
            let f = |v: u64| f32::from_bits(v as u32);
            u64::from(f(a).mul_add(f(b), f(c)).to_bits())
        } else {
            f64::from_bits(a).mul_add(f64::from_bits(b), f64::from_bits(c)).to_bits()
        };
    }
}

/// Reads little-endian elements of `size` bytes.
pub(super) fn read(regs: &mut [u64], size: usize, bytes: &[u8]) {
    for (r, b) in regs.iter_mut().zip(bytes.chunks_exact(size)) {
        *r = match *b {
            [a] => u64::from(a),
            [a, b] => u64::from(u16::from_le_bytes([a, b])),
            [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => 0,
        };
    }
}

/// Writes little-endian elements of `size` bytes.
pub(super) fn write(regs: &[u64], size: usize, bytes: &mut [u8]) {
    for (r, b) in regs.iter().zip(bytes.chunks_exact_mut(size)) {
        b.copy_from_slice(&r.to_le_bytes()[..size]);
    }
}
