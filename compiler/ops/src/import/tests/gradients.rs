//! Gradient nodes: what they become has names of its own, and follows from what is known of the graph around them.
//!
//! Does NOT ask whether derivatives are right (see `ops::gradient`).

use super::*;
use onnxc_onnx::{NodeProto, OperatorSetIdProto};

/// A node that derives `y` by `xs`, where they are; its results are `d` and their names.
fn gradient(xs: &[&str], y: &str) -> NodeProto {
    let by = attr("xs", AttributeKind::Strings, |a| a.strings = xs.iter().map(|n| n.to_string().into()).collect());
    let of = attr("y", AttributeKind::String, |a| a.s = Some(y.to_owned().into()));
    let results: Vec<String> = xs.iter().map(|n| format!("d{n}")).collect();
    let results: Vec<&str> = results.iter().map(String::as_str).collect();
    node("ai.onnx.preview.training.Gradient", xs, &results, vec![by, of])
}

fn training_model(g: GraphProto) -> ModelProto {
    let mut m = model(g);
    m.opset_import.push(OperatorSetIdProto { domain: "ai.onnx.preview.training".into(), version: 1 });
    m
}

/// Nodes that an operator makes inside of regions have names of their own, as those beside it have.
#[test]
fn nodes_made_in_regions_have_names_of_their_own() {
    let branch = |uses: &str, out: &str| GraphProto {
        name: "branch".into(),
        node: vec![node("Exp", &[uses], &["e"], vec![]), node("Mul", &["e", uses], &[out], vec![])],
        output: vec![untyped(out)],
        ..Default::default()
    };
    let branches = vec![graph_attr("then_branch", branch("a", "t")), graph_attr("else_branch", branch("b", "u"))];
    let g = GraphProto {
        input: vec![tensor("c", 9, &[]), tensor("a", 1, &["n"]), tensor("b", 1, &["n"])],
        output: vec![untyped("y"), untyped("da"), untyped("db")],
        node: vec![node("If", &["c"], &["y"], branches), gradient(&["a", "b"], "y")],
        ..Default::default()
    };
    snapshot("named_in_regions", &text(&training_model(g), &[]));
}

/// The derivative of a product with a vector is another product than that with a matrix, so the rank has to be known.
#[test]
fn ranks_behind_operators_of_the_user_are_known() {
    let g = GraphProto {
        input: vec![tensor("x", 1, &["2", "3"]), tensor("v", 1, &["3"])],
        output: vec![untyped("dx")],
        node: vec![
            node("my.Op", &["v"], &["w"], vec![]),
            node("MatMul", &["x", "w"], &["y"], vec![]),
            gradient(&["x"], "y"),
        ],
        ..Default::default()
    };
    let (mut graph, _) = import_with(&training_model(g), &[]).expect("well-formed");
    let problems = infer_graph(&mut graph, &registry());
    assert!(!problems.has_errors(), "{problems}");
    assert_eq!(graph.values[graph.body.results[0]].ty.to_string(), "f32[2, 3]");
}
