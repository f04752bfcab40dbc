//! winograd: convolutions of stride 1 as matrix products in a transformed domain.
//!
//! F(m×m, 3×3) computes m×m outputs from (m+2)×(m+2) inputs with (m+2)² products per pair of channels instead of 9m²
//! (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308). The matrices come from the
//! interpolation points: 0, ±√2, ±√½ and infinity for m = 4, whose error stays near that of a direct sum (Vincent et
//! al., "On Improving the Numerical Stability of Winograd Convolutions"); 0, ±1 and infinity for m = 2; ±1, ±½ and
//! infinity for m = 3.
//!
//! A longer kernel is a sum of 3×3 kernels side by side, added up in the transformed domain (*nested*). With m = 3 they
//! are as far apart as tiles are, so one transform of the data serves all of them: a 9×9 kernel is a 3×3 convolution
//! over tiles, with 25 products for what takes 81.
//!
//! The reduction becomes four definitions: the transform `v` of the data, rows first (`r`), the products `m` with the
//! transformed weights (a constant), and a map in place of the reduction that transforms back, rows first (`z`). Where
//! tiles reach beyond what can be read, a padded copy of the data comes first. `v` and `m` are attached to the stage that
//! stores the result, per block of tiles, so that they stay in the cache, unless reading the weights for each block would
//! take longer.
//!
//! Tiles are counted by two axes, so no index is divided but by a number: rows and columns may be symbolic.
//!
//! Does NOT apply where the weights aren't constant, output channels are few, or the estimate says that it doesn't pay.

mod cost;
mod find;
mod parts;
mod stages;
mod traffic;
mod weights;

pub use stages::schedule;
pub use traffic::Cut;

use super::chain;
use super::pack::insert_before;
use super::plan;
use super::toom_cook::matrices;
use crate::from_kernel::{Machine, all_ranges};
use cost::Work;
use find::Conv;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Ranges, Sym};
use onnxc_ir::kernel::build::{int, load};
use onnxc_ir::kernel::{Axis, Body, Def, DefId, Expr, ExprKind, Kernel, Scalar, Src};
use parts::Parts;
use traffic::Size;

/// Taps of the kernels along an axis.
const TAPS: i64 = 3;

/// A convolution that was rewritten: the names of its definitions, and how it is cut.
#[derive(Clone, Debug)]
pub struct Winograd {
    /// The padded copy, if there is one.
    copy: Option<String>,
    transformed: String,
    products: String,
    /// What was the sum.
    sum: String,
    /// What stores it.
    stored: String,
    /// Outputs of a tile along an axis.
    m: i64,
    /// How it is cut.
    cut: Cut,
    /// Lanes of the data's transform go along its channels.
    wide: bool,
}

impl Winograd {
    /// Axes of the products of which only so many points are done at a time.
    pub fn blocks(&self) -> Vec<(Symbol, i64)> {
        match self.cut {
            Cut::Whole => vec![],
            Cut::Blocks(sizes) => {
                let name = |part: &str| Symbol::new(&format!("{}.{part}", self.products));
                ["row", "column"].map(name).into_iter().zip(sizes).collect()
            }
        }
    }
}

/// Rewrites the kernel's convolution where that pays.
pub fn winograd(kernel: &mut Kernel, machine: Machine) -> Option<Winograd> {
    winograd_as(kernel, machine, None)
}

/// As [`winograd`], cut as is asked for: only a result that feeds nothing can be computed as a whole.
pub fn winograd_as(kernel: &mut Kernel, machine: Machine, cut: Option<Cut>) -> Option<Winograd> {
    let all = plan::nests(kernel);
    let nest = match all[..] {
        [nest] => nest,
        [first, second] if first.acc.is_some() && chain::feeds(kernel, &first, &second) => first,
        _ => return None,
    };
    let conv = find::recognise(kernel, nest.reduction(kernel)?)?;
    let m = cost::choose(kernel, &conv, machine)?;
    let cut = cut.unwrap_or_else(|| best_cut(kernel, &conv, nest.def, machine, m));
    Some(apply(kernel, &conv, nest.def, m, cut))
}

