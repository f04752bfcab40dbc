//! Small functions that a module contains if its kernels use them: what `core` has no operator or method for.

use onnxc_base::DType;
use onnxc_source::helpers::{Library, fill};

/// The helpers of Rust.
pub(crate) static LIBRARY: Library = Library { name, needs, text };

fn name(op: &str, d: DType) -> String {
    let generic = matches!(op, "min" | "max" | "parts" | "get" | "put" | "chunk" | "chunk_mut" | "rolled");
    if generic { op.to_string() } else { format!("{op}_{d}") }
}

/// What a helper calls.
fn needs(op: &str, d: DType) -> Vec<(&'static str, DType)> {
    match op {
        "floor" | "ceil" => vec![("trunc", d)],
        "floordiv" if d.is_float() => vec![("floor", d)],
        _ => vec![],
    }
}

/// The Rust type that memory holds.
pub(crate) fn memory_type(d: DType) -> &'static str {
    match d {
        DType::F32 | DType::C64 => "f32",
        DType::F64 | DType::C128 => "f64",
        DType::I8 => "i8",
        DType::I16 => "i16",
        DType::I32 => "i32",
        DType::I64 => "i64",
        DType::U16 | DType::F16 | DType::BF16 => "u16",
        DType::U32 => "u32",
        DType::U64 => "u64",
        _ => "u8",
    }
}

/// The Rust type of a value.
pub(crate) fn value_type(d: DType) -> &'static str {
    if d == DType::Bool { "bool" } else { memory_type(d) }
}

fn text(op: &str, d: DType) -> String {
    let wide = d == DType::F64;
    let template = if d.is_float() { float(op) } else { integer(op, d.is_signed_int()) };
    fill(template, d).replace("$T", value_type(d)).replace("$U", if wide { "u64" } else { "u32" })
}

/// Helpers for every type.
fn any(op: &str) -> &'static str {
    match op {
        "min" => {
            "
fn min<T: PartialOrd>(a: T, b: T) -> T {
    if b < a { b } else { a }
}"
        }
        "max" => {
            "
fn max<T: PartialOrd>(a: T, b: T) -> T {
    if a < b { b } else { a }
}"
        }
        "parts" => {
            "
/// Disjoint parts of a slice, each from an offset to where the next one begins.
fn parts<T, const N: usize>(all: &mut [T], at: [usize; N]) -> [&mut [T]; N] {
    let mut order: [usize; N] = core::array::from_fn(|i| i);
    order.sort_unstable_by_key(|&i| at[i]);
    let mut out: [&mut [T]; N] = core::array::from_fn(|_| Default::default());
    let mut rest = all;
    for &i in order.iter().rev() {
        (rest, out[i]) = rest.split_at_mut(at[i]);
    }
    out
}"
        }
        "chunk" => {
            "
/// The first elements of a slice.
#[inline(always)]
fn chunk<T, const N: usize>(x: &[T]) -> &[T; N] {
    match x.first_chunk() {
        Some(c) => c,
        None => panic!(),
    }
}"
        }
        "chunk_mut" => {
            "
/// The first elements of a slice.
#[inline(always)]
fn chunk_mut<T, const N: usize>(x: &mut [T]) -> &mut [T; N] {
    match x.first_chunk_mut() {
        Some(c) => c,
        None => panic!(),
    }
}"
        }
        "rolled" => {
            "
/// Keeps the compiler from writing out the loop that this stands in: flash is scarce.
#[inline(always)]
fn rolled() {
    core::hint::black_box(());
}"
        }
        "get" => {
            "
/// An element whose index the compiler has proven.
#[inline(always)]
fn get<T: Copy>(x: &[T], i: usize) -> T {
    debug_assert!(i < x.len());
    // SAFETY: loops IR accesses are in bounds: whoever built the program has proven it.
    unsafe { *x.get_unchecked(i) }
}"
        }
        "put" => {
            "
/// Sets an element whose index the compiler has proven.
#[inline(always)]
fn put<T>(x: &mut [T], i: usize, v: T) {
    debug_assert!(i < x.len());
    // SAFETY: loops IR accesses are in bounds: whoever built the program has proven it.
    unsafe { *x.get_unchecked_mut(i) = v }
}"
        }
        _ => "",
    }
}

