//! What compiled modules and their callers share: status codes, the allocator, and the module's self-description.
//!
//! - [`status`]: what an entry function returns.
//! - [`module`]: the C structs behind `onnxc_module_v1()`, by which any loader can run any module.
//! - [`reader`]: the same, as checked Rust values.
//! - [`value`]: strings, sequences, optionals and maps as callers and modules hand them to each other.
//!
//! - [`profile`]: what modules call that were compiled to be measured step by step.
//! - `objects` (feature `alloc`): what modules with strings, sequences, optionals or maps call.
//! - `threads` (feature `threads`): what modules that were compiled for several threads call.
//!
//! Only those three are ever linked into a module; the rest describes one.
//!
//! `no_std`, no dependencies; no allocation but in `objects`.

#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(all(test, feature = "threads"))]
extern crate std;

#[cfg(feature = "archive")]
mod archive;
pub mod module;
#[cfg(feature = "alloc")]
pub mod objects;
#[cfg(any(feature = "alloc", not(feature = "archive")))]
pub mod profile;
pub mod reader;
pub mod status;
#[cfg(all(feature = "threads", target_os = "linux"))]
pub mod threads;
pub mod value;

pub use module::Allocator;
pub use reader::{Dim, Dims, Extent, Module, Port};
pub use status::Status;
