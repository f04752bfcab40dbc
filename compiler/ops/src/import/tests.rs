//! Small models, built here; what they become is stored as text under `snapshots/graph`.

mod build;
mod gradients;
mod hostile;
mod models;

use super::{ImportOptions, import};
use crate::custom::CFunction;
use crate::infer::infer_graph;
use crate::registry::Registry;
use build::*;
use onnxc_base::{Bytes, Diagnostics};
use onnxc_ir::graph::{Graph, OpName, PrintOptions, parse_graph, print_graph, verify, verify::Stage};
use onnxc_onnx::{AttributeKind, GraphProto, Limits, ModelProto};
use std::sync::Arc;

/// The built-in operators, and a few of the user's, which have the types that the model declares.
fn registry() -> Registry {
    let mut r = Registry::new();
    for (domain, name) in [("my", "Op"), ("my", "Two"), ("my", "Branch"), ("my_domain", "MyAdd")] {
        let name = OpName { domain: domain.into(), name: name.into() };
        r.add(Arc::new(CFunction { name, symbol: "f".into() }));
    }
    r
}

fn load(proto: &ModelProto) -> onnxc_onnx::Model {
    let bytes: Bytes = onnxc_onnx::encode(proto);
    onnxc_onnx::load_bytes(&bytes, None, &Limits::default()).expect("well-formed")
}

fn import_with(proto: &ModelProto, dims: &[&str]) -> Result<(Graph, Diagnostics), Diagnostics> {
    let mut options = ImportOptions::default();
    for d in dims {
        options.add_dim(d).expect("well-formed");
    }
    import(&load(proto), &registry(), &options)
}

/// Imports a graph; its text, then warnings, or its errors. Every text must read back, every graph be consistent.
fn text(proto: &ModelProto, dims: &[&str]) -> String {
    match import_with(proto, dims) {
        Err(problems) => problems.to_string(),
        Ok((mut graph, mut warnings)) => {
            assert_eq!(verify(&graph, Stage::Imported), Ok(()));
            warnings.extend(infer_graph(&mut graph, &registry()));
            if !warnings.has_errors() {
                assert_eq!(verify(&graph, Stage::Typed), Ok(()));
            }
            let full = print_graph(&graph, PrintOptions { full: true });
            let back = parse_graph(&full, None, None).unwrap_or_else(|d| panic!("{d}\n{full}"));
            assert_eq!(print_graph(&back, PrintOptions { full: true }), full);
            format!("{graph}{warnings}")
        }
    }
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../snapshots/graph");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn dims_of_inputs() {
    let g = GraphProto {
        input: vec![
            tensor("x", 1, &["n", "3", "batch size", "?", "-1", ""]),
            tensor("y", 1, &["n", "batch_size", "a.b", "min"]),
            tensor("count", 7, &[]),
            tensor("a/size:0", 6, &["2"]),
            tensor("many", 7, &["9"]),
        ],
        output: vec![tensor("z", 1, &["n", "nonsense"])],
        node: vec![node("my.Op", &["x"], &["z"], vec![])],
        ..Default::default()
    };
    let m = model(g);
    snapshot("dims", &text(&m, &[]));
    snapshot("dims_given", &text(&m, &["n=2", "batch size=1..64", "x_d3=4", "a_b=2.."]));
    snapshot("dims_unknown", &text(&m, &["m=2", "3=3"]));
}

#[test]
fn constants_in_every_form() {
    use AttributeKind::*;
    let strings = attr("value_strings", Strings, |a| a.strings = vec!["a".into(), "b".into()]);
    let forms = vec![
        attr("value", Tensor, |a| a.t = Some(Box::new(ints("", &[2], &[1, 2])))),
        attr("value_int", Int, |a| a.i = Some(-3)),
        attr("value_ints", Ints, |a| a.ints = vec![4, 5]),
        attr("value_float", Float, |a| a.f = Some(0.5)),
        attr("value_floats", Floats, |a| a.floats = vec![1.5]),
        attr("value_string", String, |a| a.s = Some("text".into())),
        strings,
        attr("sparse_value", SparseTensor, |a| a.sparse_tensor = Some(Box::new(sparse("", 4, &[(1, 7), (3, 9)])))),
        // A file of the first IR version doesn't say which field is filled.
        attr("value_int", Undefined, |a| a.i = Some(8)),
    ];
    let names: Vec<std::string::String> = (0..forms.len()).map(|i| format!("c{i}")).collect();
    let mut nodes: Vec<_> = forms.into_iter().zip(&names).map(|(a, n)| node("Constant", &[], &[n], vec![a])).collect();
    let mut inputs: Vec<&str> = names.iter().map(|n| n.as_str()).collect();
    inputs.extend(["w", "s", "", ""]);
    nodes.push(node("my.Op", &inputs, &["y", ""], vec![]));
    let g = GraphProto {
        initializer: vec![ints("w", &[2], &[1, 2])],
        sparse_initializer: vec![sparse("s", 3, &[(0, 1)])],
        // The default of an input is a constant, too.
        input: vec![tensor("w", 7, &["2"])],
        output: vec![tensor("y", 1, &["2"])],
        node: nodes,
        ..Default::default()
    };
    snapshot("constants", &text(&model(g), &[]));
}