fn integer(op: &str, signed: bool) -> &'static str {
    match op {
        "div" => {
            "
fn div_$D(a: $T, b: $T) -> $T {
    if b == 0 { 0 } else { a.wrapping_div(b) }
}"
        }
        "rem" => {
            "
fn rem_$D(a: $T, b: $T) -> $T {
    if b == 0 { 0 } else { a.wrapping_rem(b) }
}"
        }
        "floordiv" if signed => {
            "
fn floordiv_$D(a: $T, b: $T) -> $T {
    if b == 0 {
        return 0;
    }
    let q = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { q - 1 } else { q }
}"
        }
        "floordiv" => {
            "
fn floordiv_$D(a: $T, b: $T) -> $T {
    if b == 0 { 0 } else { a / b }
}"
        }
        "floormod" if signed => {
            "
fn floormod_$D(a: $T, b: $T) -> $T {
    if b == 0 {
        return 0;
    }
    let r = a.wrapping_rem(b);
    if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
}"
        }
        "floormod" => {
            "
fn floormod_$D(a: $T, b: $T) -> $T {
    if b == 0 { 0 } else { a % b }
}"
        }
        "shl" if signed => {
            "
fn shl_$D(a: $T, b: $T) -> $T {
    if (0..$BITS).contains(&b) { a << b } else { 0 }
}"
        }
        "shl" => {
            "
fn shl_$D(a: $T, b: $T) -> $T {
    if b < $BITS { a << b } else { 0 }
}"
        }
        "shr" if signed => {
            "
fn shr_$D(a: $T, b: $T) -> $T {
    if (0..$BITS).contains(&b) { a >> b } else if a < 0 { -1 } else { 0 }
}"
        }
        "shr" => {
            "
fn shr_$D(a: $T, b: $T) -> $T {
    if b < $BITS { a >> b } else { 0 }
}"
        }
        "pow" if signed => {
            "
fn pow_$D(a: $T, b: $T) -> $T {
    if b < 0 {
        return match a {
            1 => 1,
            -1 => if b % 2 == 0 { 1 } else { -1 },
            _ => 0,
        };
    }
    let (mut r, mut x, mut n) = (1i64, a as i64, b as i64);
    while n > 0 {
        if n & 1 == 1 {
            r = r.wrapping_mul(x);
        }
        x = x.wrapping_mul(x);
        n >>= 1;
    }
    r as $T
}"
        }
        "pow" => {
            "
fn pow_$D(a: $T, b: $T) -> $T {
    let (mut r, mut x, mut n) = (1u64, a as u64, (b as u64).min(i64::MAX as u64));
    while n > 0 {
        if n & 1 == 1 {
            r = r.wrapping_mul(x);
        }
        x = x.wrapping_mul(x);
        n >>= 1;
    }
    r as $T
}"
        }
        op => any(op),
    }
}

