//! Trigonometric functions and their inverses, f64.

use super::emit::Emit;
use onnxc_ir::loops::{BinOp, CmpOp, Value};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2, FRAC_PI_4};

/// pi/2 in parts of 33 bits, so that their products with quotients below 2^20 are exact (fdlibm's e_rem_pio2).
const PI_2: [f64; 3] = [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_7e-21];

/// (-1)^k / n! for the sine (n odd) or cosine (n even).
fn alternating(first: u32, terms: u32) -> Vec<f64> {
    (0..terms)
        .map(|k| {
            let f: f64 = (1..=first + 2 * k).map(f64::from).product();
            if k % 2 == 0 { 1.0 / f } else { -1.0 / f }
        })
        .collect()
}

/// sin r and cos r of the rest of x / (pi/2), and the quotient.
fn reduced(e: &mut Emit, x: Value) -> (Value, Value, Value) {
    let (a, limit, zero) = (e.abs(x), e.c(1e15), e.c(0.0));
    let huge = e.cmp(CmpOp::Gt, a, limit);
    let inf = e.c(f64::INFINITY);
    let finite = e.cmp(CmpOp::Lt, a, inf);
    let tame = e.bin(BinOp::And, huge, finite);
    let x = e.select(tame, zero, x);
    let (n, i) = e.nearest(x, FRAC_2_PI);
    let mut r = x;
    for p in PI_2 {
        let p = e.c(-p);
        r = e.mad(n, p, r);
    }
    let z = e.mul(r, r);
    let s = e.poly(z, &alternating(1, 9)[1..]);
    let rz = e.mul(r, z);
    let s = e.mad(s, rz, r);
    let c = e.poly(z, &alternating(0, 10)[1..]);
    let one = e.c(1.0);
    let c = e.mad(c, z, one);
    (s, c, i)
}

/// A bit of the quotient.
fn bit(e: &mut Emit, i: Value, mask: i64) -> Value {
    let (m, zero) = (e.ci(mask), e.ci(0));
    let b = e.bin(BinOp::And, i, m);
    e.cmp(CmpOp::Ne, b, zero)
}

/// Sine of the quarter `i` on.
fn quarter(e: &mut Emit, s: Value, c: Value, i: Value) -> Value {
    let (swap, minus) = (bit(e, i, 1), bit(e, i, 2));
    let v = e.select(swap, c, s);
    let n = e.neg(v);
    e.select(minus, n, v)
}

/// sin x.
pub fn sin(e: &mut Emit, x: Value) -> Value {
    let (s, c, i) = reduced(e, x);
    let v = quarter(e, s, c, i);
    // The sign of zero is x's.
    let zero = e.c(0.0);
    let none = e.cmp(CmpOp::Eq, x, zero);
    e.select(none, x, v)
}

/// cos x: the sine one quarter on.
pub fn cos(e: &mut Emit, x: Value) -> Value {
    let (s, c, i) = reduced(e, x);
    let one = e.ci(1);
    let i = e.bin(BinOp::Add, i, one);
    quarter(e, s, c, i)
}

/// tan x.
pub fn tan(e: &mut Emit, x: Value) -> Value {
    let (s, c, i) = reduced(e, x);
    let swap = bit(e, i, 1);
    let n = e.neg(c);
    let top = e.select(swap, n, s);
    let bottom = e.select(swap, s, c);
    let t = e.div(top, bottom);
    let zero = e.c(0.0);
    let none = e.cmp(CmpOp::Eq, x, zero);
    e.select(none, x, t)
}

/// Coefficients of atan(t) / t in t^2 on [0, tan^2(pi/8)], fitted at Chebyshev points; error 6e-23.
const ATAN: [f64; 15] = [
    1.0,
    -0.333_333_333_333_333_333_17,
    0.199_999_999_999_999_927_7,
    -0.142_857_142_857_130_399_45,
    0.111_111_111_109_985_289_73,
    -0.090_909_090_847_717_130_357,
    0.076_923_074_734_909_182_789,
    -0.066_666_613_033_219_373_009,
    0.058_822_597_276_295_095_249,
    -0.052_619_888_397_712_498_493,
    0.047_512_531_441_652_600_648,
    -0.042_775_695_233_665_433_455,
    0.036_694_256_566_306_157_706,
    -0.026_248_418_770_264_393_923,
    0.011_090_291_261_629_627_38,
];

/// atan x: from (|x| - 1) / (|x| + 1) or -1 / |x| above tan(pi/8), tan(3 pi/8).
pub fn atan(e: &mut Emit, x: Value) -> Value {
    let a = e.abs(x);
    let (low, high, one, minus, zero) =
        (e.c(0.414_213_562_373_095_05), e.c(2.414_213_562_373_095), e.c(1.0), e.c(-1.0), e.c(0.0));
    let middle = e.cmp(CmpOp::Gt, a, low);
    let far = e.cmp(CmpOp::Gt, a, high);
    let (top, bottom) = (e.sub(a, one), e.add(a, one));
    let top = e.select(middle, top, a);
    let bottom = e.select(middle, bottom, one);
    let top = e.select(far, minus, top);
    let bottom = e.select(far, a, bottom);
    let t = e.div(top, bottom);
    let (quarter, half) = (e.c(FRAC_PI_4), e.c(FRAC_PI_2));
    let base = e.select(middle, quarter, zero);
    let base = e.select(far, half, base);
    let z = e.mul(t, t);
    let p = e.poly(z, &ATAN[1..]);
    let tz = e.mul(t, z);
    let p = e.mad(p, tz, t);
    let r = e.add(base, p);
    e.copy_sign(r, x)
}

/// asin x = atan(x / sqrt((1 - x)(1 + x))).
pub fn asin(e: &mut Emit, x: Value) -> Value {
    let one = e.c(1.0);
    let (l, r) = (e.sub(one, x), e.add(one, x));
    let p = e.mul(l, r);
    let s = e.sqrt(p);
    let t = e.div(x, s);
    atan(e, t)
}

/// acos x = 2 atan(sqrt((1 - x) / (1 + x))).
pub fn acos(e: &mut Emit, x: Value) -> Value {
    let (one, two) = (e.c(1.0), e.c(2.0));
    let (l, r) = (e.sub(one, x), e.add(one, x));
    let q = e.div(l, r);
    let s = e.sqrt(q);
    let t = atan(e, s);
    e.mul(t, two)
}
