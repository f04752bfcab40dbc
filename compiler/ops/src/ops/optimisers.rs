//! Steps of optimisers: Adagrad, Adam, Momentum (ai.onnx.preview.training).
//!
//! Since 1. Inputs: learning rate, number of the step, then n tensors, their n gradients and n (Adam: 2n) states;
//! outputs: the n new tensors, then their new states. To each gradient `norm_coefficient` times the tensor is added.
//! The learning rate is converted to the tensors' dtype.
//!
//! Does NOT derive: gradients are inputs.

use super::elementwise::*;
use crate::prelude::*;

macro_rules! optimisers {
    ($($id:ident $name:literal $import:ident $lower:ident $states:literal;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: "ai.onnx.preview.training",
            name: $name,
            versions: &[(1, $import)],
            infer: |cx| infer(cx, $states),
            lower: Lower::Compute($lower),
            extents: None,
        };
    )* };
}

optimisers! {
    ADAGRAD "Adagrad" import_adagrad lower_adagrad 1;
    ADAM "Adam" import_adam lower_adam 2;
    MOMENTUM "Momentum" import_momentum lower_momentum 1;
}

fn import_adagrad(n: &mut NodeReader) -> Result<Attrs> {
    import_floats(n, &[("decay_factor", 0.0), ("epsilon", 1e-6), ("norm_coefficient", 0.0)])
}

fn import_adam(n: &mut NodeReader) -> Result<Attrs> {
    let moments = [("alpha", 0.9), ("beta", 0.999), ("epsilon", 1e-6)];
    import_floats(n, &[&moments[..], &[("norm_coefficient", 0.0), ("norm_coefficient_post", 0.0)]].concat())
}

fn import_momentum(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    for name in ["alpha", "beta", "norm_coefficient"] {
        let v = n.opt_float(name)?;
        let v = v.ok_or_else(|| n.error("E2012", format!("attribute '{name}' is missing")).expected("a float"))?;
        attrs.set(name, Attr::Float(v));
    }
    let nesterov = match n.opt_str("mode")?.as_deref() {
        Some("nesterov") => 1,
        Some("standard") => 0,
        other => {
            let found = format!("attribute 'mode' is '{}'", other.unwrap_or_default());
            return Err(n.error("E2011", found).expected("one of nesterov, standard"));
        }
    };
    Ok(attrs.with("nesterov", Attr::Int(nesterov)))
}

/// How many tensors a node with so many inputs steps, each with a gradient and `states` states.
fn count(inputs: usize, states: usize) -> usize {
    inputs.saturating_sub(2) / (2 + states)
}

fn infer(cx: &mut InferCx, states: usize) -> Result<()> {
    let (inputs, each) = (cx.input_count(), 2 + states);
    let n = count(inputs, states);
    if n == 0 || inputs != 2 + n * each || cx.output_count() > n * (1 + states) {
        let found = format!("{inputs} inputs and {} outputs", cx.output_count());
        return Err(cx.error("E2001", found).expected(format!("2 inputs, and {each} for each tensor")));
    }
    let rate = tensor(cx, 0, Class::Float)?;
    let step = tensor_of(cx, 1, DType::I64)?;
    for (i, t) in [(0, rate), (1, step)] {
        if t.count().as_int() != Some(1) {
            return Err(cx.error("E2005", format!("input {i} has {} elements", t.count())).expected("a scalar"));
        }
    }
    for k in 0..n {
        let x = tensor(cx, 2 + k, Class::Float)?;
        for part in 1..each {
            let i = 2 + part * n + k;
            let other = tensor_of(cx, i, x.dtype)?.shape;
            if other.len() != x.rank() {
                let found = format!("input {i} has rank {}, the tensor {}", other.len(), x.rank());
                return Err(cx.error("E2005", found).expected("equal shapes"));
            }
            for (axis, (a, b)) in x.shape.iter().zip(&other).enumerate() {
                cx.unify(a, b, &format!("axis {axis} of input {i}"))?;
            }
        }
        for part in 0..1 + states {
            cx.set_output(part * n + k, Type::Tensor(x.clone()));
        }
    }
    Ok(())
}

/// One tensor's parts, each as it is read at an index.
struct Parts {
    d: DType,
    x: Operand,
    gradient: Operand,
    states: Vec<Operand>,
    norm: Expr,
}

impl Parts {
    fn new(cx: &ComputeCx, k: usize, n: usize, states: usize) -> Parts {
        let at = |part: usize| Operand::new(cx, 2 + part * n + k);
        let (x, gradient) = (at(0), at(1));
        let d = x.wide();
        let states = (0..states).map(|s| at(2 + s)).collect();
        Parts { d, x, gradient, states, norm: attr(cx, "norm_coefficient", d) }
    }

