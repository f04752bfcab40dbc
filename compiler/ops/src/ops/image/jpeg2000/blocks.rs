//! The coefficients of a code-block (annex D): bit planes, each in three passes over stripes of four rows.

use super::super::stream::broken_if;
use super::Image;
use super::mq::Decoder;
use crate::code::{Bool, Int, Memory, Variable};

/// Flags of a coefficient: it isn't 0, it is below 0, this plane has it already, it had a plane since it isn't 0.
const SOME: i64 = 1;
const BELOW: i64 = 2;
const SEEN: i64 = 4;
const REFINED: i64 = 8;

/// Code-blocks of an image.
pub(super) struct Blocks<'a, 'c> {
    image: &'a Image<'a, 'c>,
    bits: Decoder<'a, 'c>,
}

/// A code-block being decoded.
struct Block<'a, 'c> {
    of: &'a Blocks<'a, 'c>,
    /// Rows of flags have a coefficient more at both ends, and there is a row more above and below.
    flags: Memory<'c>,
    row: Int<'c>,
    kind: Int<'c>,
    place: Int<'c>,
    plane: Variable<'c>,
}

impl<'a, 'c> Blocks<'a, 'c> {
    pub fn new(image: &'a Image<'a, 'c>) -> Self {
        let w = image.w;
        // There are always figures: the format has asked for them.
        let figures = w.figures.unwrap_or(w.halves);
        Blocks { image, bits: Decoder::new(&w.stream, w.tables, figures) }
    }

    /// Decodes the passes of a block from a place of the stream on, and puts the coefficients where they belong.
    pub fn decode(
        &self,
        at: Int<'c>,
        size: Int<'c>,
        [passes, planes, place]: [Int<'c>; 3],
        [kind, width, height]: [Int<'c>; 3],
    ) {
        let c = self.image.w.c;
        // The first plane has one pass only.
        broken_if(c, planes.lt(1) | planes.gt(30) | passes.gt(planes * 3 - 2));
        let flags = self.image.w.halves;
        self.bits.open(at, at + size);
        let (row, plane) = (width + 2, c.var("plane", planes - 1));
        flags.fill(0, row * (height + 2), 0);
        let b = Block { of: self, flags, row, kind, place, plane };
        let pass = c.var("pass", 2);
        c.each(0, passes, |_| {
            b.pass(pass.now(), width, height);
            pass.add(1);
            c.when(pass.eq(3), || {
                pass.set(0);
                plane.add(-1);
            });
        });
        b.each(width, height, |x, y| {
            let (at, v) = (b.sample(x, y), self.image.w.tables);
            let below = (flags.at(b.flag(x, y)) & BELOW).ne(0);
            v.put(at, below.pick(c.int(0) - v.at(at), v.at(at)));
        });
    }
}

impl<'c> Block<'_, 'c> {
    fn each(&self, width: Int<'c>, height: Int<'c>, body: impl Fn(Int<'c>, Int<'c>)) {
        let c = self.of.image.w.c;
        c.each(0, height, |y| c.each(0, width, |x| body(x, y)));
    }

    fn flag(&self, x: Int<'c>, y: Int<'c>) -> Int<'c> {
        (y + 1) * self.row + x + 1
    }

