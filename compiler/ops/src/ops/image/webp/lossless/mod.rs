//! WebP, lossless (RFC 9649, section 3): a stream of bits, lowest first, that says transforms and the image that they were
//! applied to. What a transform reads is an image of the same coding, and so are the numbers of prefix codes where those
//! change from one part of the image to the next.
//!
//! - `bits`: the stream.
//! - `groups`: the prefix codes. An image may have thousands of groups of them, so only some are kept: the others are read
//!   again where they are needed.
//! - `image`: pixels by their codes.
//! - `transform`: back to colours.
//!
//! Does NOT find the stream in its container (see `container`).

mod bits;
mod groups;
mod image;
mod transform;

pub(super) use image::near;

use super::super::Work;
use super::super::stream::{Info, Stream, broken_if};
use super::container::Picture;
use crate::code::{Code, Int, Memory, Variable};
use bits::Bits;
use groups::Groups;

/// Places in the words: transforms in their order, of four numbers each: kind, logarithm of a tile, width.
const TRANSFORMS: i64 = 0;
/// Colours of a palette.
const PALETTE: i64 = TRANSFORMS + 16;
/// The cache of colours.
const CACHE: i64 = PALETTE + 256;
/// Which group is in each slot.
const RESIDENT: i64 = CACHE + (1 << image::CACHE_BITS);
/// Where each group's codes are in the stream, in bits.
const OFFSETS: i64 = RESIDENT + groups::SLOTS;

/// The transforms' numbers in the stream.
const PREDICTOR: i64 = 0;
const COLOR: i64 = 1;
const GREEN: i64 = 2;
const INDEXING: i64 = 3;

/// A colour, its alpha in the upper of 32 bits.
fn color<'c>(t: Memory<'c>, at: Int<'c>) -> Int<'c> {
    t.at(at) & 0xffff_ffff
}

/// How many tiles of so many bits there are along an axis.
fn tiles<'c>(n: Int<'c>, log: Int<'c>) -> Int<'c> {
    (n + ((n.constant(1) << log) - 1)) >> log
}

/// Places in the words that hang on the image.
#[derive(Clone, Copy)]
struct Places<'c> {
    /// As many groups as there is room for.
    groups: Int<'c>,
    /// The most tiles that an image is cut into.
    tiles: Int<'c>,
    pixels: Int<'c>,
}

impl<'c> Places<'c> {
    fn of(s: &Stream<'c>, [width, height]: [Int<'c>; 2]) -> Self {
        let log = s.c.int(2);
        // A group is 20 bits at least.
        Places { groups: s.len.min(1 << 16), tiles: tiles(width, log) * tiles(height, log), pixels: width * height }
    }
    /// Tiles' numbers: of a transform, or of groups.
    fn of_kind(&self, k: impl crate::code::Whole<'c>) -> Int<'c> {
        self.groups + OFFSETS + self.tiles * k
    }
    fn entropy(&self) -> Int<'c> {
        self.of_kind(2)
    }
    fn image(&self) -> Int<'c> {
        self.of_kind(3)
    }
    fn words(&self) -> Int<'c> {
        self.image() + self.pixels
    }
}

pub(super) fn probe<'c>(s: &Stream<'c>, info: &Info<'c>, p: &Picture<'c>) {
    // The version is 0. Places in bits are 32 bits.
    info.break_if(s.byte(p.at).ne(0x2f) | (s.byte(p.at + 4) >> 5).ne(0));
    info.refuse_if(s.len.ge(1 << 28));
    let size = p.size(s);
    let [across, down] = p.canvas(info, size);
    info.check_size(across, down);
    let places = Places::of(s, size);
    info.accept(across, down, 0, groups::halves(places.tiles));
    info.set(Info::WORDS, places.words());
}

/// The image that is being read.
struct Task<'c> {
    /// A transform's kind, or one of those below.
    kind: Variable<'c>,
    width: Variable<'c>,
    height: Variable<'c>,
    /// Where its pixels go.
    first: Variable<'c>,
    /// Bits of the numbers of cached colours; 0: there are none.
    cache: Variable<'c>,
    /// Prefix codes.
    groups: Variable<'c>,
    /// The logarithm of the tiles of one group; -1: there is one group.
    tile: Variable<'c>,
}

/// The groups' numbers, the image itself, and the image whose groups' numbers are there.
const ENTROPY: i64 = 4;
const IMAGE: i64 = 5;
const TILED: i64 = 6;

/// What all parts of the decoder have.
struct Lossless<'a, 'c> {
    c: &'c Code,
    t: Memory<'c>,
    figures: Memory<'c>,
    bits: Bits<'a, 'c>,
    places: Places<'c>,
    task: Task<'c>,
    groups: Groups<'c>,
    /// How many transforms there are, which have been, and the width that they leave.
    count: Variable<'c>,
    seen: Variable<'c>,
    narrow: Variable<'c>,
    height: Int<'c>,
}

