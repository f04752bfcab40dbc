//! Activations: elementwise functions of one operand with numbers in their attributes, and those made of several
//! functions.
//!
//! Versions differ in dtypes, in `consumed_inputs` of version 1 (no effect) and in Selu's defaults. A NaN stays a NaN.

use super::elementwise::*;
use crate::prelude::*;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

unary_operators! {
    CELU "Celu" [12, 28] Float { alpha: 1.0 } celu;
    ELU "Elu" [1, 6, 22] Float { alpha: 1.0 } |a, d, x| {
        let below = param(a, "alpha", d) * (unary(UnOp::Exp, x.clone()) - number(d, 1.0));
        if_positive(d, x.clone(), x, below)
    };
    HARD_SIGMOID "HardSigmoid" [1, 6, 22] Float { alpha: 0.2, beta: 0.5 } |a, d, x| {
        unit_interval(d, param(a, "alpha", d) * x + param(a, "beta", d))
    };
    HARD_SWISH "HardSwish" [14, 22] Float {} |_, d, x| {
        x.clone() * unit_interval(d, x * number(d, 1.0 / 6.0) + number(d, 0.5))
    };
    LEAKY_RELU "LeakyRelu" [1, 6, 16] Float { alpha: 0.01 } |a, d, x| {
        if_positive(d, x.clone(), x.clone(), param(a, "alpha", d) * x)
    };
    MISH "Mish" [18, 22] Float {} |_, d, x| x.clone() * unary(UnOp::Tanh, softplus(d, x));
    RELU "Relu" [1, 6, 13, 14] Signed {} |_, d, x| binary(BinOp::Max, x, number(d, 0.0));
    SIGMOID "Sigmoid" [1, 6, 13] Float {} |_, _, x| sigmoid(x);
    SOFTPLUS "Softplus" [1, 22] Float {} |_, d, x| softplus(d, x);
    SOFTSIGN "Softsign" [1, 22] Float {} |_, d, x| x.clone() / (number(d, 1.0) + unary(UnOp::Abs, x));
    SWISH "Swish" [24] Float { alpha: 1.0 } |a, d, x| x.clone() * sigmoid(param(a, "alpha", d) * x);
    THRESHOLDED_RELU "ThresholdedRelu" [10, 22] Float { alpha: 1.0 } |a, d, x| {
        let below = compare(CmpOp::Le, x.clone(), param(a, "alpha", d));
        select(below, number(d, 0.0), x)
    };
}

/// Selu. Version 1 gives its constants to fewer digits.
pub static SELU: OpDef = OpDef {
    domain: "",
    name: "Selu",
    versions: &[
        (1, |n| import_floats(n, &[("alpha", 1.6732), ("gamma", 1.0507)])),
        (6, import_selu),
        (22, import_selu),
    ],
    infer: |cx| infer_unary(cx, Class::Float, None),
    lower: Lower::Compute(|cx| lower_unary(cx, selu)),
    extents: None,
};

/// Shrink. Integers are compared with the attributes as floats.
pub static SHRINK: OpDef = OpDef {
    domain: "",
    name: "Shrink",
    versions: &[(9, |n| import_floats(n, &[("bias", 0.0), ("lambd", 0.5)]))],
    infer: |cx| infer_unary(cx, Class::Number, None),
    lower: Lower::Compute(|cx| {
        let x = Operand::new(cx, 0);
        let (attrs, d) = (cx.attrs(), if x.wide().is_int() { DType::F64 } else { x.wide() });
        map_from(cx, d, |i| shrink(attrs, d, x.at_as(d, i)));
        Ok(())
    }),
    extents: None,
};

/// Gelu: `approximate` is `none` (by erf) or `tanh`.
pub static GELU: OpDef = OpDef {
    domain: "",
    name: "Gelu",
    versions: &[(20, |n| {
        Ok(Attrs::default().with("approximate", Attr::Str(n.choice("approximate", &["none", "tanh"])?)))
    })],
    infer: |cx| infer_unary(cx, Class::Float, None),
    lower: Lower::Compute(|cx| lower_unary(cx, gelu)),
    extents: None,
};

/// A float attribute as a constant.
fn param(attrs: &Attrs, name: &str, d: DType) -> Expr {
    number(d, f64::from(attrs.float(name).unwrap_or(0.0)))
}

/// `x >= 0 ? a : b`, and `b` for NaN.
fn if_positive(d: DType, x: Expr, a: Expr, b: Expr) -> Expr {
    select(compare(CmpOp::Ge, x, number(d, 0.0)), a, b)
}

/// `x` kept within 0 and 1.
fn unit_interval(d: DType, x: Expr) -> Expr {
    binary(BinOp::Min, binary(BinOp::Max, x, number(d, 0.0)), number(d, 1.0))
}

fn sigmoid(x: Expr) -> Expr {
    unary(UnOp::Sigmoid, x)
}

/// log(1 + exp(x)), without overflow: max(x, 0) + log(1 + t) for t = exp(-|x|).
///
/// The logarithm is corrected for the rounding of u = 1 + t by the factor t / (u - 1) (Goldberg, "What every computer
/// scientist should know about floating-point arithmetic", theorem 4).
fn softplus(d: DType, x: Expr) -> Expr {
    let one = number(d, 1.0);
    let t = unary(UnOp::Exp, -unary(UnOp::Abs, x.clone()));
    let u = t.clone() + one.clone();
    let log = unary(UnOp::Log, u.clone()) * (t.clone() / (u.clone() - one.clone()));
    binary(BinOp::Max, x, number(d, 0.0)) + select(compare(CmpOp::Eq, u, one), t, log)
}

fn celu(a: &Attrs, d: DType, x: Expr) -> Expr {
    let alpha = param(a, "alpha", d);
    let below = alpha.clone() * (unary(UnOp::Exp, x.clone() / alpha) - number(d, 1.0));
    if_positive(d, x.clone(), x, below)
}

fn import_selu(n: &mut NodeReader) -> Result<Attrs> {
    import_floats(n, &[("alpha", 1.673_263_2), ("gamma", 1.050_701)])
}

fn selu(a: &Attrs, d: DType, x: Expr) -> Expr {
    let alpha = param(a, "alpha", d);
    let below = alpha.clone() * unary(UnOp::Exp, x.clone()) - alpha;
    param(a, "gamma", d) * if_positive(d, x.clone(), x, below)
}

/// x + bias below -lambd, x - bias above lambd, 0 between.
fn shrink(a: &Attrs, d: DType, x: Expr) -> Expr {
    let (bias, lambd) = (param(a, "bias", d), param(a, "lambd", d));
    let above = compare(CmpOp::Gt, x.clone(), lambd.clone());
    let outer = select(above, x.clone() - bias.clone(), number(d, 0.0));
    select(compare(CmpOp::Lt, x.clone(), -lambd), x + bias, outer)
}

fn gelu(a: &Attrs, d: DType, x: Expr) -> Expr {
    let one = number(d, 1.0);
    let phi = if a.str("approximate") == Some("tanh") {
        let cubic = x.clone() + number(d, 0.044715) * (x.clone() * x.clone() * x.clone());
        unary(UnOp::Tanh, number(d, FRAC_2_PI.sqrt()) * cubic)
    } else {
        unary(UnOp::Erf, x.clone() * number(d, FRAC_1_SQRT_2))
    };
    number(d, 0.5) * x * (one + phi)
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("activation");
    }
}