    fn sample(&self, x: Int<'c>, y: Int<'c>) -> Int<'c> {
        self.place + y * self.of.image.width + x
    }

    /// Pass 0 is for neighbours of what isn't 0, 1 for what isn't, 2 for the rest.
    fn pass(&self, pass: Int<'c>, width: Int<'c>, height: Int<'c>) {
        let c = self.of.image.w.c;
        let stripes = (height + 3) >> 2;
        c.each(0, stripes, |stripe| {
            let top = stripe * 4;
            let rows = (height - top).min(4);
            c.each(0, width, |x| {
                let (first, given) = (c.var("first", 0), c.var("given", 0));
                c.when(pass.eq(2) & rows.eq(4), || self.run(x, top, first, given));
                c.each(first, rows, |k| {
                    let y = top + k;
                    let at = self.flag(x, y);
                    let flags = self.flags.at(at);
                    let some = (flags & SOME).ne(0);
                    let seen = (flags & SEEN).ne(0);
                    c.choose(
                        pass.eq(1),
                        || c.when(some & !seen, || self.refine(at, x, y)),
                        || {
                            let here = given.eq(1) & k.eq(first);
                            let context = self.zero_context(at);
                            let asked = pass.eq(2) | context.ne(0);
                            c.when(!some & !seen & asked, || self.first_bit(at, x, y, context, here, pass));
                        },
                    );
                    // The last pass of a plane forgets what the plane had.
                    c.when(pass.eq(2), || self.flags.put(at, self.flags.at(at) & (SOME | BELOW | REFINED)));
                });
            });
        });
    }

    /// A column without neighbours that aren't 0: `first` is the row of the first that isn't 0 now, which is `given`, or 4.
    fn run(&self, x: Int<'c>, top: Int<'c>, first: Variable<'c>, given: Variable<'c>) {
        let c = self.of.image.w.c;
        let any = c.var("any", 0);
        c.each(0, 6, |k| {
            let at = (top + k) * self.row + x;
            for dx in 0..3 {
                any.set(any | self.flags.at(at + dx));
            }
        });
        c.when((any & SOME).eq(0), || {
            c.choose(
                self.of.bits.bit(c.int(17)).eq(0),
                || first.set(4),
                || {
                    let upper = self.of.bits.bit(c.int(18));
                    first.set(upper * 2 + self.of.bits.bit(c.int(18)));
                    given.set(1);
                },
            );
        });
    }

    /// Neighbours that aren't 0: beside, above and below, diagonal.
    fn neighbours(&self, at: Int<'c>) -> [Int<'c>; 3] {
        let some = |at: Int<'c>| self.flags.at(at) & SOME;
        let (up, down) = (at - self.row, at + self.row);
        let diagonal = some(up - 1) + some(up + 1) + some(down - 1) + some(down + 1);
        [some(at - 1) + some(at + 1), some(up) + some(down), diagonal]
    }

    /// The context of whether a coefficient is 0 still (table D.1).
    fn zero_context(&self, at: Int<'c>) -> Int<'c> {
        let [h, v, d] = self.neighbours(at);
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
    fn first_bit(&self, at: Int<'c>, x: Int<'c>, y: Int<'c>, context: Int<'c>, given: Bool<'c>, pass: Int<'c>) {
        let c = self.of.image.w.c;
        let some = c.var("some", 1);
        c.when(!given, || some.set(self.of.bits.bit(context)));
        let old = self.flags.at(at);
        self.flags.put(at, old | pass.eq(0).pick(SEEN, 0));
        c.when(some.eq(1), || {
            let sign = |at: Int<'c>| {
                let flags = self.flags.at(at);
                (flags & SOME) - (flags & BELOW)
            };
            let of = |a: Int<'c>, b: Int<'c>| (sign(a) + sign(b)).max(-1).min(1);
            let (h, v) = (of(at - 1, at + 1), of(at - self.row, at + self.row));
            let turned = h.lt(0) | (h.eq(0) & v.lt(0));
            let minus = |v: Int<'c>| turned.pick(c.int(0) - v, v);
            let (h, v) = (minus(h), minus(v));
            let below = self.of.bits.bit(h * 3 + v + 9) ^ turned.int();
            self.flags.put(at, self.flags.at(at) | SOME | (below * BELOW));
            self.of.image.w.tables.put(self.sample(x, y), c.int(1) << self.plane);
        });
    }

    /// One more bit of a coefficient that isn't 0 (table D.4).
    fn refine(&self, at: Int<'c>, x: Int<'c>, y: Int<'c>) {
        let (t, flags) = (self.of.image.w.tables, self.flags.at(at));
        let [h, v, d] = self.neighbours(at);
        let context = (flags & REFINED).ne(0).pick(16, (h + v + d).ne(0).pick(15, 14));
        let place = self.sample(x, y);
        let bit = self.of.bits.bit(context);
        t.put(place, t.at(place) | (bit << self.plane));
        self.flags.put(at, flags | REFINED);
    }
}
