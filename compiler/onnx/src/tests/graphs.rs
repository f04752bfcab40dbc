//! Names, order, operators, versions, types.

use super::build::*;
use super::{Case, good, problems, snapshot};
use crate::messages::*;
use onnxc_base::{DType, Severity};

const HEAD: &[Case] = &[
    ("no IR version", |m| m.ir_version = 0),
    ("IR version of the future", |m| m.ir_version = 99),
    ("no operator set", |m| m.opset_import.clear()),
    ("domain imported at two versions", |m| m.opset_import.push(opset("ai.onnx", 16))),
    ("opset of the future", |m| m.opset_import[0].version = 99),
    ("negative opset", |m| m.opset_import[0].version = -3),
    ("custom opset 0", |m| m.opset_import.push(opset("mine", 0))),
    ("misspelt domain of ONNX", |m| m.opset_import.push(opset("ai.onnx.mll", 1))),
    ("domain not imported", |m| graph(m).node[1].domain = "mine".into()),
];

const NAMES: &[Case] = &[
    ("undefined input", |m| graph(m).node[1].input[0] = "hh".into()),
    ("value defined twice by nodes", |m| graph(m).node.push(node("again", "Relu", &["x"], &["h"]))),
    ("value defined by input and node", |m| graph(m).node[0].output[0] = "x".into()),
    ("one node defines a value twice", |m| {
        graph(m).node[0] = node("split", "Split", &["x", ""], &["h", "h"]);
    }),
    ("two inputs of one name", |m| graph(m).input.push(value("x", DType::F32, &[1]))),
    ("two initializers of one name", |m| {
        let w = weight(m).clone();
        graph(m).initializer.push(w);
    }),
    ("two nodes of one name", |m| graph(m).node[1].name = "mul".into()),
    ("initializer without a name", |m| {
        weight(m).name.clear();
        graph(m).node[0].input[1] = "x".into();
    }),
    ("graph output not produced", |m| graph(m).output[0].name = "z".into()),
    ("graph output without a name", |m| graph(m).output[0].name.clear()),
    ("input without a name", |m| graph(m).input.push(untyped(""))),
];

const ORDER: &[Case] = &[
    ("node needs itself", |m| graph(m).node[0].input[0] = "h".into()),
    ("two nodes in a circle", |m| graph(m).node[0].input[0] = "y".into()),
    ("two circles and a wrong order", |m| {
        let pair = |i: i32| {
            let (a, b) = (format!("a{i}"), format!("b{i}"));
            [node(&a, "Neg", &[&b], &[&a]), node(&b, "Neg", &[&a], &[&b])]
        };
        graph(m).node.extend([pair(1), pair(2)].concat());
        graph(m).node.insert(0, node("early", "Neg", &["h"], &["e"]));
    }),
    ("wrong order", |m| graph(m).node.reverse()),
    ("circle through a nested graph", |m| {
        let branch = |from: &str| GraphProto {
            name: "b".into(),
            node: vec![node("inner", "Identity", &[from], &[&format!("o_{from}")])],
            output: vec![untyped(&format!("o_{from}"))],
            ..Default::default()
        };
        let choice = with(node("choice", "If", &["c"], &["z"]), graph_attr("then_branch", branch("k")));
        graph(m).node.push(with(choice, graph_attr("else_branch", branch("x"))));
        graph(m).node.push(node("back", "Neg", &["z"], &["k"]));
        graph(m).input.push(value("c", DType::Bool, &[]));
    }),
    ("problems inside a nested graph", |m| {
        let body = |node: NodeProto, output: &str| GraphProto {
            name: "b".into(),
            node: vec![node],
            output: vec![untyped(output)],
            ..Default::default()
        };
        let bad = body(node("inner", "Reluu", &["nowhere"], &["p"]), "p");
        let hides = body(node("", "Relu", &["h"], &["y"]), "h");
        let choice = with(node("", "If", &["c"], &["z"]), graph_attr("then_branch", bad));
        graph(m).node.push(with(choice, graph_attr("else_branch", hides)));
        graph(m).input.push(value("c", DType::Bool, &[]));
    }),
];

const OPERATORS: &[Case] = &[
    ("unknown operator", |m| graph(m).node[1].op_type = "Relo".into()),
    ("operator of another domain", |m| graph(m).node[1].op_type = "Binarizer".into()),
    ("operator unlike any other", |m| graph(m).node[1].op_type = "Frobnicate".into()),
    ("no operator", |m| graph(m).node[1].op_type.clear()),
    ("operator newer than the opset", |m| graph(m).node[1].op_type = "Gelu".into()),
    ("operator taken out of the opset", |m| graph(m).node[1] = node("up", "Upsample", &["h", "w"], &["y"])),
    ("too many inputs", |m| graph(m).node[1].input.push("x".into())),
    ("too few inputs", |m| graph(m).node[0].input.truncate(1)),
    ("no inputs for a variadic operator", |m| graph(m).node[1] = node("max", "Max", &[], &["y"])),
    ("too many outputs", |m| graph(m).node[1].output.push("y2".into())),
    ("required input omitted", |m| graph(m).node[0].input[0].clear()),
];

