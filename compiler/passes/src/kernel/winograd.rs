//! winograd: convolutions of stride 1 as matrix products in a transformed domain.
//!
//! F(m×m, r×r) computes m×m outputs from n×n inputs, n = m + r - 1, with n² products per pair of channels instead of
//! m²r² (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308). [`form`] says which there
//! are. A longer kernel is a sum of such kernels side by side, added up in the transformed domain (*nested*). They are as
//! far apart as tiles are, so one transform of the data serves all of them: a 9×9 kernel is a 2×2 convolution over tiles
//! of 4×4 outputs, with 16 products for what takes 81. An axis may be left as it is: F(1, 1), whose parts are the taps. So
//! few channels, which don't make up for two transforms, have one, along rows; and so have kernels of one row or column.
//!
//! The reduction becomes four definitions: the transform `v` of the data, rows first (`r`), the products `m` with the
//! transformed weights (a constant), and a map in place of the reduction that transforms back, rows first (`z`); see
//! [`parts`]. Lanes of the transform go across channels where there are many and they are the data's last dim, across
//! columns of tiles otherwise. Where tiles reach beyond what can be read, or neighbours of a row of tiles aren't
//! neighbours in memory, a copy of the data comes first. `v` and `m` are attached to the stage that stores the result, per
//! block of tiles, so that they stay in the cache, unless reading the weights for each block would take longer.
//!
//! Where the result is planar as the data is, its channels outside of its rows, rows alone are transformed, and lanes are
//! columns all the way: such results have few channels. What lies between the transforms of a block stays in the first-level
//! cache wherever the weights do.
//!
//! Taps along further axes, of volumes, aren't transformed: the products of each tap are added up like those of parts.
//!
//! Tiles are counted by two axes, so no index is divided but by a number: rows and columns may be symbolic.
//!
//! Does NOT apply where the weights aren't constant, output channels are few and the innermost, or the estimate says that it
//! doesn't pay.

mod cost;
mod find;
mod form;
mod parts;
mod stages;
mod traffic;
mod weights;

pub use stages::schedule;
pub use traffic::Cut;

use super::chain;
use super::pack::insert_before;
use super::plan;
use crate::from_kernel::Machine;
use cost::Work;
use find::Conv;
use form::{Form, Line, is_long};
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::build::load;
use onnxc_ir::kernel::{Axis, Body, Def, DefId, Kernel, Src};
use parts::{Across, Parts};
use traffic::Size;

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
    /// Outputs of a tile, taps of a part.
    form: Form,
    /// How it is cut.
    cut: Cut,
    /// The axis just outside of rows has taps, and no other.
    slices: bool,
    /// Axes outside of rows, columns and channels.
    outer: usize,
    /// The result's channels are outside of its rows.
    planar: bool,
}

