//! The bits of a lossless image, the lowest of a byte first.

use super::super::super::stream::Stream;
use crate::code::{Bool, Code, Int, Variable, Whole};

/// The stream being read. What is beyond its end reads as 0.
pub(super) struct Bits<'a, 'c> {
    c: &'c Code,
    s: &'a Stream<'c>,
    end: Int<'c>,
    /// The next byte, and bits that were taken from before it.
    at: Variable<'c>,
    bits: Variable<'c>,
    count: Variable<'c>,
}

impl<'a, 'c> Bits<'a, 'c> {
    pub fn new(s: &'a Stream<'c>, end: Int<'c>) -> Self {
        let c = s.c;
        let [at, bits, count] = ["at", "bits", "have"].map(|n| c.var(n, 0));
        Bits { c, s, end, at, bits, count }
    }

    /// The place of the next bit.
    pub fn place(&self) -> Int<'c> {
        (self.at << 3) - self.count
    }

    /// Goes to a place.
    pub fn seek(&self, place: Int<'c>) {
        self.at.set(place >> 3);
        self.bits.set(0);
        self.count.set(0);
        self.take(place & 7);
    }

    /// More was taken than there is.
    pub fn is_over(&self) -> Bool<'c> {
        self.place().gt(self.end << 3)
    }

    /// The next bits as a number, the first one lowest.
    pub fn take(&self, n: impl Whole<'c>) -> Int<'c> {
        let n = self.c.int(0) + n;
        self.c.while_true(
            || self.count.lt(n),
            || {
                let byte = self.at.lt(self.end).pick(self.s.byte(self.at), 0);
                self.bits.set(self.bits | (byte << self.count));
                self.count.add(8);
                self.at.add(1);
            },
        );
        let v = self.bits & ((self.c.int(1) << n) - 1);
        self.bits.set(self.bits >> n);
        self.count.set(self.count - n);
        v
    }
}
