//! PNG (ISO/IEC 15948): every colour type and depth, interlaced or not. Checksums of chunks are checked. Does NOT
//! apply transparency and gamma. A colour that the palette doesn't have is black.

use super::inflate::Inflate;
use super::stream::{Info, Stream, broken_if};
use super::{Format, Work};
use crate::code::{Int, Memory, Variable};

pub(super) const FORMAT: Format =
    Format { name: "png", signature: |s| s.has(0, b"\x89PNG\r\n\x1a\n"), probe, decode, figures: None, inner: false };

/// Where the table of checksums is, behind what `inflate` needs.
const CHECKSUMS: i64 = 1024;

/// What IHDR says.
#[derive(Clone, Copy)]
struct Header<'c> {
    width: Int<'c>,
    height: Int<'c>,
    depth: Int<'c>,
    /// 0 grey, 2 red, green and blue, 3 palette, 4 and 6 with alpha.
    color: Int<'c>,
    interlaced: Int<'c>,
    /// Bits of a pixel.
    bits: Int<'c>,
    channels: Int<'c>,
}

fn header<'c>(s: &Stream<'c>) -> Header<'c> {
    let (depth, color) = (s.byte(24), s.byte(25));
    let channels = color.eq(2).pick(3, color.eq(4).pick(2, color.eq(6).pick(4, 1)));
    let (width, height) = (s.big(16, 4), s.big(20, 4));
    Header { width, height, depth, color, interlaced: s.byte(28), bits: depth * channels, channels }
}

/// One of the images that an interlaced one is made of: first row and column, and the distances between them.
struct Pass<'c> {
    x: Int<'c>,
    y: Int<'c>,
    dx: Int<'c>,
    dy: Int<'c>,
    width: Int<'c>,
    height: Int<'c>,
    /// Bytes of a row, without the filter's.
    row: Int<'c>,
}

impl<'c> Header<'c> {
    fn passes(&self) -> Int<'c> {
        self.interlaced.eq(1).pick(7, 1)
    }

    /// Adam7; the numbers of a pass are 4 bits each. Without it there is one pass of everything.
    fn pass(&self, k: Int<'c>) -> Pass<'c> {
        let of = |all: i64, alone: i64| {
            let digits = k.constant(all);
            self.interlaced.eq(1).pick((digits >> (k * 4)) & 15, alone)
        };
        let (x, y, dx, dy) = (of(0x010_2040, 0), of(0x102_0400, 0), of(0x122_4488, 1), of(0x224_4888, 1));
        let width = (self.width - x).max(0).over_up(dx);
        let height = (self.height - y).max(0).over_up(dy);
        Pass { x, y, dx, dy, width, height, row: (width * self.bits + 7) >> 3 }
    }
}

fn probe<'c>(s: &Stream<'c>, info: &Info<'c>) {
    let (c, h) = (s.c, header(s));
    info.break_if(!s.has(12, b"IHDR") | (s.byte(26) | s.byte(27)).ne(0) | h.interlaced.gt(1));
    let d = h.depth;
    let bytes = d.eq(8) | d.eq(16);
    let few = d.eq(1) | d.eq(2) | d.eq(4);
    let gray = h.color.eq(0) & (bytes | few);
    let palette = h.color.eq(3) & (few | d.eq(8));
    let full = (h.color.eq(2) | h.color.eq(4) | h.color.eq(6)) & bytes;
    info.break_if(!(gray | palette | full));
    info.check_size(h.width, h.height);
    let total = c.var("total", 0);
    c.each(0, h.passes(), |k| {
        let p = h.pass(k);
        c.when(p.width.gt(0), || total.add((p.row + 1) * p.height));
    });
    info.check_ratio(total.now(), s, 1032);
    info.accept(h.width, h.height, total, 0);
}

fn decode(w: &Work) {
    let (c, s, h) = (w.c, &w.stream, header(&w.stream));
    let (palette, entries, first) = (c.var("palette", 0), c.var("entries", 0), c.var("first", 0));
    chunks(w, palette, entries, first);
    broken_if(c, first.eq(0) | (h.color.eq(3) & entries.eq(0)));
    // The stream goes on from one chunk of data to the next.
    let at = c.var("from", first + 8);
    let left = c.var("left", s.big(first, 4));
    let next = || {
        c.while_true(
            || left.eq(0),
            || {
                broken_if(c, (at + 12).gt(s.len) | s.big(at + 8, 4).ne(i64::from(u32::from_be_bytes(*b"IDAT"))));
                left.set(s.big(at + 4, 4));
                at.add(12);
            },
        );
        left.add(-1);
        at.add(1);
        s.byte(at - 1)
    };
    let total = w.info.get(Info::BYTES);
    let end = Inflate::new(c, &next, w.bytes, w.tables).run(c.int(0), total);
    broken_if(c, end.lt(total));
    let from = c.var("pass", 0);
    c.each(0, h.passes(), |k| {
        let p = h.pass(k);
        c.when(p.width.gt(0), || {
            c.each(0, p.height, |y| {
                unfilter(w, h, &p, from.now(), y);
                row(w, h, &p, from + 1, y, palette, entries);
                from.add(p.row + 1);
            });
        });
    });
}

