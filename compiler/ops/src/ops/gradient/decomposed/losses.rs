//! The losses of classifiers: what the labels pick of logarithms of probabilities.

use super::number_list;
use crate::ops::gradient::rules::Cx;
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The node's outputs, if it is one of those: the loss, and the logarithms.
pub(super) fn outputs(cx: &mut Cx, name: &str, x: ValueId) -> Result<Option<Vec<ValueId>>> {
    Ok(match name {
        "NegativeLogLikelihoodLoss" => Some(vec![loss(cx, x)?]),
        "SoftmaxCrossEntropyLoss" => {
            let log = cx.with("LogSoftmax", &[("axis", Attr::Int(1))], &[x])?;
            Some(vec![loss(cx, log)?, log])
        }
        _ => None,
    })
}

fn loss(cx: &mut Cx, log: ValueId) -> Result<ValueId> {
    let (labels, axis, given) = (cx.inputs[1], number_list(cx, &[1]), cx.given());
    let zero = cx.number(0.0)?;
    let none = cx.n.constant("none", Tensor::scalar(0i64));
    let mut labels = cx.with("Cast", &[("to", Attr::Int(7))], &[labels])?;
    let mut ignored = None;
    if let Some(index) = cx.attrs.int("ignore_index") {
        let index = cx.n.constant("ignored", Tensor::scalar(index));
        let equal = cx.op("Equal", &[labels, index])?;
        labels = cx.op("Where", &[equal, none, labels])?;
        ignored = Some(equal);
    }
    let at = cx.op("Unsqueeze", &[labels, axis])?;
    let own = cx.with("GatherElements", &[("axis", Attr::Int(1))], &[log, at])?;
    let own = cx.op("Squeeze", &[own, axis])?;
    let weights = given.get(2).copied().flatten();
    let mut weight = match weights {
        Some(w) => cx.op("Gather", &[w, labels])?,
        None => super::super::rules::filled(cx.n, 1.0, own)?,
    };
    if let Some(ignored) = ignored {
        weight = cx.op("Where", &[ignored, zero, weight])?;
    }
    let minus = cx.op("Neg", &[own])?;
    let each = cx.op("Mul", &[minus, weight])?;
    let sum = [("keepdims", Attr::Int(0))];
    match cx.attrs.str("reduction") {
        Some("none") => Ok(each),
        Some("sum") => cx.with("ReduceSum", &sum, &[each]),
        _ => {
            let (total, over) = (cx.with("ReduceSum", &sum, &[each])?, cx.with("ReduceSum", &sum, &[weight])?);
            cx.op("Div", &[total, over])
        }
    }
}
