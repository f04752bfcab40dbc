//! What compiled modules and their callers share: status codes, the allocator, and the module's self-description.
//!
//! - [`status`]: what an entry function returns.
//! - [`module`]: the C structs behind `onnxc_module_v1()`, by which any loader can run any module.
//! - [`reader`]: the same, as checked Rust values.
//! - [`value`]: strings, sequences, optionals and maps as callers and modules hand them to each other.
//!
//! - [`profile`]: what modules call that were compiled to be measured step by step.
//! - `objects` (feature `alloc`): what modules with strings, sequences, optionals or maps call. Only these two are ever
//!   linked into a module; the rest describes one.
//!
//! `no_std`, no dependencies; no allocation but in `objects`.

#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "archive")]
mod archive;
pub mod module;
#[cfg(feature = "alloc")]
pub mod objects;
pub mod profile;
pub mod reader;
pub mod status;
pub mod value;

pub use module::Allocator;
pub use reader::{Dim, Dims, Extent, Module, Port};
pub use status::Status;
