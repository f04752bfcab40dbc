//! Det: the determinant of each matrix of a stack [.., n, n].
//!
//! Since 11, 22. By elimination with partial pivoting, in a copy; the empty matrix has determinant 1. Narrow floats are
//! computed in f32.

use super::elementwise::*;
use super::movement::product;
use super::routines::*;
use crate::prelude::*;
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Ty, Value, Var};

/// Det.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Det",
    versions: &[(11, import), (22, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: None,
};

fn import(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let [batch @ .., rows, columns] = x.shape.as_slice() else {
        return Err(cx.error("E2005", format!("input 0 has rank {}", x.rank())).expected("matrices: rank 2 or more"));
    };
    cx.unify(rows, columns, "rows and columns of a matrix")?;
    cx.set_tensor(0, x.dtype, batch.to_vec());
    Ok(())
}

/// One matrix being eliminated.
#[derive(Clone, Copy)]
struct Matrix {
    buf: Buf,
    n: Value,
}

impl Matrix {
    fn at(self, f: &mut FuncBuilder, row: Value, column: Value) -> Value {
        let start = f.mul(row, self.n);
        f.add(start, column)
    }

    fn load(self, f: &mut FuncBuilder, row: Value, column: Value) -> Value {
        let at = self.at(f, row, column);
        f.load(self.buf, at, 1, None)
    }
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (x, y) = (cx.input(0), cx.output(0));
    let d = wide(x.dtype);
    let (batch, matrix) = x.shape.split_at(x.shape.len() - 2);
    let scratch = cx.scratch("matrix", d, product(matrix));
    let f = &mut *cx.f;
    let (count, n, size) = (f.sym(&product(batch)), f.sym(&matrix[0]), f.sym(&product(matrix)));
    let det = f.var(Ty::scalar(d), &[], "det");
    let pivot = f.var(Ty::scalar(DType::I64), &[], "pivot");
    let m = Matrix { buf: scratch, n };
    nest(f, &[count], &mut |f, b| {
        let from = f.mul(b[0], size);
        nest(f, &[size], &mut |f, i| {
            let at = f.add(from, i[0]);
            let v = load_wide(f, x.buf, x.dtype, at);
            f.store(scratch, i[0], v, None);
        });
        let one = f.scalar(Scalar::from_f64(d, 1.0));
        f.set(det, &[], one);
        nest(f, &[n], &mut |f, k| eliminate(f, m, k[0], det, pivot));
        let v = f.get(det, &[]);
        let v = f.cast(v, y.dtype);
        f.store(y.buf, b[0], v, None);
    });
    Ok(())
}

/// Step `k`: the greatest element of the column below moves up, multiplies the determinant, and clears the column.
fn eliminate(f: &mut FuncBuilder, m: Matrix, k: Value, det: Var, pivot: Var) {
    let one = f.int(1);
    let after = f.add(k, one);
    f.set(pivot, &[], k);
    f.for_loop("row", after, m.n, 1, LoopKind::Serial, |f, row| {
        let old = f.get(pivot, &[]);
        let (a, b) = (m.load(f, row, k), m.load(f, old, k));
        let (a, b) = (f.unary(UnOp::Abs, a), f.unary(UnOp::Abs, b));
        let greater = f.compare(CmpOp::Gt, a, b);
        let new = f.select(greater, row, old);
        f.set(pivot, &[], new);
    });
    let p = f.get(pivot, &[]);
    let moved = f.compare(CmpOp::Ne, p, k);
    f.if_else(
        moved,
        |f| {
            f.for_loop("column", k, m.n, 1, LoopKind::Serial, |f, column| {
                let (up, down) = (m.at(f, k, column), m.at(f, p, column));
                let (a, b) = (f.load(m.buf, up, 1, None), f.load(m.buf, down, 1, None));
                f.store(m.buf, up, b, None);
                f.store(m.buf, down, a, None);
            });
            let v = f.get(det, &[]);
            let v = f.unary(UnOp::Neg, v);
            f.set(det, &[], v);
        },
        |_| {},
    );
    let head = m.load(f, k, k);
    let v = f.get(det, &[]);
    let v = f.mul(v, head);
    f.set(det, &[], v);
    let zero = f.ty(head);
    let zero = f.scalar(Scalar::from_f64(zero.elem, 0.0));
    let singular = f.compare(CmpOp::Eq, head, zero);
    f.for_loop("row", after, m.n, 1, LoopKind::Serial, |f, row| {
        let below = m.load(f, row, k);
        let factor = f.binary(BinOp::Div, below, head);
        // The whole column is 0, and so is the determinant already.
        let factor = f.select(singular, zero, factor);
        f.for_loop("column", after, m.n, 1, LoopKind::Serial, |f, column| {
            let (at, top) = (m.at(f, row, column), m.load(f, k, column));
            let old = f.load(m.buf, at, 1, None);
            let part = f.mul(factor, top);
            let new = f.sub(old, part);
            f.store(m.buf, at, new, None);
        });
    });
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("det");
    }

    #[test]
    fn matrices_are_square() {
        let of = |shape: &[usize]| {
            let n = shape.iter().product();
            Case::new("Det", 11).input(Tensor::from_slice(shape, &vec![0f32; n])).error()
        };
        assert_eq!(of(&[2, 3]), "E2003");
        assert_eq!(of(&[3]), "E2005");
    }
}