    /// The gradient of loss and regularisation.
    fn gradient(&self, i: &[Sym]) -> Expr {
        self.norm.clone() * self.x.at(i) + self.gradient.at(i)
    }
}

fn attr(cx: &ComputeCx, name: &str, d: DType) -> Expr {
    number(d, f64::from(cx.attrs().float(name).unwrap_or(0.0)))
}

/// The learning rate and the step's number, in a dtype.
fn rate_and_step(cx: &ComputeCx, d: DType) -> (Expr, Expr) {
    let at = |i: usize| vec![Sym::int(0); cx.shape(i).len()];
    (cast(cx.dtype(0), d, load(cx.input(0), &at(0))), cast(DType::I64, d, load(cx.input(1), &at(1))))
}

/// Output `part` of tensor `k`, if the node lists it.
fn set(cx: &mut ComputeCx, part: usize, k: usize, n: usize, d: DType, f: impl FnOnce(&[Sym]) -> Expr) {
    let o = part * n + k;
    if o < cx.node().outputs.len() {
        let (to, shape) = (cx.output_type(o).dtype, cx.out_shape(o));
        let def = cx.k.map(&format!("new{o}"), to, &shape, |_, i| cast(d, to, f(i)));
        cx.set_output(o, def);
    }
}

fn lower_adagrad(cx: &mut ComputeCx) -> Result<()> {
    let n = count(cx.input_count(), 1);
    for k in 0..n {
        let p = Parts::new(cx, k, n, 1);
        let d = p.d;
        let ((rate, step), shape) = (rate_and_step(cx, d), cx.shape(2 + k));
        let (decay, epsilon) = (attr(cx, "decay_factor", d), attr(cx, "epsilon", d));
        let rate = rate / (number(d, 1.0) + step * decay);
        let squares = cx.k.map("squares", d, &shape, |_, i| p.states[0].at(i) + p.gradient(i) * p.gradient(i));
        set(cx, 0, k, n, d, |i| p.x.at(i) - rate * p.gradient(i) / (unary(UnOp::Sqrt, load(squares, i)) + epsilon));
        set(cx, 1, k, n, d, |i| load(squares, i));
    }
    Ok(())
}

fn lower_adam(cx: &mut ComputeCx) -> Result<()> {
    let n = count(cx.input_count(), 2);
    for k in 0..n {
        let p = Parts::new(cx, k, n, 2);
        let d = p.d;
        let ((rate, step), shape, one) = (rate_and_step(cx, d), cx.shape(2 + k), number(d, 1.0));
        let [alpha, beta, epsilon, post] =
            ["alpha", "beta", "epsilon", "norm_coefficient_post"].map(|name| attr(cx, name, d));
        let power = |base: Expr| one.clone() - binary(BinOp::Pow, base, step.clone());
        let corrected = rate.clone() * unary(UnOp::Sqrt, power(beta.clone())) / power(alpha.clone());
        let started = compare(CmpOp::Gt, step.clone(), number(d, 0.0));
        let rate = cx.k.map("rate", d, &[], |_, _| select(started, corrected, rate));
        let first = cx
            .k
            .map("first", d, &shape, |_, i| alpha.clone() * p.states[0].at(i) + (one.clone() - alpha) * p.gradient(i));
        let second = cx.k.map("second", d, &shape, |_, i| {
            beta.clone() * p.states[1].at(i) + (one.clone() - beta) * (p.gradient(i) * p.gradient(i))
        });
        set(cx, 0, k, n, d, |i| {
            let step = load(first, i) / (unary(UnOp::Sqrt, load(second, i)) + epsilon);
            (one - post) * (p.x.at(i) - load(rate, &[]) * step)
        });
        set(cx, 1, k, n, d, |i| load(first, i));
        set(cx, 2, k, n, d, |i| load(second, i));
    }
    Ok(())
}

fn lower_momentum(cx: &mut ComputeCx) -> Result<()> {
    let n = count(cx.input_count(), 1);
    let nesterov = cx.attrs().int("nesterov") == Some(1);
    for k in 0..n {
        let p = Parts::new(cx, k, n, 1);
        let d = p.d;
        let ((rate, step), shape) = (rate_and_step(cx, d), cx.shape(2 + k));
        let (alpha, beta) = (attr(cx, "alpha", d), attr(cx, "beta", d));
        // The first gradient counts in full.
        let weight = select(compare(CmpOp::Gt, step, number(d, 0.0)), beta, number(d, 1.0));
        let velocity =
            cx.k.map("velocity", d, &shape, |_, i| alpha.clone() * p.states[0].at(i) + weight * p.gradient(i));
        set(cx, 0, k, n, d, |i| {
            let v = load(velocity, i);
            p.x.at(i) - rate * if nesterov { p.gradient(i) + alpha * v } else { v }
        });
        set(cx, 1, k, n, d, |i| load(velocity, i));
    }
    Ok(())
}
