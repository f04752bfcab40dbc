//! Coefficients to samples: the reversible 5/3 filter (annex F), rows before columns, from the smallest resolution on.

use super::Image;
use crate::code::Int;

/// Transforms a component, whose coefficients begin at a place of the tables.
pub(super) fn component<'c>(i: &Image<'_, 'c>, start: Int<'c>) {
    let c = i.w.c;
    c.each(1, i.halvings + 1, |r| {
        let [width, height] = [i.width, i.height].map(|n| i.extent(n, r));
        let [low_x, low_y] = [i.width, i.height].map(|n| i.extent(n, r - 1));
        // Rows, then columns.
        c.each(0, 2, |down| {
            let rows = down.eq(0);
            let (lines, count, low) = (rows.pick(height, width), rows.pick(width, height), rows.pick(low_x, low_y));
            let (step, next) = (rows.pick(1, i.width), rows.pick(i.width, 1));
            c.each(0, lines, |k| line(i, start + k * next, step, count, low));
        });
    });
}

/// A line of `count` numbers: `low` of them are means, behind which are the differences.
fn line<'c>(i: &Image<'_, 'c>, at: Int<'c>, step: Int<'c>, count: Int<'c>, low: Int<'c>) {
    let (c, t) = (i.w.c, i.w.tables);
    // A single number is what it is.
    c.when(count.gt(1), || {
        // Beyond the ends the line is mirrored: the first difference counts for one before it, the last for one behind.
        let high = count - low;
        let difference = |k: Int<'c>| t.at(at + (low + k.max(0).min(high - 1)) * step);
        c.each(0, low, |k| {
            let v = t.at(at + k * step) - ((difference(k - 1) + difference(k) + 2) >> 2);
            t.put(i.line + k * 2, v);
        });
        c.each(0, high, |k| {
            let (before, behind) = (t.at(i.line + k * 2), t.at(i.line + (k + 1).min(low - 1) * 2));
            t.put(i.line + k * 2 + 1, difference(k) + ((before + behind) >> 1));
        });
        c.each(0, count, |k| t.put(at + k * step, t.at(i.line + k)));
    });
}
