//! ONNX's numbers of element types (`TensorProto.DataType`) to [`DType`] and back.
//!
//! The two enums have the same members as of ONNX 1.23; number 0 (`UNDEFINED`) has no dtype.

use onnxc_base::DType;

/// ONNX number, its name in the standard, and our dtype.
const TABLE: &[(i32, &str, DType)] = &[
    (1, "FLOAT", DType::F32),
    (2, "UINT8", DType::U8),
    (3, "INT8", DType::I8),
    (4, "UINT16", DType::U16),
    (5, "INT16", DType::I16),
    (6, "INT32", DType::I32),
    (7, "INT64", DType::I64),
    (8, "STRING", DType::String),
    (9, "BOOL", DType::Bool),
    (10, "FLOAT16", DType::F16),
    (11, "DOUBLE", DType::F64),
    (12, "UINT32", DType::U32),
    (13, "UINT64", DType::U64),
    (14, "COMPLEX64", DType::C64),
    (15, "COMPLEX128", DType::C128),
    (16, "BFLOAT16", DType::BF16),
    (17, "FLOAT8E4M3FN", DType::F8E4M3FN),
    (18, "FLOAT8E4M3FNUZ", DType::F8E4M3FNUZ),
    (19, "FLOAT8E5M2", DType::F8E5M2),
    (20, "FLOAT8E5M2FNUZ", DType::F8E5M2FNUZ),
    (21, "UINT4", DType::U4),
    (22, "INT4", DType::I4),
    (23, "FLOAT4E2M1", DType::F4E2M1),
    (24, "FLOAT8E8M0", DType::F8E8M0),
    (25, "UINT2", DType::U2),
    (26, "INT2", DType::I2),
    (27, "FLOAT6E2M3", DType::F6E2M3),
    (28, "FLOAT6E3M2", DType::F6E3M2),
];

/// The dtype of an ONNX number; `None` for 0 and for numbers that ONNX 1.23 doesn't define.
pub fn from_onnx(number: i32) -> Option<DType> {
    TABLE.iter().find(|(n, ..)| *n == number).map(|(.., d)| *d)
}

/// The ONNX number of a dtype.
pub fn to_onnx(dtype: DType) -> i32 {
    TABLE.iter().find(|(.., d)| *d == dtype).map(|(n, ..)| *n).expect("the table names every dtype; a test proves it")
}

/// The standard's name of a dtype, e.g. `FLOAT16`.
pub fn onnx_name(dtype: DType) -> &'static str {
    TABLE.iter().find(|(.., d)| *d == dtype).map(|(_, s, _)| *s).expect("the table names every dtype; a test proves it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dtype_has_one_number() {
        for d in DType::all() {
            assert_eq!(from_onnx(to_onnx(d)), Some(d));
            assert!(onnx_name(d).len() > 2);
        }
        assert_eq!(TABLE.len(), DType::all().count());
        assert!(TABLE.iter().zip(1..).all(|((n, ..), i)| *n == i));
        assert_eq!(from_onnx(0), None);
        assert_eq!(from_onnx(29), None);
    }
}
