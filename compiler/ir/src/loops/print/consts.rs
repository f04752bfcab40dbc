//! Constants in the text: small ones as a list, large ones as a hash, or as hex when asked.
//!
//! A constant that was read back from its hash has lost its data: it is zeros, and its name says so and keeps the hash.

use crate::loops::*;
use crate::scalar::literal::number;
use onnxc_base::text::{Writer, quoted, sigil};
use sha2::{Digest, Sha256};

/// Up to this many elements are printed one by one.
const SMALL: usize = 16;
/// Bytes per line of hex.
const LINE: usize = 48;

/// The hash of the data that a constant stands for, if the data itself was elided from the text it came from.
pub fn elided_hash(c: &ConstData) -> Option<&str> {
    split_name(&c.name).1
}

/// The name of a constant whose data was elided.
pub(in crate::loops) fn elided_name(name: &str, hash: &str) -> String {
    format!("{name} (elided {hash})")
}

/// The proper name, and the hash if the data was elided.
pub(super) fn split_name(name: &str) -> (&str, Option<&str>) {
    let parts = name.strip_suffix(')').and_then(|n| n.rsplit_once(" (elided "));
    match parts {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => (name, Some(hash)),
        _ => (name, None),
    }
}

/// Writes the lines of a constant.
pub(super) fn constant(w: &mut Writer, name: &str, c: &ConstData, full: bool) {
    let (size, bytes) = (c.dtype.size(), c.data.len());
    let plain = Scalar::holds(c.dtype) && bytes.is_multiple_of(size);
    let extent = if plain { format!("[{}]", bytes / size) } else { format!(" bytes {bytes}") };
    let head = format!("const {}: {}{extent} =", sigil('$', name), c.dtype);
    if let Some(hash) = elided_hash(c) {
        w.line(format_args!("{head} elided {}", quoted(hash, '"')));
    } else if plain && bytes / size <= SMALL {
        let items: Vec<String> = c.data.chunks_exact(size).map(|b| number(Scalar::read(c.dtype, b))).collect();
        w.line(format_args!("{head} [{}]", items.join(", ")));
    } else if full {
        w.line(format_args!("{head} hex"));
        w.indent();
        c.data.chunks(LINE).for_each(|b| w.line(format_args!("\"{}\"", hex(b))));
        w.dedent();
    } else {
        w.line(format_args!("{head} elided \"{}\"", hex(&Sha256::digest(&c.data)[..8])));
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}
