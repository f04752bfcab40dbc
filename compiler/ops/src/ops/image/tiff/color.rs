//! The samples of a block to colours, as Pillow converts them.

use super::super::Work;
use super::super::convert::{float, ink};
use super::Blocks;
use super::directory::{Header, little, number};
use crate::code::{Bool, Code, Int};

/// A pixel of a block.
struct Cell<'a, 'c> {
    w: &'a Work<'c>,
    h: &'a Header<'c>,
    blocks: &'a Blocks<'c>,
    x: Int<'c>,
    y: Int<'c>,
}

/// The pixels of a block that are inside of the image, of which the first is given.
pub(super) fn block<'c>(w: &Work<'c>, h: &Header<'c>, blocks: &Blocks<'c>, left: Int<'c>, top: Int<'c>) {
    let c = w.c;
    let gray = h.photometric.le(1) | (h.photometric.eq(6) & h.samples.eq(1));
    c.each(0, blocks.height.min(h.height - top), |y| {
        c.each(0, blocks.width.min(h.width - left), |x| {
            let at = turned(c, h, left + x, top + y);
            let cell = Cell { w, h, blocks, x, y };
            let rest = || c.choose(h.photometric.eq(6) & !gray, || cell.chroma(at), || cell.color(at));
            let few = || c.choose(h.photometric.eq(3), || cell.indexed(at), rest);
            c.choose(gray & h.bits.gt(8), || w.pixels.put(at, [cell.deep(); 3]), few);
        });
    });
}

/// The place of a pixel in the output, which is turned as the orientation says (TIFF 6.0, section 8).
pub(super) fn turned<'c>(c: &'c Code, h: &Header<'c>, x: Int<'c>, y: Int<'c>) -> Int<'c> {
    let is = |all: &[i64]| all.iter().fold(c.truth(false), |any, &k| any | h.orientation.eq(k));
    let x = is(&[2, 3, 7, 8]).pick(h.width - 1 - x, x);
    let y = is(&[3, 4, 6, 7]).pick(h.height - 1 - y, y);
    is(&[5, 6, 7, 8]).pick(x * h.height + y, y * h.width + x)
}

/// Is chroma made of luma as by default, and of the full range?
pub(super) fn is_usual<'c>(s: &super::Stream<'c>, h: &Header<'c>) -> Bool<'c> {
    let is = |e: super::directory::Entry<'c>, all: &[(i64, i64)]| {
        let equal = all.iter().enumerate().map(|(k, &(v, by))| {
            let [n, d] = [0, 4].map(|to| number(s, e.at + (8 * k as i64 + to), 4));
            (n * by).eq(d * v) & d.ne(0)
        });
        e.count.eq(0) | equal.fold(e.count.eq(all.len() as i64), |all, one| all & one)
    };
    let range = [(0, 1), (255, 1), (128, 1), (255, 1), (128, 1), (255, 1)];
    is(h.luma, &[(299, 1000), (587, 1000), (114, 1000)]) & is(h.range, &range)
}

