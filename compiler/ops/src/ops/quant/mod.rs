//! Quantised operators. A tensor of integers q stands for the numbers (q - zero) * scale.
//!
//! - `linear`: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear: between numbers and integers.
//! - `contract`: QLinearConv, QLinearMatMul, ConvInteger, MatMulInteger: sums of products, exact in i32.
//!
//! Holds: sums are in i32 and wrap; what goes back to few bits is scaled in f32, rounded to nearest even, moved by the
//! zero point and clamped, in this order.

pub mod contract;
pub mod linear;

use crate::prelude::*;

/// Integers of at most 16 bits, which quantised tensors have.
fn is_quantised(d: DType) -> bool {
    d.is_int() && d.bits() <= 16
}

/// The type of input `i`, integers of 8 bits.
fn bytes_input(cx: &InferCx, i: usize) -> Result<onnxc_ir::graph::TensorType> {
    let t = cx.input_type(i)?;
    if matches!(t.dtype, DType::I8 | DType::U8) {
        return Ok(t);
    }
    Err(cx.error("E2021", format!("input {i} is of dtype {}", t.dtype)).expected("i8 or u8"))
}

/// The type of input `i`, integers or floats of 8 bits.
fn byte_input(cx: &InferCx, i: usize) -> Result<onnxc_ir::graph::TensorType> {
    let t = cx.input_type(i)?;
    if t.dtype.is_float() && t.dtype.bits() == 8 && t.dtype != DType::F8E8M0 { Ok(t) } else { bytes_input(cx, i) }
}

/// What products of the operands' elements are summed in.
fn sum_of(operands: [DType; 2]) -> DType {
    if operands.iter().any(|d| d.is_float()) { DType::F32 } else { DType::I32 }
}

/// `round(v) + zero`, clamped to what integers `to` hold; all in f32. Of floats, the nearest one of `v + zero`.
fn quantised(v: Expr, zero: Option<Expr>, to: DType) -> Expr {
    let f = DType::F32;
    if to.is_float() {
        let moved = zero.map_or(v.clone(), |z| v + z);
        return super::cast::converted(f, to, moved, true, "up");
    }
    let rounded = unary(UnOp::RoundEven, v);
    let moved = match zero {
        Some(z) if as_const(&z).is_some_and(|s| s.to_f64() == 0.0) => rounded,
        Some(z) => rounded + z,
        None => rounded,
    };
    let (lo, hi) = (number(f, Scalar::least(to).to_f64()), number(f, Scalar::greatest(to).to_f64()));
    cast(f, to, binary(BinOp::Min, binary(BinOp::Max, moved, lo), hi))
}

/// The only element of input `i`, as a dtype; nothing if the input is absent. A constant is one.
fn single(cx: &ComputeCx, i: usize, to: DType) -> Option<Expr> {
    let src = cx.opt(i)?;
    let (dtype, zeros) = (cx.dtype(i), vec![Sym::int(0); cx.shape(i).len()]);
    let e = match cx.constant(i).filter(|t| t.len() == 1) {
        Some(t) => constant(Scalar::read(t.dtype(), t.bytes())),
        None => load(src, &zeros),
    };
    Some(cast(dtype, to, e))
}

/// An operand of a sum: i32(x) - zero, or f32(x) - zero of floats.
struct Shifted {
    src: Src,
    dtype: DType,
    /// A zero point known at compile time. Other ones are subtracted in a definition, which `src` then is.
    zero: Scalar,
    /// What it becomes: i32, or f32 of floats.
    sum: DType,
}

impl Shifted {
    /// Input `x` as `sum`, with the zero point of input `zero`, if it is there: one element, or those at `at` of an index of
    /// x.
    fn new(cx: &mut ComputeCx, x: usize, zero: usize, sum: DType, at: impl Fn(&[Sym], &[Sym]) -> Vec<Sym>) -> Shifted {
        let (src, dtype, shape) = (cx.input(x), cx.dtype(x), cx.shape(x));
        let none = Scalar::from_i64(dtype, 0);
        let Some(z) = cx.opt(zero) else { return Shifted { src, dtype, zero: none, sum } };
        // All zero points equal: one.
        let known = cx.constant(zero).and_then(Tensor::to_i64).filter(|v| v.iter().all(|e| *e == v[0]));
        if let Some(&first) = known.as_ref().and_then(|v| v.first()) {
            return Shifted { src, dtype, zero: Scalar::from_i64(dtype, first), sum };
        }
        let (ztype, zshape) = (cx.dtype(zero), cx.shape(zero));
        let src = cx.k.map("shifted", sum, &shape, |_, i| {
            let zero = cast(ztype, sum, load(z, &at(i, &zshape)));
            cast(dtype, sum, load(src, i)) - zero
        });
        Shifted { src, dtype: sum, zero: Scalar::from_i64(sum, 0), sum }
    }

    /// The operand at an index; where `pads`, 0 outside of its extents.
    fn at(&self, index: &[Sym], pads: bool) -> Expr {
        let value = if pads { load_padded(self.src, index, self.zero) } else { load(self.src, index) };
        let value = cast(self.dtype, self.sum, value);
        match self.zero.to_i64() {
            0 => value,
            z => value - constant(Scalar::from_i64(self.sum, z)),
        }
    }
}

/// The index of a zero point or scale of rank 0 or 1 for an element whose index along its axis is `i`.
fn along(i: &Sym, shape: &[Sym]) -> Vec<Sym> {
    shape.iter().map(|d| spread(i, d)).collect()
}

/// The index along an extent that is 1 or that of the data; only the run may know which.
fn spread(i: &Sym, d: &Sym) -> Sym {
    match d.as_int() {
        Some(1) => Sym::int(0),
        Some(_) => i.clone(),
        None => Sym::min(i, &(d - 1)),
    }
}

/// Requires that the extents of input `i`, a scale or zero point, are 1 or those of the data that it is for: of the last
/// axes, or, for a list, `axis`.
fn check_spread(cx: &mut InferCx, i: usize, data: &[Sym], axis: usize) -> Result<()> {
    if cx.opt(i).is_none() {
        return Ok(());
    }
    let own = cx.shape(i)?;
    if own.len() > data.len().max(1) {
        return Err(cx.error("E2041", format!("input {i} has rank {}", own.len())).expected("at most the data's rank"));
    }
    let one = [Sym::int(1)];
    let beside = match own.len() {
        1 => data.get(axis).map_or(&one[..], std::slice::from_ref),
        n => &data[data.len() - n..],
    };
    for (k, (d, m)) in own.iter().zip(beside).enumerate() {
        if d.is_one() {
            continue;
        }
        let what = format!("axis {k} of input {i} is 1 or that of the data");
        cx.fit_extent(d, m, &what)?;
    }
    Ok(())
}
