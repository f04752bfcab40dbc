//! Operators of the domain com.microsoft, as ONNX Runtime's documentation of its contrib operators defines them
//! (docs/ContribOperators.md of microsoft/onnxruntime): what exported and optimised transformers and detectors use.
//!
//! Those that are operators of ONNX under another name, or a few of them put together, become these on import.
//! Ranks that only inference knows matter to few of them; these look at what the file declares, and at the nodes before.

pub mod attend;
pub mod beams;
pub mod bias;
pub mod bnb4;
mod cache_bytes;
pub mod channels_last;
pub mod crop;
pub mod experts;
pub mod fused;
pub mod fused_matmul;
pub mod gated;
pub mod gather_quantised;
pub mod generate;
pub mod grouped;
pub mod hash;
pub mod inverse;
pub mod mask;
pub mod misc;
pub mod nbits;
pub mod ngram;
pub mod norm;
pub mod packed;
pub mod position;
pub mod quantised;
pub mod relative;
pub mod renamed;
pub mod signal;
pub mod sparse;
pub mod tokenizer;

use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueDef, ValueId};

/// Their domain.
const DOMAIN: &str = "com.microsoft";

/// An operator that only imports make.
fn inner(name: &str) -> OpName {
    OpName { domain: super::INNER.into(), name: name.into() }
}

/// Input `i`, if it is there.
fn opt(n: &NodeReader, i: usize) -> Option<ValueId> {
    n.inputs.get(i).copied().flatten()
}

/// Input `i`; an error if it is absent.
fn need(n: &NodeReader, i: usize) -> Result<ValueId> {
    opt(n, i).ok_or_else(|| n.error("E2001", format!("input {i} is missing")).help("the operator needs it"))
}

/// An error if input `i` is there: what it asks for isn't supported.
fn unsupported(n: &NodeReader, i: usize, what: &str) -> Result<()> {
    match opt(n, i) {
        Some(_) => Err(n.error("E2020", format!("input {i}, {what}, is not supported yet"))),
        None => Ok(()),
    }
}

/// Emits a node of ONNX's own domain; gives its first output.
fn emit(n: &mut NodeReader, op: &str, attrs: &[(&str, Attr)], inputs: &[ValueId]) -> Result<ValueId> {
    let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
    n.emit_one(op, attrs, &inputs)
}

/// A constant list of integers.
fn ints(n: &mut NodeReader, hint: &str, values: &[i64]) -> ValueId {
    n.constant(hint, Tensor::from_slice(&[values.len()], values))
}

/// The rank of a value, if the file or an initializer says it, or nodes before it do.
fn rank(n: &NodeReader, v: ValueId) -> Option<usize> {
    rank_within(n, v, 64)
}

/// The same, through so many nodes at most: files that optimisers write declare no types between them.
fn rank_within(n: &NodeReader, v: ValueId, left: usize) -> Option<usize> {
    let data = &n.graph.values[v];
    if let Some(t) = data.ty.as_tensor() {
        return Some(t.rank());
    }
    let ValueDef::Node(id, _) = data.def else { return None };
    let node = Some(&n.graph.nodes[id]).filter(|node| left > 0 && node.op.domain.is_empty())?;
    let of = |i: usize| rank_within(n, node.inputs.get(i).copied().flatten()?, left - 1);
    match node.op.name.as_str() {
        "Transpose" => node.attrs.ints("perm").map(<[i64]>::len).or_else(|| of(0)),
        "Conv" | "ConvTranspose" | "ConvInteger" => of(1).or_else(|| of(0)),
        "QLinearConv" => of(3).or_else(|| of(0)),
        "MaxPool" | "AveragePool" => node.attrs.ints("kernel_shape").map(|k| k.len() + 2),
        "GlobalAveragePool" | "GlobalMaxPool" | "BatchNormalization" | "DequantizeLinear" | "QuantizeLinear"
        | "Cast" | "Identity" | "Relu" | "Clip" | "LeakyRelu" | "Sigmoid" | "HardSigmoid" | "HardSwish" | "Concat" => {
            of(0)
        }
        "Add" | "Sub" | "Mul" | "Div" => Some(of(0)?.max(of(1)?)),
        _ => None,
    }
}

/// The last extent of a value as a list of one element, known to shape arithmetic where the extent is.
fn last_extent(n: &mut NodeReader, v: ValueId) -> Result<ValueId> {
    emit(n, "Shape", &[("start", Attr::Int(-1))], &[v])
}

/// The elements from `from` to `to` along an axis.
fn slice(n: &mut NodeReader, v: ValueId, from: ValueId, to: ValueId, axis: i64) -> Result<ValueId> {
    let axis = ints(n, "axis", &[axis]);
    emit(n, "Slice", &[], &[v, from, to, axis])
}

/// Another shape of a value, as Reshape reads it.
fn reshape(n: &mut NodeReader, v: ValueId, shape: &[i64]) -> Result<ValueId> {
    let shape = ints(n, "shape", shape);
    emit(n, "Reshape", &[], &[v, shape])
}

/// a + b where there is a b.
fn plus(n: &mut NodeReader, a: ValueId, b: Option<ValueId>) -> Result<ValueId> {
    b.map_or(Ok(a), |b| emit(n, "Add", &[], &[a, b]))
}
