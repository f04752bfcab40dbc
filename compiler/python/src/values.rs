//! Python objects to values of any kind and back, guided by the type text of a port.
//!
//! A tensor is an array, a sequence a list (or tuple), an optional None or what it holds, a map a dict.

use crate::arrays::{For, to_array, to_tensor};
use crate::errors::problem;
use onnxc_base::{DType, Diagnostic, Map, Tensor, Value};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

/// The value of an input from what Python gives for it.
pub fn to_value(given: &Bound<'_, PyAny>, input: &str, ty: &str) -> PyResult<Value> {
    let py = given.py();
    let misfit = || {
        let found = given.get_type().name().map_or_else(|_| String::new(), |n| n.to_string());
        problem(py, Diagnostic::error("E6011", format!("input '{input}' is of class {found}")).expected(ty))
    };
    let (kind, inner) = split(ty).ok_or_else(misfit)?;
    match kind {
        "tensor" => {
            let dtype = DType::from_type_word(inner).ok_or_else(misfit)?;
            to_tensor(given, &For { input, dtype }).map(Value::Tensor)
        }
        "optional" if given.is_none() => Ok(Value::Optional(None)),
        "optional" => Ok(Value::Optional(Some(Box::new(to_value(given, input, inner)?)))),
        "seq" if given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>() => {
            let items = given.try_iter()?.map(|i| to_value(&i?, input, inner)).collect::<PyResult<_>>()?;
            Ok(Value::Sequence(items))
        }
        "map" => map(given.cast::<PyDict>().map_err(|_| misfit())?, input, inner),
        _ => Err(misfit()),
    }
}

/// `kind(inner)`.
fn split(ty: &str) -> Option<(&str, &str)> {
    let (kind, rest) = ty.split_once('(')?;
    Some((kind, rest.strip_suffix(')')?))
}

/// A dict as the two tensors of a map, whose type is `key,tensor(value)`.
fn map(given: &Bound<'_, PyDict>, input: &str, ty: &str) -> PyResult<Value> {
    let unknown = || problem(given.py(), Diagnostic::error("E6011", format!("input '{input}' is a map")).expected(ty));
    let (key, value) = ty.split_once(',').ok_or_else(unknown)?;
    let value = split(value.trim()).map_or(value.trim(), |(_, inner)| inner);
    let tensor = |items: Bound<'_, PyList>, word: &str| -> PyResult<Tensor> {
        to_tensor(items.as_any(), &For { input, dtype: DType::from_type_word(word).ok_or_else(unknown)? })
    };
    let (keys, values) = (tensor(given.keys(), key.trim())?, tensor(given.values(), value)?);
    if values.shape() != keys.shape() {
        return Err(unknown());
    }
    Ok(Value::Map(Box::new(Map { keys, values })))
}

/// What Python gets for a value.
pub fn to_object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Tensor(t) => to_array(py, t)?,
        Value::Optional(None) => py.None().into_bound(py),
        Value::Optional(Some(v)) => to_object(py, v)?,
        Value::Sequence(items) => {
            let items = items.iter().map(|v| to_object(py, v)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Value::Map(m) => {
            let list = |t: &Tensor| to_array(py, t)?.call_method0("tolist");
            let pairs = py.import("builtins")?.call_method1("zip", (list(&m.keys)?, list(&m.values)?))?;
            py.import("builtins")?.call_method1("dict", (pairs,))?
        }
    })
}
