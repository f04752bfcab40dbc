//! Packets (annex B): which code-blocks of a precinct a layer has data for, and where those are.
//!
//! Does NOT decode: each code-block gets a list of parts of its data, of one or more coding passes each.

use super::super::Work;
use super::super::stream::{Stream, broken_if};
use super::LEVELS;
use super::header::{Main, Part};
use super::tile::{BLOCK, CHUNK, Grid, NODES, Needs, Places, Tile};
use crate::code::{Bool, Int, Memory, Variable};

/// Numbers of a code-block: the first and last part of its data (0: none), bits of a length, bit planes that are 0, and
/// coding passes so far.
pub(super) const HEAD: i64 = 0;
const TAIL: i64 = 1;
const BITS: i64 = 2;
pub(super) const ZEROS: i64 = 3;
const PASSES: i64 = 4;
/// Numbers of a part: the next one (0: none), bytes, where they are in the stream, and passes.
pub(super) const NEXT: i64 = 0;
pub(super) const SIZE: i64 = 1;
pub(super) const PLACE: i64 = 2;
pub(super) const COUNT: i64 = 3;

/// The packets of a tile.
pub(super) struct Packets<'a, 'c> {
    pub main: &'a Main<'c>,
    pub tile: &'a Tile<'a, 'c>,
    pub places: &'a Places<'c>,
    t: Memory<'c>,
    /// Parts of data that there is room for, and how many there are.
    most: Int<'c>,
    chunks: Variable<'c>,
    /// The tile's first part, and the one after the current one: [next, place in the stream]. 0: none.
    head: Int<'c>,
    next: Variable<'c>,
    at: Variable<'c>,
    end: Variable<'c>,
    byte: Variable<'c>,
    bits: Variable<'c>,
}

/// How many more passes are in the segment of data that pass `k` belongs to: all, or as many as are coded in the same way
/// (annex D.4 and D.6).
pub(super) fn room<'c>(style: Int<'c>, k: Int<'c>) -> Int<'c> {
    let (lazy, each) = ((style & 1).ne(0), (style & 4).ne(0));
    let of_three = k - 10 - (k - 10).over(3) * 3;
    let late = of_three.eq(0).pick(2, 1);
    each.pick(1, lazy.pick(k.lt(10).pick(k.constant(10) - k, late), 1000))
}

impl<'a, 'c> Packets<'a, 'c> {
    pub fn new(
        w: &'a Work<'c>,
        main: &'a Main<'c>,
        tile: &'a Tile<'a, 'c>,
        needs: &Needs<'c>,
        places: &'a Places<'c>,
        head: Int<'c>,
    ) -> Self {
        let c = w.c;
        let [chunks, next, at, end, byte, bits] = ["chunks", "next", "at", "end", "byte", "bits"].map(|n| c.var(n, 0));
        let most = needs.chunks.now();
        Packets { main, tile, places, t: w.tables, most, chunks, head, next, at, end, byte, bits }
    }

    fn stream(&self) -> &'a Stream<'c> {
        self.tile.s
    }

    /// Calls `body` with each part of the tile.
    pub fn each_part(&self, body: impl FnOnce(Part<'c>)) {
        let c = self.stream().c;
        let v = c.var("part", self.head);
        c.while_true(
            || v.gt(0),
            || {
                body(Part::new(self.stream(), self.t.at(v + 1)));
                v.set(self.t.at(v));
            },
        );
    }

    /// Starts with the first part.
    pub fn begin(&self, first: &Part<'c>) {
        self.at.set(first.data);
        self.end.set(first.end);
        self.next.set(self.t.at(self.head));
        self.go_on();
    }

    /// Are there packets left?
    pub fn more(&self) -> Bool<'c> {
        self.at.lt(self.end)
    }

    /// Goes to the next part where one has ended.
    fn go_on(&self) {
        let c = self.stream().c;
        c.while_true(
            || self.at.ge(self.end) & self.next.gt(0),
            || {
                let part = Part::new(self.stream(), self.t.at(self.next + 1));
                self.at.set(part.data);
                self.end.set(part.end);
                self.next.set(self.t.at(self.next));
            },
        );
    }

