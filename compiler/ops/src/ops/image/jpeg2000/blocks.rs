//! The coefficients of a code-block (annex D): bit planes, each in three passes over stripes of four rows.
//!
//! Does NOT make samples of coefficients (see `wavelet`, `samples`).

use super::super::Work;
use super::super::stream::broken_if;
use super::mq::Decoder;
use super::packets::{COUNT, HEAD, NEXT, PLACE, SIZE, ZEROS, room};
use super::tile::{BLOCK, Places, Tile};
use crate::code::{Bool, Int, Memory, Variable};

/// Flags of a coefficient: it isn't 0, it is below 0, this plane has it already, it had a plane since it isn't 0.
const SOME: i64 = 1;
const BELOW: i64 = 2;
const SEEN: i64 = 4;
const REFINED: i64 = 8;

/// Coding passes of a plane, in order.
const SIGNIFICANCE: i64 = 0;
const REFINEMENT: i64 = 1;
const CLEANUP: i64 = 2;

/// Code-blocks of a tile.
pub(super) struct Blocks<'a, 'c> {
    w: &'a Work<'c>,
    tile: &'a Tile<'a, 'c>,
    places: &'a Places<'c>,
    bits: Decoder<'c>,
}

/// A code-block being decoded.
struct Block<'a, 'c> {
    w: &'a Work<'c>,
    bits: &'a Decoder<'c>,
    /// Rows of flags have a coefficient more at both ends, and there is a row more above and below.
    flags: Memory<'c>,
    width: Int<'c>,
    height: Int<'c>,
    kind: Int<'c>,
    /// How its passes are coded (table A.19).
    style: Int<'c>,
    /// Where its coefficients are: twice what they are, so that a half is known of those whose lower bits aren't.
    place: Int<'c>,
    /// The bit of the plane, one higher than in the coefficient.
    plane: Variable<'c>,
    /// Bits are read as they are.
    plain: Variable<'c>,
}

impl<'a, 'c> Blocks<'a, 'c> {
    pub fn new(w: &'a Work<'c>, tile: &'a Tile<'a, 'c>, places: &'a Places<'c>) -> Self {
        // There are always figures: the format has asked for them.
        let figures = w.figures.unwrap_or(w.halves);
        Blocks { w, tile, places, bits: Decoder::new(w.c, w.bytes, w.tables, figures) }
    }

    /// Decodes all code-blocks of a component, whose samples begin at a place.
    pub fn component(&self, k: Int<'c>, start: Int<'c>) {
        let (c, t, tile) = (self.w.c, self.w.tables, self.tile);
        let number = c.var("band", 0);
        tile.each_band(k, |r, kind| {
            let of = tile.precincts(k, r);
            let step = tile.coding.step(k, number.now());
            number.add(1);
            c.each(0, of.across * of.down, |p| {
                let grid = tile.grid(k, r, kind, p);
                let first = self.places.first_block(k, r, kind, p);
                c.each(0, grid.down, |y| {
                    c.each(0, grid.across, |x| {
                        let block = self.places.blocks + (first + y * grid.across + x) * BLOCK;
                        c.when(t.at(block + HEAD).gt(0), || {
                            let area = grid.block(x, y);
                            self.decode(block, [k, kind], area, step[2]);
                            self.store([k, r, kind], area, step, start);
                        });
                    });
                });
            });
        });
    }

    /// Decodes the passes that there are of a block.
    fn decode(&self, block: Int<'c>, [k, kind]: [Int<'c>; 2], [left, top, right, bottom]: [Int<'c>; 4], bits: Int<'c>) {
        let (c, t, w) = (self.w.c, self.w.tables, self.w);
        let planes = bits - t.at(block + ZEROS);
        let plane = c.var("plane", planes + self.tile.coding.shift(k));
        broken_if(c, plane.gt(30));
        let (width, height, style) = (right - left, bottom - top, self.tile.coding.passes(k));
        let (flags, plain) = (w.halves, c.var("plain", 0));
        flags.fill(0, (width + 2) * (height + 2), 0);
        t.fill(self.places.block, width * height, 0);
        self.bits.forget();
        let b =
            Block { w, bits: &self.bits, flags, width, height, kind, style, place: self.places.block, plane, plain };
        let (pass, done) = (c.var("pass", CLEANUP), c.var("done", 0));
        let (chunk, count, size) = (c.var("chunk", t.at(block + HEAD)), c.var("count", 0), c.var("size", 0));
        c.while_true(
            || chunk.gt(0),
            || {
                self.gather(chunk.now(), size);
                count.add(t.at(chunk + COUNT));
                chunk.set(t.at(chunk + NEXT));
                // A segment ends where there is no room for more passes.
                let ends = chunk.eq(0) | count.ge(room(style, done.now()));
                c.when(ends, || {
                    let lazy = (style & 1).ne(0) & pass.lt(CLEANUP) & plane.le(planes - 4);
                    plain.set(lazy.int());
                    c.choose(lazy, || self.bits.open_plain(size.now()), || self.bits.open(size.now()));
                    c.each(0, count, |_| b.next(pass));
                    done.add(count);
                    count.set(0);
                    size.set(0);
                });
            },
        );
    }

