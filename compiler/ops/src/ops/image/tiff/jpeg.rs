//! Strips and tiles that are JPEG streams (TIFF technical note 2): each is put together with the tables that all share, looked at
//! as any stream is, and decoded by JPEG's own function.

use super::super::stream::{Info, Stream, broken_if};
use super::super::{BROKEN, JPEG, UNSUPPORTED, Work};
use super::Blocks;
use super::color::turned;
use super::directory::Header;
use crate::code::{Bool, Given, Int};
use onnxc_base::DType;

/// Adobe's segment, which says whether three components are YCbCr: what comes before the tables.
const HEAD: [u8; 17] = *b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0";

/// Grey, where 0 is black, red, green and blue, or YCbCr.
pub(super) fn is_known<'c>(h: &Header<'c>) -> Bool<'c> {
    let (kind, n) = (h.photometric, h.samples);
    let gray = n.eq(1) & (kind.eq(1) | kind.eq(6));
    h.bits.eq(8) & h.planar.eq(1) & (gray | (n.eq(3) & (kind.eq(2) | kind.eq(6))))
}

/// What blocks need: samples of three components, of which a unit has up to 32 along an axis.
pub(super) fn probe<'c>(s: &Stream<'c>, info: &Info<'c>, blocks: &Blocks<'c>) {
    let padded = |n: Int<'c>| ((n + 31) >> 5) << 5;
    let samples = padded(blocks.width) * padded(blocks.height) * 3;
    // A block is a bit at least.
    info.check_ratio(blocks.width * blocks.height * blocks.across * blocks.down, s, 512);
    info.set(Info::BYTES, samples);
    info.set(Info::HALVES, samples);
    info.set(Info::INNER, s.len + HEAD.len() as i64 + 1);
    info.set(Info::INNER_IMAGE, blocks.width * blocks.height * 3);
}

/// Decodes a block, whose first pixel is given, to the output.
pub(super) fn block<'c>(
    w: &Work<'c>,
    h: &Header<'c>,
    blocks: &Blocks<'c>,
    from: [Int<'c>; 2],
    [left, top]: [Int<'c>; 2],
    rows: Int<'c>,
) {
    let (c, Some(inner)) = (w.c, &w.inner) else { return };
    let len = stream(w, h, from);
    let info = Info::of(c, c.local("inner_info", DType::I64, Info::LEN));
    let data = [Given::Memory(inner.stream), Given::Int(len)];
    c.call(inner.probe, &[&data[..], &[Given::Memory(info.memory())]].concat());
    let format = info.get(Info::FORMAT);
    c.fail_if(format.eq(Info::UNSUPPORTED), UNSUPPORTED);
    c.fail_if(format.ne(JPEG as i64 + 1), BROKEN);
    for need in [Info::BYTES, Info::HALVES, Info::WORDS] {
        broken_if(c, info.get(need).gt(w.info.get(need)));
    }
    let (width, height) = (info.get(Info::WIDTH), info.get(Info::HEIGHT));
    broken_if(c, width.ne(blocks.width) | height.lt(rows) | height.gt(blocks.height));
    let memory = [info.memory(), inner.image, w.bytes, w.halves, w.tables].map(Given::Memory);
    c.call(inner.decode, &[&data[..], &memory].concat());
    c.each(0, rows.min(h.height - top), |y| {
        c.each(0, width.min(h.width - left), |x| {
            w.pixels.copy(turned(c, h, left + x, top + y), inner.image, y * width + x);
        });
    });
}

/// Puts the stream of a block together: its length.
fn stream<'c>(w: &Work<'c>, h: &Header<'c>, [start, end]: [Int<'c>; 2]) -> Int<'c> {
    let c = w.c;
    let Some(inner) = &w.inner else { return c.int(0) };
    for (i, &byte) in HEAD.iter().enumerate() {
        inner.stream.put(i as i64, i64::from(byte));
    }
    let at = c.var("at", HEAD.len() as i64);
    inner.stream.put(at, h.photometric.eq(6).int());
    at.add(1);
    let copy = |first: Int<'c>, end: Int<'c>| {
        broken_if(c, (end - first).gt(w.stream.len + HEAD.len() as i64 + 1 - at));
        c.each(first, end, |i| {
            inner.stream.put(at, w.stream.byte(i));
            at.add(1);
        });
    };
    // Without the marks of the start, and of the tables' end.
    copy(h.jpeg.at + 2, h.jpeg.at + h.jpeg.count.max(4) - 2);
    copy(start + 2, end);
    at.now()
}
