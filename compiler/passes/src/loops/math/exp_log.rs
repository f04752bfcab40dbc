//! exp, log, pow and their relatives near 0 and 1, for f32 and f64.

use super::emit::Emit;
use onnxc_base::DType;
use onnxc_ir::loops::{BinOp, CmpOp, UnOp, Value};
use std::f64::consts::{LN_2, LOG2_E, SQRT_2};

/// ln 2 in two parts, the first short enough that its products with exponents are exact (Cody and Waite).
pub(super) fn ln2_parts(d: DType) -> (f64, f64) {
    if d == DType::F64 {
        let hi = f64::from_bits(LN_2.to_bits() & !0xFFFF_FFFF);
        // The rest of ln 2 beyond double precision: 2.3190468138462996e-17.
        (hi, (LN_2 - hi) + 2.319_046_813_846_299_6e-17)
    } else {
        let hi = 0.693_359_375;
        (hi, LN_2 - hi)
    }
}

/// 1 / k! from k = first on.
fn inverse_factorials(first: u32, last: u32) -> Vec<f64> {
    let mut f = 1.0f64;
    let mut all = Vec::new();
    for k in 0..=last {
        f *= f64::from(k.max(1));
        if k >= first {
            all.push(1.0 / f);
        }
    }
    all
}

/// e^x.
pub fn exp(e: &mut Emit, x: Value) -> Value {
    if e.ty.elem == DType::F64 { exp_f64(e, x) } else { exp_f32(e, x) }
}

/// e^x, f32: 2^n times a polynomial of the rest, |r| <= ln 2, with n even: then 2^(n/2) is a normal number wherever e^x is
/// finite, and multiplying by it twice rounds once. The polynomial is 1 at 0, and fitted for the least relative error
/// (1.2e-8).
fn exp_f32(e: &mut Emit, x: Value) -> Value {
    const REST: [f64; 8] = [
        1.0,
        1.000_000_052_195_413_3,
        0.500_000_463_189_121_7,
        0.166_665_722_044_533_5,
        0.041_660_550_146_854_367,
        0.008_337_048_713_125_392,
        0.001_411_465_218_144_954_1,
        0.000_195_519_893_607_408_46,
    ];
    let (least, most) = (e.c(-104.0), e.c(89.0));
    let x = e.max(x, least);
    let x = e.min(x, most);
    // The low bits of `t` are n / 2 and the exponent's bias.
    let (s, m) = (e.c(LOG2_E / 2.0), e.c(e.magic() + e.bias() as f64));
    let t = e.mad(x, s, m);
    let n = e.sub(t, m);
    let (hi, lo) = ln2_parts(DType::F32);
    let (hi, lo) = (e.c(-2.0 * hi), e.c(-2.0 * lo));
    let r = e.mad(n, hi, x);
    let r = e.mad(n, lo, r);
    let p = e.poly(r, &REST);
    let (bits, width) = (e.bits(t), e.ci(e.mantissa()));
    let power = e.bin(BinOp::Shl, bits, width);
    let power = e.float_of(power);
    let p = e.mul(p, power);
    e.mul(p, power)
}

/// e^x, f64: 2^n times the Taylor polynomial of the rest, |r| <= ln 2 / 2.
fn exp_f64(e: &mut Emit, x: Value) -> Value {
    let (least, most) = (e.c(-746.0), e.c(710.0));
    let x = e.max(x, least);
    let x = e.min(x, most);
    let (n, i) = e.nearest(x, LOG2_E);
    let (hi, lo) = ln2_parts(DType::F64);
    let (hi, lo) = (e.c(-hi), e.c(-lo));
    let r = e.mad(n, hi, x);
    let r = e.mad(n, lo, r);
    // 1 + (r + r^2 (1/2 + r/6 + ...)): the small terms are summed first.
    let p = e.poly(r, &inverse_factorials(2, 13));
    let rr = e.mul(r, r);
    let p = e.mad(p, rr, r);
    let one = e.c(1.0);
    let p = e.add(p, one);
    e.scale(p, i)
}

/// e^x - 1, without cancellation near 0. f64.
pub fn expm1(e: &mut Emit, x: Value) -> Value {
    let one = e.c(1.0);
    let far = exp(e, x);
    let far = e.sub(far, one);
    let p = e.poly(x, &inverse_factorials(2, 14));
    let xx = e.mul(x, x);
    let near = e.mad(p, xx, x);
    let (a, limit) = (e.abs(x), e.c(0.35));
    let small = e.cmp(CmpOp::Lt, a, limit);
    e.select(small, near, far)
}

