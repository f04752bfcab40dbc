//! Prefix codes (RFC 9649, 3.7.2): a group has five, for green and all that isn't a colour, red, blue, alpha, distances.

use super::super::super::prefix::Prefix;
use super::super::super::stream::broken_if;
use super::{Lossless, OFFSETS, RESIDENT};
use crate::code::{Int, Memory};

/// No image needs more groups at a time.
pub(super) const SLOTS: i64 = 32;
/// Symbols that are a literal or a length; cached colours' are behind.
pub(super) const LITERALS: i64 = 280;
const GREENS: i64 = LITERALS + (1 << super::image::CACHE_BITS);
/// Numbers of a code, and of a group.
const HEAD: i64 = Prefix::HEAD;
const SMALL: i64 = HEAD + 256;
const GROUP: i64 = HEAD + GREENS + 3 * SMALL + HEAD + 40;
/// Places in the halves: the lengths that are being read, what `Prefix` works in, the code of lengths, then slots.
const LENGTHS: i64 = 0;
const WORK: i64 = LENGTHS + GREENS;
const LENGTH_CODE: i64 = WORK + 16;
const FIRST: i64 = LENGTH_CODE + HEAD + 19;

/// How many slots there are: no more than tiles.
fn slots(tiles: Int<'_>) -> Int<'_> {
    tiles.min(SLOTS)
}

/// As many i16 as are needed.
pub(super) fn halves(tiles: Int<'_>) -> Int<'_> {
    slots(tiles) * GROUP + FIRST
}

pub(super) struct Groups<'c> {
    m: Memory<'c>,
    slots: Int<'c>,
}

impl<'c> Groups<'c> {
    pub fn new(m: Memory<'c>, tiles: Int<'c>) -> Self {
        Groups { m, slots: slots(tiles) }
    }
}

impl<'c> Lossless<'_, 'c> {
    fn prefix(&self) -> Prefix<'c> {
        Prefix { c: self.c, m: self.groups.m, places: WORK }
    }

    /// Where the code for `k` (0 green, 1 red, 2 blue, 3 alpha, 4 distances) of the group in a slot is.
    fn code(&self, slot: Int<'c>, k: Int<'c>) -> Int<'c> {
        slot * GROUP + FIRST + k.eq(0).pick(0, (k - 1) * SMALL + (HEAD + GREENS))
    }

    /// The next symbol by a code of a group that is there.
    pub fn symbol(&self, slot: Int<'c>, k: impl crate::code::Whole<'c>) -> Int<'c> {
        let code = self.code(slot, self.c.int(0) + k);
        self.prefix().symbol(code, &|| self.bits.take(1)).now()
    }

    /// Reads all groups of the image: where they are; the last ones are there then.
    pub fn all_groups(&self) {
        let (c, t) = (self.c, self.t);
        t.fill(RESIDENT, SLOTS, -1);
        c.each(0, self.task.groups, |group| {
            t.put(group + OFFSETS, self.bits.place());
            self.read_group(group);
        });
    }

    /// The slot of a group, which is there then.
    pub fn slot(&self, group: Int<'c>) -> Int<'c> {
        let slot = group - group.over(self.groups.slots) * self.groups.slots;
        self.c.when(self.t.at(slot + RESIDENT).ne(group), || {
            let place = self.bits.place();
            self.bits.seek(self.t.at(group + OFFSETS));
            self.read_group(group);
            self.bits.seek(place);
        });
        slot
    }

    fn read_group(&self, group: Int<'c>) {
        let (c, cache) = (self.c, self.task.cache);
        let slot = group - group.over(self.groups.slots) * self.groups.slots;
        let greens = cache.gt(0).pick(c.int(1) << cache, 0) + LITERALS;
        c.each(0, 5, |k| {
            let symbols = k.eq(0).pick(greens, k.eq(4).pick(40, 256));
            self.groups.m.fill(LENGTHS, symbols.max(256), 0);
            c.choose(self.bits.take(1).eq(1), || self.one_or_two(), || self.lengths(symbols));
            let [left, used] = self.prefix().build(self.code(slot, k), LENGTHS, symbols);
            // Codes are complete, but for one symbol alone.
            broken_if(c, left.ne(0) & used.ne(1));
            self.alone(self.code(slot, k), used.now());
        });
        broken_if(c, self.bits.is_over());
        self.t.put(slot + RESIDENT, group);
    }

    /// A symbol alone takes no bits.
    fn alone(&self, code: Int<'c>, used: Int<'c>) {
        self.c.when(used.eq(1), || self.prefix().make_constant(code));
    }

    /// One symbol, or two of one bit each. Those that the code doesn't have are left out.
    fn one_or_two(&self) {
        let (c, bits) = (self.c, &self.bits);
        let two = bits.take(1);
        let wide = bits.take(1);
        let set = |symbol: Int<'c>| self.groups.m.put(symbol + LENGTHS, 1);
        set(bits.take(wide * 7 + 1));
        c.when(two.eq(1), || set(bits.take(8)));
    }

    /// The lengths of the symbols' codes, by a code of their own.
    fn lengths(&self, symbols: Int<'c>) {
        let (c, bits, m) = (self.c, &self.bits, self.groups.m);
        let count = bits.take(4) + 4;
        // In the order 17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, .. 15.
        c.each(0, count, |i| {
            let early = i.lt(2).pick(i + 17, i - 2);
            let symbol = i.lt(8).pick(early, i.eq(8).pick(16, i - 3));
            m.put(symbol + LENGTHS, bits.take(3));
        });
        let [left, used] = self.prefix().build(c.int(LENGTH_CODE), LENGTHS, c.int(19));
        broken_if(c, left.ne(0) & used.ne(1));
        self.alone(c.int(LENGTH_CODE), used.now());
        m.fill(LENGTHS, 19, 0);
        let most = c.var("most", symbols);
        c.when(bits.take(1).eq(1), || {
            let width = bits.take(3) * 2 + 2;
            most.set(bits.take(width) + 2);
            broken_if(c, most.gt(symbols));
        });
        let (at, before) = (c.var("symbol", 0), c.var("before", 8));
        c.while_true(
            || at.lt(symbols) & most.gt(0),
            || {
                most.add(-1);
                let length = self.prefix().symbol(c.int(LENGTH_CODE), &|| bits.take(1)).now();
                c.choose(
                    length.lt(16),
                    || {
                        m.put(at + LENGTHS, length);
                        at.add(1);
                        before.set(length.eq(0).pick(before, length));
                    },
                    || {
                        // 16: the last length that isn't 0, 17 and 18: zeros.
                        let extra = bits.take(length.eq(16).pick(2, length.eq(17).pick(3, 7)));
                        let times = extra + length.eq(18).pick(11, 3);
                        broken_if(c, (at + times).gt(symbols));
                        c.when(length.eq(16), || c.each(at, at + times, |i| m.put(i + LENGTHS, before)));
                        at.add(times);
                    },
                );
            },
        );
    }
}
