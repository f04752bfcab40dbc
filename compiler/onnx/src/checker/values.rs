//! Declared types: complete, of known element types, with possible extents.

use super::Checker;
use crate::dtype;
use crate::messages::{TensorType, TypeProto, ValueInfoProto, type_proto::Value};
use crate::tensor::shape_of;
use onnxc_base::{DType, Diagnostic};

/// Whether a declaration may leave its type out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Inputs of the main graph: nothing else could tell.
    Type,
    /// Anything that inference finds out.
    Nothing,
}

/// Checks one declared value.
pub(super) fn check(cx: &mut Checker<'_>, what: &str, v: &ValueInfoProto, need: Need) {
    let value = v.ty.as_ref().filter(|t| t.value.is_some());
    let problem = match value {
        // Exporters write element type 0 where they don't know it; inference will.
        Some(TypeProto { value: Some(Value::Tensor(t)), .. }) if need == Need::Nothing && t.elem_type == 0 => {
            check_shape(t, cx.model.limits.max_elements).err()
        }
        Some(t) => check_type(t, cx.model.limits.max_elements).err(),
        None if need == Need::Type => Some(
            Diagnostic::error("E1050", format!("{what} has no type"))
                .expected("a tensor type with an element type")
                .help("declare the input's type and, if known, its shape"),
        ),
        None => None,
    };
    if let Some(d) = problem {
        cx.report(d.tensor(&v.name));
    }
}

/// Checks a type. Recursion ends: loading bounds how deep types nest.
pub(super) fn check_type(t: &TypeProto, max_elements: usize) -> Result<(), Diagnostic> {
    let inner = |what: &str, t: &Option<Box<TypeProto>>| match t {
        Some(t) => check_type(t, max_elements),
        None => Err(incomplete(format!("{what} without an element type"))),
    };
    match &t.value {
        None => Err(incomplete("a type that doesn't say which".into())),
        Some(Value::Tensor(t) | Value::SparseTensor(t)) => check_tensor(t, max_elements),
        Some(Value::Sequence(s)) => inner("a sequence", &s.elem_type),
        Some(Value::Optional(o)) => inner("an optional", &o.elem_type),
        Some(Value::Opaque(_)) => Ok(()),
        Some(Value::Map(m)) => {
            let key = element(m.key_type)?;
            if !key.is_int() && key != DType::String {
                return Err(incomplete(format!("a map with keys of type {key}")).expected("an integer type or string"));
            }
            inner("a map", &m.value_type)
        }
    }
}

fn check_tensor(t: &TensorType, max_elements: usize) -> Result<(), Diagnostic> {
    element(t.elem_type)?;
    check_shape(t, max_elements)
}

fn check_shape(t: &TensorType, max_elements: usize) -> Result<(), Diagnostic> {
    let fixed: Vec<i64> = t.dims().unwrap_or_default().iter().filter_map(|d| d.fixed()).collect();
    shape_of(&fixed, max_elements).map(|_| ()).map_err(|d| {
        Diagnostic { code: "E1052", ..d }.help("correct the declared type; an unknown extent has a name or nothing")
    })
}

fn element(number: i32) -> Result<DType, Diagnostic> {
    dtype::from_onnx(number)
        .ok_or_else(|| incomplete(format!("element type {number}")).expected("1 to 28, as of ONNX 1.23"))
}

fn incomplete(found: String) -> Diagnostic {
    Diagnostic::error("E1051", found).help("complete the declared type, or export the model again")
}
