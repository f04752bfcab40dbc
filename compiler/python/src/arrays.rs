//! NumPy arrays to tensors and back.
//!
//! Afterwards a tensor made from a contiguous array shares the array's memory and keeps the array alive; an array made
//! from a tensor shares the tensor's, as NumPy, too, gives elements of less than a byte one each. Signed ones of those
//! are copied on the way out. So are strings, both ways. Does NOT convert between element types: a wrong one is an error, as in ONNX Runtime.

use crate::dtypes;
use crate::errors::exception;
use numpy::ndarray::ArrayView1;
use numpy::{PyArray1, PyUntypedArray, PyUntypedArrayMethods};
use onnxc_base::{Bytes, DType, Diagnostic, Tensor};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

/// The memory of an array, which stays as long as this value.
struct Borrowed {
    _array: Py<PyAny>,
    first: *const u8,
    len: usize,
}

// Reading plain memory needs no lock; the array is let go through PyO3, which knows where that may happen.
unsafe impl Send for Borrowed {}
unsafe impl Sync for Borrowed {}

impl AsRef<[u8]> for Borrowed {
    fn as_ref(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.first, self.len) }
    }
}

/// The bytes of a result, as the owner that NumPy keeps.
#[pyclass(frozen)]
struct Buffer {
    bytes: Bytes,
}

/// What a value is for: the input that problems name, and its element type.
pub struct For<'a> {
    /// The input's name.
    pub input: &'a str,
    /// The element type it wants.
    pub dtype: DType,
}

impl For<'_> {
    fn problem(&self, py: Python<'_>, what: &str) -> PyErr {
        let d = Diagnostic::error("E6011", format!("input '{}' {what}", self.input));
        exception(py, &d.expected(dtypes::name(self.dtype)).into())
    }
}

/// A tensor from an array, or from anything that NumPy makes an array of.
pub fn to_tensor(value: &Bound<'_, PyAny>, wanted: &For<'_>) -> PyResult<Tensor> {
    let py = value.py();
    if wanted.dtype == DType::String {
        return strings(value, wanted);
    }
    let (dtype, numpy) = (dtypes::numpy_dtype(py, wanted.dtype)?, py.import("numpy")?);
    let array = if value.is_instance_of::<PyUntypedArray>() {
        value.clone()
    } else if value.hasattr("dtype")? {
        numpy.call_method1("asarray", (value,))?
    } else {
        numpy.call_method1("asarray", (value, &dtype))?
    };
    let mut array = array.cast_into::<PyUntypedArray>()?;
    let found = array.dtype();
    if !found.as_any().eq(&dtype)? {
        // The same type with its bytes in another order is welcome, though a copy.
        let native = found.call_method1("newbyteorder", ("=",))?;
        if !native.eq(&dtype)? {
            return Err(wanted.problem(py, &format!("has elements of {}", found.getattr("name")?)));
        }
        array = array.call_method1("astype", (&dtype,))?.cast_into()?;
    }
    if !array.is_c_contiguous() {
        array = array.call_method1("copy", ("C",))?.cast_into()?;
    }
    let shape = array.shape().to_vec();
    Tensor::from_bytes(wanted.dtype, shape, borrow(&array)).ok_or_else(|| wanted.problem(py, "is too large"))
}

/// The bytes of a contiguous array.
fn borrow(array: &Bound<'_, PyUntypedArray>) -> Bytes {
    let len = array.len() * array.dtype().getattr("itemsize").and_then(|n| n.extract::<usize>()).unwrap_or(0);
    if len == 0 {
        return Bytes::new();
    }
    // A contiguous array's elements lie one after another from its data pointer on.
    let first = unsafe { (*array.as_array_ptr()).fields.data }.cast::<u8>().cast_const();
    Bytes::from_owner(Borrowed { _array: array.as_any().clone().unbind(), first, len })
}

fn strings(value: &Bound<'_, PyAny>, wanted: &For<'_>) -> PyResult<Tensor> {
    let py = value.py();
    let array = py.import("numpy")?.call_method1("asarray", (value, "object"))?;
    let shape: Vec<usize> = array.getattr("shape")?.extract()?;
    let flat = array.call_method0("ravel")?.call_method0("tolist")?.cast_into::<PyList>()?;
    let one = |item: Bound<'_, PyAny>| -> PyResult<Vec<u8>> {
        if let Ok(s) = item.cast::<PyString>() {
            return Ok(s.to_cow()?.as_bytes().to_vec());
        }
        item.extract::<Vec<u8>>().map_err(|_| wanted.problem(py, "has an element that is no str or bytes"))
    };
    let values = flat.iter().map(one).collect::<PyResult<Vec<_>>>()?;
    Tensor::from_strings(shape, values).ok_or_else(|| wanted.problem(py, "is too large"))
}

/// An array of a tensor.
pub fn to_array<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    let shape = tensor.shape().to_vec();
    if let Some(strings) = tensor.strings() {
        let items = strings.iter().map(|s| text(py, s)).collect::<PyResult<Vec<_>>>()?;
        let numpy = py.import("numpy")?;
        let array = numpy.call_method1("empty", (items.len(), "object"))?;
        for (i, item) in items.into_iter().enumerate() {
            array.set_item(i, item)?;
        }
        return array.call_method1("reshape", (shape,));
    }
    let dtype = tensor.dtype();
    let bytes = match dtype.bits() {
        bits @ ..8 if dtype.is_signed_int() => extended(tensor.bytes(), bits).into(),
        _ => tensor.bytes().clone(),
    };
    let owner = Bound::new(py, Buffer { bytes })?;
    // The owner keeps the bytes, and nobody else has them: a result's buffer is made for one run.
    let raw = unsafe {
        let all: &[u8] = owner.get().bytes.as_ref();
        PyArray1::borrow_from_array(&ArrayView1::from(all), owner.clone().into_any())
    };
    let typed = raw.call_method1("view", (dtypes::numpy_dtype(py, dtype)?,))?;
    typed.call_method1("reshape", (shape,))
}

/// A string; bytes where it is no UTF-8.
fn text<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    Ok(match std::str::from_utf8(bytes) {
        Ok(s) => PyString::new(py, s).into_any(),
        Err(_) => PyBytes::new(py, bytes).into_any(),
    })
}

/// Integers of less than a byte with their sign in the whole byte, as `ml_dtypes` has them.
fn extended(bytes: &[u8], bits: usize) -> Vec<u8> {
    let up = 8 - bits;
    bytes.iter().map(|b| ((b << up) as i8 >> up) as u8).collect()
}