    /// Is this the layer that a precinct has not had yet?
    pub fn is_next(&self, k: Int<'c>, r: Int<'c>, p: Int<'c>, layer: Int<'c>) -> Bool<'c> {
        self.t.at(self.places.precinct(k, r, p)).eq(layer)
    }

    /// Reads a packet.
    pub fn read(&self, k: Int<'c>, r: Int<'c>, p: Int<'c>, layer: Int<'c>) {
        let (c, s, t) = (self.stream().c, self.stream(), self.t);
        t.put(self.places.precinct(k, r, p), layer + 1);
        let markers = self.tile.coding.markers();
        let marker = s.big(self.at, 2).eq(0xff91) & (markers & 2).ne(0);
        c.when(marker, || self.at.add(6));
        self.byte.set(0);
        self.bits.set(0);
        let first = c.var("first", self.chunks);
        c.when(self.bit().eq(1), || self.tile.bands_of(r, |kind| self.band([k, r, kind, p], layer)));
        // A last byte of 0xff has one more of stuffing.
        self.at.add(self.byte.eq(0xff).int());
        c.when((markers & 4).ne(0), || {
            broken_if(c, s.big(self.at, 2).ne(0xff92));
            self.at.add(2);
        });
        c.each(first, self.chunks, |k| {
            let chunk = self.places.chunks + k * CHUNK;
            t.put(chunk + PLACE, self.at);
            self.at.add(t.at(chunk + SIZE));
            broken_if(c, self.at.gt(self.end));
        });
        self.go_on();
    }

    /// The next bit of the header; a byte behind one of 0xff has seven.
    fn bit(&self) -> Int<'c> {
        let c = self.stream().c;
        c.when(self.bits.eq(0), || {
            self.bits.set(self.byte.eq(0xff).pick(7, 8));
            broken_if(c, self.at.ge(self.end));
            self.byte.set(self.stream().byte(self.at));
            self.at.add(1);
        });
        self.bits.add(-1);
        (self.byte >> self.bits) & 1
    }

    fn number(&self, bits: Int<'c>) -> Int<'c> {
        let c = self.stream().c;
        let v = c.var("number", 0);
        c.each(0, bits, |_| v.set(v * 2 + self.bit()));
        v.now()
    }

    /// What the header says of the code-blocks of a precinct in a subband.
    fn band(&self, [k, r, kind, p]: [Int<'c>; 4], layer: Int<'c>) {
        let c = self.stream().c;
        let grid = self.tile.grid(k, r, kind, p);
        let first = self.places.first_block(k, r, kind, p);
        let levels = self.trees(&grid);
        let trees = self.places.trees + first * (2 * NODES);
        let nodes = grid.across * grid.down * NODES;
        let style = self.tile.coding.passes(k);
        c.each(0, grid.down, |y| {
            c.each(0, grid.across, |x| {
                let block = self.places.blocks + (first + y * grid.across + x) * BLOCK;
                self.block(block, style, layer, |tree, most| self.leaf(trees + tree * nodes, levels, [x, y], most));
            });
        });
    }

    /// What it says of one; `leaf` gives its value in one of two trees, as far as it is below something.
    fn block(&self, block: Int<'c>, style: Int<'c>, layer: Int<'c>, leaf: impl Fn(Int<'c>, Int<'c>) -> Int<'c>) {
        let (c, t) = (self.stream().c, self.t);
        let (before, new, there) = (t.at(block + PASSES), c.var("new", 1), c.var("there", 0));
        c.choose(
            before.eq(0),
            || there.set(leaf(c.int(0), layer + 1).le(layer).int()),
            || {
                new.set(0);
                there.set(self.bit());
            },
        );
        c.when(there.eq(1), || {
            c.when(new.eq(1), || {
                let zeros = leaf(c.int(1), c.int(80));
                broken_if(c, zeros.ge(80));
                t.put(block + ZEROS, zeros);
                t.put(block + BITS, 3);
            });
            let passes = self.passes();
            let length = c.var("length", t.at(block + BITS));
            c.while_true(|| self.bit().eq(1) & length.lt(32), || length.add(1));
            t.put(block + BITS, length);
            let total = c.var("total", before);
            t.put(block + PASSES, passes + before);
            c.while_true(
                || passes.gt(0),
                || {
                    let count = passes.now().min(room(style, total.now()));
                    self.chunk(block, count, length.now());
                    total.add(count);
                    passes.set(passes - count);
                },
            );
        });
    }

    /// Reads how many bytes there are of so many passes, and adds a part to the block's list.
    fn chunk(&self, block: Int<'c>, passes: Int<'c>, length: Int<'c>) {
        let (c, t) = (self.stream().c, self.t);
        // A bit more for each doubling of passes.
        let (more, bits) = (c.var("more", passes), c.var("bits", length));
        c.while_true(
            || more.gt(1),
            || {
                more.set(more >> 1);
                bits.add(1);
            },
        );
        broken_if(c, bits.gt(32) | self.chunks.ge(self.most));
        let size = self.number(bits.now());
        broken_if(c, size.gt(self.stream().len));
        let chunk = self.places.chunks + self.chunks * CHUNK;
        for (k, v) in [c.int(0), size, c.int(0), passes].into_iter().enumerate() {
            t.put(chunk + k as i64, v);
        }
        let tail = t.at(block + TAIL);
        t.put(tail.eq(0).pick(block + HEAD, tail + NEXT), chunk);
        t.put(block + TAIL, chunk);
        self.chunks.add(1);
    }

    /// Coding passes (table B.4).
    fn passes(&self) -> Variable<'c> {
        let c = self.stream().c;
        let v = c.var("passes", 1);
        c.when(self.bit().eq(1), || {
            v.set(2);
            c.when(self.bit().eq(1), || {
                v.set(self.number(c.int(2)) + 3);
                c.when(v.eq(6), || {
                    v.set(self.number(c.int(5)) + 6);
                    c.when(v.eq(37), || v.set(self.number(c.int(7)) + 37));
                });
            });
        });
        v
    }

    /// The levels of the tag trees of so many code-blocks; gives how many there are.
    fn trees(&self, grid: &Grid<'c>) -> Variable<'c> {
        let (c, t) = (self.stream().c, self.t);
        let (levels, first) = (c.var("levels", 0), c.var("first", 0));
        let (across, down) = (c.var("across", grid.across), c.var("down", grid.down));
        c.repeat(|| {
            t.put(levels * 2 + LEVELS, first);
            t.put(levels * 2 + (LEVELS + 1), across);
            first.add(across * down);
            levels.add(1);
            c.when((across * down).le(1), || c.stop());
            across.set((across + 1) >> 1);
            down.set((down + 1) >> 1);
        });
        levels
    }

    /// The value of a leaf of the tree at a place, as far as it is below `most`. A node is twice what its value is at least,
    /// and 1 if that is it.
    fn leaf(&self, tree: Int<'c>, levels: Variable<'c>, [x, y]: [Int<'c>; 2], most: Int<'c>) -> Int<'c> {
        let (c, t) = (self.stream().c, self.t);
        let (low, level) = (c.var("low", 0), c.var("level", levels));
        c.while_true(
            || level.gt(0),
            || {
                level.add(-1);
                let (first, across) = (t.at(level * 2 + LEVELS), t.at(level * 2 + (LEVELS + 1)));
                let node = tree + first + (y >> level) * across + (x >> level);
                let old = t.at(node);
                let known = c.var("known", old & 1);
                low.set(low.max(old >> 1));
                c.while_true(
                    || low.lt(most) & known.eq(0),
                    || c.choose(self.bit().eq(1), || known.set(1), || low.add(1)),
                );
                t.put(node, low * 2 + known);
            },
        );
        low.now()
    }
}
