//! The elements of a constant: a list when they are few, otherwise a hash, or all bytes in hex when asked.
//!
//! Bytes and hash are those of the tensor in memory; strings are always a list.

use onnxc_base::text::{fmt_f32, fmt_f64, quoted};
use onnxc_base::{DType, Tensor};
use sha2::{Digest, Sha256};

/// Up to this many elements are printed one by one.
const SMALL: usize = 16;
/// Bytes of one piece of hex.
const PIECE: usize = 64;

/// The text of a constant's elements.
pub(super) fn text(t: &Tensor, full: bool) -> String {
    match elements(t) {
        Some(items) => format!("[{}]", items.join(", ")),
        None if t.is_empty() => "hex \"\"".into(),
        None if full || t.len() <= SMALL => {
            let pieces = t.bytes().chunks(PIECE).map(|b| format!(" \"{}\"", hex(b)));
            format!("hex{}", pieces.collect::<String>())
        }
        None => format!("elided {}", quoted(&hash(t), '"')),
    }
}

/// The hash by which an elided constant is known: 8 bytes of its SHA-256.
pub(in crate::graph) fn hash(t: &Tensor) -> String {
    hex(&Sha256::digest(t.bytes())[..8])
}

/// The elements one by one, if they are few and have a spelling.
fn elements(t: &Tensor) -> Option<Vec<String>> {
    if let Some(s) = t.strings() {
        let item = |s: &Vec<u8>| match std::str::from_utf8(s) {
            Ok(text) => quoted(text, '"'),
            Err(_) => format!("hex \"{}\"", hex(s)),
        };
        return Some(s.iter().map(item).collect());
    }
    if t.len() > SMALL {
        return None;
    }
    Some(match t.dtype() {
        DType::F32 => t.to_vec::<f32>()?.into_iter().map(fmt_f32).collect(),
        DType::F64 => t.to_vec::<f64>()?.into_iter().map(fmt_f64).collect(),
        DType::U64 => t.to_vec::<u64>()?.iter().map(u64::to_string).collect(),
        DType::Bool if t.bytes().iter().all(|&b| b < 2) => t.bytes().iter().map(|&b| (b == 1).to_string()).collect(),
        d if d.is_int() && d.bits() >= 8 => t.to_i64()?.iter().map(i64::to_string).collect(),
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}
