//! Differences to the pixel to the left, added up (TIFF 6.0, section 14), and those of the bytes of floats (TIFF technical note 3).
//! Only LZW and DEFLATE have them.

use super::super::Work;
use super::Blocks;
use super::directory::{Header, little};
use crate::code::Int;

/// The rows of a block of a plane, which begins at `from`.
pub(super) fn rows<'c>(w: &Work<'c>, h: &Header<'c>, blocks: &Blocks<'c>, from: Int<'c>, rows: Int<'c>) {
    let c = w.c;
    let differing = h.compression.eq(5) | h.compression.eq(8) | h.compression.eq(32946);
    c.when(differing & h.predictor.gt(1), || {
        c.each(0, rows, |y| {
            let at = from + y * blocks.row;
            c.choose(h.predictor.eq(2), || numbers(w, h, blocks, at), || floats(w, blocks, at));
        });
    });
}

/// Numbers of 1, 2 or 4 bytes: sums byte by byte, the lowest first.
fn numbers<'c>(w: &Work<'c>, h: &Header<'c>, blocks: &Blocks<'c>, at: Int<'c>) {
    let (c, m) = (w.c, w.bytes);
    let size = h.bits >> 3;
    let step = blocks.samples * size;
    let up = little(&w.stream);
    c.each(blocks.samples, blocks.width * blocks.samples, |i| {
        let carry = c.var("carry", 0);
        c.each(0, size, |k| {
            let here = at + i * size + up.pick(k, size - 1 - k);
            let sum = m.at(here) + m.at(here - step) + carry;
            m.put(here, sum);
            carry.set(sum >> 8);
        });
    });
}

/// A row has the upper bytes of all floats, then the next ones, and so on, which [`super::color`] knows; here each byte is a
/// difference.
fn floats<'c>(w: &Work<'c>, blocks: &Blocks<'c>, at: Int<'c>) {
    let m = w.bytes;
    w.c.each(at + blocks.samples, at + blocks.row, |i| m.put(i, m.at(i) + m.at(i - blocks.samples)));
}
