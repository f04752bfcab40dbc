//! The first directory of a TIFF: what its tags say (TIFF 6.0, section 8; BigTIFF has places of 8 bytes).

use super::super::stream::Stream;
use crate::code::{Bool, Int, Variable};

/// `count` bytes at a place, in the stream's order.
pub(super) fn number<'c>(s: &Stream<'c>, at: Int<'c>, count: i64) -> Int<'c> {
    little(s).pick(s.little(at, count), s.big(at, count))
}

/// Are numbers lowest byte first?
pub(super) fn little<'c>(s: &Stream<'c>) -> Bool<'c> {
    s.byte(0).eq(i64::from(b'I'))
}

pub(super) fn signature<'c>(s: &Stream<'c>) -> Bool<'c> {
    let order = s.has(0, b"II") | s.has(0, b"MM");
    // 42 in the wrong order is taken as well.
    order & (s.has(2, &[42, 0]) | s.has(2, &[0, 42]) | is_big(s))
}

fn is_big<'c>(s: &Stream<'c>) -> Bool<'c> {
    s.has(0, b"II\x2b\0") | s.has(0, b"MM\0\x2b")
}

/// A list of numbers: where it is, bytes of each, how many there are.
#[derive(Clone, Copy)]
pub(super) struct Entry<'c> {
    pub at: Variable<'c>,
    size: Variable<'c>,
    pub count: Variable<'c>,
}

impl<'c> Entry<'c> {
    pub fn get(&self, s: &Stream<'c>, i: Int<'c>) -> Int<'c> {
        sized(s, self.at + i * self.size, self.size.now())
    }
}

/// A number of 1, 2, 4 or 8 bytes.
fn sized<'c>(s: &Stream<'c>, at: Int<'c>, size: Int<'c>) -> Int<'c> {
    let bits = size * 8;
    let mask = size.ge(8).pick(-1, (s.c.int(1) << bits.min(32)) - 1);
    let upper = size.ge(8).pick(0, s.c.int(64) - bits);
    little(s).pick(s.little(at, 8), s.big(at, 8) >> upper) & mask
}

/// What the directory says.
pub(super) struct Header<'c> {
    pub width: Variable<'c>,
    pub height: Variable<'c>,
    pub bits: Variable<'c>,
    pub compression: Variable<'c>,
    pub photometric: Variable<'c>,
    pub samples: Variable<'c>,
    pub rows: Variable<'c>,
    pub planar: Variable<'c>,
    pub predictor: Variable<'c>,
    pub order: Variable<'c>,
    pub orientation: Variable<'c>,
    pub format: Variable<'c>,
    /// What the first sample more than colours is; -1: nothing is told.
    pub extra: Variable<'c>,
    /// Flags of facsimile.
    pub fax: Variable<'c>,
    pub tile_width: Variable<'c>,
    pub tile_height: Variable<'c>,
    /// Strips or tiles.
    pub offsets: Entry<'c>,
    pub sizes: Entry<'c>,
    pub colors: Entry<'c>,
    /// Pixels across and down that share their chroma.
    pub shared: Entry<'c>,
    /// How chroma is made of colours, and its range.
    pub luma: Entry<'c>,
    pub range: Entry<'c>,
    /// Tables of all JPEG streams.
    pub jpeg: Entry<'c>,
}

fn empty<'c>(s: &Stream<'c>) -> Header<'c> {
    let c = s.c;
    let list = |name: &str| Entry { at: c.var(name, 0), size: c.var("size", 2), count: c.var("count", 0) };
    Header {
        width: c.var("width", 0),
        height: c.var("height", 0),
        bits: c.var("bits", 1),
        compression: c.var("compression", 1),
        photometric: c.var("photometric", 0),
        samples: c.var("samples", 1),
        rows: c.var("rows", 1 << 30),
        planar: c.var("planar", 1),
        predictor: c.var("predictor", 1),
        order: c.var("order", 1),
        orientation: c.var("orientation", 1),
        format: c.var("format", 1),
        extra: c.var("extra", -1),
        fax: c.var("fax", 0),
        tile_width: c.var("tile_width", 0),
        tile_height: c.var("tile_height", 0),
        offsets: list("offsets"),
        sizes: list("sizes"),
        colors: list("colors"),
        shared: list("shared"),
        luma: list("luma"),
        range: list("range"),
        jpeg: list("jpeg"),
    }
}

pub(super) fn read<'c>(s: &Stream<'c>) -> Header<'c> {
    let (c, h) = (s.c, empty(s));
    let single = [
        (256, h.width),
        (257, h.height),
        (258, h.bits),
        (259, h.compression),
        (262, h.photometric),
        (266, h.order),
        (274, h.orientation),
        (277, h.samples),
        (278, h.rows),
        (284, h.planar),
        (292, h.fax),
        (317, h.predictor),
        (322, h.tile_width),
        (323, h.tile_height),
        (338, h.extra),
        (339, h.format),
    ];
    let lists = [
        (273, h.offsets),
        (279, h.sizes),
        (320, h.colors),
        (324, h.offsets),
        (325, h.sizes),
        (347, h.jpeg),
        (529, h.luma),
        (530, h.shared),
        (532, h.range),
    ];
    let big = is_big(s);
    let place = big.pick(8, 4);
    let sized = |at: Int<'c>, size: Int<'c>| sized(s, at, size);
    let directory = sized(place, place);
    let entry = big.pick(20, 12);
    // No more entries than the stream has room for.
    let entries = sized(directory, big.pick(8, 2)).max(0).min(s.len >> 2);
    c.each(0, entries, |k| {
        let at = directory + big.pick(8, 2) + k * entry;
        let (tag, kind) = (number(s, at, 2), number(s, at + 2, 2));
        let count = sized(at + 4, place).max(0).min(1 << 40);
        // Bytes, numbers of 2, 4 and 8 bytes, pairs of numbers of 4, bytes of no meaning.
        let size = kind.eq(3).pick(2, kind.eq(4).pick(4, (kind.eq(16) | kind.eq(5)).pick(8, 1)));
        let known = kind.eq(1) | kind.ge(3) & kind.le(5) | kind.eq(7) | kind.eq(16);
        let value = at + 4 + place;
        let at = (count * size).le(place).pick(value, sized(value, place));
        c.when(known, || {
            let first = sized(at, size);
            for (number, v) in single {
                v.set(tag.eq(number).pick(first, v));
            }
            for (number, e) in lists {
                c.when(tag.eq(number), || {
                    e.at.set(at);
                    e.size.set(size);
                    e.count.set(count);
                });
            }
        });
    });
    h.rows.set(h.rows.max(1).min(h.height));
    h
}
