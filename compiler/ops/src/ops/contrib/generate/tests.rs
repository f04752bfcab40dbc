//! Whole models of one node against ONNX Runtime: `compiler/ops/tests/data/generation.json`, made by
//! `cases_generation.py` beside it.
//!
//! A case is as in other files (see `testing/stored.rs`), but for attributes that are graphs: `{"graph": NAME}` is the
//! graph of `generation/NAME.onnx`. Each case runs with the extents of its inputs fixed and as symbols.

use crate::Evaluator;
use crate::import::{ImportOptions, import};
use crate::infer::infer_graph;
use crate::registry::Registry;
use crate::testing::{assert_close, attribute, tensor};
use onnxc_base::{DType, Diagnostics, Tensor};
use onnxc_ir::graph::interp::{self, HostValue};
use onnxc_ir::graph::{Attr, Graph, verify, verify::Stage};
use onnxc_onnx::*;
use serde_json::Value;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/generation");

fn cases() -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{DATA}.json")).expect("the cases are there");
    serde_json::from_str(&text).expect("well-formed")
}

/// The graph of a stored model.
fn stored(name: &str) -> GraphProto {
    let path = format!("{DATA}/{name}.onnx");
    *load(path.as_ref(), &Limits::default()).expect("a good model").proto.graph.expect("a graph")
}

fn attribute_of(name: &str, v: &Value) -> AttributeProto {
    let mut a = AttributeProto { name: name.into(), ..Default::default() };
    let kind = match v["graph"].as_str().map(stored) {
        Some(g) => {
            a.g = Some(Box::new(g));
            AttributeKind::Graph
        }
        None => match attribute(v) {
            Attr::Int(i) => {
                a.i = Some(i);
                AttributeKind::Int
            }
            Attr::Float(f) => {
                a.f = Some(f);
                AttributeKind::Float
            }
            other => panic!("no attribute of these operators: {other:?}"),
        },
    };
    a.kind = kind as i32;
    a
}

fn value(name: &str, t: &Tensor, symbolic: bool) -> ValueInfoProto {
    let dim = |(axis, &d): (usize, &usize)| {
        // The first axis of what has two is the batch.
        let shared = if axis == 0 { "batch".to_string() } else { format!("{name}_{axis}") };
        let value = match symbolic && t.shape().len() > 1 {
            true => dimension::Value::Param(shared),
            false => dimension::Value::Value(d as i64),
        };
        Dimension { value: Some(value), ..Default::default() }
    };
    let shape = TensorShapeProto { dim: t.shape().iter().enumerate().map(dim).collect() };
    let elem_type = dtype::to_onnx(t.dtype());
    let ty = type_proto::Value::Tensor(TensorType { elem_type, shape: Some(shape) });
    ValueInfoProto {
        name: name.into(),
        ty: Some(TypeProto { value: Some(ty), ..Default::default() }),
        ..Default::default()
    }
}

fn constant(name: &str, t: &Tensor) -> TensorProto {
    let dims = t.shape().iter().map(|&d| d as i64).collect();
    let raw_data = Some(t.bytes().clone());
    TensorProto { name: name.into(), dims, data_type: dtype::to_onnx(t.dtype()), raw_data, ..Default::default() }
}

/// The model of a case, and what it is given.
fn model(case: &Value, symbolic: bool) -> (ModelProto, Vec<Tensor>) {
    let (domain, op) = case["op"].as_str().and_then(|op| op.rsplit_once('.')).expect("an operator");
    let (mut graph, mut given, mut names) = (GraphProto { name: "case".into(), ..Default::default() }, vec![], vec![]);
    for (i, v) in case["inputs"].as_array().expect("a list").iter().enumerate() {
        let name = if v.is_null() { String::new() } else { format!("x{i}") };
        if v[3] == "const" {
            graph.initializer.push(constant(&name, &tensor(v)));
        } else if !v.is_null() {
            given.push(tensor(v));
            graph.input.push(value(&name, &given[given.len() - 1], symbolic));
        }
        names.push(name);
    }
    let outputs: Vec<String> =
        (0..case["outputs"].as_array().expect("a list").len()).map(|i| format!("y{i}")).collect();
    graph.output = outputs.iter().map(|o| ValueInfoProto { name: o.clone(), ..Default::default() }).collect();
    let attrs = case["attrs"].as_object().expect("attributes");
    graph.node.push(NodeProto {
        op_type: op.into(),
        domain: domain.into(),
        input: names,
        output: outputs,
        attribute: attrs.iter().map(|(name, v)| attribute_of(name, v)).collect(),
        ..Default::default()
    });
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.into(), version };
    let opset_import = vec![opset("", 18), opset(domain, 1)];
    (ModelProto { ir_version: 8, opset_import, graph: Some(Box::new(graph)), ..Default::default() }, given)
}

/// A case by what it is about.
fn case(about: &str) -> Value {
    cases().into_iter().find(|c| c["about"] == about).expect("there is such a case")
}

