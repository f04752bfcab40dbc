//! The definitions that a convolution becomes in the transformed domain: transforms of the data, products, transforms of the
//! result. What they compute is said in [`super`].
//!
//! Does NOT decide how they are cut, nor insert them into a kernel.

use super::data_index;
use super::find::Conv;
use crate::kernel::toom_cook::Matrices;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Sym};
use onnxc_ir::kernel::build::{binary, compare, constant, int, load, select};
use onnxc_ir::kernel::{Axis, BinOp, Body, CmpOp, Def, Expr, ReduceOp, Scalar, Src};

/// What the definitions are made of.
pub(super) struct Parts<'a> {
    pub conv: &'a Conv,
    pub mats: &'a Matrices,
    pub tiles: &'a [Sym; 2],
    pub base: &'a str,
    pub m: i64,
    /// The axes outside and the tiles are one axis of the products.
    pub flat: bool,
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
    pub fn rows_in(&self, copy: Option<Src>) -> Def {
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
    pub fn columns_in(&self, r: Src, of: &Def) -> Def {
        let axes = self.renamed("v", &of.axes);
        let at = vars(&axes);
        let value = combine(&at[1], &self.mats.bt, &|j| load(r, &[&[at[0].clone(), Sym::int(j)], &at[2..]].concat()));
        Def { name: format!("{}.v", self.base), dtype: DType::F32, axes, body: Body::Map(value) }
    }

    /// m[a, b, outer.., row, column, o] = sum over s, t, q of v[a, b, outer.., row + s, column + t, q] *
    /// u[a, b, s, t, q, o].
    pub fn multiply(&self, v: Src, u: Src, of: &Def, oc: i64) -> Def {
        let parts = self.conv.parts();
        let mut axes = self.renamed("m", &of.axes);
        let q = axes.pop().map_or(Sym::int(1), |q| q.extent);
        if self.flat {
            return self.multiply_flat(v, u, &axes, [q, Sym::int(oc)]);
        }
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

    /// As [`Self::multiply`], for kernels of one part: m[a, b, tile, o], where `tile` counts all of `axes` but the first two.
    fn multiply_flat(&self, v: Src, u: Src, axes: &[Axis], [q, oc]: [Sym; 2]) -> Def {
        let (points, counted) = axes.split_at(2);
        let all = counted.iter().fold(Sym::int(1), |n, a| n * &a.extent);
        let (tile, o) = (self.axis("m", "tile", all), self.axis("m", "o", oc));
        let q = self.axis("m", "q", q);
        let at = |a: &Axis| Sym::var(a.var.clone());
        let mut rest = at(&tile);
        let mut place: Vec<Sym> = vec![];
        for a in counted[1..].iter().rev() {
            place.insert(0, rest.modulo(&a.extent));
            rest = rest.floordiv(&a.extent);
        }
        place.insert(0, rest);
        let first = vars(points);
        let left = load(v, &[&first[..], &place, &[at(&q)]].concat());
        let right = load(u, &[&first[..], &[at(&q), at(&o)]].concat());
        let value = binary(BinOp::Mul, left, right);
        let body = Body::Reduce { op: ReduceOp::Add, axes: vec![q], init: None, value };
        let axes = points.iter().cloned().chain([tile, o]).collect();
        Def { name: format!("{}.m", self.base), dtype: DType::F32, axes, body }
    }

    /// The tile's index of the products for the axes outside, row and column.
    fn place(&self, outer: &[Sym], [row, column]: [Sym; 2]) -> Vec<Sym> {
        if !self.flat {
            return [outer, &[row, column]].concat();
        }
        let extents = self.conv.outer.iter().map(|a| &a.extent).chain(self.tiles);
        let counted = outer.iter().chain([&row, &column]).zip(extents);
        vec![counted.fold(Sym::int(0), |n, (i, extent)| n * extent + i)]
    }

    /// z[i, b, outer.., row, column, o] = sum over a of AT[i, a] * m[a, b, outer.., row, column, o].
    pub fn rows_out(&self, products: Src, of: &Def) -> Def {
        let mut axes = self.renamed("z", &of.axes);
        axes[0].extent = Sym::int(self.m);
        let at = vars(&axes);
        let value = combine(&at[0], &self.mats.at, &|a| load(products, &[&[Sym::int(a)], &at[1..]].concat()));
        Def { name: format!("{}.z", self.base), dtype: DType::F32, axes, body: Body::Map(value) }
    }

    /// The value of the convolution: init + sum over b of AT[column mod m, b] * z[row mod m, b, outer.., row div m,
    /// column div m, o].
    pub fn columns_out(&self, result: &Def, z: Src) -> Expr {
        let at = result.vars();
        let [row, column, o] = self.conv.axes.map(|i| at[i].clone());
        let step = Sym::int(self.m);
        let outer = &at[..self.conv.axes[0]];
        let place = self.place(outer, [row.floordiv(&step), column.floordiv(&step)]);
        let sum = combine(&column.modulo(&step), &self.mats.at, &|b| {
            load(z, &[&[row.modulo(&step), Sym::int(b)], &place[..], &[o.clone()]].concat())
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
