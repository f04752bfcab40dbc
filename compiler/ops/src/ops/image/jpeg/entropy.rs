//! The coefficients of a scan (T.81, annexes F and G): Huffman codes, first values and refinements. A baseline scan is one of
//! first values of all coefficients. What is coded arithmetically goes through the same units and restarts.
//!
//! Does NOT read arithmetic decisions (see `arithmetic`), nor make samples (see `transform`).

use super::super::Work;
use super::super::stream::broken_if;
use super::arithmetic::Decoder;
use super::segments::Told;
use super::{CODE, CODES, Component, Frame, ORDER, SCAN};
use crate::code::{Int, Variable, Whole};

/// The scan being read.
struct Scan<'a, 'c> {
    w: &'a Work<'c>,
    told: &'a Told<'c>,
    /// The next byte, and bits that were taken from before it.
    at: Variable<'c>,
    bits: Variable<'c>,
    count: Variable<'c>,
    /// Zeros that were taken where the data has ended.
    beyond: Variable<'c>,
    /// Blocks that have no more coefficients of this scan.
    run: Variable<'c>,
}

/// Reads a scan from `at` on, to near the next marker.
pub(super) fn scan<'c>(w: &Work<'c>, f: &Frame<'c>, told: &Told<'c>, at: Variable<'c>) {
    let (c, t) = (w.c, w.tables);
    let [bits, count, beyond, run] = ["bits", "have", "beyond", "run"].map(|n| c.var(n, 0));
    let scan = Scan { w, told, at, bits, count, beyond, run };
    let arithmetic = Decoder::new(w, told, at);
    let restart = || {
        scan.restart();
        c.when(f.is_arithmetic(), || arithmetic.restart());
    };
    restart();
    // Alone, a component's blocks are those that the image needs, one a unit.
    let single = told.count.eq(1);
    let only = Component::of(t, t.at(SCAN));
    let [across, down] = f.units();
    let across = single.pick((only.width() + 7) >> 3, across);
    let down = single.pick((only.height() + 7) >> 3, down);
    let left = c.var("left", told.restart);
    c.each(0, down, |y| {
        c.each(0, across, |x| {
            c.when(told.restart.gt(0) & left.eq(0), || {
                scan.find_restart();
                restart();
                left.set(told.restart);
            });
            left.add(-1);
            c.each(0, told.count, |k| {
                let comp = Component::of(t, t.at(k + SCAN));
                let (h, v) = (single.pick(1, comp.h()), single.pick(1, comp.v()));
                c.each(0, v, |dy| {
                    c.each(0, h, |dx| {
                        let block = comp.start() + (y * v + dy) * comp.across() + x * h + dx;
                        c.choose(
                            f.is_arithmetic(),
                            || arithmetic.block(comp, block * 64),
                            || scan.block(comp, block * 64),
                        );
                    });
                });
            });
            // What was taken may not be zeros beyond the end.
            broken_if(c, (beyond * 8).gt(count));
        });
    });
}

