//! The logistic function, which networks compute for millions of elements: fewer operations than an exponential and
//! the formula around it.

use super::emit::Emit;
use super::exp_log::{exp, ln2_parts};
use onnxc_ir::loops::{BinOp, Value};
use std::f64::consts::LOG2_E;

/// e^r for |r| <= ln 2 / 2, exact at 0; fitted to a relative error of 1e-7.
const EXP: [f64; 6] = [
    1.0,
    0.999_999_706_310_650_6,
    0.499_991_478_385_079_9,
    0.166_676_381_353_232_57,
    0.041_898_159_868_554_9,
    0.008_290_271_606_962_551,
];

/// 1 / (1 + e^-x), f32. e^-x is 2^n p(r); the addition of 1 and the scaling are one step. Results below 2^-126 are 0.
pub fn sigmoid_f32(e: &mut Emit, x: Value) -> Value {
    // Beyond these the result is 0 and 1.
    let (least, most) = (e.c(-89.0), e.c(86.0));
    let x = e.max(x, least);
    let x = e.min(x, most);
    // The exponent's bias is part of what is added, so that the low bits of the sum are the exponent of 2^n.
    let (scale, magic) = (e.c(-LOG2_E), e.c(e.magic() + e.bias() as f64));
    let t = e.mad(x, scale, magic);
    let n = e.sub(t, magic);
    let (hi, lo) = ln2_parts(e.ty.elem);
    let (hi, lo) = (e.c(hi), e.c(lo));
    // -r: the coefficients of odd powers change their signs.
    let r = e.mad(n, hi, x);
    let r = e.mad(n, lo, r);
    let signed: Vec<f64> = EXP.iter().enumerate().map(|(i, c)| if i % 2 == 1 { -c } else { *c }).collect();
    let p = e.poly(r, &signed);
    let (bits, width) = (e.bits(t), e.ci(e.mantissa()));
    let power = e.bin(BinOp::Shl, bits, width);
    let power = e.from_bits(power);
    let one = e.c(1.0);
    let q = e.mad(p, power, one);
    e.div(one, q)
}

/// 1 / (1 + e^-x), f64.
pub fn sigmoid(e: &mut Emit, x: Value) -> Value {
    let one = e.c(1.0);
    let x = e.neg(x);
    let t = exp(e, x);
    let q = e.add(t, one);
    e.div(one, q)
}
