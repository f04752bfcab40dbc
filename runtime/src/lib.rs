//! What compiled modules and their callers share: status codes, the allocator, and the module's self-description.
//!
//! - [`status`]: what an entry function returns.
//! - [`module`]: the C structs behind `onnxc_module_v1()`, by which any loader can run any module.
//! - [`reader`]: the same, as checked Rust values.
//!
//! `no_std`, no dependencies, no allocation. Nothing here is linked into a module: it describes one.

#![no_std]

pub mod module;
pub mod reader;
pub mod status;

pub use module::Allocator;
pub use reader::{Dim, Dims, Extent, Module, Port};
pub use status::Status;
