//! Element types as numbers in a module's self-description: those of ONNX's `TensorProto.DataType`.

use onnxc_base::DType;

/// Facts of the ONNX standard (onnx.proto, `TensorProto.DataType`).
const NUMBERS: &[(u32, DType)] = &[
    (1, DType::F32),
    (2, DType::U8),
    (3, DType::I8),
    (4, DType::U16),
    (5, DType::I16),
    (6, DType::I32),
    (7, DType::I64),
    (8, DType::String),
    (9, DType::Bool),
    (10, DType::F16),
    (11, DType::F64),
    (12, DType::U32),
    (13, DType::U64),
    (14, DType::C64),
    (15, DType::C128),
    (16, DType::BF16),
    (17, DType::F8E4M3FN),
    (18, DType::F8E4M3FNUZ),
    (19, DType::F8E5M2),
    (20, DType::F8E5M2FNUZ),
    (21, DType::U4),
    (22, DType::I4),
    (23, DType::F4E2M1),
    (24, DType::F8E8M0),
    (25, DType::U2),
    (26, DType::I2),
    (27, DType::F6E2M3),
    (28, DType::F6E3M2),
];

/// The number of a dtype.
pub fn dtype_number(dtype: DType) -> u32 {
    NUMBERS.iter().find(|(_, d)| *d == dtype).map_or(0, |(n, _)| *n)
}

/// The dtype of a number.
pub fn dtype_of_number(number: u32) -> Option<DType> {
    NUMBERS.iter().find(|(n, _)| *n == number).map(|(_, d)| *d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dtype_has_one_number() {
        for d in DType::all() {
            assert_eq!(dtype_of_number(dtype_number(d)), Some(d));
        }
    }
}