#[test]
fn inputs_are_what_the_user_says() {
    let mut x = tensor("x", 1, &[]);
    if let Some(onnxc_onnx::type_proto::Value::Tensor(t)) = x.ty.as_mut().and_then(|t| t.value.as_mut()) {
        t.shape = None;
    }
    let g = GraphProto {
        initializer: vec![floats("w", &[2], &[1.0, 2.0]), floats("k", &[1], &[3.0])],
        input: vec![x, tensor("w", 1, &["2"])],
        output: vec![tensor("y", 1, &["n"])],
        node: vec![node("Add", &["x", "w"], &["a"], vec![]), node("Mul", &["a", "k"], &["y"], vec![])],
        ..Default::default()
    };
    let said = |inputs: &[&str]| {
        let mut options = ImportOptions::default();
        inputs.iter().for_each(|i| options.add_input(i).expect("well-formed"));
        match import(&load(&model(g.clone())), &registry(), &options) {
            Err(problems) => problems.to_string(),
            Ok((graph, warnings)) => format!("{graph}{warnings}"),
        }
    };
    snapshot("given_inputs", &[&[][..], &["x=n,?,2"], &["x=2", "w=m", "k"], &["x=", "q"]].map(said).join("\n"));
}

#[test]
fn subgraphs_see_the_values_around_them() {
    let branch = |out: &str, uses: &str| GraphProto {
        node: vec![node("my.Op", &[uses, "w"], &[out], vec![])],
        output: vec![tensor(out, 1, &["n"])],
        initializer: vec![floats("w", &[1], &[1.0])],
        ..Default::default()
    };
    let inner = GraphProto {
        node: vec![node("my.Branch", &["t"], &["u"], vec![graph_attr("body", branch("v", "t"))])],
        output: vec![tensor("u", 1, &["n"])],
        input: vec![tensor("t", 1, &["n"])],
        ..Default::default()
    };
    let g = GraphProto {
        input: vec![tensor("x", 1, &["n"])],
        output: vec![tensor("y", 1, &["n"])],
        // The body of the first defines `y`, which is the name of an output.
        node: vec![
            node("my.Branch", &["x"], &["a"], vec![graph_attr("body", branch("y", "x"))]),
            node("my.Branch", &["a"], &["y"], vec![graph_attr("body", inner)]),
        ],
        ..Default::default()
    };
    snapshot("subgraphs", &text(&model(g), &[]));
}

#[test]
fn functions_are_inlined() {
    use AttributeKind::Float;
    let alpha = |a: &mut onnxc_onnx::AttributeProto| a.ref_attr_name = "slope".into();
    let mut inner = function("fn", "Inner", &["a", "b"], &["c"]);
    inner.attribute = vec!["slope".into()];
    inner.node = vec![node("my.Op", &["a", "b"], &["c"], vec![attr("alpha", Float, alpha)])];
    let mut outer = function("fn", "Outer", &["x", "missing"], &["y", "same", "t"]);
    outer.attribute_proto = vec![attr("slope", Float, |a| a.f = Some(0.25))];
    outer.node = vec![
        node("fn.Inner", &["x", "missing"], &["t"], vec![attr("slope", Float, alpha)]),
        node("my.Two", &["t"], &["y", "unused"], vec![]),
        node("my.Op", &["x"], &["same"], vec![]),
        node("fn.Inner", &["x", "x"], &["not set"], vec![]),
    ];
    let mut pass = function("fn", "Pass", &["x"], &["x"]);
    pass.node = vec![];
    let g = GraphProto {
        input: vec![tensor("x", 1, &["n"])],
        output: vec![tensor("y", 1, &["n"]), tensor("t", 1, &["n"]), tensor("p", 1, &["n"])],
        node: vec![
            named("first", node("fn.Outer", &["x"], &["y", "s"], vec![])),
            node("fn.Outer", &["s", "y"], &["u", "", "t"], vec![attr("slope", Float, |a| a.f = Some(2.0))]),
            node("fn.Pass", &["x"], &["p"], vec![]),
        ],
        ..Default::default()
    };
    let mut m = model(g);
    m.functions = vec![outer, inner, pass];
    snapshot("functions", &text(&m, &[]));
}

