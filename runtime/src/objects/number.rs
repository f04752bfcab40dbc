//! Numbers as text and back, as NumPy writes and reads them: the shortest digits that give the number again, positional
//! for 1e-4 <= |x| < 1e16 and scientific elsewhere; `nan`, `inf`, `True`.

use super::Result;
use crate::Status;
use alloc::format;
use alloc::string::{String, ToString};

/// A float whose shortest digits are known: `d.ddde±x` as Rust writes it.
fn layout(scientific: &str) -> String {
    let (sign, text) = scientific.strip_prefix('-').map_or(("", scientific), |t| ("-", t));
    let Some((mantissa, exponent)) = text.split_once('e') else { return scientific.into() };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let n = digits.len() as i32;
    let zero = digits.bytes().all(|b| b == b'0');
    if !zero && !(-4..16).contains(&exponent) {
        let sign_of = if exponent < 0 { '-' } else { '+' };
        let rest = if n > 1 { format!(".{}", &digits[1..]) } else { String::new() };
        return format!("{sign}{}{rest}e{sign_of}{:02}", &digits[..1], exponent.abs());
    }
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let point = (exponent + 1) as usize;
    if n as usize <= point {
        return format!("{sign}{digits}{}.0", "0".repeat(point - n as usize));
    }
    format!("{sign}{}.{}", &digits[..point], &digits[point..])
}

fn special(v: f64) -> Option<&'static str> {
    match v {
        v if v.is_nan() => Some("nan"),
        f64::INFINITY => Some("inf"),
        f64::NEG_INFINITY => Some("-inf"),
        _ => None,
    }
}

/// The text of a `float`.
pub fn of_f32(v: f32) -> String {
    special(f64::from(v)).map_or_else(|| layout(&format!("{v:e}")), ToString::to_string)
}

/// The text of a `double`.
pub fn of_f64(v: f64) -> String {
    special(v).map_or_else(|| layout(&format!("{v:e}")), ToString::to_string)
}

/// The text of a 16-bit float, given its bits and the way from a `float` to its bits: the fewest digits that lead back.
pub fn of_half(bits: u16, value: f32, narrow: fn(f32) -> u16) -> String {
    if let Some(s) = special(f64::from(value)) {
        return s.into();
    }
    for digits in 0..9 {
        let text = format!("{value:.digits$e}");
        if text.parse::<f32>().is_ok_and(|v| narrow(v) == bits) {
            return layout(&text);
        }
    }
    of_f32(value)
}

/// An IEEE half's value.
pub fn f16_to_f32(h: u16) -> f32 {
    let (sign, exponent, mantissa) = (u32::from(h >> 15) << 31, u32::from(h >> 10) & 31, u32::from(h) & 0x3ff);
    let bits = match (exponent, mantissa) {
        (0, 0) => 0,
        (0, m) => {
            // m * 2^-24, exactly.
            return f32::from_bits(sign | (m as f32 * f32::from_bits((127 - 24) << 23)).to_bits());
        }
        (31, m) => 0x7f80_0000 | (m << 13),
        (e, m) => ((e + 112) << 23) | (m << 13),
    };
    f32::from_bits(sign | bits)
}

/// The nearest IEEE half, ties to even.
pub fn f32_to_f16(v: f32) -> u16 {
    let bits = v.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let abs = bits & 0x7fff_ffff;
    if abs > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    if abs >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    if abs < 0x3880_0000 {
        // Subnormal: adding 0.5 leaves the multiple of 2^-24 in the last bits.
        let m = (f32::from_bits(abs) + 0.5).to_bits() - 0.5f32.to_bits();
        return sign | m as u16;
    }
    let rounded = abs + 0xfff + ((abs >> 13) & 1);
    sign | ((rounded - (112 << 23)) >> 13) as u16
}

/// The nearest bfloat16, ties to even.
pub fn f32_to_bf16(v: f32) -> u16 {
    let bits = v.to_bits();
    if v.is_nan() {
        return ((bits >> 16) | 0x40) as u16;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// The number that a text says: digits, an exponent, infinity or NaN in any case of letters, `True`, `False`.
pub fn parse_f64(text: &str) -> Result<f64> {
    let t = text.trim();
    if let Ok(v) = t.parse::<f64>() {
        return Ok(v);
    }
    match t {
        "True" | "true" => Ok(1.0),
        "False" | "false" => Ok(0.0),
        _ => Err(Status::VALUE),
    }
}

/// The same rounded once to a `float`.
pub fn parse_f32(text: &str) -> Result<f32> {
    text.trim().parse::<f32>().or_else(|_| parse_f64(text).map(|v| v as f32))
}

/// The integer that a text says, exactly if it is spelled as one; otherwise the number without its fraction.
pub fn parse_int(text: &str) -> Result<i128> {
    let t = text.trim();
    match t.parse::<i128>() {
        Ok(v) => Ok(v),
        Err(_) => {
            let v = parse_f64(t)?;
            // By way of 64 bits: wider conversions would need a library of their own.
            let whole = if v < 0.0 { i128::from(v as i64) } else { i128::from(v as u64) };
            if v.is_finite() { Ok(whole) } else { Err(Status::VALUE) }
        }
    }
}
