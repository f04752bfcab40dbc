//! A tile (annex B): its components' resolutions, subbands, precincts and code-blocks, and where what is known of them lies.
//!
//! Everything follows from the tile's place on the grid of reference and the coding of its components. A subband's
//! code-blocks lie on a grid of their own; those of a precinct follow each other in memory, so that they are found by the
//! first one's number.
//!
//! Does NOT read what is coded: see `packets`, `blocks`.

use super::super::stream::Stream;
use super::header::{Coding, Main};
use crate::code::{Int, Memory, Variable};

/// Numbers in memory for a precinct: layers that were read, and the first code-blocks of up to three subbands.
pub(super) const PRECINCT: i64 = 4;
/// Numbers of a code-block, see `packets`, and the nodes of its share of two tag trees.
pub(super) const BLOCK: i64 = 5;
pub(super) const NODES: i64 = 3;
/// Resolutions of a component.
pub(super) const RESOLUTIONS: i64 = 33;

/// A tile's shape.
pub(super) struct Tile<'a, 'c> {
    pub s: &'a Stream<'c>,
    pub coding: Coding<'a, 'c>,
    pub count: Int<'c>,
    /// Left, top, right, bottom on the grid of reference.
    pub area: [Int<'c>; 4],
    main: &'a Main<'c>,
}

/// Precincts of a resolution.
pub(super) struct Precincts<'c> {
    /// The logarithms of their extents.
    pub log: [Int<'c>; 2],
    /// Column and row of the first one.
    first: [Int<'c>; 2],
    pub across: Int<'c>,
    pub down: Int<'c>,
}

/// Code-blocks of a precinct in one subband.
pub(super) struct Grid<'c> {
    /// The logarithms of a code-block's extents.
    log: [Int<'c>; 2],
    /// Column and row of the first one, and how many there are.
    first: [Int<'c>; 2],
    pub across: Int<'c>,
    pub down: Int<'c>,
    /// The precinct's part of the subband.
    area: [Int<'c>; 4],
}

fn up<'c>(v: Int<'c>, log: Int<'c>) -> Int<'c> {
    (v + ((v.constant(1) << log) - 1)) >> log
}

impl<'a, 'c> Tile<'a, 'c> {
    pub fn new(s: &'a Stream<'c>, main: &'a Main<'c>, coding: Coding<'a, 'c>, tile: Int<'c>) -> Self {
        Tile { s, coding, count: main.count, area: main.tile(tile), main }
    }

    /// Bits of a component's samples.
    pub fn depth(&self, k: Int<'c>) -> Int<'c> {
        self.main.depth(self.s, k)
    }

    /// A component's part of the tile.
    pub fn component(&self, k: Int<'c>) -> [Int<'c>; 4] {
        let [x, y] = self.main.steps(self.s, k).map(|v| v.max(1));
        let [left, top, right, bottom] = self.area;
        [left.over_up(x), top.over_up(y), right.over_up(x), bottom.over_up(y)]
    }

    /// The area of resolution `r`.
    pub fn resolution(&self, k: Int<'c>, r: Int<'c>) -> [Int<'c>; 4] {
        let by = self.coding.halvings(k) - r;
        self.component(k).map(|v| up(v, by))
    }

    /// The area of a subband: 0 is the lowest resolution, 1 to 3 are the right, lower and diagonal differences of `r`.
    pub fn band(&self, k: Int<'c>, r: Int<'c>, kind: Int<'c>) -> [Int<'c>; 4] {
        let lowest = kind.eq(0);
        let by = self.coding.halvings(k) - r + lowest.pick(0, 1);
        let half = (self.s.c.int(1) << by) >> 1;
        let [x, y] = [(kind & 1) * half, (kind >> 1) * half];
        let [left, top, right, bottom] = self.component(k);
        [up(left - x, by), up(top - y, by), up(right - x, by), up(bottom - y, by)]
    }

    pub fn precincts(&self, k: Int<'c>, r: Int<'c>) -> Precincts<'c> {
        let log = self.coding.precinct(k, r);
        let [left, top, right, bottom] = self.resolution(k, r);
        let first = [left >> log[0], top >> log[1]];
        let along = |from: Int<'c>, to: Int<'c>, i: usize| to.gt(from).pick(up(to, log[i]) - first[i], 0);
        Precincts { log, first, across: along(left, right, 0), down: along(top, bottom, 1) }
    }

    /// The code-blocks of precinct `p` in a subband.
    pub fn grid(&self, k: Int<'c>, r: Int<'c>, kind: Int<'c>, p: Int<'c>) -> Grid<'c> {
        let of = self.precincts(k, r);
        let row = p.over(of.across.max(1));
        let at = [of.first[0] + p - row * of.across, of.first[1] + row];
        let half = kind.gt(0).int();
        let size = of.log.map(|log| log - half);
        let log = [0, 1].map(|i| self.coding.block(k)[i].min(size[i]));
        let band = self.band(k, r, kind);
        let area = [0, 1, 2, 3].map(|i| {
            let edge = (at[i % 2] + i64::from(i > 1)) << size[i % 2];
            if i > 1 { edge.min(band[i]) } else { edge.max(band[i]) }
        });
        let empty = area[2].le(area[0]) | area[3].le(area[1]);
        let first = [area[0] >> log[0], area[1] >> log[1]];
        let [across, down] = [0, 1].map(|i| empty.pick(0, up(area[i + 2], log[i]) - first[i]));
        Grid { log, first, across, down, area }
    }

    /// A component's subbands in order: calls `body` with the resolution and the kind.
    pub fn each_band(&self, k: Int<'c>, body: impl FnOnce(Int<'c>, Int<'c>)) {
        let c = self.s.c;
        c.each(0, self.coding.halvings(k) + 1, |r| self.bands_of(r, |kind| body(r, kind)));
    }

    /// The kinds of a resolution's subbands.
    pub fn bands_of(&self, r: Int<'c>, body: impl FnOnce(Int<'c>)) {
        self.s.c.each(r.gt(0).int(), r.gt(0).pick(4, 1), body);
    }
}

impl<'c> Grid<'c> {
    /// The area of a code-block of the precinct.
    pub fn block(&self, x: Int<'c>, y: Int<'c>) -> [Int<'c>; 4] {
        let at = [self.first[0] + x, self.first[1] + y];
        [0, 1, 2, 3].map(|i| {
            let edge = (at[i % 2] + i64::from(i > 1)) << self.log[i % 2];
            if i > 1 { edge.min(self.area[i]) } else { edge.max(self.area[i]) }
        })
    }
}

/// How much memory a tile needs.
pub(super) struct Needs<'c> {
    pub precincts: Variable<'c>,
    pub blocks: Variable<'c>,
    /// Parts of code-blocks' data that there may be.
    pub chunks: Variable<'c>,
    pub samples: Variable<'c>,
    /// A row or column of any component.
    pub line: Int<'c>,
}

/// Numbers of a part of a code-block's data.
pub(super) const CHUNK: i64 = 4;
/// Samples of a code-block.
pub(super) const MOST: i64 = 4096;

impl<'c> Needs<'c> {
    pub fn new(tile: &Tile<'_, 'c>) -> Self {
        let c = tile.s.c;
        let [precincts, blocks, chunks, samples] = ["precincts", "blocks", "chunks", "samples"].map(|n| c.var(n, 0));
        c.each(0, tile.count, |k| {
            let [left, top, right, bottom] = tile.component(k);
            samples.add((right - left) * (bottom - top));
            let before = blocks.now();
            c.each(0, tile.coding.halvings(k) + 1, |r| {
                let of = tile.precincts(k, r);
                precincts.add(of.across * of.down);
                tile.bands_of(r, |kind| {
                    // All precincts' code-blocks are those of the subband.
                    let log = [0, 1].map(|i| tile.coding.block(k)[i].min(of.log[i] - kind.gt(0).int()));
                    let [left, top, right, bottom] = tile.band(k, r, kind);
                    let along = |from: Int<'c>, to: Int<'c>, log| to.gt(from).pick(up(to, log) - (from >> log), 0);
                    blocks.add(along(left, right, log[0]) * along(top, bottom, log[1]));
                });
            });
            // With ends of segments in between, each pass may be a part.
            let split = (tile.coding.passes(k) & 5).ne(0);
            chunks.add((blocks - before) * tile.coding.layers() * split.pick(164, 1));
        });
        // And a part takes three bits of a packet's header at least.
        chunks.set(chunks.min(tile.s.len * 3));
        let [left, top, right, bottom] = tile.area;
        Needs { precincts, blocks, chunks, samples, line: right - left + bottom - top }
    }

