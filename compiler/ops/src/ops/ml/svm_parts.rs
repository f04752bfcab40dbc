//! The parts of support vector machines that ONNX has no operators for: radial basis functions, and probabilities of
//! classes from those of pairs. Does NOT occur in files: only imports make them.

use super::super::elementwise::{Class, tensor, tensor_of};
use super::super::heap::stop_if;
use super::super::routines::nest;
use super::INNER;
use crate::prelude::*;
use onnxc_ir::loops::{Buf, FuncBuilder, Value};

/// RadialBasis: exp(-gamma |x - v|^2) for each row x and each vector v.
pub static RADIAL: OpDef = OpDef {
    domain: INNER,
    name: "RadialBasis",
    versions: &[(1, |n| Ok(Attrs::default().with("gamma", Attr::Float(n.float("gamma", 0.0)?))))],
    infer: infer_radial,
    lower: Lower::Compute(lower_radial),
    extents: None,
};

/// PairProbability: scores of pairs of classes [rows, pairs] to probabilities [rows, classes].
///
/// A pair's probability is a logistic function of its score; the classes' are those that fit them best, found by the
/// iteration of <https://www.csie.ntu.edu.tw/~cjlin/papers/svmprob/svmprob.pdf> (algorithm 2), at most 100 rounds.
pub static PROBABILITY: OpDef = OpDef {
    domain: INNER,
    name: "PairProbability",
    versions: &[(1, |n| Ok(Attrs::default().with("classes", Attr::Int(n.need_int("classes")?))))],
    infer: infer_probability,
    lower: Lower::Routine(lower_probability),
    extents: None,
};

fn infer_radial(cx: &mut InferCx) -> Result<()> {
    let (x, v) = (tensor(cx, 0, Class::Float)?, tensor_of(cx, 1, DType::F32)?);
    cx.unify(&x.shape[1], &v.shape[1], "features of a support vector")?;
    cx.set_tensor(0, DType::F32, vec![x.shape[0].clone(), v.shape[0].clone()]);
    Ok(())
}

fn lower_radial(cx: &mut ComputeCx) -> Result<()> {
    let (x, v, d, shape) = (cx.input(0), cx.input(1), DType::F32, cx.out_shape(0));
    let width = cx.shape(1)[1].clone();
    let gamma = f64::from(cx.attrs().float("gamma").unwrap_or(0.0));
    let squares = cx.k.reduce("squares", d, &shape, ReduceOp::Add, &[width], None, |_, i, r| {
        let at = |row: &Sym| [row.clone(), r[0].clone()];
        let difference = load(x, &at(&i[0])) - load(v, &at(&i[1]));
        difference.clone() * difference
    });
    cx.map_output(|_, i| unary(UnOp::Exp, number(d, -gamma) * load(squares, i)));
    Ok(())
}

fn infer_probability(cx: &mut InferCx) -> Result<()> {
    let x = tensor_of(cx, 0, DType::F32)?;
    let classes = cx.attrs().int("classes").unwrap_or(0);
    cx.set_tensor(0, DType::F32, vec![x.shape[0].clone(), Sym::int(classes)]);
    Ok(())
}

/// What the iteration works with: the pairs' probabilities r and the matrix Q [classes, classes], Q p, and p itself.
#[derive(Clone, Copy)]
struct State {
    r: Buf,
    q: Buf,
    qp: Buf,
    p: Buf,
    /// The number of classes.
    k: Value,
    count: i64,
}

fn lower_probability(cx: &mut RoutineCx) -> Result<()> {
    let (x, a, b, y) = (cx.input(0), cx.input(1).buf, cx.input(2).buf, cx.output(0));
    let count = cx.attrs().int("classes").unwrap_or(0);
    let square = Sym::int(count * count);
    let (r, q) = (cx.scratch("r", DType::F32, square.clone()), cx.scratch("q", DType::F32, square));
    let (qp, p) = (cx.scratch("qp", DType::F32, Sym::int(count)), cx.scratch("p", DType::F32, Sym::int(count)));
    let f = &mut *cx.f;
    let (rows, k, pairs) = (f.sym(&x.shape[0]), f.int(count), f.int(count * (count - 1) / 2));
    let state = State { r, q, qp, p, k, count };
    nest(f, &[rows], &mut |f, row| {
        let start = f.mul(row[0], pairs);
        state.pairs(f, (x.buf, start), a, b);
        state.matrix(f);
        state.iterate(f);
        let to = f.mul(row[0], k);
        nest(f, &[k], &mut |f, i| {
            let (v, at) = (f.load(p, i[0], 1, None), f.add(to, i[0]));
            f.store(y.buf, at, v, None);
        });
    });
    Ok(())
}