/// How to cut a convolution whose result a definition stores.
fn best_cut(kernel: &Kernel, conv: &Conv, stored: DefId, machine: Machine, m: i64) -> Cut {
    let ([inputs, outputs], tiles) = (conv.channels(), tiles(kernel, conv, m));
    let size = Size { tiles: tiles.map(|n| kernel.ranges.estimate(&n)), parts: conv.parts(), m, inputs, outputs };
    match kernel.outputs.first() {
        Some(last) if *last == stored => traffic::cut(machine, &size).0,
        _ => Cut::Blocks(traffic::block(machine, &size, outputs, outputs)),
    }
}

/// How many more rows and columns than the convolution itself tiles may read behind the data: what a border should
/// have. None for a kernel that isn't such a convolution.
pub fn overhang(kernel: &Kernel, machine: Machine) -> Option<(Src, [(usize, i64); 2])> {
    let [nest] = plan::nests(kernel)[..] else { return None };
    let conv = find::recognise(kernel, nest.reduction(kernel)?).filter(|_| !machine.strict)?;
    let m = cost::choose(kernel, &conv, machine)?;
    let (reach, taps, extents) = (reach(&conv, &tiles(kernel, &conv, m), m), conv.taps(), conv.extents(kernel));
    let more = |t: usize| {
        let exact = (&reach[t] - &extents[t]).as_int().map(|n| n - (taps[t] - 1));
        // Of the last tile all but one output may be too many.
        exact.unwrap_or(m - 1 + conv.parts()[t] * TAPS - taps[t])
    };
    Some((conv.data.src, [0, 1].map(|t| (conv.dims[t], more(t)))))
}

/// True if a convolution of stride 1 with constant weights is a sum of small ones in the transformed domain, were its data
/// planar: its taps and the extents of its output along rows and columns, its input and output channels.
pub fn nests(machine: Machine, taps: [i64; 2], channels: [i64; 2], extents: [i64; 2]) -> bool {
    let work = Work { taps, channels, extents, channels_last: false };
    !machine.strict
        && taps.iter().all(|t| find::fits(*t))
        && find::parts(taps) != [1, 1]
        && work.tile(machine).is_some()
}

/// Tiles along rows and columns.
fn tiles(kernel: &Kernel, conv: &Conv, m: i64) -> [Sym; 2] {
    conv.extents(kernel).map(|e| e.ceildiv(&Sym::int(m)))
}

/// How many rows and columns of the data the tiles read.
fn reach(conv: &Conv, tiles: &[Sym; 2], m: i64) -> [Sym; 2] {
    let parts = conv.parts();
    [0, 1].map(|t| (&tiles[t] + (parts[t] - 1)) * m + (TAPS - 1))
}

/// The interpolation points but infinity.
fn points(m: i64) -> Vec<f64> {
    match m {
        4 => vec![0.0, 2f64.sqrt(), -(2f64.sqrt()), 0.5f64.sqrt(), -(0.5f64.sqrt())],
        3 => vec![1.0, -1.0, 0.5, -0.5],
        _ => vec![0.0, 1.0, -1.0],
    }
}

fn apply(kernel: &mut Kernel, conv: &Conv, stored: DefId, m: i64, cut: Cut) -> Winograd {
    let mats = matrices(m as usize, TAPS as usize, &points(m));
    let (sum, stored) = (kernel.defs[conv.def].name.clone(), kernel.defs[stored].name.clone());
    let tiles = tiles(kernel, conv, m);
    let oc = conv.channels()[1];
    let u = kernel.params.push(weights::transformed(conv, &mats, format!("{sum}.weights")));

    let ranges = all_ranges(kernel);
    let whole = within(kernel, conv, &ranges, &reach(conv, &tiles, m));
    let mut at = conv.def;
    let mut put = |kernel: &mut Kernel, def: Def| {
        let (id, next) = insert_before(kernel, at, def);
        at = next;
        Src::Def(id)
    };
    let copy = (!whole).then(|| padded_copy(conv, &tiles, m, format!("{sum}.data")));
    let copied = copy.as_ref().map(|def| put(kernel, def.clone()));
    // All tiles of a whole are alike for the products: they are counted by one axis, of more points than each has.
    let flat = cut == Cut::Whole && conv.parts() == [1, 1];
    let parts = Parts { conv, mats: &mats, tiles: &tiles, base: &sum, m, flat };
    let r = parts.rows_in(copied);
    let r_at = put(kernel, r.clone());
    let v = parts.columns_in(r_at, &r);
    let v_at = put(kernel, v.clone());
    let products = parts.multiply(v_at, Src::Param(u), &v, oc);
    let p_at = put(kernel, products.clone());
    let z = parts.rows_out(p_at, &products);
    let z_at = put(kernel, z);
    let body = parts.columns_out(&kernel.defs[at], z_at);
    kernel.defs[at].body = Body::Map(body);
    let stored = if stored == sum { stored_apart(kernel, at) } else { stored };
    Winograd {
        copy: copy.map(|c| c.name),
        transformed: v.name,
        products: products.name,
        sum,
        stored,
        m,
        cut,
        wide: conv.channels_last,
    }
}

