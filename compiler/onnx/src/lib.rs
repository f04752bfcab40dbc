//! The ONNX file format: messages, external data, limits, checker.
//!
//! [`load`] maps a file and decodes it within [`Limits`]; [`check`] lists everything that is wrong with it. A model
//! that passed both is well-formed: values are defined once and before use, every operator is a known version, a
//! function of the model or one of [`custom_ops`], attributes have the kinds their operators ask for, and every stored
//! tensor has exactly its data. Weights are never copied: tensors share the memory of the mapped files.
//!
//! Does NOT know what operators mean, infer shapes, or know any IR.
//!
//! Codes: `E0001` unreadable · `E0002` not protobuf, not ONNX · `E0003` nested too deep · `E0004` too many messages ·
//! `E0005` too large · `E0006` no graph · `E0010` external path escapes · `E0011` external file missing · `E0012`
//! external range wrong · `E0013` external entry malformed · `E0014` external data without a folder · `E0020` element
//! type · `E0021` negative dim · `E0022` too many elements · `E0023` wrong size of data · `E0024` data in several
//! places · `E0025` no data · `E0026` data in the wrong field · `E0027` segment · `E0028` sparse tensor. The checker's
//! codes are listed in [`checker`].

mod access;
pub mod checker;
pub mod dtype;
mod external;
mod limits;
mod load;
pub mod messages;
mod scan;
mod sparse;
mod tensor;
#[cfg(test)]
mod tests;

pub use checker::{CustomOp, check, custom_ops, schemas};
pub use limits::Limits;
pub use load::{Model, encode, load, load_bytes, opset_in};
pub use messages::*;
