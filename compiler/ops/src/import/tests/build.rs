//! Messages in few words.

use onnxc_onnx::*;

/// A model of one graph: IR 8, opset 17 and versions 1 of `my` and `fn`.
pub(super) fn model(g: GraphProto) -> ModelProto {
    let import = |domain: &str, version| OperatorSetIdProto { domain: domain.into(), version };
    ModelProto {
        ir_version: 8,
        opset_import: vec![import("", 17), import("my", 1), import("fn", 1)],
        graph: Some(Box::new(GraphProto { name: "test".into(), ..g })),
        ..Default::default()
    }
}

/// An operator, with its domain before the last dot.
pub(super) fn node(op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    let (domain, op_type) = op.rsplit_once('.').unwrap_or(("", op));
    let list = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
    NodeProto {
        input: list(inputs),
        output: list(outputs),
        op_type: op_type.into(),
        domain: domain.into(),
        attribute,
        ..Default::default()
    }
}

pub(super) fn named(name: &str, node: NodeProto) -> NodeProto {
    NodeProto { name: name.into(), ..node }
}

pub(super) fn attr(name: &str, kind: AttributeKind, fill: impl FnOnce(&mut AttributeProto)) -> AttributeProto {
    let mut a = AttributeProto { name: name.into(), kind: kind as i32, ..Default::default() };
    fill(&mut a);
    a
}

pub(super) fn graph_attr(name: &str, g: GraphProto) -> AttributeProto {
    attr(name, AttributeKind::Graph, |a| a.g = Some(Box::new(g)))
}

/// A value with a tensor type; a dim is a number, a name, or unknown if empty.
pub(super) fn tensor(name: &str, elem_type: i32, dims: &[&str]) -> ValueInfoProto {
    let dim = |d: &&str| {
        let value = match d.parse::<i64>() {
            Ok(n) => Some(dimension::Value::Value(n)),
            Err(_) if d.is_empty() => None,
            Err(_) => Some(dimension::Value::Param(d.to_string())),
        };
        Dimension { value, ..Default::default() }
    };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let value = Some(type_proto::Value::Tensor(TensorType { elem_type, shape }));
    ValueInfoProto { name: name.into(), ty: Some(TypeProto { value, ..Default::default() }), ..Default::default() }
}

pub(super) fn untyped(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: name.into(), ..Default::default() }
}

pub(super) fn ints(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    let (dims, int64_data) = (dims.to_vec(), values.to_vec());
    TensorProto { name: name.into(), dims, data_type: 7, int64_data, ..Default::default() }
}

pub(super) fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    let (dims, float_data) = (dims.to_vec(), values.to_vec());
    TensorProto { name: name.into(), dims, data_type: 1, float_data, ..Default::default() }
}

/// A sparse vector of integers: positions and values.
pub(super) fn sparse(name: &str, extent: i64, items: &[(i64, i64)]) -> SparseTensorProto {
    let (at, values): (Vec<i64>, Vec<i64>) = items.iter().copied().unzip();
    let n = items.len() as i64;
    SparseTensorProto {
        values: Some(ints(name, &[n], &values)),
        indices: Some(ints("", &[n], &at)),
        dims: vec![extent],
    }
}

pub(super) fn function(domain: &str, name: &str, inputs: &[&str], outputs: &[&str]) -> FunctionProto {
    let list = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
    let import = |domain: &str| OperatorSetIdProto { domain: domain.into(), version: 1 };
    FunctionProto {
        name: name.into(),
        domain: domain.into(),
        input: list(inputs),
        output: list(outputs),
        opset_import: vec![import("my"), import("fn")],
        ..Default::default()
    }
}
