//! What compiled modules and their callers share: status codes, the allocator, and the module's self-description.
//!
//! - [`status`]: what an entry function returns.
//! - [`module`]: the C structs behind `onnxc_module_v1()`, by which any loader can run any module.
//! - [`reader`]: the same, as checked Rust values.
//! - [`value`]: strings, sequences, optionals and maps as callers and modules hand them to each other.
//!
//! `no_std`, no dependencies, no allocation. Nothing here is linked into a module: it describes one.

#![no_std]

pub mod module;
pub mod reader;
pub mod status;
pub mod value;

pub use module::Allocator;
pub use reader::{Dim, Dims, Extent, Module, Port};
pub use status::Status;