#[test]
fn functions_that_call_themselves_end() {
    let mut f = function("fn", "F", &["x"], &["y"]);
    f.node = vec![node("fn.F", &["x"], &["y"], vec![])];
    let g = GraphProto { node: vec![node("fn.F", &[], &["y"], vec![])], ..Default::default() };
    let mut m = model(g);
    m.functions = vec![f];
    let codes: Vec<_> = import_with(&m, &[]).expect_err("recursive").into_iter().map(|d| d.code).collect();
    assert!(codes.contains(&"E2023"), "{codes:?}");
}

#[test]
fn all_problems_are_listed() {
    use AttributeKind::*;
    let axis = |name: &str| attr(name, Int, |a| a.i = Some(1));
    let broken = GraphProto {
        node: vec![named("deep", node("Nonsense", &["nowhere"], &["o"], vec![]))],
        output: vec![tensor("o", 1, &[]), tensor("p", 1, &[])],
        ..Default::default()
    };
    let g = GraphProto {
        input: vec![tensor("x", 1, &["n"]), untyped("u"), tensor("x", 1, &["n"])],
        output: vec![tensor("y", 1, &["n"]), tensor("gone", 1, &[])],
        initializer: vec![floats("short", &[3], &[1.0])],
        node: vec![
            node("MyAdd", &["x"], &["a"], vec![]),
            named("custom", node("my_domain.YourAdd", &["a", "later"], &["b"], vec![])),
            named("softmax", node("Softmax", &["x"], &["later"], vec![axis("axis"), axis("axes"), axis("beta")])),
            node("Softmax", &["short"], &["c"], vec![attr("axis", Float, |a| a.f = Some(1.0))]),
            node("Constant", &[], &["d"], vec![]),
            node("unlisted.Op", &["d"], &["x"], vec![attr("type", TypeProto, |_| {})]),
            named("outer", node("my.Branch", &["x"], &["y"], vec![graph_attr("body", broken)])),
        ],
        ..Default::default()
    };
    snapshot("problems", &text(&model(g), &[]));
}

#[test]
fn versions_are_chosen_by_the_opset() {
    let softmax = |opset: i64| {
        let g = GraphProto {
            input: vec![tensor("x", 1, &["2", "3", "4"])],
            output: vec![tensor("y", 1, &["2", "3", "4"])],
            node: vec![node("Softmax", &["x"], &["y"], vec![])],
            ..Default::default()
        };
        let mut m = model(g);
        m.opset_import[0].version = opset;
        let (graph, _) = import_with(&m, &[]).expect("well-formed");
        let attrs = graph.nodes.values().next().map(|n| n.attrs.clone()).unwrap_or_default();
        (attrs.int("axis"), attrs.int("flattened"))
    };
    assert_eq!(softmax(12), (Some(1), Some(1)));
    assert_eq!(softmax(13), (Some(-1), Some(0)));
    let g = GraphProto {
        input: vec![tensor("x", 1, &["2"])],
        output: vec![tensor("y", 1, &["2"])],
        node: vec![node("Where", &["x", "x", "x"], &["y"], vec![])],
        ..Default::default()
    };
    let mut m = model(g);
    m.opset_import[0].version = 8;
    let codes: Vec<_> = import_with(&m, &[]).expect_err("too old").into_iter().map(|d| d.code).collect();
    assert_eq!(codes, ["E2015"]);
    m.opset_import.clear();
    let codes: Vec<_> = import_with(&m, &[]).expect_err("no opset").into_iter().map(|d| d.code).collect();
    assert_eq!(codes, ["E2016"]);
}

