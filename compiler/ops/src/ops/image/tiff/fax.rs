//! CCITT's facsimile: T.4 in one and two dimensions, T.6, and TIFF's modified Huffman code (TIFF 6.0, sections 10 and 11).
//!
//! A row is told by where its colour changes, and may refer to the row above. Does NOT decode extensions of no compression.

use super::super::Work;
use super::super::stream::broken_if;
use super::directory::Header;
use crate::code::{Int, Variable, Whole};

/// Codes of runs of 0 to 63 pixels, of 64, 128, .. 1728, and, for both colours, of 1792, .. 2560 (T.4, tables 2 and 3).
const WHITE: &str = "00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100 110101 101010 \
    101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011 0100100 0011000 00000010 00000011 00011010 \
    00011011 00010010 00010011 00010100 00010101 00010110 00010111 00101000 00101001 00101010 00101011 00101100 00101101 \
    00000100 00000101 00001010 00001011 01010010 01010011 01010100 01010101 00100100 00100101 01011000 01011001 01011010 \
    01011011 01001010 01001011 00110010 00110011 00110100 11011 10010 010111 0110111 00110110 00110111 01100100 01100101 \
    01101000 01100111 011001100 011001101 011010010 011010011 011010100 011010101 011010110 011010111 011011000 011011001 \
    011011010 011011011 010011000 010011001 010011010 011000 010011011";
const BLACK: &str = "0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100 00000111 000011000 \
    0000010111 0000011000 0000001000 00001100111 00001101000 00001101100 00000110111 00000101000 00000010111 00000011000 \
    000011001010 000011001011 000011001100 000011001101 000001101000 000001101001 000001101010 000001101011 000011010010 \
    000011010011 000011010100 000011010101 000011010110 000011010111 000001101100 000001101101 000011011010 000011011011 \
    000001010100 000001010101 000001010110 000001010111 000001100100 000001100101 000001010010 000001010011 000000100100 \
    000000110111 000000111000 000000100111 000000101000 000001011000 000001011001 000000101011 000000101100 000001011010 \
    000001100110 000001100111 0000001111 000011001000 000011001001 000001011011 000000110011 000000110100 000000110101 \
    0000001101100 0000001101101 0000001001010 0000001001011 0000001001100 0000001001101 0000001110010 0000001110011 \
    0000001110100 0000001110101 0000001110110 0000001110111 0000001010010 0000001010011 0000001010100 0000001010101 \
    0000001011010 0000001011011 0000001100100 0000001100101";
const BOTH: &str = "00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101 000000010110 \
    000000010111 000000011100 000000011101 000000011110 000000011111";
/// Codes of a colour.
const RUNS: i64 = 104;
/// The longest code.
const LONGEST: i64 = 13;

/// The length and the bits of each code: of white, then of black.
pub(super) fn figures() -> Vec<i16> {
    let all = [WHITE, BOTH, BLACK, BOTH].into_iter().flat_map(str::split_whitespace);
    all.flat_map(|code| [code.len() as i16, i16::from_str_radix(code, 2).unwrap_or(0)]).collect()
}

/// Places in the words: for each colour and the next 13 bits a run times 16 and the length of its code; then the changes of two
/// rows.
const ROWS: i64 = 2 << LONGEST;

