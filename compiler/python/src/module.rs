//! A compiled module as a Python object.

use crate::build::open;
use crate::errors::{detached, list, problem};
use crate::{dtypes, values};
use onnxc_base::{Diagnostic, Diagnostics, Value};
use onnxc_codegen::files::write_whole;
use onnxc_codegen::loader::{Module as Loaded, PortInfo};
use pyo3::prelude::*;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A module in this process. Any number of threads may run it at once.
#[pyclass(frozen, module = "onnxc._onnxc")]
pub struct Module {
    loaded: Loaded,
    /// The shared library, perhaps without a name in the file system.
    file: File,
    warnings: Diagnostics,
    inputs: Vec<PortInfo>,
}

/// An input or output.
#[pyclass(frozen, get_all, module = "onnxc._onnxc")]
pub struct Port {
    /// The tensor's name in the model.
    name: String,
    /// NumPy's name of the element type.
    dtype: &'static str,
    /// The type as ONNX writes it: `tensor(float)`, `seq(tensor(int64))`.
    r#type: String,
    /// Each extent: an int, a dim's name, or None for an expression.
    shape: Vec<Option<Extent>>,
}

/// An extent that has a name or a number.
#[derive(Clone, IntoPyObject)]
pub enum Extent {
    /// A number.
    Fixed(i64),
    /// The name of a dim.
    Named(String),
}

fn port(p: PortInfo) -> Port {
    let extent = |s: String| match s.parse() {
        Ok(v) => Some(Extent::Fixed(v)),
        Err(_) if s == "?" => None,
        Err(_) => Some(Extent::Named(s)),
    };
    Port {
        name: p.name,
        dtype: dtypes::name(p.dtype),
        r#type: p.type_text,
        shape: p.shape.into_iter().map(extent).collect(),
    }
}

impl Module {
    /// A loaded module, the file it came from, and what the user should know.
    pub fn new(loaded: Loaded, file: File, warnings: Diagnostics) -> Module {
        let inputs = loaded.inputs();
        Module { loaded, file, warnings, inputs }
    }
}

/// Opens a shared library that onnxc made.
#[pyfunction]
pub fn load(py: Python<'_>, path: PathBuf) -> PyResult<Module> {
    detached(py, || Ok(Module::new(Loaded::open(&path)?, open(&path)?, Diagnostics::new())))
}

#[pymethods]
impl Module {
    /// The module's name, the prefix of its symbols.
    #[getter]
    fn name(&self) -> String {
        self.loaded.description().name().into()
    }

    /// The compiler that made it.
    #[getter]
    fn compiler(&self) -> String {
        self.loaded.description().compiler().into()
    }

    /// SHA-256 of the model.
    #[getter]
    fn model_sha256(&self) -> String {
        self.loaded.description().model_sha256().into()
    }

    /// Warnings of the compilation.
    #[getter]
    fn warnings<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        list(py, &self.warnings)
    }

    /// Inputs, in order.
    #[getter]
    fn inputs(&self) -> Vec<Port> {
        self.loaded.inputs().into_iter().map(port).collect()
    }

    /// Outputs, in order.
    #[getter]
    fn outputs(&self) -> Vec<Port> {
        self.loaded.outputs().into_iter().map(port).collect()
    }

    /// How many threads runs use from now on; 0: as many as this process may. False if there is one only.
    fn set_threads(&self, threads: u32) -> bool {
        self.loaded.set_threads(threads)
    }

    /// Runs the module on one value per input.
    fn run<'py>(&self, py: Python<'py>, values: Vec<Bound<'py, PyAny>>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        if values.len() != self.inputs.len() {
            let names: Vec<&str> = self.inputs.iter().map(|p| p.name.as_str()).collect();
            let d = Diagnostic::error("E6010", format!("{} inputs were given", values.len()));
            return Err(problem(py, d.expected(format!("{}: {}", names.len(), names.join(", ")))));
        }
        let one = |(v, p): (&Bound<'py, PyAny>, &PortInfo)| values::to_value(v, &p.name, &p.type_text);
        let inputs: Vec<Value> = values.iter().zip(&self.inputs).map(one).collect::<PyResult<_>>()?;
        let results = detached(py, || self.loaded.run_values(&inputs))?;
        results.iter().map(|v| values::to_object(py, v)).collect()
    }

    /// Writes the shared library to a file.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        detached(py, || {
            write_whole(&path, |out| {
                let (mut chunk, mut at) = (vec![0u8; 1 << 20], 0);
                loop {
                    let n = self.file.read_at(&mut chunk, at)?;
                    if n == 0 {
                        return Ok(());
                    }
                    out.write_all(&chunk[..n])?;
                    at += n as u64;
                }
            })
        })
    }
}
