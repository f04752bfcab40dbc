//! BMP: uncompressed rows of 1, 4 or 8 bits with a palette, of 16, 24 or 32 bits, and 16 or 32 with masks (BITMAPCOREHEADER,
//! BITMAPINFOHEADER and its successors). Runs of lengths, JPEG and PNG inside aren't decoded.

use super::stream::{Info, Stream};
use super::{Format, Work};
use crate::code::{Int, Variable};

pub(super) const FORMAT: Format = Format { name: "bmp", signature: |s| s.has(0, b"BM"), probe, decode, figures: None };

/// The header's fields, whose places hang on how long it is.
struct Header<'c> {
    core: crate::code::Bool<'c>,
    size: Int<'c>,
    width: Int<'c>,
    /// Rows from the top down.
    down: crate::code::Bool<'c>,
    height: Int<'c>,
    bits: Int<'c>,
    compression: Int<'c>,
}

impl<'c> Header<'c> {
    /// Bytes of a row, a multiple of 4.
    fn row(&self) -> Int<'c> {
        ((self.bits * self.width + 31) >> 5) * 4
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
    Header { core, size, width, down, height, bits, compression }
}

fn probe<'c>(s: &Stream<'c>, info: &Info<'c>) {
    let h = header(s);
    info.break_if(!(h.core | h.size.ge(40)));
    info.check_size(h.width, h.height);
    let (bits, masks) = (h.bits, h.compression.eq(3));
    let indexed = bits.eq(1) | bits.eq(4) | bits.eq(8);
    let plain = h.compression.eq(0) & (indexed | bits.eq(16) | bits.eq(24) | bits.eq(32));
    info.refuse_if(!(plain | masks & (bits.eq(16) | bits.eq(32))));
    info.break_if((s.little(10, 4) + h.row() * h.height).gt(s.len));
    info.accept(h.width, h.height, 0, 0);
}

/// The bits of a mask of a pixel, as a number of 0 to 255.
fn field<'c>(pixel: Int<'c>, mask: Int<'c>, low: Int<'c>) -> Int<'c> {
    let most = mask.over(low.max(1));
    (((pixel & mask).over(low.max(1))) * 255).over(most.max(1))
}

fn decode(w: &Work) {
    let (c, s) = (w.c, &w.stream);
    let h = header(s);
    let row = h.row();
    let first = s.little(10, 4);
    // Red, green, blue: where a mask isn't given, 5 bits each.
    let masks = h.compression.eq(3);
    let wide = h.bits.eq(32);
    let usual = [0x7c00, 0x3e0, 0x1f];
    let masks: Vec<Int> =
        (0..3).map(|k| masks.pick(s.little(54 + 4 * k as i64, 4), wide.pick(0xff_0000 >> (8 * k), usual[k]))).collect();
    let lows: Vec<Int> = masks.iter().map(|&m| m & (c.int(0) - m)).collect();
    let entry = h.core.pick(3, 4);
    let palette = h.size + 14;
    let bits = h.bits;
    c.each(0, h.height, |y| {
        let from = first + row * h.down.pick(y, h.height - 1 - y);
        c.each(0, h.width, |x| {
            let rgb: [Variable; 3] = ["r", "g", "b"].map(|n| c.var(n, 0));
            let set = |v: [Int; 3]| rgb.iter().zip(v).for_each(|(r, v)| r.set(v));
            let at = from + ((x * bits) >> 3);
            c.choose(
                bits.le(8),
                || {
                    let shift = c.int(8) - bits - ((x * bits) & 7);
                    let index = (s.byte(at) >> shift) & ((c.int(1) << bits) - 1);
                    let at = palette + index * entry;
                    set([2, 1, 0].map(|k| s.byte(at + k)));
                },
                || {
                    c.choose(
                        bits.eq(24),
                        || set([2, 1, 0].map(|k| s.byte(at + k))),
                        || {
                            let pixel = wide.pick(s.little(at, 4), s.little(at, 2));
                            set([0, 1, 2].map(|k| field(pixel, masks[k], lows[k])));
                        },
                    );
                },
            );
            w.pixels.put(y * h.width + x, rgb.map(Variable::now));
        });
    });
}