fn graph_of(proto: &ModelProto) -> Result<Graph, Diagnostics> {
    let model = load_bytes(&encode(proto), None, &Limits::default()).expect("well-formed");
    let (mut graph, _) = import(&model, &Registry::new(), &ImportOptions::default())?;
    let found = infer_graph(&mut graph, &Registry::new());
    if found.has_errors() { Err(found) } else { Ok(graph) }
}

/// Runs a model; its results.
fn run(proto: &ModelProto, given: Vec<Tensor>) -> Vec<Tensor> {
    let graph = graph_of(proto).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(verify(&graph, Stage::Typed), Ok(()));
    let given: Vec<HostValue> = given.into_iter().map(HostValue::Tensor).collect();
    let results = interp::run(&graph, &Evaluator::new(&Registry::new()), &given).unwrap_or_else(|d| panic!("{d}"));
    results.iter().map(|v| v.tensor().expect("a tensor").clone()).collect()
}

/// Compares results with those of a case.
fn compare(case: &Value, found: &[Tensor]) {
    for (found, wanted) in found.iter().zip(case["outputs"].as_array().expect("a list")) {
        let wanted = tensor(wanted);
        let tolerance = if wanted.dtype() == DType::I32 { 0.0 } else { 1e-4 };
        assert_close(found, &wanted, tolerance, &case["about"].to_string());
    }
}

fn check(symbolic: bool) {
    for case in cases() {
        let (proto, given) = model(&case, symbolic);
        compare(&case, &run(&proto, given));
    }
}

/// A graph of the node.
fn graph_at<'a>(proto: &'a mut ModelProto, name: &str) -> &'a mut GraphProto {
    let graph = proto.graph.as_mut().expect("a graph");
    let a = graph.node[0].attribute.iter_mut().find(|a| a.name == name).expect("the attribute is there");
    a.g.as_mut().expect("a graph")
}

#[test]
fn models_of_fixed_extents_give_what_onnx_runtime_gives() {
    check(false);
}

#[test]
fn models_of_any_extents_give_what_onnx_runtime_gives() {
    check(true);
}

#[test]
fn decoders_may_take_weights_from_around_the_node() {
    for about in ["greedy", "beams, ends with 6", "t5"] {
        let case = case(about);
        let (mut proto, given) = model(&case, true);
        let outer = std::mem::take(&mut graph_at(&mut proto, "decoder").initializer);
        // Those of the encoder have names of their own: they stay there.
        proto.graph.as_mut().expect("a graph").initializer.extend(outer);
        compare(&case, &run(&proto, given));
    }
}

/// The errors of a changed case.
fn errors(about: &str, change: impl FnOnce(&mut ModelProto)) -> Vec<(&'static str, String)> {
    let (mut proto, _) = model(&case(about), false);
    change(&mut proto);
    let problems = graph_of(&proto).expect_err("it is refused");
    problems.0.iter().map(|d| (d.code, d.message.clone())).collect()
}

fn set(proto: &mut ModelProto, name: &str, value: i64) {
    let attributes = &mut proto.graph.as_mut().expect("a graph").node[0].attribute;
    attributes.retain(|a| a.name != name);
    let kind = AttributeKind::Int as i32;
    attributes.push(AttributeProto { name: name.into(), kind, i: Some(value), ..Default::default() });
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let refused = |about: &str, change: &dyn Fn(&mut ModelProto)| match &errors(about, change)[..] {
        [(code, message)] => format!("{code} {message}"),
        other => panic!("one error, not {other:?}"),
    };
    let found = [
        refused("greedy", &|m| set(m, "model_type", 1)),
        refused("greedy", &|m| set(m, "pad_token_id", -1)),
        refused("greedy", &|m| set(m, "vocab_size", 19)),
        refused("beams", &|m| set(m, "model_type", 7)),
        refused("t5", &|m| set(m, "decoder_start_token_id", -1)),
        refused("beams", &|m| {
            let length = Tensor::from_slice(&[1], &[0i32]);
            graph_at(m, "decoder").input.push(value("past_sequence_length", &length, false));
        }),
        refused("t5", &|m| _ = graph_at(m, "encoder").output.pop()),
        refused("whisper, warm", &|m| set(m, "decoder_output_cross_qk", 1)),
        refused("beams", &|m| {
            // Whisper's rules for timestamps.
            let node = &mut m.graph.as_mut().expect("a graph").node[0];
            node.input.resize(11, String::new());
            node.input.push("x1".into());
        }),
    ];
    insta::assert_snapshot!(found.join("\n"), @"
    E2020 'model_type' is 1
    E2011 attribute 'pad_token_id' is -1
    E2020 'vocab_size' is 19, the decoder has numbers for 20 tokens
    E2011 'model_type' is 7
    E2012 attribute 'decoder_start_token_id' is missing
    E2020 the decoder has 6 inputs and 3 outputs
    E2020 the encoder has 3 inputs and 5 outputs
    E2020 what the decoder gives of its attention is not supported
    E2020 input 11, logits_processor, is not supported yet
    ");
}
