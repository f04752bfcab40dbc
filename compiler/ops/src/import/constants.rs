//! What is known at compile time: initializers, and `Constant` nodes in each of their forms.
//!
//! Raw and external data stay where they are in the file: a [`Tensor`] shares their bytes.

use super::Importer;
use super::attrs::kind_of;
use onnxc_base::{Diagnostic, Tensor};
use onnxc_ir::graph::{Type, ValueDef, ValueId};
use onnxc_onnx::{AttributeKind, GraphProto, NodeProto};

impl<'m> Importer<'m> {
    /// Defines a constant.
    pub(super) fn constant(&mut self, name: &'m str, t: Tensor) -> ValueId {
        let ty = Type::tensor(t.dtype(), t.shape().iter().map(|&d| (d as i64).into()).collect());
        self.define(name, ty, ValueDef::Const(t))
    }

    /// Defines the initializers of a graph, dense and sparse.
    pub(super) fn initializers(&mut self, g: &'m GraphProto) {
        // Of the model itself; names of subgraphs are others.
        let input = |this: &Self, name: &str| this.path.is_empty() && this.options.inputs.contains_key(name);
        for t in &g.initializer {
            if input(self, &t.name) {
                continue;
            }
            match self.model.tensor(t) {
                Ok(tensor) => self.constant(&t.name, tensor),
                Err(d) => self.failed_value(&t.name, d.tensor(&t.name)),
            };
        }
        for s in &g.sparse_initializer {
            let name = s.values.as_ref().map_or("", |v| v.name.as_str());
            match self.model.sparse_tensor(s) {
                Ok(tensor) => self.constant(name, tensor),
                Err(d) => self.failed_value(name, d.tensor(name)),
            };
        }
    }

    /// Defines the output of a `Constant` node.
    pub(super) fn constant_node(&mut self, node: &'m NodeProto, label: &str) {
        let Some(name) = node.output_name(0) else { return };
        match self.constant_value(node) {
            Ok(t) => self.constant(name, t),
            Err(d) => self.failed_value(name, d.node(label, "Constant")),
        };
    }

    fn constant_value(&self, node: &'m NodeProto) -> Result<Tensor, Diagnostic> {
        const FORMS: &str =
            "one of value, sparse_value, value_int, value_ints, value_float, value_floats, value_string, value_strings";
        let found: Vec<_> = node.attribute.iter().filter_map(|a| Some((a.name.as_str(), self.resolve(a)?))).collect();
        let [(name, a)] = found.as_slice() else {
            let message = format!("a Constant with {} attributes", found.len());
            return Err(Diagnostic::error("E2019", message).expected(FORMS).help("export the model again"));
        };
        let strings = |s: Vec<Vec<u8>>, shape| Tensor::from_strings(shape, s).expect("as many as the shape says");
        Ok(match (*name, kind_of(a)) {
            ("value", AttributeKind::Tensor) | ("sparse_value", AttributeKind::SparseTensor) => {
                match self.attr_value(name, a)? {
                    onnxc_ir::graph::Attr::Tensor(t) => t,
                    _ => unreachable!("both kinds are tensors"),
                }
            }
            ("value_int", AttributeKind::Int) => Tensor::scalar(a.i.unwrap_or(0)),
            ("value_ints", AttributeKind::Ints) => Tensor::from_slice(&[a.ints.len()], &a.ints),
            ("value_float", AttributeKind::Float) => Tensor::scalar(a.f.unwrap_or(0.0)),
            ("value_floats", AttributeKind::Floats) => Tensor::from_slice(&[a.floats.len()], &a.floats),
            ("value_string", AttributeKind::String) => {
                strings(vec![a.s.as_ref().map(|s| s.to_vec()).unwrap_or_default()], vec![])
            }
            ("value_strings", AttributeKind::Strings) => {
                strings(a.strings.iter().map(|s| s.to_vec()).collect(), vec![a.strings.len()])
            }
            _ => {
                let message = format!("a Constant with attribute '{name}' of kind {}", kind_of(a).as_str_name());
                return Err(Diagnostic::error("E2019", message).expected(FORMS).help("export the model again"));
            }
        })
    }
}
