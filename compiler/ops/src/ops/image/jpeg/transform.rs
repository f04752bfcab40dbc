//! Blocks of coefficients to samples: the inverse DCT in whole numbers of libjpeg's `JDCT_ISLOW`, bit for bit.
//!
//! It is the algorithm of Loeffler, Ligtenberg and Moschytz (ICASSP 1989) with 12 multiplications, columns first, with
//! constants of 13 bits and 2 more bits between the passes.

use super::super::Work;
use super::{BLOCK, Component, QUANTS};
use crate::code::{Int, Memory};

/// Samples of all components.
pub(super) fn blocks<'c>(w: &Work<'c>, count: Int<'c>) {
    let (c, t) = (w.c, w.tables);
    c.each(0, count, |k| {
        let comp = Component::of(t, k);
        let quant = comp.quant() * 64 + QUANTS;
        let stride = comp.across() * 8;
        c.each(0, comp.down(), |by| {
            c.each(0, comp.across(), |bx| {
                let from = (comp.start() + by * comp.across() + bx) * 64;
                c.each(0, 8, |x| {
                    let column = [0, 1, 2, 3, 4, 5, 6, 7].map(|y| {
                        let at = x + y * 8;
                        w.halves.at(from + at) * t.at(quant + at)
                    });
                    store(t, x + BLOCK, 8, pass(column, 11));
                });
                let to = comp.start() * 64 + by * 8 * stride + bx * 8;
                c.each(0, 8, |y| {
                    let row = [0, 1, 2, 3, 4, 5, 6, 7].map(|x| t.at(y * 8 + (BLOCK + x)));
                    let samples = pass(row, 18).map(|v| (v + 128).byte());
                    for (x, v) in samples.into_iter().enumerate() {
                        w.bytes.put(to + y * stride + x as i64, v);
                    }
                });
            });
        });
    });
}

fn store<'c>(t: Memory<'c>, first: Int<'c>, step: i64, values: [Int<'c>; 8]) {
    for (k, v) in values.into_iter().enumerate() {
        t.put(first + k as i64 * step, v);
    }
}

/// Eight numbers, transformed and rounded by so many bits. The factors are sums of cosines, times 2^13.
fn pass<'c>(v: [Int<'c>; 8], shift: i64) -> [Int<'c>; 8] {
    // Even: a rotation by 6 pi / 16, and sums.
    let both = (v[2] + v[6]) * 4433;
    let (e2, e3) = (both - v[6] * 15137, both + v[2] * 6270);
    let (e0, e1) = ((v[0] + v[4]) << 13, (v[0] - v[4]) << 13);
    let even = [e0 + e3, e1 + e2, e1 - e2, e0 - e3];
    // Odd.
    let (o0, o1, o2, o3) = (v[7], v[5], v[3], v[1]);
    let all = (o0 + o2 + o1 + o3) * 9633;
    let (z1, z2) = ((o0 + o3) * 7373, (o1 + o2) * 20995);
    let (z3, z4) = (all - (o0 + o2) * 16069, all - (o1 + o3) * 3196);
    let odd = [o3 * 12299 - z1 + z4, o2 * 25172 - z2 + z3, o1 * 16819 - z2 + z4, o0 * 2446 - z1 + z3];
    let round = |v: Int<'c>| (v + (1 << (shift - 1))) >> shift;
    let sum = |k: usize| round(even[k] + odd[k]);
    let difference = |k: usize| round(even[k] - odd[k]);
    [sum(0), sum(1), sum(2), sum(3), difference(3), difference(2), difference(1), difference(0)]
}
