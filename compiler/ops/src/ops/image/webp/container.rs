//! The RIFF container (RFC 9649, section 2): where the first picture's data is, and its place on the canvas. Profiles, EXIF,
//! XMP and alpha channels are stepped over.

use super::super::stream::{Info, Stream};
use crate::code::{Int, Variable};

/// What is told of the first picture.
pub(super) struct Picture<'c> {
    /// Its data; 0: there is none.
    pub at: Variable<'c>,
    pub end: Variable<'c>,
    /// VP8L and not VP8.
    pub lossless: Variable<'c>,
    /// A frame of an animation.
    pub framed: Variable<'c>,
    x: Variable<'c>,
    y: Variable<'c>,
    /// The canvas, if it is told.
    across: Variable<'c>,
    down: Variable<'c>,
}

pub(super) fn find<'c>(s: &Stream<'c>) -> Picture<'c> {
    let c = s.c;
    let [at, end, lossless, framed] = ["first", "end", "lossless", "framed"].map(|n| c.var(n, 0));
    let [x, y, across, down, animated] = ["left", "top", "across", "down", "animated"].map(|n| c.var(n, 0));
    let walk = c.var("chunk", 12);
    c.while_true(
        || (walk + 8).le(s.len) & at.eq(0),
        || {
            let (name, size) = (s.big(walk, 4), s.little(walk + 4, 4));
            let is = |name4: &[u8; 4]| name.eq(i64::from(u32::from_be_bytes(*name4)));
            let (lossy, exact) = (is(b"VP8 "), is(b"VP8L"));
            c.when((lossy | exact) & framed.eq(animated), || {
                at.set(walk + 8);
                end.set((walk + 8 + size).min(s.len));
                lossless.set(exact.int());
            });
            c.when(is(b"VP8X"), || {
                animated.set((s.byte(walk + 8) >> 1) & 1);
                across.set(s.little(walk + 12, 3) + 1);
                down.set(s.little(walk + 15, 3) + 1);
            });
            // A frame's chunks are inside of its own.
            let frame = is(b"ANMF") & animated.eq(1);
            c.when(frame, || {
                framed.set(1);
                x.set(s.little(walk + 8, 3) * 2);
                y.set(s.little(walk + 11, 3) * 2);
            });
            walk.set(walk + 8 + frame.pick(16, size + (size & 1)));
        },
    );
    Picture { at, end, lossless, framed, x, y, across, down }
}

impl<'c> Picture<'c> {
    /// Its width and height, as the data says.
    pub fn size(&self, s: &Stream<'c>) -> [Int<'c>; 2] {
        let bits = s.little(self.at + 1, 4);
        let exact = [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
        let lossy = [6, 8].map(|k| s.little(self.at + k, 2) & 0x3fff);
        [0, 1].map(|k| self.lossless.eq(1).pick(exact[k], lossy[k]))
    }

    /// The canvas, for a picture of this size; leaves the function where the picture isn't inside of it.
    pub fn canvas(&self, info: &Info<'c>, [width, height]: [Int<'c>; 2]) -> [Int<'c>; 2] {
        let told = self.across.gt(0);
        let (across, down) = (told.pick(self.across, width), told.pick(self.down, height));
        let outside = (self.x + width).gt(across) | (self.y + height).gt(down);
        let other = across.ne(width) | down.ne(height);
        info.break_if(outside | (self.framed.eq(0) & other));
        [across, down]
    }

    /// The place of one of its pixels in the output.
    pub fn place(&self, info: &Info<'c>, x: Int<'c>, y: Int<'c>) -> Int<'c> {
        (self.y + y) * info.get(Info::WIDTH) + self.x + x
    }
}
