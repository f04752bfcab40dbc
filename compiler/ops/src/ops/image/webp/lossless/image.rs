//! The pixels of an image by their codes (RFC 9649, 3.6): colours, copies of what is there, cached colours.

use super::super::super::stream::broken_if;
use super::super::NEAR;
use super::groups::LITERALS;
use super::{CACHE, Lossless, color};
use crate::code::{Int, Variable};

/// The most bits of a cached colour's number.
pub(super) const CACHE_BITS: i64 = 11;

/// Distances that stand for places nearby: the nearest first, those above and to the left, as rows and columns.
pub(in super::super) fn near() -> Vec<i16> {
    let mut all: Vec<(i16, i16)> = (0..8).flat_map(|y| (-7..9).map(move |x| (y, x))).collect();
    all.retain(|&(y, x)| y > 0 || x > 0);
    all.sort_by_key(|&(y, x)| (x * x + y * y, x.abs(), -x));
    all.into_iter().flat_map(|(y, x)| [y, x]).collect()
}

impl<'c> Lossless<'_, 'c> {
    /// Reads the task's image.
    pub(super) fn pixels(&self) {
        let (c, t, task) = (self.c, self.t, &self.task);
        let [at, x, y] = ["pixel", "x", "y"].map(|n| c.var(n, 0));
        t.fill(CACHE, c.int(1) << task.cache, 0);
        let total = task.width * task.height;
        let push = |v: Int<'c>| self.push(v, at, x, y);
        let tiles = super::tiles(task.width.now(), task.tile.max(0));
        c.while_true(
            || at.lt(total),
            || {
                broken_if(c, self.bits.is_over());
                let group = c.var("group", 0);
                c.when(task.tile.ge(0), || {
                    let tile = (y >> task.tile) * tiles + (x >> task.tile);
                    group.set(t.at(self.places.entropy() + tile));
                });
                let slot = self.slot(group.now());
                let green = self.symbol(slot, 0);
                let literal = || {
                    let v = c.var("v", 0);
                    // Red, blue, alpha.
                    c.each(1, 4, |k| v.set((v << 8) | self.symbol(slot, k)));
                    let (red, blue, alpha) = (v >> 16, (v >> 8) & 255, v & 255);
                    push((alpha << 24) | (red << 16) | (green << 8) | blue);
                };
                let cached = || push(color(t, green + (CACHE - LITERALS)));
                let copy = || {
                    let length = self.amount(green - 256);
                    let distance = self.distance(self.amount(self.symbol(slot, 4)));
                    broken_if(c, distance.gt(at) | length.gt(total - at));
                    c.each(0, length, |_| push(color(t, task.first + at - distance)));
                };
                c.choose(green.lt(256), literal, || c.choose(green.lt(LITERALS), copy, cached));
            },
        );
        broken_if(c, self.bits.is_over());
    }

    /// The next pixel, which is cached too.
    fn push(&self, v: Int<'c>, at: Variable<'c>, x: Variable<'c>, y: Variable<'c>) {
        let (c, t, task) = (self.c, self.t, &self.task);
        t.put(task.first + at, v);
        c.when(task.cache.gt(0), || {
            let hash = ((v * 0x1e35_a7bd) & 0xffff_ffff) >> (c.int(32) - task.cache);
            t.put(hash + CACHE, v);
        });
        at.add(1);
        x.add(1);
        c.when(x.ge(task.width), || {
            x.set(0);
            y.add(1);
        });
    }

    /// A length or a distance from 1 on: a symbol is upper bits, the lower ones follow.
    fn amount(&self, symbol: Int<'c>) -> Int<'c> {
        let few = symbol.lt(4);
        let extra = few.pick(0, (symbol - 2) >> 1);
        let base = few.pick(symbol, ((symbol & 1) + 2) << extra);
        base + self.bits.take(extra) + 1
    }

    /// A distance in pixels.
    fn distance(&self, code: Int<'c>) -> Int<'c> {
        let near = code.le(120);
        let at = near.pick(code - 1, 0) * 2;
        let [y, x] = [0, 1].map(|k| self.figures.at(at + (NEAR + k)));
        near.pick((y * self.task.width + x).max(1), code - 120)
    }
}

#[cfg(test)]
mod tests {
    /// RFC 9649, 3.6.2.2.
    #[test]
    fn near_places_are_those_of_the_standard() {
        let all: Vec<(i16, i16)> = super::near().chunks(2).map(|p| (p[1], p[0])).collect();
        let first = [(0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2), (2, 1), (-2, 1)];
        let last = [(8, 4), (-6, 7), (7, 6), (-7, 6), (8, 5), (7, 7), (-7, 7), (8, 6), (8, 7)];
        assert_eq!((all.len(), &all[..10]), (120, &first[..]));
        assert_eq!(&all[112..], &last[1..]);
    }
}
