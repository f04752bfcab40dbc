//! The elements of a constant: a list when they are few, otherwise a hash, or all bytes in hex when asked.

use crate::scalar::Scalar;
use crate::scalar::literal::number;
use onnxc_base::Tensor;
use onnxc_base::text::quoted;
use sha2::{Digest, Sha256};

/// Up to this many elements are printed one by one.
const SMALL: usize = 16;
/// Bytes of one piece of hex.
const PIECE: usize = 64;

/// The text of a constant's elements.
pub(super) fn text(t: &Tensor, full: bool) -> String {
    if t.len() <= SMALL && Scalar::holds(t.dtype()) {
        let items = t.bytes().chunks_exact(t.dtype().size()).map(|b| number(Scalar::read(t.dtype(), b)));
        return format!("[{}]", items.collect::<Vec<_>>().join(", "));
    }
    if full || t.len() <= SMALL {
        let pieces = t.bytes().chunks(PIECE).map(|b| format!(" \"{}\"", hex(b)));
        return format!("hex{}", pieces.collect::<String>());
    }
    format!("elided {}", quoted(&hash(t), '"'))
}

/// The hash by which an elided constant is known: 8 bytes of its SHA-256.
pub(in crate::kernel) fn hash(t: &Tensor) -> String {
    hex(&Sha256::digest(t.bytes())[..8])
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}
