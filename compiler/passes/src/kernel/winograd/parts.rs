//! The definitions that a convolution in the transformed domain is made of.
//!
//! Tiles are counted by two axes, `row` and `column`. The order of the transformed data is chosen for the lanes of its
//! transform ([`Across`]): whatever goes across them is the innermost dim, of the copy as well. The products have the
//! result's order. Does NOT schedule anything.

use super::cost::planar;
use super::find::Conv;
use super::form::Form;
use crate::from_kernel::{Machine, all_ranges};
use crate::kernel::toom_cook::Matrices;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Ranges, Sym};
use onnxc_ir::kernel::build::{binary, compare, constant, int, load, select};
use onnxc_ir::kernel::{Axis, BinOp, Body, CmpOp, Def, Expr, ExprKind, Kernel, ReduceOp, Scalar, Src};

/// What goes across the lanes of the data's transform.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Across {
    /// Channels.
    Channels,
    /// Columns of tiles. The copy holds each column of a tile apart.
    Columns,
    /// Channels and columns of tiles as one axis, so many columns to a channel: rows of too few tiles for a vector. What is
    /// between the columns of two channels is computed as well, and nobody reads it.
    Both(i64),
}

impl Across {
    pub fn choose(kernel: &Kernel, conv: &Conv, form: Form, machine: Machine) -> Across {
        if conv.planar {
            return Across::Columns;
        }
        if !planar(conv.channels_last, conv.channels()[0]) {
            return Across::Channels;
        }
        let columns = &form.reach(conv, &form.tiles(kernel, conv))[1];
        let steps = columns.ceildiv(&Sym::int(form.m()[1])).as_int();
        let lanes = i64::from(machine.vector_bits / 32);
        steps.filter(|n| *n <= lanes).map_or(Across::Columns, Across::Both)
    }
}

