//! Model-local functions.

use super::build::*;
use super::{Case, good, problems, snapshot};
use crate::messages::*;
use onnxc_base::DType;

/// Adds a function `mine::NAME(a) -> b` and has node `act` call it.
fn add(m: &mut ModelProto, name: &str, body: Vec<NodeProto>) -> usize {
    if m.functions.is_empty() {
        m.opset_import.push(opset("mine", 1));
        graph(m).node[1] = in_domain("mine", node("act", name, &["h"], &["y"]));
    }
    m.functions.push(function("mine", name, &["a"], &["b"], body));
    m.functions.len() - 1
}

fn call(name: &str, input: &str, output: &str) -> NodeProto {
    in_domain("mine", node("", name, &[input], &[output]))
}

fn leaky() -> Vec<NodeProto> {
    vec![with(node("l", "LeakyRelu", &["a"], &["b"]), reference("alpha", AttributeKind::Float, "slope"))]
}

const FUNCTIONS: &[Case] = &[
    ("function calls itself", |m| {
        add(m, "F", vec![call("F", "a", "b")]);
    }),
    ("functions in a circle", |m| {
        add(m, "F", vec![call("G", "a", "b")]);
        add(m, "G", vec![call("H", "a", "b")]);
        add(m, "H", vec![call("F", "a", "b")]);
    }),
    ("function defined twice", |m| {
        add(m, "F", vec![node("", "Neg", &["a"], &["b"])]);
        add(m, "F", vec![node("", "Abs", &["a"], &["b"])]);
    }),
    ("function uses a value of the graph", |m| {
        add(m, "F", vec![node("n", "Add", &["a", "w"], &["b"])]);
    }),
    ("function output not produced", |m| {
        add(m, "F", vec![node("n", "Neg", &["a"], &["c"])]);
    }),
    ("function names an input twice", |m| {
        let f = add(m, "F", vec![node("n", "Neg", &["a"], &["b"])]);
        m.functions[f].input.push("a".into());
    }),
    ("function imports no operator set", |m| {
        let f = add(m, "F", vec![node("n", "Neg", &["a"], &["b"])]);
        m.functions[f].opset_import.clear();
    }),
    ("call with too many inputs", |m| {
        add(m, "F", vec![node("n", "Neg", &["a"], &["b"])]);
        graph(m).node[1].input.push("x".into());
    }),
    ("call with an unknown attribute", |m| {
        let f = add(m, "F", leaky());
        m.functions[f].attribute.push("slope".into());
        graph(m).node[1].attribute.push(int("slop", 1));
    }),
    ("call with an attribute of another kind", |m| {
        let f = add(m, "F", leaky());
        let default = AttributeProto { f: Some(0.5), ..attr("slope", AttributeKind::Float) };
        m.functions[f].attribute_proto.push(default);
        graph(m).node[1].attribute.push(int("slope", 1));
    }),
    ("reference to an attribute that isn't there", |m| {
        add(m, "F", leaky());
    }),
    ("attribute declared twice", |m| {
        let f = add(m, "F", leaky());
        m.functions[f].attribute = vec!["slope".into(), "slope".into()];
    }),
    ("function without a name", |m| {
        let f = add(m, "F", vec![node("n", "Neg", &["a"], &["b"])]);
        m.functions[f].name.clear();
    }),
    ("functions that double forty times", |m| {
        for i in 0..40 {
            let (name, next) = (format!("F{i}"), format!("F{}", i + 1));
            add(m, &name, vec![call(&next, "a", "t"), call(&next, "t", "b")]);
        }
        add(m, "F40", vec![node("n", "Neg", &["a"], &["b"])]);
    }),
];

#[test]
fn functions() {
    snapshot("functions", FUNCTIONS);
}

#[test]
fn a_good_function_is_good() {
    let mut m = good();
    let f = add(&mut m, "F", leaky());
    m.functions[f].attribute.push("slope".into());
    m.functions[f].value_info.push(value("b", DType::F32, &[2, 4]));
    let mut other = m.functions[f].clone();
    other.overload = "wide".into();
    m.functions.push(other);
    assert_eq!(problems(&m).to_string(), "");
    let model = super::load(&m).expect("no problems");
    assert_eq!(model.function(&model.graph().node[1]).map(|f| f.overload.as_str()), Some(""));
    assert_eq!(crate::custom_ops(&model), []);
}
