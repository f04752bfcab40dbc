//! The coefficients of a macroblock (RFC 6386, section 13), and the transform of second order.

use super::bits::Bits;
use super::*;

/// Reads the coefficients, unless they are `skipped`, to the tables, times the segment's steps. `inner` becomes 1 if any
/// isn't 0.
pub(super) fn macroblock<'c>(
    f: &Frame<'_, 'c>,
    b: &Bits<'_, 'c>,
    [segment, x, sub, skipped]: [Int<'c>; 4],
    inner: Variable<'c>,
) {
    let (c, t, m) = (f.w.c, f.w.tables, f.w.bytes);
    let above = f.planes.above() + x * 9;
    let steps = segment * 8 + STEPS;
    c.choose(
        skipped.eq(1),
        || {
            // Without a block of second order, that of before still counts.
            c.each(0, c.int(9) - sub, |k| {
                m.put(above + k, 0);
                t.put(k + LEFT, 0);
            });
        },
        || {
            c.each(sub, 25, |k| {
                let (second, luma, chroma) = (k.eq(0), k.le(16), k - 17);
                // The columns and rows of blocks: 4 of luma, 2 and 2 of chroma, then of second order.
                let plane = (chroma >> 2) * 2 + 4;
                let column = second.pick(8, luma.pick((k - 1) & 3, plane + (chroma & 1)));
                let row = second.pick(8, luma.pick((k - 1) >> 2, plane + ((chroma >> 1) & 1)));
                let kind = second.pick(1, luma.pick(sub * 3, 2));
                let step = steps + second.pick(2, luma.pick(0, 4));
                let first = kind.eq(0).int();
                let context = m.at(above + column) + t.at(row + LEFT);
                let end = block(f, b, kind, context, first, k * 16 + BLOCKS, step);
                let some = end.gt(first).int();
                m.put(above + column, some);
                t.put(row + LEFT, some);
                c.when(!second & end.gt(1), || inner.set(1));
            });
            c.when(sub.eq(0), || second_order(c, t));
            // A single first coefficient counts as well.
            c.each(1, 25, |k| c.when(t.at(k * 16 + BLOCKS).ne(0), || inner.set(1)));
        },
    );
}

/// Reads a block from its coefficient `first` on; gives the place behind the last one.
fn block<'c>(
    f: &Frame<'_, 'c>,
    b: &Bits<'_, 'c>,
    kind: Int<'c>,
    context: Int<'c>,
    first: Int<'c>,
    to: Int<'c>,
    step: Int<'c>,
) -> Variable<'c> {
    let (c, t) = (f.w.c, f.w.tables);
    let (n, context) = (c.var("n", first), c.var("context", context));
    let prob = |k: i64| {
        let band = f.figures.at(n + BANDS);
        t.at(((kind * 8 + band) * 3 + context) * 11 + (PROBS + k))
    };
    // After a 0 there is no end.
    let end_may_come = c.var("may_end", 1);
    let end = c.var("end", 16);
    c.while_true(
        || n.lt(16),
        || {
            c.when(end_may_come.eq(1), || {
                c.when(b.bit(prob(0)).eq(0), || {
                    end.set(n);
                    n.set(16);
                });
            });
            c.when(n.lt(16), || {
                c.choose(
                    b.bit(prob(1)).eq(0),
                    || {
                        context.set(0);
                        end_may_come.set(0);
                    },
                    || {
                        let v = value(f, b, &prob);
                        context.set(v.gt(1).pick(2, 1));
                        end_may_come.set(1);
                        let v = b.bit(128).eq(1).pick(c.int(0) - v, v);
                        t.put(to + f.figures.at(n + ZIGZAG), v * t.at(step + n.gt(0).int()));
                    },
                );
                n.add(1);
            });
        },
    );
    end
}

/// A value above 0: small ones by a tree, large ones by the bits of their category.
fn value<'c>(f: &Frame<'_, 'c>, b: &Bits<'_, 'c>, prob: &dyn Fn(i64) -> Int<'c>) -> Int<'c> {
    let c = f.w.c;
    let v = c.var("v", 1);
    let large = || {
        c.choose(
            b.bit(prob(6)).eq(0),
            || {
                c.choose(
                    b.bit(prob(7)).eq(0),
                    || v.set(b.bit(159) + 5),
                    || {
                        let upper = b.bit(165) * 2;
                        v.set(upper + b.bit(145) + 7);
                    },
                );
            },
            || {
                let upper = b.bit(prob(8));
                let lower = b.bit(upper.eq(1).pick(prob(10), prob(9)));
                let category = upper * 2 + lower;
                let at = c.var("at", category * 12 + CATEGORIES);
                v.set(0);
                c.while_true(
                    || f.figures.at(at).ne(0),
                    || {
                        v.set(v * 2 + b.bit(f.figures.at(at)));
                        at.add(1);
                    },
                );
                v.add((c.int(8) << category) + 3);
            },
        );
    };
    let middle = || {
        c.choose(b.bit(prob(4)).eq(0), || v.set(2), || v.set(b.bit(prob(5)) + 3));
    };
    c.when(b.bit(prob(2)).eq(1), || c.choose(b.bit(prob(3)).eq(0), middle, large));
    v.now()
}

/// The transform of the first coefficients of luma's blocks (RFC 6386, 14.3).
fn second_order<'c>(c: &'c crate::code::Code, t: Memory<'c>) {
    let sums = |v: [Int<'c>; 4]| {
        let (a, b) = (v[0] + v[3], v[1] + v[2]);
        let (d, e) = (v[1] - v[2], v[0] - v[3]);
        [a + b, e + d, a - b, e - d]
    };
    c.each(0, 4, |i| {
        let out = sums([0, 4, 8, 12].map(|k| t.at(i + (BLOCKS + k))));
        out.into_iter().enumerate().for_each(|(k, v)| t.put(i + (BLOCK + 4 * k as i64), v));
    });
    c.each(0, 4, |i| {
        let [first, rest @ ..] = [0, 1, 2, 3].map(|k| t.at(i * 4 + (BLOCK + k)));
        let out = sums([first + 3, rest[0], rest[1], rest[2]]);
        out.into_iter().enumerate().for_each(|(k, v)| t.put((i * 4 + (k as i64 + 1)) * 16 + BLOCKS, v >> 3));
    });
}
