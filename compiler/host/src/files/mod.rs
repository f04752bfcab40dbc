//! Tensors in files: which format, and the errors that all formats share.
//!
//! Codes: `E6101` unreadable · `E6102` not of its format · `E6103` an element type that can't be read or written ·
//! `E6104` a file name that says nothing.

pub mod npy;
pub mod npz;
pub mod pb;

use onnxc_base::{Diagnostic, Diagnostics, Tensor};
use std::path::Path;

/// What a file's name says is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// One NumPy array.
    Npy,
    /// Named NumPy arrays in a zip archive.
    Npz,
    /// One ONNX TensorProto.
    Pb,
}

impl Format {
    /// By suffix.
    ///
    /// # Errors
    /// Another suffix.
    pub fn of(path: &Path) -> Result<Format, Diagnostic> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("npy") => Ok(Format::Npy),
            Some("npz") => Ok(Format::Npz),
            Some("pb") => Ok(Format::Pb),
            _ => Err(Diagnostic::error("E6104", format!("don't know what is in '{}'", path.display()))
                .expected("a file name that ends in .npz, .npy or .pb")),
        }
    }
}

/// A tensor and its name, where the file has one.
pub type Named = (Option<String>, Tensor);

/// Reads every tensor of a file.
///
/// # Errors
/// A file that can't be read or isn't of its format.
pub fn read(path: &Path) -> Result<Vec<Named>, Diagnostics> {
    let format = Format::of(path)?;
    let bytes = std::fs::read(path).map_err(|e| {
        Diagnostic::error("E6101", format!("can't read the tensor: {e}")).file(path.display().to_string())
    })?;
    let read = match format {
        Format::Npy => npy::read(bytes.into()).map(|t| vec![(None, t)]),
        Format::Npz => npz::read(&bytes),
        Format::Pb => pb::read(&bytes.into()).map(|t| vec![t]),
    };
    read.map_err(|d| d.file(path.display().to_string()).into())
}
