//! Tensors in files: which format, and the errors that all formats share.
//!
//! Codes: `E6101` unreadable · `E6102` not of its format · `E6103` an element type that can't be read or written ·
//! `E6104` a file name that says nothing.

mod messages;
pub mod npy;
pub mod npz;
pub mod pb;

use onnxc_base::{Bytes, Diagnostic, Diagnostics, Tensor, Value};
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

/// What a file holds.
#[derive(Clone, PartialEq, Debug)]
pub enum Content {
    /// A tensor.
    Tensor(Tensor),
    /// A message of ONNX, and the tensor that it is if it can be one. What else it is only the type says that is wanted.
    Message(Option<Tensor>, Bytes),
}

impl Content {
    /// The value, of a type as ONNX spells it.
    ///
    /// # Errors
    /// Bytes that are no such value.
    pub fn value(self, type_text: &str) -> Result<Value, Diagnostic> {
        match self {
            Content::Message(Some(t), _) if type_text.starts_with("tensor(") => Ok(Value::Tensor(t)),
            Content::Message(_, bytes) if !type_text.starts_with("tensor(") => messages::read(&bytes, type_text),
            Content::Message(..) => Err(pb::broken("another kind of message")),
            Content::Tensor(t) => Ok(Value::Tensor(t)),
        }
    }
}

/// A value and its name, where the file has one.
pub type Named = (Option<String>, Content);

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
        Format::Npy => npy::read(bytes.into()).map(|t| vec![(None, Content::Tensor(t))]),
        Format::Npz => npz::read(&bytes),
        Format::Pb => pb::read(&bytes.into()).map(|t| vec![t]),
    };
    read.map_err(|d| d.file(path.display().to_string()).into())
}

/// Reads every value of a file, all of them tensors.
///
/// # Errors
/// As for [`read`], or a message of another kind.
pub fn read_tensors(path: &Path) -> Result<Vec<(Option<String>, Tensor)>, Diagnostics> {
    let tensor = |(name, content)| match content {
        Content::Tensor(t) | Content::Message(Some(t), _) => Ok((name, t)),
        Content::Message(None, _) => Err(pb::broken("another kind of message").file(path.display().to_string())),
    };
    Ok(read(path)?.into_iter().map(tensor).collect::<Result<_, Diagnostic>>()?)
}