    pub fn words(&self) -> Int<'c> {
        let blocks = self.blocks * (BLOCK + 2 * NODES);
        self.precincts * PRECINCT + blocks + self.chunks * CHUNK + self.line + self.samples + MOST
    }
}

/// Where a tile's numbers are.
pub(super) struct Places<'c> {
    pub t: Memory<'c>,
    /// The first precinct of each resolution of each component.
    pub resolutions: i64,
    pub precincts: Int<'c>,
    pub blocks: Int<'c>,
    pub trees: Int<'c>,
    pub chunks: Int<'c>,
    pub line: Int<'c>,
    pub block: Int<'c>,
    pub samples: Int<'c>,
}

impl<'c> Places<'c> {
    pub fn new(t: Memory<'c>, resolutions: i64, first: Int<'c>, needs: &Needs<'c>) -> Self {
        let blocks = first + needs.precincts * PRECINCT;
        let trees = blocks + needs.blocks * BLOCK;
        let chunks = trees + needs.blocks * (2 * NODES);
        let line = chunks + needs.chunks * CHUNK;
        let block = line + needs.line;
        Places { t, resolutions, precincts: first, blocks, trees, chunks, line, block, samples: block + MOST }
    }

    /// The place of a precinct.
    pub fn precinct(&self, k: Int<'c>, r: Int<'c>, p: Int<'c>) -> Int<'c> {
        self.precincts + (self.t.at(k * RESOLUTIONS + r + self.resolutions) + p) * PRECINCT
    }

    /// The number of a precinct's first code-block in a subband.
    pub fn first_block(&self, k: Int<'c>, r: Int<'c>, kind: Int<'c>, p: Int<'c>) -> Int<'c> {
        self.t.at(self.precinct(k, r, p) + kind.max(1))
    }

    /// Numbers the code-blocks, of which nothing is known yet.
    pub fn clear(&self, tile: &Tile<'_, 'c>, needs: &Needs<'c>) {
        let (c, t) = (tile.s.c, self.t);
        let (precincts, blocks) = (c.var("precincts", 0), c.var("blocks", 0));
        c.each(0, tile.count, |k| {
            c.each(0, tile.coding.halvings(k) + 1, |r| {
                t.put(k * RESOLUTIONS + r + self.resolutions, precincts);
                let of = tile.precincts(k, r);
                let count = of.across * of.down;
                precincts.add(count);
                c.each(0, count, |p| {
                    let place = self.precinct(k, r, p);
                    t.put(place, 0);
                    tile.bands_of(r, |kind| {
                        t.put(place + kind.max(1), blocks);
                        let grid = tile.grid(k, r, kind, p);
                        blocks.add(grid.across * grid.down);
                    });
                });
            });
        });
        t.fill(self.blocks, needs.blocks * (BLOCK + 2 * NODES), 0);
        t.fill(self.samples, needs.samples, 0);
    }
}
