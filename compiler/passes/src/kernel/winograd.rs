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
mod stages;
mod traffic;
mod weights;

pub use stages::{schedule, schedule_as};
pub use traffic::Cut;

use super::chain;
use super::pack::insert_before;
use super::plan;
use super::toom_cook::{Matrices, matrices};
use crate::from_kernel::{Machine, all_ranges};
use cost::Work;
use find::{Conv, parts};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Ranges, Sym};
use onnxc_ir::kernel::build::{binary, compare, constant, int, load, select};
use onnxc_ir::kernel::{Axis, BinOp, Body, CmpOp, Def, DefId, Expr, ExprKind, Kernel, ReduceOp, Scalar, Src};
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
    /// Kernels of three taps along an axis.
    parts: [i64; 2],
    /// Tiles along the rows and columns of the output.
    tiles: [Sym; 2],
    /// Input channels.
    inputs: i64,
    /// Output channels.
    outputs: i64,
    /// Lanes of the data's transform go along its channels.
    wide: bool,
}

impl Winograd {
    fn size(&self, kernel: &Kernel) -> Size {
        let tiles = [0, 1].map(|t| kernel.ranges.estimate(&self.tiles[t]));
        Size { tiles, parts: self.parts, m: self.m, inputs: self.inputs, outputs: self.outputs }
    }
}

/// Rewrites the kernel's convolution where that pays.
pub fn winograd(kernel: &mut Kernel, machine: Machine) -> Option<Winograd> {
    let all = plan::nests(kernel);
    let nest = match all[..] {
        [nest] => nest,
        [first, second] if first.acc.is_some() && chain::feeds(kernel, &first, &second) => first,
        _ => return None,
    };
    let conv = find::recognise(kernel, nest.reduction(kernel)?)?;
    let m = cost::choose(kernel, &conv, machine)?;
    Some(apply(kernel, &conv, nest.def, m))
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
    !machine.strict && taps.iter().all(|t| find::fits(*t)) && parts(taps) != [1, 1] && work.tile(machine).is_some()
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

fn apply(kernel: &mut Kernel, conv: &Conv, stored: DefId, m: i64) -> Winograd {
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
    let parts = Parts { conv, mats: &mats, tiles: &tiles, base: &sum, m };
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
        parts: conv.parts(),
        tiles: tiles.clone(),
        inputs: conv.channels()[0],
        outputs: oc,
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

/// What the definitions are made of.
struct Parts<'a> {
    conv: &'a Conv,
    mats: &'a Matrices,
    tiles: &'a [Sym; 2],
    base: &'a str,
    m: i64,
}

fn vars(axes: &[Axis]) -> Vec<Sym> {
    axes.iter().map(|a| Sym::var(a.var.clone())).collect()
}

impl Parts<'_> {
    fn axis(&self, part: &str, name: &str, extent: Sym) -> Axis {
        Axis { var: Symbol::new(&format!("{}.{part}.{name}", self.base)), extent }
    }

    /// The same axes under the names of another definition.
    fn renamed(&self, part: &str, of: &[Axis]) -> Vec<Axis> {
        let last = |a: &Axis| a.var.as_str().rsplit('.').next().unwrap_or_default().to_string();
        of.iter().map(|a| self.axis(part, &last(a), a.extent.clone())).collect()
    }

    /// r[a, j, outer.., row, column, q] = sum over i of BT[a, i] * data[outer.., row * m + i, column * m + j, q], where
    /// `row` and `column` count tiles.
    fn rows_in(&self, copy: Option<Src>) -> Def {
        let (conv, parts) = (self.conv, self.conv.parts());
        let n = Sym::int(self.mats.bt.len() as i64);
        let mut axes = vec![self.axis("r", "a", n.clone()), self.axis("r", "b", n)];
        let outer = conv.outer.iter().enumerate();
        axes.extend(outer.map(|(d, o)| self.axis("r", &format!("n{d}"), o.extent.clone())));
        axes.push(self.axis("r", "row", &self.tiles[0] + (parts[0] - 1)));
        axes.push(self.axis("r", "column", &self.tiles[1] + (parts[1] - 1)));
        axes.push(self.axis("r", "q", Sym::int(conv.channels()[0])));
        let at = vars(&axes);
        let (outer, place) = (&at[2..at.len() - 3], &at[at.len() - 3..]);
        let value = combine(&at[0], &self.mats.bt, &|i| {
            let (row, column) = (&place[0] * self.m + i, &place[1] * self.m + &at[1]);
            match copy {
                Some(copy) => load(copy, &[outer, &[row, column, place[2].clone()]].concat()),
                None => load(conv.data.src, &data_index(conv, outer, &[&row, &column, &place[2]])),
            }
        });
        Def { name: format!("{}.r", self.base), dtype: DType::F32, axes, body: Body::Map(value) }
    }

    /// v[a, b, outer.., row, column, q] = sum over j of BT[b, j] * r[a, j, outer.., row, column, q].
    fn columns_in(&self, r: Src, of: &Def) -> Def {
        let axes = self.renamed("v", &of.axes);
        let at = vars(&axes);
        let value = combine(&at[1], &self.mats.bt, &|j| load(r, &[&[at[0].clone(), Sym::int(j)], &at[2..]].concat()));
        Def { name: format!("{}.v", self.base), dtype: DType::F32, axes, body: Body::Map(value) }
    }

    /// m[a, b, outer.., row, column, o] = sum over s, t, q of v[a, b, outer.., row + s, column + t, q] *
    /// u[a, b, s, t, q, o].
    fn multiply(&self, v: Src, u: Src, of: &Def, oc: i64) -> Def {
        let parts = self.conv.parts();
        let mut axes = self.renamed("m", &of.axes);
        let q = axes.pop().map_or(Sym::int(1), |q| q.extent);
        let n = axes.len();
        axes[n - 2].extent = self.tiles[0].clone();
        axes[n - 1].extent = self.tiles[1].clone();
        axes.push(self.axis("m", "o", Sym::int(oc)));
        let mut over = vec![];
        if parts != [1, 1] {
            over.extend([self.axis("m", "s", Sym::int(parts[0])), self.axis("m", "t", Sym::int(parts[1]))]);
        }
        over.push(self.axis("m", "q", q));
        let (at, steps) = (vars(&axes), vars(&over));
        let mut data = at[..n].to_vec();
        if let [s, t, _] = &steps[..] {
            data[n - 2] = &data[n - 2] + s;
            data[n - 1] = &data[n - 1] + t;
        }
        let left = load(v, &[&data[..], &steps[steps.len() - 1..]].concat());
        let right = load(u, &[&at[..2], &steps[..], &at[n..]].concat());
        let value = binary(BinOp::Mul, left, right);
        let body = Body::Reduce { op: ReduceOp::Add, axes: over, init: None, value };
        Def { name: format!("{}.m", self.base), dtype: DType::F32, axes, body }
    }

    /// z[i, b, outer.., row, column, o] = sum over a of AT[i, a] * m[a, b, outer.., row, column, o].
    fn rows_out(&self, products: Src, of: &Def) -> Def {
        let mut axes = self.renamed("z", &of.axes);
        axes[0].extent = Sym::int(self.m);
        let at = vars(&axes);
        let value = combine(&at[0], &self.mats.at, &|a| load(products, &[&[Sym::int(a)], &at[1..]].concat()));
        Def { name: format!("{}.z", self.base), dtype: DType::F32, axes, body: Body::Map(value) }
    }

    /// The value of the convolution: init + sum over b of AT[column mod m, b] * z[row mod m, b, outer.., row div m,
    /// column div m, o].
    fn columns_out(&self, result: &Def, z: Src) -> Expr {
        let at = result.vars();
        let [row, column, o] = self.conv.axes.map(|i| at[i].clone());
        let step = Sym::int(self.m);
        let outer = &at[..self.conv.axes[0]];
        let tile = [row.floordiv(&step), column.floordiv(&step), o];
        let sum = combine(&column.modulo(&step), &self.mats.at, &|b| {
            load(z, &[&[row.modulo(&step), Sym::int(b)], outer, &tile].concat())
        });
        match &result.body {
            Body::Reduce { init: Some(init), .. } => binary(BinOp::Add, sum, init.clone()),
            _ => sum,
        }
    }
}

