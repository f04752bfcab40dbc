//! Typed access to what import code asks of nodes, attributes and dims.
//!
//! A getter returns `None` when the attribute is absent or of another kind; [`crate::check`] has reported the latter.

use crate::messages::{
    AttributeKind, AttributeProto, Dimension, GraphProto, NodeProto, TensorProto, TensorType, TypeProto,
    ValueInfoProto, dimension, type_proto,
};
use onnxc_base::Bytes;

impl AttributeProto {
    /// The kind as an enum; numbers that ONNX doesn't define read as `Undefined`.
    pub fn attribute_kind(&self) -> AttributeKind {
        AttributeKind::try_from(self.kind).unwrap_or(AttributeKind::Undefined)
    }

    fn is(&self, kind: AttributeKind) -> bool {
        self.kind == kind as i32
    }

    /// The value of an `INT`.
    pub fn as_int(&self) -> Option<i64> {
        self.is(AttributeKind::Int).then(|| self.i.unwrap_or(0))
    }

    /// The value of a `FLOAT`.
    pub fn as_float(&self) -> Option<f32> {
        self.is(AttributeKind::Float).then(|| self.f.unwrap_or(0.0))
    }

    /// The value of a `STRING`.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        self.is(AttributeKind::String).then(|| self.s.as_deref().unwrap_or_default())
    }

    /// The value of a `STRING` that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|s| std::str::from_utf8(s).ok())
    }

    /// The values of `INTS`.
    pub fn as_ints(&self) -> Option<&[i64]> {
        self.is(AttributeKind::Ints).then_some(self.ints.as_slice())
    }

    /// The values of `FLOATS`.
    pub fn as_floats(&self) -> Option<&[f32]> {
        self.is(AttributeKind::Floats).then_some(self.floats.as_slice())
    }

    /// The values of `STRINGS`.
    pub fn as_strings(&self) -> Option<&[Bytes]> {
        self.is(AttributeKind::Strings).then_some(self.strings.as_slice())
    }

    /// The value of a `TENSOR`.
    pub fn as_tensor(&self) -> Option<&TensorProto> {
        self.t.as_deref().filter(|_| self.is(AttributeKind::Tensor))
    }

    /// The value of a `GRAPH`.
    pub fn as_graph(&self) -> Option<&GraphProto> {
        self.g.as_deref().filter(|_| self.is(AttributeKind::Graph))
    }

    /// The value of a `TYPE_PROTO`.
    pub fn as_type(&self) -> Option<&TypeProto> {
        self.tp.as_deref().filter(|_| self.is(AttributeKind::TypeProto))
    }

    /// Every graph in the attribute, whichever field holds it.
    pub fn subgraphs(&self) -> impl Iterator<Item = &GraphProto> {
        self.g.as_deref().into_iter().chain(&self.graphs)
    }
}

impl NodeProto {
    /// The attribute of a name.
    pub fn attr(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|a| a.name == name)
    }

    /// An `INT` attribute.
    pub fn attr_int(&self, name: &str) -> Option<i64> {
        self.attr(name)?.as_int()
    }

    /// A `FLOAT` attribute.
    pub fn attr_float(&self, name: &str) -> Option<f32> {
        self.attr(name)?.as_float()
    }

    /// A `STRING` attribute that is UTF-8.
    pub fn attr_str(&self, name: &str) -> Option<&str> {
        self.attr(name)?.as_str()
    }

    /// An `INTS` attribute.
    pub fn attr_ints(&self, name: &str) -> Option<&[i64]> {
        self.attr(name)?.as_ints()
    }

    /// A `FLOATS` attribute.
    pub fn attr_floats(&self, name: &str) -> Option<&[f32]> {
        self.attr(name)?.as_floats()
    }

    /// A `TENSOR` attribute.
    pub fn attr_tensor(&self, name: &str) -> Option<&TensorProto> {
        self.attr(name)?.as_tensor()
    }

    /// A `GRAPH` attribute.
    pub fn attr_graph(&self, name: &str) -> Option<&GraphProto> {
        self.attr(name)?.as_graph()
    }

    /// The i-th input; `None` if it is omitted.
    pub fn input_name(&self, i: usize) -> Option<&str> {
        self.input.get(i).map(String::as_str).filter(|s| !s.is_empty())
    }

    /// The i-th output; `None` if nobody wants it.
    pub fn output_name(&self, i: usize) -> Option<&str> {
        self.output.get(i).map(String::as_str).filter(|s| !s.is_empty())
    }

    /// How a diagnostic names the node: its name, or its place (`#12`) when it has none.
    pub fn label(&self, index: usize) -> String {
        if self.name.is_empty() { format!("#{index}") } else { self.name.clone() }
    }

    /// How a diagnostic names the operator: with its domain unless that is ONNX's own.
    pub fn op_label(&self) -> String {
        let domain = self.domain.as_str();
        if matches!(domain, "" | "ai.onnx") { self.op_type.clone() } else { format!("{domain}::{}", self.op_type) }
    }
}

impl Dimension {
    /// The extent, if it is a number. Some exporters write -1 for "unknown", and so it is read.
    pub fn fixed(&self) -> Option<i64> {
        match &self.value {
            Some(dimension::Value::Value(v)) if *v != -1 => Some(*v),
            _ => None,
        }
    }

    /// The name, if it has one.
    pub fn param(&self) -> Option<&str> {
        match &self.value {
            Some(dimension::Value::Param(p)) if !p.is_empty() => Some(p),
            _ => None,
        }
    }
}

impl ValueInfoProto {
    /// The type, if it is a dense tensor's.
    pub fn tensor_type(&self) -> Option<&TensorType> {
        match self.ty.as_ref()?.value.as_ref()? {
            type_proto::Value::Tensor(t) => Some(t),
            _ => None,
        }
    }
}

impl TensorType {
    /// The dims, if the rank is known.
    pub fn dims(&self) -> Option<&[Dimension]> {
        self.shape.as_ref().map(|s| s.dim.as_slice())
    }
}
