//! Prefix codes told by their lengths, as DEFLATE (RFC 1951, 3.2.2) and lossless WebP have them: codes of one length are
//! consecutive numbers, in the order of their symbols, and the first bit is the highest.

use super::stream::broken_if;
use crate::code::{Code, Int, Memory, Variable, Whole};

/// Codes in memory. A table is how many codes there are of each length up to 15, then the symbols in the order of their codes;
/// its first number is 1 if there is one symbol that takes no bits.
#[derive(Clone, Copy)]
pub(super) struct Prefix<'c> {
    pub c: &'c Code,
    pub m: Memory<'c>,
    /// Where 16 numbers are that `build` works in.
    pub places: i64,
}

impl<'c> Prefix<'c> {
    /// Numbers of a table before its symbols.
    pub const HEAD: i64 = 16;

    /// The table for `count` lengths. Gives how many codes of the greatest length are not used, and how many symbols are.
    pub fn build(&self, table: impl Whole<'c>, lengths: impl Whole<'c>, count: impl Whole<'c>) -> [Variable<'c>; 2] {
        let (c, m) = (self.c, self.m);
        let [table, lengths, count] = [c.int(0) + table, c.int(0) + lengths, c.int(0) + count];
        m.fill(table, Self::HEAD, 0);
        c.each(0, count, |i| {
            let place = table + m.at(lengths + i);
            m.put(place, m.at(place) + 1);
        });
        m.put(table, 0);
        let (left, used) = (c.var("left", 1), c.var("used", 0));
        c.each(1, 16, |len| {
            left.set(left * 2 - m.at(table + len));
            m.put(len + self.places, used);
            used.add(m.at(table + len));
            broken_if(c, left.lt(0));
        });
        c.each(0, count, |i| {
            let len = m.at(lengths + i);
            c.when(len.ne(0), || {
                let place = m.at(len + self.places);
                m.put(table + Self::HEAD + place, i);
                m.put(len + self.places, place + 1);
            });
        });
        [left, used]
    }

    /// Makes the first symbol of a table the only one, of no bits.
    pub fn make_constant(&self, table: Int<'c>) {
        self.m.put(table, 1);
    }

    /// The next symbol by a table; `next` gives a bit.
    pub fn symbol(&self, table: impl Whole<'c>, next: &dyn Fn() -> Int<'c>) -> Variable<'c> {
        let (c, m) = (self.c, self.m);
        let table = c.int(0) + table;
        let [code, first, place, len] = ["code", "first", "place", "len"].map(|n| c.var(n, 0));
        let symbol = c.var("symbol", -1);
        c.when(m.at(table).eq(1), || symbol.set(m.at(table + Self::HEAD)));
        c.while_true(
            || symbol.lt(0),
            || {
                len.add(1);
                broken_if(c, len.gt(15));
                code.set(code * 2 + next());
                first.set(first * 2);
                let count = m.at(table + len);
                let k = code - first;
                c.when(k.lt(count), || symbol.set(m.at(table + place + k + Self::HEAD)));
                place.add(count);
                first.add(count);
            },
        );
        symbol
    }
}
