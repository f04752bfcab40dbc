//! `onnxc quantize`: a small network to integers, with every method, and what is refused.

use super::*;
use onnxc_host::files::npz;
use onnxc_onnx::*;

/// Numbers between -1 and 1, the same ones every time.
fn numbers(shape: &[usize], seed: u32) -> Tensor {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::from_slice(shape, &values)
}

fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&d: &i64| Dimension { value: Some(dimension::Value::Value(d)), ..Dimension::default() };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let ty = TypeProto {
        value: Some(type_proto::Value::Tensor(TensorType { elem_type: 1, shape })),
        ..TypeProto::default()
    };
    ValueInfoProto { name: name.into(), ty: Some(ty), ..ValueInfoProto::default() }
}

fn node(name: &str, op: &str, input: &[&str], output: &str) -> NodeProto {
    NodeProto {
        name: name.into(),
        op_type: op.into(),
        input: input.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    }
}

/// Two convolutions around a sum, a pool, and a matrix.
fn network() -> ModelProto {
    let weights: [(&str, &[usize]); 6] =
        [("w1", &[8, 3, 3, 3]), ("b1", &[8]), ("w2", &[8, 8, 1, 1]), ("b2", &[8]), ("w3", &[8, 5]), ("b3", &[5])];
    let initializer = weights.iter().enumerate().map(|(i, (name, shape))| TensorProto {
        name: name.to_string(),
        data_type: 1,
        dims: shape.iter().map(|&d| d as i64).collect(),
        raw_data: Some(numbers(shape, i as u32).packed()),
        ..TensorProto::default()
    });
    let graph = GraphProto {
        name: "network".into(),
        node: vec![
            node("conv1", "Conv", &["x", "w1", "b1"], "c1"),
            node("relu1", "Relu", &["c1"], "r1"),
            node("conv2", "Conv", &["r1", "w2", "b2"], "c2"),
            node("sum", "Add", &["r1", "c2"], "s"),
            node("pool", "GlobalAveragePool", &["s"], "p"),
            node("flat", "Flatten", &["p"], "f"),
            node("dense", "Gemm", &["f", "w3", "b3"], "y"),
        ],
        input: vec![value("x", &[1, 3, 12, 12])],
        output: vec![value("y", &[1, 5])],
        initializer: initializer.collect(),
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        graph: Some(graph.into()),
        ..ModelProto::default()
    }
}

/// A folder with the network and eight samples.
fn prepared() -> tempfile::TempDir {
    let dir = folder();
    std::fs::write(dir.path().join("net.onnx"), encode(&network())).expect("the folder is writable");
    let members = npz::members(&[("x".to_string(), numbers(&[8, 1, 3, 12, 12], 99))]).expect("an array");
    let mut bytes = vec![];
    npz::write(&mut bytes, &members).expect("memory is writable");
    std::fs::write(dir.path().join("data.npz"), bytes).expect("the folder is writable");
    dir
}

/// The ratio of signal to noise that is printed for the output.
fn ratio(out: &str) -> f64 {
    let line = out.lines().find(|l| l.trim_start().starts_with("y, ")).expect("the output is listed");
    let number = line.split(": ").nth(1).and_then(|l| l.split(" dB").next()).expect("a ratio is printed");
    number.parse().expect("it is a number")
}

const QUANTIZE: [&str; 6] = ["quantize", "net.onnx", "--calibrate", "data.npz", "-o", "q.onnx"];

#[test]
fn every_method_gives_a_model_of_integers() {
    let dir = prepared();
    for how in [
        &[][..],
        &["--method", "percentile", "--percentile", "99.9"],
        &["--method", "entropy"],
        &["--method", "mse", "--signed"],
        &["--per-tensor", "--symmetric"],
        &["--symmetric", "--signed"],
    ] {
        let ran = onnxc(dir.path(), &[&QUANTIZE[..], how].concat()).ok();
        assert!(ran.out.contains("7 of 7 nodes quantised, 8 samples"), "{}", ran.out);
        let least = if how.contains(&"entropy") { 12.0 } else { 25.0 };
        assert!(ratio(&ran.out) > least, "{how:?}\n{}", ran.out);
        onnxc(dir.path(), &["check", "q.onnx"]).ok();
        let graph = onnxc(dir.path(), &["q.onnx", "--emit", "graph"]).ok().out;
        let count = |op: &str| graph.matches(&format!("{op}(")).count();
        assert_eq!((count("IntegerConv"), count("IntegerMatMul"), count(" Conv")), (2, 1, 0), "{graph}");
        assert_eq!((count(" QuantizeLinear"), count(" DequantizeLinear")), (1, 1), "{graph}");
    }
}

#[test]
fn what_is_excluded_stays_in_float() {
    let dir = prepared();
    let ran = onnxc(dir.path(), &[&QUANTIZE[..], &["--exclude", "conv2", "--exclude", "y"]].concat()).ok();
    assert!(ran.out.contains("in float: conv2 (Conv): excluded"), "{}", ran.out);
    assert!(ran.out.contains("in float: dense (Gemm): excluded"), "{}", ran.out);
    let graph = onnxc(dir.path(), &["q.onnx", "--emit", "graph"]).ok().out;
    assert_eq!(graph.matches("IntegerConv(").count(), 1, "{graph}");
}

