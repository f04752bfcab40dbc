//! MurmurHash3 of strings: Austin Appleby's function of 32 bits.

use super::{Array, Result, Run};
use crate::Status;

/// `(strings, seed, 0 for signed numbers)`: the hash of each string's bytes.
pub fn strings(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x, seed, positive] = *args else { return Err(Status::VALUE) };
    let x = run.get(x)?;
    let x = x.array()?;
    let dtype = if positive == 0 { 6 } else { 12 };
    let mut out = Array::zeros(dtype, &x.dims)?;
    for (place, h) in out.data.chunks_exact_mut(4).zip(x.handles()?) {
        place.copy_from_slice(&murmur(seed as u32, &run.text(h)?).to_le_bytes());
    }
    Ok(run.tensor(out))
}

/// The bits of a word mixed, before they meet the hash.
fn mixed(k: u32) -> u32 {
    k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

/// The hash of bytes.
pub fn murmur(seed: u32, bytes: &[u8]) -> u32 {
    let mut hash = seed;
    let (words, rest) = bytes.as_chunks::<4>();
    for w in words {
        hash = (hash ^ mixed(u32::from_le_bytes(*w))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let last = rest.iter().rev().fold(0u32, |k, &b| k << 8 | u32::from(b));
    hash ^= mixed(last);
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}
