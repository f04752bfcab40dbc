//! Mean and variance over axes: what the normalisations share.
//!
//! The variance is that of the population, computed from the differences to the mean.

use super::axes::Axes;
use crate::prelude::*;

/// Mean and variance, definitions over the extents that the axes leave.
pub(super) struct Moments {
    pub(super) mean: Src,
    pub(super) variance: Src,
}

/// Defines the mean over axes of a tensor that `read` gives the elements of, in dtype `d`.
pub(super) fn mean(
    k: &mut KernelBuilder,
    name: &str,
    d: DType,
    shape: &[Sym],
    axes: &Axes,
    read: impl Fn(&[Sym]) -> Expr,
) -> Src {
    let (kept, reduced) = (axes.result(shape), axes.reduced(shape));
    let n = cast(DType::I64, d, int(axes.count(shape)));
    let sum =
        k.reduce(&format!("{name}_sum"), d, &kept, ReduceOp::Add, &reduced, None, |_, i, r| read(&axes.index(i, r)));
    k.map(name, d, &kept, |_, i| load(sum, i) / n)
}

/// Defines mean and variance.
pub(super) fn moments(
    k: &mut KernelBuilder,
    d: DType,
    shape: &[Sym],
    axes: &Axes,
    read: impl Fn(&[Sym]) -> Expr,
) -> Moments {
    let mean_of = mean(k, "mean", d, shape, axes, &read);
    let variance = mean(k, "variance", d, shape, axes, |i| {
        let difference = read(i) - load(mean_of, &axes.result_index(i));
        difference.clone() * difference
    });
    Moments { mean: mean_of, variance }
}
