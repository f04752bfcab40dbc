//! winograd: 3×3 convolutions of stride 1 over many channels as matrix products in a transformed domain.
//!
//! F(m×m, 3×3) computes m×m outputs from (m+2)×(m+2) inputs with (m+2)² products per pair of channels instead of 9m²
//! (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308). The matrices come from the
//! interpolation points: 0, ±√2, ±√½ and infinity for m = 4, whose error stays near that of a direct sum (Vincent et
//! al., "On Improving the Numerical Stability of Winograd Convolutions"); 0, ±1 and infinity for m = 2.
//!
//! The reduction becomes four definitions: the padded copy `p` of the data, its transform `v`, the products `m` with the
//! transformed weights (a constant), and a map in place of the reduction that transforms back. `v` and `m` are
//! attached to the stage that stores the result, per block of tiles, so that they stay in the cache.
//!
//! Does NOT apply where the weights aren't constant, rows or columns are symbolic, channels are few, or the estimate
//! says that it doesn't pay.

mod stages;

pub use stages::schedule;

use super::expr::{Site, loads, map_parts, rewrite};
use super::pack::insert_before;
use super::plan::nests;
use super::toom_cook::{Matrices, matrices};
use crate::from_kernel::Machine;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, EntityRef, Sym, Tensor};
use onnxc_ir::kernel::build::{binary, compare, constant, int, load, select};
use onnxc_ir::kernel::{Axis, BinOp, Body, CmpOp, Def, DefId, Expr, ExprKind, Kernel, Param, ReduceOp, Scalar, Src};

/// Taps of the kernels along an axis.
const TAPS: i64 = 3;
/// Fewest input and output channels.
const FEWEST: i64 = 16;

/// A convolution that was rewritten: the names of its definitions, and how it is cut.
#[derive(Clone, Debug)]
pub struct Winograd {
    data: String,
    transformed: String,
    products: String,
    result: String,
    /// Outputs of a tile along an axis.
    m: i64,
    /// Tiles along the rows and columns of the output.
    tiles: [Sym; 2],
    channels: [i64; 2],
}

/// What is known of a convolution that can be rewritten.
struct Conv {
    def: DefId,
    data: Site,
    weights: Tensor,
    /// Dims of the weights: output channel, input channel, row tap, column tap.
    order: [usize; 4],
    /// Numbers of the output axes: row, column, channel.
    axes: [usize; 3],
    /// Dims of the data: row, column, channel.
    dims: [usize; 3],
    /// What is added to row and column.
    offsets: [i64; 2],
}

/// Rewrites the kernel's convolution where that pays.
pub fn winograd(kernel: &mut Kernel, machine: Machine) -> Option<Winograd> {
    let all = nests(kernel);
    let [nest] = all[..] else { return None };
    let conv = recognise(kernel, nest.reduction(kernel)?)?;
    let def = &kernel.defs[conv.def];
    let extent = |i: usize| def.axes[conv.axes[i]].extent.clone();
    let m = choose(machine, &extent(0), &extent(1), conv.channels())?;
    Some(apply(kernel, &conv, m))
}

