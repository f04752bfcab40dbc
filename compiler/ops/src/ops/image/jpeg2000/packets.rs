//! Packets (annex B): which code-blocks of a resolution have data, and where.

use super::super::stream::{Stream, broken_if};
use super::{Image, LEVELS, blocks};
use crate::code::{Int, Variable};

/// The packets of the tile, in order.
pub(super) struct Packets<'a, 'c> {
    image: &'a Image<'a, 'c>,
    blocks: blocks::Blocks<'a, 'c>,
    at: Variable<'c>,
    end: Int<'c>,
    /// Markers before and after headers may be there.
    style: Int<'c>,
    byte: Variable<'c>,
    bits: Variable<'c>,
    /// Code-blocks of the packet so far.
    count: Variable<'c>,
}

/// A subband: its extents in code-blocks, and where its first coefficient is.
struct Band<'c> {
    across: Int<'c>,
    down: Int<'c>,
    kind: Int<'c>,
    width: Int<'c>,
    height: Int<'c>,
    at: Int<'c>,
    /// Bits of a coefficient.
    bits: Int<'c>,
}

impl<'a, 'c> Packets<'a, 'c> {
    pub fn new(image: &'a Image<'a, 'c>, at: Variable<'c>, end: Int<'c>, style: Int<'c>) -> Self {
        let c = image.w.c;
        let [byte, bits, count] = ["byte", "bits", "count"].map(|n| c.var(n, 0));
        Packets { image, blocks: blocks::Blocks::new(image), at, end, style, byte, bits, count }
    }

    fn stream(&self) -> &'a Stream<'c> {
        &self.image.w.stream
    }

    /// Reads the packet of a component's resolution, and decodes its code-blocks.
    pub fn read(&self, component: Int<'c>, r: Int<'c>) {
        let (c, s, t, i) = (self.image.w.c, self.stream(), self.image.w.tables, self.image);
        let marker = s.big(self.at, 2).eq(0xff91) & (self.style & 2).ne(0);
        c.when(marker, || self.at.add(6));
        self.byte.set(0);
        self.bits.set(0);
        self.count.set(0);
        c.when(self.bit().eq(1), || {
            // The smallest resolution is one band, the others are three more.
            c.each(r.gt(0).int(), r.gt(0).pick(4, 1), |k| self.header(&self.band(component, r, k)));
        });
        // A last byte of 0xff has one more of stuffing.
        self.at.add(self.byte.eq(0xff).int());
        let marker = s.big(self.at, 2).eq(0xff92) & (self.style & 4).ne(0);
        c.when(marker, || self.at.add(2));
        c.each(0, self.count, |k| {
            let entry = i.list + k * 5;
            let [size, passes, planes, place, extents] = [0, 1, 2, 3, 4].map(|k| t.at(entry + k));
            broken_if(c, (self.at + size).gt(self.end));
            let (kind, width, height) = (extents & 3, (extents >> 2) & 0x7ff, extents >> 13);
            self.blocks.decode(self.at.now(), size, [passes, planes, place], [kind, width, height]);
            self.at.add(size);
        });
    }

    fn band(&self, component: Int<'c>, r: Int<'c>, kind: Int<'c>) -> Band<'c> {
        let (i, s) = (self.image, self.stream());
        let (right, lower) = ((kind & 1).eq(1), kind.ge(2));
        let below = (r - 1).max(0);
        let [all_x, all_y] = [i.width, i.height].map(|n| i.extent(n, r));
        let [low_x, low_y] = [i.width, i.height].map(|n| i.extent(n, below));
        let lowest = kind.eq(0);
        let width = lowest.pick(all_x, right.pick(all_x - low_x, low_x));
        let height = lowest.pick(all_y, lower.pick(all_y - low_y, low_y));
        let start = i.samples + component * i.width * i.height;
        let at = start + lower.pick(low_y * i.width, 0) + right.pick(low_x, 0);
        let along = |n: Int<'c>, log: Int<'c>| (n + ((i.w.c.int(1) << log) - 1)) >> log;
        let exponent = s.byte(i.exponents + lowest.pick(0, below * 3 + kind)) >> 3;
        let (across, down) = (along(width, i.block[0]), along(height, i.block[1]));
        Band { across, down, kind, width, height, at, bits: i.guard + exponent - 1 }
    }

    /// The next bit of the header; a byte behind one of 0xff has seven.
    fn bit(&self) -> Int<'c> {
        let c = self.image.w.c;
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
        let c = self.image.w.c;
        let v = c.var("number", 0);
        c.each(0, bits, |_| v.set(v * 2 + self.bit()));
        v.now()
    }