fn number32(f: &mut FuncBuilder, v: f64) -> Value {
    f.scalar(Scalar::from_f64(DType::F32, v))
}

impl State {
    fn at(&self, f: &mut FuncBuilder, i: Value, j: Value) -> Value {
        let row = f.mul(i, self.k);
        f.add(row, j)
    }

    fn get(&self, f: &mut FuncBuilder, buf: Buf, i: Value, j: Value) -> Value {
        let at = self.at(f, i, j);
        f.load(buf, at, 1, None)
    }

    /// The probability of each pair's first class against its second, kept off 0 and 1.
    fn pairs(&self, f: &mut FuncBuilder, (scores, start): (Buf, Value), a: Buf, b: Buf) {
        let mut pair = 0;
        for i in 0..self.count {
            for j in i + 1..self.count {
                let (place, [i, j]) = (f.int(pair), [i, j].map(|v| f.int(v)));
                let at = f.add(start, place);
                let score = f.load(scores, at, 1, None);
                let (a, b) = (f.load(a, place, 1, None), f.load(b, place, 1, None));
                let scaled = f.mul(score, a);
                let v = f.add(scaled, b);
                // 1 - 1 / (1 + exp(-v)) is 1 / (1 + exp(v)).
                let e = f.unary(UnOp::Exp, v);
                let one = number32(f, 1.0);
                let sum = f.add(one, e);
                let p = f.binary(BinOp::Div, one, sum);
                let (low, high) = (number32(f, 1e-7), number32(f, 1.0 - 1e-7));
                let p = f.binary(BinOp::Max, p, low);
                let p = f.binary(BinOp::Min, p, high);
                let rest = f.sub(one, p);
                for (x, y, v) in [(i, j, p), (j, i, rest)] {
                    let at = self.at(f, x, y);
                    f.store(self.r, at, v, None);
                }
                pair += 1;
            }
        }
    }

    /// Q[i, i] = the sum of r[j, i]^2, Q[i, j] = -r[j, i] r[i, j]; p starts uniform.
    fn matrix(&self, f: &mut FuncBuilder) {
        let share = 1.0 / self.count as f64;
        nest(f, &[self.k], &mut |f, i| {
            let (i, zero, uniform) = (i[0], number32(f, 0.0), number32(f, share));
            f.store(self.p, i, uniform, None);
            let diagonal = self.at(f, i, i);
            f.store(self.q, diagonal, zero, None);
            nest(f, &[self.k], &mut |f, j| {
                let j = j[0];
                let other = f.compare(CmpOp::Ne, i, j);
                f.if_else(
                    other,
                    |f| {
                        let (theirs, ours) = (self.get(f, self.r, j, i), self.get(f, self.r, i, j));
                        let square = f.mul(theirs, theirs);
                        let sum = f.load(self.q, diagonal, 1, None);
                        let sum = f.add(sum, square);
                        f.store(self.q, diagonal, sum, None);
                        let product = f.mul(theirs, ours);
                        let product = f.unary(UnOp::Neg, product);
                        let at = self.at(f, i, j);
                        f.store(self.q, at, product, None);
                    },
                    |_| {},
                );
            });
        });
    }

