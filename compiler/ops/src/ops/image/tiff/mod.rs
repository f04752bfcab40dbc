//! TIFF 6.0 and BigTIFF, the first image, as Pillow opens it: strips and tiles, in one plane or one a channel, in either order of
//! bytes and of bits, turned as the orientation says.
//!
//! Grey of 1, 2, 4, 8, 12, 16 and 32 bits, signed and floats; palettes; red, green and blue, and CMYK, of 8 or 16 bits; YCbCr,
//! also with shared chroma. Uncompressed, PackBits, LZW, DEFLATE (each with differences, of bytes of floats too), CCITT's
//! facsimile, and JPEG of grey, RGB and YCbCr. Grey of more than 8 bits is what Pillow makes of it: all above 255 is white.
//! Does NOT decode CIELab, JPEG of other colours or of TIFF's first kind, LZMA, Zstandard and WebP inside.
//!
//! Where Pillow mistakes the order of bytes or bits (packed numbers of 32 bits, or with signs, that are highest byte first;
//! uncompressed planes of 16 bits or of reversed bits), numbers are what the stream says.
//!
//! `directory` reads tags, `packed` and `fax` unpack a strip or tile, `predict` adds differences up, `color` makes pixels; `jpeg`
//! has streams of that format decoded.

mod color;
mod directory;
mod fax;
mod jpeg;
mod packed;
mod predict;

use super::stream::{Info, Stream, broken_if};
use super::{Format, Work};
use crate::code::{Bool, Int};
use directory::Header;

pub(super) const FORMAT: Format =
    Format { name: "tiff", signature: directory::signature, probe, decode, figures: Some(fax::figures), inner: true };

/// How an image is cut into strips or tiles, and where a sample of one is.
struct Blocks<'c> {
    /// Pixels of a block.
    width: Int<'c>,
    height: Int<'c>,
    /// Blocks of a plane.
    across: Int<'c>,
    down: Int<'c>,
    tiled: Bool<'c>,
    planes: Int<'c>,
    /// Samples of a pixel in a plane.
    samples: Int<'c>,
    /// Pixels that share chroma: they are side by side in memory, and their chroma behind them.
    shared: [Int<'c>; 2],
    /// Bytes of a row, or of a row of such groups of pixels.
    row: Int<'c>,
    /// Bytes of a block in a plane.
    bytes: Int<'c>,
}

impl<'c> Blocks<'c> {
    fn of(s: &Stream<'c>, h: &Header<'c>) -> Self {
        let tiled = h.tile_width.gt(0);
        let (width, height) = (tiled.pick(h.tile_width, h.width), tiled.pick(h.tile_height, h.rows));
        let apart = h.planar.eq(2);
        let samples = apart.pick(1, h.samples);
        // Pillow reads what isn't compressed as if each pixel had chroma.
        let sharing = h.photometric.eq(6) & h.samples.eq(3) & h.compression.ne(1) & h.compression.ne(7);
        let told = h.shared.count.eq(2);
        let shared = [0, 1].map(|k| sharing.pick(told.pick(h.shared.get(s, s.c.int(k)), 2), 1));
        let [sx, sy] = shared.map(|n| n.max(1));
        let group = sx * sy + 2;
        let units = width.over_up(sx);
        let row = sharing.pick(units * group, (width * samples * h.bits + 7) >> 3);
        Blocks {
            width,
            height,
            across: h.width.over_up(width.max(1)),
            down: h.height.over_up(height.max(1)),
            tiled,
            planes: apart.pick(h.samples, 1),
            samples,
            shared,
            row,
            bytes: row * height.over_up(sy),
        }
    }

    /// Rows in memory of so many rows of pixels.
    fn lines(&self, rows: Int<'c>) -> Int<'c> {
        rows.over_up(self.shared[1])
    }
}

fn is_fax<'c>(compression: Int<'c>) -> Bool<'c> {
    (compression.ge(2) & compression.le(4)) | compression.eq(32771)
}

