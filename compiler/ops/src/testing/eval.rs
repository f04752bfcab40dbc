//! Runs a kernel point by point: until kernel IR has an interpreter.

use super::Env;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Sym, Tensor};
use onnxc_ir::kernel::*;
use onnxc_ir::scalar::{eval_binary, eval_cast, eval_compare, eval_unary};

struct Machine<'a> {
    kernel: &'a Kernel,
    params: &'a [Tensor],
    defs: Vec<Tensor>,
    env: Env,
}

/// The outputs, or the status of the first check that doesn't hold.
pub(super) fn run(kernel: &Kernel, env: &Env, params: &[Tensor]) -> Result<Vec<Tensor>, i32> {
    let mut m = Machine { kernel, params, defs: vec![], env: env.clone() };
    for c in &kernel.checks {
        let mut holds = true;
        m.points(&c.axes, &mut |m| holds &= m.eval(&c.cond).bits != 0);
        if !holds {
            return Err(c.status);
        }
    }
    for d in kernel.defs.values() {
        let shape: Vec<usize> = d.axes.iter().map(|a| m.sym(&a.extent) as usize).collect();
        let mut bytes = vec![];
        m.points(&d.axes, &mut |m| {
            let v = match &d.body {
                Body::Map(e) => m.eval(e),
                Body::Reduce { op, axes, init, value } => {
                    let mut acc = init.as_ref().map_or(op.identity(d.dtype), |e| m.eval(e));
                    m.points(axes, &mut |m| acc = eval_binary(op.binary(), acc, m.eval(value)));
                    acc
                }
            };
            assert_eq!(v.dtype, d.dtype, "the body of {} is of another dtype", d.name);
            let at = bytes.len();
            bytes.resize(at + v.dtype.size(), 0u8);
            v.write(&mut bytes[at..]);
        });
        m.defs.push(Tensor::from_bytes(d.dtype, shape, bytes.into()).expect("one value per point"));
    }
    Ok(kernel.outputs.iter().map(|&o| m.defs[onnxc_base::EntityRef::index(o)].clone()).collect())
}

impl Machine<'_> {
    fn sym(&self, s: &Sym) -> i64 {
        s.eval(&|x: &Symbol| self.env.get(x).copied()).unwrap_or_else(|e| panic!("{s}: {e:?}"))
    }

    fn points(&mut self, axes: &[Axis], f: &mut dyn FnMut(&mut Self)) {
        match axes.split_first() {
            None => f(self),
            Some((a, rest)) => {
                for i in 0..self.sym(&a.extent) {
                    self.env.insert(a.var.clone(), i);
                    self.points(rest, f);
                }
            }
        }
    }

    fn eval(&mut self, e: &Expr) -> Scalar {
        match e.kind() {
            ExprKind::Const(s) => *s,
            ExprKind::Int(s) => Scalar::i64(self.sym(s)),
            ExprKind::Load { src, index, pad } => {
                let index: Vec<i64> = index.iter().map(|e| self.eval(e).to_i64()).collect();
                let t = match *src {
                    Src::Param(p) => &self.params[onnxc_base::EntityRef::index(p)],
                    Src::Def(d) => &self.defs[onnxc_base::EntityRef::index(d)],
                };
                assert_eq!(index.len(), t.shape().len(), "rank of a load");
                let mut at = 0;
                for (&i, &d) in index.iter().zip(t.shape()) {
                    if i < 0 || i >= d as i64 {
                        return pad.unwrap_or_else(|| panic!("{index:?} is out of range {:?}", t.shape()));
                    }
                    at = at * d + i as usize;
                }
                Scalar::read(t.dtype(), &t.bytes()[at * t.dtype().size()..])
            }
            ExprKind::Unary(op, a) => {
                let a = self.eval(a);
                arithmetic(a);
                eval_unary(*op, a)
            }
            ExprKind::Binary(op, a, b) => {
                let (a, b) = (self.eval(a), self.eval(b));
                assert_eq!(a.dtype, b.dtype, "operands of {op:?}");
                arithmetic(a);
                eval_binary(*op, a, b)
            }
            ExprKind::Compare(op, a, b) => {
                let (a, b) = (self.eval(a), self.eval(b));
                assert_eq!(a.dtype, b.dtype, "operands of {op:?}");
                Scalar::bool(eval_compare(*op, a, b))
            }
            ExprKind::Select(c, a, b) => {
                let (c, a, b) = (self.eval(c), self.eval(a), self.eval(b));
                assert_eq!((c.dtype, a.dtype), (DType::Bool, b.dtype), "a selection");
                if c.bits != 0 { a } else { b }
            }
            ExprKind::Cast(to, a) => eval_cast(self.eval(a), *to),
        }
    }
}

fn arithmetic(a: Scalar) {
    assert!(!matches!(a.dtype, DType::F16 | DType::BF16), "{} is storage only", a.dtype);
}
