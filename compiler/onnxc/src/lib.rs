//! onnxc as a library: an ONNX model to native code.
//!
//! ```no_run
//! let options = onnxc::Options::default();
//! let model = onnxc::Source::open("srcnn.onnx".as_ref(), &options)?;
//! onnxc::compile(&model, &options)?.write("srcnn.so".as_ref(), &options)?;
//! # Ok::<(), onnxc_base::Diagnostics>(())
//! ```
//!
//! - [`Source`]: a model, read and checked.
//! - [`compile`]: everything up to machine code; [`Module::write`]: files by their suffix.
//! - [`tune`]: schedules that were measured.
//! - [`quantize`]: a float model to one of 8-bit integers.
//! - [`Options`]: what the command line's flags set.
//!
//! Operators of the user are Rust objects here: see [`onnxc_ops::CustomOp`] and [`Options::registry`].

pub mod backends;
pub mod budget;
pub mod cli;
pub mod compile;
mod flash;
pub mod options;
pub mod output;
pub mod quantize;
mod random;
mod refusals;
pub mod tune;

pub use compile::{Module, Source, compile, lower};
pub use onnxc_base::{Diagnostic, Diagnostics};
pub use options::Options;
