//! The boxes of a JP2 file (annex I): where the codestream is, and what its components stand for, as Pillow decides it.

use super::super::stream::{Info, Stream};
use crate::code::{Bool, Code, Int, Memory, Variable};

/// What the components stand for.
pub(super) mod kind {
    /// Shades, of at most 8 bits or rounded to as many.
    pub const GRAY: i64 = 0;
    /// Shades of more bits, which become 16.
    pub const WIDE_GRAY: i64 = 1;
    /// Places of a palette.
    pub const PALETTE: i64 = 2;
    pub const RGB: i64 = 3;
    pub const YCC: i64 = 4;
    pub const CMYK: i64 = 5;
}

/// What boxes say.
pub(super) struct Boxes<'c> {
    c: &'c Code,
    /// Where the codestream begins.
    pub start: Variable<'c>,
    /// Where the header's box is, and its end; 0 in a bare codestream.
    header: Variable<'c>,
    /// The contents of boxes: the image's size, the first one of colours, the palette. 0: absent.
    size: Variable<'c>,
    colors: Variable<'c>,
    palette: Variable<'c>,
}

fn name(n: &[u8; 4]) -> i64 {
    i64::from(u32::from_be_bytes(*n))
}

/// Calls `body` with the name, the contents and the end of each box from `at` to `end`.
fn each<'c>(s: &Stream<'c>, at: Variable<'c>, end: Int<'c>, body: impl FnOnce(Int<'c>, Int<'c>, Int<'c>)) {
    let c = s.c;
    c.while_true(
        || (at + 8).le(end),
        || {
            let size = s.big(at, 4);
            // Size 0: to the end, 1: eight bytes say it, of which four are 0.
            let long = size.eq(1);
            let size = size.eq(0).pick(end - at, long.pick(s.big(at + 12, 4), size));
            let (first, next) = (at + long.pick(16, 8), at + size);
            body(s.big(at + 4, 4), first, next);
            c.when(next.lt(first), || c.stop());
            at.set(next);
        },
    );
}

impl<'c> Boxes<'c> {
    pub fn new(s: &Stream<'c>) -> Self {
        let c = s.c;
        let [start, header, size, colors, palette] =
            ["start", "header", "size", "colors", "palette"].map(|n| c.var(n, 0));
        let boxes = Boxes { c, start, header, size, colors, palette };
        c.when(s.byte(0).eq(0), || {
            let last = c.var("last", 0);
            each(s, c.var("box", 0), s.len, |kind, first, next| {
                c.when(kind.eq(name(b"jp2h")) & header.eq(0), || {
                    header.set(first);
                    last.set(next.min(s.len));
                });
                c.when(kind.eq(name(b"jp2c")) & start.eq(0), || start.set(first));
            });
            each(s, c.var("box", header), last.now(), |kind, first, _| {
                for (n, v) in [(b"ihdr", size), (b"colr", colors), (b"pclr", palette)] {
                    c.when(kind.eq(name(n)) & v.eq(0), || v.set(first));
                }
            });
        });
        boxes
    }

    /// Leaves the probe where a file lacks what it must have, or says another size than the codestream.
    pub fn check(&self, s: &Stream<'c>, info: &Info<'c>, width: Int<'c>, height: Int<'c>) {
        let file = s.byte(0).eq(0);
        let there = self.start.gt(0) & self.size.gt(0) & self.colors.gt(0);
        let agrees = s.big(self.size, 4).eq(height) & s.big(self.size + 4, 4).eq(width);
        info.break_if(file & !(there & agrees));
    }

    /// What `count` components of the first one's depth stand for; -1: Pillow has no image of that kind. `halved` is the
    /// first component that has fewer samples than the image, or `count`.
    pub fn kind(&self, s: &Stream<'c>, count: Int<'c>, depth: Int<'c>, halved: Int<'c>) -> Int<'c> {
        let c = self.c;
        let file = self.header.gt(0);
        // A number of a colour space; profiles aren't looked at.
        let named = self.colors.gt(0) & s.byte(self.colors).eq(1);
        let number = named.pick(s.big(self.colors + 3, 4), 0);
        let known = number.eq(12) | (number.ge(16) & number.le(18)) | number.eq(24);
        let chroma = (halved.eq(1) | halved.eq(2)) & halved.lt(count);
        let space = known.pick(number, count.le(2).pick(17, chroma.pick(18, 16)));
        let (rgb, gray, ycc, cmyk) = (space.eq(16), space.eq(17), space.eq(18), space.eq(12));
        // A file's depth is one less than it is.
        let wide = file.pick((s.byte(self.size + 10) & 0x7f).gt(8).int(), depth.gt(8).int());
        let shades = gray.pick((count.eq(1) & wide.eq(1)).pick(kind::WIDE_GRAY, kind::GRAY), -1);
        // A palette counts unless shades are asked for.
        let shaded = named & (number.eq(0) | number.eq(15) | number.eq(17));
        let indexed = (rgb | (cmyk & count.eq(1))).pick(kind::PALETTE, -1);
        let few = (self.palette.gt(0) & !shaded).pick(indexed, shades);
        let few = halved.eq(count).pick(few, -1);
        let rgb = rgb | (gray & count.eq(4));
        let more = rgb.pick(kind::RGB, ycc.pick(kind::YCC, (cmyk & count.eq(4)).pick(kind::CMYK, -1)));
        let same = !file | s.big(self.size + 8, 2).eq(count);
        let v = c.var("kind", count.le(2).pick(few, more));
        c.when(!same | count.lt(1) | count.gt(4), || v.set(-1));
        v.now()
    }

    /// Puts the palette's colours from `at` of a table on, four numbers each, 256 in all; as Pillow does, a colour that was
    /// there before has no place of its own.
    pub fn palette(&self, s: &Stream<'c>, t: Memory<'c>, at: i64) {
        let c = self.c;
        let (entries, columns) = (s.big(self.palette, 2), s.byte(self.palette + 2));
        let count = c.var("count", 0);
        t.fill(at, 4 * 256, 0);
        c.each(0, entries.min(1024), |k| {
            let entry = self.palette + columns + 3 + k * columns;
            let color = [0, 1, 2, 3].map(|k| columns.gt(k).pick(s.byte(entry + k), 0));
            let old = c.var("old", 0);
            c.each(0, count, |k| {
                let same = color.iter().zip(0..).map(|(v, i)| t.at(k * 4 + (at + i)).eq(*v));
                let same = same.fold(c.truth(true), |all, v| all & v);
                old.set(old | same.int());
            });
            c.when(old.eq(0) & count.lt(256), || {
                color.into_iter().zip(0..).for_each(|(v, i)| t.put(count * 4 + (at + i), v));
                count.add(1);
            });
        });
    }

    /// Has the palette colours of RGB, perhaps with an alpha channel, in bytes? Others aren't decoded.
    pub fn plain_palette(&self, s: &Stream<'c>) -> Bool<'c> {
        let columns = s.byte(self.palette + 2);
        let deep =
            (0..4).fold(self.c.truth(false), |any, k| any | (columns.gt(k) & s.byte(self.palette + (k + 3)).gt(7)));
        let cmyk = s.byte(self.colors).eq(1) & s.big(self.colors + 3, 4).eq(12);
        (columns.eq(3) | (columns.eq(4) & !cmyk)) & !deep
    }
}