/// Looks at every chunk up to the end: its checksum, where the palette is, and the first data.
fn chunks<'c>(w: &Work<'c>, palette: Variable<'c>, entries: Variable<'c>, first: Variable<'c>) {
    let (c, s, t) = (w.c, &w.stream, w.tables);
    checksums(c, t);
    let at = c.var("chunk", 8);
    c.while_true(
        || (at + 12).le(s.len),
        || {
            let (size, kind) = (s.big(at, 4), s.big(at + 4, 4));
            broken_if(c, (at + 12 + size).gt(s.len));
            // CRC-32 of kind and data (RFC 2083, appendix 15).
            let crc = c.var("crc", 0xffff_ffff);
            let start = at + 4;
            c.each(start, start + size + 4, |i| {
                let k = (crc ^ s.byte(i)) & 255;
                crc.set((t.at(k + CHECKSUMS) & 0xffff_ffff) ^ (crc >> 8));
            });
            broken_if(c, (crc ^ 0xffff_ffff).ne(s.big(at + 8 + size, 4)));
            let is = |name: &[u8; 4]| kind.eq(i64::from(u32::from_be_bytes(*name)));
            c.when(is(b"PLTE"), || {
                palette.set(at + 8);
                entries.set(size.over(3));
            });
            c.when(is(b"IDAT") & first.eq(0), || first.set(at));
            c.when(is(b"IEND"), || c.stop());
            at.add(size + 12);
        },
    );
}

/// CRC-32 of each byte.
fn checksums<'c>(c: &'c crate::code::Code, t: Memory<'c>) {
    c.each(0, 256, |i| {
        let v = c.var("v", i);
        c.each(0, 8, |_| v.set((v & 1).eq(1).pick((v >> 1) ^ 0xedb8_8320, v >> 1)));
        t.put(i + CHECKSUMS, v);
    });
}

/// Puts the bytes of a row, whose filter is at `from`, back to what they were.
fn unfilter<'c>(w: &Work<'c>, h: Header<'c>, p: &Pass<'c>, from: Int<'c>, y: Int<'c>) {
    let (c, m) = (w.c, w.bytes);
    let filter = m.at(from);
    broken_if(c, filter.gt(4));
    let pixel = ((h.bits + 7) >> 3).max(1);
    c.when(filter.ne(0), || {
        c.each(0, p.row, |i| {
            let here = from + 1 + i;
            let (left, up, corner) = (c.var("left", 0), c.var("up", 0), c.var("corner", 0));
            c.when(i.ge(pixel), || left.set(m.at(here - pixel)));
            c.when(y.gt(0), || {
                up.set(m.at(here - p.row - 1));
                c.when(i.ge(pixel), || corner.set(m.at(here - p.row - 1 - pixel)));
            });
            let [a, b, d] = [left, up, corner].map(Variable::now);
            // Paeth: the one of the three that is nearest to a + b - d, the first of equals.
            let far = |v: Int<'c>| {
                let by = a + b - d - v;
                by.max(c.int(0) - by)
            };
            let (fa, fb, fd) = (far(a), far(b), far(d));
            let paeth = (fa.le(fb) & fa.le(fd)).pick(a, fb.le(fd).pick(b, d));
            let guess = filter.eq(1).pick(a, filter.eq(2).pick(b, filter.eq(3).pick((a + b) >> 1, paeth)));
            m.put(here, m.at(here) + guess);
        });
    });
}

/// The pixels of a row whose bytes begin at `from`.
fn row<'c>(
    w: &Work<'c>,
    h: Header<'c>,
    p: &Pass<'c>,
    from: Int<'c>,
    y: Int<'c>,
    palette: Variable<'c>,
    entries: Variable<'c>,
) {
    let (c, s) = (w.c, &w.stream);
    let few = h.depth.lt(8);
    let mask = few.pick((c.int(1) << h.depth) - 1, 255);
    let scale = c.int(255).over(mask);
    c.each(0, p.width, |x| {
        let sample = |k: Int<'c>| {
            let bit = (x * h.channels + k) * h.depth;
            let shift = few.pick(c.int(8) - h.depth - (bit & 7), 0);
            (w.bytes.at(from + (bit >> 3)) >> shift) & mask
        };
        let pixel = (p.y + y * p.dy) * h.width + p.x + x * p.dx;
        let v = sample(c.int(0));
        c.choose(
            h.color.eq(3),
            || {
                let rgb = [0, 1, 2].map(|k| s.byte(palette + v * 3 + k));
                w.pixels.put(pixel, rgb.map(|part| v.lt(entries).pick(part, 0)));
            },
            || {
                let three = h.channels.ge(3);
                let [g, b] = [1, 2].map(|k| three.pick(sample(three.pick(k, 0)), v));
                // Grey of 16 bits is kept to 8 and isn't scaled.
                let wide = h.color.eq(0) & h.depth.eq(16);
                let lower = w.bytes.at(wide.pick(from + x * 2 + 1, from));
                let all = (v << 8) | lower;
                let rgb = [v, g, b].map(|part| wide.pick(all.min(255), part * scale));
                w.pixels.put(pixel, rgb);
            },
        );
    });
}
