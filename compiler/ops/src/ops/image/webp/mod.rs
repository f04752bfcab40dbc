//! WebP: a key frame of VP8 (RFC 6386), or a lossless image, in a RIFF container. Of an animation it is the first frame, on a
//! black canvas. Does NOT blend: an alpha channel is left out.
//!
//! `container` finds the frame. A lossy one is decoded to planes (`frame`: headers, `tokens`: coefficients, `predict`: macroblocks), then filtered
//! (`filter`), then made pixels (`color`): libwebp's results, bit for bit. `bits` is the arithmetic decoder, `tables` has
//! the figures.

mod bits;
mod color;
mod container;
mod filter;
mod frame;
mod lossless;
mod predict;
mod tables;
mod tokens;

use super::stream::{Info, Stream};
use super::{Format, Work};
use crate::code::{Int, Memory, Variable};
use container::Picture;

pub(super) const FORMAT: Format = Format {
    name: "webp",
    signature: |s| s.has(0, b"RIFF") & s.has(8, b"WEBP"),
    probe,
    decode,
    figures: Some(figures),
    inner: false,
};

/// Places of the figures.
const MODES: i64 = 0;
const UPDATES: i64 = MODES + 900;
const COEFFICIENTS: i64 = UPDATES + 1056;
const DC_STEPS: i64 = COEFFICIENTS + 1056;
const AC_STEPS: i64 = DC_STEPS + 128;
/// Trees: the next place for each of two bits, or at most 0 a value (RFC 6386, 8.1): of luma's modes, subblocks' modes,
/// chroma's modes and segments; and fixed probabilities of two of them.
const LUMA_TREE: i64 = AC_STEPS + 128;
const SUB_TREE: i64 = LUMA_TREE + 8;
const CHROMA_TREE: i64 = SUB_TREE + 18;
const SEGMENT_TREE: i64 = CHROMA_TREE + 6;
const LUMA_PROBS: i64 = SEGMENT_TREE + 6;
const CHROMA_PROBS: i64 = LUMA_PROBS + 4;
/// The places of coefficients in a block, their bands, and the bits of large ones (4 categories, each ended by 0).
const ZIGZAG: i64 = CHROMA_PROBS + 3;
const BANDS: i64 = ZIGZAG + 16;
const CATEGORIES: i64 = BANDS + 17;
/// What each pixel of a subblock is predicted by, see `predict`.
const RULES: i64 = CATEGORIES + 48;
/// Rows and columns that short distances of a lossless image stand for.
const NEAR: i64 = RULES + 128;

#[rustfmt::skip]
const SMALL: [i16; 8 + 18 + 6 + 6 + 4 + 3 + 16 + 17 + 48] = [
    -4, 2, 4, 6, 0, -1, -2, -3,
    0, 2, -1, 4, -2, 6, 8, 12, -3, 10, -5, -6, -4, 14, -7, 16, -8, -9,
    0, 2, -1, 4, -2, -3,
    2, 4, 0, -1, -2, -3,
    145, 156, 163, 128,
    142, 114, 183,
    0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15,
    0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 0,
    173, 148, 140, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    176, 155, 140, 135, 0, 0, 0, 0, 0, 0, 0, 0,
    180, 157, 141, 134, 130, 0, 0, 0, 0, 0, 0, 0,
    254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129, 0,
];

fn figures() -> Vec<i16> {
    let bytes = [&tables::MODES[..], &tables::UPDATES, &tables::COEFFICIENTS].concat();
    let steps = [tables::DC_STEPS, tables::AC_STEPS].concat();
    let mut all: Vec<i16> = bytes.into_iter().map(i16::from).collect();
    all.extend(steps.into_iter().map(|s| s as i16));
    all.extend(SMALL);
    all.extend(predict::rules());
    all.extend(lossless::near());
    all
}