impl<'c> Scan<'_, 'c> {
    fn restart(&self) {
        let (c, t) = (self.w.c, self.w.tables);
        for v in [self.bits, self.count, self.beyond, self.run] {
            v.set(0);
        }
        // No coefficient, and no difference to one.
        c.each(0, 4, |k| [6, 12].into_iter().for_each(|at| Component::of(t, k).set(at, c.int(0))));
    }

    /// Goes past the marker of a restart.
    fn find_restart(&self) {
        let (c, s) = (self.w.c, &self.w.stream);
        c.while_true(
            || {
                let second = s.byte(self.at + 1);
                let marker = s.byte(self.at).eq(0xff) & second.ne(0) & second.ne(0xff);
                self.at.lt(s.len) & !marker
            },
            || self.at.add(1),
        );
        let second = s.byte(self.at + 1);
        broken_if(c, second.lt(0xd0) | second.gt(0xd7));
        self.at.add(2);
    }

    /// Makes sure of 16 bits.
    fn fill(&self) {
        let (c, s) = (self.w.c, &self.w.stream);
        c.while_true(
            || self.count.lt(16),
            || {
                let (byte, second) = (s.byte(self.at), s.byte(self.at + 1));
                let end = self.at.ge(s.len) | (byte.eq(0xff) & second.ne(0));
                self.bits.set(((self.bits << 8) | end.pick(0, byte)) & 0xff_ffff);
                self.count.add(8);
                self.beyond.add(end.int());
                self.at.add(end.pick(0, byte.eq(0xff).pick(2, 1)));
            },
        );
    }

    /// The next bits as a number; at most 16.
    fn take(&self, n: impl Whole<'c>) -> Int<'c> {
        self.fill();
        let n = self.w.c.int(0) + n;
        self.count.set(self.count - n);
        (self.bits >> self.count) & ((self.w.c.int(1) << n) - 1)
    }

    /// A signed number of so many bits: the lower half of what they say stands for numbers below 0 (T.81, F.2.2.1).
    fn signed(&self, n: Int<'c>) -> Int<'c> {
        let v = self.take(n);
        let half = (self.w.c.int(1) << n) >> 1;
        v.lt(half).pick(v - half * 2 + 1, v)
    }

    /// The next value by table `k`.
    fn value(&self, k: Int<'c>) -> Int<'c> {
        let (c, t) = (self.w.c, self.w.tables);
        let table = k * CODE + CODES;
        self.fill();
        let [first, place, len] = ["first", "place", "len"].map(|n| c.var(n, 0));
        let value = c.var("value", -1);
        c.while_true(
            || value.lt(0),
            || {
                len.add(1);
                broken_if(c, len.gt(16));
                first.set(first * 2);
                let code = (self.bits >> (self.count - len)) & ((c.int(1) << len) - 1);
                let (k, count) = (code - first, t.at(table + len));
                c.when(k.lt(count), || value.set(t.at(table + place + k + 17)));
                place.add(count);
                first.add(count);
            },
        );
        self.count.set(self.count - len);
        value.now()
    }

    /// The scan's coefficients of the block whose coefficients begin at `base`.
    fn block(&self, comp: Component<'c>, base: Int<'c>) {
        let (c, told) = (self.w.c, self.told);
        c.when(told.first.eq(0), || {
            c.choose(
                told.high.eq(0),
                || {
                    let n = self.value(comp.dc());
                    broken_if(c, n.gt(15));
                    let dc = comp.pred() + self.signed(n);
                    comp.set(6, dc);
                    self.w.halves.put(base, dc << told.low);
                },
                || self.w.halves.put(base, self.w.halves.at(base) | (self.take(1) << told.low)),
            );
        });
        c.when(told.last.gt(0), || {
            c.choose(told.high.eq(0), || self.first_values(comp, base), || self.refine(comp, base));
        });
    }

    fn first_values(&self, comp: Component<'c>, base: Int<'c>) {
        let (c, told, t) = (self.w.c, self.told, self.w.tables);
        let k = c.var("k", told.first.max(1));
        c.choose(
            self.run.gt(0),
            || self.run.add(-1),
            || {
                c.while_true(
                    || k.le(told.last),
                    || {
                        let both = self.value(comp.ac() + 4);
                        let (zeros, size) = (both >> 4, both & 15);
                        c.when(size.eq(0) & zeros.lt(15), || {
                            self.run.set((c.int(1) << zeros) - 1 + self.take(zeros));
                            c.stop();
                        });
                        k.add(zeros);
                        c.when(size.ne(0), || {
                            broken_if(c, k.gt(63));
                            let v = self.signed(size) << told.low;
                            self.w.halves.put(base + t.at(k + ORDER), v);
                        });
                        k.add(1);
                    },
                );
            },
        );
    }

    /// One more bit of the coefficients that aren't 0, among new ones of one bit (T.81, G.1.2.3).
    fn refine(&self, comp: Component<'c>, base: Int<'c>) {
        let (c, told, t, m) = (self.w.c, self.told, self.w.tables, self.w.halves);
        let k = c.var("k", told.first.max(1));
        let (zeros, new) = (c.var("zeros", 0), c.var("new", 0));
        let bit = c.int(1) << told.low;
        c.while_true(
            || k.le(told.last),
            || {
                // In a run of blocks without new ones, all that are left are gone through.
                zeros.set(64);
                new.set(0);
                c.when(self.run.eq(0), || {
                    let both = self.value(comp.ac() + 4);
                    let size = both & 15;
                    zeros.set(both >> 4);
                    broken_if(c, size.gt(1));
                    c.choose(
                        size.eq(1),
                        || new.set(self.take(1).eq(1).pick(bit, c.int(0) - bit)),
                        || {
                            c.when(zeros.lt(15), || {
                                self.run.set((c.int(1) << zeros) + self.take(zeros));
                                zeros.set(64);
                            });
                        },
                    );
                });
                c.while_true(
                    || k.le(told.last),
                    || {
                        let at = base + t.at(k + ORDER);
                        let v = m.at(at);
                        c.choose(
                            v.ne(0),
                            || {
                                let more = self.take(1).eq(1) & (v & bit).eq(0);
                                m.put(at, v + more.pick(v.lt(0).pick(c.int(0) - bit, bit), 0));
                            },
                            || {
                                c.when(zeros.eq(0), || {
                                    m.put(at, new);
                                    k.add(1);
                                    c.stop();
                                });
                                zeros.add(-1);
                            },
                        );
                        k.add(1);
                    },
                );
            },
        );
        c.when(self.run.gt(0), || self.run.add(-1));
    }
}
