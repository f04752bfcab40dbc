//! Operators of the domain ai.onnx.ml: trees, linear models, support vector machines, scalers, encoders.
//!
//! Models are taken apart on import into operators of ONNX and a few of our own ([`INNER`]): scores, then what
//! [`post`] makes of them, then labels.
//! What the standard leaves open (two classes and one column of scores, mostly) is as ONNX Runtime has it.

pub mod encode;
pub mod features;
mod labels;
pub mod linear;
pub mod post;
pub mod scale;
pub mod svm;
pub mod svm_parts;
pub mod tree;

use super::INNER;
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// Their domain.
const DOMAIN: &str = "ai.onnx.ml";

/// The name of an operator that only imports make.
fn inner(name: &str) -> OpName {
    OpName { domain: INNER.into(), name: name.into() }
}

/// ONNX's number for f32.
const FLOAT: i64 = 1;
/// ONNX's number for i64.
const INT64: i64 = 7;

/// Emits a node of ONNX's own domain; gives its first output.
fn emit(n: &mut NodeReader, op: &str, attrs: &[(&str, Attr)], inputs: &[ValueId]) -> Result<ValueId> {
    let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
    n.emit_one(op, attrs, &inputs)
}

/// A constant list of floats.
fn floats(n: &mut NodeReader, hint: &str, shape: &[usize], values: &[f32]) -> ValueId {
    n.constant(hint, Tensor::from_slice(shape, values))
}

/// Input `i`, which must be there.
fn input(n: &NodeReader, i: usize) -> Result<ValueId> {
    let found = n.inputs.get(i).copied().flatten();
    found.ok_or_else(|| n.error("E2001", format!("input {i} is missing")).help("check the exporter"))
}

/// Input 0 as a matrix of rows of `width` features, in f32. A list of features is one row.
fn rows(n: &mut NodeReader, width: usize) -> Result<ValueId> {
    let x = input(n, 0)?;
    let shape = n.constant("rows", Tensor::from_slice(&[2], &[-1, width as i64]));
    let x = emit(n, "Reshape", &[], &[x, shape])?;
    emit(n, "Cast", &[("to", Attr::Int(FLOAT))], &[x])
}

/// x * m' + c for a constant matrix m of rows of `width` and a list c of as many numbers as m has rows.
fn affine(n: &mut NodeReader, x: ValueId, m: &[f32], width: usize, c: &[f32]) -> Result<ValueId> {
    let m = floats(n, "matrix", &[m.len() / width.max(1), width], m);
    let c = floats(n, "offsets", &[c.len()], c);
    emit(n, "Gemm", &[("transB", Attr::Int(1))], &[x, m, c])
}

/// An error if an attribute hasn't as many elements as others make it need.
fn must_have(n: &NodeReader, name: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(n.error("E2011", format!("attribute '{name}' has {found} elements")).expected(format!("{expected}")))
}
