//! expand-math: math functions become polynomials, so that every backend gives the same bits without a math library.
//!
//! exp, log, tanh, erf, sigmoid and decay have forms of their own for f32; the other functions of f32 values are computed in
//! f64 and rounded. Errors, in units of the last place, as the tests measure them over samples of the whole range:
//! - f32: exp, log at most 3; sigmoid at most 4 for x from -10 on, 7 below (results below the least normal number may be
//!   0); decay at most 4 (the same); tanh, erf at most 6 (3.6e-7); all others at most 1 (sin, cos, tan: for |x| up to 1e6).
//! - f64: at most 8, tan at most 16; pow is exact to about 1e-13 for results near the largest number.
//!
//! A factor times a sigmoid is one division.
//!
//! Beyond |x| = 1e6 sin, cos and tan lose absolute precision in proportion to |x|, and are 0, 1, 0 beyond 1e15.

mod basic;
mod emit;
mod exp_log;
mod sigmoid;
#[cfg(test)]
mod tests;
mod trig;

use super::walk::{blocks, blocks_mut, operands, reads};
use crate::manager::LoopsPass;
use emit::Emit;
use onnxc_base::{DType, SecondaryMap};
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::{Block, Func, Op, Program, Stmt, Ty, Value, ValueDef};
use onnxc_ir::scalar::{BinOp, UnOp};

/// The pass.
pub const PASS: LoopsPass = LoopsPass {
    name: "expand-math",
    about: "replace math functions by polynomials",
    level: 0,
    run: |p, cx| {
        expand(p, cx.machine.fma);
        Ok(())
    },
    ensures: Stage { unrolled: false, planned: false, expanded: true },
};

/// Expands every function of a program; `fma` says whether the machine has a fused multiply-add.
pub fn expand(program: &mut Program, fma: bool) {
    for f in program.funcs.values_mut() {
        let mut body = std::mem::take(&mut f.body);
        let mut reads = SecondaryMap::new();
        count(f, &body, &mut reads);
        Expand { f, fma, reads, logistic: SecondaryMap::new() }.block(&mut body);
        f.body = body;
    }
}

/// How often each value is read.
fn count(f: &Func, b: &Block, uses: &mut SecondaryMap<Value, u32>) {
    for s in &b.0 {
        if let Stmt::Let(v) = s {
            operands(&f.values[*v].op, &mut |x| uses[x] += 1);
        }
        reads(s, &mut |x| uses[x] += 1);
        blocks(s).into_iter().for_each(|i| count(f, i, uses));
    }
}

struct Expand<'a> {
    f: &'a mut Func,
    fma: bool,
    /// How often each value was read before.
    reads: SecondaryMap<Value, u32>,
    /// The values that are logistic functions, as reciprocals.
    logistic: SecondaryMap<Value, bool>,
}

impl Expand<'_> {
    fn block(&mut self, b: &mut Block) {
        let mut out = Vec::with_capacity(b.0.len());
        for mut s in std::mem::take(&mut b.0) {
            blocks_mut(&mut s).into_iter().for_each(|i| self.block(i));
            if let Stmt::Let(v) = s {
                self.value(v, &mut out);
            }
            out.push(s);
        }
        b.0 = out;
    }

    /// Emits what a value needs before it. The value keeps its name and gets the result's definition.
    fn value(&mut self, v: Value, out: &mut Vec<Stmt>) {
        sigmoid::divide(self.f, v, out, &self.reads, &self.logistic);
        let is_sigmoid = matches!(self.f.values[v].op, Op::Unary(UnOp::Sigmoid, _));
        if let Some(result) = function(self.f, v, out, self.fma) {
            let ValueDef { op, .. } = self.f.values[result].clone();
            self.logistic[v] = is_sigmoid;
            self.f.values[v].op = op;
            out.pop();
        }
    }
}

/// Emits a math function; its result is the last value emitted. `None` if `v` isn't one.
fn function(f: &mut Func, v: Value, out: &mut Vec<Stmt>, fma: bool) -> Option<Value> {
    let ValueDef { ty, op, .. } = f.values[v].clone();
    match op {
        Op::Unary(u, x) if u.is_math() && ty.elem.is_float() => Some(unary(&mut Emit { f, out, ty, fma }, u, x)),
        Op::Binary(BinOp::Pow, x, y) if ty.elem.is_float() => {
            let mut e = Emit { f, out, ty, fma };
            Some(in_f64(&mut e, &[x, y], |e, a| exp_log::pow(e, a[0], a[1])))
        }
        _ => None,
    }
}

fn unary(e: &mut Emit, op: UnOp, x: Value) -> Value {
    if e.ty.elem == DType::F32 {
        match op {
            UnOp::Exp => return exp_log::exp(e, x),
            UnOp::Log => return exp_log::log(e, x),
            UnOp::Tanh => return basic::tanh_f32(e, x),
            UnOp::Erf => return basic::erf_f32(e, x),
            UnOp::Sigmoid => return sigmoid::sigmoid_f32(e, x),
            UnOp::Decay => return sigmoid::decay_f32(e, x),
            _ => {}
        }
    }
    in_f64(e, &[x], |e, a| {
        let x = a[0];
        match op {
            UnOp::Exp => exp_log::exp(e, x),
            UnOp::Log => exp_log::log(e, x),
            UnOp::Sin => trig::sin(e, x),
            UnOp::Cos => trig::cos(e, x),
            UnOp::Tan => trig::tan(e, x),
            UnOp::Asin => trig::asin(e, x),
            UnOp::Acos => trig::acos(e, x),
            UnOp::Atan => trig::atan(e, x),
            UnOp::Sinh => basic::sinh(e, x),
            UnOp::Cosh => basic::cosh(e, x),
            UnOp::Tanh => basic::tanh(e, x),
            UnOp::Asinh => basic::asinh(e, x),
            UnOp::Acosh => basic::acosh(e, x),
            UnOp::Atanh => basic::atanh(e, x),
            UnOp::Erf => basic::erf(e, x),
            UnOp::Sigmoid => sigmoid::sigmoid(e, x),
            UnOp::Decay => sigmoid::decay(e, x),
            // Not math functions: `is_math` has said so before.
            _ => x,
        }
    })
}

/// Runs a function of f64 values on values of any float type.
fn in_f64(e: &mut Emit, args: &[Value], f: impl FnOnce(&mut Emit, &[Value]) -> Value) -> Value {
    let ty = e.ty;
    if ty.elem == DType::F64 {
        return f(e, args);
    }
    let wide: Ty = ty.with_elem(DType::F64);
    let args: Vec<Value> = args.iter().map(|&a| e.op(wide, Op::Cast(a))).collect();
    e.ty = wide;
    let r = f(e, &args);
    e.ty = ty;
    e.op(ty, Op::Cast(r))
}