/// The result in registers needs another definition to store it.
fn stored_apart(kernel: &mut Kernel, at: DefId) -> String {
    let def = &kernel.defs[at];
    let axes: Vec<Axis> = def
        .axes
        .iter()
        .map(|a| Axis { var: Symbol::new(&format!("{}.out", a.var)), extent: a.extent.clone() })
        .collect();
    let vars: Vec<Sym> = axes.iter().map(|a| Sym::var(a.var.clone())).collect();
    let body = Body::Map(load(Src::Def(at), &vars));
    let out = Def { name: format!("{}.out", def.name), dtype: def.dtype, axes, body };
    let (name, id) = (out.name.clone(), kernel.defs.push(out));
    kernel.outputs.iter_mut().filter(|d| **d == at).for_each(|d| *d = id);
    name
}

/// True if all that tiles read can be read where it is.
fn within(kernel: &Kernel, conv: &Conv, ranges: &Ranges, reach: &[Sym; 2]) -> bool {
    let shape = kernel.src_shape(conv.data.src);
    [0, 1].iter().all(|&t| {
        let (offset, extent) = (conv.offsets[t], &shape[conv.dims[t]]);
        offset >= 0 && ranges.prove_le(&(&reach[t] + offset), extent) == Some(true)
    })
}

/// The data as far as tiles reach, padding included: [outer.., rows, columns, channels].
fn padded_copy(conv: &Conv, tiles: &[Sym; 2], m: i64, name: String) -> Def {
    let axis = |part: &str, extent: Sym| Axis { var: Symbol::new(&format!("{name}.{part}")), extent };
    let mut axes: Vec<Axis> =
        conv.outer.iter().enumerate().map(|(d, a)| axis(&format!("n{d}"), a.extent.clone())).collect();
    let [rows, columns] = reach(conv, tiles, m);
    axes.extend([axis("row", rows), axis("column", columns), axis("q", Sym::int(conv.channels()[0]))]);
    let at: Vec<Sym> = axes.iter().map(|a| Sym::var(a.var.clone())).collect();
    let (outer, place) = at.split_at(at.len() - 3);
    let index = data_index(conv, outer, &[&place[0], &place[1], &place[2]]).into_iter().map(int).collect();
    let pad = Some(conv.data.pad.unwrap_or(Scalar::f32(0.0)));
    let body = Body::Map(Expr::new(ExprKind::Load { src: conv.data.src, index, pad }));
    Def { name, dtype: DType::F32, axes, body }
}

/// The index of the data for outer axes, row, column and channel, counted from where the first tile reads.
fn data_index(conv: &Conv, outer: &[Sym], place: &[&Sym; 3]) -> Vec<Sym> {
    let renamed = |v: &Symbol| Some(outer[conv.outer.iter().position(|a| a.var == *v)?].clone());
    let one = |(d, i): (usize, &Option<Sym>)| match conv.dims.iter().position(|x| *x == d) {
        None => i.clone().unwrap_or(Sym::int(0)).subst(&renamed),
        Some(2) => place[2].clone(),
        Some(t) => place[t] + conv.offsets[t],
    };
    conv.data.index.iter().enumerate().map(one).collect()
}
