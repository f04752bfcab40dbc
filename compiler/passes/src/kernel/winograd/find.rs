//! Convolutions that can be computed in the transformed domain: the product of data and constant weights, summed over
//! taps and channels, of stride 1. The last two axes with taps are rows and columns; those outside, the depth of a volume,
//! say, are never transformed. If only one axis has taps, its neighbour has one tap, at the place itself. The result's
//! channels are its last axis, or just outside of its rows (*planar*).
//!
//! Does NOT decide whether that pays.

use crate::from_kernel::reduction_axes;
use crate::kernel::expr::{Site, loads};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Sym, Tensor};
use onnxc_ir::kernel::{Axis, BinOp, Body, Def, DefId, ExprKind, Kernel, ReduceOp, Src};

/// The shortest and the longest kernel along an axis.
const LENGTHS: std::ops::RangeInclusive<i64> = 3..=11;

/// An axis of the output along which data and kernel move together.
#[derive(Clone)]
pub(super) struct Along {
    /// Number of the output axis.
    pub axis: usize,
    /// The taps.
    pub tap: Symbol,
    pub taps: i64,
    /// Dim of the data.
    pub dim: usize,
    /// What is added to axis and tap.
    pub offset: i64,
    /// Dim of the weights.
    pub order: usize,
}

/// What is known of a convolution that can be rewritten.
pub(super) struct Conv {
    pub def: DefId,
    pub data: Site,
    pub weights: Tensor,
    /// Dims of the weights: output channel, input channel, row tap, column tap.
    pub order: [usize; 4],
    /// The others' constant indices.
    pub fixed: Vec<(usize, i64)>,
    /// Numbers of the output axes: row, column, channel.
    pub axes: [usize; 3],
    /// Dims of the data: row, column, channel; none of them for the channel of data that has but one.
    pub dims: [usize; 3],
    /// What is added to row and column.
    pub offsets: [i64; 2],
    /// The output axes outside of those.
    pub outer: Vec<Axis>,
    /// Those of them that have taps.
    pub slices: Vec<Along>,
    /// The data's channels are its innermost dim.
    pub channels_last: bool,
    /// The result's channels are outside of its rows.
    pub planar: bool,
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

    /// Taps along the axes outside of rows, all together.
    pub fn slice_taps(&self) -> i64 {
        self.slices.iter().map(|s| s.taps).product()
    }

    /// How far the data reaches that the outputs along an axis outside of rows need.
    pub fn outer_reach(&self, d: usize) -> Sym {
        let taps = self.slices.iter().find(|s| s.axis == d).map_or(1, |s| s.taps);
        &self.outer[d].extent + (taps - 1)
    }

    /// Extents of rows and columns of the output.
    pub fn extents(&self, kernel: &Kernel) -> [Sym; 2] {
        [0, 1].map(|i| kernel.defs[self.def].axes[self.axes[i]].extent.clone())
    }
}

