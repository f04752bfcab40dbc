//! The parts of attention as products of stacks of matrices. Queries of all heads that share a head of keys are rows of one
//! matrix.

use super::{Extent, number_list, shaped_as};
use crate::ops::gradient::rules::Cx;
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// The node's output, if it is one of those. How many axes its inputs have must be known.
pub(super) fn output(cx: &mut Cx, name: &str, x: ValueId) -> Result<Option<ValueId>> {
    match name {
        "AttentionScores" => scores(cx, x),
        "AttentionValues" => values(cx, x),
        "AttentionWeights" => weights(cx, x).map(Some),
        "AttentionCache" => {
            let Some(x) = heads(cx, x, "heads")? else { return Ok(None) };
            Ok(Some(match cx.given().get(1).copied().flatten() {
                Some(past) => cx.with("Concat", &[("axis", Attr::Int(2))], &[past, x])?,
                None => x,
            }))
        }
        _ => Ok(None),
    }
}

/// A tensor as [batch, heads, sequence, size].
fn heads(cx: &mut Cx, x: ValueId, count: &str) -> Result<Option<ValueId>> {
    let packed = match (cx.attrs.int(count), cx.n.known.rank(x)) {
        (None, _) | (_, Some(4)) => return Ok(Some(x)),
        (Some(count), Some(3)) => count,
        _ => return Ok(None),
    };
    let split = super::reshaped(cx, x, &[0, 0, packed, -1])?;
    cx.with("Transpose", &[("perm", Attr::Ints(vec![0, 2, 1, 3]))], &[split]).map(Some)
}

/// Rows of all heads that share one of `shared`.
fn grouped(cx: &mut Cx, rows: ValueId, shared: ValueId) -> Result<ValueId> {
    shaped_as(cx, rows, &[Extent::Of(shared, 0, 2), Extent::Int(-1), Extent::Of(rows, 3, 4)])
}

fn scores(cx: &mut Cx, q: ValueId) -> Result<Option<ValueId>> {
    let (k, y, given) = (cx.inputs[1], cx.y, cx.given());
    let (Some(q), Some(k)) = (heads(cx, q, "heads")?, heads(cx, k, "kv_heads")?) else { return Ok(None) };
    let rows = grouped(cx, q, k)?;
    let op = OpName { domain: "com.microsoft".into(), name: "FusedMatMul".into() };
    let products = cx.n.emit(op, &[("transB", Attr::Int(1))], &[Some(rows), Some(k)], 1)?[0];
    let products = cx.op("CastLike", &[products, y])?;
    let products = cx.shaped(products, y)?;
    let scale = match cx.attrs.float("scale") {
        Some(s) => cx.number(f64::from(s))?,
        None => {
            let size = cx.with("Shape", &[("start", Attr::Int(-1))], &[q])?;
            let size = cx.op("CastLike", &[size, y])?;
            let root = cx.op("Sqrt", &[size])?;
            cx.op("Reciprocal", &[root])?
        }
    };
    let mut v = cx.op("Mul", &[products, scale])?;
    let softcap = f64::from(cx.attrs.float("softcap").unwrap_or(0.0));
    if softcap > 0.0 {
        let most = cx.number(softcap)?;
        let part = cx.op("Div", &[v, most])?;
        let part = cx.op("Tanh", &[part])?;
        v = cx.op("Mul", &[part, most])?;
    }
    let part = |i: usize| given.get(i).copied().flatten();
    if let Some(mask) = part(2).filter(|_| cx.asked(2)) {
        let mask = cx.op("CastLike", &[mask, y])?;
        v = cx.op("Add", &[v, mask])?;
    }
    let positions = ["left", "right"].iter().any(|name| cx.attrs.int(name).is_some());
    if part(2).is_some() || part(3).is_some() || positions || cx.attrs.int("causal") == Some(1) {
        // What is masked is -inf, whatever the product is.
        let never = cx.number(f64::NEG_INFINITY)?;
        let masked = cx.op("Equal", &[y, never])?;
        v = cx.op("Where", &[masked, never, v])?;
    }
    Ok(Some(v))
}

/// e^x over the row's sum, in which a sink takes part; all is 0 where nothing is attended to.
fn weights(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let (never, zero, one) = (cx.number(f64::NEG_INFINITY)?, cx.number(0.0)?, cx.number(1.0)?);
    let axis = number_list(cx, &[-1]);
    let most = cx.op("ReduceMax", &[x, axis])?;
    let none = cx.op("Equal", &[most, never])?;
    let from = cx.op("Where", &[none, zero, most])?;
    // Any number may be taken off: the derivative by this one is nothing.
    let from = detached(cx, from)?;
    let masked = cx.op("Equal", &[x, never])?;
    let x = cx.op("Where", &[masked, from, x])?;
    let less = cx.op("Sub", &[x, from])?;
    let powers = cx.op("Exp", &[less])?;
    let powers = cx.op("Where", &[masked, zero, powers])?;
    let mut total = cx.op("ReduceSum", &[powers, axis])?;
    let sink = match cx.given().get(1).copied().flatten() {
        Some(sink) => {
            let sink = cx.op("CastLike", &[sink, x])?;
            Some(super::reshaped(cx, sink, &[-1, 1, 1])?)
        }
        None if cx.attrs.int("smooth") == Some(1) => Some(zero),
        None => None,
    };
    if let Some(sink) = sink {
        let less = cx.op("Sub", &[sink, from])?;
        let power = cx.op("Exp", &[less])?;
        total = cx.op("Add", &[total, power])?;
    }
    let none = cx.op("Equal", &[total, zero])?;
    let total = cx.op("Where", &[none, one, total])?;
    cx.op("Div", &[powers, total])
}

/// A value through which no derivative goes: whole numbers have none.
fn detached(cx: &mut Cx, v: ValueId) -> Result<ValueId> {
    cx.op("Floor", &[v])
}

fn values(cx: &mut Cx, weights: ValueId) -> Result<Option<ValueId>> {
    let (v, q, y) = (cx.inputs[1], cx.inputs[2], cx.y);
    let (Some(v), Some(axes)) = (heads(cx, v, "heads")?, cx.n.known.rank(q)) else { return Ok(None) };
    let rows = grouped(cx, weights, v)?;
    let v = cx.op("CastLike", &[v, weights])?;
    let products = cx.op("MatMul", &[rows, v])?;
    let whole = shaped_as(cx, products, &[Extent::Of(weights, 0, 3), Extent::Of(v, 3, 4)])?;
    let whole = match axes {
        3 => cx.with("Transpose", &[("perm", Attr::Ints(vec![0, 2, 1, 3]))], &[whole])?,
        _ => whole,
    };
    cx.op("CastLike", &[whole, y]).map(Some)
}