/// Places in the tables: the probabilities of coefficients.
const PROBS: i64 = 0;
/// Steps of quantisation: for each segment luma's, of second order, and chroma's: of the first coefficient and the others.
const STEPS: i64 = 1100;
/// The strength of the filter for each segment, without and with subblocks' modes.
const LEVELS: i64 = STEPS + 32;
/// The states of up to 8 partitions, 5 numbers each.
const PARTS: i64 = LEVELS + 8;
/// What the segments' quantisers and filters are, or are more.
const SEGMENTS: i64 = PARTS + 40;
/// Probabilities of segments.
const SEGMENT_PROBS: i64 = SEGMENTS + 8;
/// A macroblock's coefficients: of second order, 16 of luma, 4 and 4 of chroma.
const BLOCKS: i64 = 1300;
/// A block being transformed.
const BLOCK: i64 = BLOCKS + 25 * 16;
/// The edge of a subblock.
const EDGE: i64 = BLOCK + 16;
/// Which blocks to the left had coefficients, and the subblocks' modes there.
const LEFT: i64 = EDGE + 16;
const LEFT_MODES: i64 = LEFT + 9;
/// The subblocks' modes of a macroblock.
const SUB_MODES: i64 = LEFT_MODES + 4;

/// Places in the bytes: the planes, then numbers of macroblocks and columns of them.
#[derive(Clone, Copy)]
struct Planes<'c> {
    across: Int<'c>,
    down: Int<'c>,
}

impl<'c> Planes<'c> {
    fn of(width: Int<'c>, height: Int<'c>) -> Self {
        Planes { across: (width + 15) >> 4, down: (height + 15) >> 4 }
    }
    fn count(self) -> Int<'c> {
        self.across * self.down
    }
    /// Where plane 0, 1 or 2 begins, and how long its rows are.
    fn plane(self, k: Int<'c>) -> [Int<'c>; 2] {
        let luma = k.eq(0);
        let start = luma.pick(0, self.count() * 256 + (k - 1) * self.count() * 64);
        [start, luma.pick(self.across * 16, self.across * 8)]
    }
    /// The strength of the filter, and whether it is for the inside as well, of each macroblock.
    fn filters(self) -> Int<'c> {
        self.count() * 384
    }
    /// Which blocks above had coefficients: 9 for each column of macroblocks.
    fn above(self) -> Int<'c> {
        self.count() * 386
    }
    /// The subblocks' modes above, 4 for each.
    fn above_modes(self) -> Int<'c> {
        self.above() + self.across * 9
    }
    fn total(self) -> Int<'c> {
        self.above_modes() + self.across * 4
    }
}

fn probe<'c>(s: &Stream<'c>, info: &Info<'c>) {
    let p = container::find(s);
    info.break_if(p.at.eq(0));
    s.c.choose(p.lossless.eq(1), || lossless::probe(s, info, &p), || probe_lossy(s, info, &p));
}

fn probe_lossy<'c>(s: &Stream<'c>, info: &Info<'c>, p: &Picture<'c>) {
    let tag = s.little(p.at, 3);
    info.break_if((tag & 1).ne(0) | s.little(p.at + 3, 3).ne(0x2a_019d) | ((tag >> 1) & 7).gt(3));
    let [width, height] = p.size(s);
    info.break_if(width.le(0) | height.le(0));
    let [across, down] = p.canvas(info, [width, height]);
    info.check_size(across, down);
    // A macroblock's mode alone is most of a bit.
    let total = Planes::of(width, height).total();
    info.check_ratio(total, s, 4096);
    info.accept(across, down, total, 0);
}

fn decode(w: &Work) {
    let Some(figures) = w.figures else { return };
    let p = container::find(&w.stream);
    // A canvas is black where the first frame isn't.
    w.c.when(p.framed.eq(1), || w.pixels.clear(w.info.get(Info::WIDTH) * w.info.get(Info::HEIGHT)));
    w.c.choose(p.lossless.eq(1), || lossless::decode(w, figures, &p), || frame::decode(w, figures, &p));
}

/// What all parts of the lossy decoder have.
#[derive(Clone, Copy)]
struct Frame<'a, 'c> {
    w: &'a Work<'c>,
    figures: Memory<'c>,
    planes: Planes<'c>,
}
