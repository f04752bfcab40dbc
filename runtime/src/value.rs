//! Values that are no array of numbers, as callers and modules hand them to each other: a tree of C structs.
//!
//! ```c
//! typedef struct { const char *bytes; uint64_t length; } onnxc_text;
//! typedef struct onnxc_value {
//!     uint32_t kind, dtype, rank, reserved;
//!     int64_t count;
//!     const int64_t *shape;
//!     const void *data;
//!     void *block;
//! } onnxc_value;
//! ```
//! - [`VALUE_NONE`]: an optional that is empty. One that isn't is its content.
//! - [`VALUE_TENSOR`]: `count` elements of `dtype` (ONNX's number) under `rank` extents at `shape`; strings are
//!   `count` [`TextV1`].
//! - [`VALUE_SEQUENCE`]: `data` is the address of `count` values.
//! - [`VALUE_MAP`]: `data` is the address of two tensors of rank 1, keys and values, of `count` elements each.
//!
//! A caller owns the inputs that it builds. An output is all zeros before the run; afterwards everything in it lies in
//! one piece of memory from the caller's allocator, `block`, which the caller gives back when it has read it.

use core::ffi::c_void;

/// [`ValueV1::kind`]: nothing.
pub const VALUE_NONE: u32 = 0;
/// [`ValueV1::kind`]: a tensor.
pub const VALUE_TENSOR: u32 = 1;
/// [`ValueV1::kind`]: a sequence.
pub const VALUE_SEQUENCE: u32 = 2;
/// [`ValueV1::kind`]: a map.
pub const VALUE_MAP: u32 = 3;

/// The number of strings among the element types.
pub const DTYPE_STRING: u32 = 8;

/// A value.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ValueV1 {
    /// `VALUE_*`.
    pub kind: u32,
    /// The element type of a tensor, numbered as ONNX's `TensorProto.DataType`.
    pub dtype: u32,
    /// The number of a tensor's extents.
    pub rank: u32,
    /// 0.
    pub reserved: u32,
    /// Elements, items or entries.
    pub count: i64,
    /// A tensor's extents.
    pub shape: *const i64,
    /// Elements, texts or values.
    pub data: *const c_void,
    /// What to give back to the allocator; null for inputs and for values inside of others.
    pub block: *mut c_void,
}

/// A string: bytes, usually UTF-8, without a zero at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TextV1 {
    /// The first byte; may be null if there are none.
    pub bytes: *const u8,
    /// How many.
    pub length: u64,
}

impl ValueV1 {
    /// Nothing.
    pub const NONE: ValueV1 = ValueV1 {
        kind: VALUE_NONE,
        dtype: 0,
        rank: 0,
        reserved: 0,
        count: 0,
        shape: core::ptr::null(),
        data: core::ptr::null(),
        block: core::ptr::null_mut(),
    };
}

/// Bits of an element in memory by ONNX's number; 0 for what is no element type. Types of less than a byte take one.
/// Strings count as the handles of a run: 64.
pub fn bits_of(dtype: u32) -> u32 {
    match dtype {
        2 | 3 | 9 | 17..=28 => 8,
        4 | 5 | 10 | 16 => 16,
        1 | 6 | 12 => 32,
        7 | 8 | 11 | 13 | 14 => 64,
        15 => 128,
        _ => 0,
    }
}

/// Bytes of a number of elements; `None` on overflow or for no element type.
pub fn bytes_of(dtype: u32, count: usize) -> Option<usize> {
    match bits_of(dtype) as usize {
        0 => None,
        bits => count.checked_mul(bits / 8),
    }
}
