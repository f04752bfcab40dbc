//! The order of packets (annex B.12): by layer, resolution, component and place, as the tile or its changes of order say.

use super::super::stream::broken_if;
use super::header::{Main, Part, segments};
use super::packets::Packets;
use super::tile::Tile;
use crate::code::{Int, Memory, Variable};

/// Changes of order that there may be, as OpenJPEG limits them.
const CHANGES: i64 = 32;
/// Numbers in memory: where the changes are in the stream.
pub(super) const ORDERS: i64 = CHANGES;

/// The bounds of a run of packets.
struct Run<'c> {
    order: Int<'c>,
    layers: Int<'c>,
    resolutions: [Int<'c>; 2],
    components: [Int<'c>; 2],
}

/// Reads all packets of a tile. `first` is its first part, `changes` where there is room for [`ORDERS`] numbers.
pub(super) fn read<'c>(p: &Packets<'_, 'c>, main: &Main<'c>, first: &Part<'c>, changes: i64) {
    let (s, tile, t) = (p.tile.s, p.tile, p.places.t);
    let c = s.c;
    let count = c.var("changes", 0);
    p.each_part(|part| gather(p, count, changes, part.segments, part.data - 2));
    c.when(count.eq(0), || gather(p, count, changes, main.boxes.start + 2, main.parts.now()));
    p.begin(first);
    let plain = count.eq(0);
    c.each(0, count.max(1), |k| {
        let at = t.at(k + changes);
        let (layers, last) = (tile.coding.layers(), s.byte(at + 5));
        let last = last.eq(0).pick(tile.count, last.min(tile.count));
        run(
            p,
            &Run {
                order: plain.pick(tile.coding.order(), s.byte(at + 6)),
                layers: plain.pick(layers, s.big(at + 2, 2).min(layers)),
                resolutions: [plain.pick(0, s.byte(at)), plain.pick(33, s.byte(at + 4))],
                components: [plain.pick(0, s.byte(at + 1)), plain.pick(tile.count, last)],
            },
        );
    });
}

/// Notes where the changes among some segments are; there is room for all numbers, used or not.
fn gather<'c>(p: &Packets<'_, 'c>, count: Variable<'c>, changes: i64, from: Int<'c>, to: Int<'c>) {
    let (s, t): (_, Memory<'c>) = (p.tile.s, p.places.t);
    let c = s.c;
    segments(s, from, to, |marker, at| {
        c.when(marker.eq(0x5f), || {
            c.each(0, (s.big(at - 2, 2) - 2).over(7), |k| {
                broken_if(c, count.ge(CHANGES));
                t.put(count + changes, at + k * 7);
                count.add(1);
            });
        });
    });
}

/// Places where a precinct may begin: the tile's corner, and the points of a grid of `step` behind it.
struct Grid<'c> {
    from: Int<'c>,
    step: Int<'c>,
    count: Int<'c>,
}

impl<'c> Grid<'c> {
    fn new(from: Int<'c>, to: Int<'c>, step: Int<'c>) -> Self {
        let step = step.max(1);
        Grid { from, step, count: to.over_up(step) - from.over(step) }
    }
    fn at(&self, k: Int<'c>) -> Int<'c> {
        k.eq(0).pick(self.from, (self.from.over(self.step) + k) * self.step)
    }
}

/// The least steps between precincts of any component and resolution, across and down.
fn steps<'c>(tile: &Tile<'_, 'c>, main: &Main<'c>) -> [Int<'c>; 2] {
    let c = tile.s.c;
    let least = [c.var("dx", i64::MAX), c.var("dy", i64::MAX)];
    c.each(0, tile.count, |k| {
        let (halvings, sizes) = (tile.coding.halvings(k), main.steps(tile.s, k));
        c.each(0, halvings + 1, |r| {
            let log = tile.coding.precinct(k, r);
            (0..2).for_each(|i| least[i].set(least[i].min(sizes[i] << (log[i] + halvings - r))));
        });
    });
    least.map(|v| v.now())
}

/// One nest of four loops for all five orders: which of them is over what hangs on the order. Packets are read as long as
/// there are data; a packet that was read in an earlier run is left out.
fn run<'c>(p: &Packets<'_, 'c>, run: &Run<'c>) {
    let (c, tile) = (p.tile.s.c, p.tile);
    let order = run.order;
    let [layers, all, one] = [run.layers, run.resolutions[1], run.components[1]];
    let [dx, dy] = steps(tile, p.main);
    let [left, top, right, bottom] = tile.area;
    let (xs, ys) = (Grid::new(left, right, dx), Grid::new(top, bottom, dy));
    let points = xs.count * ys.count;
    let by = |v: [Int<'c>; 5]| (1..5).fold(v[0], |out, k| order.eq(k as i64).pick(v[k], out));
    let (zero, r0, c0) = (c.int(0), run.resolutions[0], run.components[0]);
    let loops = |lo: [Int<'c>; 5], hi: [Int<'c>; 5], body: &dyn Fn(Int<'c>)| {
        let (v, hi) = (c.var("v", by(lo)), by(hi));
        c.while_true(
            || v.lt(hi) & p.more(),
            || {
                body(v.now());
                v.add(1);
            },
        );
    };
    loops([zero, r0, r0, zero, c0], [layers, all, all, points, one], &|a| {
        loops([r0, zero, zero, c0, zero], [all, layers, points, one, points], &|b| {
            loops([c0, c0, c0, r0, r0], [one, one, one, all, all], &|inner| {
                let component = by([inner, inner, inner, b, a]);
                let r = by([b, a, a, inner, inner]);
                let point = by([zero, zero, b, a, b]);
                let by_place = order.ge(2);
                c.when(r.le(tile.coding.halvings(component)), || {
                    let row = point.over(xs.count.max(1));
                    let at = [xs.at(point - row * xs.count), ys.at(row)];
                    let of = tile.precincts(component, r);
                    let here = c.var("here", 0);
                    c.when(by_place, || here.set(precinct_at(p, component, r, at)));
                    let count = by_place.pick(here.ge(0).pick(layers, 0), of.across * of.down);
                    loops([zero; 5], [count; 5], &|last| {
                        let layer = by([a, b, last, last, last]);
                        let precinct = by_place.pick(here, last);
                        c.when(p.is_next(component, r, precinct, layer), || p.read(component, r, precinct, layer));
                    });
                });
            });
        });
    });
}

/// The precinct that begins at a place of the grid of reference, or -1.
fn precinct_at<'c>(p: &Packets<'_, 'c>, k: Int<'c>, r: Int<'c>, at: [Int<'c>; 2]) -> Int<'c> {
    let (c, tile) = (p.tile.s.c, p.tile);
    let sizes = p.main.steps(tile.s, k);
    let by = tile.coding.halvings(k) - r;
    let of = tile.precincts(k, r);
    let first = tile.resolution(k, r);
    let place = [0, 1].map(|i| {
        let step = sizes[i] << (of.log[i] + by);
        let rest = at[i] - at[i].over(step) * step;
        // The first precinct of a row or column may begin before the tile.
        let cut = ((first[i] << by) & ((c.int(1) << (of.log[i] + by)) - 1)).ne(0);
        let begins = rest.eq(0) | (at[i].eq(tile.area[i]) & cut);
        let column = (at[i].over_up((sizes[i] << by).max(1)) >> of.log[i]) - (first[i] >> of.log[i]);
        (begins, column)
    });
    let inside = place[0].1.lt(of.across) & place[1].1.lt(of.down);
    (place[0].0 & place[1].0 & inside).pick(place[1].1 * of.across + place[0].1, -1)
}
