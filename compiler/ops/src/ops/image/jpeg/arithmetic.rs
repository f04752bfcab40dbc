//! The coefficients of a scan that is coded arithmetically (T.81, annexes D, F.1.4 and G.1.3): decisions, each of which has a
//! bin, whose estimate is learnt.
//!
//! Does NOT go through units and restarts (see `entropy`), and knows no Huffman code.

use super::super::Work;
use super::super::estimate::{self, Estimate, State};
use super::super::stream::broken_if;
use super::segments::Told;
use super::{BINS, Component, LIMITS, ORDER};
use crate::code::{Int, Variable, Whole};

/// Bins of a table for DC coefficients, four of which there are, and of one for AC coefficients behind them.
const DC_BINS: i64 = 64;
const AC_BINS: i64 = 256;
/// All bins, and one more, whose estimate stays one half.
const FIXED: i64 = BINS + 4 * (DC_BINS + AC_BINS);
pub(super) const ALL_BINS: i64 = 4 * (DC_BINS + AC_BINS) + 1;
/// The state of that bin.
const HALF: i64 = 113;

/// Estimates (table D.3).
#[rustfmt::skip]
const STATES: [State; 114] = [
    (0x5a1d, 1, 1, 1), (0x2586, 2, 14, 0), (0x1114, 3, 16, 0), (0x080b, 4, 18, 0), (0x03d8, 5, 20, 0), (0x01da, 6, 23, 0),
    (0x00e5, 7, 25, 0), (0x006f, 8, 28, 0), (0x0036, 9, 30, 0), (0x001a, 10, 33, 0), (0x000d, 11, 35, 0),
    (0x0006, 12, 9, 0), (0x0003, 13, 10, 0), (0x0001, 13, 12, 0), (0x5a7f, 15, 15, 1), (0x3f25, 16, 36, 0),
    (0x2cf2, 17, 38, 0), (0x207c, 18, 39, 0), (0x17b9, 19, 40, 0), (0x1182, 20, 42, 0), (0x0cef, 21, 43, 0),
    (0x09a1, 22, 45, 0), (0x072f, 23, 46, 0), (0x055c, 24, 48, 0), (0x0406, 25, 49, 0), (0x0303, 26, 51, 0),
    (0x0240, 27, 52, 0), (0x01b1, 28, 54, 0), (0x0144, 29, 56, 0), (0x00f5, 30, 57, 0), (0x00b7, 31, 59, 0),
    (0x008a, 32, 60, 0), (0x0068, 33, 62, 0), (0x004e, 34, 63, 0), (0x003b, 35, 32, 0), (0x002c, 9, 33, 0),
    (0x5ae1, 37, 37, 1), (0x484c, 38, 64, 0), (0x3a0d, 39, 65, 0), (0x2ef1, 40, 67, 0), (0x261f, 41, 68, 0),
    (0x1f33, 42, 69, 0), (0x19a8, 43, 70, 0), (0x1518, 44, 72, 0), (0x1177, 45, 73, 0), (0x0e74, 46, 74, 0),
    (0x0bfb, 47, 75, 0), (0x09f8, 48, 77, 0), (0x0861, 49, 78, 0), (0x0706, 50, 79, 0), (0x05cd, 51, 48, 0),
    (0x04de, 52, 50, 0), (0x040f, 53, 50, 0), (0x0363, 54, 51, 0), (0x02d4, 55, 52, 0), (0x025c, 56, 53, 0),
    (0x01f8, 57, 54, 0), (0x01a4, 58, 55, 0), (0x0160, 59, 56, 0), (0x0125, 60, 57, 0), (0x00f6, 61, 58, 0),
    (0x00cb, 62, 59, 0), (0x00ab, 63, 61, 0), (0x008f, 32, 61, 0), (0x5b12, 65, 65, 1), (0x4d04, 66, 80, 0),
    (0x412c, 67, 81, 0), (0x37d8, 68, 82, 0), (0x2fe8, 69, 83, 0), (0x293c, 70, 84, 0), (0x2379, 71, 86, 0),
    (0x1edf, 72, 87, 0), (0x1aa9, 73, 87, 0), (0x174e, 74, 72, 0), (0x1424, 75, 72, 0), (0x119c, 76, 74, 0),
    (0x0f6b, 77, 74, 0), (0x0d51, 78, 75, 0), (0x0bb6, 79, 77, 0), (0x0a40, 48, 77, 0), (0x5832, 81, 80, 1),
    (0x4d1c, 82, 88, 0), (0x438e, 83, 89, 0), (0x3bdd, 84, 90, 0), (0x34ee, 85, 91, 0), (0x2eae, 86, 92, 0),
    (0x299a, 87, 93, 0), (0x2516, 71, 86, 0), (0x5570, 89, 88, 1), (0x4ca9, 90, 95, 0), (0x44d9, 91, 96, 0),
    (0x3e22, 92, 97, 0), (0x3824, 93, 99, 0), (0x32b4, 94, 99, 0), (0x2e17, 86, 93, 0), (0x56a8, 96, 95, 1),
    (0x4f46, 97, 101, 0), (0x47e5, 98, 102, 0), (0x41cf, 99, 103, 0), (0x3c3d, 100, 104, 0), (0x375e, 93, 99, 0),
    (0x5231, 102, 105, 0), (0x4c0f, 103, 106, 0), (0x4639, 104, 107, 0), (0x415e, 99, 103, 0), (0x5627, 106, 105, 1),
    (0x50e7, 107, 108, 0), (0x4b85, 103, 109, 0), (0x5597, 109, 110, 0), (0x504f, 107, 111, 0), (0x5a10, 111, 110, 1),
    (0x5522, 109, 112, 0), (0x59eb, 111, 112, 1),
    (0x5a1d, 113, 113, 0),
];

