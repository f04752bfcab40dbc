//! Texts of values: literals, conversions, and arithmetic that C does in int or leaves undefined.

use super::C;
use crate::helpers::{c_type, unsigned};
use onnxc_base::DType;
use onnxc_ir::loops::{BinOp, Scalar};
use onnxc_source::expr::{Expr, Prec};
use onnxc_source::flow::{Known, Language};

/// The type of a value or variable.
pub(crate) fn value_type(d: DType) -> &'static str {
    if d == DType::Bool { "int" } else { c_type(d) }
}

/// True for integers that C computes as int.
pub(super) fn small(d: DType) -> bool {
    d.is_int() && d.bits() < 32
}

/// A call that gives a vector.
pub(super) fn vector(text: String, d: DType, lanes: u16) -> Expr {
    Expr { lanes, ..Expr::primary(text, d) }
}

/// `(T)e`.
pub(super) fn cast(e: &Expr, ty: &str, d: DType) -> Expr {
    Expr::new(format!("({ty}){}", e.at(Prec::Unary)), Prec::Unary, d)
}

/// The text of a float that is no number, or a number.
pub(crate) fn float_literal(s: Scalar) -> String {
    let (wide, v) = (s.dtype == DType::F64, s.to_f64());
    let f = if wide { "" } else { "f" };
    if v.is_nan() {
        return format!("(0.0{f} / 0.0{f})");
    }
    if v.is_infinite() {
        return format!("({}1.0{f} / 0.0{f})", if v < 0.0 { "-" } else { "" });
    }
    let text = if wide { format!("{v:?}") } else { format!("{:?}", f32::from_bits(s.bits as u32)) };
    format!("{text}{f}")
}

/// The text of an integer.
pub(crate) fn int_literal(v: i128, d: DType) -> String {
    match d {
        DType::I64 if v == i128::from(i64::MIN) => "(-INT64_C(9223372036854775807) - 1)".into(),
        DType::I32 if v == i128::from(i32::MIN) => "(-INT32_C(2147483647) - 1)".into(),
        DType::I64 if v.abs() > i128::from(i32::MAX) => format!("{}INT64_C({})", if v < 0 { "-" } else { "" }, v.abs()),
        DType::U64 if v > i128::from(i32::MAX) => format!("UINT64_C({v})"),
        DType::U64 | DType::U32 if v <= 32767 => format!("{v}u"),
        DType::U32 => format!("UINT32_C({v})"),
        _ => v.to_string(),
    }
}

/// A helper that keeps an integer within the limits of so many bits. GCC doesn't find the instruction when the limits are
/// in registers, as in a loop they are.
pub(super) fn saturation(name: &str, bits: u32, signed: bool) -> String {
    let (low, top, letter) = match signed {
        true => (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1, 's'),
        false => (0, (1i64 << bits) - 1, 'u'),
    };
    format!(
        "static inline int32_t {name}(int32_t a) {{\n#if defined(__GNUC__) && !defined(__clang__) && defined(__ARM_FEATURE_SAT)\n    \
         __asm__(\"{letter}sat %0, #{bits}, %1\" : \"=r\"(a) : \"r\"(a));\n    return a;\n#else\n    \
         return a < {low} ? {low} : a > {top} ? {top} : a;\n#endif\n}}"
    )
}

impl C<'_> {
    /// The result of an operation that C does in int, as its own type.
    pub(super) fn back(&self, e: Expr, d: DType) -> Expr {
        if small(d) { cast(&e, c_type(d), d) } else { e }
    }

    pub(super) fn arithmetic(&mut self, op: BinOp, a: Expr, b: Expr, known: Known) -> Expr {
        let d = known.dtype;
        let (sign, prec) = match op {
            BinOp::Add => ("+", Prec::Add),
            BinOp::Sub => ("-", Prec::Add),
            _ => ("*", Prec::Mul),
        };
        if d.is_float() || matches!(d, DType::U32 | DType::U64) || (known.exact && !small(d)) {
            return Expr::infix(&a, sign, &b, prec, d);
        }
        if small(d) {
            // Two uint16_t could overflow an int.
            let wide = |e: Expr| if op == BinOp::Mul && d.bits() == 16 { cast(&e, "uint32_t", d) } else { e };
            return cast(&Expr::infix(&wide(a), sign, &wide(b), prec, d), c_type(d), d);
        }
        let u = unsigned(d);
        cast(&Expr::infix(&cast(&a, u, d), sign, &cast(&b, u, d), prec, d), c_type(d), d)
    }

    pub(super) fn shift(&mut self, op: BinOp, a: Expr, b: Expr, known: Known) -> Expr {
        let d = known.dtype;
        let inside = known.b.lo >= 0 && known.b.hi < d.bits() as i128;
        let name = if op == BinOp::Shl { "shl" } else { "shr" };
        if !inside {
            return self.help(name, d, &[&a, &b], d);
        }
        if op == BinOp::Shr {
            return self.back(Expr::infix(&a, ">>", &b, Prec::Bits, d), d);
        }
        let unsigned_a = if d.is_signed_int() || small(d) {
            cast(&a, if small(d) { "uint32_t" } else { unsigned(d) }, d)
        } else {
            a
        };
        let e = Expr::infix(&unsigned_a, "<<", &b, Prec::Bits, d);
        if d.is_signed_int() || small(d) { cast(&e, c_type(d), d) } else { e }
    }
}
