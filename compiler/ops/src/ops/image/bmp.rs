//! BMP: rows of 1, 4 or 8 bits with a palette, of 16, 24 or 32 bits, with or without masks, and runs of 4 and 8 bits
//! (BITMAPCOREHEADER, BITMAPINFOHEADER and its successors, OS/2's). Does NOT decode JPEG and PNG inside.

use super::stream::{Info, Stream, broken_if};
use super::{Format, Work};
use crate::code::{Bool, Int, Variable};

pub(super) const FORMAT: Format =
    Format { name: "bmp", signature: |s| s.has(0, b"BM"), probe, decode, figures: None, inner: false };

/// The header's fields, whose places hang on how long it is.
struct Header<'c> {
    size: Int<'c>,
    width: Int<'c>,
    /// Rows from the top down.
    down: Bool<'c>,
    height: Int<'c>,
    bits: Int<'c>,
    compression: Int<'c>,
    /// Bytes of a colour of the palette, and how many there are.
    entry: Int<'c>,
    colors: Int<'c>,
    /// Where the palette and the pixels are.
    palette: Int<'c>,
    pixels: Int<'c>,
}

impl<'c> Header<'c> {
    /// Bytes of a row, a multiple of 4.
    fn row(&self) -> Int<'c> {
        ((self.bits * self.width + 31) >> 5) * 4
    }

    /// Runs of bytes or of halves of them.
    fn has_runs(&self) -> Bool<'c> {
        self.compression.eq(1) | self.compression.eq(2)
    }

    fn has_masks(&self) -> Bool<'c> {
        self.compression.eq(3)
    }

    /// The place in the output of pixel `x` of the stream's row `y`.
    fn place(&self, x: Int<'c>, y: Int<'c>) -> Int<'c> {
        self.down.pick(y, self.height - 1 - y) * self.width + x
    }

    /// A colour of the palette; those that it doesn't have are black.
    fn color(&self, s: &Stream<'c>, index: Int<'c>) -> [Int<'c>; 3] {
        let at = self.palette + index * self.entry;
        [2, 1, 0].map(|k| index.lt(self.colors).pick(s.byte(at + k), 0))
    }
}

fn header<'c>(s: &Stream<'c>) -> Header<'c> {
    let size = s.little(14, 4);
    let core = size.eq(12);
    let width = core.pick(s.little(18, 2), s.signed(18));
    let height = core.pick(s.little(20, 2), s.signed(22));
    let bits = core.pick(s.little(24, 2), s.little(28, 2));
    let compression = core.pick(0, s.little(30, 4));
    let down = height.lt(0);
    let height = down.pick(s.c.int(0) - height, height);
    let entry = core.pick(3, 4);
    let told = core.pick(0, s.little(46, 4));
    let colors = told.eq(0).pick(s.c.int(1) << bits.min(8), told);
    // Masks are behind the header if it is short.
    let palette = size + 14 + (compression.eq(3) & size.eq(40)).pick(12, 0);
    let table = bits.le(8).pick(colors * entry, 0);
    let first = s.little(10, 4);
    // Some say that the pixels begin where the palette does, or don't say it.
    let pixels = first.eq(0).pick(palette + table, first + first.eq(size + 14).pick(table, 0));
    Header { size, width, down, height, bits, compression, entry, colors, palette, pixels }
}

fn probe<'c>(s: &Stream<'c>, info: &Info<'c>) {
    let h = header(s);
    let known = [12, 40, 52, 56, 64, 108, 124].into_iter();
    info.break_if(!known.fold(s.c.truth(false), |any, size| any | h.size.eq(size)));
    info.check_size(h.width, h.height);
    let bits = h.bits;
    let few = bits.eq(1) | bits.eq(4) | bits.eq(8);
    info.break_if(few & h.colors.gt(65536));
    let wide = bits.eq(16) | bits.eq(24) | bits.eq(32);
    info.refuse_if(!(h.compression.eq(0) & (few | wide) | h.has_masks() & wide | h.has_runs() & few));
    // A step goes by any number of pixels: no small stream may ask for much memory.
    info.refuse_if(h.has_runs() & (h.width * h.height).gt(s.len << 14));
    // The last row needs no padding.
    let total = h.row() * (h.height - 1) + ((bits * h.width + 7) >> 3);
    info.break_if((h.pixels + total).gt(s.len) & !h.has_runs());
    info.accept(h.width, h.height, 0, 0);
}

/// The bits of a mask of a pixel, as a number of 0 to 255.
fn field<'c>(pixel: Int<'c>, mask: Int<'c>, low: Int<'c>) -> Int<'c> {
    let most = mask.over(low.max(1));
    (((pixel & mask).over(low.max(1))) * 255).over(most.max(1))
}

fn decode(w: &Work) {
    let h = header(&w.stream);
    w.c.choose(h.has_runs(), || runs(w, &h), || rows(w, &h));
}