    /// What the header says of a subband's code-blocks: adds those that have data to the list.
    fn header(&self, b: &Band<'c>) {
        let (c, t, i) = (self.image.w.c, self.image.w.tables, self.image);
        let levels = self.trees(b);
        c.each(0, b.down, |y| {
            c.each(0, b.across, |x| {
                let there = self.leaf(i.trees, levels, [x, y], c.int(1)).lt(1);
                c.when(there, || {
                    let zeros = self.leaf(i.trees + i.nodes * 2, levels, [x, y], c.int(40));
                    let passes = self.passes();
                    let length = c.var("length", 3);
                    c.while_true(|| self.bit().eq(1) & length.lt(32), || length.add(1));
                    // And a bit more for each doubling of passes.
                    let more = c.var("more", passes);
                    c.while_true(
                        || more.gt(1),
                        || {
                            more.set(more >> 1);
                            length.add(1);
                        },
                    );
                    let size = self.number(length.now());
                    let (left, top) = (x << i.block[0], y << i.block[1]);
                    let width = (b.width - left).min(c.int(1) << i.block[0]);
                    let height = (b.height - top).min(c.int(1) << i.block[1]);
                    let place = b.at + top * i.width + left;
                    let extents = b.kind | (width << 2) | (height << 13);
                    let entry = i.list + self.count * 5;
                    for (k, v) in [size, passes.now(), b.bits - zeros, place, extents].into_iter().enumerate() {
                        t.put(entry + k as i64, v);
                    }
                    self.count.add(1);
                });
            });
        });
    }

    /// Coding passes (table B.4).
    fn passes(&self) -> Variable<'c> {
        let c = self.image.w.c;
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

    /// Sets up both tag trees of a subband; gives how many levels they have.
    fn trees(&self, b: &Band<'c>) -> Variable<'c> {
        let (c, t, i) = (self.image.w.c, self.image.w.tables, self.image);
        let (levels, first) = (c.var("levels", 0), c.var("first", 0));
        let (across, down) = (c.var("across", b.across), c.var("down", b.down));
        c.repeat(|| {
            t.put(levels * 2 + LEVELS, first);
            t.put(levels * 2 + (LEVELS + 1), across);
            first.add(across * down);
            levels.add(1);
            c.when((across * down).le(1), || c.stop());
            across.set((across + 1) >> 1);
            down.set((down + 1) >> 1);
        });
        // A node is what its value is at least, and whether that is it.
        t.fill(i.trees, i.nodes * 4, 0);
        levels
    }

    /// The value of a leaf of the tree at a place, as far as it is below `most`.
    fn leaf(&self, tree: Int<'c>, levels: Variable<'c>, [x, y]: [Int<'c>; 2], most: Int<'c>) -> Int<'c> {
        let (c, t) = (self.image.w.c, self.image.w.tables);
        let (low, level) = (c.var("low", 0), c.var("level", levels));
        c.while_true(
            || level.gt(0),
            || {
                level.add(-1);
                let (first, across) = (t.at(level * 2 + LEVELS), t.at(level * 2 + (LEVELS + 1)));
                let node = tree + (first + (y >> level) * across + (x >> level)) * 2;
                low.set(low.max(t.at(node)));
                c.while_true(
                    || low.lt(most) & t.at(node + 1).eq(0),
                    || c.choose(self.bit().eq(1), || t.put(node + 1, 1), || low.add(1)),
                );
                t.put(node, low);
            },
        );
        low.now()
    }
}
