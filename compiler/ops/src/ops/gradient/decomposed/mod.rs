//! Operators that others put together are derived through them: the node's outputs are computed anew, by operators that
//! have rules.
//!
//! Ranks aren't always known where this is done, so channels are brought to a known place by `Reshape`.
//!
//! Does NOT take the place of the node: what it computes is the node's own.

mod activations;
mod attention;
mod losses;
mod norms;
mod recurrent;
mod running;
mod sampling;
mod spectra;

use super::products;
use super::rules::Cx;
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The node's first outputs by other operators, if it is one of those.
pub(super) fn outputs(cx: &mut Cx, name: &str) -> Result<Option<Vec<ValueId>>> {
    let Some(&x) = cx.inputs.first() else { return Ok(None) };
    let families = [
        activations::output,
        attention::output,
        norms::output,
        running::output,
        sampling::output,
        spectra::output,
        further,
    ];
    for family in families {
        if let Some(y) = family(cx, name, x)? {
            return Ok(Some(vec![y]));
        }
    }
    match losses::outputs(cx, name, x)? {
        Some(outputs) => Ok(Some(outputs)),
        None => recurrent::outputs(cx, name, x),
    }
}

fn further(cx: &mut Cx, name: &str, x: ValueId) -> Result<Option<ValueId>> {
    Ok(Some(match name {
        "MatMul" if cx.inputs.iter().any(|&v| cx.n.known.rank(v) == Some(1)) => products::of_vectors(cx)?,
        "Softmax" | "LogSoftmax" if cx.attrs.int("flattened") == Some(1) => {
            let rows = cx.with("Flatten", &[("axis", Attr::Int(cx.attrs.int("axis").unwrap_or(1)))], &[x])?;
            let rows = cx.with(name, &[("axis", Attr::Int(1))], &[rows])?;
            cx.shaped(rows, x)?
        }
        // Where a bound isn't reached, the element passes.
        "Clip" => {
            let (mut v, given) = (x, cx.given());
            for (i, test) in [(1, "Less"), (2, "Greater")] {
                if let Some(bound) = given.get(i).copied().flatten() {
                    let bound = cx.op("CastLike", &[bound, x])?;
                    let beyond = cx.op(test, &[v, bound])?;
                    v = cx.op("Where", &[beyond, bound, v])?;
                }
            }
            v
        }
        _ => return Ok(None),
    }))
}

/// A number that an attribute gives.
fn parameter(cx: &mut Cx, name: &str, default: f32) -> Result<ValueId> {
    cx.number(f64::from(cx.attrs.float(name).unwrap_or(default)))
}

/// slope x + offset.
fn linear(cx: &mut Cx, x: ValueId, slope: f64, offset: f64) -> Result<ValueId> {
    let (slope, offset) = (cx.number(slope)?, cx.number(offset)?);
    let scaled = cx.op("Mul", &[x, slope])?;
    cx.op("Add", &[scaled, offset])
}

/// A reshaped tensor; 0 keeps an extent.
fn reshaped(cx: &mut Cx, x: ValueId, shape: &[i64]) -> Result<ValueId> {
    let shape = cx.n.constant("shape", Tensor::from_slice(&[shape.len()], shape));
    cx.op("Reshape", &[x, shape])
}

/// A list of integers.
fn number_list(cx: &mut Cx, list: &[i64]) -> ValueId {
    cx.n.constant("list", Tensor::from_slice(&[list.len()], list))
}

/// A part of a shape.
#[derive(Clone, Copy)]
enum Extent {
    Int(i64),
    /// Axes of a tensor, from one up to another.
    Of(ValueId, i64, i64),
}

/// A shape of such parts.
fn shape(cx: &mut Cx, parts: &[Extent]) -> Result<ValueId> {
    let mut lists = vec![];
    for part in parts {
        lists.push(match *part {
            Extent::Int(n) => number_list(cx, &[n]),
            Extent::Of(v, from, to) => cx.with("Shape", &[("start", Attr::Int(from)), ("end", Attr::Int(to))], &[v])?,
        });
    }
    cx.with("Concat", &[("axis", Attr::Int(0))], &lists)
}

/// A tensor reshaped to such parts.
fn shaped_as(cx: &mut Cx, x: ValueId, parts: &[Extent]) -> Result<ValueId> {
    let shape = shape(cx, parts)?;
    cx.op("Reshape", &[x, shape])
}

/// A value of the dtype of another one.
fn cast_like(cx: &mut Cx, x: ValueId, like: ValueId) -> Result<ValueId> {
    cx.op("CastLike", &[x, like])
}

/// Elements `from..to` along an axis, by constants.
fn slice(cx: &mut Cx, x: ValueId, axis: i64, from: i64, to: i64) -> Result<ValueId> {
    let (from, to, axis) = (number_list(cx, &[from]), number_list(cx, &[to]), number_list(cx, &[axis]));
    cx.op("Slice", &[x, from, to, axis])
}
