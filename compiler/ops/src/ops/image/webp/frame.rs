//! The frame's header (RFC 6386, section 9) and its macroblocks, row by row.

use super::super::Work;
use super::super::stream::broken_if;
use super::bits::Bits;
use super::*;

/// What the header says, but for what is in the tables.
pub(super) struct Header<'c> {
    /// Segments are told for each macroblock.
    mapped: Variable<'c>,
    /// Filters luma alone.
    pub simple: Int<'c>,
    pub sharpness: Int<'c>,
    level: Int<'c>,
    parts: Int<'c>,
    /// The probability that a macroblock has coefficients, 0: all have.
    skips: Variable<'c>,
}

pub(super) fn decode<'c>(w: &Work<'c>, figures: Memory<'c>, p: &Picture<'c>) {
    let (c, s, t) = (w.c, &w.stream, w.tables);
    let [width, height] = p.size(s);
    let planes = Planes::of(width, height);
    let f = Frame { w, figures, planes };
    let (at, end) = (p.at, p.end);
    let (first, size) = (at + 10, s.little(at, 3) >> 5);
    broken_if(c, (first + size).gt(end));
    let bits = Bits::new(s);
    bits.open(first, first + size);
    let h = header(&f, &bits);
    partitions(&f, h.parts, first + size, end.now());
    w.bytes.fill(planes.above(), planes.total() - planes.above(), 0);
    let tokens = Bits::new(s);
    c.each(0, planes.down, |y| {
        let part = (y & (h.parts - 1)) * 5 + PARTS;
        tokens.load(t, part);
        t.fill(LEFT, 13, 0);
        c.each(0, planes.across, |x| macroblock(&f, &h, &bits, &tokens, x, y));
        broken_if(c, bits.is_over() | tokens.is_over());
        tokens.save(t, part);
    });
    c.when(h.level.gt(0), || super::filter::frame(&f, &h));
    super::color::pixels(&f, p);
}

fn header<'c>(f: &Frame<'_, 'c>, b: &Bits<'_, 'c>) -> Header<'c> {
    let (c, t) = (f.w.c, f.w.tables);
    // The colour space and whether samples need to be clamped change nothing.
    b.number(2);
    let (mapped, absolute) = (c.var("mapped", 0), c.var("absolute", 0));
    t.fill(SEGMENTS, 8, 0);
    t.fill(SEGMENT_PROBS, 3, 255);
    let segmented = b.bit(128);
    c.when(segmented.eq(1), || {
        mapped.set(b.bit(128));
        c.when(b.bit(128).eq(1), || {
            absolute.set(b.bit(128));
            c.each(0, 8, |k| t.put(k + SEGMENTS, b.signed(k.lt(4).pick(7, 6), 0)));
        });
        c.when(mapped.eq(1), || {
            c.each(0, 3, |k| c.when(b.bit(128).eq(1), || t.put(k + SEGMENT_PROBS, b.number(8))));
        });
    });
    let (simple, level, sharpness) = (b.bit(128), b.number(6), b.number(3));
    // More for frames without others before, and for subblocks' modes: the first of four each.
    let (intra, sub) = (c.var("intra", 0), c.var("sub", 0));
    let adjusted = b.bit(128);
    c.when(adjusted.eq(1), || {
        c.when(b.bit(128).eq(1), || {
            c.each(0, 8, |k| {
                let v = b.signed(6, 0);
                intra.set(k.eq(0).pick(v, intra));
                sub.set(k.eq(4).pick(v, sub));
            });
        });
    });
    let parts = c.int(1) << b.number(2);
    steps(f, b, absolute.now());
    c.each(0, 4, |k| {
        let own = t.at(k + (SEGMENTS + 4));
        let base = absolute.eq(1).pick(own, level + own);
        // Without segments all are those of the frame.
        let base = segmented.eq(1).pick(base, level);
        t.put(k * 2 + LEVELS, (base + intra).max(0).min(63));
        t.put(k * 2 + (LEVELS + 1), (base + intra + sub).max(0).min(63));
    });
    // Whether probabilities are kept for the next frame.
    b.bit(128);
    c.each(0, 1056, |k| {
        let prob = c.var("prob", f.figures.at(k + COEFFICIENTS));
        c.when(b.bit(f.figures.at(k + UPDATES)).eq(1), || prob.set(b.number(8)));
        t.put(k + PROBS, prob);
    });
    let skips = c.var("skips", 0);
    c.when(b.bit(128).eq(1), || skips.set(b.number(8).max(1)));
    Header { mapped, simple, sharpness, level, parts, skips }
}