/// The row of a matrix that an index says, times what `of` gives for each column. Rows that differ in the signs of odd
/// columns alone share what they have in common.
fn combine(row: &Sym, matrix: &[Vec<f64>], of: &dyn Fn(i64) -> Expr) -> Expr {
    let rows: Vec<Expr> = matrix.iter().map(|r| linear(r, of)).collect();
    let mut rows = rows.into_iter().enumerate().rev();
    let (_, last) = rows.next().expect("a matrix has rows");
    rows.fold(last, |rest, (k, e)| {
        let is = compare(CmpOp::Eq, int(row.clone()), constant(Scalar::i64(k as i64)));
        select(is, e, rest)
    })
}

/// sum of c[i] * of(i): even columns, then odd ones; a first odd coefficient below zero is taken off.
fn linear(c: &[f64], of: &dyn Fn(i64) -> Expr) -> Expr {
    let part = |odd: usize, sign: f64| {
        let terms = c.iter().enumerate().filter(|(i, c)| i % 2 == odd && **c != 0.0);
        terms.fold(None, |sum: Option<Expr>, (i, c)| {
            let (x, c) = (of(i as i64), c * sign);
            let term = if c == 1.0 { x } else { binary(BinOp::Mul, x, constant(Scalar::f32(c as f32))) };
            Some(sum.map_or(term.clone(), |s| binary(BinOp::Add, s, term)))
        })
    };
    let first_odd = c.iter().enumerate().find(|(i, c)| i % 2 == 1 && **c != 0.0).map_or(1.0, |(_, c)| c.signum());
    match (part(0, 1.0), part(1, first_odd)) {
        (Some(e), Some(o)) => binary(if first_odd < 0.0 { BinOp::Sub } else { BinOp::Add }, e, o),
        (Some(e), None) => e,
        (None, Some(o)) if first_odd > 0.0 => o,
        (None, Some(o)) => binary(BinOp::Mul, o, constant(Scalar::f32(-1.0))),
        (None, None) => constant(Scalar::f32(0.0)),
    }
}