fn probe<'c>(s: &Stream<'c>, info: &Info<'c>) {
    let h = directory::read(s);
    info.check_size(h.width.now(), h.height.now());
    let (b, p, n, f) = (h.bits, h.compression, h.samples, h.format);
    let kind = h.photometric;
    let few = b.eq(1) | b.eq(2) | b.eq(4);
    let deep = b.eq(16) & f.le(2) | b.eq(32) & f.le(3) | b.eq(12) & f.eq(1);
    let gray = (kind.le(1) | (kind.eq(6) & n.eq(1))) & (few & f.eq(1) | b.eq(8) & f.le(2) | deep) & n.ge(1);
    let wide = (b.eq(8) | b.eq(16)) & f.eq(1);
    let palette = kind.eq(3) & n.ge(1) & (few | b.eq(8)) & f.eq(1);
    let color = kind.eq(2) & n.ge(3) & wide | kind.eq(5) & n.ge(4) & wide;
    let chroma = kind.eq(6) & n.eq(3) & b.eq(8) & f.eq(1) & (h.planar.eq(1) | p.eq(1));
    info.refuse_if(!(gray | palette | color | chroma) | n.gt(8) | !(h.planar.eq(1) | h.planar.eq(2)));
    let fax = is_fax(p.now());
    let differing = p.eq(5) | p.eq(8) | p.eq(32946);
    let streams = p.eq(7);
    info.refuse_if(!(fax | differing | streams | p.eq(1) | p.eq(32773)) | fax & (b.ne(1) | n.ne(1)));
    info.refuse_if(streams & !jpeg::is_known(&h));
    let blocks = Blocks::of(s, &h);
    let [sx, sy] = blocks.shared;
    info.break_if(sx.lt(1) | sy.lt(1) | sx.gt(4) | sy.gt(4));
    let plain = (sx * sy).eq(1);
    let whole = h.predictor.eq(2) & (b.eq(8) | b.eq(16) | b.eq(32));
    let known = h.predictor.eq(1) | (whole | h.predictor.eq(3) & f.eq(3) & b.eq(32)) & plain;
    info.refuse_if(differing & !known);
    info.refuse_if(chroma & p.ne(1) & !streams & !color::is_usual(s, &h));
    info.break_if(blocks.height.lt(1));
    info.check_size(blocks.width, blocks.height);
    let total = blocks.bytes * blocks.planes;
    // A row of facsimile is a bit at least.
    info.break_if(fax & h.height.gt(s.len << 3));
    s.c.when(!fax, || info.check_ratio(total * blocks.across * blocks.down, s, 4096));
    let turned = h.orientation.ge(5) & h.orientation.le(8);
    let (width, height) = (turned.pick(h.height, h.width), turned.pick(h.width, h.height));
    info.accept(width, height, total, 0);
    s.c.when(fax, || info.set(Info::WORDS, fax::words(blocks.width)));
    s.c.when(streams, || jpeg::probe(s, info, &blocks));
}

fn decode(w: &Work) {
    let (c, s) = (w.c, &w.stream);
    let h = directory::read(s);
    let blocks = Blocks::of(s, &h);
    let all = blocks.across * blocks.down;
    let plain = h.compression.eq(1);
    let missing = h.offsets.count.lt(all * blocks.planes) | (h.sizes.count.lt(all * blocks.planes) & !plain);
    broken_if(c, missing | (h.photometric.eq(3) & h.colors.count.lt((c.int(1) << h.bits) * 3)));
    let (fax, streams) = (is_fax(h.compression.now()), h.compression.eq(7));
    c.when(fax, || fax::tables(w));
    c.each(0, blocks.down, |by| {
        c.each(0, blocks.across, |bx| {
            // A plane's last strip has the rows that are left, and a tile all.
            let rows = blocks.tiled.pick(blocks.height, blocks.height.min(h.height - by * blocks.height));
            let lines = blocks.lines(rows);
            let [left, top] = [bx * blocks.width, by * blocks.height];
            c.each(0, blocks.planes, |plane| {
                let k = plane * all + by * blocks.across + bx;
                let size = c.var("size", lines * blocks.row);
                c.when(!plain, || size.set(h.sizes.get(s, k)));
                let offset = h.offsets.get(s, k);
                broken_if(c, offset.lt(0) | size.lt(0) | offset.gt(s.len) | size.gt(s.len - offset));
                let (from, to) = (plane * blocks.bytes, plane * blocks.bytes + lines * blocks.row);
                let place = [offset, offset + size];
                let packed = || {
                    c.choose(
                        fax,
                        || fax::unpack(w, &h, place, from, [blocks.width, rows]),
                        || packed::unpack(w, &h, place, [from, to]),
                    )
                };
                c.choose(streams, || jpeg::block(w, &h, &blocks, place, [left, top], rows), packed);
                predict::rows(w, &h, &blocks, from, lines);
            });
            c.when(!streams, || color::block(w, &h, &blocks, left, top));
        });
    });
}
