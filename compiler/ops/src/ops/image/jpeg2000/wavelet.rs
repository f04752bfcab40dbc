//! Coefficients to samples (annex F), rows before columns, from the smallest resolution on: the reversible 5/3 filter in
//! whole numbers, the irreversible 9/7 filter in floats with OpenJPEG's order of operations and factors, so that the results
//! are the same bits.

use super::super::Work;
use super::tile::{Places, Tile};
use crate::code::{Int, Memory};

/// The factors of the four steps of the 9/7 filter, backwards, and of means and differences before them. The steps of
/// quantisation have what the last one isn't the standard's by.
const STEPS: [f32; 4] = [-0.443_506_87, -0.882_911_1, 0.052_980_117, 1.586_134_3];
const MEANS: f32 = 1.230_174_1;
const DIFFERENCES: f32 = 1.625_732_4;

/// A line in memory: `count` numbers, of which every other is a mean from `odd` on.
struct Line<'c> {
    t: Memory<'c>,
    at: Int<'c>,
    count: Int<'c>,
    odd: Int<'c>,
}

/// Transforms a component, whose coefficients begin at a place.
pub(super) fn component<'c>(w: &Work<'c>, tile: &Tile<'_, 'c>, places: &Places<'c>, k: Int<'c>, start: Int<'c>) {
    let (c, t) = (w.c, w.tables);
    let [from, _, to, _] = tile.component(k);
    let (stride, whole) = (to - from, tile.coding.reversible(k).eq(1));
    c.each(1, tile.coding.halvings(k) + 1, |r| {
        let [left, top, right, bottom] = tile.resolution(k, r);
        let [low_left, low_top, low_right, low_bottom] = tile.resolution(k, r - 1);
        let (width, height) = (right - left, bottom - top);
        // Rows, then columns.
        c.each(0, 2, |down| {
            let rows = down.eq(0);
            let (lines, count) = (rows.pick(height, width), rows.pick(width, height));
            let low = rows.pick(low_right - low_left, low_bottom - low_top);
            let (step, next) = (rows.pick(1, stride), rows.pick(stride, 1));
            let line = Line { t, at: places.line, count, odd: rows.pick(left, top) & 1 };
            c.each(0, lines, |i| {
                let at = start + i * next;
                // Means and differences in turn.
                c.each(0, low, |k| t.put(line.at + k * 2 + line.odd, t.at(at + k * step)));
                c.each(0, count - low, |k| t.put(line.at + k * 2 + 1 - line.odd, t.at(at + (low + k) * step)));
                c.choose(whole, || line.whole(w), || line.floats(w));
                c.each(0, count, |k| t.put(at + k * step, t.at(line.at + k)));
            });
        });
    });
}

impl<'c> Line<'c> {
    /// Calls `body` with the places of every other number from `first` on and of its neighbours. Beyond the ends the line is
    /// mirrored.
    fn every_other(&self, w: &Work<'c>, first: Int<'c>, body: impl FnOnce(Int<'c>, Int<'c>, Int<'c>)) {
        let last = self.count - 1;
        w.c.each(0, (self.count - first + 1) >> 1, |k| {
            let i = first + k * 2;
            let (before, behind) = (i.eq(0).pick(1, i - 1), i.eq(last).pick(last - 1, i + 1));
            body(self.at + i, self.at + before, self.at + behind);
        });
    }

    fn whole(&self, w: &Work<'c>) {
        let (c, t) = (w.c, self.t);
        c.choose(
            self.count.gt(1),
            || {
                self.every_other(w, self.odd, |i, a, b| t.put(i, t.at(i) - ((t.at(a) + t.at(b) + 2) >> 2)));
                let odd = c.int(1) - self.odd;
                self.every_other(w, odd, |i, a, b| t.put(i, t.at(i) + ((t.at(a) + t.at(b)) >> 1)));
            },
            // A single number is what it is, or half of a difference.
            || c.when(self.odd.eq(1) & self.count.eq(1), || t.put(self.at, t.at(self.at).over(2))),
        );
    }

    fn floats(&self, w: &Work<'c>) {
        let (c, t) = (w.c, self.t);
        c.when(self.count.gt(1), || {
            let odd = c.int(1) - self.odd;
            self.every_other(w, self.odd, |i, _, _| t.put_real(i, t.real_at(i) * c.real(MEANS)));
            self.every_other(w, odd, |i, _, _| t.put_real(i, t.real_at(i) * c.real(DIFFERENCES)));
            for (k, step) in STEPS.into_iter().enumerate() {
                let first = if k % 2 == 0 { self.odd } else { odd };
                self.every_other(w, first, |i, a, b| {
                    t.put_real(i, t.real_at(i) + (t.real_at(a) + t.real_at(b)) * c.real(step));
                });
            }
        });
    }
}
