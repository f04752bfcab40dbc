//! Short forms for nodes over tokens. Shapes are lists of 64-bit integers, of which shape arithmetic knows the elements.

use super::super::{emit, ints};
use crate::prelude::*;
use onnxc_base::tensor::Element;
use onnxc_ir::graph::{OpName, ValueId};
use onnxc_onnx::dtype::to_onnx;

/// An operator without attributes.
pub(super) fn op(n: &mut NodeReader, name: &str, inputs: &[ValueId]) -> Result<ValueId> {
    emit(n, name, &[], inputs)
}

/// An operator with an axis.
pub(super) fn along(n: &mut NodeReader, name: &str, axis: i64, inputs: &[ValueId]) -> Result<ValueId> {
    emit(n, name, &[("axis", Attr::Int(axis))], inputs)
}

/// A number by itself.
pub(super) fn scalar<T: Element>(n: &mut NodeReader, value: T) -> ValueId {
    n.constant("number", Tensor::scalar(value))
}

/// A list of one integer.
pub(super) fn item(n: &mut NodeReader, value: i64) -> ValueId {
    ints(n, "item", &[value])
}

/// An operator with a list of axes as its last input.
pub(super) fn at_axes(n: &mut NodeReader, name: &str, v: ValueId, axes: &[i64]) -> Result<ValueId> {
    let axes = ints(n, "axes", axes);
    op(n, name, &[v, axes])
}

/// Another element type.
pub(super) fn as_type(n: &mut NodeReader, v: ValueId, dtype: DType) -> Result<ValueId> {
    emit(n, "Cast", &[("to", Attr::Int(i64::from(to_onnx(dtype))))], &[v])
}

/// An extent, as a list of one.
pub(super) fn extent(n: &mut NodeReader, v: ValueId, axis: i64) -> Result<ValueId> {
    emit(n, "Shape", &[("start", Attr::Int(axis)), ("end", Attr::Int(axis + 1))], &[v])
}

/// A list of lists.
pub(super) fn list(n: &mut NodeReader, parts: &[ValueId]) -> Result<ValueId> {
    along(n, "Concat", 0, parts)
}

/// A tensor of one number, of a shape that is a list of lists.
pub(super) fn filled<T: Element>(n: &mut NodeReader, value: T, shape: &[ValueId]) -> Result<ValueId> {
    let shape = list(n, shape)?;
    emit(n, "ConstantOfShape", &[("value", Attr::Tensor(Tensor::from_slice(&[1], &[value])))], &[shape])
}

/// Another shape, a list of lists.
pub(super) fn shaped(n: &mut NodeReader, v: ValueId, shape: &[ValueId]) -> Result<ValueId> {
    let shape = list(n, shape)?;
    op(n, "Reshape", &[v, shape])
}

/// The numbers from 0 to an extent, a list of one.
pub(super) fn counted(n: &mut NodeReader, extent: ValueId) -> Result<ValueId> {
    let (zero, one) = (scalar(n, 0i64), scalar(n, 1i64));
    let end = at_axes(n, "Squeeze", extent, &[0])?;
    op(n, "Range", &[zero, end, one])
}

/// The slice at one place of an axis, which may count from the end, without that axis.
pub(super) fn place(n: &mut NodeReader, v: ValueId, axis: i64, at: i64) -> Result<ValueId> {
    let at = scalar(n, at);
    along(n, "Gather", axis, &[v, at])
}

/// An input of one number, as a list of one of a dtype.
pub(super) fn given(n: &mut NodeReader, v: ValueId, dtype: DType) -> Result<ValueId> {
    let v = super::super::reshape(n, v, &[1])?;
    as_type(n, v, dtype)
}

/// Marks for as many things as a number says, at most as many as `most` has: a run that says more is refused. Their extent
/// is a symbol like those of shapes to shape arithmetic, also where the number is an element of an input.
pub(super) fn marks(n: &mut NodeReader, count: ValueId, most: ValueId) -> Result<ValueId> {
    let count = given(n, count, DType::I64)?;
    Ok(n.emit(OpName::onnx("TopK"), &[], &[Some(most), Some(count)], 2)?[0])
}