fn rows<'c>(w: &Work<'c>, h: &Header<'c>) {
    let (c, s) = (w.c, &w.stream);
    let row = h.row();
    // Red, green, blue: where a mask isn't given, 5 or 8 bits each.
    let wide = h.bits.ge(24);
    let usual = [0x7c00, 0x3e0, 0x1f];
    let told = [54, 58, 62].map(|at| s.little(at, 4));
    let told_any = h.has_masks() & (told[0] | told[1] | told[2]).ne(0);
    let masks: Vec<Int> = (0..3).map(|k| told_any.pick(told[k], wide.pick(0xff_0000 >> (8 * k), usual[k]))).collect();
    let lows: Vec<Int> = masks.iter().map(|&m| m & (c.int(0) - m)).collect();
    let bits = h.bits;
    c.each(0, h.height, |y| {
        let from = h.pixels + row * y;
        c.each(0, h.width, |x| {
            let rgb: [Variable; 3] = ["r", "g", "b"].map(|n| c.var(n, 0));
            let set = |v: [Int; 3]| rgb.iter().zip(v).for_each(|(r, v)| r.set(v));
            let at = from + ((x * bits) >> 3);
            c.choose(
                bits.le(8),
                || {
                    let shift = c.int(8) - bits - ((x * bits) & 7);
                    set(h.color(s, (s.byte(at) >> shift) & ((c.int(1) << bits) - 1)));
                },
                || {
                    let pixel = bits.eq(32).pick(s.little(at, 4), bits.eq(24).pick(s.little(at, 3), s.little(at, 2)));
                    set([0, 1, 2].map(|k| field(pixel, masks[k], lows[k])));
                },
            );
            w.pixels.put(h.place(x, y), rgb.map(Variable::now));
        });
    });
}

/// Pixels in the order of the stream, and where a run may not go beyond.
struct Runs<'a, 'c> {
    w: &'a Work<'c>,
    h: &'a Header<'c>,
    at: Variable<'c>,
    /// How many pixels are there, and in which column runs are, which Pillow counts on its own.
    count: Variable<'c>,
    column: Variable<'c>,
    total: Int<'c>,
    half: Bool<'c>,
}

fn runs<'c>(w: &Work<'c>, h: &Header<'c>) {
    let (c, s) = (w.c, &w.stream);
    let (at, count, column) = (c.var("at", h.pixels), c.var("count", 0), c.var("column", 0));
    let r = Runs { w, h, at, count, column, total: h.width * h.height, half: h.compression.eq(2) };
    c.while_true(
        || count.lt(r.total),
        || {
            // An image that ends early is broken.
            broken_if(c, (at + 2).gt(s.len));
            let (times, v) = (s.byte(at), s.byte(at + 1));
            at.add(2);
            let escape = || {
                broken_if(c, v.eq(1));
                c.when(v.gt(2), || r.literal(v));
                c.when(v.eq(0), || {
                    let over = count - count.over(h.width) * h.width;
                    r.zeros(over.gt(0).pick(h.width - over, 0));
                    column.set(0);
                });
                c.when(v.eq(2), || {
                    broken_if(c, (at + 2).gt(s.len));
                    r.zeros(s.byte(at) + s.byte(at + 1) * h.width);
                    at.add(2);
                    column.set(count - count.over(h.width) * h.width);
                });
            };
            c.choose(times.gt(0), || r.run(times, v), escape);
        },
    );
}

impl<'c> Runs<'_, 'c> {
    /// The next pixel, if the image has one more.
    fn push(&self, index: Int<'c>) {
        let h = self.h;
        self.w.c.when(self.count.lt(self.total), || {
            let y = self.count.over(h.width);
            self.w.pixels.put(h.place(self.count - y * h.width, y), h.color(&self.w.stream, index));
            self.count.add(1);
        });
    }

    fn zeros(&self, times: Int<'c>) {
        self.w.c.each(0, times.min(self.total - self.count), |_| self.push(times.constant(0)));
    }

    /// Half of a byte, the upper one first, or a byte.
    fn part(&self, byte: Int<'c>, k: Int<'c>) -> Int<'c> {
        self.half.pick((k & 1).eq(0).pick(byte >> 4, byte & 15), byte)
    }

    fn run(&self, times: Int<'c>, v: Int<'c>) {
        let times = times.min((self.h.width - self.column).max(0));
        self.w.c.each(0, times, |k| self.push(self.part(v, k)));
        self.column.add(times);
    }

    /// Pixels as they are; the next thing is at an even place.
    fn literal(&self, times: Int<'c>) {
        let (c, s) = (self.w.c, &self.w.stream);
        let there = times.min(self.total - self.count);
        let bytes = self.half.pick((there + 1) >> 1, there);
        broken_if(c, (self.at + bytes).gt(s.len));
        c.each(0, there, |k| {
            let byte = s.byte(self.at + self.half.pick(k >> 1, k));
            self.push(self.part(byte, k));
        });
        self.column.add(times);
        self.at.add(bytes);
        self.at.add(self.at & 1);
    }
}
