//! Helpers of floats: roots, remainders, rounding and 16-bit floats by their bits, or by the processor's instruction.

use onnxc_base::DType;

/// The template of an operation on floats.
pub(super) fn float(op: &str, d: DType) -> &'static str {
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
pub(super) const ROUND_32: &str = "\
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

pub(super) const SQRT_32: &str = "\
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

pub(super) const SQRT_64: &str = "\
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
