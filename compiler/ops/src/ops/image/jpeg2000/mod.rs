//! JPEG 2000 (ISO/IEC 15444-1), lossless: a bare codestream or one in a JP2 file, of one tile in one part, one layer, whole
//! precincts and 1, 3 or 4 components of 8 bits (the fourth is left out), as encoders make them unless told otherwise. The
//! irreversible transform, more tiles and layers, palettes and special forms of coding passes aren't decoded.
//!
//! `packets` finds the code-blocks' data, `blocks` decodes them with the arithmetic decoder of `mq`, `wavelet` makes samples
//! of the coefficients.

mod blocks;
mod mq;
mod packets;
mod wavelet;

use super::stream::{Info, Stream};
use super::{Format, Work};
use crate::code::{Bool, Int, Variable};

pub(super) const FORMAT: Format =
    Format { name: "jpeg2000", signature, probe, decode, figures: Some(mq::figures), inner: false };

/// Places in the tables: states of the contexts, levels of a tag tree, then what hangs on the image's size.
const CONTEXTS: i64 = 0;
const LEVELS: i64 = 32;
const SIZED: i64 = 128;
/// Flags of a code-block, with a border: 4096 samples of up to 1024 in a row.
const FLAGS: i64 = 1026 * 6 + 1026;

fn signature<'c>(s: &Stream<'c>) -> Bool<'c> {
    s.has(0, b"\0\0\0\x0cjP  ") | s.has(0, &[0xff, 0x4f, 0xff, 0x51])
}

/// What the headers say.
struct Header<'c> {
    /// Where the segments are, and the packets of the first part.
    siz: Variable<'c>,
    cod: Variable<'c>,
    qcd: Variable<'c>,
    data: Variable<'c>,
    end: Variable<'c>,
    /// There is what isn't decoded.
    other: Variable<'c>,
    width: Int<'c>,
    height: Int<'c>,
    count: Int<'c>,
    /// How often the image is halved.
    halvings: Int<'c>,
    /// The logarithms of a code-block's extents.
    block: [Int<'c>; 2],
}

fn header<'c>(s: &Stream<'c>) -> Header<'c> {
    let c = s.c;
    let at = c.var("at", start(s));
    let [siz, cod, qcd, data, end] = ["siz", "cod", "qcd", "data", "end"].map(|n| c.var(n, 0));
    let other = c.var("other", 0);
    c.while_true(
        || (at + 4).le(s.len) & s.byte(at).eq(0xff),
        || {
            let (marker, size) = (s.byte(at + 1), s.big(at + 2, 2));
            for (m, v) in [(0x51, siz), (0x52, cod), (0x5c, qcd)] {
                c.when(marker.eq(m), || v.set(at + 4));
            }
            // Other components' coding, regions, other orders, packet headers elsewhere.
            let special = [0x53, 0x5d, 0x5e, 0x5f, 0x60, 0x61].into_iter();
            let special = special.fold(c.truth(false), |any, m| any | marker.eq(m));
            c.when(special, || other.set(1));
            c.when(marker.eq(0x90), || {
                // The length of the tile's part; 0: all that is left.
                let length = s.big(at + 6, 4);
                end.set(length.eq(0).pick(s.len, (at + length).min(s.len)));
                c.when(s.byte(at + 11).gt(1), || other.set(1));
            });
            c.when(marker.eq(0x93), || {
                data.set(at + 2);
                c.stop();
            });
            // The start of the codestream has no length.
            at.add(marker.eq(0x4f).pick(2, size + 2));
        },
    );
    let (width, height, count) = (s.big(siz + 2, 4), s.big(siz + 6, 4), s.big(siz + 34, 2));
    let block = [5, 6].map(|k| (s.byte(cod + (k + 1)) & 15) + 2);
    Header { siz, cod, qcd, data, end, other, width, height, count, halvings: s.byte(cod + 5), block }
}

/// Where the codestream begins: at once, or in a box.
fn start<'c>(s: &Stream<'c>) -> Variable<'c> {
    let c = s.c;
    let (at, found) = (c.var("box", 0), c.var("start", 0));
    c.when(s.byte(0).eq(0), || {
        c.while_true(
            || (at + 8).le(s.len),
            || {
                let (size, name) = (s.big(at, 4), s.big(at + 4, 4));
                let here = name.eq(i64::from(u32::from_be_bytes(*b"jp2c")));
                // Size 0: to the end, 1: eight bytes say it.
                c.when(here, || found.set(at + size.eq(1).pick(16, 8)));
                c.when(here | size.lt(8), || c.stop());
                at.add(size);
            },
        );
    });
    found
}

/// A palette, or components that stand for others: a box that begins with this name inside of the header box.
fn has_palette<'c>(s: &Stream<'c>, end: Int<'c>) -> Bool<'c> {
    let c = s.c;
    let (at, found) = (c.var("at", 0), c.var("palette", 0));
    c.while_true(
        || (at + 4).le(end),
        || {
            c.when(s.big(at, 4).eq(i64::from(u32::from_be_bytes(*b"pclr"))), || found.set(1));
            at.add(1);
        },
    );
    found.eq(1)
}

