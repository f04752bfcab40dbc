//! What every level of onnxc shares.
//!
//! - [`dtype`]: element types of tensors.
//! - [`value`]: tensors, sequences, optionals, maps on the host.
//! - [`small_float`]: the formats of floats of at most a byte.
//! - [`tensor`]: host tensors, whose bytes are shared, never copied, between the file and the compiler.
//! - [`diag`]: what went wrong, where, and what to do about it.
//! - [`sym`]: symbolic integers, the language of shapes, sizes and addresses.
//! - [`text`]: the lexer and printer helpers of the three IR text forms.
//! - ids: `cranelift-entity`'s typed ids and dense maps, re-exported.
//!
//! Nothing here knows ONNX, an IR or a backend.

pub mod diag;
pub mod dtype;
pub mod small_float;
pub mod sym;
pub mod tensor;
pub mod text;
pub mod value;

pub use bytes::Bytes;
pub use cranelift_entity::{EntityRef, PrimaryMap, SecondaryMap, entity_impl};
pub use diag::{Diagnostic, Diagnostics, Place, Severity};
pub use dtype::DType;
pub use indexmap::{IndexMap, IndexSet};
pub use sym::{Ranges, Sym, SymNode, Symbol};
pub use tensor::Tensor;
pub use value::{Map, Value};
