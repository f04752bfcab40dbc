//! A model compiled to a module with inner values as outputs, and run on samples.

use super::Sample;
use crate::output::{self, Kind};
use crate::{Options, Source};
use onnxc_base::{DType, Diagnostic, Diagnostics, Tensor, Value};
use onnxc_codegen::loader::Module;
use onnxc_onnx::{ModelProto, TensorType, TypeProto, ValueInfoProto, type_proto};
use std::path::Path;

/// A module whose outputs are the model's, and the values asked for.
pub struct Runner {
    module: Module,
    /// The library's folder, gone with this value.
    _folder: tempfile::TempDir,
}

impl Runner {
    /// Compiles a model that also gives the values `taps`; those that are its inputs are given back as they are.
    ///
    /// # Errors
    /// Every problem of the model.
    pub fn new(
        proto: &ModelProto,
        dir: Option<&Path>,
        taps: &[String],
        options: &Options,
    ) -> Result<Runner, Diagnostics> {
        let bytes = onnxc_onnx::encode(&tapped(proto, taps));
        let source = Source::from_bytes(&bytes, dir, options)?;
        let compiled = crate::compile(&source, options)?;
        let folder = tempfile::tempdir()
            .map_err(|e| Diagnostic::error("E5203", format!("can't make a temporary folder: {e}")))?;
        let library = folder.path().join("model.so");
        output::write_one(&compiled, None, Kind::Shared, &library, &[], options)?;
        Ok(Runner { module: Module::open(&library)?, _folder: folder })
    }

    /// The values by name, inputs included.
    ///
    /// # Errors
    /// Inputs that don't fit.
    pub fn run(&self, sample: &Sample) -> Result<Vec<(String, Tensor)>, Diagnostics> {
        let values: Vec<Value> = sample.iter().cloned().map(Value::Tensor).collect();
        let results = self.module.run_values(&values)?;
        let inputs = self.module.inputs().into_iter().map(|p| p.name).zip(sample.iter().cloned());
        let outputs = self.module.outputs().into_iter().map(|p| p.name).zip(results);
        let tensor = |(name, v)| match v {
            Value::Tensor(t) => Some((name, t)),
            _ => None,
        };
        Ok(inputs.chain(outputs.filter_map(tensor)).collect())
    }
}

/// The model with values as further outputs.
fn tapped(proto: &ModelProto, taps: &[String]) -> ModelProto {
    let mut proto = proto.clone();
    if let Some(g) = proto.graph.as_mut() {
        for name in taps {
            if g.output.iter().chain(&g.input).any(|v| v.name == *name) {
                continue;
            }
            let ty = TensorType { elem_type: onnxc_onnx::dtype::to_onnx(DType::F32), shape: None };
            let ty = TypeProto { value: Some(type_proto::Value::Tensor(ty)), ..TypeProto::default() };
            g.output.push(ValueInfoProto { name: name.clone(), ty: Some(ty), ..ValueInfoProto::default() });
        }
    }
    proto
}