/// True if a kernel of so many taps along rows and columns is neither too short nor too long: it may have one tap along one
/// of them.
pub(super) fn fits(taps: [i64; 2]) -> bool {
    taps.iter().all(|t| *t == 1 || LENGTHS.contains(t)) && taps != [1, 1]
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

/// How data and kernel move along the output axis of a tap: by an index `axis + tap + offset`.
fn along(def: &Def, data: &Site, weights: &Site, tap: &Axis) -> Option<Along> {
    let dim = data.index.iter().position(|i| i.as_ref().is_some_and(|i| i.contains(&tap.var)))?;
    let rest = data.index[dim].clone()? - Sym::var(tap.var.clone());
    let offset = rest.constant_term();
    let var = (rest - offset).as_symbol()?.clone();
    let axis = def.axes.iter().position(|a| a.var == var)?;
    let (taps, order) = (tap.extent.as_int()?, lone(weights, &tap.var)?);
    Some(Along { axis, tap: tap.var.clone(), taps, dim, offset, order })
}

/// An output axis without taps: the data's index is the axis and an offset. Its one tap gets a dim of its own, behind those
/// of the weights.
fn still(def: &Def, data: &Site, weights: &Site, axis: usize) -> Option<Along> {
    let var = &def.axes.get(axis)?.var;
    let mut of = (0..data.index.len()).filter(|d| data.index[*d].as_ref().is_some_and(|i| i.contains(var)));
    let (dim, None) = (of.next()?, of.next()) else { return None };
    let offset = (data.index[dim].clone()? - Sym::var(var.clone())).as_int()?;
    let apart = weights.index.iter().all(|i| i.as_ref().is_some_and(|i| !i.contains(var)));
    apart.then(|| Along { axis, tap: var.clone(), taps: 1, dim, offset, order: weights.index.len() })
}

/// Rows and columns: the last two axes with taps, or the only one with its neighbour.
fn rows_and_columns(
    def: &Def,
    data: &Site,
    weights: &Site,
    mut moving: Vec<Along>,
) -> Option<(Along, Along, Vec<Along>)> {
    let last = moving.pop()?;
    if let Some(rows) = moving.pop() {
        return Some((rows, last, moving));
    }
    if last.axis + 2 == def.axes.len() {
        let rows = still(def, data, weights, last.axis.checked_sub(1)?)?;
        return Some((rows, last, moving));
    }
    let columns = still(def, data, weights, last.axis + 1)?;
    Some((last, columns, moving))
}

/// Recognises a convolution.
pub(super) fn recognise(kernel: &Kernel, d: DefId) -> Option<Conv> {
    let def = &kernel.defs[d];
    if def.dtype != DType::F32 {
        return None;
    }
    let (data, weights) = operands(kernel, d)?;
    let Src::Param(w) = weights.src else { return None };
    let (lone_taps, taps): (Vec<&Axis>, Vec<&Axis>) =
        reduction_axes(def).iter().partition(|r| lone(&data, &r.var).is_some());
    // A single channel has no axis: it gets a dim of its own, behind those of the weights.
    let (q_dim, q_order) = match lone_taps[..] {
        [q] => (lone(&data, &q.var)?, lone(&weights, &q.var)?),
        [] => (usize::MAX, weights.index.len() + 1),
        _ => return None,
    };
    let mut moving = taps.iter().map(|t| along(def, &data, &weights, t)).collect::<Option<Vec<Along>>>()?;
    moving.sort_by_key(|a| a.axis);
    let (rows, columns, slices) = rows_and_columns(def, &data, &weights, moving)?;
    // Output channel: an axis in the weights alone.
    let last = def.axes.len() - 1;
    let planar = columns.axis == last;
    let channel = if planar { rows.axis.checked_sub(1)? } else { last };
    let order = [lone(&weights, &def.axes[channel].var)?, q_order, rows.order, columns.order];
    let used = |d: &usize| order.contains(d) || slices.iter().any(|s| s.order == *d);
    let others = (0..weights.index.len()).filter(|d| !used(d));
    let fixed = others.map(|d| Some((d, weights.index[d].as_ref()?.as_int()?))).collect::<Option<Vec<_>>>()?;
    let first = channel.min(rows.axis);
    let ordered = rows.axis + 1 == columns.axis && (planar || columns.axis + 1 == channel);
    let apart = slices.windows(2).all(|s| s[0].axis < s[1].axis) && slices.iter().all(|s| s.axis < first);
    let dims = [rows.dim, columns.dim, q_dim];
    let elsewhere = data.index.iter().enumerate().any(|(d, i)| {
        !dims.contains(&d) && i.as_ref().is_none_or(|i| def.axes[first..].iter().any(|a| i.contains(&a.var)))
    });
    if !ordered || !apart || elsewhere || weights.pad.is_some() || !fits([rows.taps, columns.taps]) {
        return None;
    }
    let given = kernel.params[w].value.clone()?;
    let given = given.reshaped(&[given.shape(), &[1, 1]].concat())?;
    Some(Conv {
        def: d,
        weights: given,
        order,
        fixed,
        axes: [rows.axis, columns.axis, channel],
        dims,
        offsets: [rows.offset, columns.offset],
        outer: def.axes[..first].to_vec(),
        slices,
        channels_last: q_dim.checked_add(1) == Some(data.index.len()),
        planar,
        data,
    })
}
