//! Points of an evaluation, in order: a box of index variables, walked in blocks of runs along the last one.
//!
//! A run is a stretch of points that differ only in the last variable (the lane), so an affine function of the
//! variables is `start + k*step` within it: nothing else needs to be computed per point.

use super::column::BLOCK;

/// A function `base + sum(coef * variable)` of the variables of a space, by their positions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Affine {
    pub base: i64,
    /// Positions and coefficients that aren't zero.
    pub terms: Vec<(usize, i64)>,
}

impl Affine {
    /// The value at a point. Wraps: what doesn't fit 64 bits is no index of anything.
    pub fn at(&self, point: &[i64]) -> i64 {
        self.terms.iter().fold(self.base, |v, &(a, c)| v.wrapping_add(c.wrapping_mul(point[a])))
    }

    /// The coefficient of a variable.
    pub fn coef(&self, axis: usize) -> i64 {
        self.terms.iter().find(|t| t.0 == axis).map_or(0, |t| t.1)
    }

    /// Adds `factor` times another function.
    pub fn add_scaled(&mut self, other: &Affine, factor: i64) {
        self.base = self.base.wrapping_add(other.base.wrapping_mul(factor));
        for &(axis, coef) in &other.terms {
            let coef = coef.wrapping_mul(factor);
            match self.terms.iter_mut().find(|t| t.0 == axis) {
                Some(t) => t.1 = t.1.wrapping_add(coef),
                None => self.terms.push((axis, coef)),
            }
        }
        self.terms.retain(|t| t.1 != 0);
    }

    /// Least and greatest value over a box that isn't empty.
    pub fn bounds(&self, extents: &[i64]) -> (i128, i128) {
        let (mut lo, mut hi) = (i128::from(self.base), i128::from(self.base));
        for &(axis, coef) in &self.terms {
            let end = i128::from(coef) * i128::from(extents[axis] - 1);
            let side = if end < 0 { &mut lo } else { &mut hi };
            *side = side.saturating_add(end);
        }
        (lo, hi)
    }
}

/// The `k` in `0 .. len` with `0 <= start + k*step < extent`: one stretch, as first and one past the last.
pub(super) fn inside(start: i64, step: i64, extent: i64, len: usize) -> (usize, usize) {
    let (start, step, extent, len) = (i128::from(start), i128::from(step), i128::from(extent), len as i128);
    let ceil = |a: i128, b: i128| -(-a).div_euclid(b);
    let (from, to) = match step {
        0 if (0..extent).contains(&start) => (0, len),
        0 => (0, 0),
        s if s > 0 => (ceil(-start, s), ceil(extent - start, s)),
        s => (ceil(start - extent + 1, -s), start.div_euclid(-s) + 1),
    };
    let from = from.clamp(0, len);
    (from as usize, to.clamp(from, len) as usize)
}

/// A stretch of points of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// The place of its first point in the block.
    pub at: usize,
    /// How many points.
    pub len: usize,
}

/// At most [`BLOCK`] consecutive points.
#[derive(Default)]
pub(super) struct Block {
    rank: usize,
    coords: Vec<i64>,
    runs: Vec<Run>,
    /// How many points.
    pub len: usize,
}

impl Block {
    /// The runs, each with its first point.
    pub fn runs(&self) -> impl Iterator<Item = (Run, &[i64])> {
        self.runs.iter().copied().zip(self.coords.chunks_exact(self.rank))
    }

    /// The position of the lane.
    pub fn lane(&self) -> usize {
        self.rank - 1
    }
}

/// A walk through all points of a box, the last variable fastest.
pub(super) struct Walk<'a> {
    extents: &'a [i64],
    point: Vec<i64>,
    done: bool,
}

impl<'a> Walk<'a> {
    /// Through a box of at least one variable.
    pub fn new(extents: &'a [i64]) -> Self {
        Self { extents, point: vec![0; extents.len()], done: extents.iter().any(|&e| e <= 0) }
    }

    /// Fills the block with the points that follow; false if there are none left.
    pub fn next(&mut self, block: &mut Block) -> bool {
        block.rank = self.extents.len();
        block.coords.clear();
        block.runs.clear();
        block.len = 0;
        while block.len < BLOCK && !self.done {
            let lane = self.point.len() - 1;
            let left = (self.extents[lane] - self.point[lane]) as usize;
            let len = left.min(BLOCK - block.len);
            block.coords.extend_from_slice(&self.point);
            block.runs.push(Run { at: block.len, len });
            block.len += len;
            self.point[lane] += len as i64;
            self.carry();
        }
        block.len > 0
    }

    /// After the end of a variable's range comes the next value of the one before it.
    fn carry(&mut self) {
        for axis in (0..self.point.len()).rev() {
            if self.point[axis] < self.extents[axis] {
                return;
            }
            self.point[axis] = 0;
            match axis {
                0 => self.done = true,
                _ => self.point[axis - 1] += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_is_what_trying_each_gives() {
        for (start, step, extent) in (-7..8).flat_map(|s| (-3..4).flat_map(move |t| (0..6).map(move |e| (s, t, e)))) {
            let each: Vec<usize> = (0..9).filter(|&k| (0..extent).contains(&(start + k as i64 * step))).collect();
            let (from, to) = inside(start, step, extent, 9);
            assert_eq!((from..to).collect::<Vec<_>>(), each, "{start} + k*{step} in {extent}");
        }
    }

    #[test]
    fn a_walk_visits_each_point_once_in_order() {
        for extents in [vec![3, 400, 2], vec![1], vec![5, 1, 700], vec![2, 0, 3], vec![1030, 1]] {
            let mut walk = Walk::new(&extents);
            let (mut block, mut next) = (Block::default(), 0);
            while walk.next(&mut block) {
                for (run, start) in block.runs() {
                    let flat = start.iter().zip(&extents).fold(0, |f, (p, e)| f * e + p);
                    assert_eq!(flat, next);
                    next += run.len as i64;
                }
            }
            assert_eq!(next, extents.iter().product::<i64>());
        }
    }
}