#[test]
fn raw_data_are_shared_with_the_file() {
    let data: Vec<f32> = (0..64).map(|i| i as f32).collect();
    let mut w = floats("w", &[64], &data);
    w.raw_data = Some(data.iter().flat_map(|v| v.to_le_bytes()).collect());
    w.float_data.clear();
    let g = GraphProto { initializer: vec![w], output: vec![tensor("w", 1, &["64"])], ..Default::default() };
    let bytes = onnxc_onnx::encode(&model(g));
    let loaded = onnxc_onnx::load_bytes(&bytes, None, &Limits::default()).expect("well-formed");
    let (graph, _) = import(&loaded, &registry(), &ImportOptions::default()).expect("well-formed");
    let t = graph.constant(graph.body.results[0]).expect("an initializer");
    let (file, tensor) = (bytes.as_ptr_range(), t.bytes().as_ptr_range());
    assert!(file.start <= tensor.start && tensor.end <= file.end);
}

#[test]
fn declared_types_are_only_hints() {
    let declared = |dtype: i32, dims: &[&str]| {
        let g = GraphProto {
            input: vec![tensor("x", 1, &["n", "3"])],
            output: vec![tensor("y", dtype, dims)],
            node: vec![node("Softmax", &["x"], &["y"], vec![])],
            ..Default::default()
        };
        let (mut graph, _) = import_with(&model(g), &[]).expect("well-formed");
        let warnings: Vec<_> = infer_graph(&mut graph, &registry()).into_iter().map(|d| d.message).collect();
        let ty = graph.values[graph.body.results[0]].ty.to_string();
        assert_eq!(ty, "f32[n, 3]");
        warnings.join("; ")
    };
    assert_eq!(declared(1, &["n", "3"]), "");
    assert_eq!(declared(1, &["q", "n"]), "");
    assert_eq!(declared(1, &["7", "4"]), "the file declares extent 4 for axis 1, but it is 3");
    assert_eq!(declared(7, &["n", "3"]), "the file declares element type i64, but it is f32");
    assert_eq!(declared(1, &["n"]), "the file declares rank 1, but it is 2");
}

/// The graphs of an operator that others stand for stand there too, with what they capture; one without nodes is
/// nothing.
#[test]
fn graphs_are_inlined() {
    let qkv = ["q", "k", "v"].map(|n| tensor(n, 1, &["b", "2", "s", "4"]));
    let score = GraphProto {
        name: "score".into(),
        input: vec![untyped("x")],
        output: vec![untyped("y")],
        node: vec![node("Add", &["x", "bias"], &["y"], vec![])],
        ..Default::default()
    };
    let prob =
        GraphProto { name: "prob".into(), input: vec![untyped("x")], output: vec![untyped("x")], ..Default::default() };
    let graphs = vec![graph_attr("score_mod", score), graph_attr("prob_mod", prob)];
    let g = GraphProto {
        input: qkv.into_iter().chain([tensor("bias", 1, &["s", "s"])]).collect(),
        output: vec![untyped("out")],
        node: vec![node("ai.onnx.preview.FlexAttention", &["q", "k", "v"], &["out"], graphs)],
        ..Default::default()
    };
    let mut m = model(g);
    m.opset_import.push(onnxc_onnx::OperatorSetIdProto { domain: "ai.onnx.preview".into(), version: 1 });
    snapshot("inlined_graphs", &text(&m, &[]));
}

/// Loop and Scan have an output for each carried value, also where the file omits the last ones.
#[test]
fn carried_values_that_are_omitted_are_outputs() {
    let states = ["s", "r"].map(|n| tensor(n, 1, &["2"]));
    let body = |first: &[(&str, i32)], tail: &[&str]| GraphProto {
        name: "body".into(),
        input: first.iter().map(|(n, d)| tensor(n, *d, &[])).chain(states.clone()).collect(),
        node: vec![node("Mul", &["s", "r"], &["t"], vec![])],
        output: ["t", "s"].iter().chain(tail).map(|n| untyped(n)).collect(),
        ..Default::default()
    };
    let mut scanned = body(&[], &["x"]);
    scanned.input.push(untyped("x"));
    let mut looped = body(&[("i", 7), ("go", 9)], &[]);
    looped.output.insert(0, untyped("go"));
    let scans = attr("num_scan_inputs", AttributeKind::Int, |a| a.i = Some(1));
    let g = GraphProto {
        input: vec![tensor("a", 1, &["2"]), tensor("x", 1, &["t", "2"]), tensor("n", 7, &[])],
        output: vec![untyped("y"), untyped("z")],
        node: vec![
            node("Loop", &["n", "", "a", "a"], &["y", ""], vec![graph_attr("body", looped)]),
            node("Scan", &["a", "a", "x"], &["z"], vec![graph_attr("body", scanned), scans]),
        ],
        ..Default::default()
    };
    snapshot("omitted_outputs", &text(&model(g), &[]));
}
