//! Short ways to write messages.

use crate::messages::*;
use onnxc_base::{DType, diag::Diagnostic};

/// y = Relu(MatMul(x, w)), x f32[2, 3], w f32[3, 4]; nodes `mul` and `act`.
pub fn good() -> ModelProto {
    let graph = GraphProto {
        name: "g".into(),
        node: vec![node("mul", "MatMul", &["x", "w"], &["h"]), node("act", "Relu", &["h"], &["y"])],
        initializer: vec![raw("w", DType::F32, &[3, 4], &[0; 48])],
        input: vec![value("x", DType::F32, &[2, 3])],
        output: vec![value("y", DType::F32, &[2, 4])],
        ..Default::default()
    };
    ModelProto { ir_version: 8, opset_import: vec![opset("", 17)], graph: Some(graph.into()), ..Default::default() }
}

pub fn opset(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: domain.into(), version }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|s| s.to_string()).collect()
}

pub fn node(name: &str, op: &str, input: &[&str], output: &[&str]) -> NodeProto {
    NodeProto {
        name: name.into(),
        op_type: op.into(),
        input: strings(input),
        output: strings(output),
        ..Default::default()
    }
}

pub fn in_domain(domain: &str, node: NodeProto) -> NodeProto {
    NodeProto { domain: domain.into(), ..node }
}

pub fn with(mut node: NodeProto, attribute: AttributeProto) -> NodeProto {
    node.attribute.push(attribute);
    node
}

pub fn attr(name: &str, kind: AttributeKind) -> AttributeProto {
    AttributeProto { name: name.into(), kind: kind as i32, ..Default::default() }
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i: Some(i), ..attr(name, AttributeKind::Int) }
}

pub fn graph_attr(name: &str, g: GraphProto) -> AttributeProto {
    AttributeProto { g: Some(g.into()), ..attr(name, AttributeKind::Graph) }
}

pub fn reference(name: &str, kind: AttributeKind, target: &str) -> AttributeProto {
    AttributeProto { ref_attr_name: target.into(), ..attr(name, kind) }
}

/// A tensor without data.
pub fn empty(name: &str, dtype: DType, dims: &[i64]) -> TensorProto {
    let data_type = crate::dtype::to_onnx(dtype);
    TensorProto { name: name.into(), data_type, dims: dims.to_vec(), ..Default::default() }
}

pub fn raw(name: &str, dtype: DType, dims: &[i64], data: &[u8]) -> TensorProto {
    TensorProto { raw_data: Some(data.to_vec().into()), ..empty(name, dtype, dims) }
}

pub fn external(t: TensorProto, entries: &[(&str, &str)]) -> TensorProto {
    let entry = |(k, v): &(&str, &str)| StringStringEntryProto { key: k.to_string(), value: v.to_string() };
    TensorProto { data_location: 1, external_data: entries.iter().map(entry).collect(), raw_data: None, ..t }
}

pub fn tensor_type(dtype: DType, dims: &[i64]) -> TypeProto {
    let dim = |&d: &i64| Dimension { value: Some(dimension::Value::Value(d)), ..Default::default() };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let t = TensorType { elem_type: crate::dtype::to_onnx(dtype), shape: Some(shape) };
    TypeProto { value: Some(type_proto::Value::Tensor(t)), ..Default::default() }
}

pub fn value(name: &str, dtype: DType, dims: &[i64]) -> ValueInfoProto {
    ValueInfoProto { name: name.into(), ty: Some(tensor_type(dtype, dims)), ..Default::default() }
}

pub fn untyped(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: name.into(), ..Default::default() }
}

pub fn function(domain: &str, name: &str, input: &[&str], output: &[&str], node: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        domain: domain.into(),
        name: name.into(),
        input: strings(input),
        output: strings(output),
        node,
        opset_import: vec![opset("", 17), opset(domain, 1)],
        ..Default::default()
    }
}

/// The main graph, for spoiling.
pub fn graph(m: &mut ModelProto) -> &mut GraphProto {
    m.graph.as_mut().expect("the good model has a graph")
}

/// The only initializer of the good model.
pub fn weight(m: &mut ModelProto) -> &mut TensorProto {
    &mut graph(m).initializer[0]
}

/// The short form of a diagnostic, for assertions.
pub fn short(d: Diagnostic) -> String {
    format!("{}: {}", d.code, d.message)
}
