//! DEFLATE in a zlib stream (RFC 1951, RFC 1950): what PNG and TIFF compress with. Does NOT look at the checksum at its end.

use super::low_bits::LowBits;
use super::prefix::Prefix;
use super::stream::broken_if;
use crate::code::{Code, Int, Memory, Variable, Whole};

/// Places in the tables: the codes of lengths and literals, those of distances, the lengths of codes, and what `Prefix` works in.
const LITERALS: i64 = 0;
const DISTANCES: i64 = LITERALS + 16 + 288;
const LENGTHS: i64 = DISTANCES + 16 + 32;
const PLACES: i64 = LENGTHS + 320;

/// A stream being decoded.
pub(super) struct Inflate<'a, 'c> {
    pub c: &'c Code,
    /// Takes the next byte of the stream, or leaves the function.
    pub next: &'a dyn Fn() -> Int<'c>,
    pub out: Memory<'c>,
    /// At least 700 numbers.
    pub tables: Memory<'c>,
    bits: LowBits<'c>,
}

impl<'a, 'c> Inflate<'a, 'c> {
    pub fn new(c: &'c Code, next: &'a dyn Fn() -> Int<'c>, out: Memory<'c>, tables: Memory<'c>) -> Self {
        Inflate { c, next, out, tables, bits: LowBits::new(c) }
    }

    /// Decodes to `out[start .. end]`; what there is more is left out. Gives the end of what was written.
    pub fn run(&self, start: Int<'c>, end: Int<'c>) -> Variable<'c> {
        let c = self.c;
        self.bits.clear();
        let (method, flags) = ((self.next)(), (self.next)());
        let dictionary = (flags & 32).ne(0);
        broken_if(c, (method & 15).ne(8) | dictionary);
        let at = c.var("at", start);
        c.repeat(|| {
            let last = self.take(1);
            let kind = self.take(2);
            broken_if(c, kind.eq(3));
            c.choose(
                kind.eq(0),
                || self.stored(at, end),
                || {
                    c.choose(kind.eq(1), || self.fixed(), || self.dynamic());
                    self.block(at, start, end);
                },
            );
            c.when(last.eq(1) | at.ge(end), || c.stop());
        });
        at
    }

    /// The next bits as a number, the first one lowest; at most 16.
    fn take(&self, n: impl Whole<'c>) -> Int<'c> {
        self.bits.take(n, self.next)
    }

    fn stored(&self, at: Variable<'c>, end: Int<'c>) {
        let c = self.c;
        // Whole bytes that were taken too early there are none: never more than one is.
        self.bits.clear();
        let (size, inverse) = (self.take(16), self.take(16));
        broken_if(c, (size ^ inverse).ne(0xffff));
        let size = size.min(end - at);
        c.each(0, size, |_| {
            self.out.put(at, (self.next)());
            at.add(1);
        });
    }

    fn prefix(&self) -> Prefix<'c> {
        Prefix { c: self.c, m: self.tables, places: PLACES }
    }

    /// The next symbol by a table.
    fn symbol(&self, table: i64) -> Variable<'c> {
        self.prefix().symbol(table, &|| self.take(1))
    }

    fn fixed(&self) {
        let (c, t) = (self.c, self.tables);
        c.each(0, 288, |i| {
            let len = i.lt(144).pick(8, i.lt(256).pick(9, i.lt(280).pick(7, 8)));
            t.put(i + LENGTHS, len);
        });
        self.prefix().build(LITERALS, LENGTHS, 288);
        t.fill(LENGTHS, 30, 5);
        self.prefix().build(DISTANCES, LENGTHS, 30);
    }

    fn dynamic(&self) {
        let (c, t) = (self.c, self.tables);
        let literals = self.take(5) + 257;
        let distances = self.take(5) + 1;
        let lengths = self.take(4) + 4;
        broken_if(c, literals.gt(286) | distances.gt(30));
        // Lengths of the codes of lengths come in the order 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, .. 1, 15.
        t.fill(LENGTHS, 19, 0);
        c.each(0, lengths, |i| {
            let half = (i - 3) >> 1;
            let inner = (i & 1).eq(0).pick(half + 8, c.int(8) - half);
            let inner = i.eq(3).pick(0, inner);
            t.put(i.lt(3).pick(i + 16, inner) + LENGTHS, self.take(3));
        });
        self.prefix().build(LITERALS, LENGTHS, 19);
        let (at, total) = (c.var("filled", 0), literals + distances);
        c.while_true(
            || at.lt(total),
            || {
                let symbol = self.symbol(LITERALS).now();
                c.choose(
                    symbol.lt(16),
                    || {
                        t.put(at + LENGTHS, symbol);
                        at.add(1);
                    },
                    || self.repeated(symbol, at, total),
                );
            },
        );
        self.prefix().build(LITERALS, LENGTHS, literals);
        self.prefix().build(DISTANCES, literals + LENGTHS, distances);
    }

    /// 16: the length before, 17 and 18: zeros.
    fn repeated(&self, symbol: Int<'c>, at: Variable<'c>, total: Int<'c>) {
        let (c, t) = (self.c, self.tables);
        broken_if(c, symbol.eq(16) & at.eq(0));
        let value = symbol.eq(16).pick(t.at((at - 1).max(0) + LENGTHS), 0);
        let extra = self.take(symbol.eq(18).pick(7, symbol - 14));
        let times = extra + symbol.eq(18).pick(11, 3);
        broken_if(c, (at + times).gt(total));
        c.each(0, times, |_| {
            t.put(at + LENGTHS, value);
            at.add(1);
        });
    }

    /// Literals and copies of what is there, to the block's end.
    fn block(&self, at: Variable<'c>, start: Int<'c>, end: Int<'c>) {
        let c = self.c;
        c.while_true(
            || at.lt(end),
            || {
                let symbol = self.symbol(LITERALS).now();
                c.when(symbol.eq(256), || c.stop());
                c.choose(
                    symbol.lt(256),
                    || {
                        self.out.put(at, symbol);
                        at.add(1);
                    },
                    || self.copy(symbol, at, start, end),
                );
            },
        );
    }

    /// Lengths and distances are a few upper bits, and as many lower ones that follow as the symbol says (RFC 1951, 3.2.5).
    fn copy(&self, symbol: Int<'c>, at: Variable<'c>, start: Int<'c>, end: Int<'c>) {
        let c = self.c;
        broken_if(c, symbol.gt(285));
        let k = symbol - 257;
        let extra = (k.lt(8) | k.eq(28)).pick(0, (k >> 2) - 1);
        let base = k.lt(8).pick(k + 3, k.eq(28).pick(258, (((k & 3) + 4) << extra) + 3));
        let length = base + self.take(extra);
        let d = self.symbol(DISTANCES).now();
        broken_if(c, d.gt(29));
        let extra = d.lt(4).pick(0, (d >> 1) - 1);
        let base = d.lt(4).pick(d + 1, (((d & 1) + 2) << extra) + 1);
        let distance = base + self.take(extra);
        broken_if(c, distance.gt(at - start));
        c.each(0, length.min(end - at), |_| {
            self.out.put(at, self.out.at(at - distance));
            at.add(1);
        });
    }
}