/// The estimates.
pub(super) fn figures() -> Vec<i16> {
    estimate::figures(&STATES)
}

/// A scan being read.
pub(super) struct Decoder<'a, 'c> {
    w: &'a Work<'c>,
    told: &'a Told<'c>,
    at: Variable<'c>,
    /// The interval's base and size, and how many bits of the data are behind the base's 16.
    base: Variable<'c>,
    range: Variable<'c>,
    left: Variable<'c>,
}

impl<'a, 'c> Decoder<'a, 'c> {
    pub fn new(w: &'a Work<'c>, told: &'a Told<'c>, at: Variable<'c>) -> Self {
        let [base, range, left] = ["base", "range", "left"].map(|n| w.c.var(n, 0));
        Decoder { w, told, at, base, range, left }
    }

    /// Begins with a scan, or anew behind a restart: nothing is learnt yet.
    pub fn restart(&self) {
        self.w.tables.fill(BINS, ALL_BINS, 0);
        self.w.tables.put(FIXED, HALF * 2);
        self.base.set(0);
        self.range.set(0);
        self.left.set(-16);
    }

    /// The next byte; zeros before a marker.
    fn byte(&self) -> Int<'c> {
        let (c, s) = (self.w.c, &self.w.stream);
        broken_if(c, self.at.ge(s.len));
        let (byte, second) = (s.byte(self.at), s.byte(self.at + 1));
        let special = byte.eq(0xff);
        let marker = special & second.ne(0);
        self.at.add(marker.pick(0, special.pick(2, 1)));
        marker.pick(0, byte)
    }

    /// The next decision of a bin.
    fn bit(&self, bin: impl Whole<'c>) -> Int<'c> {
        let (c, t) = (self.w.c, self.w.tables);
        let figures = self.w.figures.unwrap_or(self.w.halves);
        let bin = c.int(0) + bin;
        c.while_true(
            || self.range.lt(0x8000),
            || {
                self.left.add(-1);
                c.when(self.left.lt(0), || {
                    self.base.set((self.base << 8) | self.byte());
                    self.left.add(8);
                    // Two bytes come first.
                    c.when(self.left.lt(0), || {
                        self.left.add(1);
                        c.when(self.left.eq(0), || self.range.set(0x8000));
                    });
                });
                self.range.set(self.range << 1);
            },
        );
        let estimate = Estimate::of(t, bin, figures);
        let part = estimate.part;
        let rest = self.range - part;
        let upper = self.base.ge(rest << self.left);
        self.base.set(self.base - upper.pick(rest << self.left, 0));
        self.range.set(upper.pick(part, rest));
        // The less probable symbol has the larger part sometimes.
        let small = rest.lt(part);
        let less = (upper & !small) | (!upper & rest.lt(0x8000) & small);
        c.when(upper | rest.lt(0x8000), || estimate.learn(less));
        estimate.symbol(less)
    }

    /// The scan's coefficients of the block whose coefficients begin at `block`.
    pub fn block(&self, comp: Component<'c>, block: Int<'c>) {
        let (c, told, m) = (self.w.c, self.told, self.w.halves);
        c.when(told.first.eq(0), || {
            c.choose(
                told.high.eq(0),
                || self.first_dc(comp, block),
                || m.put(block, m.at(block) | (self.bit(FIXED) << told.low)),
            );
        });
        c.when(told.last.gt(0), || {
            let bins = comp.ac() * AC_BINS + (BINS + 4 * DC_BINS);
            c.choose(told.high.eq(0), || self.first_values(comp, bins, block), || self.refine(bins, block));
        });
    }

    /// The rest of a magnitude: doubles `size` as often as bins from `bin` on say.
    fn double(&self, size: Variable<'c>, bin: Variable<'c>) {
        let c = self.w.c;
        c.while_true(
            || self.bit(bin).eq(1),
            || {
                size.set(size << 1);
                broken_if(c, size.ge(0x8000));
                bin.add(1);
            },
        );
    }

    /// A number whose magnitude has so many bits, which bins 14 behind tell, with its sign.
    fn number(&self, size: Variable<'c>, bin: Variable<'c>, below: Int<'c>) -> Int<'c> {
        let c = self.w.c;
        let v = c.var("v", size);
        bin.add(14);
        c.while_true(
            || size.gt(1),
            || {
                size.set(size >> 1);
                v.set(v | self.bit(bin).eq(1).pick(size, 0));
            },
        );
        let v = v + 1;
        below.eq(1).pick(c.int(0) - v, v)
    }

    /// The difference of a block's first coefficient to the one before, in a context of the difference before.
    fn first_dc(&self, comp: Component<'c>, block: Int<'c>) {
        let (c, t) = (self.w.c, self.w.tables);
        let bins = comp.dc() * DC_BINS + BINS;
        let first = bins + comp.context();
        let context = c.var("context", 0);
        c.when(self.bit(first).eq(1), || {
            let below = self.bit(first + 1);
            let bin = c.var("bin", first + 2 + below);
            let size = c.var("size", self.bit(bin));
            c.when(size.eq(1), || {
                bin.set(bins + 20);
                self.double(size, bin);
            });
            let limits = comp.dc() * 2 + LIMITS;
            let half = |log: Int<'c>| (c.int(1) << log) >> 1;
            let (least, most) = (half(t.at(limits)), half(t.at(limits + 1)));
            context.set(size.lt(least).pick(0, below * 4 + size.gt(most).pick(12, 4)));
            comp.set(6, comp.pred() + self.number(size, bin, below));
        });
        comp.set(12, context.now());
        self.w.halves.put(block, comp.pred() << self.told.low);
    }

    fn first_values(&self, comp: Component<'c>, bins: Int<'c>, block: Int<'c>) {
        let (c, told, t) = (self.w.c, self.told, self.w.tables);
        let k = c.var("k", told.first.max(1));
        c.while_true(
            || k.le(told.last),
            || {
                c.when(self.bit((k - 1) * 3 + bins).eq(1), || c.stop());
                self.find(k, bins);
                let below = self.bit(FIXED);
                let bin = c.var("bin", (k - 1) * 3 + bins + 2);
                let size = c.var("size", self.bit(bin));
                c.when(size.eq(1), || {
                    c.when(self.bit(bin).eq(1), || {
                        size.set(2);
                        let limit = t.at(comp.ac() + (LIMITS + 8));
                        bin.set(bins + k.le(limit).pick(189, 217));
                        self.double(size, bin);
                    });
                });
                let v = self.number(size, bin, below) << told.low;
                self.w.halves.put(block + t.at(k + ORDER), v);
                k.add(1);
            },
        );
    }

    /// Goes past coefficients that are 0.
    fn find(&self, k: Variable<'c>, bins: Int<'c>) {
        let c = self.w.c;
        c.while_true(
            || self.bit((k - 1) * 3 + bins + 1).eq(0),
            || {
                k.add(1);
                broken_if(c, k.gt(self.told.last));
            },
        );
    }

    /// One more bit of the coefficients that aren't 0, among new ones of one bit.
    fn refine(&self, bins: Int<'c>, block: Int<'c>) {
        let (c, told, t, m) = (self.w.c, self.told, self.w.tables, self.w.halves);
        let bit = c.int(1) << told.low;
        let signed = |below: crate::code::Bool<'c>| below.pick(c.int(0) - bit, bit);
        // The last one that isn't 0: before it the block doesn't end.
        let end = c.var("end", told.last);
        c.while_true(|| end.gt(0) & m.at(block + t.at(end + ORDER)).eq(0), || end.add(-1));
        let k = c.var("k", told.first.max(1));
        let ended = c.var("ended", 0);
        c.while_true(
            || k.le(told.last) & ended.eq(0),
            || {
                c.when(k.gt(end), || ended.set(self.bit((k - 1) * 3 + bins)));
                c.when(ended.eq(0), || {
                    let found = c.var("found", 0);
                    c.while_true(
                        || found.eq(0),
                        || {
                            broken_if(c, k.gt(told.last));
                            let at = block + t.at(k + ORDER);
                            let v = m.at(at);
                            c.choose(
                                v.ne(0),
                                || {
                                    found.set(1);
                                    let more = self.bit((k - 1) * 3 + bins + 2);
                                    m.put(at, v + more.eq(1).pick(signed(v.lt(0)), 0));
                                },
                                || {
                                    found.set(self.bit((k - 1) * 3 + bins + 1));
                                    c.when(found.eq(1), || m.put(at, signed(self.bit(FIXED).eq(1))));
                                },
                            );
                            k.add(1);
                        },
                    );
                });
            },
        );
    }
}
