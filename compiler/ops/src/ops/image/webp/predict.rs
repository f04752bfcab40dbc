//! The pixels of a macroblock: predictions (RFC 6386, section 12) and what the coefficients add to them (14.4).
//!
//! Above the frame all is 127, to the left of it 129.
//!
//! Does NOT filter what it has made (see `filter`).

use super::*;

/// The edge of a subblock as one list: the left side from below, twice its end, the corner, what is above, twice its end.
/// A pixel of a slanted mode is a rounded mean of two or three neighbours there: each rule is twice the place of the first,
/// plus 1 for three. The modes 2 to 9, in the order of the standard: vertical, horizontal, left and right down, ...
pub(super) fn rules() -> Vec<i16> {
    // Places: left (from above) 4, 3, 2, 1, then 0 again; corner 5; above from 6 on.
    let two = |first: i16| first * 2;
    let three = |first: i16| first * 2 + 1;
    let mut all = vec![];
    for mode in 2..10 {
        for (y, x) in (0..16).map(|k| (k / 4, k % 4)) {
            all.push(match mode {
                2 => three(5 + x),
                3 => three(3 - y),
                4 => three(6 + x + y),
                5 => three(4 + x - y),
                6 => vertical_right(y, x),
                7 => vertical_left(y, x),
                8 => horizontal_down(y, x),
                _ => match 2 * y + x {
                    // Beyond the end of the left side all is its last pixel.
                    k if k > 5 => two(0),
                    k if k % 2 == 0 => two(3 - k / 2),
                    k => three(2 - k / 2),
                },
            });
        }
    }
    return all;

    fn vertical_right(y: i16, x: i16) -> i16 {
        // Two columns of rows further down, of which the first are parts of the left side.
        let k = 2 * x - y;
        match k {
            _ if k >= 0 && k % 2 == 0 => (5 + k / 2) * 2,
            _ if k >= 0 => (4 + (k + 1) / 2) * 2 + 1,
            -1 => 4 * 2 + 1,
            _ => (5 + k) * 2 + 1,
        }
    }

    fn vertical_left(y: i16, x: i16) -> i16 {
        match (y, x) {
            (3, 3) => 11 * 2 + 1,
            (2, 3) => 10 * 2 + 1,
            _ if y % 2 == 0 => (6 + x + y / 2) * 2,
            _ => (6 + x + y / 2) * 2 + 1,
        }
    }

    fn horizontal_down(y: i16, x: i16) -> i16 {
        let k = 2 * y - x;
        match k {
            _ if k >= 0 && k % 2 == 0 => (4 - k / 2) * 2,
            _ if k >= 0 => (3 - k / 2) * 2 + 1,
            -1 => 4 * 2 + 1,
            _ => (3 - k) * 2 + 1,
        }
    }
}

/// Predicts the macroblock and adds its coefficients' part.
pub(super) fn macroblock<'c>(f: &Frame<'_, 'c>, [x, y]: [Int<'c>; 2], [luma, chroma]: [Int<'c>; 2]) {
    let c = f.w.c;
    let sub = luma.eq(4);
    c.each(sub.int(), 3, |k| {
        let size = k.eq(0).pick(16, 8);
        whole(f, k, size, k.eq(0).pick(luma, chroma), [x * size, y * size]);
    });
    c.each(0, 24, |k| {
        let in_luma = k.lt(16);
        let plane = in_luma.pick(0, ((k - 16) >> 2) + 1);
        let [start, stride] = f.planes.plane(plane);
        let (column, row) = (in_luma.pick(k & 3, k & 1), in_luma.pick(k >> 2, (k >> 1) & 1));
        let size = in_luma.pick(16, 8);
        let (px, py) = (x * size + column * 4, y * size + row * 4);
        let at = start + py * stride + px;
        c.when(sub & in_luma, || subblock(f, k, [x, y], [px, py], at));
        add(f, (k + 1) * 16 + BLOCKS, at, stride);
    });
}

/// A pixel of a plane, or what is around the frame.
fn pixel<'c>(f: &Frame<'_, 'c>, [start, stride]: [Int<'c>; 2], x: Int<'c>, y: Int<'c>) -> Int<'c> {
    let inside = x.ge(0) & y.ge(0);
    let v = f.w.bytes.at(inside.pick(start + y * stride + x, start));
    inside.pick(v, y.lt(0).pick(127, 129))
}

/// Predicts a plane of a macroblock as a whole.
fn whole<'c>(f: &Frame<'_, 'c>, plane: Int<'c>, size: Int<'c>, mode: Int<'c>, [x, y]: [Int<'c>; 2]) {
    let (c, m) = (f.w.c, f.w.bytes);
    let place = f.planes.plane(plane);
    // The mean of what there is of the edges.
    let (sum, up, left) = (c.var("sum", 0), y.gt(0), x.gt(0));
    c.each(0, size, |k| {
        sum.add(up.pick(pixel(f, place, x + k, y - 1), 0) + left.pick(pixel(f, place, x - 1, y + k), 0));
    });
    let shift = size.eq(16).pick(4, 3);
    let mean = (up & left).pick((sum + size) >> (shift + 1), (sum + (size >> 1)) >> shift);
    let mean = (up | left).pick(mean, 128);
    let corner = pixel(f, place, x - 1, y - 1);
    c.each(0, size, |dy| {
        let beside = pixel(f, place, x - 1, y + dy);
        c.each(0, size, |dx| {
            let above = pixel(f, place, x + dx, y - 1);
            let slanted = (beside + above - corner).byte();
            let v = mode.eq(0).pick(mean, mode.eq(1).pick(above, mode.eq(2).pick(beside, slanted)));
            m.put(place[0] + (y + dy) * place[1] + x + dx, v);
        });
    });
}

