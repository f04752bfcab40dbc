//! From a path or bytes to a [`Model`]: mapped, measured, decoded; nothing is judged yet.
//!
//! Holds afterwards: the file decoded, within the limits, and has a graph. Weights are still where they were: in the
//! map of the model's file or in files not yet opened.
//!
//! Does NOT check the model; [`crate::check`] does, and whoever goes on without it may meet nonsense, never a panic.

use crate::checker::schemas::{ONNX_DOMAIN, full_domain};
use crate::external::{Files, map_file};
use crate::limits::Limits;
use crate::messages::{
    FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto, TensorProto,
};
use crate::{scan, sparse, tensor};
use onnxc_base::{Bytes, Diagnostic, Diagnostics, Tensor};
use prost::Message;
use std::path::{Path, PathBuf};

/// A decoded model and the files that its weights live in.
#[derive(Debug)]
pub struct Model {
    /// The messages.
    pub proto: ModelProto,
    /// The file, if it came from one.
    pub path: Option<PathBuf>,
    /// The bounds it was loaded under.
    pub limits: Limits,
    pub(crate) files: Files,
}

/// Loads the model in a file.
///
/// The file is memory-mapped, so it must not shrink while the model, or any tensor from it, lives.
pub fn load(path: &Path, limits: &Limits) -> Result<Model, Diagnostics> {
    let name = path.display().to_string();
    let mut model = load_file(path, limits).map_err(|mut ds| {
        ds.0.iter_mut().for_each(|d| d.place.file = Some(name.clone()));
        ds
    })?;
    model.path = Some(path.to_path_buf());
    Ok(model)
}

fn load_file(path: &Path, limits: &Limits) -> Result<Model, Diagnostics> {
    let unreadable = |e: std::io::Error| {
        let why = if e.kind() == std::io::ErrorKind::NotFound { "no such file".into() } else { e.to_string() };
        Diagnostic::error("E0001", format!("can't read the model: {why}")).help("check the path")
    };
    // Checked before opening: to open a pipe may block for ever.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Diagnostic::error("E0001", "can't read the model: not a regular file")
            .help("check the path")
            .into());
    }
    load_bytes(&map_file(path).map_err(unreadable)?, path.parent(), limits)
}

/// Loads a model from bytes, which the model's weights go on sharing. External data are looked for in `dir`.
pub fn load_bytes(bytes: &Bytes, dir: Option<&Path>, limits: &Limits) -> Result<Model, Diagnostics> {
    let proto = decode(bytes, limits)?;
    Ok(Model { proto, path: None, limits: limits.clone(), files: Files::new(dir) })
}

/// The bytes of a model, as a file holds them.
pub fn encode(proto: &ModelProto) -> Bytes {
    proto.encode_to_vec().into()
}

fn decode(bytes: &Bytes, limits: &Limits) -> Result<ModelProto, Diagnostic> {
    if bytes.is_empty() {
        return Err(Diagnostic::error("E0002", "the file is empty").expected("an ONNX model (protobuf)"));
    }
    if bytes.len() as u64 > limits.max_message_bytes {
        return Err(Diagnostic::error("E0005", format!("the file has {} bytes", bytes.len()))
            .expected(format!("at most {}", limits.max_message_bytes))
            .help("keep large weights in external data files"));
    }
    if let Some(what) = recognise(bytes) {
        return Err(Diagnostic::error("E0002", format!("the file is {what}")).expected("an ONNX model (protobuf)"));
    }
    scan::scan(bytes, limits)?;
    let proto = ModelProto::decode(bytes.clone()).map_err(|e| {
        Diagnostic::error("E0002", e.to_string())
            .expected("an ONNX model (protobuf)")
            .help("the file is damaged or not an ONNX model; fetch or export it again")
    })?;
    if proto.graph.is_none() {
        return Err(Diagnostic::error("E0006", "the file decodes, but holds no graph")
            .expected("an ONNX model")
            .help("a tensor file (.pb) or another protobuf file is not a model"));
    }
    Ok(proto)
}

/// Files that people hand over by mistake, known by their first bytes.
fn recognise(bytes: &[u8]) -> Option<&'static str> {
    const MISTAKES: &[(&[u8], &str)] = &[
        (b"PK\x03\x04", "a zip archive, perhaps a PyTorch checkpoint: export it with torch.onnx.export"),
        (b"version https://git-lfs", "a Git LFS pointer: run `git lfs pull` to fetch the model itself"),
        (b"\x89HDF", "an HDF5 file, perhaps a Keras model: convert it with tf2onnx"),
        (b"\x7fELF", "an ELF object or program"),
        (b"<!DOCTYPE", "a web page: the download failed"),
        (b"<html", "a web page: the download failed"),
        (b"\x93NUMPY", "a NumPy array"),
    ];
    MISTAKES.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what)
}

impl Model {
    /// The main graph.
    pub fn graph(&self) -> &GraphProto {
        self.proto.graph.as_ref().expect("loading refuses a model without a graph")
    }

    /// The folder that external data are looked for in.
    pub fn dir(&self) -> Option<&Path> {
        self.files.dir()
    }

    /// The version of the intermediate representation, that is, of the format.
    pub fn ir_version(&self) -> i64 {
        self.proto.ir_version
    }

    /// The opset version that the main graph imports for a domain (`""` and `"ai.onnx"` are one).
    pub fn opset(&self, domain: &str) -> Option<i64> {
        // Before operator sets existed every operator was at version 1.
        let implied = self.proto.ir_version < 3 && full_domain(domain) == ONNX_DOMAIN;
        opset_in(&self.proto.opset_import, domain).or(implied.then_some(1))
    }

    /// The model-local function that a node calls, if it calls one.
    pub fn function(&self, node: &NodeProto) -> Option<&FunctionProto> {
        self.proto.functions.iter().find(|f| {
            f.name == node.op_type && f.overload == node.overload && full_domain(&f.domain) == full_domain(&node.domain)
        })
    }

    /// The host tensor of a stored one. Raw and external data are shared with the file, typed fields copied once.
    pub fn tensor(&self, t: &TensorProto) -> Result<Tensor, Diagnostic> {
        self.into_tensor(t.clone())
    }

    /// Like [`Model::tensor`], but typed fields are moved, too.
    #[allow(clippy::wrong_self_convention, reason = "it is the tensor that is consumed")]
    pub fn into_tensor(&self, t: TensorProto) -> Result<Tensor, Diagnostic> {
        let name = t.name.clone();
        tensor::convert(t, &self.files, &self.limits).map_err(|d| if name.is_empty() { d } else { d.tensor(name) })
    }

    /// The dense tensor of a sparse one.
    pub fn sparse_tensor(&self, s: &SparseTensorProto) -> Result<Tensor, Diagnostic> {
        let name = s.values.as_ref().map_or("", |v| &v.name);
        sparse::dense(s, &self.files, &self.limits).map_err(|d| if name.is_empty() { d } else { d.tensor(name) })
    }
}

/// ONNX Runtime's own domain. Its optimisers save models that use it without an import, and it reads them.
pub(crate) const IMPLIED_DOMAIN: &str = "com.microsoft";

/// The version of a domain among opset imports (`""` and `"ai.onnx"` are one domain).
pub fn opset_in(imports: &[OperatorSetIdProto], domain: &str) -> Option<i64> {
    let found = imports.iter().find(|o| full_domain(&o.domain) == full_domain(domain)).map(|o| o.version);
    found.or((domain == IMPLIED_DOMAIN).then_some(1))
}
