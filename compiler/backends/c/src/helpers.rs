//! Small functions that a file contains if its kernels use them: what C has no operator for, or only a function of libm.
//!
//! Each gives the bits that `onnxc_ir::scalar` says, on every C99 compiler: no library call, no reliance on flags. Names are
//! `onnxc_OP_TYPE`; texts are templates over the types. What a helper calls comes before it.

use onnxc_base::DType;
use onnxc_source::helpers::{Library, fill};

/// The helpers of C.
pub(crate) static LIBRARY: Library = Library { name: |op, d| format!("onnxc_{op}_{d}"), needs, text };

/// What a helper calls.
fn needs(op: &str, d: DType) -> Vec<(&'static str, DType)> {
    match op {
        "floor" | "ceil" | "round_even" => vec![("trunc", d)],
        "trunc" | "abs" | "sqrt" | "rem" | "to_f16" | "to_bf16" => vec![("bits", d), ("float", d)],
        "floordiv" if d.is_float() => vec![("floor", d)],
        "floormod" if d.is_float() => vec![("rem", d)],
        "from_f16" | "from_bf16" => vec![("float", DType::F32)],
        _ => vec![],
    }
}

/// The C type that holds an element; bool values are `int`.
pub(crate) fn c_type(d: DType) -> &'static str {
    onnxc_codegen::header::c_type(d)
}

/// The unsigned integer type as wide as another type.
pub(crate) fn unsigned(d: DType) -> &'static str {
    match d.bits() {
        8 => "uint8_t",
        16 => "uint16_t",
        32 => "uint32_t",
        _ => "uint64_t",
    }
}

fn text(op: &str, d: DType) -> String {
    let template = if d.is_float() { float(op, d) } else { integer(op, d) };
    let wide = d == DType::F64;
    let limit = |signed: bool| match d {
        DType::I64 => {
            if signed {
                "(-INT64_C(9223372036854775807) - 1)"
            } else {
                "INT64_C(9223372036854775807)"
            }
        }
        DType::I32 => {
            if signed {
                "(-INT32_C(2147483647) - 1)"
            } else {
                "INT32_C(2147483647)"
            }
        }
        DType::I16 => {
            if signed {
                "-32768"
            } else {
                "32767"
            }
        }
        DType::I8 => {
            if signed {
                "-128"
            } else {
                "127"
            }
        }
        _ => "0",
    };
    let template = template.replace("$SQRT_HERE", if wide { SQRT_64 } else { SQRT_32 });
    // The direction is the last letter of Arm's instruction.
    let letter = match op {
        "floor" => "m",
        "ceil" => "p",
        "trunc" => "z",
        _ => "n",
    };
    let (here, otherwise) = if wide { (String::new(), "") } else { (ROUND_32.replace("$WAY", letter), "#endif\n") };
    fill(&template.replace("$ROUND_HERE", &here).replace("$ROUND_ELSE", otherwise), d)
        .replace("$T", c_type(d))
        .replace("$U", unsigned(d))
        .replace("$MIN", limit(true))
        .replace("$MAX", limit(false))
        .replace("$ONE", if wide { "UINT64_C(1)" } else { "UINT32_C(1)" })
        .replace("$Q", if wide { "" } else { "f" })
}