    /// Adds a part of a segment to the bytes that are read.
    fn gather(&self, chunk: Int<'c>, size: Variable<'c>) {
        let (t, w) = (self.w.tables, self.w);
        let (from, count) = (t.at(chunk + PLACE), t.at(chunk + SIZE));
        broken_if(w.c, (size + count).gt(w.stream.len));
        w.c.each(0, count, |i| w.bytes.put(size + i, w.stream.data.at(from + i)));
        size.add(count);
    }

    /// Puts a block's coefficients where they belong among a component's: whole numbers, or floats times the step.
    fn store(&self, [k, r, kind]: [Int<'c>; 3], area: [Int<'c>; 4], step: [Int<'c>; 3], start: Int<'c>) {
        let (c, t, tile) = (self.w.c, self.w.tables, self.tile);
        let [left, top, right, bottom] = area;
        let (width, height) = (right - left, bottom - top);
        let band = tile.band(k, r, kind);
        let low = tile.resolution(k, (r - 1).max(0));
        let [from, _, to, _] = tile.component(k);
        let stride = to - from;
        let x = left - band[0] + (kind & 1) * (low[2] - low[0]);
        let y = top - band[1] + (kind >> 1) * (low[3] - low[1]);
        let place = start + y * stride + x;
        let shift = tile.coding.shift(k).min(40);
        let whole = tile.coding.reversible(k).eq(1);
        let [exponent, fraction, _] = step;
        // Half of the step, whose fraction has 11 bits.
        let depth = tile.depth(k);
        let scale = (fraction + 2048).real() * (depth - exponent - 12).power_of_two();
        c.each(0, height, |y| {
            c.each(0, width, |x| {
                let (v, below) =
                    (t.at(self.places.block + y * width + x), self.w.halves.at((y + 1) * (width + 2) + x + 1));
                let below = (below & BELOW).ne(0);
                // What is of interest was shifted up.
                let v = v.ge(c.int(1) << shift).pick(v >> shift, v);
                let half = v >> 1;
                let signed = |v: Int<'c>| below.pick(c.int(0) - v, v);
                let at = place + y * stride + x;
                c.choose(whole, || t.put(at, signed(half)), || t.put_real(at, signed(v).real() * scale));
            });
        });
    }
}

impl<'c> Block<'_, 'c> {
    fn flag(&self, x: Int<'c>, y: Int<'c>) -> Int<'c> {
        (y + 1) * (self.width + 2) + x + 1
    }

    fn sample(&self, x: Int<'c>, y: Int<'c>) -> Int<'c> {
        self.place + y * self.width + x
    }

    /// A pass, unless there are no planes left; then the next one's number.
    fn next(&self, pass: Variable<'c>) {
        let c = self.w.c;
        c.when(self.plane.ge(1), || {
            self.pass(pass.now());
            let last = pass.eq(CLEANUP);
            c.when(last & (self.style & 32).ne(0), || {
                // A sign that all went well, which isn't looked at.
                c.each(0, 4, |_| {
                    self.bits.bit(c.int(18));
                });
            });
            c.when((self.style & 2).ne(0) & self.plain.eq(0), || self.bits.forget());
            pass.set(last.pick(0, pass + 1));
            self.plane.add(last.pick(-1, 0));
        });
    }

    /// A bit of a pass, in a context unless it is read as it is.
    fn bit(&self, context: Int<'c>) -> Int<'c> {
        let c = self.w.c;
        let v = c.var("bit", 0);
        let plain = self.plain.eq(1);
        c.choose(plain, || v.set(self.bits.plain_bit()), || v.set(self.bits.bit(context)));
        v.now()
    }

    /// The first pass is for neighbours of what isn't 0, the second for what isn't, the last for the rest.
    fn pass(&self, pass: Int<'c>) {
        let c = self.w.c;
        let stripes = (self.height + 3) >> 2;
        c.each(0, stripes, |stripe| {
            let top = stripe * 4;
            let rows = (self.height - top).min(4);
            c.each(0, self.width, |x| {
                let (first, given) = (c.var("first", 0), c.var("given", 0));
                c.when(pass.eq(CLEANUP) & rows.eq(4), || self.run(x, top, first, given));
                c.each(first, rows, |k| {
                    let y = top + k;
                    let at = self.flag(x, y);
                    let flags = self.flags.at(at);
                    let some = (flags & SOME).ne(0);
                    let seen = (flags & SEEN).ne(0);
                    // Stripes may know nothing of those below them.
                    let hidden = (self.style & 8).ne(0) & k.eq(3);
                    c.choose(
                        pass.eq(REFINEMENT),
                        || c.when(some & !seen, || self.refine(at, x, y, hidden)),
                        || {
                            let here = given.eq(1) & k.eq(first);
                            let context = self.zero_context(at, hidden);
                            let asked = pass.eq(CLEANUP) | context.ne(0);
                            c.when(!some & !seen & asked, || self.first_bit([x, y], context, here, pass, hidden));
                        },
                    );
                    // The last pass of a plane forgets what the plane had.
                    c.when(pass.eq(CLEANUP), || self.flags.put(at, self.flags.at(at) & (SOME | BELOW | REFINED)));
                });
            });
        });
    }

    /// A column without neighbours that aren't 0: `first` is the row of the first that isn't 0 now, which is `given`, or 4.
    fn run(&self, x: Int<'c>, top: Int<'c>, first: Variable<'c>, given: Variable<'c>) {
        let c = self.w.c;
        let any = c.var("any", 0);
        c.each(0, (self.style & 8).ne(0).pick(5, 6), |k| {
            let at = (top + k) * (self.width + 2) + x;
            for dx in 0..3 {
                any.set(any | self.flags.at(at + dx));
            }
        });
        c.when((any & SOME).eq(0), || {
            c.choose(
                self.bits.bit(c.int(17)).eq(0),
                || first.set(4),
                || {
                    let upper = self.bits.bit(c.int(18));
                    first.set(upper * 2 + self.bits.bit(c.int(18)));
                    given.set(1);
                },
            );
        });
    }

    /// Neighbours that aren't 0: beside, above and below, diagonal.
    fn neighbours(&self, at: Int<'c>, hidden: Bool<'c>) -> [Int<'c>; 3] {
        let some = |at: Int<'c>| self.flags.at(at) & SOME;
        let row = self.width + 2;
        let (up, down) = (at - row, at + row);
        let below = |v: Int<'c>| hidden.pick(0, v);
        let diagonal = some(up - 1) + some(up + 1) + below(some(down - 1) + some(down + 1));
        [some(at - 1) + some(at + 1), some(up) + below(some(down)), diagonal]
    }

    /// The context of whether a coefficient is 0 still (table D.1).
    fn zero_context(&self, at: Int<'c>, hidden: Bool<'c>) -> Int<'c> {
        let [h, v, d] = self.neighbours(at, hidden);
        let turned = self.kind.eq(1);
        let (h, v) = (turned.pick(v, h), turned.pick(h, v));
        let one = v.ge(1).pick(7, d.ge(1).pick(6, 5));
        let none = v.eq(2).pick(4, v.eq(1).pick(3, d.min(2)));
        let straight = h.eq(2).pick(8, h.eq(1).pick(one, none));
        let both = h + v;
        let two = both.ge(1).pick(7, 6);
        let slanted = d.ge(3).pick(8, d.eq(2).pick(two, d.eq(1).pick(both.min(2) + 3, both.min(2))));
        self.kind.eq(3).pick(slanted, straight)
    }

    /// Whether a coefficient isn't 0 from this plane on, unless that is `given`; then its sign (tables D.2 and D.3).
    fn first_bit(&self, [x, y]: [Int<'c>; 2], context: Int<'c>, given: Bool<'c>, pass: Int<'c>, hidden: Bool<'c>) {
        let c = self.w.c;
        let (at, row) = (self.flag(x, y), self.width + 2);
        let some = c.var("some", 1);
        c.when(!given, || some.set(self.bit(context)));
        let old = self.flags.at(at);
        self.flags.put(at, old | pass.eq(SIGNIFICANCE).pick(SEEN, 0));
        c.when(some.eq(1), || {
            let sign = |at: Int<'c>| {
                let flags = self.flags.at(at);
                (flags & SOME) - (flags & BELOW)
            };
            let of = |a: Int<'c>, b: Int<'c>| (a + b).max(-1).min(1);
            let h = of(sign(at - 1), sign(at + 1));
            let v = of(sign(at - row), hidden.pick(0, sign(at + row)));
            let turned = h.lt(0) | (h.eq(0) & v.lt(0));
            let minus = |v: Int<'c>| turned.pick(c.int(0) - v, v);
            let (h, v) = (minus(h), minus(v));
            let below = self.bit(h * 3 + v + 9) ^ self.plain.eq(0).pick(turned.int(), 0);
            self.flags.put(at, self.flags.at(at) | SOME | (below * BELOW));
            self.w.tables.put(self.sample(x, y), c.int(3) << (self.plane - 1));
        });
    }

    /// One more bit of a coefficient that isn't 0 (table D.4): half of what was open is known now.
    fn refine(&self, at: Int<'c>, x: Int<'c>, y: Int<'c>, hidden: Bool<'c>) {
        let (c, t, flags) = (self.w.c, self.w.tables, self.flags.at(at));
        let [h, v, d] = self.neighbours(at, hidden);
        let context = (flags & REFINED).ne(0).pick(16, (h + v + d).ne(0).pick(15, 14));
        let place = self.sample(x, y);
        let bit = self.bit(context);
        let half = c.int(1) << (self.plane - 1);
        t.put(place, t.at(place) + bit.eq(1).pick(half, c.int(0) - half));
        self.flags.put(at, flags | REFINED);
    }
}