/// ln x: x = m 2^k with m in [sqrt 1/2, sqrt 2); ln m = 2 atanh(s), s = (m - 1) / (m + 1).
pub fn log(e: &mut Emit, x: Value) -> Value {
    let f64 = e.ty.elem == DType::F64;
    let tiny = if f64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let lift = if f64 { 54 } else { 25 };
    let limit = e.c(tiny);
    let sub = e.cmp(CmpOp::Lt, x, limit);
    let up = e.c((2.0f64).powi(lift));
    let lifted = e.mul(x, up);
    let y = e.select(sub, lifted, x);
    let bits = e.bits(y);
    let width = e.ci(e.mantissa());
    let k = e.bin(BinOp::Shr, bits, width);
    let (low, bias) = (e.ci((1 << e.mantissa()) - 1), e.ci(e.bias()));
    let m = e.bin(BinOp::And, bits, low);
    let one_bits = e.ci(e.bias() << e.mantissa());
    let m = e.bin(BinOp::Or, m, one_bits);
    let m = e.float_of(m);
    let k = e.bin(BinOp::Sub, k, bias);
    let (none, lifts) = (e.ci(0), e.ci(i64::from(lift)));
    let less = e.select(sub, lifts, none);
    let k = e.bin(BinOp::Sub, k, less);
    let k = e.float(k);
    let (root, half, one) = (e.c(SQRT_2), e.c(0.5), e.c(1.0));
    let big = e.cmp(CmpOp::Gt, m, root);
    let halved = e.mul(m, half);
    let m = e.select(big, halved, m);
    let more = e.add(k, one);
    let k = e.select(big, more, k);
    let l = log_near_one(e, m, k);
    special_logs(e, x, l)
}

/// k ln 2 + ln m for m near 1.
fn log_near_one(e: &mut Emit, m: Value, k: Value) -> Value {
    let terms = if e.ty.elem == DType::F64 { 12 } else { 6 };
    let one = e.c(1.0);
    let f = e.sub(m, one);
    let two = e.c(2.0);
    let d = e.add(f, two);
    let s = e.div(f, d);
    let z = e.mul(s, s);
    // ln(1 + f) = 2s + s R with R = 2/3 z + 2/5 z^2 + ...; as f - s (f - R), which keeps f exact (fdlibm's form).
    let c: Vec<f64> = (1..terms).map(|i| 2.0 / f64::from(2 * i + 1)).collect();
    let r = e.poly(z, &c);
    let r = e.mul(r, z);
    let g = e.sub(f, r);
    let (hi, lo) = ln2_parts(e.ty.elem);
    let (hi, lo) = (e.c(hi), e.c(lo));
    let t = e.mul(s, g);
    let neg = e.neg(t);
    let t = e.mad(k, lo, neg);
    let t = e.add(t, f);
    e.mad(k, hi, t)
}

/// ln of 0, of negative numbers, of infinity and NaN.
fn special_logs(e: &mut Emit, x: Value, l: Value) -> Value {
    let (zero, inf, nan, minus) = (e.c(0.0), e.c(f64::INFINITY), e.c(f64::NAN), e.c(f64::NEG_INFINITY));
    let is = e.cmp(CmpOp::Eq, x, inf);
    let l = e.select(is, inf, l);
    let is = e.cmp(CmpOp::Eq, x, zero);
    let l = e.select(is, minus, l);
    let ok = e.cmp(CmpOp::Ge, x, zero);
    e.select(ok, l, nan)
}

/// ln(1 + x), without cancellation near 0: ln u + (x - (u - 1)) / u with u = 1 + x. f64.
pub fn log1p(e: &mut Emit, x: Value) -> Value {
    let one = e.c(1.0);
    let u = e.add(x, one);
    let l = log(e, u);
    let back = e.sub(u, one);
    let lost = e.sub(x, back);
    let fix = e.div(lost, u);
    let fixed = e.add(l, fix);
    // At u = 0 or infinity the correction is no number.
    let (a, inf) = (e.abs(l), e.c(f64::INFINITY));
    let edge = e.cmp(CmpOp::Eq, a, inf);
    e.select(edge, l, fixed)
}

/// x^y, with the special cases of C. f64.
pub fn pow(e: &mut Emit, x: Value, y: Value) -> Value {
    let (zero, one, half, nan) = (e.c(0.0), e.c(1.0), e.c(0.5), e.c(f64::NAN));
    let a = e.abs(x);
    let l = log(e, a);
    let p = e.mul(y, l);
    let p = exp(e, p);
    // A negative base: NaN unless y is an integer, and the sign of x for odd ones.
    let whole = e.un(UnOp::Trunc, y);
    let integer = e.cmp(CmpOp::Eq, whole, y);
    let h = e.mul(y, half);
    let t = e.un(UnOp::Trunc, h);
    let odd = e.cmp(CmpOp::Ne, t, h);
    let odd = e.bin(BinOp::And, odd, integer);
    let signed = e.copy_sign(p, x);
    let p = e.select(odd, signed, p);
    let negative = e.cmp(CmpOp::Lt, x, zero);
    let minus_inf = e.c(f64::NEG_INFINITY);
    let finite = e.cmp(CmpOp::Ne, x, minus_inf);
    let broken = e.un(UnOp::Not, integer);
    let broken = e.bin(BinOp::And, broken, negative);
    let broken = e.bin(BinOp::And, broken, finite);
    let p = e.select(broken, nan, p);
    // 1^y and x^0 are 1, also for NaN; (-1)^±inf is 1.
    let unit = e.cmp(CmpOp::Eq, a, one);
    let (ay, inf) = (e.abs(y), e.c(f64::INFINITY));
    let endless = e.cmp(CmpOp::Eq, ay, inf);
    let both = e.bin(BinOp::And, unit, endless);
    let is_one = e.cmp(CmpOp::Eq, x, one);
    let none = e.cmp(CmpOp::Eq, y, zero);
    let c = e.bin(BinOp::Or, both, is_one);
    let c = e.bin(BinOp::Or, c, none);
    e.select(c, one, p)
}
