//! The headers of a codestream (annex A): the image, what each component of a tile is coded with, and tile-parts.
//!
//! Does NOT read the boxes around a codestream (see `boxes`), nor packets.

use super::super::stream::{Info, Stream};
use super::boxes::Boxes;
use crate::code::{Bool, Int, Memory, Variable, Whole};

/// The most components that there are images of.
pub(super) const COMPONENTS: i64 = 4;
/// The numbers of a component, see [`Coding`].
pub(super) const CODING: i64 = 16 * COMPONENTS;

/// What the header says of the whole image.
pub(super) struct Main<'c> {
    pub boxes: Boxes<'c>,
    /// Where the contents of SIZ are, and the first part of a tile.
    siz: Int<'c>,
    pub parts: Variable<'c>,
    pub count: Int<'c>,
    /// The image: left, top, right and bottom on the grid of reference.
    pub area: [Int<'c>; 4],
    /// Left and top of the first tile, a tile's extents, and how many there are.
    origin: [Int<'c>; 2],
    size: [Int<'c>; 2],
    pub tiles: [Int<'c>; 2],
}

impl<'c> Main<'c> {
    pub fn new(s: &Stream<'c>) -> Self {
        let (c, boxes) = (s.c, Boxes::new(s));
        let siz = boxes.start + 6;
        let parts = c.var("parts", boxes.start + 2);
        c.while_true(
            || s.byte(parts).eq(0xff) & s.byte(parts + 1).ne(0x90) & (parts + 4).le(s.len),
            || parts.add(s.big(parts + 2, 2) + 2),
        );
        let [right, bottom, left, top, width, height, x, y] =
            [0, 1, 2, 3, 4, 5, 6, 7].map(|k| s.big(siz + (2 + 4 * k), 4));
        let along = |from: Int<'c>, to: Int<'c>, size: Int<'c>| (to - from).max(0).over_up(size.max(1));
        let (area, tiles) = ([left, top, right, bottom], [along(x, right, width), along(y, bottom, height)]);
        let count = s.big(siz + 34, 2);
        Main { boxes, siz, parts, count, area, origin: [x, y], size: [width, height], tiles }
    }

    pub fn width(&self) -> Int<'c> {
        self.area[2] - self.area[0]
    }
    pub fn height(&self) -> Int<'c> {
        self.area[3] - self.area[1]
    }

    /// Leaves the probe unless these are an image and its tiles.
    pub fn check(&self, s: &Stream<'c>, info: &Info<'c>) {
        info.break_if(s.big(self.siz - 4, 2).ne(0xff51));
        self.boxes.check(s, info, self.width(), self.height());
        info.check_size(self.width(), self.height());
        info.refuse_if(self.count.lt(1) | self.count.gt(COMPONENTS));
        for k in 0..2 {
            let (first, size, from) = (self.origin[k], self.size[k], self.area[k]);
            info.break_if(
                size.lt(1) | first.gt(from) | (first + size).le(from) | self.area[k + 2].gt(i64::from(i32::MAX)),
            );
        }
        info.break_if((self.tiles[0] * self.tiles[1]).gt(65535));
        s.c.each(0, self.count, |k| {
            let (depth, [x, y]) = (self.depth(s, k), self.steps(s, k));
            info.break_if(x.lt(1) | y.lt(1));
            info.refuse_if(depth.gt(31));
        });
    }

    /// Bits of a component's samples, and whether they have a sign.
    pub fn depth(&self, s: &Stream<'c>, k: Int<'c>) -> Int<'c> {
        (s.byte(self.siz + k * 3 + 36) & 0x7f) + 1
    }
    pub fn signed(&self, s: &Stream<'c>, k: Int<'c>) -> Bool<'c> {
        s.byte(self.siz + k * 3 + 36).gt(0x7f)
    }
    /// A component has a sample for so many points of the grid, across and down.
    pub fn steps(&self, s: &Stream<'c>, k: Int<'c>) -> [Int<'c>; 2] {
        [37, 38].map(|i| s.byte(self.siz + k * 3 + i))
    }

    /// Left, top, right and bottom of a tile.
    pub fn tile(&self, tile: Int<'c>) -> [Int<'c>; 4] {
        let across = self.tiles[0].max(1);
        let row = tile.over(across);
        let at = [tile - row * across, row];
        let [left, top] = [0, 1].map(|k| self.origin[k] + at[k] * self.size[k]);
        [
            left.max(self.area[0]),
            top.max(self.area[1]),
            (left + self.size[0]).min(self.area[2]),
            (top + self.size[1]).min(self.area[3]),
        ]
    }

    /// What the components stand for, see [`Boxes::kind`].
    pub fn kind(&self, s: &Stream<'c>) -> Int<'c> {
        let c = s.c;
        let halved = c.var("halved", self.count);
        c.each(0, self.count, |k| {
            let [x, y] = self.steps(s, k);
            c.when((x.ne(1) | y.ne(1)) & halved.eq(self.count), || halved.set(k));
        });
        self.boxes.kind(s, self.count, self.depth(s, c.int(0)), halved.now())
    }
}

