//! What goes along an axis, each element from those before it: running products, convolutions over the past.

use super::{Extent, cast_like, number_list, shape, slice};
use crate::infer::unknown_type;
use crate::ops::gradient::rules::{Cx, filled};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, Region, ValueId};

/// The node's first output, if it is one of those.
pub(super) fn output(cx: &mut Cx, name: &str, x: ValueId) -> Result<Option<ValueId>> {
    match name {
        "CumProd" => products(cx, x),
        "CausalConvWithState" => causal(cx, x),
        _ => Ok(None),
    }
}

/// A Scan that carries the product so far.
fn products(cx: &mut Cx, x: ValueId) -> Result<Option<ValueId>> {
    let axis = cx.n.graph.constant(cx.inputs[1]).and_then(Tensor::to_f64);
    let Some(&[axis]) = axis.as_deref() else { return Ok(None) };
    let axes = number_list(cx, &[axis as i64]);
    let sums = cx.with("ReduceSum", &[("keepdims", Attr::Int(0))], &[x, axes])?;
    let ones = filled(cx.n, 1.0, sums)?;
    let [before, own] = ["product", "x"].map(|hint| cx.n.param(hint, unknown_type()));
    let emitted = cx.n.emitted().len();
    let after = cx.op("Mul", &[before, own])?;
    let exclusive = cx.attrs.int("exclusive") == Some(1);
    let out = cx.op("Identity", &[if exclusive { before } else { after }])?;
    let nodes = cx.n.take_emitted(emitted);
    let region = Region { params: vec![before, own], nodes, results: vec![after, out] };
    let mut attrs = Attrs::default().with("num_scan_inputs", Attr::Int(1));
    let back = cx.attrs.int("reverse").unwrap_or(0);
    for kind in ["input", "output"] {
        attrs.set(&format!("scan_{kind}_axes"), Attr::Ints(vec![axis as i64]));
        attrs.set(&format!("scan_{kind}_directions"), Attr::Ints(vec![back]));
    }
    let made = cx.n.emit_regions(OpName::onnx("Scan"), attrs, &[Some(ones), Some(x)], 2, vec![region]);
    Ok(Some(made[1]))
}

/// A convolution of each channel over the past and the input. How many channels there are must be known.
fn causal(cx: &mut Cx, x: ValueId) -> Result<Option<ValueId>> {
    let (w, given) = (cx.inputs[1], cx.given());
    let channels = [w, x].into_iter().zip([0, 1]).find_map(|(v, axis)| *cx.n.known.extents(v)?.get(axis)?);
    let Some(channels) = channels else { return Ok(None) };
    let part = |i: usize| given.get(i).copied().flatten();
    let past = match part(3) {
        Some(past) => past,
        None => {
            // As many zeros as there are taps but one.
            let zero = cx.number(0.0)?;
            let taps = shape(cx, &[Extent::Of(x, 0, 2), Extent::Of(w, 2, 3)])?;
            let zeros = cx.op("Expand", &[zero, taps])?;
            slice(cx, zeros, 2, 1, i64::MAX)?
        }
    };
    let all = cx.with("Concat", &[("axis", Attr::Int(2))], &[past, x])?;
    let inputs = [Some(all), Some(w), part(2)];
    let y = cx.n.emit_one("Conv", &[("group", Attr::Int(channels))], &inputs)?;
    let y = cast_like(cx, y, cx.y)?;
    if cx.attrs.int("silu") != Some(1) {
        return Ok(Some(y));
    }
    let gate = cx.op("Sigmoid", &[y])?;
    cx.op("Mul", &[y, gate]).map(Some)
}
