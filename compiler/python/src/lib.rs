//! The extension module `onnxc._onnxc`: compiling, loading and running models for Python.
//!
//! - [`build`]: from a model to a module in this process, or to files.
//! - [`declared`]: what a file says of inputs and outputs.
//! - [`module`]: a module as a Python object.
//! - [`arrays`]: NumPy arrays to tensors and back, without copies where the bytes are the same.
//! - [`values`]: the same for sequences, optionals and maps.
//! - [`errors`]: diagnostics as Python objects, exceptions of them.
//!
//! Afterwards no panic of the compiler leaves this crate as one, and Python's lock is free while a model is compiled
//! or run. Does NOT define what users see: `onnxc/__init__.py` and its neighbours do.

mod arrays;
mod build;
mod declared;
mod dtypes;
mod errors;
mod module;
mod values;

use pyo3::prelude::*;

/// Compiles ONNX models to native code: what the package `onnxc` is made of.
#[pymodule]
mod _onnxc {
    #[pymodule_export]
    use super::build::{backends, build, check, compile};
    #[pymodule_export]
    use super::declared::declared;
    #[pymodule_export]
    use super::module::{Module, Port, load};
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
