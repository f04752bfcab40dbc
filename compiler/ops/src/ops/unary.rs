//! Elementwise functions of one operand that have no attributes: arithmetic, roots, exponentials, trigonometry, tests.
//!
//! All versions mean the same: version 1 adds the attribute `consumed_inputs`, which has no effect, later ones add
//! dtypes.
//! NaN goes through each function; Round takes the even neighbour of a half.

use super::elementwise::*;
use crate::prelude::*;

unary_operators! {
    ABS "Abs" [1, 6, 13] Number {} |_, _, x| unary(UnOp::Abs, x);
    ACOS "Acos" [7, 22] Float {} |_, _, x| unary(UnOp::Acos, x);
    ACOSH "Acosh" [9, 22] Float {} |_, _, x| unary(UnOp::Acosh, x);
    ASIN "Asin" [7, 22] Float {} |_, _, x| unary(UnOp::Asin, x);
    ASINH "Asinh" [9, 22] Float {} |_, _, x| unary(UnOp::Asinh, x);
    ATAN "Atan" [7, 22] Float {} |_, _, x| unary(UnOp::Atan, x);
    ATANH "Atanh" [9, 22] Float {} |_, _, x| unary(UnOp::Atanh, x);
    BITWISE_NOT "BitwiseNot" [18] Int {} |_, _, x| unary(UnOp::Not, x);
    CEIL "Ceil" [1, 6, 13] Float {} |_, _, x| unary(UnOp::Ceil, x);
    COS "Cos" [7, 22] Float {} |_, _, x| unary(UnOp::Cos, x);
    COSH "Cosh" [9, 22] Float {} |_, _, x| unary(UnOp::Cosh, x);
    ERF "Erf" [9, 13] Number {} erf;
    EXP "Exp" [1, 6, 13] Float {} |_, _, x| unary(UnOp::Exp, x);
    FLOOR "Floor" [1, 6, 13] Float {} |_, _, x| unary(UnOp::Floor, x);
    LOG "Log" [1, 6, 13] Float {} |_, _, x| unary(UnOp::Log, x);
    RECIPROCAL "Reciprocal" [1, 6, 13] Float {} |_, d, x| number(d, 1.0) / x;
    ROUND "Round" [11, 22] Float {} |_, _, x| unary(UnOp::RoundEven, x);
    SIGN "Sign" [9, 13] Number {} sign;
    SIN "Sin" [7, 22] Float {} |_, _, x| unary(UnOp::Sin, x);
    SINH "Sinh" [9, 22] Float {} |_, _, x| unary(UnOp::Sinh, x);
    SQRT "Sqrt" [1, 6, 13] Float {} |_, _, x| unary(UnOp::Sqrt, x);
    TAN "Tan" [7, 22] Float {} |_, _, x| unary(UnOp::Tan, x);
    TANH "Tanh" [1, 6, 13] Float {} |_, _, x| unary(UnOp::Tanh, x);
}

/// Of integers, what is before the point.
fn erf(_: &Attrs, d: DType, x: Expr) -> Expr {
    match d.is_float() {
        true => unary(UnOp::Erf, x),
        false => cast(DType::F32, d, unary(UnOp::Erf, cast(d, DType::F32, x))),
    }
}

/// -1, 0 or 1; a NaN stays.
fn sign(_: &Attrs, d: DType, x: Expr) -> Expr {
    let zero = number(d, 0.0);
    let positive = select(compare(CmpOp::Gt, x.clone(), zero.clone()), number(d, 1.0), x.clone());
    if d.is_unsigned_int() { positive } else { select(compare(CmpOp::Lt, x, zero), number(d, -1.0), positive) }
}

/// Neg.
pub static NEG: OpDef = OpDef {
    domain: "",
    name: "Neg",
    versions: &[(1, no_attrs), (6, no_attrs), (13, no_attrs)],
    infer: |cx| infer_with_content(cx, Class::Signed, |x| -x),
    lower: Lower::Compute(|cx| lower_unary(cx, |_, _, x| -x)),
    extents: None,
};

/// Not.
pub static NOT: OpDef = OpDef {
    domain: "",
    name: "Not",
    versions: &[(1, no_attrs)],
    infer: |cx| infer_with_content(cx, Class::Bool, |x| Sym::int(1) - x),
    lower: Lower::Compute(|cx| lower_unary(cx, |_, _, x| unary(UnOp::Not, x))),
    extents: None,
};

/// IsNaN.
pub static IS_NAN: OpDef = OpDef {
    domain: "",
    name: "IsNaN",
    versions: &[(9, no_attrs), (13, no_attrs), (20, no_attrs)],
    infer: |cx| infer_unary(cx, Class::AnyFloat, Some(DType::Bool)),
    lower: Lower::Compute(|cx| lower_unary(cx, |_, _, x| compare(CmpOp::Ne, x.clone(), x))),
    extents: None,
};

/// IsInf: of which sign is in the attributes.
pub static IS_INF: OpDef = OpDef {
    domain: "",
    name: "IsInf",
    versions: &[(10, import_is_inf), (20, import_is_inf)],
    infer: |cx| infer_unary(cx, Class::AnyFloat, Some(DType::Bool)),
    lower: Lower::Compute(|cx| lower_unary(cx, is_inf)),
    extents: None,
};

fn no_attrs(n: &mut NodeReader) -> Result<Attrs> {
    import_floats(n, &[])
}

fn infer_with_content(cx: &mut InferCx, class: Class, f: fn(&Sym) -> Sym) -> Result<()> {
    infer_unary(cx, class, None)?;
    if let Some(c) = cx.content(0) {
        cx.set_content(0, c.iter().map(f).collect());
    }
    Ok(())
}

fn import_is_inf(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    for name in ["detect_negative", "detect_positive"] {
        attrs.set(name, Attr::Int(n.int(name, 1)?));
    }
    Ok(attrs)
}

fn is_inf(attrs: &Attrs, d: DType, x: Expr) -> Expr {
    let inf = number(d, f64::INFINITY);
    match (attrs.int("detect_negative") != Some(0), attrs.int("detect_positive") != Some(0)) {
        (true, true) => compare(CmpOp::Eq, unary(UnOp::Abs, x), inf),
        (true, false) => compare(CmpOp::Eq, x, -inf),
        (false, true) => compare(CmpOp::Eq, x, inf),
        (false, false) => constant(Scalar::bool(false)),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("unary");
    }
}
