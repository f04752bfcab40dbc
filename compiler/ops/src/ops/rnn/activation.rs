//! The functions of recurrent layers.

use crate::prelude::*;
use onnxc_ir::loops::{FuncBuilder, Value};

/// A function and its parameters.
#[derive(Clone, Debug)]
pub(super) struct Activation {
    name: String,
    alpha: f32,
    beta: f32,
}

/// Name, and the defaults of alpha and beta where the function has them.
const FUNCTIONS: &[(&str, Option<f32>, Option<f32>)] = &[
    ("affine", Some(1.0), Some(0.0)),
    ("elu", Some(1.0), None),
    ("hardsigmoid", Some(0.2), Some(0.5)),
    ("leakyrelu", Some(0.01), None),
    ("relu", None, None),
    ("scaledtanh", Some(1.0), Some(1.0)),
    ("sigmoid", None, None),
    ("softplus", None, None),
    ("softsign", None, None),
    ("tanh", None, None),
    ("thresholdedrelu", Some(1.0), None),
];

/// Reads `activations`, `activation_alpha` and `activation_beta`: the latter list values for those functions that have
/// the parameter, in their order.
pub(super) fn import_activations(n: &mut NodeReader, defaults: &[&str], directions: usize) -> Result<Attrs> {
    let given = n.opt_strs("activations")?;
    let names: Vec<String> = match given {
        Some(names) => names.iter().map(|s| s.to_lowercase()).collect(),
        None => defaults.repeat(directions).iter().map(|s| s.to_string()).collect(),
    };
    let wanted = defaults.len() * directions;
    // A list for one direction counts for both: that is how a schema spells RNN's default.
    let names: Vec<String> = match names.len() {
        len if len == wanted => names,
        len if len == 2 * wanted => names[..wanted].to_vec(),
        len if 2 * len == wanted => [&names[..], &names[..]].concat(),
        len => {
            return Err(n
                .error("E2040", format!("attribute 'activations' has {len} elements"))
                .expected(format!("{wanted}: {} for each direction", defaults.len())));
        }
    };
    let mut alphas = n.opt_floats("activation_alpha")?.unwrap_or_default().into_iter();
    let mut betas = n.opt_floats("activation_beta")?.unwrap_or_default().into_iter();
    let (mut alpha, mut beta) = (vec![], vec![]);
    for name in &names {
        let Some((_, a, b)) = FUNCTIONS.iter().find(|f| f.0 == name) else {
            let words: Vec<&str> = FUNCTIONS.iter().map(|f| f.0).collect();
            return Err(n.error("E2011", format!("the activation '{name}'")).expected(words.join(", ")));
        };
        alpha.push(a.map_or(0.0, |a| alphas.next().unwrap_or(a)));
        beta.push(b.map_or(0.0, |b| betas.next().unwrap_or(b)));
    }
    Ok(Attrs::default()
        .with("activations", Attr::Strs(names))
        .with("alpha", Attr::Floats(alpha))
        .with("beta", Attr::Floats(beta)))
}

/// The functions of direction `d`, `count` of them.
pub(super) fn of_direction(attrs: &Attrs, d: usize, count: usize) -> Vec<Activation> {
    let lists = (attrs.strs("activations"), attrs.floats("alpha"), attrs.floats("beta"));
    let (Some(names), Some(alpha), Some(beta)) = lists else { return vec![] };
    (d * count..(d + 1) * count)
        .map(|i| Activation { name: names[i].clone(), alpha: alpha[i], beta: beta[i] })
        .collect()
}

impl Activation {
    /// The function of a value.
    pub(super) fn apply(&self, f: &mut FuncBuilder, x: Value) -> Value {
        let d = f.ty(x).elem;
        let number = |f: &mut FuncBuilder, v: f32| f.scalar(Scalar::from_f64(d, f64::from(v)));
        let (zero, one) = (number(f, 0.0), number(f, 1.0));
        let (alpha, beta) = (number(f, self.alpha), number(f, self.beta));
        let exp = |f: &mut FuncBuilder, v: Value| f.unary(UnOp::Exp, v);
        match self.name.as_str() {
            "relu" => f.binary(BinOp::Max, x, zero),
            "sigmoid" => {
                let minus = f.unary(UnOp::Neg, x);
                let e = exp(f, minus);
                let sum = f.add(one, e);
                f.binary(BinOp::Div, one, sum)
            }
            "affine" => affine(f, alpha, x, beta),
            "leakyrelu" => {
                let scaled = f.mul(alpha, x);
                let negative = f.compare(CmpOp::Lt, x, zero);
                f.select(negative, scaled, x)
            }
            "thresholdedrelu" => {
                let passes = f.compare(CmpOp::Ge, x, alpha);
                f.select(passes, x, zero)
            }
            "scaledtanh" => {
                let inner = f.mul(beta, x);
                let tanh = f.unary(UnOp::Tanh, inner);
                f.mul(alpha, tanh)
            }
            "hardsigmoid" => {
                let line = affine(f, alpha, x, beta);
                let low = f.binary(BinOp::Max, line, zero);
                f.binary(BinOp::Min, low, one)
            }
            "elu" => {
                let e = exp(f, x);
                let less = f.sub(e, one);
                let scaled = f.mul(alpha, less);
                let negative = f.compare(CmpOp::Lt, x, zero);
                f.select(negative, scaled, x)
            }
            "softsign" => {
                let size = f.unary(UnOp::Abs, x);
                let sum = f.add(one, size);
                f.binary(BinOp::Div, x, sum)
            }
            "softplus" => softplus(f, x, zero, one),
            _ => f.unary(UnOp::Tanh, x),
        }
    }
}

fn affine(f: &mut FuncBuilder, alpha: Value, x: Value, beta: Value) -> Value {
    let scaled = f.mul(alpha, x);
    f.add(scaled, beta)
}

/// log(1 + e^x) as max(x, 0) + log(1 + e^-|x|), which doesn't overflow.
fn softplus(f: &mut FuncBuilder, x: Value, zero: Value, one: Value) -> Value {
    let size = f.unary(UnOp::Abs, x);
    let minus = f.unary(UnOp::Neg, size);
    let e = f.unary(UnOp::Exp, minus);
    let sum = f.add(one, e);
    let log = f.unary(UnOp::Log, sum);
    let positive = f.binary(BinOp::Max, x, zero);
    f.add(positive, log)
}
