//! A hash of what is hashed already: symbols and sums keep theirs, so there is little left to mix.
//!
//! The same in each run. Does NOT stand up to somebody who looks for names that collide: then maps are slow, not wrong.

use std::hash::{BuildHasherDefault, Hasher};

/// For maps.
pub(super) type Mixed = BuildHasherDefault<Mixer>;

/// Rotates, adds and multiplies, word by word (as Firefox and rustc do).
#[derive(Clone, Copy, Default)]
pub(super) struct Mixer(u64);

/// An odd number of no pattern: 2^64 by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        // Maps take their index from the low bits, which a product leaves weak.
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.write_u64(u64::from(*b));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }
}
