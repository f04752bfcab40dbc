//! Hyperbolic functions, their inverses, and the error function.

use super::emit::Emit;
use super::exp_log::{exp, expm1, log, log1p};
use onnxc_ir::loops::{CmpOp, Value};
use std::f64::consts::LN_2;

/// tanh x, f32: x P(x^2) / Q(x^2) up to where tanh rounds to 1, fitted for the least relative error (1.4e-9).
pub fn tanh_f32(e: &mut Emit, x: Value) -> Value {
    const TOP: [f64; 6] = [
        0.999_999_998_691_711,
        0.136_799_157_598_670_98,
        0.003_868_328_618_346_16,
        2.800_747_670_475_316_7e-5,
        3.058_506_524_180_15e-8,
        -1.220_349_697_049_917e-11,
    ];
    const BOTTOM: [f64; 5] = [
        1.0,
        0.470_132_478_204_933_8,
        0.027_245_841_981_402_365,
        0.000_393_863_266_402_793_64,
        1.287_367_847_174_979_3e-6,
    ];
    odd_fraction(e, x, 9.02, &TOP, &BOTTOM)
}

/// x P(x^2) / Q(x^2) for |x| up to an end, beyond which the function is its value there; within [-1, 1].
fn odd_fraction(e: &mut Emit, x: Value, end: f64, top: &[f64], bottom: &[f64]) -> Value {
    let (low, high) = (e.c(-end), e.c(end));
    let x = e.max(x, low);
    let x = e.min(x, high);
    let z = e.mul(x, x);
    let p = e.poly(z, top);
    let p = e.mul(p, x);
    let q = e.poly(z, bottom);
    let r = e.div(p, q);
    let (least, most) = (e.c(-1.0), e.c(1.0));
    let r = e.max(r, least);
    e.min(r, most)
}

/// tanh x, f64: e^2x - 1 over e^2x + 1.
pub fn tanh(e: &mut Emit, x: Value) -> Value {
    let two = e.c(2.0);
    let d = e.add(x, x);
    let m = expm1(e, d);
    let b = e.add(m, two);
    let near = e.div(m, b);
    far_tanh(e, x, near, 0.17)
}

fn far_tanh(e: &mut Emit, x: Value, near: Value, limit: f64) -> Value {
    let (one, two, limit) = (e.c(1.0), e.c(2.0), e.c(limit));
    let a = e.abs(x);
    let d = e.add(a, a);
    let t = exp(e, d);
    let t = e.add(t, one);
    let q = e.div(two, t);
    let far = e.sub(one, q);
    let far = e.copy_sign(far, x);
    let small = e.cmp(CmpOp::Lt, a, limit);
    e.select(small, near, far)
}

/// erf x, f32: x P(x^2) / Q(x^2) up to where erf rounds to 1, fitted for the least relative error (2.5e-8).
pub fn erf_f32(e: &mut Emit, x: Value) -> Value {
    const TOP: [f64; 6] = [
        1.128_379_139_314_045,
        0.193_545_547_621_257_78,
        0.053_101_816_145_273_07,
        0.003_883_367_146_528_289_5,
        0.000_284_566_827_560_811,
        1.986_783_603_530_137_3e-6,
    ];
    const BOTTOM: [f64; 6] = [
        1.0,
        0.504_857_831_051_793_6,
        0.115_350_206_478_492_23,
        0.015_207_296_264_050_884,
        0.001_185_577_565_479_731_6,
        3.742_023_709_638_667e-5,
    ];
    odd_fraction(e, x, 4.0, &TOP, &BOTTOM)
}

/// erf x, f64.
#[allow(clippy::approx_constant, reason = "the first coefficient is fitted; 2 / sqrt(pi) is near it")]
pub fn erf(e: &mut Emit, x: Value) -> Value {
    const NEAR: [f64; 10] = [
        1.128_379_167_095_512_6,
        -0.376_126_389_031_837_5,
        0.112_837_916_709_548_7,
        -0.026_866_170_644_999_72,
        0.005_223_977_622_016_936,
        -0.000_854_832_651_072_479_6,
        0.000_120_552_862_020_057_13,
        -1.492_300_336_815_209_9e-5,
        1.637_123_442_577_000_1e-6,
        -1.462_091_340_945_174_9e-7,
    ];
    const FAR: [f64; 21] = [
        0.277_369_007_620_839_45,
        -0.248_570_108_869_812_13,
        0.076_699_526_885_220_57,
        -0.013_234_851_812_970_637,
        0.000_178_992_404_815_279_5,
        0.000_362_358_760_050_341_55,
        -1.390_103_183_392_115_9e-5,
        -1.498_339_723_502_901_9e-5,
        -2.619_625_361_034_459e-7,
        7.239_377_866_372_431e-7,
        1.022_373_447_734_358_8e-7,
        -2.659_681_300_315_475e-8,
        -1.079_293_014_315_540_6e-8,
        -3.783_457_431_727_596e-10,
        6.423_283_878_266_642e-10,
        1.753_134_595_575_348_7e-10,
        -3.270_926_872_925_969e-12,
        -1.458_695_692_067_577_5e-11,
        -3.535_775_883_219_661_4e-12,
        4.192_841_392_612_782e-13,
        2.905_227_413_539_754e-13,
    ];
    error_function(e, x, &NEAR, &FAR, (6.0, -0.05, 1.0 / 0.55))
}