/// As many words as are needed for rows of so many pixels.
pub(super) fn words(width: Int<'_>) -> Int<'_> {
    room(width) * 2 + ROWS
}

/// The most changes of a row: more than pixels, as runs may be empty.
fn room(width: Int<'_>) -> Int<'_> {
    width + 8
}

/// Fills the tables of runs.
pub(super) fn tables(w: &Work) {
    let (c, t) = (w.c, w.tables);
    let Some(figures) = w.figures else { return };
    t.fill(0, ROWS, 0);
    c.each(0, 2 * RUNS, |i| {
        let color = i.ge(RUNS).int();
        let k = i - color * RUNS;
        let run = k.lt(64).pick(k, (k - 63) * 64);
        let (length, code) = (figures.at(i * 2), figures.at(i * 2 + 1));
        let rest = c.int(LONGEST) - length;
        let first = (color << LONGEST) + (code << rest);
        c.each(first, first + (c.int(1) << rest), |at| t.put(at, (run << 4) | length));
    });
}

/// A strip or tile being read.
struct Fax<'a, 'c> {
    w: &'a Work<'c>,
    h: &'a Header<'c>,
    start: Int<'c>,
    end: Int<'c>,
    width: Int<'c>,
    at: Variable<'c>,
    bits: Variable<'c>,
    count: Variable<'c>,
    /// Changes of the row above and of this one, and how many there are.
    above: Variable<'c>,
    above_count: Variable<'c>,
    here: Variable<'c>,
    here_count: Variable<'c>,
}

/// Unpacks bytes `from` of the stream to rows of bits from byte `to` on.
pub(super) fn unpack<'c>(w: &Work<'c>, h: &Header<'c>, from: [Int<'c>; 2], to: Int<'c>, [width, rows]: [Int<'c>; 2]) {
    let c = w.c;
    let var = |name| c.var(name, 0);
    let [start, end] = from;
    let f = Fax {
        w,
        h,
        start,
        end,
        width,
        at: c.var("at", start),
        bits: var("bits"),
        count: var("have"),
        above: c.var("above", ROWS),
        above_count: var("changes"),
        here: c.var("here", room(width) + ROWS),
        here_count: var("changes"),
    };
    let kind = h.compression;
    let bytes = (width + 7) >> 3;
    c.each(0, rows, |y| {
        f.here_count.set(0);
        let flat = c.var("flat", kind.ne(4).int());
        c.when(kind.eq(3), || {
            f.line_end();
            c.when((h.fax & 1).eq(1), || flat.set(f.take(1)));
        });
        c.choose(flat.eq(1), || f.runs(), || f.changes());
        c.when(kind.eq(2) | kind.eq(32771), || f.align(kind.eq(2).pick(8, 16)));
        // Zeros beyond the end may not be taken.
        broken_if(c, (f.at - end).max(0).gt(f.count >> 3));
        f.paint(to + y * bytes, bytes);
        let old = f.above.now();
        f.above.set(f.here);
        f.here.set(old);
        f.above_count.set(f.here_count);
    });
}