/// A part of a tile in the stream.
pub(super) struct Part<'c> {
    pub tile: Int<'c>,
    pub number: Int<'c>,
    /// Its segments, its packets, and behind them.
    pub segments: Int<'c>,
    pub data: Variable<'c>,
    pub end: Int<'c>,
}

impl<'c> Part<'c> {
    /// Is there one at a place?
    pub fn is_at(s: &Stream<'c>, at: Variable<'c>) -> Bool<'c> {
        s.big(at, 2).eq(0xff90)
    }

    pub fn new(s: &Stream<'c>, at: Int<'c>) -> Self {
        let size = s.big(at + 6, 4);
        // Size 0: all that there is, but the end's marker.
        let rest = s.len - s.big(s.len - 2, 2).eq(0xffd9).pick(2, 0);
        let end = size.eq(0).pick(rest, at + size);
        let data = s.c.var("data", at + 12);
        s.c.while_true(
            || s.byte(data).eq(0xff) & s.byte(data + 1).ne(0x93) & (data + 4).le(s.len),
            || data.add(s.big(data + 2, 2) + 2),
        );
        data.add(2);
        Part { tile: s.big(at + 4, 2), number: s.byte(at + 10), segments: at + 12, data, end }
    }

    /// Does it end before its data begin, or behind the stream's end?
    pub fn is_broken(&self, s: &Stream<'c>) -> Bool<'c> {
        self.data.gt(self.end) | self.end.gt(s.len) | s.big(self.data - 2, 2).ne(0xff93)
    }
}

/// Goes through the segments from `from` to `to`: `body` gets the marker and where the contents are.
pub(super) fn segments<'c>(s: &Stream<'c>, from: impl Whole<'c>, to: Int<'c>, body: impl FnOnce(Int<'c>, Int<'c>)) {
    let at = s.c.var("at", from);
    s.c.while_true(
        || (at + 4).le(to) & s.byte(at).eq(0xff),
        || {
            body(s.byte(at + 1), at + 4);
            at.add(s.big(at + 2, 2) + 2);
        },
    );
}

/// What the components of a tile are coded with.
#[derive(Clone, Copy)]
pub(super) struct Coding<'a, 'c> {
    s: &'a Stream<'c>,
    m: Memory<'c>,
    first: i64,
    count: Int<'c>,
    /// Where the contents of COD are.
    pub cod: Variable<'c>,
    /// There is what isn't decoded.
    pub other: Variable<'c>,
}

/// Numbers of a component in memory: the places of its coding style and of its quantisation, whether it has sizes of
/// precincts, by how much a region of interest is shifted.
const STYLE: i64 = 0;
const QUANT: i64 = 1;
const SIZED: i64 = 2;
const SHIFT: i64 = 3;

impl<'a, 'c> Coding<'a, 'c> {
    /// In so many numbers of memory from `first` on: [`CODING`].
    pub fn new(s: &'a Stream<'c>, m: Memory<'c>, first: i64, count: Int<'c>) -> Self {
        let [cod, other] = ["cod", "other"].map(|n| s.c.var(n, 0));
        Coding { s, m, first, count, cod, other }
    }

    /// Reads the main header, then the one of a tile's first part.
    pub fn read(&self, main: &Main<'c>, part: &Part<'c>) {
        let c = self.s.c;
        self.m.fill(self.first, CODING, 0);
        self.cod.set(0);
        c.each(0, 2, |k| {
            let tile = k.eq(1);
            let from = tile.pick(part.segments, main.boxes.start + 2);
            let to = tile.pick(part.data - 2, main.parts);
            // What is said of one component counts more than what is said of all, in whatever order.
            c.each(0, 2, |one| segments(self.s, from, to, |marker, at| self.segment(one.eq(1), marker, at)));
        });
    }

