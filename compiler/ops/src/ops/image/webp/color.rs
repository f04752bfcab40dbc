//! Planes to pixels: chroma at twice its size (9, 3, 3 and 1 of 16 of the nearest samples, rounded as libwebp does), then
//! ITU-R BT.601 with a luma of 16 to 235, in libwebp's fixed point.

use super::*;

pub(super) fn pixels<'c>(f: &Frame<'_, 'c>, p: &Picture<'c>) {
    let (c, m) = (f.w.c, f.w.bytes);
    let [width, height] = p.size(&f.w.stream);
    // The samples that the image has.
    let (across, down) = ((width + 1) >> 1, (height + 1) >> 1);
    c.each(0, height, |y| {
        c.each(0, width, |x| {
            let near = |v: Int<'c>, count: Int<'c>| {
                let (i, odd) = (v >> 1, (v & 1).eq(1));
                (i, odd.pick((i + 1).min(count - 1), (i - 1).max(0)))
            };
            let ((i, i2), (j, j2)) = (near(x, across), near(y, down));
            let chroma = |k: i64| {
                let [start, stride] = f.planes.plane(c.int(k));
                let at = |i: Int<'c>, j: Int<'c>| m.at(start + j * stride + i);
                let own = at(i, j);
                let mixed = (own + (at(i2, j) + at(i, j2)) * 3 + at(i2, j2) + 8) >> 3;
                (mixed + own) >> 1
            };
            let luma = m.at(y * f.planes.across * 16 + x);
            f.w.pixels.put(p.place(&f.w.info, x, y), colors(luma, chroma(1), chroma(2)));
        });
    });
}

/// The products lose 8 bits, the sums have 6 more than a byte.
fn colors<'c>(y: Int<'c>, u: Int<'c>, v: Int<'c>) -> [Int<'c>; 3] {
    let part = |v: Int<'c>, factor: i64| (v * factor) >> 8;
    let y = part(y, 19077);
    let red = y + part(v, 26149) - 14234;
    let green = y - part(u, 6419) - part(v, 13320) + 8708;
    let blue = y + part(u, 33050) - 17685;
    [red, green, blue].map(|v| (v >> 6).byte())
}