/// Below 0.5 an odd polynomial; above 1 - e^(-x^2) P, where P is a polynomial in (x - 2) / (x + 2) moved to [-1, 1].
/// Both fitted at Chebyshev points (erf x / x in x^2, and e^(x^2) erfc x), errors below an ulp of the type.
fn error_function(e: &mut Emit, x: Value, near: &[f64], far: &[f64], (end, middle, stretch): (f64, f64, f64)) -> Value {
    let z = e.mul(x, x);
    let p = e.poly(z, near);
    let close = e.mul(p, x);

    let (a, end, two, one, limit) = (e.abs(x), e.c(end), e.c(2.0), e.c(1.0), e.c(0.5));
    let a = e.min(a, end);
    let (top, bottom) = (e.sub(a, two), e.add(a, two));
    let s = e.div(top, bottom);
    let (k, shift) = (e.c(stretch), e.c(-middle * stretch));
    let u = e.mad(s, k, shift);
    let p = e.poly(u, far);
    let z = e.mul(a, a);
    let z = e.neg(z);
    let t = exp(e, z);
    let t = e.mul(t, p);
    let r = e.sub(one, t);
    let r = e.copy_sign(r, x);
    let small = e.cmp(CmpOp::Lt, a, limit);
    e.select(small, close, r)
}

/// sinh x = (m + m / (m + 1)) / 2 with m = e^|x| - 1; halves of the exponential where that overflows.
pub fn sinh(e: &mut Emit, x: Value) -> Value {
    let (half, one, limit) = (e.c(0.5), e.c(1.0), e.c(700.0));
    let a = e.abs(x);
    let m = expm1(e, a);
    let b = e.add(m, one);
    let q = e.div(m, b);
    let s = e.add(m, q);
    let near = e.mul(s, half);
    let far = half_exp(e, a);
    let big = e.cmp(CmpOp::Gt, a, limit);
    let r = e.select(big, far, near);
    e.copy_sign(r, x)
}

/// cosh x = (t + 1 / t) / 2 with t = e^|x|.
pub fn cosh(e: &mut Emit, x: Value) -> Value {
    let (half, one, limit) = (e.c(0.5), e.c(1.0), e.c(700.0));
    let a = e.abs(x);
    let t = exp(e, a);
    let q = e.div(one, t);
    let s = e.add(t, q);
    let near = e.mul(s, half);
    let far = half_exp(e, a);
    let big = e.cmp(CmpOp::Gt, a, limit);
    e.select(big, far, near)
}

/// e^x / 2 for large x.
fn half_exp(e: &mut Emit, x: Value) -> Value {
    let half = e.c(0.5);
    let h = e.mul(x, half);
    let t = exp(e, h);
    let u = e.mul(t, half);
    e.mul(u, t)
}

/// asinh x = ln(1 + (|x| + x^2 / (1 + sqrt(x^2 + 1)))); ln 2|x| for huge x.
pub fn asinh(e: &mut Emit, x: Value) -> Value {
    let (one, limit, ln2) = (e.c(1.0), e.c(1e9), e.c(LN_2));
    let a = e.abs(x);
    let z = e.mul(a, a);
    let r = e.add(z, one);
    let r = e.sqrt(r);
    let r = e.add(r, one);
    let q = e.div(z, r);
    let y = e.add(a, q);
    let near = log1p(e, y);
    let far = log(e, a);
    let far = e.add(far, ln2);
    let big = e.cmp(CmpOp::Gt, a, limit);
    let r = e.select(big, far, near);
    e.copy_sign(r, x)
}

/// acosh x = ln(1 + (t + sqrt(2t + t^2))) with t = x - 1; ln 2x for huge x.
pub fn acosh(e: &mut Emit, x: Value) -> Value {
    let (one, two, limit, ln2) = (e.c(1.0), e.c(2.0), e.c(1e9), e.c(LN_2));
    let t = e.sub(x, one);
    let z = e.add(t, two);
    let z = e.mul(z, t);
    let z = e.sqrt(z);
    let y = e.add(t, z);
    let near = log1p(e, y);
    let far = log(e, x);
    let far = e.add(far, ln2);
    let big = e.cmp(CmpOp::Gt, x, limit);
    let r = e.select(big, far, near);
    let nan = e.c(f64::NAN);
    let defined = e.cmp(CmpOp::Ge, x, one);
    e.select(defined, r, nan)
}

/// atanh x = ln(1 + 2a / (1 - a)) / 2, a = |x|.
pub fn atanh(e: &mut Emit, x: Value) -> Value {
    let (one, half) = (e.c(1.0), e.c(0.5));
    let a = e.abs(x);
    let top = e.add(a, a);
    let bottom = e.sub(one, a);
    let q = e.div(top, bottom);
    let l = log1p(e, q);
    let r = e.mul(l, half);
    e.copy_sign(r, x)
}