pub(super) fn decode<'c>(w: &Work<'c>, figures: Memory<'c>, p: &Picture<'c>) {
    let (c, s) = (w.c, &w.stream);
    let [width, height] = p.size(s);
    let places = Places::of(s, [width, height]);
    let var = |name| c.var(name, 0);
    let task = Task {
        kind: var("kind"),
        width: var("width"),
        height: var("height"),
        first: var("start"),
        cache: var("cache"),
        groups: var("groups"),
        tile: var("tile"),
    };
    let bits = Bits::new(s, p.end.now());
    // Behind the signature and the header.
    bits.seek((p.at + 5) << 3);
    let groups = Groups::new(w.halves, places.tiles);
    let [count, seen] = ["count", "seen"].map(var);
    let narrow = c.var("narrow", width);
    let l = Lossless { c, t: w.tables, figures, bits, places, task, groups, count, seen, narrow, height };
    l.images();
    l.revert(width);
    c.each(0, height, |y| {
        c.each(0, width, |x| {
            let v = w.tables.at(places.image() + y * width + x);
            let rgb = [v >> 16, v >> 8, v].map(|v| v & 255);
            w.pixels.put(p.place(&w.info, x, y), rgb);
        });
    });
}

impl<'c> Lossless<'_, 'c> {
    /// Reads all images, the one that is meant last.
    fn images(&self) {
        let (c, task) = (self.c, &self.task);
        let (kept, log) = (c.var("kept", 0), c.var("log", 0));
        c.repeat(|| {
            c.when(task.kind.lt(ENTROPY), || self.transforms());
            // The groups' numbers come behind what is told of the image's cache.
            c.when(task.kind.ne(TILED), || {
                self.cache();
                task.groups.set(1);
                task.tile.set(-1);
                c.when(task.kind.eq(IMAGE), || {
                    c.when(self.bits.take(1).eq(1), || {
                        kept.set(task.cache);
                        task.kind.set(ENTROPY);
                        log.set(self.bits.take(3) + 2);
                        task.width.set(tiles(self.narrow.now(), log.now()));
                        task.height.set(tiles(self.height, log.now()));
                        task.first.set(self.places.entropy());
                        self.cache();
                    });
                });
            });
            self.all_groups();
            self.pixels();
            c.when(task.kind.ge(IMAGE), || c.stop());
            c.when(task.kind.eq(INDEXING), || self.palette());
            c.when(task.kind.eq(ENTROPY), || {
                self.number_groups();
                self.target();
                task.kind.set(TILED);
                task.cache.set(kept);
                task.tile.set(log);
            });
        });
    }

    /// The image that is meant is next.
    fn target(&self) {
        let task = &self.task;
        task.kind.set(IMAGE);
        task.width.set(self.narrow);
        task.height.set(self.height);
        task.first.set(self.places.image());
    }

    /// Reads transforms up to one that has an image; else the image itself is next.
    fn transforms(&self) {
        let (c, task, bits) = (self.c, &self.task, &self.bits);
        c.repeat(|| {
            c.when(bits.take(1).eq(0), || {
                self.target();
                c.stop();
            });
            let kind = bits.take(2);
            // Each comes once at most.
            let flag = c.int(1) << kind;
            broken_if(c, (self.seen & flag).ne(0));
            self.seen.set(self.seen | flag);
            let indexing = kind.eq(INDEXING);
            let log = c.var("log", 0);
            let colors = c.var("colors", 0);
            c.when(indexing, || {
                colors.set(bits.take(8) + 1);
                // So many pixels are in one.
                log.set(colors.le(2).pick(3, colors.le(4).pick(2, colors.le(16).int())));
            });
            c.when(kind.lt(GREEN), || log.set(bits.take(3) + 2));
            let at = self.count * 4 + TRANSFORMS;
            [kind, log.now(), self.narrow.now()]
                .into_iter()
                .enumerate()
                .for_each(|(k, v)| self.t.put(at + k as i64, v));
            self.count.add(1);
            task.kind.set(kind);
            task.width.set(indexing.pick(colors, tiles(self.narrow.now(), log.now())));
            task.height.set(indexing.pick(1, tiles(self.height, log.now())));
            task.first.set(indexing.pick(PALETTE, self.places.of_kind(kind)));
            self.narrow.set(indexing.pick(tiles(self.narrow.now(), log.now()), self.narrow));
            c.when(kind.ne(GREEN), || c.stop());
        });
    }

    /// Whether colours are cached, and how many.
    fn cache(&self) {
        let (c, task) = (self.c, &self.task);
        task.cache.set(0);
        c.when(self.bits.take(1).eq(1), || {
            task.cache.set(self.bits.take(4));
            broken_if(c, task.cache.lt(1) | task.cache.gt(image::CACHE_BITS));
        });
    }

    /// A palette's colours are differences to the one before; those that aren't there are black.
    fn palette(&self) {
        let (c, t, count) = (self.c, self.t, self.task.width);
        c.each(1, 256, |i| {
            let here = i + PALETTE;
            let sum = transform::sum(color(t, here), color(t, here - 1));
            t.put(here, i.lt(count).pick(sum, 0));
        });
    }

    /// The groups' numbers are the red and green of colours; there are as many groups as the greatest says.
    fn number_groups(&self) {
        let (c, t, task) = (self.c, self.t, &self.task);
        task.groups.set(0);
        c.each(task.first, task.first + task.width * task.height, |at| {
            let group = (t.at(at) >> 8) & 0xffff;
            t.put(at, group);
            task.groups.set(task.groups.max(group + 1));
        });
        broken_if(c, task.groups.gt(self.places.groups));
    }
}
