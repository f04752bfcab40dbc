//! Convolutions that can be computed in the transformed domain: the product of data and constant weights, summed over
//! taps and channels, of stride 1.
//!
//! Does NOT decide whether that pays.

use crate::from_kernel::reduction_axes;
use crate::kernel::expr::{Site, loads};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Sym, Tensor};
use onnxc_ir::kernel::{Axis, BinOp, Body, DefId, ExprKind, Kernel, ReduceOp, Src};

/// The shortest and the longest kernel along an axis.
const LENGTHS: std::ops::RangeInclusive<i64> = 3..=11;

/// What is known of a convolution that can be rewritten.
pub(super) struct Conv {
    pub def: DefId,
    pub data: Site,
    pub weights: Tensor,
    /// Dims of the weights: output channel, input channel, row tap, column tap.
    pub order: [usize; 4],
    /// Numbers of the output axes: row, column, channel.
    pub axes: [usize; 3],
    /// Dims of the data: row, column, channel.
    pub dims: [usize; 3],
    /// What is added to row and column.
    pub offsets: [i64; 2],
    /// The output axes outside of those.
    pub outer: Vec<Axis>,
    /// The data's channels are its innermost dim.
    pub channels_last: bool,
}

impl Conv {
    /// Input and output channels.
    pub fn channels(&self) -> [i64; 2] {
        [1, 0].map(|d| self.weights.shape()[self.order[d]] as i64)
    }

    /// Taps along rows and columns.
    pub fn taps(&self) -> [i64; 2] {
        [2, 3].map(|d| self.weights.shape()[self.order[d]] as i64)
    }

    /// Extents of rows and columns of the output.
    pub fn extents(&self, kernel: &Kernel) -> [Sym; 2] {
        [0, 1].map(|i| kernel.defs[self.def].axes[self.axes[i]].extent.clone())
    }
}

/// True if a kernel of so many taps along an axis is neither too short nor too long.
pub(super) fn fits(taps: i64) -> bool {
    LENGTHS.contains(&taps)
}

/// The dim of a load that is just this variable.
fn lone(site: &Site, v: &Symbol) -> Option<usize> {
    site.index.iter().position(|i| i.as_ref().and_then(Sym::as_symbol) == Some(v))
}

/// The data and the weights of a product, if the weights are a constant.
fn operands(kernel: &Kernel, d: DefId) -> Option<(Site, Site)> {
    let Body::Reduce { op: ReduceOp::Add, value, .. } = &kernel.defs[d].body else { return None };
    let ExprKind::Binary(BinOp::Mul, a, b) = value.kind() else { return None };
    let (ExprKind::Load { .. }, ExprKind::Load { .. }) = (a.kind(), b.kind()) else { return None };
    let constant = |s: &Site| matches!(s.src, Src::Param(p) if kernel.params[p].value.is_some());
    let mut sites = loads(value);
    let weights = sites.remove(sites.iter().position(constant)?);
    let data = sites.pop().filter(|s| !constant(s))?;
    Some((data, weights))
}

/// Recognises a convolution.
pub(super) fn recognise(kernel: &Kernel, d: DefId) -> Option<Conv> {
    let def = &kernel.defs[d];
    let over = reduction_axes(def);
    if def.dtype != DType::F32 || over.len() != 3 {
        return None;
    }
    let (data, weights) = operands(kernel, d)?;
    let Src::Param(w) = weights.src else { return None };
    // Output channel: the last axis, in the weights alone.
    let channel = def.axes.len().checked_sub(1)?;
    let (lone_taps, taps): (Vec<&Axis>, Vec<&Axis>) = over.iter().partition(|r| lone(&data, &r.var).is_some());
    let ([q], [row, column]) = (&lone_taps[..], &taps[..]) else { return None };
    let q_dim = lone(&data, &q.var)?;
    let (mut dims, mut places, mut offsets) = ([0, 0, q_dim], [0, 0, channel], [0; 2]);
    for (t, tap) in [row, column].into_iter().enumerate() {
        // An index `axis + tap + offset`.
        let dim = data.index.iter().position(|i| i.as_ref().is_some_and(|i| i.contains(&tap.var)))?;
        let rest = data.index[dim].clone()? - Sym::var(tap.var.clone());
        offsets[t] = rest.constant_term();
        let axis = (rest - offsets[t]).as_symbol()?.clone();
        places[t] = def.axes.iter().position(|a| a.var == axis)?;
        dims[t] = dim;
    }
    let order = [
        lone(&weights, &def.axes[channel].var)?,
        lone(&weights, &q.var)?,
        lone(&weights, &row.var)?,
        lone(&weights, &column.var)?,
    ];
    let ordered = places[0] + 1 == places[1] && places[1] + 1 == channel;
    let clear = weights.index.len() == 4 && weights.pad.is_none() && ordered;
    let elsewhere = data.index.iter().enumerate().any(|(d, i)| {
        !dims.contains(&d) && i.as_ref().is_none_or(|i| def.axes[places[0]..].iter().any(|a| i.contains(&a.var)))
    });
    let lengths = [row, column].map(|t| t.extent.as_int());
    if !clear || elsewhere || !lengths.iter().all(|t| t.is_some_and(fits)) {
        return None;
    }
    let channels_last = q_dim + 1 == data.index.len();
    let (weights, outer) = (kernel.params[w].value.clone()?, def.axes[..places[0]].to_vec());
    Some(Conv { def: d, data, weights, order, axes: places, dims, offsets, outer, channels_last })
}
