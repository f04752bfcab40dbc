//! Element types: every type a tensor of the ONNX standard can hold, with sizes and short names.
//!
//! Does NOT convert values (see [`crate::tensor`]) and does not know ONNX's numbering (see `onnxc-onnx`).

use std::fmt;

/// The type of one tensor element.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "each variant is its own name")]
pub enum DType {
    Bool,
    I2,
    I4,
    I8,
    I16,
    I32,
    I64,
    U2,
    U4,
    U8,
    U16,
    U32,
    U64,
    F4E2M1,
    F6E2M3,
    F6E3M2,
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    F8E8M0,
    BF16,
    F16,
    F32,
    F64,
    C64,
    C128,
    String,
}

/// Every dtype with its short name, in declaration order.
const NAMES: &[(DType, &str)] = &[
    (DType::Bool, "bool"),
    (DType::I2, "i2"),
    (DType::I4, "i4"),
    (DType::I8, "i8"),
    (DType::I16, "i16"),
    (DType::I32, "i32"),
    (DType::I64, "i64"),
    (DType::U2, "u2"),
    (DType::U4, "u4"),
    (DType::U8, "u8"),
    (DType::U16, "u16"),
    (DType::U32, "u32"),
    (DType::U64, "u64"),
    (DType::F4E2M1, "f4e2m1"),
    (DType::F6E2M3, "f6e2m3"),
    (DType::F6E3M2, "f6e3m2"),
    (DType::F8E4M3FN, "f8e4m3fn"),
    (DType::F8E4M3FNUZ, "f8e4m3fnuz"),
    (DType::F8E5M2, "f8e5m2"),
    (DType::F8E5M2FNUZ, "f8e5m2fnuz"),
    (DType::F8E8M0, "f8e8m0"),
    (DType::BF16, "bf16"),
    (DType::F16, "f16"),
    (DType::F32, "f32"),
    (DType::F64, "f64"),
    (DType::C64, "c64"),
    (DType::C128, "c128"),
    (DType::String, "string"),
];

impl DType {
    /// Bits of one element; 0 for strings, which have no fixed size.
    pub fn bits(self) -> usize {
        use DType::*;
        match self {
            I2 | U2 => 2,
            I4 | U4 | F4E2M1 => 4,
            F6E2M3 | F6E3M2 => 6,
            Bool | I8 | U8 | F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 => 8,
            I16 | U16 | BF16 | F16 => 16,
            I32 | U32 | F32 => 32,
            I64 | U64 | F64 | C64 => 64,
            C128 => 128,
            String => 0,
        }
    }

    /// Bytes that `n` elements take in memory; `None` when that overflows.
    pub fn bytes_for(self, n: usize) -> Option<usize> {
        n.checked_mul(self.size())
    }

    /// Bytes that `n` elements take in an ONNX file, where those of less than a byte are packed; `None` when that
    /// overflows.
    pub fn packed_bytes_for(self, n: usize) -> Option<usize> {
        if self.bits() >= 8 { self.bytes_for(n) } else { n.checked_mul(self.bits()).map(|b| b.div_ceil(8)) }
    }

    /// Stored in a byte, of which only the low bits count, and computed with after conversion only: integers of less
    /// than a byte, floats of at most a byte.
    pub fn is_small(self) -> bool {
        self != DType::Bool && self.bits() < 8 && self != DType::String || self.is_float() && self.bits() <= 8
    }

    /// Bytes of one element in memory (strings: 0). An element of less than a byte takes a whole one.
    pub fn size(self) -> usize {
        if self == DType::String { 0 } else { self.bits().div_ceil(8) }
    }

    /// IEEE-like binary floating point of any width.
    pub fn is_float(self) -> bool {
        use DType::*;
        matches!(
            self,
            F4E2M1 | F6E2M3 | F6E3M2 | F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 | BF16 | F16 | F32 | F64
        )
    }

    /// Signed or unsigned integer of any width; `Bool` is not one.
    pub fn is_int(self) -> bool {
        self.is_signed_int() || self.is_unsigned_int()
    }

    /// Two's complement integer.
    pub fn is_signed_int(self) -> bool {
        use DType::*;
        matches!(self, I2 | I4 | I8 | I16 | I32 | I64)
    }

    /// Unsigned integer; `Bool` is not one.
    pub fn is_unsigned_int(self) -> bool {
        use DType::*;
        matches!(self, U2 | U4 | U8 | U16 | U32 | U64)
    }

    /// The short name used in IR text, headers and messages: `f32`, `i64`, `bool` ...
    pub fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// Its word in types as ONNX spells them: the `float` of `tensor(float)`.
    pub fn type_word(self) -> &'static str {
        match self {
            DType::F32 => "float",
            DType::F64 => "double",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            DType::U8 => "uint8",
            DType::I8 => "int8",
            DType::U16 => "uint16",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::U32 => "uint32",
            DType::U64 => "uint64",
            DType::String => "string",
            DType::Bool => "bool",
            DType::C64 => "complex64",
            DType::C128 => "complex128",
            DType::F8E4M3FN => "float8e4m3fn",
            DType::F8E4M3FNUZ => "float8e4m3fnuz",
            DType::F8E5M2 => "float8e5m2",
            DType::F8E5M2FNUZ => "float8e5m2fnuz",
            DType::F8E8M0 => "float8e8m0",
            DType::U4 => "uint4",
            DType::I4 => "int4",
            DType::U2 => "uint2",
            DType::I2 => "int2",
            DType::F4E2M1 => "float4e2m1",
            DType::F6E2M3 => "float6e2m3",
            DType::F6E3M2 => "float6e3m2",
        }
    }

    /// The dtype of a word of a type text.
    pub fn from_type_word(word: &str) -> Option<DType> {
        DType::all().find(|d| d.type_word() == word)
    }

    /// The dtype of a short name.
    pub fn from_name(name: &str) -> Option<DType> {
        NAMES.iter().find(|(_, n)| *n == name).map(|(d, _)| *d)
    }

    /// Every dtype, in declaration order.
    pub fn all() -> impl Iterator<Item = DType> {
        NAMES.iter().map(|(d, _)| *d)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_declaration_order_and_return() {
        for (i, (d, n)) in NAMES.iter().enumerate() {
            assert_eq!(*d as usize, i);
            assert_eq!(DType::from_name(n), Some(*d));
        }
    }

    #[test]
    fn packed_types_round_up_to_bytes_in_files() {
        assert_eq!(DType::I4.packed_bytes_for(3), Some(2));
        assert_eq!(DType::U2.packed_bytes_for(5), Some(2));
        assert_eq!(DType::F6E2M3.packed_bytes_for(3), Some(3));
        assert_eq!(DType::I4.bytes_for(3), Some(3));
        assert_eq!(DType::F32.bytes_for(usize::MAX), None);
    }
}
