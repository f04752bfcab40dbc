//! The transforms (RFC 9649, section 3.5), taken back in the order opposite to that in the stream, in place.

use super::{COLOR, GREEN, INDEXING, Lossless, PALETTE, PREDICTOR, TRANSFORMS, color, tiles};
use crate::code::Int;

const ALTERNATE: i64 = 0xff00_ff00;

/// The sums of four bytes.
pub(super) fn sum<'c>(a: Int<'c>, b: Int<'c>) -> Int<'c> {
    let low = ALTERNATE >> 8;
    (((a & ALTERNATE) + (b & ALTERNATE)) & ALTERNATE) | (((a & low) + (b & low)) & low)
}

/// The means of four bytes, rounded down.
fn mean<'c>(a: Int<'c>, b: Int<'c>) -> Int<'c> {
    (((a ^ b) & 0xfefe_fefe) >> 1) + (a & b)
}

fn byte<'c>(v: Int<'c>, shift: impl crate::code::Whole<'c>) -> Int<'c> {
    (v >> shift) & 255
}

/// A byte as a signed number.
fn signed(v: Int<'_>) -> Int<'_> {
    ((v & 255) ^ 128) - 128
}

fn size(v: Int<'_>) -> Int<'_> {
    v.max(v.constant(0) - v)
}

impl<'c> Lossless<'_, 'c> {
    /// Takes all transforms back; the image has so many columns then.
    pub(super) fn revert(&self, width: Int<'c>) {
        let (c, t, count) = (self.c, self.t, self.count);
        c.each(0, count, |i| {
            let at = (count - 1 - i) * 4 + TRANSFORMS;
            let [kind, log, across] = [0, 1, 2].map(|k| t.at(at + k));
            c.when(kind.eq(PREDICTOR), || self.predict(across, log));
            c.when(kind.eq(COLOR), || self.mix(across, log));
            c.when(kind.eq(GREEN), || self.add_green(across));
            c.when(kind.eq(INDEXING), || self.index(width, log));
        });
    }

    fn add_green(&self, across: Int<'c>) {
        let first = self.places.image();
        self.c.each(first, first + across * self.height, |at| {
            let v = color(self.t, at);
            let green = byte(v, 8);
            self.t.put(at, sum(v, (green << 16) | green));
        });
    }

    /// Parts of green in red and blue, and of red in blue.
    fn mix(&self, across: Int<'c>, log: Int<'c>) {
        let (c, t) = (self.c, self.t);
        let row = tiles(across, log);
        c.each(0, self.height, |y| {
            c.each(0, across, |x| {
                let factors = t.at(self.places.of_kind(COLOR) + (y >> log) * row + (x >> log));
                let at = self.places.image() + y * across + x;
                let v = color(t, at);
                let part = |shift: i64, v: Int<'c>| (signed(factors >> shift) * signed(v)) >> 5;
                let green = byte(v, 8);
                let red = (byte(v, 16) + part(0, green)) & 255;
                let blue = (byte(v, 0) + part(8, green) + part(16, red)) & 255;
                t.put(at, (v & ALTERNATE) | (red << 16) | blue);
            });
        });
    }

    /// Pixels that were packed, which are read before they are written over: from the end.
    fn index(&self, width: Int<'c>, log: Int<'c>) {
        let (c, t) = (self.c, self.t);
        let (packed, bits) = (tiles(width, log), c.int(8) >> log);
        let first = self.places.image();
        let inside = (c.int(1) << log) - 1;
        c.each(0, self.height, |i| {
            let y = self.height - 1 - i;
            c.each(0, width, |i| {
                let x = width - 1 - i;
                let v = byte(t.at(first + y * packed + (x >> log)), 8) >> ((x & inside) * bits);
                let k = v & ((c.int(1) << bits) - 1);
                t.put(first + y * width + x, t.at(k + PALETTE));
            });
        });
    }

    /// Sums with what is foretold by the pixels to the left and above.
    fn predict(&self, across: Int<'c>, log: Int<'c>) {
        let (c, t) = (self.c, self.t);
        let row = tiles(across, log);
        c.each(0, self.height, |y| {
            c.each(0, across, |x| {
                let at = self.places.image() + y * across + x;
                let mode = c.var("mode", y.gt(0).pick(2, x.gt(0).int()));
                c.when(y.gt(0) & x.gt(0), || {
                    mode.set(byte(t.at(self.places.of_kind(PREDICTOR) + (y >> log) * row + (x >> log)), 8) & 15);
                });
                // At the borders, what isn't there isn't asked for: something else is before the image.
                let up = y.gt(0).pick(across, 0);
                let [left, above, right, corner] =
                    [at - 1, at - up, at - up + up.min(1), at - up - 1].map(|at| color(t, at));
                t.put(at, sum(color(t, at), self.guess(mode.now(), left, above, right, corner)));
            });
        });
    }

    /// The 14 ways (RFC 9649, 3.5.1).
    fn guess(&self, mode: Int<'c>, left: Int<'c>, above: Int<'c>, right: Int<'c>, corner: Int<'c>) -> Int<'c> {
        let c = self.c;
        let black = c.int(0xff00_0000);
        let guess = c.var("guess", black);
        let is = |k: i64| mode.eq(k);
        let one = || guess.set(is(0).pick(black, is(1).pick(left, is(2).pick(above, is(3).pick(right, corner)))));
        let means = || {
            let first = is(5).pick(mean(left, right), is(10).pick(mean(left, corner), left));
            let first = is(8).pick(corner, is(9).pick(above, first));
            let second = is(6).pick(corner, is(9).pick(right, is(10).pick(mean(above, right), above)));
            guess.set(mean(first, second));
        };
        let nearer = || {
            let far = |a: Int<'c>| [0, 8, 16, 24].map(|k| size(byte(a, k) - byte(corner, k)));
            let total = |v: [Int<'c>; 4]| v[0] + v[1] + v[2] + v[3];
            guess.set(total(far(left)).le(total(far(above))).pick(above, left));
        };
        let slope = || {
            let half = mean(left, above);
            let bytes = [0, 8, 16, 24].map(|k| {
                let (a, b, d) = (byte(left, k), byte(above, k), byte(corner, k));
                let m = byte(half, k);
                is(12).pick(a + b - d, m + (m - d).over(2)).byte() << k
            });
            guess.set(bytes[0] | bytes[1] | bytes[2] | bytes[3]);
        };
        let upper = || c.choose(is(11), nearer, || c.when(mode.lt(14), slope));
        c.choose(mode.lt(5), one, || c.choose(mode.lt(11), means, upper));
        guess.now()
    }
}