fn integer(op: &str, d: DType) -> &'static str {
    let signed = d.is_signed_int();
    match op {
        "min" => {
            "
static inline $T onnxc_min_$D($T a, $T b) { return b < a ? b : a; }"
        }
        "max" => {
            "
static inline $T onnxc_max_$D($T a, $T b) { return a < b ? b : a; }"
        }
        "abs" => {
            "
static inline $T onnxc_abs_$D($T a) {
    if (a < 0) { return ($T)(0 - ($U)a); }
    return a;
}"
        }
        "div" if signed => {
            "
static inline $T onnxc_div_$D($T a, $T b) {
    if (b == 0) { return 0; }
    if (b == -1) { return ($T)(0 - ($U)a); }
    return ($T)(a / b);
}"
        }
        "div" => {
            "
static inline $T onnxc_div_$D($T a, $T b) { return ($T)(b == 0 ? 0 : a / b); }"
        }
        "rem" if signed => {
            "
static inline $T onnxc_rem_$D($T a, $T b) { return ($T)(b == 0 || b == -1 ? 0 : a % b); }"
        }
        "rem" => {
            "
static inline $T onnxc_rem_$D($T a, $T b) { return ($T)(b == 0 ? 0 : a % b); }"
        }
        "floordiv" if signed => {
            "
static inline $T onnxc_floordiv_$D($T a, $T b) {
    if (b == 0) { return 0; }
    if (b == -1) { return ($T)(0 - ($U)a); }
    return ($T)(a / b - (a % b != 0 && (a < 0) != (b < 0)));
}"
        }
        "floordiv" => {
            "
static inline $T onnxc_floordiv_$D($T a, $T b) { return ($T)(b == 0 ? 0 : a / b); }"
        }
        "floormod" if signed => {
            "
static inline $T onnxc_floormod_$D($T a, $T b) {
    const $T r = ($T)(b == 0 || b == -1 ? 0 : a % b);
    return ($T)(r != 0 && (r < 0) != (b < 0) ? r + b : r);
}"
        }
        "floormod" => {
            "
static inline $T onnxc_floormod_$D($T a, $T b) { return ($T)(b == 0 ? 0 : a % b); }"
        }
        "shl" if signed => {
            "
static inline $T onnxc_shl_$D($T a, $T b) {
    if (b >= 0 && b < $BITS) { return ($T)($U)(($U)a << b); }
    return 0;
}"
        }
        "shl" => {
            "
static inline $T onnxc_shl_$D($T a, $T b) { return ($T)(b < $BITS ? ($T)(a << b) : ($T)0); }"
        }
        "shr" if signed => {
            "
static inline $T onnxc_shr_$D($T a, $T b) {
    if (b >= 0 && b < $BITS) { return ($T)(a >> b); }
    return ($T)(a < 0 ? -1 : 0);
}"
        }
        "shr" => {
            "
static inline $T onnxc_shr_$D($T a, $T b) { return ($T)(b < $BITS ? a >> b : 0); }"
        }
        // Wrapping power by squaring; a negative exponent gives the truncated quotient.
        "pow" if signed => {
            "
static inline $T onnxc_pow_$D($T a, $T b) {
    uint64_t r = 1, x = (uint64_t)a, n = (uint64_t)b;
    if (b < 0) { return ($T)(a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0); }
    for (; n > 0; n >>= 1) {
        if (n & 1) { r *= x; }
        x *= x;
    }
    return ($T)r;
}"
        }
        "pow" => {
            "
static inline $T onnxc_pow_$D($T a, $T b) {
    uint64_t r = 1, x = a, n = b;
    if (n > UINT64_C(9223372036854775807)) { n = UINT64_C(9223372036854775807); }
    for (; n > 0; n >>= 1) {
        if (n & 1) { r *= x; }
        x *= x;
    }
    return ($T)r;
}"
        }
        // Truncation that saturates; a NaN gives 0.
        "from_f32" => saturating(d, false),
        "from_f64" => saturating(d, true),
        _ => "",
    }
}