    fn segment(&self, one: Bool<'c>, marker: Int<'c>, at: Int<'c>) {
        let (c, s) = (self.s.c, self.s);
        let all = !one;
        c.when(all & marker.eq(0x52), || {
            self.cod.set(at);
            self.put_all(STYLE, at + 5);
            self.put_all(SIZED, s.byte(at) & 1);
        });
        c.when(all & marker.eq(0x5c), || self.put_all(QUANT, at));
        let k = s.byte(at);
        let one = one & k.lt(self.count);
        c.when(one & marker.eq(0x53), || {
            self.put(k, STYLE, at + 2);
            self.put(k, SIZED, s.byte(at + 1) & 1);
        });
        c.when(one & marker.eq(0x5d), || self.put(k, QUANT, at + 1));
        c.when(one & marker.eq(0x5e), || self.put(k, SHIFT, s.byte(at + 2)));
        // Headers of packets elsewhere, and transforms of colours of one's own.
        let other = [0x60, 0x61, 0x74, 0x75, 0x77].into_iter();
        let other = other.fold(c.truth(false), |any, m| any | marker.eq(m));
        c.when(other, || self.other.set(1));
    }

    fn put(&self, k: Int<'c>, at: i64, v: Int<'c>) {
        self.m.put(k * 16 + (self.first + at), v);
    }
    fn put_all(&self, at: i64, v: Int<'c>) {
        self.s.c.each(0, self.count, |k| self.put(k, at, v));
    }
    fn get(&self, k: Int<'c>, at: i64) -> Int<'c> {
        self.m.at(k * 16 + (self.first + at))
    }
    fn style(&self, k: Int<'c>, at: i64) -> Int<'c> {
        self.s.byte(self.get(k, STYLE) + at)
    }

    pub fn markers(&self) -> Int<'c> {
        self.s.byte(self.cod)
    }
    pub fn order(&self) -> Int<'c> {
        self.s.byte(self.cod + 1)
    }
    pub fn layers(&self) -> Int<'c> {
        self.s.big(self.cod + 2, 2)
    }
    /// Are the first three components mixed?
    pub fn mixed(&self) -> Int<'c> {
        self.s.byte(self.cod + 4)
    }
    /// How often a component is halved.
    pub fn halvings(&self, k: Int<'c>) -> Int<'c> {
        self.style(k, 0)
    }
    /// The logarithms of a code-block's extents.
    pub fn block(&self, k: Int<'c>) -> [Int<'c>; 2] {
        [1, 2].map(|at| (self.style(k, at) & 15) + 2)
    }
    /// How passes are coded.
    pub fn passes(&self, k: Int<'c>) -> Int<'c> {
        self.style(k, 3)
    }
    /// Is the transform of whole numbers?
    pub fn reversible(&self, k: Int<'c>) -> Int<'c> {
        self.style(k, 4)
    }
    /// The logarithms of a precinct's extents.
    pub fn precinct(&self, k: Int<'c>, r: Int<'c>) -> [Int<'c>; 2] {
        let both = self.s.byte(self.get(k, STYLE) + r + 5);
        let given = self.get(k, SIZED).eq(1);
        [given.pick(both & 15, 15), given.pick(both >> 4, 15)]
    }
    pub fn shift(&self, k: Int<'c>) -> Int<'c> {
        self.get(k, SHIFT)
    }

    /// The step of a subband (annex E), `band` counted from the lowest on: its exponent, its fraction of 11 bits, and how
    /// many bits its coefficients have.
    pub fn step(&self, k: Int<'c>, band: Int<'c>) -> [Int<'c>; 3] {
        let (s, at) = (self.s, self.get(k, QUANT));
        let (kind, guard) = (s.byte(at) & 31, s.byte(at) >> 5);
        let (plain, derived) = (kind.eq(0), kind.eq(1));
        let both = s.big(at + derived.pick(0, band * 2) + 1, 2);
        let lower = derived.pick((band - 1).max(0).over(3), 0);
        let exponent = plain.pick(s.byte(at + band + 1) >> 3, ((both >> 11) - lower).max(0));
        [exponent, plain.pick(0, both & 0x7ff), exponent + guard - 1]
    }

    /// Leaves the probe unless these are a tile's.
    pub fn check(&self, info: &Info<'c>) {
        let c = self.s.c;
        info.break_if(self.cod.eq(0));
        info.refuse_if(self.other.ne(0));
        info.break_if(self.order().gt(4) | self.layers().eq(0) | self.mixed().gt(1));
        c.each(0, self.count, |k| {
            let [w, h] = self.block(k);
            info.break_if(self.get(k, QUANT).eq(0) | self.halvings(k).gt(32));
            info.break_if(w.gt(10) | h.gt(10) | (w + h).gt(12) | self.reversible(k).gt(1));
            // Blocks of another coding (ISO/IEC 15444-15).
            info.refuse_if(self.passes(k).gt(63));
            c.each(1, self.halvings(k) + 1, |r| {
                let [w, h] = self.precinct(k, r);
                info.break_if(w.eq(0) | h.eq(0));
            });
        });
    }
}
