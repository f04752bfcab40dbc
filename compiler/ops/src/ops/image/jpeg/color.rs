//! Samples to pixels: libjpeg-turbo's triangular upsampling of halved components, and its colours, bit for bit.

use super::super::Work;
use super::segments::Told;
use super::{Component, Frame};
use crate::code::{Bool, Int};

/// All pixels of the image.
pub(super) fn pixels<'c>(w: &Work<'c>, f: &Frame<'c>, told: &Told<'c>) {
    let (c, t) = (w.c, w.tables);
    let gray = f.count.eq(1);
    // As libjpeg decides: JFIF is YCbCr, Adobe says it, else three names of components are RGB's.
    let named = [b'R', b'G', b'B'].into_iter().enumerate();
    let names = named.fold(c.truth(true), |all, (k, n)| all & Component::of(t, c.int(k as i64)).id().eq(i64::from(n)));
    let plain = told.jfif.eq(0) & (told.adobe.eq(0) | (told.adobe.lt(0) & names));
    c.each(0, f.height, |y| {
        c.each(0, f.width, |x| {
            let at = y * f.width + x;
            let luma = sample(w, f, c.int(0), x, y);
            c.choose(
                gray,
                || w.pixels.put(at, [luma; 3]),
                || {
                    let [b, r] = [1, 2].map(|k| sample(w, f, c.int(k), x, y));
                    let three = [luma, b, r];
                    c.choose(
                        f.count.eq(3),
                        || w.pixels.put(at, colors(plain, three)),
                        || {
                            // CMYK, unless Adobe says otherwise.
                            let mixed = told.adobe.gt(0);
                            let inks = colors(c.truth(false), three).into_iter().zip(three);
                            let inks = inks.map(|(v, raw)| mixed.pick(v, c.int(255) - raw));
                            w.pixels.put(at, inked(inks, sample(w, f, c.int(3), x, y)));
                        },
                    );
                },
            );
        });
    });
}

/// Inks over white to RGB, as Pillow has it: `light` is what black leaves.
fn inked<'c>(inks: impl Iterator<Item = Int<'c>>, light: Int<'c>) -> [Int<'c>; 3] {
    let all: Vec<Int<'c>> = inks
        .map(|ink| {
            let product = ink * light + 128;
            light - (((product >> 8) + product) >> 8)
        })
        .collect();
    [all[0], all[1], all[2]]
}

/// YCbCr to RGB (JFIF 1.02) with factors of 16 bits, or three components as they are.
fn colors<'c>(plain: Bool<'c>, [y, cb, cr]: [Int<'c>; 3]) -> [Int<'c>; 3] {
    let (b, r) = (cb - 128, cr - 128);
    let half = 1 << 15;
    let red = y + ((r * 91881 + half) >> 16);
    let green = y + ((b * -22554 + r * -46802 + half) >> 16);
    let blue = y + ((b * 116130 + half) >> 16);
    [plain.pick(y, red.byte()), plain.pick(cb, green.byte()), plain.pick(cr, blue.byte())]
}

/// A component's sample at a pixel. Where it is halved along an axis, it is three quarters of the sample there and one of the
/// neighbour that is nearer; halves are rounded up and down in turn. Narrow images and other ratios repeat samples.
fn sample<'c>(w: &Work<'c>, f: &Frame<'c>, k: Int<'c>, x: Int<'c>, y: Int<'c>) -> Int<'c> {
    let c = w.c;
    let comp = Component::of(w.tables, k);
    let (h, v) = (f.h.over(comp.h()), f.v.over(comp.v()));
    let stride = comp.across() * 8;
    let first = comp.start() * 64;
    let value = c.var("sample", 0);
    c.choose(
        h.eq(1) & v.eq(1),
        || value.set(w.bytes.at(first + y * stride + x)),
        || {
            let wide = comp.width().gt(2);
            let across = h.eq(2) & v.le(2) & wide;
            let down = v.eq(2) & (h.eq(1) | across);
            let (i, j) = (x.over(h), y.over(v));
            let (odd_x, odd_y) = ((x & 1).eq(1), (y & 1).eq(1));
            let next = |odd: Bool<'c>, i: Int<'c>, count: Int<'c>| odd.pick((i + 1).min(count - 1), (i - 1).max(0));
            let (i2, j2) = (next(odd_x, i, comp.width()), next(odd_y, j, comp.height()));
            let (j2, near) = (down.pick(j2, j), down.pick(3, 1));
            let far = down.int();
            let column =
                |i: Int<'c>| w.bytes.at(first + j * stride + i) * near + w.bytes.at(first + j2 * stride + i) * far;
            let this = column(i);
            let sum = across.pick(this * 3 + column(across.pick(i2, i)), this);
            let both = across & down;
            // 8 and 7 of 16 along both axes, 1 and 2 of 4 along one.
            let one = across.pick(odd_x.pick(2, 1), odd_y.pick(2, 1));
            let bias = both.pick(odd_x.pick(7, 8), (across | down).pick(one, 0));
            value.set((sum + bias) >> both.pick(4, (across | down).pick(2, 0)));
        },
    );
    value.now()
}