impl Winograd {
    /// Axes of the products of which only so many points are done at a time: a block is of one sample.
    pub fn blocks(&self) -> Vec<(Symbol, i64)> {
        let Cut::Blocks([rows, columns]) = self.cut else { return vec![] };
        let outer = (0..self.outer).map(|d| (format!("n{d}"), 1));
        let of = |(part, points): (String, i64)| (Symbol::new(&format!("{}.{part}", self.products)), points);
        outer.chain([("row".into(), rows), ("column".into(), columns)]).map(of).collect()
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
    if conv.planar && !kernel.outputs.contains(&nest.def) {
        return None;
    }
    let form = cost::choose(kernel, &conv, machine)?;
    let across = Across::choose(kernel, &conv, form, machine);
    let lanes = if across == Across::Columns { i64::from(machine.vector_bits / 32) } else { 1 };
    let cut = cut.unwrap_or_else(|| best_cut(kernel, &conv, nest.def, machine, (form, lanes)));
    Some(apply(kernel, &conv, nest.def, (form, across), cut))
}

/// How to cut a convolution whose result a definition stores, and so many columns of whose tiles are transformed at once.
fn best_cut(kernel: &Kernel, conv: &Conv, stored: DefId, machine: Machine, (form, lanes): (Form, i64)) -> Cut {
    let [inputs, outputs] = conv.channels();
    let tiles = form.tiles(kernel, conv).map(|n| kernel.ranges.estimate(&n));
    let (parts, slices) = (form.parts(conv.taps()), cost::slices(kernel, conv));
    let size = Size { tiles, parts, form, inputs, outputs, lanes, slices, planar: conv.planar };
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
    let form = cost::choose(kernel, &conv, machine)?;
    let (reach, taps, extents) = (form.reach(&conv, &form.tiles(kernel, &conv)), conv.taps(), conv.extents(kernel));
    let parts = form.parts(taps);
    let more = |t: usize| {
        let exact = (&reach[t] - &extents[t]).as_int().map(|n| n - (taps[t] - 1));
        // Of the last tile all but one output may be too many.
        let Line { m, taps: part } = form.0[t];
        exact.unwrap_or(m - 1 + (parts[t] - 1) * m + part - taps[t])
    };
    Some((conv.data.src, [0, 1].map(|t| (conv.dims[t], more(t)))))
}

/// True if a convolution of stride 1 with constant weights, longer than three taps, is computed in the transformed domain,
/// were its data planar: its taps and the extents of its output along rows and columns, its input and output channels.
pub fn nests(machine: Machine, taps: [i64; 2], channels: [i64; 2], extents: [i64; 2]) -> bool {
    let work = Work { taps, channels, extents, channels_last: false, planar: false, slices: [1, 1] };
    !machine.strict && find::fits(taps) && is_long(taps) && work.form(machine).is_some()
}

fn apply(kernel: &mut Kernel, conv: &Conv, stored: DefId, (form, across): (Form, Across), cut: Cut) -> Winograd {
    let mats = form.0.map(Line::matrices);
    let (sum, stored) = (kernel.defs[conv.def].name.clone(), kernel.defs[stored].name.clone());
    let tiles = form.tiles(kernel, conv);
    let oc = conv.channels()[1];
    let u = kernel.params.push(weights::transformed(conv, form, &mats, format!("{sum}.weights")));

    // All tiles of a whole are alike for the products: they are counted by one axis, of more points than each has.
    let alike = conv.slices.is_empty() || conv.outer.len() == 1;
    let flat = cut == Cut::Whole && form.parts(conv.taps()) == [1, 1] && alike && !conv.planar;
    let parts = Parts { conv, mats: &mats, tiles: &tiles, base: &sum, form, across, flat };
    let copy = parts.copy(kernel, format!("{sum}.data"));
    let mut at = conv.def;
    let mut put = |kernel: &mut Kernel, def: Def| {
        let (id, next) = insert_before(kernel, at, def);
        at = next;
        Src::Def(id)
    };
    let copied = copy.as_ref().map(|def| put(kernel, def.clone()));
    let r = parts.rows_in(copied);
    let r_at = put(kernel, r.clone());
    let v = parts.columns_in(r_at, &r);
    let v_at = put(kernel, v.clone());
    let products = parts.multiply(v_at, Src::Param(u), oc);
    let p_at = put(kernel, products.clone());
    let z = parts.rows_out(p_at, &products);
    let z_at = put(kernel, z);
    let body = parts.columns_out(&kernel.defs[at], z_at);
    kernel.defs[at].body = Body::Map(body);
    let stored = if stored == sum { stored_apart(kernel, at) } else { stored };
    let slices = conv.slices.len() == 1 && conv.slices[0].axis + 1 == conv.axes[0];
    Winograd {
        copy: copy.map(|c| c.name),
        transformed: v.name,
        products: products.name,
        sum,
        stored,
        form,
        cut,
        slices,
        outer: conv.outer.len(),
        planar: conv.planar,
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
