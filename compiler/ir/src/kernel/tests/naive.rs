//! The interpreter against the plainest evaluation there is: a tree walk per point, with nothing shared or skipped.

use super::{SIZES, kernels};
use crate::kernel::interp::{InterpError, run};
use crate::kernel::*;
use crate::scalar::{eval_binary, eval_cast, eval_compare, eval_unary};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Values of dims and index variables.
type Env = BTreeMap<Symbol, i64>;

struct Naive<'a> {
    kernel: &'a Kernel,
    params: Vec<Tensor>,
    defs: Vec<Tensor>,
}

impl Naive<'_> {
    fn expr(&self, e: &Expr, env: &Env) -> Scalar {
        match e.kind() {
            ExprKind::Const(s) => *s,
            ExprKind::Int(s) => Scalar::i64(s.eval(&|v| env.get(v).copied()).expect("all symbols have values")),
            ExprKind::Load { src, index, pad } => {
                let t = match src {
                    Src::Param(p) => &self.params[p.as_u32() as usize],
                    Src::Def(d) => &self.defs[d.as_u32() as usize],
                };
                let mut flat = 0;
                for (i, &extent) in index.iter().zip(t.shape()) {
                    let i = self.expr(i, env).to_i64();
                    if !(0..extent as i64).contains(&i) {
                        return pad.expect("only padded loads are out of range");
                    }
                    flat = flat * extent + i as usize;
                }
                Scalar::read(t.dtype(), &t.bytes()[flat * t.dtype().size()..])
            }
            ExprKind::Unary(op, a) => eval_unary(*op, self.expr(a, env)),
            ExprKind::Binary(op, a, b) => eval_binary(*op, self.expr(a, env), self.expr(b, env)),
            ExprKind::Compare(op, a, b) => Scalar::bool(eval_compare(*op, self.expr(a, env), self.expr(b, env))),
            ExprKind::Select(c, a, b) => self.expr(if self.expr(c, env).bits != 0 { a } else { b }, env),
            ExprKind::Cast(d, a) => eval_cast(self.expr(a, env), *d),
        }
    }

    fn def(&self, d: &Def) -> Vec<Scalar> {
        let mut all = Vec::new();
        for point in points(&d.axes, &dims()) {
            all.push(match &d.body {
                Body::Map(e) => self.expr(e, &point),
                Body::Reduce { op, axes, init, value } => {
                    let start = init.as_ref().map_or(op.identity(d.dtype), |e| self.expr(e, &point));
                    let over = points(axes, &point);
                    over.iter().fold(start, |acc, p| eval_binary(op.binary(), acc, self.expr(value, p)))
                }
            });
        }
        all
    }
}

fn dims() -> Env {
    SIZES.iter().map(|(n, v)| (Symbol::new(n), *v)).collect()
}

/// All points of the axes, in order, beside what is known already.
fn points(axes: &[Axis], known: &Env) -> Vec<Env> {
    let mut all = vec![known.clone()];
    for a in axes {
        let extent = a.extent.eval(&|v| known.get(v).copied()).expect("extents are over dims");
        let with = |p: &Env, v: i64| p.iter().map(|(s, v)| (s.clone(), *v)).chain([(a.var.clone(), v)]).collect();
        all = all.iter().flat_map(|p| (0..extent).map(|v| with(p, v)).collect::<Vec<Env>>()).collect();
    }
    all
}

/// Some values for the parameters without one.
fn inputs(kernel: &Kernel) -> Vec<Tensor> {
    let make = |(n, p): (usize, &Param)| {
        let shape: Vec<usize> =
            p.shape.iter().map(|e| e.eval(&|v| dims().get(v).copied()).unwrap_or(0) as usize).collect();
        let value = |i: usize| Scalar::from_f64(p.dtype, ((i * 7 + n) % 11) as f64 - 4.5);
        tensor(p.dtype, &shape, &(0..shape.iter().product()).map(value).collect::<Vec<_>>())
    };
    kernel.params.values().enumerate().filter(|(_, p)| p.value.is_none()).map(make).collect()
}

fn tensor(dtype: DType, shape: &[usize], values: &[Scalar]) -> Tensor {
    let bytes: Vec<u8> = values.iter().flat_map(|s| s.bits.to_le_bytes().into_iter().take(dtype.size())).collect();
    Tensor::from_bytes(dtype, shape.to_vec(), bytes.into()).expect("the values fill the shape")
}

/// Equal bits, or both NaN: which NaN is the processor's choice.
fn agree(a: &Tensor, b: &Tensor) -> bool {
    let scalars =
        |t: &Tensor| t.bytes().chunks(t.dtype().size()).map(|c| Scalar::read(t.dtype(), c)).collect::<Vec<_>>();
    let same = |(a, b): (&Scalar, &Scalar)| a == b || (a.to_f64().is_nan() && b.to_f64().is_nan());
    a.shape() == b.shape() && a.dtype() == b.dtype() && scalars(a).iter().zip(&scalars(b)).all(same)
}

proptest! {
    #[test]
    fn the_interpreter_is_the_naive_evaluation(kernel in kernels()) {
        let inputs = inputs(&kernel);
        let mut given = inputs.iter();
        let params = kernel.params.values().map(|p| p.value.as_ref().or_else(|| given.next()).cloned());
        let mut naive = Naive { kernel: &kernel, params: params.collect::<Option<_>>().expect("one each"), defs: vec![] };
        for d in naive.kernel.defs.values() {
            let shape: Vec<usize> = d.axes.iter().map(|a| a.extent.eval(&|v| dims().get(v).copied()).unwrap_or(0) as usize).collect();
            let value = tensor(d.dtype, &shape, &naive.def(d));
            naive.defs.push(value);
        }
        let failed = kernel.checks.iter().find(|c| !points(&c.axes, &dims()).iter().all(|p| naive.expr(&c.cond, p).bits != 0));
        match (run(&kernel, &|s| dims().get(s).copied(), &inputs), failed) {
            (Ok(outs), None) => {
                for (d, out) in kernel.outputs.iter().zip(&outs) {
                    let expected = &naive.defs[d.as_u32() as usize];
                    prop_assert!(agree(out, expected), "{kernel}\n{d}: {out:?}\nexpected {expected:?}");
                }
            }
            (Err(InterpError::Status(n)), Some(c)) => prop_assert_eq!(n, c.status),
            (result, failed) => prop_assert!(false, "{}\n{:?}, check {:?}", kernel, result, failed),
        }
    }
}
