//! How many rows a contraction has, and what tiles of a size make of them: the sizes that a run meets, and how often.
//!
//! Where a run alone knows the number it is a mean over several. Does NOT know what a tile costs (see `super::step`).

use crate::from_kernel::{equal_parts, graded_tiles};
use onnxc_ir::kernel::{Axis, Kernel};

/// Rows where one at a time is usual, but there may be more: tiles of many do well for both.
const MANY: i64 = 128;
/// So many numbers of rows stand for all that there may be.
const SAMPLES: i64 = 16;

/// How many rows there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::kernel) struct Rows {
    /// So many, or about so many.
    pub number: i64,
    /// That is their number in every run.
    pub known: bool,
    /// One is usual.
    pub one: bool,
}

impl Rows {
    pub(super) const ONE: Rows = Rows { number: 1, known: true, one: true };

    /// The points of an axis.
    pub fn of(kernel: &Kernel, a: &Axis) -> Rows {
        match (a.extent.as_int(), kernel.ranges.estimate(&a.extent)) {
            (Some(number), _) => Rows { number, known: true, one: number == 1 },
            (None, ..=1) => Rows { number: MANY, known: false, one: true },
            (None, number) => Rows { number, known: false, one: false },
        }
    }

    /// Sizes and how many of each, in tiles of at most so many. A known number is cut equally. Another one as well if there
    /// are enough tiles, else tiles of one less overlap, and fewer than such a tile's are done one by one (see `from_kernel`);
    /// that is the mean over numbers from the estimate to twice as many. Where one is usual few count as much as many, each by
    /// its share of the time, in tiles of several sizes.
    pub fn runs(self, most: i64) -> Vec<(u32, f64)> {
        if self.known {
            let parts = equal_parts(self.number, most).into_iter();
            return parts.map(|(a, b, size)| (size as u32, ((b - a) / size) as f64)).collect();
        }
        if self.one {
            let share = |n: i64| self.number as f64 / (n * (SAMPLES + 1)) as f64;
            let of =
                |n: i64| graded_tiles(n, most as u32).into_iter().map(move |(size, k)| (size, k as f64 * share(n)));
            return (1..=SAMPLES).chain([self.number]).flat_map(of).collect();
        }
        let (samples, mut counts) = (SAMPLES.min(self.number), [0; 3]);
        for n in (0..samples).map(|k| self.number + k * self.number / samples) {
            let tiles = (n + most - 1) / most;
            let large = n - tiles * (most - 1);
            let [a, b, c] = match large {
                0.. => [large, tiles - large, 0],
                _ if n >= most - 1 => [0, tiles, 0],
                _ => [0, 0, n],
            };
            counts = [counts[0] + a, counts[1] + b, counts[2] + c];
        }
        let mean = |n: i64| n as f64 / samples as f64;
        let sizes = [most as u32, (most - 1) as u32, 1];
        sizes.into_iter().zip(counts.map(mean)).filter(|r| r.0 > 0 && r.1 > 0.0).collect()
    }
}

/// Sizes and how many of each: whole blocks of `nv` vectors, and the rest.
pub(in crate::kernel) fn runs_of_vectors(n: i64, lanes: i64, nv: u32) -> Vec<(u32, f64)> {
    let vectors = (n + lanes - 1) / lanes;
    let (whole, rest) = (vectors / i64::from(nv), (vectors % i64::from(nv)) as u32);
    [(nv, whole as f64), (rest, 1.0)].into_iter().filter(|(v, c)| *v > 0 && *c > 0.0).collect()
}
