//! Operators that give elements other shapes, or repeat them; Concat and Split.

use super::rules::{Cx, Found, filled};
use crate::prelude::*;
use onnxc_ir::graph::{NodeId, OpName, ValueId};

/// The shares of a node's inputs by a rule of this file, if it has one.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Found> {
    let (g, all) = (cx.g, cx.inputs.clone());
    let Some(&x) = all.first() else { return Ok(None) };
    let share = match name {
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "MergeHeads" => cx.shaped(g, x)?,
        "Expand" => cx.sum_to(g, x)?,
        "SumTo" => {
            let shape = cx.op("Shape", &[x])?;
            cx.op("Expand", &[g, shape])?
        }
        "Transpose" => {
            let inverse = cx.attrs.ints("perm").map(inverse);
            let attrs: Vec<_> = inverse.map(|p| ("perm", Attr::Ints(p))).into_iter().collect();
            cx.with("Transpose", &attrs, &[g])?
        }
        "Concat" => return parts(cx, &all).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(vec![Some(share)]))
}

/// The order that undoes one.
fn inverse(perm: &[i64]) -> Vec<i64> {
    let rank = perm.len() as i64;
    (0..rank).map(|a| perm.iter().position(|&p| (p + rank) % rank.max(1) == a).map_or(a, |k| k as i64)).collect()
}

/// What was put together is taken apart.
fn parts(cx: &mut Cx, inputs: &[ValueId]) -> Result<Vec<Option<ValueId>>> {
    let (axis, g) = (cx.attrs.int("axis").unwrap_or(0), cx.g);
    let mut window = vec![("start", Attr::Int(axis))];
    if axis != -1 {
        window.push(("end", Attr::Int(axis + 1)));
    }
    let lengths = inputs.iter().map(|&x| cx.with("Shape", &window, &[x])).collect::<Result<Vec<_>>>()?;
    let lengths = cx.with("Concat", &[("axis", Attr::Int(0))], &lengths)?;
    let attrs = [("axis", Attr::Int(axis))];
    let parts = cx.n.emit(OpName::onnx("Split"), &attrs, &[Some(g), Some(lengths)], inputs.len())?;
    Ok(parts.into_iter().map(Some).collect())
}

/// What Split took apart is put together; parts that nothing depends on have no derivative.
pub(super) fn joined(n: &mut NodeReader, id: NodeId, from: &[Option<ValueId>]) -> Result<Vec<Option<ValueId>>> {
    let (axis, outputs) = (n.graph.nodes[id].attrs.int("axis").unwrap_or(0), n.graph.nodes[id].outputs.clone());
    let mut parts = vec![];
    for (&y, g) in outputs.iter().zip(from) {
        parts.push(Some(g.map_or_else(|| filled(n, 0.0, y), Ok)?));
    }
    Ok(vec![Some(n.emit_one("Concat", &[("axis", Attr::Int(axis))], &parts)?)])
}
