//! Bits of bytes, the lowest of a byte first, as DEFLATE and lossless WebP have them.
//!
//! Does NOT know where bytes come from, and what lies beyond the last one: who takes bits says that.

use crate::code::{Code, Int, Variable, Whole};

/// Bits of bytes that were taken already.
pub(super) struct LowBits<'c> {
    c: &'c Code,
    bits: Variable<'c>,
    /// How many there are.
    pub count: Variable<'c>,
}

impl<'c> LowBits<'c> {
    pub fn new(c: &'c Code) -> Self {
        LowBits { c, bits: c.var("bits", 0), count: c.var("count", 0) }
    }

    /// Drops the bits that there are.
    pub fn clear(&self) {
        self.bits.set(0);
        self.count.set(0);
    }

    /// The next bits as a number, the first one lowest; at most 48. `next` takes a byte.
    pub fn take(&self, n: impl Whole<'c>, next: impl Fn() -> Int<'c>) -> Int<'c> {
        let n = self.c.int(0) + n;
        self.c.while_true(
            || self.count.lt(n),
            || {
                self.bits.set(self.bits | (next() << self.count));
                self.count.add(8);
            },
        );
        let v = self.bits & ((self.c.int(1) << n) - 1);
        self.bits.set(self.bits >> n);
        self.count.set(self.count - n);
        v
    }
}