/// The product of padded data and constant weights, summed over three by three taps and the channels.
fn recognise(kernel: &Kernel, d: DefId) -> Option<Conv> {
    let def = &kernel.defs[d];
    let Body::Reduce { op: ReduceOp::Add, axes: over, value, .. } = &def.body else { return None };
    let ExprKind::Binary(BinOp::Mul, a, b) = value.kind() else { return None };
    let (ExprKind::Load { .. }, ExprKind::Load { .. }) = (a.kind(), b.kind()) else { return None };
    if def.dtype != DType::F32 || over.len() != 3 {
        return None;
    }
    let mut sites = loads(value);
    let constant = |s: &Site| matches!(s.src, Src::Param(p) if kernel.params[p].value.is_some());
    let weights = sites.remove(sites.iter().position(constant)?);
    let data = sites.pop().filter(|s| !constant(s))?;
    let Src::Param(w) = weights.src else { return None };
    let axis = |list: &[Axis], v: &Symbol| list.iter().position(|a| a.var == *v);
    // Output channel: the last axis, in the weights alone.
    let channel = def.axes.len().checked_sub(1)?;
    let lone = |s: &Site, v: &Symbol| s.index.iter().position(|i| i.as_ref().and_then(Sym::as_symbol) == Some(v));
    let mut taps = vec![];
    let mut input = None;
    for r in over {
        match lone(&data, &r.var) {
            Some(dim) => input = Some((r, dim)),
            None => taps.push(r),
        }
    }
    let (q, q_dim) = input?;
    let (mut dims, mut places, mut offsets) = ([0; 3], [0; 3], [0; 2]);
    for (t, tap) in taps.iter().enumerate() {
        // An index `axis + tap + offset`.
        let dim = data.index.iter().position(|i| i.as_ref().is_some_and(|i| i.contains(&tap.var)))?;
        let rest = data.index[dim].clone()? - Sym::var(tap.var.clone());
        offsets[t] = rest.constant_term();
        places[t] = axis(&def.axes, (rest - offsets[t]).as_symbol()?)?;
        dims[t] = dim;
    }
    (dims[2], places[2]) = (q_dim, channel);
    let order = [
        lone(&weights, &def.axes[channel].var)?,
        lone(&weights, &q.var)?,
        lone(&weights, &taps.first()?.var)?,
        lone(&weights, &taps.get(1)?.var)?,
    ];
    let three = taps.iter().all(|t| t.extent.as_int() == Some(TAPS));
    let clear =
        weights.index.len() == 4 && weights.pad.is_none() && places[0] + 1 == places[1] && places[1] + 1 == channel;
    let elsewhere = data.index.iter().enumerate().any(|(d, i)| {
        !dims.contains(&d) && i.as_ref().is_none_or(|i| def.axes[places[0]..].iter().any(|a| i.contains(&a.var)))
    });
    // Lanes of the transforms go along the data's innermost dim.
    let inner = q_dim + 1 == data.index.len();
    let found = three && clear && inner && !elsewhere && data.index[dims[0]].is_some();
    let value = kernel.params[w].value.clone()?;
    found.then_some(Conv { def: d, data, weights: value, order, axes: places, dims, offsets })
}

impl Conv {
    /// Input and output channels.
    fn channels(&self) -> [i64; 2] {
        [1, 0].map(|d| self.weights.shape()[self.order[d]] as i64)
    }
}

/// The tile that takes the fewest cycles, if that beats a direct sum. Transform cycles and the bandwidth of weights that
/// the second-level cache can't hold are measured ones of a core with 512-bit vectors.
fn choose(machine: Machine, rows: &Sym, columns: &Sym, [ic, oc]: [i64; 2]) -> Option<i64> {
    let lanes = f64::from(machine.vector_bits / 32);
    if lanes < 4.0 || ic < FEWEST || oc < FEWEST {
        return None;
    }
    // Tiles are counted by quotients, which the proofs behind regions master for fixed rows and columns only.
    let (h, w) = (rows.as_int()?, columns.as_int()?);
    let (i, o) = (ic as f64, oc as f64);
    let fma = 2.0 * lanes * 0.97;
    let vectors = |c: f64| (c / lanes).ceil();
    let stream = |bytes: f64, passes: f64| if bytes > f64::from(machine.l2_bytes) { passes * bytes / 5.5 } else { 0.0 };
    let pixels = (h * w) as f64;
    let mut best = ((pixels * 9.0 * i * o / fma).max(stream(9.0 * i * o * 4.0, 1.0)), None);
    for (m, into, out) in [(4, 213.0, 110.0), (2, 90.0, 45.0)] {
        let points = ((m + 2) * (m + 2)) as f64;
        let tiles = (((h + m - 1) / m) * ((w + m - 1) / m)) as f64;
        let products = (tiles * points * i * o / fma).max(stream(points * i * o * 4.0, 1.0));
        let cost = products + tiles * (into * vectors(i) + out * vectors(o)) + 4.0 * pixels * vectors(i);
        if cost < best.0 {
            best = (cost, Some(m));
        }
    }
    best.1
}

