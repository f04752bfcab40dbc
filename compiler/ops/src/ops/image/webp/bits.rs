//! The arithmetic decoder of VP8 (RFC 6386, section 7): bits, each with the probability, of 256, that it is 0.

use super::super::stream::Stream;
use super::Frame;
use crate::code::{Bool, Code, Int, Memory, Variable, Whole};

/// A partition being read. What is beyond its end reads as 0.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a, 'c> {
    c: &'c Code,
    s: &'a Stream<'c>,
    at: Variable<'c>,
    end: Variable<'c>,
    value: Variable<'c>,
    range: Variable<'c>,
    /// How many bits the last byte has given.
    used: Variable<'c>,
}

impl<'a, 'c> Bits<'a, 'c> {
    pub fn new(s: &'a Stream<'c>) -> Self {
        let c = s.c;
        let [at, end, value, range, used] = ["at", "end", "value", "range", "used"].map(|n| c.var(n, 0));
        Bits { c, s, at, end, value, range, used }
    }

    /// Begins a partition.
    pub fn open(&self, at: impl Whole<'c>, end: impl Whole<'c>) {
        self.at.set(at);
        self.end.set(end);
        self.value.set(0);
        self.range.set(255);
        self.used.set(0);
        self.c.each(0, 2, |_| self.value.set((self.value << 8) | self.next()));
    }

    fn next(&self) -> Int<'c> {
        let byte = self.at.lt(self.end).pick(self.s.byte(self.at), 0);
        self.at.add(1);
        byte
    }

    /// More bytes were taken than there are, but for those that are taken ahead.
    pub fn is_over(&self) -> Bool<'c> {
        self.at.gt(self.end + 2)
    }

    fn state(&self) -> [Variable<'c>; 5] {
        [self.at, self.end, self.value, self.range, self.used]
    }

    /// Keeps the state at a place of the tables.
    pub fn save(&self, t: Memory<'c>, place: Int<'c>) {
        self.state().into_iter().enumerate().for_each(|(k, v)| t.put(place + k as i64, v));
    }

    /// Goes on from such a state.
    pub fn load(&self, t: Memory<'c>, place: Int<'c>) {
        self.state().into_iter().enumerate().for_each(|(k, v)| v.set(t.at(place + k as i64)));
    }

    /// The next bit.
    pub fn bit(&self, prob: impl Whole<'c>) -> Int<'c> {
        let split = (((self.range - 1) * prob) >> 8) + 1;
        let one = self.value.ge(split << 8);
        self.value.set(self.value - one.pick(split << 8, 0));
        self.range.set(one.pick(self.range - split, split));
        self.c.while_true(
            || self.range.lt(128),
            || {
                self.value.set(self.value << 1);
                self.range.set(self.range << 1);
                self.used.add(1);
                self.c.when(self.used.eq(8), || {
                    self.used.set(0);
                    self.value.set(self.value | self.next());
                });
            },
        );
        one.int()
    }

    /// So many even bits as a number.
    pub fn number(&self, bits: impl Whole<'c>) -> Int<'c> {
        let v = self.c.var("number", 0);
        self.c.each(0, bits, |_| v.set((v << 1) | self.bit(128)));
        v.now()
    }

    /// A number and its sign, if a bit says that there is one; else `otherwise`.
    pub fn signed(&self, bits: impl Whole<'c>, otherwise: impl Whole<'c>) -> Variable<'c> {
        let v = self.c.var("signed", otherwise);
        self.c.when(self.bit(128).eq(1), || {
            v.set(self.number(bits));
            self.c.when(self.bit(128).eq(1), || v.set(self.c.int(0) - v));
        });
        v
    }

    /// A value by a tree of the figures; `prob`: the probability of a node.
    pub fn tree(&self, f: &Frame<'_, 'c>, tree: i64, prob: impl Fn(Int<'c>) -> Int<'c>) -> Int<'c> {
        let place = self.c.var("node", 0);
        self.c.repeat(|| {
            let bit = self.bit(prob(place >> 1));
            place.set(f.figures.at(place + bit + tree));
            self.c.when(place.le(0), || self.c.stop());
        });
        self.c.int(0) - place
    }
}
