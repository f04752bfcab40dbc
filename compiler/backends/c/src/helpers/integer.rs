//! Helpers of integers: operations that wrap or are total where C's aren't, and conversions from floats.

use onnxc_base::DType;

/// The template of an operation on integers.
pub(super) fn integer(op: &str, d: DType) -> &'static str {
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