fn apply(kernel: &mut Kernel, conv: &Conv, m: i64) -> Winograd {
    let points = if m == 4 {
        vec![0.0, 2f64.sqrt(), -(2f64.sqrt()), 0.5f64.sqrt(), -(0.5f64.sqrt())]
    } else {
        vec![0.0, 1.0, -1.0]
    };
    let mats = matrices(m as usize, TAPS as usize, &points);
    let def = kernel.defs[conv.def].clone();
    let base = def.name.clone();
    let name = |part: &str| format!("{base}.{part}");
    let (h, w) = (&def.axes[conv.axes[0]].extent, &def.axes[conv.axes[1]].extent);
    let tiles = [h.ceildiv(&Sym::int(m)), w.ceildiv(&Sym::int(m))];
    let [ic, oc] = conv.channels();
    let weights = kernel.params.push(transformed_weights(conv, &mats, name("weights")));

    let (copy, data) = padded_copy(kernel, conv, m, &tiles, name("data"));
    let (id, at) = insert_before(kernel, conv.def, copy);
    let input = transform_in(&mats, Src::Def(id), &data, &tiles, ic, &base);
    let (id, at) = insert_before(kernel, at, input[0].clone());
    let second = with_source(&input[1], Src::Def(id));
    let (v, at) = insert_before(kernel, at, second);
    let products = multiply(Src::Def(v), Src::Param(weights), &input[1], oc, &base);
    let (p, at) = insert_before(kernel, at, products.clone());
    let back = transform_out(kernel, at, conv, &mats, Src::Def(p), &products, &tiles, m);
    let (z, at) = insert_before(kernel, at, back.0);
    kernel.defs[at].body = Body::Map((back.1)(Src::Def(z)));
    let mut result = kernel.defs[at].name.clone();
    if kernel.outputs.contains(&at) {
        result = stored_apart(kernel, at);
    }
    Winograd {
        data: name("data"),
        transformed: name("v"),
        products: name("m"),
        result,
        m,
        tiles: tiles.clone(),
        channels: [ic, oc],
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

/// U[a, b, q, o] = sum over r, s of G[a, r] * G[b, s] * w[o, q, r, s], in f64.
fn transformed_weights(conv: &Conv, mats: &Matrices, name: String) -> Param {
    let shape = conv.weights.shape();
    let mut strides = vec![1usize; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d] * shape[d];
    }
    let [o, q, r, s] = conv.order.map(|d| (shape[d], strides[d]));
    let given = conv.weights.to_f64().expect("f32 weights");
    let n = mats.g.len();
    let mut out = vec![0f32; n * n * q.0 * o.0];
    for iq in 0..q.0 {
        for io in 0..o.0 {
            let tap = |x: usize, y: usize| given[io * o.1 + iq * q.1 + x * r.1 + y * s.1];
            // Rows first: half[a][y].
            let half: Vec<[f64; 3]> =
                mats.g.iter().map(|g| [0, 1, 2].map(|y| (0..3).map(|x| g[x] * tap(x, y)).sum::<f64>())).collect();
            for (a, row) in half.iter().enumerate() {
                for (b, g) in mats.g.iter().enumerate() {
                    let u: f64 = (0..3).map(|y| g[y] * row[y]).sum();
                    out[((a * n + b) * q.0 + iq) * o.0 + io] = u as f32;
                }
            }
        }
    }
    let dims = [n, n, q.0, o.0];
    let value = Tensor::from_slice(&dims, &out);
    Param { name, dtype: DType::F32, shape: dims.iter().map(|&d| Sym::int(d as i64)).collect(), value: Some(value) }
}

/// The data as far as whole tiles reach, padding included: [outer.., rows, columns, channels].
fn padded_copy(kernel: &Kernel, conv: &Conv, m: i64, tiles: &[Sym; 2], name: String) -> (Def, Vec<Axis>) {
    let def = &kernel.defs[conv.def];
    let shape = kernel.src_shape(conv.data.src);
    let mut axes = vec![];
    let mut index: Vec<Expr> = vec![];
    // The axes outside of rows and columns stay as they are.
    let mut renamed = std::collections::BTreeMap::new();
    for a in &def.axes[..conv.axes[0]] {
        let var = Symbol::new(&format!("{}.data", a.var));
        renamed.insert(a.var.clone(), Sym::var(var.clone()));
        axes.push(Axis { var, extent: a.extent.clone() });
    }
    let outer = axes.clone();
    for (d, i) in conv.data.index.iter().enumerate() {
        let at = match conv.dims.iter().position(|x| *x == d) {
            None => i.clone().unwrap_or(Sym::int(0)).subst(&|v| renamed.get(v).cloned()),
            Some(2) => {
                let var = Symbol::new(&format!("{name}.q"));
                axes.push(Axis { var: var.clone(), extent: shape[d].clone() });
                Sym::var(var)
            }
            Some(t) => {
                let var = Symbol::new(&format!("{name}.{t}"));
                axes.push(Axis { var: var.clone(), extent: &tiles[t] * m + (TAPS - 1) });
                Sym::var(var) + conv.offsets[t]
            }
        };
        index.push(int(at));
    }
    // Rows, columns and channels may stand in another order in the data.
    let place = |a: &Axis| match a.var.as_str().rsplit('.').next() {
        Some("0") => 0,
        Some("1") => 1,
        _ => 2,
    };
    let mut inner: Vec<Axis> = axes.split_off(outer.len());
    inner.sort_by_key(place);
    axes.extend(inner);
    let pad = Some(conv.data.pad.unwrap_or(Scalar::f32(0.0)));
    let body = Body::Map(Expr::new(ExprKind::Load { src: conv.data.src, index, pad }));
    (Def { name, dtype: DType::F32, axes: axes.clone(), body }, axes)
}

/// The transform of the data, rows first: `[r, v]` with
/// r[a, j, outer.., t, q] = sum over i of BT[a, i] * data[outer.., tile row * m + i, tile column * m + j, q] and
/// v[a, b, outer.., t, q] = sum over j of BT[b, j] * r[a, j, outer.., t, q].
fn transform_in(mats: &Matrices, data: Src, dims: &[Axis], tiles: &[Sym; 2], ic: i64, base: &str) -> [Def; 2] {
    let n = mats.bt.len() as i64;
    let m = n - TAPS + 1;
    let outer = &dims[..dims.len() - 3];
    let axes = |part: &str, second: &str| {
        let axis = |s: &str, extent: Sym| Axis { var: Symbol::new(&format!("{base}.{part}.{s}")), extent };
        let mut list = vec![axis("a", Sym::int(n)), axis(second, Sym::int(n))];
        list.extend(outer.iter().enumerate().map(|(d, o)| axis(&format!("n{d}"), o.extent.clone())));
        list.extend([axis("t", &tiles[0] * &tiles[1]), axis("q", Sym::int(ic))]);
        list
    };
    let vars = |list: &[Axis]| list.iter().map(|a| Sym::var(a.var.clone())).collect::<Vec<Sym>>();
    let r_axes = axes("r", "j");
    let at = vars(&r_axes);
    let (t, q) = (&at[at.len() - 2], &at[at.len() - 1]);
    let outer_at = &at[2..at.len() - 2];
    let r = combine(&at[0], &mats.bt, &|i| {
        let place = [t.floordiv(&tiles[1]) * m + i, t.modulo(&tiles[1]) * m + &at[1], q.clone()];
        load(data, &[outer_at, &place].concat())
    });
    let v_axes = axes("v", "b");
    let at = vars(&v_axes);
    // The source is put in once `r` has its number.
    let v = combine(&at[1], &mats.bt, &|j| {
        load(Src::Def(DefId::new(usize::from(u16::MAX))), &[&[at[0].clone(), Sym::int(j)], &at[2..]].concat())
    });
    [
        Def { name: format!("{base}.r"), dtype: DType::F32, axes: r_axes, body: Body::Map(r) },
        Def { name: format!("{base}.v"), dtype: DType::F32, axes: v_axes, body: Body::Map(v) },
    ]
}

/// A definition with the placeholder of its source replaced.
fn with_source(def: &Def, src: Src) -> Def {
    let mut def = def.clone();
    map_parts(&mut def, &mut |e| {
        rewrite(e, &mut |n| match n.kind() {
            ExprKind::Load { index, pad, .. } => {
                Some(Expr::new(ExprKind::Load { src, index: index.clone(), pad: *pad }))
            }
            _ => None,
        })
    });
    def
}

/// m[a, b, outer.., t, o] = sum over q of v[a, b, outer.., t, q] * u[a, b, q, o].
fn multiply(v: Src, u: Src, of: &Def, oc: i64, base: &str) -> Def {
    let q = of.axes.last().expect("channels are its last axis");
    let rename = |a: &Axis| Axis { var: Symbol::new(&format!("{}.m", a.var)), extent: a.extent.clone() };
    let mut axes: Vec<Axis> = of.axes[..of.axes.len() - 1].iter().map(rename).collect();
    axes.push(Axis { var: Symbol::new(&format!("{base}.m.o")), extent: Sym::int(oc) });
    let over = Axis { var: Symbol::new(&format!("{base}.m.q")), extent: q.extent.clone() };
    let at: Vec<Sym> = axes.iter().map(|a| Sym::var(a.var.clone())).collect();
    let r = Sym::var(over.var.clone());
    let left = load(v, &[&at[..at.len() - 1], &[r.clone()]].concat());
    let right = load(u, &[at[0].clone(), at[1].clone(), r, at[at.len() - 1].clone()]);
    let value = binary(BinOp::Mul, left, right);
    let body = Body::Reduce { op: ReduceOp::Add, axes: vec![over], init: None, value };
    Def { name: format!("{base}.m"), dtype: DType::F32, axes, body }
}

type Finish<'a> = Box<dyn Fn(Src) -> Expr + 'a>;

/// The transform back: z[i, b, outer.., t, o] = sum over a of AT[i, a] * m[a, b, outer.., t, o], and the value of the
/// convolution in terms of it: init + sum over b of AT[column mod m, b] * z[row mod m, b, outer.., tile, o].
#[allow(clippy::too_many_arguments, reason = "one call site")]
fn transform_out<'a>(
    kernel: &Kernel,
    def: DefId,
    conv: &'a Conv,
    mats: &'a Matrices,
    products: Src,
    of: &Def,
    tiles: &'a [Sym; 2],
    m: i64,
) -> (Def, Finish<'a>) {
    let rename = |a: &Axis| Axis { var: Symbol::new(&format!("{}.z", a.var)), extent: a.extent.clone() };
    let mut axes: Vec<Axis> = of.axes.iter().map(rename).collect();
    axes[0].extent = Sym::int(m);
    let at: Vec<Sym> = axes.iter().map(|a| Sym::var(a.var.clone())).collect();
    let z = combine(&at[0], &mats.at, &|a| load(products, &[&[Sym::int(a)], &at[1..]].concat()));
    let name = of.name.replace(".m", ".z");
    let z = Def { name, dtype: DType::F32, axes, body: Body::Map(z) };

    let result = kernel.defs[def].clone();
    let finish = move |z: Src| {
        let vars = result.vars();
        let [row, column, o] = conv.axes.map(|i| vars[i].clone());
        let step = Sym::int(m);
        let t = row.floordiv(&step) * &tiles[1] + column.floordiv(&step);
        let outer = &vars[..conv.axes[0]];
        let sum = combine(&column.modulo(&step), &mats.at, &|b| {
            load(z, &[&[row.modulo(&step), Sym::int(b)], outer, &[t.clone(), o.clone()]].concat())
        });
        match &result.body {
            Body::Reduce { init: Some(init), .. } => binary(BinOp::Add, sum, init.clone()),
            _ => sum,
        }
    };
    (z, Box::new(finish))
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
