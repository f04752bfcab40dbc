//! Spelling floats so that they read back bit for bit.
//!
//! Finite values are the shortest decimal that reads back exactly, always with a point or an exponent. Infinities are
//! `inf`, `-inf`; the quiet NaN without payload is `nan`, `-nan`; any other NaN is its bits: `0f7fc00001`.

/// The spelling of a 32-bit float. Other small floats (`f16`, `bf16`) may be printed through it, as it holds them exactly.
pub fn fmt_f32(value: f32) -> String {
    match value.to_bits() {
        0x7fc0_0000 => "nan".into(),
        0xffc0_0000 => "-nan".into(),
        bits if value.is_nan() => format!("0f{bits:08x}"),
        _ => format!("{value:?}"),
    }
}

/// The spelling of a 64-bit float.
pub fn fmt_f64(value: f64) -> String {
    match value.to_bits() {
        0x7ff8_0000_0000_0000 => "nan".into(),
        0xfff8_0000_0000_0000 => "-nan".into(),
        bits if value.is_nan() => format!("0f{bits:016x}"),
        _ => format!("{value:?}"),
    }
}

/// Reads what [`fmt_f32`] prints, less the sign.
pub fn parse_f32(text: &str) -> Option<f32> {
    match text.strip_prefix("0f") {
        Some(hex) if hex.len() == 8 => u32::from_str_radix(hex, 16).ok().map(f32::from_bits),
        Some(_) => None,
        None if text == "nan" => Some(f32::from_bits(0x7fc0_0000)),
        None if text == "inf" || text.starts_with(|c: char| c.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// Reads what [`fmt_f64`] prints, less the sign.
pub fn parse_f64(text: &str) -> Option<f64> {
    match text.strip_prefix("0f") {
        Some(hex) if hex.len() == 16 => u64::from_str_radix(hex, 16).ok().map(f64::from_bits),
        Some(_) => None,
        None if text == "nan" => Some(f64::from_bits(0x7ff8_0000_0000_0000)),
        None if text == "inf" || text.starts_with(|c: char| c.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}
