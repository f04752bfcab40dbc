//! Operators of this compiler's own on quantised tensors, in integers throughout: what the pass `quantised-integers` makes
//! of DequantizeLinear, an operator, QuantizeLinear. No model has them; float-free machines run them.
//!
//! - `contract`: IntegerConv, IntegerMatMul. - `pointwise`: IntegerAdd, IntegerMul, IntegerTable. - `pool`: IntegerAverage.
//! - `softmax`: IntegerSoftmax.
//!
//! **Requantisation.** A sum a (i32) times a scale becomes 8 bits by a multiplier m and a shift s of at least 1, where
//! scale = m / 2^(32 + s) and 0 <= m < 2^31:
//!
//! y = clamp(zero + ((high(a * m) + 2^(s - 1)) >> s), low, top),   high(p) = floor(p / 2^32) of the 64-bit product.
//!
//! That is the exact product rounded once, to nearest, ties up. `high` is one instruction on most machines (SMMUL, VMULH,
//! MULH); shifts are arithmetic. Each output channel has its own m, and its own s where the scales are too far apart.
//! a is first shifted left by `pre` bits where the scale is 1/4 or more; the pass makes sure that it fits.

pub mod contract;
pub mod pointwise;
pub mod pool;
pub mod softmax;

use crate::prelude::*;

/// The domain of operators that only passes make.
const DOMAIN: &str = "onnxc";
const I32: DType = DType::I32;

/// Up to this shift a zero point of 8 bits can be added before the shift.
const ZERO_INSIDE: i64 = 20;

/// An integer constant.
fn i32_const(v: i64) -> Expr {
    constant(Scalar::from_i64(I32, v))
}

/// An integer attribute that the pass has set.
fn int_attr(attrs: &Attrs, name: &str) -> i64 {
    attrs.int(name).unwrap_or(0)
}

/// `floor(a * m / 2^32)` of 32-bit integers.
fn high_product(a: Expr, m: Expr) -> Expr {
    let wide = |e: Expr| cast(I32, DType::I64, e);
    cast(DType::I64, I32, binary(BinOp::Shr, wide(a) * wide(m), constant(Scalar::i64(32))))
}

/// `(v + 2^(s - 1)) >> s` for s of at least 1.
fn rounding_shift(v: Expr, s: Expr) -> Expr {
    let half = binary(BinOp::Shl, i32_const(1), s.clone() - i32_const(1));
    binary(BinOp::Shr, v + half, s)
}

/// `clamp(zero + v, low, top)` in the output's dtype.
fn clamped(attrs: &Attrs, v: Expr, to: DType) -> Expr {
    let moved = match int_attr(attrs, "zero") {
        0 => v,
        z => v + i32_const(z),
    };
    limited(attrs, moved, to)
}

/// `clamp(v, low, top)` in the output's dtype.
fn limited(attrs: &Attrs, moved: Expr, to: DType) -> Expr {
    let low = i32_const(int_attr(attrs, "low"));
    let top = i32_const(int_attr(attrs, "top"));
    cast(I32, to, binary(BinOp::Min, binary(BinOp::Max, moved, low), top))
}

/// Multiplier and shift of a node: input `m` holds a multiplier for each channel or for all; the shift is the attribute
/// `shift`, or input `m + 1` like the multipliers.
struct Requantise {
    multiplier: Src,
    per_channel: bool,
    one: Option<Scalar>,
    shifts: Option<Src>,
    shift: i64,
    pre: i64,
    to: DType,
}

impl Requantise {
    fn new(cx: &ComputeCx, m: usize) -> Requantise {
        let known = cx.constant(m).filter(|t| t.len() == 1);
        Requantise {
            multiplier: cx.input(m),
            per_channel: known.is_none(),
            one: known.map(|t| Scalar::read(t.dtype(), t.bytes())),
            shifts: cx.opt(m + 1),
            shift: int_attr(cx.attrs(), "shift"),
            pre: int_attr(cx.attrs(), "pre"),
            to: cx.output_type(0).dtype,
        }
    }

    /// A sum of a channel as 8 bits.
    fn apply(&self, attrs: &Attrs, sum: Expr, channel: &Sym) -> Expr {
        let at = [channel.clone()];
        let m = match self.one {
            Some(s) => constant(s),
            None if self.per_channel => load(self.multiplier, &at),
            None => load(self.multiplier, &[Sym::int(0)]),
        };
        let s = match self.shifts {
            Some(s) => load(s, &at),
            None => i32_const(self.shift),
        };
        let sum = if self.pre > 0 { binary(BinOp::Shl, sum, i32_const(self.pre)) } else { sum };
        let high = high_product(sum, m);
        if self.shifts.is_none() && (1..=ZERO_INSIDE).contains(&self.shift) {
            // zero + ((v + half) >> s) in one addition: |v| <= 2^30, so nothing overflows.
            let inside = (int_attr(attrs, "zero") << self.shift) + (1 << (self.shift - 1));
            return limited(attrs, binary(BinOp::Shr, high + i32_const(inside), s), self.to);
        }
        clamped(attrs, rounding_shift(high, s), self.to)
    }
}

/// The attributes that every operator here has: they come from a pass, or from a test.
fn import_ints(n: &mut NodeReader, names: &[&str]) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    for name in ["zero", "low", "top", "shift", "pre"].iter().chain(names) {
        attrs.set(name, Attr::Int(n.int(name, 0)?));
    }
    let to = n.int("to", 3)?;
    let dtype = i32::try_from(to).ok().and_then(onnxc_onnx::dtype::from_onnx).filter(|d| d.is_int() && d.bits() == 8);
    let dtype =
        dtype.ok_or_else(|| n.error("E2011", format!("attribute 'to' is {to}")).expected("2 (u8) or 3 (i8)"))?;
    Ok(attrs.with("to", Attr::DType(dtype)))
}

/// The output's dtype.
fn output_dtype(cx: &InferCx) -> DType {
    cx.attrs().dtype("to").unwrap_or(DType::I8)
}

/// Input `i`, integers of 8 or 16 bits.
fn integers(cx: &InferCx, i: usize) -> Result<onnxc_ir::graph::TensorType> {
    let t = cx.input_type(i)?;
    if t.dtype.is_int() && matches!(t.dtype.bits(), 8 | 16) {
        return Ok(t);
    }
    Err(cx.error("E2021", format!("input {i} is of dtype {}", t.dtype)).expected("integers of 8 or 16 bits"))
}