fn float(op: &str) -> &'static str {
    match op {
        "from_f16" => {
            "
fn from_f16_f32(a: u16) -> f32 {
    let sign = u32::from(a & 0x8000) << 16;
    let (mut e, mut m) = (u32::from(a >> 10 & 31), u32::from(a & 1023));
    if e == 31 {
        return f32::from_bits(sign | 0x7f80_0000 | m << 13);
    }
    if e == 0 {
        if m == 0 {
            return f32::from_bits(sign);
        }
        let up = m.leading_zeros() - 21;
        m = m << up & 1023;
        e = 1u32.wrapping_sub(up);
    }
    f32::from_bits(sign | e.wrapping_add(112) << 23 | m << 13)
}"
        }
        "from_bf16" => {
            "
fn from_bf16_f32(a: u16) -> f32 {
    f32::from_bits(u32::from(a) << 16)
}"
        }
        "to_bf16" => {
            "
fn to_bf16_f32(a: f32) -> u16 {
    let u = a.to_bits();
    if a.is_nan() {
        return (u >> 16) as u16 | 0x40;
    }
    (u.wrapping_add(0x7fff + (u >> 16 & 1)) >> 16) as u16
}"
        }
        "to_f16" => {
            "
fn to_f16_f32(a: f32) -> u16 {
    let u = a.to_bits();
    let (sign, e, m) = ((u >> 16) as u16 & 0x8000, (u >> 23 & 255) as i32 - 112, u & 0x7f_ffff);
    if e == 143 {
        return sign | 0x7c00 | if m != 0 { (m >> 13) as u16 | 0x200 } else { 0 };
    }
    if e >= 31 {
        return sign | 0x7c00;
    }
    if e < -10 {
        return sign;
    }
    let (m, shift) = (m | 0x80_0000, if e > 0 { 13 } else { 14 - e });
    let (half, rest, middle) = (m >> shift, m & ((1 << shift) - 1), 1 << (shift - 1));
    let up = u32::from(rest > middle || (rest == middle && half & 1 == 1));
    // The hidden bit adds one to the exponent; so does a carry.
    sign | (half + up + if e > 0 { (e as u32 - 1) << 10 } else { 0 }) as u16
}"
        }
        "trunc" => {
            "
fn trunc_$D(a: $T) -> $T {
    let u = a.to_bits();
    let e = (u >> $MANTISSA & $EXPONENT) as i32 - $BIAS;
    if e < 0 {
        return $T::from_bits(u & 1 << ($BITS - 1));
    }
    if e >= $MANTISSA { a } else { $T::from_bits(u & !(((1 << $MANTISSA) - 1) >> e)) }
}"
        }
        "floor" => {
            "
fn floor_$D(a: $T) -> $T {
    let t = trunc_$D(a);
    if t > a { t - 1.0 } else { t }
}"
        }
        "ceil" => {
            "
fn ceil_$D(a: $T) -> $T {
    let t = trunc_$D(a);
    if t < a { t + 1.0 } else { t }
}"
        }
        // Beside a number whose last bit is 1 the sum has no room for a fraction, so adding it rounds, ties to even.
        "round_even" => {
            "
fn round_even_$D(a: $T) -> $T {
    let big = $T::from_bits(($BIAS + $MANTISSA) << $MANTISSA);
    let sign = a.to_bits() & 1 << ($BITS - 1);
    let size = $T::from_bits(a.to_bits() ^ sign);
    if size < big { $T::from_bits(((size + big) - big).to_bits() | sign) } else { a }
}"
        }
        // Digit by digit in integers: the root of an integer is exact to one bit beyond the mantissa, and never halfway.
        "sqrt" => {
            "
fn sqrt_$D(a: $T) -> $T {
    let mut u = a.to_bits();
    let mut e = (u >> $MANTISSA & $EXPONENT) as i32;
    if a == 0.0 || a == $T::INFINITY {
        return a;
    }
    if !(a > 0.0) {
        return $T::NAN;
    }
    u &= (1 << $MANTISSA) - 1;
    if e == 0 {
        let up = u.leading_zeros() as i32 - ($BITS - 1 - $MANTISSA);
        u <<= up;
        e = 1 - up;
    }
    u |= 1 << $MANTISSA;
    e -= $BIAS;
    u <<= (e & 1) + $BITS - $MANTISSA - 2;
    let (mut root, mut rest): ($U, $U) = (0, 0);
    // One bit of the root per step, from two bits of the radicand.
    for _ in 0..$MANTISSA + 2 {
        rest = rest << 2 | u >> ($BITS - 2);
        u <<= 2;
        root <<= 1;
        if rest > root << 1 {
            rest -= (root << 1) + 1;
            root |= 1;
        }
    }
    root = (root >> 1) + (root & 1);
    $T::from_bits(((((e >> 1) + $BIAS) as $U) << $MANTISSA) + (root - (1 << $MANTISSA)))
}"
        }
        "floordiv" => {
            "
fn floordiv_$D(a: $T, b: $T) -> $T {
    floor_$D(a / b)
}"
        }
        "floormod" => {
            "
fn floormod_$D(a: $T, b: $T) -> $T {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
}"
        }
        op => any(op),
    }
}
