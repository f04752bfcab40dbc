//! Element types by the names that NumPy and `ml_dtypes` give them.

use onnxc_base::DType;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

/// Every dtype's name. Strings have no one dtype in NumPy; `object` is what ONNX's own tools use.
const NAMES: &[(DType, &str)] = &[
    (DType::Bool, "bool"),
    (DType::I2, "int2"),
    (DType::I4, "int4"),
    (DType::I8, "int8"),
    (DType::I16, "int16"),
    (DType::I32, "int32"),
    (DType::I64, "int64"),
    (DType::U2, "uint2"),
    (DType::U4, "uint4"),
    (DType::U8, "uint8"),
    (DType::U16, "uint16"),
    (DType::U32, "uint32"),
    (DType::U64, "uint64"),
    (DType::F4E2M1, "float4_e2m1fn"),
    (DType::F6E2M3, "float6_e2m3fn"),
    (DType::F6E3M2, "float6_e3m2fn"),
    (DType::F8E4M3FN, "float8_e4m3fn"),
    (DType::F8E4M3FNUZ, "float8_e4m3fnuz"),
    (DType::F8E5M2, "float8_e5m2"),
    (DType::F8E5M2FNUZ, "float8_e5m2fnuz"),
    (DType::F8E8M0, "float8_e8m0fnu"),
    (DType::BF16, "bfloat16"),
    (DType::F16, "float16"),
    (DType::F32, "float32"),
    (DType::F64, "float64"),
    (DType::C64, "complex64"),
    (DType::C128, "complex128"),
    (DType::String, "object"),
];

/// NumPy's name of a dtype.
pub fn name(dtype: DType) -> &'static str {
    NAMES.iter().find(|(d, _)| *d == dtype).map_or("object", |(_, n)| n)
}

/// The NumPy dtype, which for the types of machine learning `ml_dtypes` has to bring.
pub fn numpy_dtype(py: Python<'_>, dtype: DType) -> PyResult<Bound<'_, PyAny>> {
    static KNOWN: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let known = KNOWN.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    let name = name(dtype);
    if let Some(d) = known.get_item(name)? {
        return Ok(d);
    }
    let numpy = py.import("numpy")?;
    let found = match numpy.call_method1("dtype", (name,)) {
        Ok(d) => d,
        Err(_) => numpy.call_method1("dtype", (py.import("ml_dtypes")?.getattr(name)?,))?,
    };
    known.set_item(name, &found)?;
    Ok(found)
}
