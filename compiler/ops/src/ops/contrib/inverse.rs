//! Inverse: of each matrix of a stack [.., n, n], by elimination with partial pivoting.
//!
//! A matrix without an inverse gives infinities and NaNs. Narrow floats are computed in f32.

use super::super::elementwise::{Class, tensor, wide};
use super::super::movement::product;
use super::super::routines::nest;
use super::DOMAIN;
use crate::prelude::*;
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Ty, Value};

/// Inverse.
pub static DEF: OpDef = OpDef {
    domain: DOMAIN,
    name: "Inverse",
    versions: &[(1, |_| Ok(Attrs::default()))],
    infer,
    lower: Lower::Routine(lower),
    extents: None,
};

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    if x.rank() < 2 {
        return Err(cx.error("E2005", format!("input 0 has rank {}", x.rank())).expected("matrices: rank 2 or more"));
    }
    cx.unify(&x.shape[x.rank() - 2], &x.shape[x.rank() - 1], "rows and columns of a matrix")?;
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

/// A square matrix in memory.
#[derive(Clone, Copy)]
struct Square {
    buf: Buf,
    n: Value,
}

impl Square {
    fn at(self, f: &mut FuncBuilder, i: Value, j: Value) -> Value {
        let row = f.mul(i, self.n);
        f.add(row, j)
    }
    fn get(self, f: &mut FuncBuilder, i: Value, j: Value) -> Value {
        let at = self.at(f, i, j);
        f.load(self.buf, at, 1, None)
    }
    fn set(self, f: &mut FuncBuilder, i: Value, j: Value, v: Value) {
        let at = self.at(f, i, j);
        f.store(self.buf, at, v, None);
    }

    /// Exchanges two rows.
    fn swap(self, f: &mut FuncBuilder, a: Value, b: Value) {
        nest(f, &[self.n], &mut |f, j| {
            let (x, y) = (self.get(f, a, j[0]), self.get(f, b, j[0]));
            self.set(f, a, j[0], y);
            self.set(f, b, j[0], x);
        });
    }

    /// Takes `factor` times row `from` from row `to`.
    fn subtract(self, f: &mut FuncBuilder, to: Value, from: Value, factor: Value) {
        nest(f, &[self.n], &mut |f, j| {
            let (x, y) = (self.get(f, to, j[0]), self.get(f, from, j[0]));
            let y = f.mul(factor, y);
            let v = f.sub(x, y);
            self.set(f, to, j[0], v);
        });
    }
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (x, y) = (cx.input(0), cx.output(0));
    let d = wide(x.dtype);
    let (batch, matrix) = x.shape.split_at(x.shape.len() - 2);
    let scratch = [cx.scratch("left", d, product(matrix)), cx.scratch("right", d, product(matrix))];
    let f = &mut *cx.f;
    let (n, count, size) = (f.sym(&matrix[0]), f.sym(&product(batch)), f.sym(&product(matrix)));
    let [a, b] = scratch.map(|buf| Square { buf, n });
    nest(f, &[count], &mut |f, m| {
        let start = f.mul(m[0], size);
        nest(f, &[n, n], &mut |f, i| {
            let at = a.at(f, i[0], i[1]);
            let from = f.add(start, at);
            let v = f.load(x.buf, from, 1, None);
            let v = f.cast(v, d);
            f.store(a.buf, at, v, None);
            let [one, zero] = [1.0, 0.0].map(|v| f.scalar(Scalar::from_f64(d, v)));
            let diagonal = f.compare(CmpOp::Eq, i[0], i[1]);
            let v = f.select(diagonal, one, zero);
            f.store(b.buf, at, v, None);
        });
        nest(f, &[n], &mut |f, c| eliminate(f, a, b, c[0]));
        nest(f, &[size], &mut |f, i| {
            let v = f.load(b.buf, i[0], 1, None);
            let (v, to) = (f.cast(v, y.dtype), f.add(start, i[0]));
            f.store(y.buf, to, v, None);
        });
    });
    Ok(())
}

/// Makes column `c` of `a` one of the unit matrix, and does the same to `b`.
fn eliminate(f: &mut FuncBuilder, a: Square, b: Square, c: Value) {
    let pivot = f.var(Ty::I64, &[], "pivot");
    f.set(pivot, &[], c);
    f.for_loop("i", c, a.n, 1, LoopKind::Serial, |f, i| {
        let best = f.get(pivot, &[]);
        let (v, old) = (a.get(f, i, c), a.get(f, best, c));
        let (v, old) = (f.unary(UnOp::Abs, v), f.unary(UnOp::Abs, old));
        let better = f.compare(CmpOp::Gt, v, old);
        let best = f.select(better, i, best);
        f.set(pivot, &[], best);
    });
    let best = f.get(pivot, &[]);
    a.swap(f, best, c);
    b.swap(f, best, c);
    let own = a.get(f, c, c);
    nest(f, &[a.n], &mut |f, j| {
        for m in [a, b] {
            let v = m.get(f, c, j[0]);
            let v = f.binary(BinOp::Div, v, own);
            m.set(f, c, j[0], v);
        }
    });
    nest(f, &[a.n], &mut |f, i| {
        let other = f.compare(CmpOp::Ne, i[0], c);
        f.if_else(
            other,
            |f| {
                let factor = a.get(f, i[0], c);
                a.subtract(f, i[0], c, factor);
                b.subtract(f, i[0], c, factor);
            },
            |_| {},
        );
    });
}
