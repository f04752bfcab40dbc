//! The logistic function, and exponentials of what is at most 0, as softmax sums: networks compute both for millions of
//! elements. What needn't be exact where results are no normal numbers takes fewer operations than an exponential and the
//! formula around it. Mostly the logistic function is a factor (x * sigmoid x): then the division is that factor's.

use super::emit::Emit;
use super::exp_log::{exp, ln2_parts};
use onnxc_base::SecondaryMap;
use onnxc_ir::loops::{BinOp, Func, Op, Stmt, Value};
use std::f64::consts::{LN_2, LOG2_E};

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
    // -r: the coefficients of odd powers change their signs.
    let r = rest(e, n, x, 1.0);
    let signed: Vec<f64> = EXP.iter().enumerate().map(|(i, c)| if i % 2 == 1 { -c } else { *c }).collect();
    let p = e.poly(r, &signed);
    let (bits, width) = (e.bits(t), e.ci(e.mantissa()));
    let power = e.bin(BinOp::Shl, bits, width);
    let power = e.float_of(power);
    let one = e.c(1.0);
    let q = e.mad(p, power, one);
    e.div(one, q)
}

/// x + n ln 2, or x - n ln 2 with a sign of -1. A fused multiply-add doesn't round the product, and ln 2 as an f32 is off by
/// 1.9e-9 only: for n up to 126 that is 2.4e-7, four units of the last place of where results are least. Without it, ln 2 is
/// in two parts.
fn rest(e: &mut Emit, n: Value, x: Value, sign: f64) -> Value {
    if e.fma {
        let ln2 = e.c(sign * LN_2);
        return e.mad(n, ln2, x);
    }
    let (hi, lo) = ln2_parts(e.ty.elem);
    let (hi, lo) = (e.c(sign * hi), e.c(sign * lo));
    let r = e.mad(n, hi, x);
    e.mad(n, lo, r)
}

/// e^x for x up to 0, f32: 2^n p(r), in one multiplication. Results below about 2^-126 are 0.
pub fn decay_f32(e: &mut Emit, x: Value) -> Value {
    // At -88 the exponent of 2^n is 0, and so is its mantissa.
    let (least, most) = (e.c(-88.0), e.c(0.0));
    let x = e.max(x, least);
    let x = e.min(x, most);
    let (scale, magic) = (e.c(LOG2_E), e.c(e.magic() + e.bias() as f64));
    let t = e.mad(x, scale, magic);
    let n = e.sub(t, magic);
    let r = rest(e, n, x, -1.0);
    let p = e.poly(r, &EXP);
    let (bits, width) = (e.bits(t), e.ci(e.mantissa()));
    let power = e.bin(BinOp::Shl, bits, width);
    let power = e.float_of(power);
    e.mul(p, power)
}

/// Makes `y * (1 / q)` a division `y / q`, where that reciprocal is a logistic function that nothing else reads, computed
/// in the same block: one operation and one rounding less. `out` is what of the block comes before the product.
pub fn divide(
    f: &mut Func,
    product: Value,
    out: &mut Vec<Stmt>,
    reads: &SecondaryMap<Value, u32>,
    logistic: &SecondaryMap<Value, bool>,
) {
    let Op::Binary(BinOp::Mul, a, b) = f.values[product].op else { return };
    for (y, s) in [(a, b), (b, a)] {
        let Op::Binary(BinOp::Div, _, q) = f.values[s].op else { continue };
        if !logistic[s] || reads[s] != 1 {
            continue;
        }
        let Some(at) = out.iter().rposition(|x| matches!(x, Stmt::Let(v) if *v == s)) else { continue };
        out.remove(at);
        f.values[product].op = Op::Binary(BinOp::Div, y, q);
        return;
    }
}

/// e^x for x up to 0, f64.
pub fn decay(e: &mut Emit, x: Value) -> Value {
    let zero = e.c(0.0);
    let x = e.min(x, zero);
    exp(e, x)
}

/// 1 / (1 + e^-x), f64.
pub fn sigmoid(e: &mut Emit, x: Value) -> Value {
    let one = e.c(1.0);
    let x = e.neg(x);
    let t = exp(e, x);
    let q = e.add(t, one);
    e.div(one, q)
}