impl<'c> Cell<'_, 'c> {
    /// The start of the cell's row in the plane of sample `k`, and the number of the sample in the row.
    fn row(&self, k: Int<'c>) -> [Int<'c>; 2] {
        let apart = self.h.planar.eq(2);
        let start = apart.pick(k * self.blocks.bytes, 0) + self.y * self.blocks.row;
        [start, self.x * self.blocks.samples + apart.pick(0, k)]
    }

    /// The 8 upper bits of a sample, or as many as there are.
    fn sample(&self, k: impl crate::code::Whole<'c>) -> Int<'c> {
        let (c, bits) = (self.w.c, self.h.bits.now());
        let [start, i] = self.row(c.int(0) + k);
        let upper = (bits.eq(16) & little(&self.w.stream)).int();
        let bit = i * bits;
        let shift = bits.lt(8).pick(c.int(8) - bits - (bit & 7), 0);
        (self.w.bytes.at(start + (bit >> 3) + upper) >> shift) & self.mask()
    }

    fn mask(&self) -> Int<'c> {
        (self.w.c.int(1) << self.h.bits.min(8)) - 1
    }

    fn indexed(&self, at: Int<'c>) {
        let (c, s) = (self.w.c, &self.w.stream);
        let (v, plane) = (self.sample(0), c.int(1) << self.h.bits);
        self.w.pixels.put(at, [0, 1, 2].map(|k| self.h.colors.get(s, plane * k + v) >> 8));
    }

    /// Grey, colours, or CMYK.
    fn color(&self, at: Int<'c>) {
        let (c, h) = (self.w.c, self.h);
        let three = h.photometric.ne(0) & h.photometric.ne(1) & h.photometric.ne(6);
        let scale = c.int(255).over(self.mask());
        let all = [0, 1, 2].map(|k| c.var("sample", self.sample(three.pick(k, 0)) * scale));
        let each = |f: &dyn Fn(Int<'c>) -> Int<'c>| all.iter().for_each(|v| v.set(f(v.now())));
        c.when(h.photometric.eq(0), || each(&|v| c.int(255) - v));
        c.when(h.photometric.eq(5), || {
            let black = self.sample(3);
            each(&|v| ink(v, black));
        });
        // Colours that were multiplied by alpha; libtiff takes a fourth plane for it.
        let alpha = h.extra.eq(1) | (h.extra.lt(0) & h.planar.eq(2) & h.compression.ne(1));
        c.when(h.photometric.eq(2) & h.samples.ge(4) & alpha, || {
            let alpha = self.sample(3);
            each(&|v| (v * 255).over(alpha).min(255));
        });
        self.w.pixels.put(at, all.map(|v| v.now()));
    }

    /// Grey of more than 8 bits, kept to what 8 bits hold.
    fn deep(&self) -> Int<'c> {
        let (c, h, m) = (self.w.c, self.h, self.w.bytes);
        let value = c.var("value", 0);
        let [start, i] = self.row(c.int(0));
        let twelve = || {
            let at = start + ((i * 12) >> 3);
            let both = (m.at(at) << 8) | m.at(at + 1);
            value.set((both >> (c.int(4) - ((i * 12) & 7))) & 0xfff);
        };
        let bytes = || {
            let size = h.bits >> 3;
            // Floats with differences: their upper bytes come first, see `super::predict`.
            let spread = h.predictor.eq(3) & h.compression.ne(1) & h.compression.ne(32773);
            let (first, step) = (spread.pick(start + i, start + i * size), spread.pick(self.blocks.row.over(size), 1));
            let up = little(&self.w.stream) & !spread;
            c.each(0, size, |k| {
                let k = up.pick(size - 1 - k, k);
                value.set((value << 8) | m.at(first + k * step));
            });
            let half = c.int(1) << (h.bits - 1);
            // Pillow keeps 32 bits with a sign.
            let signed = h.format.eq(2) | (h.format.eq(1) & h.bits.eq(32));
            let number = signed.pick((value ^ half) - half, value);
            value.set(h.format.eq(3).pick(float(value.now()), number));
        };
        c.choose(h.bits.eq(12), twelve, bytes);
        value.byte()
    }

    /// YCbCr: uncompressed by Pillow's factors of 6 bits, else by libtiff's of 16.
    fn chroma(&self, at: Int<'c>) {
        let (c, h, m) = (self.w.c, self.h, self.w.bytes);
        let [sx, sy] = self.blocks.shared.map(|n| n.max(1));
        let (gx, gy) = (self.x.over(sx), self.y.over(sy));
        let group = gy * self.blocks.row + gx * (sx * sy + 2);
        let packed = [group + (self.y - gy * sy) * sx + self.x - gx * sx, group + sx * sy, group + sx * sy + 1];
        let apart = h.planar.eq(2);
        let [y, b, r] = [0, 1, 2].map(|k| {
            let [start, i] = self.row(c.int(k));
            m.at(apart.pick(start + i, packed[k as usize]))
        });
        let (b, r) = (b - 128, r - 128);
        c.choose(
            h.compression.eq(1),
            || {
                let part = |v: Int<'c>, factor: i64| (v * factor + 50_000).over(100_000);
                let green = (part(b, -2_202_496) + part(r, -4_570_496)) >> 6;
                let rgb = [y + (part(r, 8_972_800) >> 6), y + green, y + (part(b, 11_340_800) >> 6)];
                self.w.pixels.put_with_luma(at, y, rgb.map(Int::byte));
            },
            || {
                let half = 1 << 15;
                let green = (b * -22553 + r * -46802 + half) >> 16;
                let rgb = [y + ((r * 91881 + half) >> 16), y + green, y + ((b * 116130 + half) >> 16)];
                self.w.pixels.put(at, rgb.map(Int::byte));
            },
        );
    }
}