fn probe<'c>(s: &Stream<'c>, info: &Info<'c>) {
    let (c, h) = (s.c, header(s));
    let all = h.siz.gt(0) & h.cod.gt(0) & h.qcd.gt(0) & h.data.gt(0);
    info.break_if(!all);
    info.check_size(h.width, h.height);
    let (siz, cod) = (h.siz, h.cod);
    let n = h.count;
    // No offsets, one tile.
    let origin = s.big(siz + 10, 4) | s.big(siz + 14, 4) | s.big(siz + 26, 4) | s.big(siz + 30, 4);
    let one = s.big(siz + 18, 4).ge(h.width) & s.big(siz + 22, 4).ge(h.height);
    info.refuse_if(origin.ne(0) | !one | !(n.eq(1) | n.eq(3) | n.eq(4)) | h.other.ne(0));
    c.each(0, n, |k| {
        let at = siz + 36 + k * 3;
        info.refuse_if(s.byte(at).ne(7) | s.byte(at + 1).ne(1) | s.byte(at + 2).ne(1));
    });
    // Whole precincts, one layer, plain passes, the reversible transform and no quantisation.
    let plain = (s.byte(cod) & 1).eq(0) & s.big(cod + 2, 2).eq(1) & s.byte(cod + 8).eq(0) & s.byte(cod + 9).eq(1);
    info.refuse_if(!plain | (s.byte(h.qcd) & 31).ne(0) | s.byte(cod + 1).gt(4));
    info.refuse_if((n.eq(1) & s.byte(cod + 4).ne(0)) | has_palette(s, h.siz.now()));
    let [bx, by] = h.block;
    info.break_if(h.halvings.gt(32) | bx.gt(10) | by.gt(10) | (bx + by).gt(12));
    // A component of one shade takes a bit a resolution, so a stream's length says nothing of the samples.
    let samples = h.width * h.height * n;
    info.refuse_if(samples.gt(1 << 26));
    let blocks = most_blocks(&h);
    let words = samples + h.width + h.height + blocks * 23 + (SIZED + 256);
    info.accept(h.width, h.height, 0, FLAGS);
    info.set(Info::WORDS, words);
}

/// No subband has more code-blocks.
fn most_blocks<'c>(h: &Header<'c>) -> Int<'c> {
    let [bx, by] = h.block;
    let along = |n: Int<'c>, log: Int<'c>| (n + ((n.constant(1) << log) - 1)) >> log;
    along(h.width, bx) * along(h.height, by)
}

/// What all parts of the decoder have.
struct Image<'a, 'c> {
    w: &'a Work<'c>,
    width: Int<'c>,
    height: Int<'c>,
    halvings: Int<'c>,
    block: [Int<'c>; 2],
    /// Places in the tables: coefficients, a line, a packet's blocks, tag trees.
    samples: Int<'c>,
    line: Int<'c>,
    list: Int<'c>,
    trees: Int<'c>,
    /// Nodes of a tree there is room for.
    nodes: Int<'c>,
    /// Where the exponents are, and guard bits.
    exponents: Int<'c>,
    guard: Int<'c>,
}

impl<'c> Image<'_, 'c> {
    /// The extent of resolution `r`: halved, rounded up, for each that is above.
    fn extent(&self, n: Int<'c>, r: Int<'c>) -> Int<'c> {
        let by = self.halvings - r;
        (n + ((self.w.c.int(1) << by) - 1)) >> by
    }
}

fn decode(w: &Work) {
    let (c, s, t) = (w.c, &w.stream, w.tables);
    let h = header(s);
    let (samples, count) = (c.int(SIZED), h.width * h.height * h.count);
    let line = samples + count;
    let list = line + h.width + h.height;
    let blocks = most_blocks(&h);
    let image = Image {
        w,
        width: h.width,
        height: h.height,
        halvings: h.halvings,
        block: h.block,
        samples,
        line,
        list,
        trees: list + blocks * 15,
        nodes: blocks * 2 + 40,
        exponents: h.qcd + 1,
        guard: s.byte(h.qcd) >> 5,
    };
    t.fill(samples, count, 0);
    let order = s.byte(h.cod + 1);
    let packets = packets::Packets::new(&image, h.data, h.end.now(), s.byte(h.cod));
    // With one layer and whole precincts, the orders are by resolution or by component first.
    let by_resolution = order.le(2);
    let resolutions = h.halvings + 1;
    c.each(0, by_resolution.pick(resolutions, h.count), |outer| {
        c.each(0, by_resolution.pick(h.count, resolutions), |inner| {
            let (r, k) = (by_resolution.pick(outer, inner), by_resolution.pick(inner, outer));
            packets.read(k, r);
        });
    });
    c.each(0, h.count.min(3), |k| wavelet::component(&image, samples + k * (h.width * h.height)));
    pixels(&image, h.count.ge(3), s.byte(h.cod + 4).eq(1));
}

/// The reversible transform of colours (annex G), and 128 more.
fn pixels<'c>(image: &Image<'_, 'c>, three: Bool<'c>, mixed: Bool<'c>) {
    let (c, t) = (image.w.c, image.w.tables);
    let count = image.width * image.height;
    c.each(0, count, |i| {
        let [y, u, v] = [0, 1, 2].map(|k| t.at(image.samples + three.pick(count * k, 0) + i));
        let green = y - ((u + v) >> 2);
        let mixed = mixed & three;
        let rgb = [mixed.pick(v + green, y), mixed.pick(green, u), mixed.pick(u + green, v)];
        image.w.pixels.put(i, rgb.map(|v| (v + 128).byte()));
    });
}
