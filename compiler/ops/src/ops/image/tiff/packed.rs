//! The strips of a TIFF: as they are, PackBits (TIFF 6.0, section 9), LZW (section 13), DEFLATE.

use super::super::Work;
use super::super::inflate::Inflate;
use super::super::stream::broken_if;
use super::directory::Header;
use crate::code::{Int, Variable};

/// A byte of the stream whose bits are in order.
pub(super) fn byte<'c>(w: &Work<'c>, h: &Header<'c>, at: Int<'c>) -> Int<'c> {
    let v = w.c.var("byte", w.stream.byte(at));
    w.c.when(h.order.eq(2), || {
        for (shift, mask) in [(4, 15), (2, 0x33), (1, 0x55)] {
            v.set(((v & mask) << shift) | ((v >> shift) & mask));
        }
    });
    v.now()
}

/// Unpacks bytes `from` of the stream to bytes `to`, which are then all written.
pub(super) fn unpack<'c>(w: &Work<'c>, h: &Header<'c>, from: [Int<'c>; 2], to: [Int<'c>; 2]) {
    let (c, compression) = (w.c, h.compression);
    let (at, out) = (c.var("at", from[0]), c.var("out", to[0]));
    let next = || {
        broken_if(c, at.ge(from[1]));
        at.add(1);
        byte(w, h, at - 1)
    };
    let push = |v: Int<'c>| {
        w.bytes.put(out, v);
        out.add(1);
    };
    let lzw = || unpack_lzw(w, &next, out, to);
    let rest = || {
        c.choose(compression.eq(5), lzw, || out.set(Inflate::new(c, &next, w.bytes, w.tables).run(to[0], to[1])));
    };
    c.choose(
        compression.eq(1),
        || c.each(to[0], to[1], |_| push(next())),
        || c.choose(compression.eq(32773), || pack_bits(w, &next, out, to[1]), rest),
    );
    broken_if(c, out.lt(to[1]));
}

/// A byte n, then n + 1 bytes as they are, or 1 - n (as a signed number) times the next; -128 is nothing.
fn pack_bits<'c>(w: &Work<'c>, next: &dyn Fn() -> Int<'c>, out: Variable<'c>, end: Int<'c>) {
    let c = w.c;
    let push = |v: Int<'c>| {
        broken_if(c, out.ge(end));
        w.bytes.put(out, v);
        out.add(1);
    };
    c.while_true(
        || out.lt(end),
        || {
            let n = next();
            c.when(n.lt(128), || c.each(0, n + 1, |_| push(next())));
            c.when(n.gt(128), || {
                let v = next();
                c.each(0, c.int(257) - n, |_| push(v));
            });
        },
    );
}

/// Codes of 9 to 12 bits, the first bit highest; 256 begins anew, 257 ends. What a code stands for is a piece of the output:
/// the tables have its place, from `to[0]` on, and its length.
fn unpack_lzw<'c>(w: &Work<'c>, next: &dyn Fn() -> Int<'c>, out: Variable<'c>, to: [Int<'c>; 2]) {
    let (c, t) = (w.c, w.tables);
    let (bits, count) = (c.var("bits", 0), c.var("count", 0));
    let (width, used, last) = (c.var("width", 9), c.var("used", 258), c.var("last", -1));
    let before = c.var("before", 0);
    c.while_true(
        || out.lt(to[1]),
        || {
            c.while_true(
                || count.lt(width),
                || {
                    bits.set(((bits << 8) | next()) & 0xff_ffff);
                    count.add(8);
                },
            );
            count.set(count - width);
            let code = (bits >> count) & ((c.int(1) << width) - 1);
            c.when(code.eq(257), || c.stop());
            c.choose(
                code.eq(256),
                || {
                    width.set(9);
                    used.set(258);
                    last.set(-1);
                },
                || {
                    // A new code is what the code before stands for, and the byte behind it.
                    c.when(last.ge(0) & used.lt(4096), || {
                        t.put(used * 2, before - to[0]);
                        t.put(used * 2 + 1, out - before + 1);
                        used.add(1);
                        width.set((used + 1).ge(c.int(1) << width).pick((width + 1).min(12), width));
                    });
                    broken_if(c, code.ge(256) & (code.ge(used) | code.lt(258)));
                    before.set(out);
                    c.choose(
                        code.lt(256),
                        || {
                            w.bytes.put(out, code);
                            out.add(1);
                        },
                        || {
                            let from = to[0] + t.at(code * 2);
                            let length = t.at(code * 2 + 1).min(to[1] - out);
                            c.each(0, length, |k| {
                                w.bytes.put(out, w.bytes.at(from + k));
                                out.add(1);
                            });
                        },
                    );
                    last.set(code);
                },
            );
        },
    );
}
