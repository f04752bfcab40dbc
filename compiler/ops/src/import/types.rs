//! Declared types: hints for inference, facts only for inputs.
//!
//! A declared name of a dim that no input has becomes a symbol `declared:NAME` that the graph doesn't define; inference
//! replaces it.

use super::Importer;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Sym};
use onnxc_ir::graph::Type;
use onnxc_onnx::{Dimension, TensorType, TypeProto, dtype, type_proto};

/// The prefix of declared names that stand for nothing; no sanitised name has a colon.
const DECLARED: &str = "declared:";

impl<'m> Importer<'m> {
    /// The type that the file declares for a value, if it is complete.
    pub(super) fn declared_type(&self, ty: &TypeProto) -> Option<Type> {
        Some(match ty.value.as_ref()? {
            type_proto::Value::Tensor(t) => self.declared_tensor(t)?,
            type_proto::Value::Sequence(s) => Type::Sequence(Box::new(self.declared_item(s.elem_type.as_ref()?)?)),
            type_proto::Value::Optional(o) => Type::Optional(Box::new(self.declared_item(o.elem_type.as_ref()?)?)),
            type_proto::Value::Map(m) => {
                Type::Map(dtype::from_onnx(m.key_type)?, Box::new(self.declared_item(m.value_type.as_ref()?)?))
            }
            type_proto::Value::SparseTensor(_) | type_proto::Value::Opaque(_) => return None,
        })
    }

    /// The type of what is inside of another type: extents of tensors are known only if all of them are numbers.
    fn declared_item(&self, ty: &TypeProto) -> Option<Type> {
        let Some(type_proto::Value::Tensor(t)) = ty.value.as_ref() else { return self.declared_type(ty) };
        let dtype = element_type(t)?;
        let Some(dims) = t.dims() else { return Some(Type::AnyTensor(dtype, None)) };
        let fixed: Option<Vec<Sym>> = dims.iter().map(|d| d.fixed().filter(|&v| v >= 0).map(Sym::int)).collect();
        Some(fixed.map_or(Type::AnyTensor(dtype, Some(dims.len() as u32)), |shape| Type::tensor(dtype, shape)))
    }

    fn declared_tensor(&self, t: &TensorType) -> Option<Type> {
        let shape = t.dims()?.iter().map(|d| self.declared_dim(d)).collect::<Option<Vec<Sym>>>()?;
        Some(Type::tensor(element_type(t)?, shape))
    }

    fn declared_dim(&self, d: &Dimension) -> Option<Sym> {
        match (d.fixed(), d.param()) {
            (Some(v), _) => (v >= 0).then(|| Sym::int(v)),
            // Names inside functions are not those of the model.
            (None, Some(p)) if self.frames.len() == 1 && self.dims.contains_key(p) => Some(self.dims[p].clone()),
            (None, Some(p)) => Some(Sym::var(Symbol::new(&format!("{DECLARED}{p}")))),
            (None, None) => Some(Sym::var(Symbol::new(DECLARED))),
        }
    }
}

/// The element type, if it is set and known.
pub(super) fn element_type(t: &TensorType) -> Option<DType> {
    dtype::from_onnx(t.elem_type)
}