    fn iterate(&self, f: &mut FuncBuilder) {
        let round = f.var(onnxc_ir::loops::Ty::I64, &[], "round");
        let zero = f.int(0);
        f.set(round, &[], zero);
        f.loop_forever(|f| {
            let (now, most, one) = (f.get(round, &[]), f.int(100), f.int(1));
            let enough = f.compare(CmpOp::Ge, now, most);
            stop_if(f, enough);
            let next = f.add(now, one);
            f.set(round, &[], next);
            let pqp = self.products(f);
            let worst = self.worst(f, pqp);
            let epsilon = number32(f, 0.005 / self.count as f64);
            let near = f.compare(CmpOp::Lt, worst, epsilon);
            stop_if(f, near);
            self.step(f, pqp);
        });
    }

    /// Q p, and p' Q p.
    fn products(&self, f: &mut FuncBuilder) -> Value {
        let ty = onnxc_ir::loops::Ty::scalar(DType::F32);
        let (total, sum) = (f.var(ty, &[], "pqp"), f.var(ty, &[], "sum"));
        let zero = number32(f, 0.0);
        f.set(total, &[], zero);
        nest(f, &[self.k], &mut |f, i| {
            let zero = number32(f, 0.0);
            f.set(sum, &[], zero);
            nest(f, &[self.k], &mut |f, j| {
                let (q, p) = (self.get(f, self.q, i[0], j[0]), f.load(self.p, j[0], 1, None));
                let (product, old) = (f.mul(q, p), f.get(sum, &[]));
                let new = f.add(old, product);
                f.set(sum, &[], new);
            });
            let (own, p) = (f.get(sum, &[]), f.load(self.p, i[0], 1, None));
            f.store(self.qp, i[0], own, None);
            let (product, old) = (f.mul(p, own), f.get(total, &[]));
            let new = f.add(old, product);
            f.set(total, &[], new);
        });
        f.get(total, &[])
    }

    /// The greatest |(Q p)[i] - p' Q p|.
    fn worst(&self, f: &mut FuncBuilder, pqp: Value) -> Value {
        let worst = f.var(onnxc_ir::loops::Ty::scalar(DType::F32), &[], "worst");
        let zero = number32(f, 0.0);
        f.set(worst, &[], zero);
        nest(f, &[self.k], &mut |f, i| {
            let own = f.load(self.qp, i[0], 1, None);
            let error = f.sub(own, pqp);
            let (error, old) = (f.unary(UnOp::Abs, error), f.get(worst, &[]));
            let new = f.binary(BinOp::Max, old, error);
            f.set(worst, &[], new);
        });
        f.get(worst, &[])
    }

    /// One round over the classes.
    fn step(&self, f: &mut FuncBuilder, pqp: Value) {
        let total = f.var(onnxc_ir::loops::Ty::scalar(DType::F32), &[], "pqp");
        f.set(total, &[], pqp);
        nest(f, &[self.k], &mut |f, i| {
            let i = i[0];
            let (pqp, own, diagonal) = (f.get(total, &[]), f.load(self.qp, i, 1, None), self.get(f, self.q, i, i));
            let gap = f.sub(pqp, own);
            let diff = f.binary(BinOp::Div, gap, diagonal);
            let p = f.load(self.p, i, 1, None);
            let p = f.add(p, diff);
            f.store(self.p, i, p, None);
            let (one, two) = (number32(f, 1.0), number32(f, 2.0));
            let scale = f.add(one, diff);
            // pqp = (pqp + diff * (diff * Q[i, i] + 2 (Q p)[i])) / (1 + diff)^2
            let (first, second) = (f.mul(diff, diagonal), f.mul(two, own));
            let inside = f.add(first, second);
            let change = f.mul(diff, inside);
            let new = f.add(pqp, change);
            let new = f.binary(BinOp::Div, new, scale);
            let new = f.binary(BinOp::Div, new, scale);
            f.set(total, &[], new);
            nest(f, &[self.k], &mut |f, j| {
                let (q, old) = (self.get(f, self.q, i, j[0]), f.load(self.qp, j[0], 1, None));
                let change = f.mul(diff, q);
                let new = f.add(old, change);
                let new = f.binary(BinOp::Div, new, scale);
                f.store(self.qp, j[0], new, None);
                let p = f.load(self.p, j[0], 1, None);
                let p = f.binary(BinOp::Div, p, scale);
                f.store(self.p, j[0], p, None);
            });
        });
    }
}
