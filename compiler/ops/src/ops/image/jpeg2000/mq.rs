//! The arithmetic decoder (annex C): decisions, each with a context whose state is learnt; and bits as they are.

use super::super::estimate::{self, Estimate, State};
use super::CONTEXTS;
use crate::code::{Code, Int, Memory, Variable};

/// Estimates (table C.2), of an interval of 0x8000 .. 0x10000.
#[rustfmt::skip]
const STATES: [State; 47] = [
    (0x5601, 1, 1, 1), (0x3401, 2, 6, 0), (0x1801, 3, 9, 0), (0x0ac1, 4, 12, 0), (0x0521, 5, 29, 0), (0x0221, 38, 33, 0),
    (0x5601, 7, 6, 1), (0x5401, 8, 14, 0), (0x4801, 9, 14, 0), (0x3801, 10, 14, 0), (0x3001, 11, 17, 0), (0x2401, 12, 18, 0),
    (0x1c01, 13, 20, 0), (0x1601, 29, 21, 0), (0x5601, 15, 14, 1), (0x5401, 16, 14, 0), (0x5101, 17, 15, 0),
    (0x4801, 18, 16, 0), (0x3801, 19, 17, 0), (0x3401, 20, 18, 0), (0x3001, 21, 19, 0), (0x2801, 22, 19, 0),
    (0x2401, 23, 20, 0), (0x2201, 24, 21, 0), (0x1c01, 25, 22, 0), (0x1801, 26, 23, 0), (0x1601, 27, 24, 0),
    (0x1401, 28, 25, 0), (0x1201, 29, 26, 0), (0x1101, 30, 27, 0), (0x0ac1, 31, 28, 0), (0x09c1, 32, 29, 0),
    (0x08a1, 33, 30, 0), (0x0521, 34, 31, 0), (0x0441, 35, 32, 0), (0x02a1, 36, 33, 0), (0x0221, 37, 34, 0),
    (0x0141, 38, 35, 0), (0x0111, 39, 36, 0), (0x0085, 40, 37, 0), (0x0049, 41, 38, 0), (0x0025, 42, 39, 0),
    (0x0015, 43, 40, 0), (0x0009, 44, 41, 0), (0x0005, 45, 42, 0), (0x0001, 45, 43, 0), (0x5601, 46, 46, 0),
];

/// The estimates.
pub(super) fn figures() -> Vec<i16> {
    estimate::figures(&STATES)
}

/// A segment of a code-block's data being read.
pub(super) struct Decoder<'c> {
    c: &'c Code,
    data: Memory<'c>,
    t: Memory<'c>,
    figures: Memory<'c>,
    at: Variable<'c>,
    end: Variable<'c>,
    value: Variable<'c>,
    range: Variable<'c>,
    left: Variable<'c>,
}

impl<'c> Decoder<'c> {
    /// What is read is at the start of `data`; contexts are in `t`.
    pub fn new(c: &'c Code, data: Memory<'c>, t: Memory<'c>, figures: Memory<'c>) -> Self {
        let [at, end, value, range, left] = ["at", "end", "value", "range", "left"].map(|n| c.var(n, 0));
        Decoder { c, data, t, figures, at, end, value, range, left }
    }

    /// Puts all contexts into what they are at first (table D.7).
    pub fn forget(&self) {
        self.t.fill(CONTEXTS, 19, 0);
        for (context, state) in [(0, 4), (17, 3), (18, 46)] {
            self.t.put(CONTEXTS + context, state * 2);
        }
    }

    /// Begins with a segment of so many bytes.
    pub fn open(&self, size: Int<'c>) {
        self.at.set(0);
        self.end.set(size);
        self.value.set(self.byte(self.at.now()) << 16);
        self.more();
        self.value.set(self.value << 7);
        self.left.set(self.left - 7);
        self.range.set(0x8000);
    }

    /// Begins with a segment of bits as they are.
    pub fn open_plain(&self, size: Int<'c>) {
        self.at.set(0);
        self.end.set(size);
        self.value.set(0);
        self.left.set(0);
    }

    /// The next bit of such a segment: a byte behind one of 0xff has seven, and beyond the end all are set.
    pub fn plain_bit(&self) -> Int<'c> {
        let c = self.c;
        c.when(self.left.eq(0), || {
            let (next, stuffed) = (self.byte(self.at.now()), self.value.eq(0xff));
            let marker = stuffed & next.gt(0x8f);
            self.value.set(marker.pick(0xff, next));
            self.left.set((stuffed & !marker).pick(7, 8));
            self.at.add(marker.pick(0, 1));
        });
        self.left.add(-1);
        (self.value >> self.left) & 1
    }

    /// Beyond the end all bits are set.
    fn byte(&self, at: Int<'c>) -> Int<'c> {
        let inside = at.lt(self.end);
        inside.pick(self.data.at(inside.pick(at, 0)), 0xff)
    }

    /// Takes a byte: of seven bits behind one of 0xff, none before a marker.
    fn more(&self) {
        let (this, next) = (self.byte(self.at.now()), self.byte(self.at + 1));
        let stuffed = this.eq(0xff);
        let marker = stuffed & next.gt(0x8f);
        let part = marker.pick(0xff00, stuffed.pick(next << 9, next << 8));
        self.value.set(self.value + part);
        self.left.set((stuffed & !marker).pick(7, 8));
        self.at.add(marker.pick(0, 1));
    }

    /// The next decision in a context.
    pub fn bit(&self, context: Int<'c>) -> Int<'c> {
        let c = self.c;
        let estimate = Estimate::of(self.t, context + CONTEXTS, self.figures);
        let part = estimate.part;
        let rest = self.range - part;
        let small = rest.lt(part);
        let low = (self.value >> 16).lt(part);
        // The less probable symbol has the larger part sometimes.
        let less = (low & !small) | (!low & small & (rest & 0x8000).eq(0));
        self.value.set(self.value - low.pick(0, part << 16));
        self.range.set(low.pick(part, rest));
        c.when((self.range & 0x8000).eq(0) | low, || {
            estimate.learn(less);
            c.repeat(|| {
                c.when(self.left.eq(0), || self.more());
                self.range.set(self.range << 1);
                self.value.set(self.value << 1);
                self.left.add(-1);
                c.when((self.range & 0x8000).ne(0), || c.stop());
            });
        });
        estimate.symbol(less)
    }
}