impl<'c> Fax<'_, 'c> {
    /// The next bits as a number, which aren't taken; at most 16.
    fn peek(&self, n: i64) -> Int<'c> {
        let c = self.w.c;
        c.while_true(
            || self.count.lt(n),
            || {
                let byte = c.var("next", 0);
                c.when(self.at.lt(self.end), || byte.set(super::packed::byte(self.w, self.h, self.at.now())));
                self.bits.set(((self.bits << 8) | byte) & 0xff_ffff);
                self.count.add(8);
                self.at.add(1);
            },
        );
        (self.bits >> (self.count - n)) & ((1 << n) - 1)
    }

    fn drop(&self, n: impl Whole<'c>) {
        self.count.set(self.count - n);
    }

    fn take(&self, n: i64) -> Int<'c> {
        let v = self.peek(n);
        self.drop(n);
        v
    }

    /// Goes past the mark that a row begins with: 11 zeros or more, and a 1.
    fn line_end(&self) {
        let c = self.w.c;
        c.while_true(
            || self.peek(11).ne(0),
            || {
                broken_if(c, self.at.gt(self.end + 3));
                self.drop(1);
            },
        );
        c.while_true(|| self.take(1).eq(0), || broken_if(c, self.at.gt(self.end + 3)));
    }

    /// Goes to the next multiple of so many bits of the strip.
    fn align(&self, unit: Int<'c>) {
        let place = ((self.at - self.start) << 3) - self.count;
        let rest = (self.w.c.int(0) - place) & (unit - 1);
        self.peek(16);
        self.drop(rest);
    }

    /// The colour changes.
    fn change(&self, at: Int<'c>) {
        broken_if(self.w.c, self.here_count.ge(self.width + 4));
        self.w.tables.put(self.here + self.here_count, at);
        self.here_count.add(1);
    }

    /// A run of a colour (0 white, 1 black): parts of 64 pixels and more, and a last one of less.
    fn run(&self, color: Int<'c>) -> Int<'c> {
        let c = self.w.c;
        let run = c.var("run", 0);
        c.repeat(|| {
            let entry = self.w.tables.at((color << LONGEST) + self.peek(LONGEST));
            broken_if(c, entry.eq(0) | run.gt(self.width));
            self.drop(entry & 15);
            run.add(entry >> 4);
            c.when(entry.lt(64 << 4), || c.stop());
        });
        run.now()
    }

    /// A row of runs, white first.
    fn runs(&self) {
        let c = self.w.c;
        let (at, color) = (c.var("pixel", 0), c.var("color", 0));
        c.while_true(
            || at.lt(self.width),
            || {
                at.set((at + self.run(color.now())).min(self.width));
                self.change(at.now());
                color.set(color ^ 1);
            },
        );
    }

    /// A row that refers to the one above (T.4, 4.2).
    fn changes(&self) {
        let (c, width) = (self.w.c, self.width);
        // The place, its colour, and the first change above beyond it to the other colour.
        let (at, color, near) = (c.var("pixel", -1), c.var("color", 0), c.var("near", 0));
        let above = |k: Int<'c>| k.lt(self.above_count).pick(self.w.tables.at(self.above + k.min(width + 4)), width);
        c.while_true(
            || at.lt(width),
            || {
                near.set((near - 1).max(0));
                near.add((near ^ color) & 1);
                c.while_true(|| above(near.now()).le(at) & near.lt(self.above_count), || near.add(2));
                let code = self.peek(7);
                broken_if(c, code.lt(2));
                // Passing by, horizontally, vertically by 0 to 3.
                let (pass, flat) = (code.ge(8) & code.lt(16), code.ge(16) & code.lt(32));
                let length = code.ge(64).pick(1, code.ge(16).pick(3, code.ge(8).pick(4, code.ge(4).pick(6, 7))));
                self.drop(length);
                let by = code.ge(64).pick(0, code.ge(32).pick(1, code.ge(4).pick(2, 3)));
                let right = code.ge(48) | (code.ge(6) & code.lt(8)) | code.eq(3);
                c.when(pass, || at.set(above(near + 1)));
                c.when(flat, || {
                    c.each(0, 2, |_| {
                        at.set((at.max(0) + self.run(color.now())).min(width));
                        self.change(at.now());
                        color.set(color ^ 1);
                    });
                });
                c.when(!(pass | flat), || {
                    let to = above(near.now()) + right.pick(by, c.int(0) - by);
                    broken_if(c, to.lt(at) | to.lt(0) | to.gt(width));
                    at.set(to);
                    self.change(to);
                    color.set(color ^ 1);
                });
            },
        );
    }

    /// The row's bits, 1 for black.
    fn paint(&self, to: Int<'c>, bytes: Int<'c>) {
        let (c, t, m) = (self.w.c, self.w.tables, self.w.bytes);
        m.fill(to, bytes, 0);
        let k = c.var("k", 0);
        c.while_true(
            || k.lt(self.here_count),
            || {
                let from = t.at(self.here + k);
                let next = (k + 1).lt(self.here_count);
                let until = next.pick(t.at(self.here + k + 1), self.width);
                c.each(from, until, |x| {
                    let at = to + (x >> 3);
                    m.put(at, m.at(at) | (c.int(128) >> (x & 7)));
                });
                k.add(2);
            },
        );
    }
}

#[cfg(test)]
mod tests {
    /// Neither colour has a code that another one begins with.
    #[test]
    fn codes_are_told_apart() {
        for color in [super::WHITE, super::BLACK] {
            let all: Vec<&str> = color.split_whitespace().chain(super::BOTH.split_whitespace()).collect();
            assert_eq!(all.len(), super::RUNS as usize);
            for (i, a) in all.iter().enumerate() {
                assert!(all.iter().enumerate().all(|(k, b)| k == i || !b.starts_with(a)), "{a}");
            }
        }
    }
}
