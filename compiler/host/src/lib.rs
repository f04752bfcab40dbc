//! What every program that runs modules on this machine shares: the command line's `run` and standalone executables.
//!
//! - [`files`]: tensors from and to `.npy`, `.npz` and ONNX `.pb` files.
//! - [`inputs`]: tensors in files to a module's inputs, by name or by position.
//! - [`outputs`]: a module's outputs to files, whole or not at all.
//! - [`program`]: a whole program around one module.
//!
//! Does NOT check shapes: binding in [`onnxc_codegen::loader`] does.

pub mod files;
pub mod inputs;
pub mod outputs;
pub mod program;