/// Predicts subblock `k`, whose first pixel is at `at`.
fn subblock<'c>(f: &Frame<'_, 'c>, k: Int<'c>, [mx, my]: [Int<'c>; 2], [x, y]: [Int<'c>; 2], at: Int<'c>) {
    let (c, t, m) = (f.w.c, f.w.tables, f.w.bytes);
    let place = f.planes.plane(c.int(0));
    c.each(0, 4, |i| t.put(c.int(EDGE + 4) - i, pixel(f, place, x - 1, y + i)));
    t.put(EDGE, t.at(EDGE + 1));
    t.put(EDGE + 5, pixel(f, place, x - 1, y - 1));
    // What is above to the right is, for all rows of subblocks at the right, that of the macroblock above; past the frame it
    // is the last pixel.
    let right = (k & 3).eq(3);
    let last = right & mx.eq(f.planes.across - 1);
    c.each(0, 8, |i| {
        let beyond = i.ge(4) & right;
        let py = beyond.pick(my * 16 - 1, y - 1);
        let px = (i.ge(4) & last).pick(x + 3, x + i);
        t.put(i + (EDGE + 6), pixel(f, place, px, py));
    });
    t.put(EDGE + 14, t.at(EDGE + 13));
    let mode = t.at(k + SUB_MODES);
    let sum = c.var("sum", 4);
    c.each(0, 4, |i| sum.add(t.at(i + (EDGE + 1)) + t.at(i + (EDGE + 6))));
    let mean = sum >> 3;
    c.each(0, 16, |i| {
        let (dy, dx) = (i >> 2, i & 3);
        let v = c.var("v", mean);
        c.when(mode.eq(1), || {
            let beside = t.at(c.int(EDGE + 4) - dy);
            v.set((beside + t.at(dx + (EDGE + 6)) - t.at(EDGE + 5)).byte());
        });
        c.when(mode.ge(2), || {
            let rule = f.figures.at((mode - 2) * 16 + i + RULES);
            let first = (rule >> 1) + EDGE;
            let (p, q) = (t.at(first), t.at(first + 1));
            let two = (p + q + 1) >> 1;
            let three = (p + q * 2 + t.at(first + 2) + 2) >> 2;
            v.set((rule & 1).eq(1).pick(three, two));
        });
        m.put(at + dy * place[1] + dx, v);
    });
}

/// The inverse DCT of a block, added to 4 x 4 pixels. The factors are sqrt(2) times cosine and sine of pi / 8, of 16 bits.
fn add<'c>(f: &Frame<'_, 'c>, block: Int<'c>, at: Int<'c>, stride: Int<'c>) {
    let (c, t, m) = (f.w.c, f.w.tables, f.w.bytes);
    let turned = |v: [Int<'c>; 4]| {
        let cosine = |v: Int<'c>| ((v * 20091) >> 16) + v;
        let sine = |v: Int<'c>| (v * 35468) >> 16;
        let (a, b) = (v[0] + v[2], v[0] - v[2]);
        let (d, e) = (sine(v[1]) - cosine(v[3]), cosine(v[1]) + sine(v[3]));
        [a + e, b + d, b - d, a - e]
    };
    c.each(0, 4, |x| {
        let out = turned([0, 4, 8, 12].map(|k| t.at(block + x + k)));
        out.into_iter().enumerate().for_each(|(k, v)| t.put(x + (BLOCK + 4 * k as i64), v));
    });
    c.each(0, 4, |y| {
        let [first, rest @ ..] = [0, 1, 2, 3].map(|k| t.at(y * 4 + (BLOCK + k)));
        for (k, v) in turned([first + 4, rest[0], rest[1], rest[2]]).into_iter().enumerate() {
            let place = at + y * stride + k as i64;
            m.put(place, (m.at(place) + (v >> 3)).byte());
        }
    });
}

#[cfg(test)]
mod tests {
    /// The slanted modes as the standard lists their pixels (RFC 6386, 12.3), rows of subblocks.
    #[test]
    fn rules_are_those_of_the_standard() {
        let all = super::rules();
        let row = |mode: usize, y: usize| all[(mode - 2) * 16 + y * 4..][..4].to_vec();
        let (two, three) = (|k: i16| 2 * k, |k: i16| 2 * k + 1);
        // Vertical right: the last row begins with three of the left side.
        assert_eq!(row(6, 0), [two(5), two(6), two(7), two(8)]);
        assert_eq!(row(6, 1), [three(4), three(5), three(6), three(7)]);
        assert_eq!(row(6, 2), [three(3), two(5), two(6), two(7)]);
        assert_eq!(row(6, 3), [three(2), three(4), three(5), three(6)]);
        assert_eq!(row(7, 2), [two(7), two(8), two(9), three(10)]);
        assert_eq!(row(7, 3), [three(7), three(8), three(9), three(11)]);
        assert_eq!(row(8, 0), [two(4), three(4), three(5), three(6)]);
        assert_eq!(row(8, 1), [two(3), three(3), two(4), three(4)]);
        assert_eq!(row(8, 3), [two(1), three(1), two(2), three(2)]);
        assert_eq!(row(9, 0), [two(3), three(2), two(2), three(1)]);
        assert_eq!(row(9, 1), [two(2), three(1), two(1), three(0)]);
        assert_eq!(row(9, 3), [two(0); 4]);
    }
}
