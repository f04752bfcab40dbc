//! What is made of a model's scores: `post_transform` NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO, PROBIT, after a single
//! column of scores has become two where two classes are asked for.
//!
//! Of one column, ONNX Runtime makes `1 - s, s` or `-s, s`, and then only LOGISTIC has an effect; a single column that
//! stays one is changed by PROBIT alone. SOFTMAX_ZERO leaves scores of 0 out; where all are, each class gets 0.5, as in
//! onnx's reference evaluator. PROBIT is the approximation of the inverse error function by S. Winitzki (2008).

use super::super::elementwise::{Class, map_from, tensor, wide};
use super::{INNER, inner};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The transformation of scores [rows, classes].
pub static DEF: OpDef = OpDef {
    domain: INNER,
    name: "PostTransform",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

/// How one column of scores becomes two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// It doesn't: there are several, or there is one class.
    None,
    /// `1 - s, s`.
    Complement,
    /// `-s, s`.
    Negative,
}

/// The words of the attribute.
pub(super) const WORDS: [&str; 5] = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"];

/// Transforms `columns` columns of scores into f32.
pub(super) fn transform(
    n: &mut NodeReader,
    scores: ValueId,
    columns: usize,
    word: &str,
    second: Second,
) -> Result<ValueId> {
    transform_to(n, scores, columns, word, second, DType::F32)
}

/// The same into a dtype, or into the scores' own if that is `Bool`.
pub(super) fn transform_to(
    n: &mut NodeReader,
    scores: ValueId,
    columns: usize,
    word: &str,
    second: Second,
    to: DType,
) -> Result<ValueId> {
    let second = if columns == 1 { second } else { Second::None };
    let (word, second) = match (columns, second, word) {
        (1, Second::None, "PROBIT") => (word, "none"),
        (1, Second::None, _) => ("NONE", "none"),
        (_, Second::None, _) => (word, "none"),
        (_, _, "LOGISTIC") => (word, "negative"),
        (_, _, "PROBIT") => (word, "complement"),
        (_, Second::Complement, _) => ("NONE", "complement"),
        (_, Second::Negative, _) => ("NONE", "negative"),
    };
    let attrs = [("word", Attr::Str(word.into())), ("second", Attr::Str(second.into())), ("to", Attr::DType(to))];
    Ok(n.emit(inner("PostTransform"), &attrs, &[Some(scores)], 1)?[0])
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = ["word", "second", "to"].map(|name| (name, n.attr(name)));
    Ok(attrs.into_iter().fold(Attrs::default(), |a, (name, v)| v.into_iter().fold(a, |a, v| a.with(name, v))))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let mut shape = x.shape.clone();
    if cx.attrs().str("second") != Some("none") {
        shape[1] = Sym::int(2);
    }
    let to = cx.attrs().dtype("to").filter(|d| *d != DType::Bool).unwrap_or(x.dtype);
    cx.set_tensor(0, to, shape);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, dtype, shape) = (cx.input(0), cx.dtype(0), cx.out_shape(0));
    let (d, second) = (wide(dtype), cx.attrs().str("second").unwrap_or("none"));
    let score = |i: &[Sym]| {
        let own = |at: &[Sym]| cast(dtype, d, load(x, at));
        if second == "none" {
            return own(i);
        }
        let s = own(&[i[0].clone(), Sym::int(0)]);
        let other = if second == "complement" { number(d, 1.0) - s.clone() } else { -s.clone() };
        select(compare(CmpOp::Eq, int(i[1].clone()), int(0)), other, s)
    };
    match cx.attrs().str("word").unwrap_or("NONE") {
        "LOGISTIC" => map_from(cx, d, |i| logistic(d, score(i))),
        "PROBIT" => map_from(cx, d, |i| probit(d, score(i))),
        "SOFTMAX" => softmax(cx, d, &shape, false, score),
        "SOFTMAX_ZERO" => softmax(cx, d, &shape, true, score),
        _ => map_from(cx, d, score),
    }
    Ok(())
}

fn logistic(d: DType, x: Expr) -> Expr {
    let e = unary(UnOp::Exp, -unary(UnOp::Abs, x.clone()));
    let v = number(d, 1.0) / (number(d, 1.0) + e);
    select(compare(CmpOp::Lt, x, number(d, 0.0)), number(d, 1.0) - v.clone(), v)
}

fn probit(d: DType, p: Expr) -> Expr {
    let c = |v: f64| number(d, v);
    let x = c(2.0) * p - c(1.0);
    let log = unary(UnOp::Log, (c(1.0) - x.clone()) * (c(1.0) + x.clone()));
    let v = c(2.0 / (std::f64::consts::PI * 0.147)) + c(0.5) * log.clone();
    let root = unary(UnOp::Sqrt, unary(UnOp::Sqrt, v.clone() * v.clone() - c(1.0 / 0.147) * log) - v);
    let size = c(std::f64::consts::SQRT_2) * root;
    select(compare(CmpOp::Lt, x, c(0.0)), -size.clone(), size)
}

fn softmax(cx: &mut ComputeCx, d: DType, shape: &[Sym], zero: bool, score: impl Fn(&[Sym]) -> Expr) {
    let (rows, classes) = (&shape[..1], &shape[1..]);
    let at = |i: &[Sym], r: &[Sym]| [i[0].clone(), r[0].clone()];
    let max = cx.k.reduce("max", d, rows, ReduceOp::Max, classes, None, |_, i, r| score(&at(i, r)));
    let above_zero = |v: Expr| compare(CmpOp::Gt, unary(UnOp::Abs, v), number(d, f64::from(0.000_000_1f32)));
    let e = cx.k.map("e", d, shape, |_, i| {
        let (v, max) = (score(i), load(max, &i[..1]));
        let e = unary(UnOp::Exp, v.clone() - max.clone());
        if zero { select(above_zero(v.clone()), e, v * unary(UnOp::Exp, -max)) } else { e }
    });
    let sum = cx.k.reduce("sum", d, rows, ReduceOp::Add, classes, None, |_, i, r| {
        let e = load(e, &at(i, r));
        if zero { select(above_zero(score(&at(i, r))), e, number(d, 0.0)) } else { e }
    });
    map_from(cx, d, |i| {
        let (e, sum) = (load(e, i), load(sum, &i[..1]));
        let y = e / sum.clone();
        if zero { select(compare(CmpOp::Eq, sum, number(d, 0.0)), number(d, 0.5), y) } else { y }
    });
}
