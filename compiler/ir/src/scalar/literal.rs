//! Scalar literals: `4` is an i64, `0.5` an f32, `true` a bool; any other type follows the number (`4i32`, `0.5f64`).
//!
//! Holds afterwards: a literal reads back to the same bits. A NaN of f16 or bf16, and one with a payload, is `0f` and
//! its bits in hex.

use super::Scalar;
use half::{bf16, f16};
use onnxc_base::small_float::Format;
use onnxc_base::text::{Cursor, Tok, fmt_f32, fmt_f64};
use onnxc_base::{DType, Diagnostic};

/// The number alone, for where the type is known.
pub(crate) fn number(s: Scalar) -> String {
    let small = |v: f32| if v.is_nan() { format!("0f{:04x}", s.bits as u16) } else { fmt_f32(v) };
    match s.dtype {
        DType::Bool if s.bits < 2 => (s.bits == 1).to_string(),
        DType::F32 => fmt_f32(f32::from_bits(s.bits as u32)),
        DType::F64 => fmt_f64(f64::from_bits(s.bits)),
        DType::F16 => small(f16::from_bits(s.bits as u16).to_f32()),
        DType::BF16 => small(bf16::from_bits(s.bits as u16).to_f32()),
        DType::C64 => format!("0f{:016x}", s.bits),
        d => match Format::of(d).map(|f| f.decode(s.bits as u8)) {
            Some(v) if v.is_nan() => format!("0f{:02x}", s.bits),
            Some(v) => fmt_f32(v),
            None => whole(s),
        },
    }
}

fn whole(s: Scalar) -> String {
    match s.dtype {
        DType::U64 => s.bits.to_string(),
        _ => s.to_i64().to_string(),
    }
}

/// The literal with its type, where it isn't that of plain numbers.
pub(crate) fn literal(s: Scalar) -> String {
    let text = number(s);
    match s.dtype {
        DType::I64 | DType::F32 => text,
        DType::Bool if s.bits < 2 => text,
        // After a word or hex digits the type needs a space.
        d if text.ends_with(|c: char| c.is_ascii_alphabetic()) || text.contains("0f") => format!("{text} {d}"),
        d => format!("{text}{d}"),
    }
}

/// Is a literal here?
pub(crate) fn at_literal(c: &Cursor) -> bool {
    match c.peek() {
        Tok::Int(_) | Tok::Float(_) => true,
        Tok::Punct(p) => *p == "-",
        Tok::Ident(w) => matches!(w.as_str(), "true" | "false" | "inf" | "nan"),
        _ => false,
    }
}

/// Reads a literal with its type.
pub(crate) fn parse_literal(c: &mut Cursor) -> Result<Scalar, Diagnostic> {
    let at = usize::from(c.at("-"));
    let plain = match c.peek_at(at) {
        Tok::Int(_) => DType::I64,
        Tok::Ident(w) if w == "true" || w == "false" => DType::Bool,
        _ => DType::F32,
    };
    let suffix = match c.peek_at(at + 1) {
        Tok::Ident(w) => DType::from_name(w).filter(|&d| Scalar::holds(d)),
        _ => None,
    };
    let value = parse_number(c, suffix.unwrap_or(plain))?;
    if suffix.is_some() {
        c.next();
    }
    Ok(value)
}

/// Reads a number of a known type.
pub(crate) fn parse_number(c: &mut Cursor, dtype: DType) -> Result<Scalar, Diagnostic> {
    let start = c.position();
    let negative = c.eat("-");
    let bits = match c.peek().clone() {
        Tok::Ident(w) if dtype == DType::Bool && !negative && (w == "true" || w == "false") => {
            Some(u64::from(w == "true"))
        }
        Tok::Int(v) if dtype.is_float() => float_bits(dtype, &v.to_string(), negative),
        Tok::Int(v) => int_bits(dtype, v, negative),
        Tok::Float(t) | Tok::Ident(t) if dtype.is_float() || dtype == DType::C64 => float_bits(dtype, &t, negative),
        _ => None,
    };
    match bits {
        Some(bits) => {
            c.next();
            Ok(Scalar { dtype, bits })
        }
        None => {
            c.rewind(start);
            Err(c.expected(&format!("a number of type {dtype}")))
        }
    }
}

fn int_bits(dtype: DType, magnitude: u64, negative: bool) -> Option<u64> {
    let v = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
    let bits = dtype.bits() as u32;
    // A bool is a byte that should be 0 or 1; the verifier complains of others.
    let (lo, hi) = if dtype.is_signed_int() {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    };
    (lo..=hi).contains(&v).then_some(v as u64 & (u64::MAX >> (64 - bits)))
}

fn float_bits(dtype: DType, text: &str, negative: bool) -> Option<u64> {
    let sign = if dtype == DType::F8E8M0 { 0 } else { u64::from(negative) << (dtype.bits() - 1) };
    if let Some(hex) = text.strip_prefix("0f") {
        let bits = if hex.len() == 2 * dtype.size() { u64::from_str_radix(hex, 16).ok() } else { None };
        return bits.map(|b| b ^ sign);
    }
    let bits = match dtype {
        DType::F64 => onnxc_base::text::parse_f64(text)?.to_bits(),
        DType::F32 => u64::from(onnxc_base::text::parse_f32(text)?.to_bits()),
        DType::F16 => u64::from(f16::from_f64(onnxc_base::text::parse_f64(text)?).to_bits()),
        DType::BF16 => u64::from(bf16::from_f64(onnxc_base::text::parse_f64(text)?).to_bits()),
        d => u64::from(Format::of(d)?.encode(onnxc_base::text::parse_f32(text)?)),
    };
    Some(bits ^ sign)
}