/// What the definitions are made of.
pub(super) struct Parts<'a> {
    pub conv: &'a Conv,
    /// Of rows and of columns.
    pub mats: &'a [Matrices; 2],
    pub tiles: &'a [Sym; 2],
    pub base: &'a str,
    pub form: Form,
    pub across: Across,
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

    /// The axes outside of rows and columns under the names of another definition: of the data, as far as it is read, or of
    /// the result.
    fn outer(&self, part: &str, data: bool) -> Vec<Axis> {
        let extent = |d: usize, o: &Axis| if data { self.conv.outer_reach(d) } else { o.extent.clone() };
        let outer = self.conv.outer.iter().enumerate();
        outer.map(|(d, o)| self.axis(part, &format!("n{d}"), extent(d, o))).collect()
    }

    /// The same axes under the names of another definition.
    fn renamed(&self, part: &str, of: &[Axis]) -> Vec<Axis> {
        let last = |a: &Axis| a.var.as_str().rsplit('.').next().unwrap_or_default().to_string();
        of.iter().map(|a| self.axis(part, &last(a), a.extent.clone())).collect()
    }

    /// Rows and columns that tiles read; where a tile's columns are apart, all of them of every tile.
    fn reach(&self) -> [Sym; 2] {
        let [rows, columns] = self.form.reach(self.conv, self.tiles);
        let m = Sym::int(self.form.m()[1]);
        match self.across {
            Across::Channels => [rows, columns],
            _ => [rows, columns.ceildiv(&m) * m],
        }
    }

    /// True if all that tiles read can be read where it is.
    fn within(&self, kernel: &Kernel, ranges: &Ranges) -> bool {
        let (conv, shape, reach) = (self.conv, kernel.src_shape(self.conv.data.src), self.reach());
        let reads = |offset: i64, reach: &Sym, dim: usize| {
            offset >= 0 && ranges.prove_le(&(reach + offset), &shape[dim]) == Some(true)
        };
        (0..2).all(|t| reads(conv.offsets[t], &reach[t], conv.dims[t]))
            && conv.slices.iter().all(|s| reads(s.offset, &conv.outer_reach(s.axis), s.dim))
    }

    /// True if only rows are transformed, and neighbours of a row are neighbours in memory.
    fn rows_alone(&self) -> bool {
        let last = self.conv.dims[1] + 1 == self.conv.data.index.len();
        self.across == Across::Columns && self.form.m()[1] == 1 && last
    }

    /// A copy of the data as far as tiles reach, padding included, if the transform needs one: [outer.., row, column, q],
    /// or [outer.., row, phase, q, step] for the columns `step * m + phase`.
    pub fn copy(&self, kernel: &Kernel, name: String) -> Option<Def> {
        let within = self.within(kernel, &all_ranges(kernel));
        if within && (self.across == Across::Channels || self.rows_alone()) {
            return None;
        }
        let conv = self.conv;
        let axis = |part: &str, extent: Sym| Axis { var: Symbol::new(&format!("{name}.{part}")), extent };
        let mut axes: Vec<Axis> = (0..conv.outer.len()).map(|d| axis(&format!("n{d}"), conv.outer_reach(d))).collect();
        let outer = vars(&axes);
        let ([rows, columns], q) = (self.reach(), axis("q", Sym::int(conv.channels()[0])));
        axes.push(axis("row", rows));
        let m = Sym::int(self.form.m()[1]);
        let column = match self.across {
            Across::Channels => {
                axes.extend([axis("column", columns), q.clone()]);
                Sym::var(axes[axes.len() - 2].var.clone())
            }
            _ => {
                let (phase, step) = (axis("phase", m.clone()), axis("step", columns.ceildiv(&m)));
                let column = Sym::var(step.var.clone()) * m + Sym::var(phase.var.clone());
                axes.extend([phase, q.clone(), step]);
                column
            }
        };
        let row = Sym::var(axes[outer.len()].var.clone());
        let index = self.data_index(&outer, &[&row, &column, &Sym::var(q.var)]).into_iter().map(int).collect();
        let pad = (!within).then(|| conv.data.pad.unwrap_or(Scalar::f32(0.0)));
        let body = Body::Map(Expr::new(ExprKind::Load { src: conv.data.src, index, pad }));
        Some(Def { name, dtype: DType::F32, axes, body })
    }

    /// The index of the data for outer axes, row, column and channel, counted from where the first tile reads.
    fn data_index(&self, outer: &[Sym], place: &[&Sym; 3]) -> Vec<Sym> {
        let conv = self.conv;
        let renamed = |v: &Symbol| match conv.slices.iter().any(|s| s.tap == *v) {
            // The axis itself goes as far as the taps do.
            true => Some(Sym::int(0)),
            false => Some(outer[conv.outer.iter().position(|a| a.var == *v)?].clone()),
        };
        let one = |(d, i): (usize, &Option<Sym>)| match conv.dims.iter().position(|x| *x == d) {
            None => i.clone().unwrap_or(Sym::int(0)).subst(&renamed),
            Some(2) => place[2].clone(),
            Some(t) => place[t] + conv.offsets[t],
        };
        conv.data.index.iter().enumerate().map(one).collect()
    }

    /// r[a, j, outer.., row, ..] = sum over i of BT[a, i] * data[outer.., row * m + i, column * m + j, q], for the columns
    /// and channels in their order.
    pub fn rows_in(&self, copy: Option<Src>) -> Def {
        let (conv, parts, [m, across]) = (self.conv, self.form.parts(self.conv.taps()), self.form.m());
        let [a, b] = self.form.points().map(Sym::int);
        let mut axes = vec![self.axis("r", "a", a), self.axis("r", "b", b)];
        axes.extend(self.outer("r", true));
        axes.push(self.axis("r", "row", &self.tiles[0] + (parts[0] - 1)));
        let before = axes.len();
        let channels = conv.channels()[0];
        let (column, q) = (self.axis("r", "column", &self.tiles[1] + (parts[1] - 1)), Sym::int(channels));
        match self.across {
            Across::Channels => axes.extend([column, self.axis("r", "q", q)]),
            Across::Columns => axes.extend([self.axis("r", "q", q), column]),
            Across::Both(n) => axes.push(self.axis("r", "both", column.extent + (channels - 1) * n)),
        }
        let at = vars(&axes);
        let (j, outer, row, place) = (&at[1], &at[2..before - 1], &at[before - 1], &at[before..]);
        let (phase, step) = (j.modulo(&Sym::int(across)), j.floordiv(&Sym::int(across)));
        let value = combine(&at[0], &self.mats[0].bt, &|i| {
            let row = row * m + i;
            match (self.across, copy) {
                (Across::Channels, Some(copy)) => {
                    load(copy, &[outer, &[row, &place[0] * across + j, place[1].clone()]].concat())
                }
                (Across::Channels, None) => {
                    load(conv.data.src, &self.data_index(outer, &[&row, &(&place[0] * across + j), &place[1]]))
                }
                (Across::Both(n), copy) => {
                    let (at, n) = (&place[0] + &step, Sym::int(n));
                    let index = [row, phase.clone(), at.floordiv(&n), at.modulo(&n)];
                    load(copy.unwrap_or(conv.data.src), &[outer, &index].concat())
                }
                (Across::Columns, Some(copy)) => {
                    let index = [row, phase.clone(), place[0].clone(), &place[1] + &step];
                    load(copy, &[outer, &index].concat())
                }
                (Across::Columns, None) => {
                    load(conv.data.src, &self.data_index(outer, &[&row, &(&place[1] * across + j), &place[0]]))
                }
            }
        });
        Def { name: format!("{}.r", self.base), dtype: DType::F32, axes, body: Body::Map(value) }
    }

    /// v[a, b, ..] = sum over j of BT[b, j] * r[a, j, ..].
    pub fn columns_in(&self, r: Src, of: &Def) -> Def {
        let axes = self.renamed("v", &of.axes);
        let at = vars(&axes);
        let value =
            combine(&at[1], &self.mats[1].bt, &|j| load(r, &[&[at[0].clone(), Sym::int(j)], &at[2..]].concat()));
        Def { name: format!("{}.v", self.base), dtype: DType::F32, axes, body: Body::Map(value) }
    }

    /// m[a, b, outer.., row, column, o] = sum over d.., s, t, q of v[a, b, outer + d.., row + s, column + t, q] *
    /// u[a, b, d.., s, t, q, o]; column and channel are the other way round where the result is planar.
    pub fn multiply(&self, v: Src, u: Src, oc: i64) -> Def {
        let (parts, q) = (self.form.parts(self.conv.taps()), Sym::int(self.conv.channels()[0]));
        let [a, b] = self.form.points().map(Sym::int);
        let mut axes = vec![self.axis("m", "a", a), self.axis("m", "b", b)];
        let mut counted = self.outer("m", false);
        counted.extend([self.axis("m", "row", self.tiles[0].clone()), self.axis("m", "column", self.tiles[1].clone())]);
        let mut tile = vars(&counted);
        if self.flat {
            let all = self.axis("m", "tile", counted.iter().fold(Sym::int(1), |n, a| n * &a.extent));
            let mut rest = Sym::var(all.var.clone());
            for (at, a) in tile.iter_mut().zip(&counted).skip(1).rev() {
                *at = rest.modulo(&a.extent);
                rest = rest.floordiv(&a.extent);
            }
            tile[0] = rest;
            axes.push(all);
        } else {
            axes.extend(counted);
        }
        let o = self.axis("m", "o", Sym::int(oc));
        let channel = Sym::var(o.var.clone());
        axes.insert(axes.len() - usize::from(self.conv.planar), o);
        let depth = self.conv.slices.iter().enumerate();
        let mut over: Vec<Axis> = depth.map(|(i, s)| self.axis("m", &format!("d{i}"), Sym::int(s.taps))).collect();
        if parts != [1, 1] {
            over.extend([self.axis("m", "s", Sym::int(parts[0])), self.axis("m", "t", Sym::int(parts[1]))]);
        }
        over.push(self.axis("m", "q", q));
        let (at, steps) = (vars(&axes), vars(&over));
        let (outer, q) = (tile.len() - 2, steps[steps.len() - 1].clone());
        let (mut row, mut column) = (tile[outer].clone(), tile[outer + 1].clone());
        let (depth, inner) = steps.split_at(self.conv.slices.len());
        if let [s, t, _] = inner {
            (row, column) = (row + s, column + t);
        }
        for (slice, tap) in self.conv.slices.iter().zip(depth) {
            tile[slice.axis] = &tile[slice.axis] + tap;
        }
        let place = match self.across {
            Across::Channels => vec![row, column, q],
            Across::Columns => vec![row, q, column],
            Across::Both(each) => vec![row, q * each + column],
        };
        let left = load(v, &[&at[..2], &tile[..outer], &place].concat());
        let right = load(u, &[&at[..2], &steps[..], &[channel]].concat());
        let value = binary(BinOp::Mul, left, right);
        let body = Body::Reduce { op: ReduceOp::Add, axes: over, init: None, value };
        Def { name: format!("{}.m", self.base), dtype: DType::F32, axes, body }
    }

    /// The index of the products for the axes outside, the tile's row and column, and the channel.
    fn place(&self, outer: &[Sym], [row, column]: [Sym; 2], o: Sym) -> Vec<Sym> {
        if self.conv.planar {
            return [outer, &[row, o, column]].concat();
        }
        if !self.flat {
            return [outer, &[row, column, o]].concat();
        }
        let extents = self.conv.outer.iter().map(|a| &a.extent).chain(self.tiles);
        let counted = outer.iter().chain([&row, &column]).zip(extents);
        vec![counted.fold(Sym::int(0), |n, (i, extent)| n * extent + i), o]
    }

    /// z[i, b, outer.., row, column, o] = sum over a of AT[i, a] * m[a, b, outer.., row, column, o].
    pub fn rows_out(&self, products: Src, of: &Def) -> Def {
        let mut axes = self.renamed("z", &of.axes);
        axes[0].extent = Sym::int(self.form.m()[0]);
        let at = vars(&axes);
        let value = back(&self.mats[0].at, &at[0], &|a| load(products, &[&[Sym::int(a)], &at[1..]].concat()));
        Def { name: format!("{}.z", self.base), dtype: DType::F32, axes, body: Body::Map(value) }
    }

    /// The value of the convolution: init + sum over b of AT[column mod m', b] * z[row mod m, b, outer.., row div m,
    /// column div m', o].
    pub fn columns_out(&self, result: &Def, z: Src) -> Expr {
        let at = result.vars();
        let [row, column, o] = self.conv.axes.map(|i| at[i].clone());
        let steps = self.form.m().map(Sym::int);
        let outer = &at[..self.conv.outer.len()];
        let place = self.place(outer, [row.floordiv(&steps[0]), column.floordiv(&steps[1])], o);
        let sum = back(&self.mats[1].at, &column.modulo(&steps[1]), &|b| {
            load(z, &[&[row.modulo(&steps[0]), Sym::int(b)], &place[..]].concat())
        });
        match &result.body {
            Body::Reduce { init: Some(init), .. } => binary(BinOp::Add, sum, init.clone()),
            _ => sum,
        }
    }
}

