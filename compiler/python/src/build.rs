//! From a model to a module in this process, to files, or to the list of its problems.

use crate::errors::{detached, exception, list};
use crate::module::Module;
use onnxc::options::{MOST_THREADS, allowed_threads};
use onnxc::output::Kind;
use onnxc::{Options, Source};
use onnxc_base::{Bytes, Diagnostic, Diagnostics};
use onnxc_codegen::Target;
use onnxc_codegen::loader::Module as Loaded;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A model as Python hands it over.
#[derive(FromPyObject)]
pub enum Model<'py> {
    /// A serialized `ModelProto`.
    #[pyo3(transparent)]
    Bytes(Bound<'py, PyBytes>),
    /// A file.
    #[pyo3(transparent)]
    Path(PathBuf),
}

/// How to compile: the keyword arguments that all functions share.
#[derive(FromPyObject)]
pub struct How {
    folder: Option<PathBuf>,
    dims: Vec<String>,
    inputs: Vec<String>,
    branches: Vec<String>,
    backend: Option<String>,
    level: u8,
    target: Option<String>,
    target_cpu: Option<String>,
    name: Option<String>,
    /// 0: as many as this process may use.
    threads: u32,
}

impl How {
    /// The same as the library takes it.
    pub fn options(&self) -> Result<Options, Diagnostics> {
        let mut problems = Diagnostics::new();
        let mut options = Options { opt_level: self.level.min(3), name: self.name.clone(), ..Options::default() };
        options.backend.clone_from(&self.backend);
        options.threads = if self.threads == 0 { allowed_threads() } else { self.threads.min(MOST_THREADS) };
        problems.extend(onnxc::backends::find(self.backend.as_deref()).err().into_iter().flatten());
        for word in &self.dims {
            problems.extend(options.import.add_dim(word).err());
        }
        for word in &self.inputs {
            problems.extend(options.import.add_input(word).err());
        }
        for word in &self.branches {
            problems.extend(options.import.add_branch(word).err());
        }
        match Target::parse(self.target.as_deref(), self.target_cpu.as_deref()) {
            Ok(target) => options.target = target,
            Err(d) => problems.extend(d),
        }
        problems.into_result(options)
    }
}

/// A model, free of Python.
pub enum Input {
    /// A serialized `ModelProto`.
    Bytes(Bytes),
    /// A file.
    Path(PathBuf),
}

impl Model<'_> {
    /// What is left of it without Python.
    pub fn free(self) -> Input {
        match self {
            // A copy: weights share these bytes for as long as they like.
            Model::Bytes(b) => Input::Bytes(Bytes::copy_from_slice(b.as_bytes())),
            Model::Path(p) => Input::Path(p),
        }
    }
}

impl Input {
    fn open(&self, how: &How, options: &Options) -> Result<Source, Diagnostics> {
        match self {
            Input::Bytes(b) => Source::from_bytes(b, how.folder.as_deref(), options),
            Input::Path(p) => Source::open(p, options),
        }
    }

    /// The model as its file has it.
    pub fn load(&self, how: &How, options: &Options) -> Result<onnxc_onnx::Model, Diagnostics> {
        match self {
            Input::Bytes(b) => onnxc_onnx::load_bytes(b, how.folder.as_deref(), &options.limits),
            Input::Path(p) => onnxc_onnx::load(p, &options.limits),
        }
    }
}

/// Compiles a model and loads the result.
#[pyfunction]
pub fn compile(py: Python<'_>, model: Model<'_>, how: How) -> PyResult<Module> {
    let input = model.free();
    detached(py, move || {
        let options = how.options()?;
        let source = input.open(&how, &options)?;
        let compiled = onnxc::compile(&source, &options)?;
        let folder = tempfile::tempdir()
            .map_err(|e| Diagnostic::error("E5203", format!("can't make a temporary folder: {e}")))?;
        let library = folder.path().join(format!("{}.so", compiled.program.name));
        onnxc::output::write_one(&compiled, None, Kind::Shared, &library, &[], &options)?;
        let mut warnings = source.warnings;
        warnings.extend(compiled.lowered.warnings);
        // The library stays mapped, and the file open, when the folder goes.
        let loaded = Loaded::open(&library)?;
        loaded.set_threads(how.threads);
        Ok(Module::new(loaded, open(&library)?, warnings))
    })
}

/// A file to read from later.
pub fn open(path: &Path) -> Result<File, Diagnostic> {
    File::open(path).map_err(|e| Diagnostic::error("E6001", e.to_string()).file(path.display().to_string()))
}

/// Compiles a model to a file of the kind that the path's suffix says; gives back the warnings.
#[pyfunction]
pub fn build<'py>(py: Python<'py>, model: Model<'_>, path: PathBuf, how: How) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let input = model.free();
    let warnings = detached(py, move || {
        let options = how.options()?;
        onnxc::output::check_place(&path)?;
        let kind = Kind::of(&path)?;
        let source = input.open(&how, &options)?;
        let compiled = onnxc::compile(&source, &options)?;
        onnxc::output::write(&compiled, None, kind, &path, &[], &options)?;
        Ok(source.warnings)
    })?;
    list(py, &warnings)
}

/// Every problem of a model, without compiling it.
#[pyfunction]
pub fn check<'py>(py: Python<'py>, model: Model<'_>, how: How) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let input = model.free();
    let options = how.options().map_err(|d| exception(py, &d))?;
    let found = detached(py, move || {
        let checked = match &input {
            Input::Bytes(b) => Source::check_bytes(b, how.folder.as_deref(), &options),
            Input::Path(p) => Source::check(p, &options),
        };
        Ok(match checked {
            Ok((_, found)) | Err(found) => found,
        })
    })?;
    list(py, &found)
}

/// Names of the backends of this build that make machine code, the preferred one first.
#[pyfunction]
pub fn backends() -> Vec<&'static str> {
    onnxc::backends::native().map(|b| b.name()).collect()
}
