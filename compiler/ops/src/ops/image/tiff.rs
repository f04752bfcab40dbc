//! TIFF 6.0, the first image: grey, palette, and red, green and blue, of 1, 2, 4, 8 or 16 bits, in strips, in one plane or one
//! a channel; uncompressed, PackBits, LZW or DEFLATE, with or without differences of bytes. Tiles, JPEG, facsimile, CMYK,
//! YCbCr, floats and reversed bits aren't decoded.

mod packed;

use super::stream::{Info, Stream, broken_if};
use super::{Format, Work};
use crate::code::{Bool, Int, Variable};

pub(super) const FORMAT: Format = Format { name: "tiff", signature, probe, decode, figures: None };

fn signature<'c>(s: &Stream<'c>) -> Bool<'c> {
    s.has(0, b"II\x2a\0") | s.has(0, b"MM\0\x2a")
}

/// `count` bytes at a place, in the stream's order.
fn number<'c>(s: &Stream<'c>, at: Int<'c>, count: i64) -> Int<'c> {
    s.byte(0).eq(i64::from(b'I')).pick(s.little(at, count), s.big(at, count))
}

/// A list of numbers: where it is, of which type, how many there are.
#[derive(Clone, Copy)]
struct Entry<'c> {
    at: Variable<'c>,
    long: Variable<'c>,
    count: Variable<'c>,
}

impl<'c> Entry<'c> {
    fn get(&self, s: &Stream<'c>, i: Int<'c>) -> Int<'c> {
        let long = self.long.eq(1);
        long.pick(number(s, self.at + i * 4, 4), number(s, self.at + i * 2, 2))
    }
}

/// What the directory says.
struct Header<'c> {
    width: Variable<'c>,
    height: Variable<'c>,
    bits: Variable<'c>,
    compression: Variable<'c>,
    photometric: Variable<'c>,
    samples: Variable<'c>,
    rows: Variable<'c>,
    planar: Variable<'c>,
    predictor: Variable<'c>,
    order: Variable<'c>,
    format: Variable<'c>,
    tiles: Variable<'c>,
    offsets: Entry<'c>,
    sizes: Entry<'c>,
    colors: Entry<'c>,
}

fn header<'c>(s: &Stream<'c>) -> Header<'c> {
    let c = s.c;
    let list = |name: &str| Entry { at: c.var(name, 0), long: c.var("long", 0), count: c.var("count", 0) };
    let h = Header {
        width: c.var("width", 0),
        height: c.var("height", 0),
        bits: c.var("bits", 1),
        compression: c.var("compression", 1),
        photometric: c.var("photometric", 1),
        samples: c.var("samples", 1),
        rows: c.var("rows", 1 << 30),
        planar: c.var("planar", 1),
        predictor: c.var("predictor", 1),
        order: c.var("order", 1),
        format: c.var("format", 1),
        tiles: c.var("tiles", 0),
        offsets: list("offsets"),
        sizes: list("sizes"),
        colors: list("colors"),
    };
    // The tags (TIFF 6.0, section 8).
    let single = [
        (256, h.width),
        (257, h.height),
        (258, h.bits),
        (259, h.compression),
        (262, h.photometric),
        (266, h.order),
        (277, h.samples),
        (278, h.rows),
        (284, h.planar),
        (317, h.predictor),
        (322, h.tiles),
        (339, h.format),
    ];
    let lists = [(273, h.offsets), (279, h.sizes), (320, h.colors)];
    let directory = number(s, c.int(4), 4);
    c.each(0, number(s, directory, 2), |k| {
        let at = directory + 2 + k * 12;
        let (tag, kind, count) = (number(s, at, 2), number(s, at + 2, 2), number(s, at + 4, 4));
        let (short, long) = (kind.eq(3), kind.eq(4));
        let inside = (count * long.pick(4, 2)).le(4);
        let place = inside.pick(at + 8, number(s, at + 8, 4));
        let value = long.pick(number(s, place, 4), number(s, place, 2));
        c.when(short | long, || {
            for (number, v) in single {
                v.set(tag.eq(number).pick(value, v));
            }
            for (number, e) in lists {
                c.when(tag.eq(number), || {
                    e.at.set(place);
                    e.long.set(long.int());
                    e.count.set(count);
                });
            }
        });
    });
    h.rows.set(h.rows.max(1).min(h.height));
    h
}

