//! Diagnostics for Python: each becomes an `onnxc.Diagnostic`, several of them an `onnxc.OnnxcError`.
//!
//! A panic in the compiler is a defect of ours; it becomes an `OnnxcError`, too, with code `E9001`.

use onnxc_base::{Diagnostic, Diagnostics, Severity};
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The module that defines the classes.
const CLASSES: &str = "onnxc._errors";

/// Runs something without Python's lock; problems and panics become exceptions.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, Diagnostics> + Send) -> PyResult<T> {
    let done = py.detach(|| catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(defect().into())));
    done.map_err(|d| exception(py, &d))
}

fn defect() -> Diagnostic {
    Diagnostic::error("E9001", "the compiler has panicked")
        .help("this is a defect of onnxc; please report it with the model")
}

/// The exception for problems found.
pub fn exception(py: Python<'_>, found: &Diagnostics) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let class = py.import(CLASSES)?.getattr("OnnxcError")?;
        Ok(PyErr::from_value(class.call1((found.to_string(), list(py, found)?))?))
    };
    make().unwrap_or_else(|e| e)
}

/// The exception for one problem.
pub fn problem(py: Python<'_>, d: Diagnostic) -> PyErr {
    exception(py, &d.into())
}

/// Diagnostics as Python objects.
pub fn list<'py>(py: Python<'py>, found: &Diagnostics) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let class = py.import(CLASSES)?.getattr("Diagnostic")?;
    let one = |d: &Diagnostic| {
        let severity = if d.severity == Severity::Error { "error" } else { "warning" };
        let p = &d.place;
        class.call1((
            severity,
            d.code,
            &d.message,
            (&p.file, p.scope.join("/"), &p.node, &p.op, &p.tensor),
            &d.expected,
            &d.help,
            d.to_string(),
        ))
    };
    found.0.iter().map(one).collect()
}
