//! FlexAttention (ai.onnx.preview): attention whose scores and weights pass through graphs of the model.
//!
//! Since 1. The softmax, and both graphs, are of dtype `softmax_precision`: f32 by default, f64 for f64. The graphs stand
//! in the node's place, between its parts.

use super::{inner, need};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// FlexAttention.
pub static FLEX: OpDef = OpDef::composed("ai.onnx.preview", "FlexAttention", &[(1, import)]);

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let (q, k, v) = (need(n, 0)?, need(n, 1)?, need(n, 2)?);
    let mut attrs = vec![("wide", Attr::Int(1))];
    attrs.extend(n.opt_float("scale")?.map(|s| ("scale", Attr::Float(s))));
    attrs.extend(n.opt_int("softmax_precision")?.map(|p| ("precision", Attr::Int(p))));
    let scores = n.emit(inner("AttentionScores"), &attrs, &[Some(q), Some(k)], 1)?[0];
    let scores = pass_through(n, "score_mod", scores)?;
    let weights = n.emit_one("Softmax", &[("axis", Attr::Int(-1))], &[Some(scores)])?;
    let weights = pass_through(n, "prob_mod", weights)?;
    let y = n.emit(inner("AttentionValues"), &[], &[Some(weights), Some(v), Some(q)], 1)?[0];
    let y = n.emit_one("CastLike", &[], &[Some(y), Some(v)])?;
    n.become_values(vec![y])
}

/// A value, or what the graph of an attribute makes of it.
fn pass_through(n: &mut NodeReader, name: &str, v: ValueId) -> Result<ValueId> {
    let Some(results) = n.inline_graph(name, &[v])? else { return Ok(v) };
    match results[..] {
        [one] => Ok(one),
        _ => Err(n.error("E2011", format!("graph '{name}' has {} outputs", results.len())).expected("one")),
    }
}