/// The row of AT that an index says, times what `of` gives. The powers of two points that differ in sign alone do so,
/// too, or not at all: rows share the sums and differences.
fn back(at: &[Vec<f64>], row: &Sym, of: &dyn Fn(i64) -> Expr) -> Expr {
    let rows = at.iter().map(|c| {
        let mut sum: Option<Expr> = None;
        let mut k = 0;
        while k < c.len() {
            let x = of(k as i64);
            let opposite = at.get(1).is_some_and(|p| p[k] != 0.0 && p.get(k + 1) == Some(&-p[k]));
            let x = match opposite {
                true => binary(if c[k] == c[k + 1] { BinOp::Add } else { BinOp::Sub }, x, of(k as i64 + 1)),
                false => x,
            };
            if c[k] != 0.0 {
                let term = times(x, c[k]);
                sum = Some(sum.map_or(term.clone(), |s| binary(BinOp::Add, s, term)));
            }
            k += 1 + usize::from(opposite);
        }
        sum.unwrap_or(constant(Scalar::f32(0.0)))
    });
    choose_row(row, rows.collect())
}

fn times(x: Expr, c: f64) -> Expr {
    if c == 1.0 { x } else { binary(BinOp::Mul, x, constant(Scalar::f32(c as f32))) }
}

/// The expression of the row that an index says.
fn choose_row(row: &Sym, rows: Vec<Expr>) -> Expr {
    let mut rows = rows.into_iter().enumerate().rev();
    let (_, last) = rows.next().expect("a matrix has rows");
    rows.fold(last, |rest, (k, e)| {
        let is = compare(CmpOp::Eq, int(row.clone()), constant(Scalar::i64(k as i64)));
        select(is, e, rest)
    })
}

/// The row of a matrix that an index says, times what `of` gives for each column. Rows that differ in the signs of odd
/// columns alone share what they have in common.
fn combine(row: &Sym, matrix: &[Vec<f64>], of: &dyn Fn(i64) -> Expr) -> Expr {
    choose_row(row, matrix.iter().map(|r| linear(r, of)).collect())
}

/// sum of c[i] * of(i): even columns, then odd ones; a first odd coefficient below zero is taken off.
fn linear(c: &[f64], of: &dyn Fn(i64) -> Expr) -> Expr {
    let part = |odd: usize, sign: f64| {
        let terms = c.iter().enumerate().filter(|(i, c)| i % 2 == odd && **c != 0.0);
        terms.fold(None, |sum: Option<Expr>, (i, c)| {
            let term = times(of(i as i64), c * sign);
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
