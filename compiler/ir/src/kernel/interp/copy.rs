//! Definitions that only move elements: transposes, paddings, packings of weights, at about the speed of memory.
//!
//! A load by affine indices (after index variables are split where `floordiv` or `mod` by a constant divide them) is cut
//! into boxes in which every index is in range, or some index is out of range everywhere. Each box is one strided
//! copy; what pads is a copy of one element. Holds: the same bytes as the general evaluation. Where that would fail,
//! or the indices are of another kind, nothing is done here and the general evaluation takes over.

mod split;
mod strided;

use super::column::by_width;
use super::compile::{Extent, Scope};
use super::load::{Source, row_major};
use super::space::{Affine, inside};
use super::{Buffer, InterpError, is_empty};
use crate::kernel::{Expr, ExprKind, Scalar};
use onnxc_base::Sym;
use strided::{Axis, copy};

/// Evaluates a definition if it is a copy; says whether it was.
pub(super) fn try_copy(scope: &Scope, e: &Expr, axes: &[Extent], out: &mut Buffer) -> Result<bool, InterpError> {
    let ExprKind::Load { src, index, pad } = e.kind() else { return Ok(false) };
    let index: Option<Vec<Sym>> = index.iter().map(|i| Some(scope.resolve(i.as_sym()?, axes))).collect();
    let (Some(index), Some(tensor)) = (index, (scope.sources)(*src)) else { return Ok(false) };
    let fits = tensor.dtype() == out.dtype
        && tensor.shape().len() == index.len()
        && pad.is_none_or(|p| p.dtype == out.dtype)
        && !is_empty(axes);
    let source = Source::new("", &tensor);
    let regions = match fits {
        true => split::regions(axes, &row_major(&axes.iter().map(|a| a.1).collect::<Vec<_>>()), &index),
        false => None,
    };
    let Some(regions) = regions else { return Ok(false) };
    if pad.is_none() && !regions.iter().all(|r| r.is_inside(&source)) {
        return Ok(false);
    }
    let pad = pad.unwrap_or(Scalar { dtype: out.dtype, bits: 0 }).bits.to_le_bytes();
    for r in regions {
        cut(r, &source, &pad, out);
    }
    Ok(true)
}

/// A box of points, their places in the result, and the indices they load.
#[derive(Clone)]
struct Region {
    extents: Vec<i64>,
    home: Affine,
    index: Vec<Affine>,
}

/// How an index lies to its range.
#[derive(PartialEq)]
enum Side {
    Inside,
    Outside,
    Across,
}

impl Region {
    /// How the index of a dim of this extent lies in a region that isn't empty.
    fn side(&self, dim: usize, extent: i64) -> Side {
        let (lo, hi) = self.index[dim].bounds(&self.extents);
        match i128::from(extent) {
            e if lo >= 0 && hi < e => Side::Inside,
            e if hi < 0 || lo >= e => Side::Outside,
            _ => Side::Across,
        }
    }

    fn is_inside(&self, source: &Source) -> bool {
        self.extents.contains(&0) || (0..self.index.len()).all(|d| self.side(d, source.extents[d]) == Side::Inside)
    }

    /// The part with `from <= variable < to`.
    fn slice(&self, axis: usize, from: i64, to: i64) -> Region {
        let mut part = self.clone();
        part.extents[axis] = to - from;
        for f in part.index.iter_mut().chain([&mut part.home]) {
            f.base = f.base.wrapping_add(f.coef(axis).wrapping_mul(from));
        }
        part
    }

    /// The copy of all its points from elements at `offset`.
    fn copy(&self, offset: &Affine, from: &[u8], out: &mut Buffer) {
        let axis = |a: usize| Axis { extent: self.extents[a], to: self.home.coef(a), from: offset.coef(a) };
        let axes = (0..self.extents.len()).map(axis).collect();
        by_width!(out.dtype.size(), copy(axes, (offset.base, from), (self.home.base, &mut out.words)))
    }
}

/// Copies a region, in parts that are inside or outside of the source.
fn cut(region: Region, source: &Source, pad: &[u8], out: &mut Buffer) {
    if region.extents.contains(&0) {
        return;
    }
    let sides: Vec<Side> = (0..region.index.len()).map(|d| region.side(d, source.extents[d])).collect();
    if sides.contains(&Side::Outside) {
        return region.copy(&Affine::default(), pad, out);
    }
    let Some(dim) = sides.iter().position(|s| *s == Side::Across) else {
        let mut offset = Affine::default();
        region.index.iter().zip(&source.strides).for_each(|(i, s)| offset.add_scaled(i, *s));
        return region.copy(&offset, &source.bytes, out);
    };
    let index = &region.index[dim];
    // The variable that moves the index most; with it alone, the border is known, otherwise halves come nearer to it.
    let reach = |t: &&(usize, i64)| i128::from(t.1).abs() * i128::from(region.extents[t.0] - 1);
    let &(axis, coef) = index.terms.iter().max_by_key(reach).expect("a constant is inside or outside");
    let extent = region.extents[axis];
    let moving = index.terms.iter().filter(|t| region.extents[t.0] > 1).count();
    let (from, to) = if moving == 1 {
        let (from, to) = inside(index.base, coef, source.extents[dim], extent as usize);
        (from as i64, to as i64)
    } else {
        (extent / 2, extent)
    };
    for (from, to) in [(0, from), (from, to), (to, extent)] {
        cut(region.slice(axis, from, to), source, pad, out);
    }
}

#[cfg(test)]
mod tests;
