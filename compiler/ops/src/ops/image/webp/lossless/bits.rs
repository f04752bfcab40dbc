//! The bits of a lossless image: places in the stream, and what comes from there.

use super::super::super::low_bits::LowBits;
use super::super::super::stream::Stream;
use crate::code::{Bool, Int, Variable, Whole};

/// The stream being read. What is beyond its end reads as 0.
pub(super) struct Bits<'a, 'c> {
    s: &'a Stream<'c>,
    end: Int<'c>,
    /// The next byte, and bits that were taken from before it.
    at: Variable<'c>,
    bits: LowBits<'c>,
}

impl<'a, 'c> Bits<'a, 'c> {
    pub fn new(s: &'a Stream<'c>, end: Int<'c>) -> Self {
        Bits { s, end, at: s.c.var("at", 0), bits: LowBits::new(s.c) }
    }

    /// The place of the next bit.
    pub fn place(&self) -> Int<'c> {
        (self.at << 3) - self.bits.count
    }

    /// Goes to a place.
    pub fn seek(&self, place: Int<'c>) {
        self.at.set(place >> 3);
        self.bits.clear();
        self.take(place & 7);
    }

    /// More was taken than there is.
    pub fn is_over(&self) -> Bool<'c> {
        self.place().gt(self.end << 3)
    }

    /// The next bits as a number, the first one lowest.
    pub fn take(&self, n: impl Whole<'c>) -> Int<'c> {
        self.bits.take(n, || {
            let byte = self.at.lt(self.end).pick(self.s.byte(self.at), 0);
            self.at.add(1);
            byte
        })
    }
}