/// The steps of each segment (RFC 6386, 9.6 and 14.1).
fn steps<'c>(f: &Frame<'_, 'c>, b: &Bits<'_, 'c>, absolute: Int<'c>) {
    let (c, t) = (f.w.c, f.w.tables);
    let base = b.number(7);
    let more: [Int; 5] = std::array::from_fn(|_| b.signed(4, 0).now());
    c.each(0, 4, |k| {
        let own = t.at(k + SEGMENTS);
        let q = absolute.eq(1).pick(own, base + own);
        let index = |d: Int<'c>| (q + d).max(0).min(127);
        let [y_dc, y2_dc, y2_ac, uv_dc, uv_ac] = more;
        let first = |d: Int<'c>| f.figures.at(index(d) + DC_STEPS);
        let rest = |d: Int<'c>| f.figures.at(index(d) + AC_STEPS);
        let all = [
            first(y_dc),
            rest(c.int(0)),
            first(y2_dc) * 2,
            (rest(y2_ac) * 155).over(100).max(8),
            first(uv_dc).min(132),
            rest(uv_ac),
        ];
        all.into_iter().enumerate().for_each(|(i, v)| t.put(k * 8 + (STEPS + i as i64), v));
    });
}

/// Opens the partitions of coefficients: their sizes, but for the last one's, come first.
fn partitions<'c>(f: &Frame<'_, 'c>, count: Int<'c>, sizes: Int<'c>, end: Int<'c>) {
    let (c, s, t) = (f.w.c, &f.w.stream, f.w.tables);
    let at = c.var("part", sizes + (count - 1) * 3);
    broken_if(c, at.gt(end));
    c.each(0, count, |k| {
        let bits = Bits::new(s);
        let last = k.eq(count - 1);
        let stop = last.pick(end, (at + s.little(sizes + k * 3, 3)).min(end));
        bits.open(at, stop);
        bits.save(t, k * 5 + PARTS);
        at.set(stop);
    });
}

/// Modes (RFC 6386, section 11), coefficients and pixels of a macroblock.
fn macroblock<'c>(f: &Frame<'_, 'c>, h: &Header<'c>, b: &Bits<'_, 'c>, tokens: &Bits<'_, 'c>, x: Int<'c>, y: Int<'c>) {
    let (c, t, m) = (f.w.c, f.w.tables, f.w.bytes);
    let segment = c.var("segment", 0);
    c.when(h.mapped.eq(1), || segment.set(b.tree(f, SEGMENT_TREE, |k| t.at(k + SEGMENT_PROBS))));
    let skipped = c.var("skipped", 0);
    c.when(h.skips.gt(0), || skipped.set(b.bit(h.skips)));
    let luma = b.tree(f, LUMA_TREE, |k| f.figures.at(k + LUMA_PROBS));
    let above = f.planes.above_modes() + x * 4;
    let sub = luma.eq(4);
    // A mode of all is like these of subblocks: mean, vertical, horizontal, slanted.
    let like = luma.eq(1).pick(2, luma.eq(2).pick(3, luma.eq(3).pick(1, 0)));
    c.each(0, 16, |k| {
        let (row, column) = (k >> 2, k & 3);
        let mode = c.var("mode", like);
        c.when(sub, || {
            let probs = (m.at(above + column) * 10 + t.at(row + LEFT_MODES)) * 9 + MODES;
            mode.set(b.tree(f, SUB_TREE, |k| f.figures.at(probs + k)));
        });
        t.put(k + SUB_MODES, mode);
        m.put(above + column, mode);
        t.put(row + LEFT_MODES, mode);
    });
    let chroma = b.tree(f, CHROMA_TREE, |k| f.figures.at(k + CHROMA_PROBS));
    t.fill(BLOCKS, 25 * 16, 0);
    let inner = c.var("inner", sub.int());
    super::tokens::macroblock(f, tokens, [segment.now(), x, sub.int(), skipped.now()], inner);
    super::predict::macroblock(f, [x, y], [luma, chroma]);
    let filter = f.planes.filters() + (y * f.planes.across + x) * 2;
    m.put(filter, t.at(segment * 2 + sub.int() + LEVELS));
    m.put(filter + 1, inner);
}
