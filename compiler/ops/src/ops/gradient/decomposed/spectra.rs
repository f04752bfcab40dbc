//! STFT: frames of a signal, windowed, each transformed.

use super::{cast_like, number_list};
use crate::ops::gradient::rules::Cx;
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The node's output, if it is one of those.
pub(super) fn output(cx: &mut Cx, name: &str, signal: ValueId) -> Result<Option<ValueId>> {
    if name != "STFT" {
        return Ok(None);
    }
    let (given, scalar) = (cx.given(), number_list(cx, &[]));
    let part = |i: usize| given.get(i).copied().flatten();
    let window = part(2);
    let length = match (part(3), window) {
        (Some(n), _) => n,
        (None, Some(w)) => cx.op("Shape", &[w])?,
        (None, None) => cx.with("Shape", &[("start", Attr::Int(1)), ("end", Attr::Int(2))], &[signal])?,
    };
    let frames = cx.with("Shape", &[("start", Attr::Int(1)), ("end", Attr::Int(2))], &[cx.y])?;
    let step = cx.with("Cast", &[("to", Attr::Int(7))], &[cx.inputs[1]])?;
    let mut lists = vec![];
    for count in [frames, length] {
        let count = cx.with("Cast", &[("to", Attr::Int(7))], &[count])?;
        let count = cx.op("Reshape", &[count, scalar])?;
        let [from, by] = [0i64, 1].map(|v| cx.n.constant("number", Tensor::scalar(v)));
        lists.push(cx.op("Range", &[from, count, by])?);
    }
    let last = number_list(cx, &[1]);
    let starts = cx.op("Mul", &[lists[0], step])?;
    let starts = cx.op("Unsqueeze", &[starts, last])?;
    let at = cx.op("Add", &[starts, lists[1]])?;
    let mut v = cx.with("Gather", &[("axis", Attr::Int(1))], &[signal, at])?;
    // Real elements may lack the axis of parts.
    v = super::reshaped(cx, v, &[0, 0, 0, -1])?;
    if let Some(window) = window {
        let window = cast_like(cx, window, signal)?;
        let window = cx.op("Unsqueeze", &[window, last])?;
        v = cx.op("Mul", &[v, window])?;
    }
    let axis = cx.n.constant("axis", Tensor::scalar(2i64));
    let onesided = ("onesided", Attr::Int(cx.attrs.int("onesided").unwrap_or(1)));
    cx.n.emit_one("DFT", &[onesided], &[Some(v), None, Some(axis)]).map(Some)
}