#[test]
fn names_and_samples_that_do_not_fit_are_refused() {
    let dir = prepared();
    put(dir.path(), "flat.npy", &numbers(&[3, 12, 12], 1));
    let mut values = numbers(&[1, 3, 12, 12], 1).to_vec::<f32>().expect("floats");
    values[7] = f32::NAN;
    put(dir.path(), "nan.npy", &Tensor::from_slice(&[1, 3, 12, 12], &values));
    let mut text = String::new();
    for more in [
        &["--exclude", "nobody"][..],
        &["--calibrate", "flat.npy"],
        &["--calibrate", "nan.npy"],
        &["--calibrate", "absent"],
        &["--percentile", "0"],
    ] {
        let args: Vec<&str> = match more[0] {
            "--calibrate" => vec!["quantize", "net.onnx", more[0], more[1], "-o", "q.onnx"],
            _ => [&QUANTIZE[..], more].concat(),
        };
        text += &format!("== {}\n{}\n", more.join(" "), onnxc(dir.path(), &args).seen(dir.path()));
        assert!(!dir.path().join("q.onnx").exists(), "nothing is written");
    }
    assert_snapshot("quantize-refused", &text);
    // A place that can't be written to is found before anything is measured.
    let ran = onnxc(dir.path(), &["quantize", "net.onnx", "--calibrate", "absent", "-o", "nowhere/q.onnx"]);
    assert!(ran.code != 0 && ran.err.contains("there is no folder 'nowhere'"), "{}", ran.err);
}

/// The network, with its operators in another opset and a node more behind its pool.
fn older(version: i64, more: Option<NodeProto>) -> tempfile::TempDir {
    let dir = prepared();
    let mut model = network();
    model.opset_import[0].version = version;
    if let (Some(g), Some(mut node)) = (model.graph.as_mut(), more) {
        node.input = vec!["p".into()];
        node.output = vec!["q".into()];
        g.node[5].input = vec!["q".into()];
        g.node.insert(5, node);
    }
    std::fs::write(dir.path().join("net.onnx"), encode(&model)).expect("the folder is writable");
    dir
}

/// Scales of channels need opset 13: a model that means the same there gets it, another one scales of whole tensors, and both
/// are said.
#[test]
fn old_models_get_the_opset_of_channels_scales_where_nothing_changes() {
    let dir = older(11, None);
    let ran = onnxc(dir.path(), &QUANTIZE).ok();
    assert!(ran.out.contains("  opset 11 became 13, for scales of each channel"), "{}", ran.out);
    let now = ratio(&ran.out);
    let model = load(&dir.path().join("q.onnx"), &Limits::default()).expect("it is written");
    assert_eq!(model.opset(""), Some(13));
    let new = onnxc(prepared().path(), &QUANTIZE).ok();
    assert!((now - ratio(&new.out)).abs() < 0.2, "{now}\n{}", new.out);
    // A Softmax over an axis before the last was one over several.
    let softmax = NodeProto { attribute: vec![int("axis", 1)], ..node("soft", "Softmax", &[], "") };
    let mut dims = node("squeeze", "Squeeze", &[], "");
    dims.attribute = vec![int("axes", 2)];
    dims.attribute[0].kind = AttributeKind::Ints as i32;
    dims.attribute[0].i = None;
    dims.attribute[0].ints = vec![3];
    for more in [softmax, dims] {
        let op = more.op_type.clone();
        let dir = older(12, Some(more));
        let ran = onnxc(dir.path(), &QUANTIZE).ok();
        let said = "  weights have one scale for each tensor: scales of each channel are of opset 13";
        assert_eq!(ran.out.contains(said), op == "Squeeze", "{op}\n{}", ran.out);
        // Nobody asked for them.
        let ran = onnxc(dir.path(), &[&QUANTIZE[..], &["--per-tensor"]].concat()).ok();
        assert!(!ran.out.contains("opset"), "{}", ran.out);
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), kind: AttributeKind::Int as i32, i: Some(value), ..AttributeProto::default() }
}

/// A model of integers is told from one in float with a quantised input.
#[test]
fn what_is_quantised_already_is_refused_once() {
    let dir = prepared();
    onnxc(dir.path(), &QUANTIZE).ok();
    let again = ["quantize", "q.onnx", "--calibrate", "data.npz", "-o", "twice.onnx"];
    let ran = onnxc(dir.path(), &again);
    assert!(ran.code == 1 && !dir.path().join("twice.onnx").exists(), "{}", ran.err);
    let said =
        "error[E6201]: the model is quantised already: it has 'x_dequantized_DequantizeLinear (DequantizeLinear)'";
    assert!(ran.err.starts_with(said) && ran.err.matches("error").count() == 1, "{}", ran.err);
}