impl<'c> Header<'c> {
    /// Bytes of a row of a plane.
    fn row(&self) -> Int<'c> {
        let samples = self.planar.eq(2).pick(1, self.samples);
        (self.width * samples * self.bits + 7) >> 3
    }
    fn planes(&self) -> Int<'c> {
        self.planar.eq(2).pick(self.samples, 1)
    }
}

fn probe<'c>(s: &Stream<'c>, info: &Info<'c>) {
    let h = header(s);
    info.check_size(h.width.now(), h.height.now());
    let (b, p, n) = (h.bits, h.compression, h.samples);
    let bits = b.eq(1) | b.eq(2) | b.eq(4) | b.eq(8) | b.eq(16);
    let packed = p.eq(1) | p.eq(5) | p.eq(8) | p.eq(32946) | p.eq(32773);
    let gray = h.photometric.le(1) & n.ge(1);
    let rgb = h.photometric.eq(2) & n.ge(3) & b.ge(8);
    let palette = h.photometric.eq(3) & n.ge(1) & b.le(8);
    let plain = h.predictor.eq(1) | (h.predictor.eq(2) & b.eq(8));
    info.refuse_if(!(bits & packed & (gray | rgb | palette) & plain));
    info.refuse_if(h.tiles.ne(0) | h.order.ne(1) | h.format.ne(1) | n.gt(8) | !(h.planar.eq(1) | h.planar.eq(2)));
    let total = h.row() * h.height * h.planes();
    info.check_ratio(total, s, 4096);
    info.accept(h.width.now(), h.height.now(), total, 0);
}

fn decode(w: &Work) {
    let (c, s) = (w.c, &w.stream);
    let h = header(s);
    let (row, planes) = (h.row(), h.planes());
    let strips = h.height.over_up(h.rows);
    let missing = h.offsets.count.lt(strips * planes) | h.sizes.count.lt(strips * planes);
    broken_if(c, missing | (h.photometric.eq(3) & h.colors.count.lt((c.int(1) << h.bits) * 3)));
    let start = c.var("start", 0);
    c.each(0, strips * planes, |k| {
        let (offset, size) = (h.offsets.get(s, k), h.sizes.get(s, k));
        broken_if(c, (offset + size).gt(s.len));
        // A plane's last strip has the rows that are left.
        let number = k - k.over(strips) * strips;
        let rows = h.rows.min(h.height - number * h.rows);
        let end = start + rows * row;
        packed::unpack(w, h.compression.now(), [offset, offset + size], [start.now(), end]);
        start.set(end);
    });
    c.when(h.predictor.eq(2), || {
        let step = h.planar.eq(2).pick(1, h.samples);
        c.each(0, h.height * planes, |y| {
            c.each(step, row, |x| {
                let at = y * row + x;
                w.bytes.put(at, w.bytes.at(at) + w.bytes.at(at - step));
            });
        });
    });
    c.each(0, h.height, |y| c.each(0, h.width, |x| pixel(w, &h, x, y)));
}

fn pixel<'c>(w: &Work<'c>, h: &Header<'c>, x: Int<'c>, y: Int<'c>) {
    let (c, s) = (w.c, &w.stream);
    let (bits, few, apart) = (h.bits.now(), h.bits.lt(8), h.planar.eq(2));
    let row = h.row();
    let mask = few.pick((c.int(1) << bits) - 1, 255);
    // The upper byte of 16 bits is the second one in little-endian order.
    let upper = (bits.eq(16) & s.byte(0).eq(i64::from(b'I'))).int();
    let sample = |k: Int<'c>| {
        let line = apart.pick(k * h.height + y, y) * row;
        let bit = apart.pick(x, x * h.samples + k) * bits;
        let shift = few.pick(c.int(8) - bits - (bit & 7), 0);
        (w.bytes.at(line + (bit >> 3) + upper) >> shift) & mask
    };
    let at = y * h.width + x;
    let v = sample(c.int(0));
    c.choose(
        h.photometric.eq(3),
        || {
            let plane = c.int(1) << bits;
            w.pixels.put(at, [0, 1, 2].map(|k| h.colors.get(s, plane * k + v) >> 8));
        },
        || {
            let three = h.photometric.eq(2);
            let scale = c.int(255).over(mask);
            let [r, g, b] = [0, 1, 2].map(|k| sample(three.pick(k, 0)) * scale);
            let white = h.photometric.eq(0);
            w.pixels.put(at, [r, g, b].map(|v| white.pick(c.int(255) - v, v)));
        },
    );
}