fn saturating(d: DType, wide: bool) -> &'static str {
    let signed = d.is_signed_int();
    match (wide, d) {
        (false, DType::I64) => {
            "
static inline int64_t onnxc_from_f32_i64(float a) {
    if (a >= 9223372036854775808.0f) { return $MAX; }
    if (a >= -9223372036854775808.0f) { return (int64_t)a; }
    return a < 0.0f ? $MIN : 0;
}"
        }
        (true, DType::I64) => {
            "
static inline int64_t onnxc_from_f64_i64(double a) {
    if (a >= 9223372036854775808.0) { return $MAX; }
    if (a >= -9223372036854775808.0) { return (int64_t)a; }
    return a < 0.0 ? $MIN : 0;
}"
        }
        (false, DType::U64) => {
            "
static inline uint64_t onnxc_from_f32_u64(float a) {
    if (a >= 18446744073709551616.0f) { return ~UINT64_C(0); }
    return a > 0.0f ? (uint64_t)a : 0;
}"
        }
        (true, DType::U64) => {
            "
static inline uint64_t onnxc_from_f64_u64(double a) {
    if (a >= 18446744073709551616.0) { return ~UINT64_C(0); }
    return a > 0.0 ? (uint64_t)a : 0;
}"
        }
        (false, DType::I32) => {
            "
static inline int32_t onnxc_from_f32_i32(float a) {
    if (a >= 2147483648.0f) { return $MAX; }
    if (a >= -2147483648.0f) { return (int32_t)a; }
    return a < 0.0f ? $MIN : 0;
}"
        }
        (true, DType::I32) => {
            "
static inline int32_t onnxc_from_f64_i32(double a) {
    if (a >= 2147483648.0) { return $MAX; }
    if (a > -2147483649.0) { return (int32_t)a; }
    return a < 0.0 ? $MIN : 0;
}"
        }
        (false, DType::U32) => {
            "
static inline uint32_t onnxc_from_f32_u32(float a) {
    if (a >= 4294967296.0f) { return UINT32_C(4294967295); }
    return a > 0.0f ? (uint32_t)a : 0;
}"
        }
        (true, DType::U32) => {
            "
static inline uint32_t onnxc_from_f64_u32(double a) {
    if (a >= 4294967296.0) { return UINT32_C(4294967295); }
    return a > 0.0 ? (uint32_t)a : 0;
}"
        }
        (_, _) if signed && !wide => {
            "
static inline $T onnxc_from_f32_$D(float a) {
    if (a >= (float)$MAX) { return $MAX; }
    if (a >= (float)$MIN) { return ($T)a; }
    return ($T)(a < 0.0f ? $MIN : 0);
}"
        }
        (_, _) if signed => {
            "
static inline $T onnxc_from_f64_$D(double a) {
    if (a >= (double)$MAX) { return $MAX; }
    if (a >= (double)$MIN) { return ($T)a; }
    return ($T)(a < 0.0 ? $MIN : 0);
}"
        }
        (false, _) => {
            "
static inline $T onnxc_from_f32_$D(float a) {
    if (a >= (float)($T)-1) { return ($T)-1; }
    return ($T)(a > 0.0f ? ($T)a : 0);
}"
        }
        (true, _) => {
            "
static inline $T onnxc_from_f64_$D(double a) {
    if (a >= (double)($T)-1) { return ($T)-1; }
    return ($T)(a > 0.0 ? ($T)a : 0);
}"
        }
    }
}

fn float(op: &str, d: DType) -> &'static str {
    match (op, d) {
        ("from_f16", _) => FROM_F16,
        ("from_bf16", _) => {
            "
static inline float onnxc_from_bf16_f32(uint16_t a) { return onnxc_float_f32((uint32_t)a << 16); }"
        }
        ("to_f16", _) => TO_F16,
        ("to_bf16", _) => {
            "
static inline uint16_t onnxc_to_bf16_f32(float a) {
    const uint32_t u = onnxc_bits_f32(a);
    if ((u & UINT32_C(0x7fffffff)) > UINT32_C(0x7f800000)) { return (uint16_t)(u >> 16 | 0x40); }
    return (uint16_t)((u + UINT32_C(0x7fff) + (u >> 16 & 1)) >> 16);
}"
        }
        ("bits", _) => {
            "
static inline $U onnxc_bits_$D($T a) {
    union { $T value; $U bits; } u;
    u.value = a;
    return u.bits;
}"
        }
        ("float", _) => {
            "
static inline $T onnxc_float_$D($U a) {
    union { $U bits; $T value; } u;
    u.bits = a;
    return u.value;
}"
        }
        ("min", _) => {
            "
static inline $T onnxc_min_$D($T a, $T b) { return b < a ? b : a; }"
        }
        ("max", _) => {
            "
static inline $T onnxc_max_$D($T a, $T b) { return a < b ? b : a; }"
        }
        ("abs", _) => {
            "
static inline $T onnxc_abs_$D($T a) { return onnxc_float_$D(onnxc_bits_$D(a) & ~($ONE << ($BITS - 1))); }"
        }
        ("fma", DType::F32) => {
            "
static inline float onnxc_fma_f32(float a, float b, float c) { return __builtin_fmaf(a, b, c); }"
        }
        ("fma", _) => {
            "
static inline double onnxc_fma_f64(double a, double b, double c) { return __builtin_fma(a, b, c); }"
        }
        // The bits below the point are cleared: exact, and signs of zero stay.
        ("trunc", _) => {
            "
static inline $T onnxc_trunc_$D($T a) {
$ROUND_HERE    const $U u = onnxc_bits_$D(a);
    const int e = (int)(u >> $MANTISSA & $EXPONENT) - $BIAS;
    if (e < 0) { return onnxc_float_$D(u & $ONE << ($BITS - 1)); }
    return e >= $MANTISSA ? a : onnxc_float_$D(u & ~((($ONE << $MANTISSA) - 1) >> e));
$ROUND_ELSE}"
        }
        ("floor", _) => {
            "
static inline $T onnxc_floor_$D($T a) {
$ROUND_HERE    const $T t = onnxc_trunc_$D(a);
    return t > a ? t - 1.0$Q : t;
$ROUND_ELSE}"
        }
        ("ceil", _) => {
            "
static inline $T onnxc_ceil_$D($T a) {
$ROUND_HERE    const $T t = onnxc_trunc_$D(a);
    return t < a ? t + 1.0$Q : t;
$ROUND_ELSE}"
        }
        // Halfway goes to the even neighbour.
        ("round_even", _) => {
            "
static inline $T onnxc_round_even_$D($T a) {
$ROUND_HERE    const $T t = onnxc_trunc_$D(a), half = t * 0.5$Q;
    const $T d = a < t ? t - a : a - t, away = a < 0.0$Q ? t - 1.0$Q : t + 1.0$Q;
    if (d > 0.5$Q || (d == 0.5$Q && onnxc_trunc_$D(half) != half)) { return away; }
    return t;
$ROUND_ELSE}"
        }
        ("sqrt", _) => SQRT,
        ("rem", _) => REM,
        ("floordiv", _) => {
            "
static inline $T onnxc_floordiv_$D($T a, $T b) { return onnxc_floor_$D(a / b); }"
        }
        ("floormod", _) => {
            "
static inline $T onnxc_floormod_$D($T a, $T b) {
    const $T r = onnxc_rem_$D(a, b);
    return r != 0.0$Q && (r < 0.0$Q) != (b < 0.0$Q) ? r + b : r;
}"
        }
        _ => "",
    }
}