fn graph_input_type(m: &mut ModelProto, value: type_proto::Value) {
    graph(m).input[0].ty = Some(TypeProto { value: Some(value), ..Default::default() });
}

const TYPES: &[Case] = &[
    ("input without a type", |m| graph(m).input[0].ty = None),
    ("input with an empty type", |m| graph(m).input[0].ty = Some(TypeProto::default())),
    ("element type 0", |m| graph_input_type(m, type_proto::Value::Tensor(TensorType::default()))),
    ("element type of the future", |m| {
        graph_input_type(m, type_proto::Value::SparseTensor(TensorType { elem_type: 99, shape: None }));
    }),
    ("sequence of nothing", |m| graph_input_type(m, type_proto::Value::Sequence(SequenceType::default()))),
    ("optional of nothing", |m| graph_input_type(m, type_proto::Value::Optional(OptionalType::default()))),
    ("map with float keys", |m| {
        graph_input_type(m, type_proto::Value::Map(MapType { key_type: 1, value_type: None }));
    }),
    ("negative extent", |m| graph(m).input[0] = value("x", DType::F32, &[2, -7])),
    ("extents overflow", |m| graph(m).input[0] = value("x", DType::F32, &[i64::MAX, i64::MAX])),
    ("inner value with a bad type", |m| graph(m).value_info.push(value("h", DType::F32, &[-9]))),
];

#[test]
fn heads() {
    snapshot("head", HEAD);
}

#[test]
fn names() {
    snapshot("names", NAMES);
}

#[test]
fn order() {
    snapshot("order", ORDER);
}

#[test]
fn operators() {
    snapshot("operators", OPERATORS);
}

#[test]
fn types() {
    snapshot("types", TYPES);
}

#[test]
fn harmless_things_are_accepted() {
    let mut m = good();
    // -1 for "unknown", an initializer that is an input's default, outputs nobody wants, a tool's attribute, an inner
    // value of unknown element type.
    graph(&mut m).input[0] = value("x", DType::F32, &[-1, 3]);
    graph(&mut m).input.push(value("w", DType::F32, &[3, 4]));
    graph(&mut m).node.push(node("", "Dropout", &["x", "", ""], &["d", ""]));
    graph(&mut m).node.push(with(node("", "Neg", &["x"], &["n"]), int("__tool", 1)));
    let unknown = TypeProto { value: Some(type_proto::Value::Tensor(TensorType::default())), ..Default::default() };
    graph(&mut m).value_info.push(ValueInfoProto { ty: Some(unknown), ..untyped("h") });
    assert_eq!(problems(&m).to_string(), "");
    assert_eq!(graph(&mut m).input[0].tensor_type().and_then(|t| t.dims()).map(|d| d[0].fixed()), Some(None));
}

#[test]
fn models_older_than_operator_sets_mean_version_one() {
    let mut m = good();
    (m.ir_version, m.opset_import) = (1, vec![]);
    graph(&mut m).node = vec![node("", "Relu", &["x"], &["y"])];
    assert_eq!(problems(&m).to_string(), "");
    assert_eq!(super::load(&m).map(|m| (m.opset(""), m.opset("mine"))), Ok((Some(1), None)));
}

#[test]
fn the_domain_of_onnx_runtime_is_implied() {
    let mut m = good();
    graph(&mut m).node = vec![NodeProto { domain: "com.microsoft".into(), ..node("", "FastGelu", &["x"], &["y"]) }];
    assert_eq!(problems(&m).to_string(), "");
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let mut m = good();
    graph(&mut m).node.extend((0..50).map(|i| node("", "Nope", &["nowhere"], &[&format!("o{i}")])));
    let limits = crate::Limits { max_problems: 3, ..Default::default() };
    let model = crate::load_bytes(&crate::encode(&m), None, &limits).expect("the file itself is sound");
    let found = crate::check(&model).0;
    assert_eq!(found.len(), 4);
    assert_eq!(short(found[3].clone()), "E1099: 97 more problems are not listed");
}

#[test]
fn a_long_chain_in_reverse_order_is_no_cycle_and_no_deep_recursion() {
    let mut m = good();
    let chain = (0..100_000).rev().map(|i| node("", "Neg", &[&format!("v{i}")], &[&format!("v{}", i + 1)]));
    graph(&mut m).node = chain.collect();
    graph(&mut m).input[0].name = "v0".into();
    graph(&mut m).output[0].name = "v100000".into();
    let found = problems(&m).0;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code, found[0].severity), ("E1013", Severity::Warning));
    assert!(found[0].message.ends_with("and so are 99998 more"), "{}", found[0].message);
}
