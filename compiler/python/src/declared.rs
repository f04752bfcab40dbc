//! What a model's file says of its inputs and outputs, before anything is known of what it computes.
//!
//! Does NOT import the model: an input without a rank, which no module can have, is found here, too.

use crate::build::{How, Model};
use crate::dtypes;
use crate::errors::detached;
use crate::module::Extent;
use onnxc_onnx::{Dimension, ValueInfoProto, dtype};
use pyo3::prelude::*;

/// Name, NumPy's name of the element type (empty for what is no tensor), the type as ONNX writes it, extents if the rank is
/// known, and whether the input has a default.
type Declared = (String, &'static str, String, Option<Vec<Option<Extent>>>, bool);

/// The inputs and outputs of a model as its file has them.
#[pyfunction]
pub fn declared(py: Python<'_>, model: Model<'_>, how: How) -> PyResult<(Vec<Declared>, Vec<Declared>)> {
    let input = model.free();
    detached(py, move || {
        let model = input.load(&how, &how.options()?)?;
        let g = model.graph();
        let default = |name: &str| g.initializer.iter().any(|t| t.name == name);
        let inputs = g.input.iter().map(|i| port(i, default(&i.name))).collect();
        Ok((inputs, g.output.iter().map(|o| port(o, false)).collect()))
    })
}

fn port(info: &ValueInfoProto, default: bool) -> Declared {
    let Some(t) = info.tensor_type() else { return (info.name.clone(), "", String::new(), None, default) };
    let (name, text) = match dtype::from_onnx(t.elem_type) {
        Some(d) => (dtypes::name(d), format!("tensor({})", d.type_word())),
        None => ("", String::new()),
    };
    let shape = t.dims().map(|dims| dims.iter().map(extent).collect());
    (info.name.clone(), name, text, shape, default)
}

fn extent(d: &Dimension) -> Option<Extent> {
    d.fixed().map(Extent::Fixed).or_else(|| d.param().map(|p| Extent::Named(p.into())))
}