/// The processor's own instruction, where one rounds to an integer: Armv8, also its small cores with floats.
const ROUND_32: &str = "\
#if defined(__GNUC__) && defined(__ARM_ARCH) && __ARM_ARCH >= 8 && defined(__ARM_FP) && (__ARM_FP & 4)
#if defined(__aarch64__)
    __asm__(\"frint$WAY %s0, %s1\" : \"=w\"(a) : \"w\"(a));
#else
    __asm__(\"vrint$WAY.f32 %0, %1\" : \"=t\"(a) : \"t\"(a));
#endif
    return a;
#else
";

/// Digit by digit in integers, rounded to nearest: the root of an integer is exact to one bit beyond the mantissa, and
/// never halfway. Where the processor has the instruction, that is used: by name, as a builtin may call libm.
const SQRT: &str = "
static inline $T onnxc_sqrt_$D($T a) {
$SQRT_HERE
#else
    $U u = onnxc_bits_$D(a), root = 0, rest = 0;
    int e = (int)(u >> $MANTISSA & $EXPONENT), i;
    if (!(a > 0.0$Q) || e == $EXPONENT) { return a == 0.0$Q || a > 0.0$Q ? a : (a - a) / (a - a); }
    u &= ($ONE << $MANTISSA) - 1;
    if (e == 0) {
        for (e = 1; !(u >> $MANTISSA); e--) { u <<= 1; }
    }
    u |= $ONE << $MANTISSA;
    e -= $BIAS;
    if (e & 1) { u <<= 1; }
    /* One bit of the root per step, from two bits of the radicand. */
    u <<= $BITS - $MANTISSA - 2;
    for (i = 0; i < $MANTISSA + 2; i++) {
        rest = rest << 2 | u >> ($BITS - 2);
        u <<= 2;
        root <<= 1;
        if (rest > root << 1) {
            rest -= (root << 1) + 1;
            root |= 1;
        }
    }
    root = (root >> 1) + (root & 1);
    e = e >= 0 ? e / 2 : -((1 - e) / 2);
    return onnxc_float_$D((($U)(e + $BIAS) << $MANTISSA) + (root - ($ONE << $MANTISSA)));
#endif
}";

const SQRT_32: &str = "\
#if defined(__GNUC__) && (defined(__SSE2__) || defined(__aarch64__) || (defined(__ARM_FP) && (__ARM_FP & 4)) || \\
    (defined(__riscv_flen) && __riscv_flen >= 32))
    float root;
#if defined(__SSE2__)
    __asm__(\"sqrtss %1, %0\" : \"=x\"(root) : \"x\"(a));
#elif defined(__aarch64__)
    __asm__(\"fsqrt %s0, %s1\" : \"=w\"(root) : \"w\"(a));
#elif defined(__ARM_FP)
    __asm__(\"vsqrt.f32 %0, %1\" : \"=t\"(root) : \"t\"(a));
#else
    __asm__(\"fsqrt.s %0, %1\" : \"=f\"(root) : \"f\"(a));
#endif
    return root;";

const SQRT_64: &str = "\
#if defined(__GNUC__) && (defined(__SSE2__) || defined(__aarch64__) || (defined(__ARM_FP) && (__ARM_FP & 8)) || \\
    (defined(__riscv_flen) && __riscv_flen >= 64))
    double root;
#if defined(__SSE2__)
    __asm__(\"sqrtsd %1, %0\" : \"=x\"(root) : \"x\"(a));
#elif defined(__aarch64__)
    __asm__(\"fsqrt %d0, %d1\" : \"=w\"(root) : \"w\"(a));
#elif defined(__ARM_FP)
    __asm__(\"vsqrt.f64 %P0, %P1\" : \"=w\"(root) : \"w\"(a));
#else
    __asm__(\"fsqrt.d %0, %1\" : \"=f\"(root) : \"f\"(a));
#endif
    return root;";

/// The remainder of the truncated quotient, exactly: long division of the mantissas.
const REM: &str = "
static inline $T onnxc_rem_$D($T a, $T b) {
    const $U sign = onnxc_bits_$D(a) & $ONE << ($BITS - 1), one = $ONE << $MANTISSA;
    $U x = onnxc_bits_$D(a) & ~($ONE << ($BITS - 1)), y = onnxc_bits_$D(b) & ~($ONE << ($BITS - 1));
    int ex, ey;
    if (y == 0 || x >= ($U)$EXPONENT << $MANTISSA || y > ($U)$EXPONENT << $MANTISSA) { return (a - a) / (a - a); }
    if (x < y) { return a; }
    ex = (int)(x >> $MANTISSA);
    ey = (int)(y >> $MANTISSA);
    x = ex == 0 ? x : (x & (one - 1)) | one;
    y = ey == 0 ? y : (y & (one - 1)) | one;
    if (ex == 0) { for (ex = 1; x < one; ex--) { x <<= 1; } }
    if (ey == 0) { for (ey = 1; y < one; ey--) { y <<= 1; } }
    for (; ex > ey; ex--) {
        if (x >= y) { x -= y; }
        x <<= 1;
    }
    if (x >= y) { x -= y; }
    if (x == 0) { return onnxc_float_$D(sign); }
    for (; x < one; ey--) { x <<= 1; }
    x = ey < 1 ? x >> (1 - ey) : (x & (one - 1)) | ($U)ey << $MANTISSA;
    return onnxc_float_$D(sign | x);
}";

const FROM_F16: &str = "
static inline float onnxc_from_f16_f32(uint16_t a) {
    const uint32_t sign = (uint32_t)(a & 0x8000) << 16;
    uint32_t e = a >> 10 & 31, m = a & 1023;
    if (e == 31) { return onnxc_float_f32(sign | UINT32_C(0x7f800000) | m << 13); }
    if (e == 0) {
        if (m == 0) { return onnxc_float_f32(sign); }
        for (e = 1; !(m & 1024); e--) { m <<= 1; }
        m &= 1023;
    }
    return onnxc_float_f32(sign | (e + 112) << 23 | m << 13);
}";

const TO_F16: &str = "
static inline uint16_t onnxc_to_f16_f32(float a) {
    const uint32_t u = onnxc_bits_f32(a), sign = u >> 16 & 0x8000;
    uint32_t m = u & UINT32_C(0x7fffff), half, shift, rest;
    const int e = (int)(u >> 23 & 255) - 112;
    if (e == 143) { return (uint16_t)(sign | 0x7c00 | (m != 0 ? (m >> 13 | 0x200) : 0)); }
    if (e >= 31) { return (uint16_t)(sign | 0x7c00); }
    if (e < -10) { return (uint16_t)sign; }
    m |= UINT32_C(0x800000);
    shift = e > 0 ? 13 : (uint32_t)(14 - e);
    half = m >> shift;
    rest = m & ((UINT32_C(1) << shift) - 1);
    if (rest > UINT32_C(1) << (shift - 1) || (rest == UINT32_C(1) << (shift - 1) && (half & 1))) { half++; }
    /* The hidden bit adds one to the exponent; so does a carry. */
    return (uint16_t)(sign | (half + (e > 0 ? (uint32_t)(e - 1) << 10 : 0)));
}";
