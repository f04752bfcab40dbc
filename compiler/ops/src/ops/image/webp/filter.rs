//! The loop filter (RFC 6386, section 15), over the whole frame once it is there: predictions are from what is not filtered.

use super::frame::Header;
use super::*;
use crate::code::Bool;

/// How strong an edge is filtered.
struct Strength<'c> {
    /// What counts as an edge of the image: differences inside and across.
    inside: Int<'c>,
    across: Int<'c>,
    /// Differences that are high variance.
    high: Int<'c>,
    simple: Bool<'c>,
    /// An edge between macroblocks.
    outer: Bool<'c>,
}

pub(super) fn frame<'c>(f: &Frame<'_, 'c>, h: &Header<'c>) {
    let (c, m) = (f.w.c, f.w.bytes);
    c.each(0, f.planes.down, |y| {
        c.each(0, f.planes.across, |x| {
            let at = f.planes.filters() + (y * f.planes.across + x) * 2;
            let (level, inner) = (m.at(at), m.at(at + 1));
            let shift = h.sharpness.gt(4).pick(2, h.sharpness.gt(0).int());
            let inside = level >> shift;
            let inside = h.sharpness.gt(0).pick(inside.min(c.int(9) - h.sharpness), inside).max(1);
            let high = level.ge(40).pick(2, level.ge(15).int());
            let planes = h.simple.eq(1).pick(1, 3);
            // Edges across x, then across y.
            c.when(level.gt(0), || {
                c.each(0, planes, |k| {
                    c.each(0, 2, |down| {
                        let size = k.eq(0).pick(16, 8);
                        let place = down.eq(1).pick(y, x);
                        c.each(0, size >> 2, |edge| {
                            let outer = edge.eq(0);
                            let across = level * 2 + inside + outer.pick(4, 0);
                            let s = Strength { inside, across, high, simple: h.simple.eq(1), outer };
                            c.when((outer & place.gt(0)) | (!outer & inner.ne(0)), || {
                                let [start, stride] = f.planes.plane(k);
                                let first = start + y * size * stride + x * size;
                                let (step, along) = (down.eq(1).pick(stride, 1), down.eq(1).pick(1, stride));
                                c.each(0, size, |i| filter(f, &s, first + edge * 4 * step + i * along, step));
                            });
                        });
                    });
                });
            });
        });
    });
}

fn size<'c>(f: &Frame<'_, 'c>, v: Int<'c>) -> Int<'c> {
    v.max(f.w.c.int(0) - v)
}

/// Kept to what a signed byte holds.
fn signed(v: Int<'_>) -> Int<'_> {
    v.max(-128).min(127)
}

/// Filters the pixels on both sides of `at`, the first of the second side.
fn filter<'c>(f: &Frame<'_, 'c>, s: &Strength<'c>, at: Int<'c>, step: Int<'c>) {
    let (c, m) = (f.w.c, f.w.bytes);
    let pixel = |k: i64| m.at(at + step * k);
    let [p1, p0, q0, q1] = [-2, -1, 0, 1].map(pixel);
    let flat = (size(f, p0 - q0) * 4 + size(f, p1 - q1)).le(s.across * 2 + 1);
    let go = c.var("go", flat.int());
    let high = c.var("high", 1);
    c.when(flat & !s.simple, || {
        let all = [-4, -3, -2, -1, 0, 1, 2, 3].map(pixel);
        let near = |a: Int<'c>, b: Int<'c>| size(f, a - b).le(s.inside);
        let sides = [(0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (6, 7)];
        let smooth = sides.into_iter().fold(c.truth(true), |yes, (a, b)| yes & near(all[a], all[b]));
        go.set(smooth.int());
        high.set((size(f, p1 - p0).gt(s.high) | size(f, q1 - q0).gt(s.high)).int());
    });
    let add = |k: i64, v: Int<'c>, by: Int<'c>| m.put(at + step * k, (v + by).byte());
    let minus = |v: Int<'c>| c.int(0) - v;
    let third = |v: Int<'c>| [4, 3].map(|r| ((v + r) >> 3).max(-16).min(15));
    c.when(go.eq(1), || {
        c.choose(
            high.eq(1),
            || {
                let [a, b] = third((q0 - p0) * 3 + signed(p1 - q1));
                add(-1, p0, b);
                add(0, q0, minus(a));
            },
            || {
                c.choose(
                    s.outer,
                    || {
                        let a = signed((q0 - p0) * 3 + signed(p1 - q1));
                        // 27, 18 and 9 of 128.
                        let (p2, q2) = (pixel(-3), pixel(2));
                        for (k, p, q, w) in [(1, p0, q0, 27), (2, p1, q1, 18), (3, p2, q2, 9)] {
                            let by = (a * w + 63) >> 7;
                            add(-k, p, by);
                            add(k - 1, q, minus(by));
                        }
                    },
                    || {
                        let [a, b] = third((q0 - p0) * 3);
                        let half = (a + 1) >> 1;
                        add(-2, p1, half);
                        add(-1, p0, b);
                        add(0, q0, minus(a));
                        add(1, q1, minus(half));
                    },
                );
            },
        );
    });
}
