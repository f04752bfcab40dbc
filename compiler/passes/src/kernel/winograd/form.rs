//! The forms F(m×m', r×r'): how many outputs a tile has, how many taps a part of the kernel, and the interpolation points.
//! Along an axis that isn't transformed both are one, and each tap is a part of its own.
//!
//! F(4, 3) uses 0, ±√2, ±√½ and infinity, whose error stays near that of a direct sum (Vincent et al., "On Improving the
//! Numerical Stability of Winograd Convolutions"); F(2, 3) 0, ±1 and infinity; F(4, 5), of eight points, 0, ±1, ±2, ±½ and
//! infinity (those of Lavin and Gray for as many): over normal data of 3 to 64 channels its error is 4 to 7 millionths of the
//! largest output, that of F(4, 3) one millionth. F(5, 5), of nine points, and F(6, 5), of ten, are for rows alone, where F(4, 5)
//! errs by one millionth and they by 2 and 3: 0, ±½, ±⅘, ±1¼, ±2, and infinity if the points are even in number.
//!
//! Does NOT say which to take.

use super::find::Conv;
use crate::kernel::toom_cook::{Matrices, matrices};
use onnxc_base::Sym;
use onnxc_ir::kernel::Kernel;

/// A form along one axis, F(m, r).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Line {
    /// Outputs of a tile.
    pub m: i64,
    /// Taps of a part.
    pub taps: i64,
}

/// A form: along rows and along columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Form(pub [Line; 2]);

/// True if a kernel is longer than three taps along an axis.
pub(super) fn is_long(taps: [i64; 2]) -> bool {
    taps.iter().any(|t| *t > 3)
}

impl Line {
    /// Not transformed.
    pub const DIRECT: Line = Line { m: 1, taps: 1 };

    /// Points: also the inputs of a tile.
    pub fn points(self) -> i64 {
        self.m + self.taps - 1
    }

    /// The interpolation points but infinity, which is one where they are even in number. Those that differ in sign alone are
    /// neighbours.
    pub fn finite(self) -> Vec<f64> {
        match self.points() {
            1 => vec![],
            4 => vec![0.0, 1.0, -1.0],
            6 => vec![0.0, 2f64.sqrt(), -(2f64.sqrt()), 0.5f64.sqrt(), -(0.5f64.sqrt())],
            8 => vec![0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5],
            _ => vec![0.0, 0.5, -0.5, 0.8, -0.8, 1.25, -1.25, 2.0, -2.0],
        }
    }

    /// Parts, as far apart as tiles are, that make up a kernel of so many taps.
    pub fn parts(self, taps: i64) -> i64 {
        (taps - self.taps + self.m - 1).max(0) / self.m + 1
    }

    /// The matrices of its transforms.
    pub fn matrices(self) -> Matrices {
        matrices(self.m as usize, self.taps as usize, &self.finite())
    }
}

impl Form {
    /// As many outputs, and as many taps, along both axes.
    pub const fn square(m: i64, taps: i64) -> Form {
        Form([Line { m, taps }; 2])
    }

    /// Outputs of a tile along rows and columns.
    pub fn m(self) -> [i64; 2] {
        self.0.map(|l| l.m)
    }

    /// Points of a tile along rows and columns.
    pub fn points(self) -> [i64; 2] {
        self.0.map(Line::points)
    }

    /// Parts along rows and columns of a kernel.
    pub fn parts(self, taps: [i64; 2]) -> [i64; 2] {
        [0, 1].map(|t| self.0[t].parts(taps[t]))
    }

    /// True if parts side by side leave out no tap of a kernel.
    pub fn covers(self, taps: [i64; 2]) -> bool {
        self.0.iter().zip(taps).all(|(l, t)| l.m <= l.taps || l.parts(t) == 1)
    }

    /// Tiles along rows and columns of the output.
    pub fn tiles(self, kernel: &Kernel, conv: &Conv) -> [Sym; 2] {
        let extents = conv.extents(kernel);
        [0, 1].map(|t| extents[t].ceildiv(&Sym::int(self.0[t].m)))
    }

    /// How many rows and columns of the data the tiles read.
    pub fn reach(self, conv: &Conv, tiles: &[Sym; 2]) -> [Sym; 2] {
        let parts = self.parts(conv.taps());
        [0, 1].map(|t| (&tiles[t] + (parts[t] - 1)) * self.0[t].m + (self.0[t].taps - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_kernel() {
        let long = Form::square(4, 5);
        let parts: Vec<i64> = (3..=11).map(|t| long.parts([t, t])[0]).collect();
        assert_eq!(parts, [1, 1, 1, 2, 2, 2, 2, 3, 3]);
        assert!(long.covers([11, 3]) && !Form::square(4, 3).covers([5, 5]));
        assert_eq!(Form::square(4, 3).parts([3, 3]), [1, 1]);
        let rows = Form([Line { m: 4, taps: 5 }, Line::DIRECT]);
        assert!(rows.covers([5, 7]) && rows.parts([5, 7]) == [1, 7] && rows.points() == [8, 1]);
        let tall = Form([Line { m: 6, taps: 5 }, Line::DIRECT]);
        assert!(tall.covers([5, 5]) && !tall.covers([7, 5]) && tall.points() == [10, 1]);
    }
}
