//! Samples to pixels: components are mixed and put into their range (annex G) as OpenJPEG does, then they become colours as
//! Pillow does.

use super::super::Work;
use super::header::Main;
use super::kind;
use super::tile::{Places, Tile};
use crate::code::{Int, Memory};

/// Puts the samples of all components, which lie one after another, into their ranges.
pub(super) fn finish<'c>(w: &Work<'c>, main: &Main<'c>, tile: &Tile<'_, 'c>, places: &Places<'c>) {
    let (c, t, s) = (w.c, w.tables, &w.stream);
    let zero = c.int(0);
    c.when(tile.coding.mixed().eq(1) & tile.count.ge(3), || {
        let [left, top, right, bottom] = tile.component(zero);
        let count = (right - left) * (bottom - top);
        let whole = tile.coding.reversible(zero).eq(1);
        c.each(0, count, |i| {
            let at = [0, 1, 2].map(|k| places.samples + count * k + i);
            c.choose(whole, || whole_colors(t, at), || float_colors(t, at));
        });
    });
    let start = c.var("start", places.samples);
    c.each(0, tile.count, |k| {
        let [left, top, right, bottom] = tile.component(k);
        let count = (right - left) * (bottom - top);
        let half = c.int(1) << (main.depth(s, k) - 1);
        let signed = main.signed(s, k);
        let (shift, least) = (signed.pick(0, half), signed.pick(zero - half, 0));
        let (whole, most) = (tile.coding.reversible(k).eq(1), signed.pick(half, half * 2) - 1);
        c.each(start, start + count, |at| {
            let v = c.var("v", t.at(at));
            c.when(!whole, || v.set(t.real_at(at).round()));
            t.put(at, (v + shift).max(least).min(most));
        });
        start.add(count);
    });
}

/// The reversible transform of colours.
fn whole_colors<'c>(t: Memory<'c>, at: [Int<'c>; 3]) {
    let [y, u, v] = at.map(|i| t.at(i));
    let green = y - ((u + v) >> 2);
    at.into_iter().zip([v + green, green, u + green]).for_each(|(i, v)| t.put(i, v));
}

/// The irreversible one.
fn float_colors<'c>(t: Memory<'c>, at: [Int<'c>; 3]) {
    let [y, u, v] = at.map(|i| t.real_at(i));
    let c = t.code();
    let green = y - u * c.real(0.344_13) - v * c.real(0.714_14);
    let colors = [y + v * c.real(1.402), green, y + u * c.real(1.772)];
    at.into_iter().zip(colors).for_each(|(i, v)| t.put_real(i, v));
}

/// Writes a tile's pixels. As Pillow counts them, a component that has a sample for `x` by `y` points has `width / x` samples
/// in a row and `height / y` rows, rounded down: a tile of another size has the colours of other places, there and here.
pub(super) fn pixels<'c>(
    w: &Work<'c>,
    main: &Main<'c>,
    tile: &Tile<'_, 'c>,
    places: &Places<'c>,
    palette: i64,
    total: Int<'c>,
) {
    let (c, t, s) = (w.c, w.tables, &w.stream);
    let what = main.kind(s);
    let [left, top, right, bottom] = tile.area;
    let (width, height) = (right - left, bottom - top);
    // The first sample of each component, and how to make 8 bits of it; of 16 what is above 255 is white.
    let bits = what.eq(kind::WIDE_GRAY).pick(16, 8);
    let start = c.var("start", 0);
    let of = [0, 1, 2, 3].map(|k| {
        // Absent components are read as the last one is.
        let k = (main.count - 1).min(k);
        let [x, y] = main.steps(s, k).map(|v| v.max(1));
        let first = start.now();
        start.add(width.over(x) * height.over(y));
        let depth = main.depth(s, k);
        let more = (depth - bits).max(0);
        let offset = main.signed(s, k).pick(c.int(1) << (depth - 1), 0) + ((c.int(1) << more) >> 1);
        (first, [x, y], width.over(x), [offset, more, (bits - depth).max(0)])
    });
    c.each(0, height, |y| {
        c.each(0, width, |x| {
            let value =
                |(first, [dx, dy], row, [offset, more, less]): (Int<'c>, [Int<'c>; 2], Int<'c>, [Int<'c>; 3])| {
                    let at = first + y.over(dy) * row + x.over(dx);
                    let inside = at.lt(total);
                    let v = inside.pick(t.at(places.samples + inside.pick(at, 0)), 0);
                    ((((v + offset) >> more) << less) & ((c.int(1) << bits) - 1)).min(255)
                };
            let v = of.map(value);
            let at = (y + top - main.area[1]) * main.width() + x + left - main.area[0];
            let gray = what.le(kind::WIDE_GRAY);
            c.choose(
                what.eq(kind::RGB),
                || w.pixels.put(at, [v[0], v[1], v[2]]),
                || {
                    let colors = |i: usize| {
                        let indexed = t.at(v[0] * 4 + (palette + i as i64));
                        let shade = gray.pick(v[0], indexed);
                        what.eq(kind::YCC).pick(ycc(v)[i], what.eq(kind::CMYK).pick(cmyk(v)[i], shade))
                    };
                    w.pixels.put(at, [0, 1, 2].map(colors));
                },
            );
        });
    });
}

/// YCbCr to RGB with Pillow's factors of 6 bits.
fn ycc<'c>([y, cb, cr, _]: [Int<'c>; 4]) -> [Int<'c>; 3] {
    let (b, r) = (cb - 128, cr - 128);
    let part = |v: Int<'c>, by: i64| (v * by + 50_000).over(100_000);
    let red = y + (part(r, 8_972_800) >> 6);
    let green = y + ((part(b, -2_202_496) + part(r, -4_570_496)) >> 6);
    let blue = y + (part(b, 11_340_800) >> 6);
    [red, green, blue].map(|v| v.byte())
}

/// CMYK to RGB, as Pillow converts it.
fn cmyk<'c>([cyan, magenta, yellow, key]: [Int<'c>; 4]) -> [Int<'c>; 3] {
    let rest = key.constant(255) - key;
    [cyan, magenta, yellow].map(|v| {
        let product = v * rest + 128;
        rest - (((product >> 8) + product) >> 8)
    })
}
