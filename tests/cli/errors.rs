//! What is refused, how it is said, and the exit code. Nothing is written then.

use super::*;
use onnxc_base::DType;
use onnxc_onnx::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto, encode};

/// A run of a compiled model on one input, which must fail; what the user sees.
fn refused(name: &str, input: &Tensor) -> String {
    let dir = folder();
    put(dir.path(), "in.npy", input);
    let ran = onnxc(dir.path(), &["run", &model(name), "--inputs", "in.npy", "--outputs", "out.npz"]);
    assert!(!dir.path().join("out.npz").exists(), "nothing is written");
    assert_eq!(std::fs::read_dir(dir.path()).expect("it is there").count(), 1, "no temporary file is left");
    ran.seen(dir.path())
}

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(DType::F32, shape).expect("it is small")
}

#[test]
fn shapes_that_do_not_fit() {
    let cases = [
        ("model_static", zeros(&[2, 3, 10, 10])),
        ("model_static", zeros(&[1, 3, 10, 20])),
        ("model_static", zeros(&[3, 10, 10])),
        ("model_static", Tensor::zeros(DType::F64, &[1, 3, 10, 10]).expect("it is small")),
        ("model_dynamic_0", zeros(&[1, 3, 10, 20])),
        ("model_dynamic_23", zeros(&[2, 3, 10, 10])),
    ];
    let mut text = String::new();
    for (name, input) in &cases {
        text += &format!("== {name}, {}{:?}\n{}\n", input.dtype(), input.shape(), refused(name, input));
    }
    assert_snapshot("wrong-shapes", &text);
}

#[test]
fn a_bad_model_has_all_its_problems_listed() {
    let dir = folder();
    let node = |name: &str, op: &str, input: &[&str], output: &[&str]| NodeProto {
        name: name.into(),
        op_type: op.into(),
        input: input.iter().map(ToString::to_string).collect(),
        output: output.iter().map(ToString::to_string).collect(),
        ..NodeProto::default()
    };
    let graph = GraphProto {
        name: "bad".into(),
        node: vec![
            node("one", "Relu", &["nowhere"], &["a"]),
            node("two", "Frobnicate", &["a"], &["b"]),
            node("three", "Add", &["a"], &["a"]),
        ],
        output: vec![ValueInfoProto { name: "y".into(), ..ValueInfoProto::default() }],
        ..GraphProto::default()
    };
    let model = ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        graph: Some(graph.into()),
        ..ModelProto::default()
    };
    std::fs::write(dir.path().join("bad.onnx"), encode(&model)).expect("the folder is writable");
    let checked = onnxc(dir.path(), &["check", "bad.onnx"]);
    assert_snapshot("check-bad-model", &checked.seen(dir.path()));
    let compiled = onnxc(dir.path(), &["bad.onnx", "-o", "bad.so"]);
    assert_eq!(compiled.code, 1);
    assert!(!dir.path().join("bad.so").exists() && !dir.path().join("bad.h").exists());
}

/// Options that no operator has, an operator that nobody knows, and shapes that don't fit, of nodes that need each other or not:
/// one run lists all of them, and nothing that only follows from one.
#[test]
fn what_is_not_supported_is_listed_at_once() {
    let dir = folder();
    let node = |name: &str, domain: &str, op: &str, input: &[&str], output: &str| NodeProto {
        name: name.into(),
        domain: domain.into(),
        op_type: op.into(),
        input: input.iter().map(ToString::to_string).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    };
    let word = |name: &str, value: &str| onnxc_onnx::AttributeProto {
        name: name.into(),
        kind: onnxc_onnx::AttributeKind::String as i32,
        s: Some(value.as_bytes().to_vec().into()),
        ..onnxc_onnx::AttributeProto::default()
    };
    let mut distance = node("distance", "com.microsoft", "CDist", &["x", "x"], "a");
    distance.attribute.push(word("metric", "manhattan"));
    let mut pad = node("pad", "", "Pad", &["x", "pads"], "c");
    pad.attribute.push(word("mode", "mirror"));
    let initializer = [("pads", vec![0i64; 4]), ("shape", vec![7])].map(|(name, values)| onnxc_onnx::TensorProto {
        name: name.into(),
        data_type: 7,
        dims: vec![values.len() as i64],
        int64_data: values,
        ..onnxc_onnx::TensorProto::default()
    });
    let value = |name: &str| {
        let dim = |d| onnxc_onnx::Dimension {
            value: Some(onnxc_onnx::dimension::Value::Value(d)),
            ..onnxc_onnx::Dimension::default()
        };
        let shape = Some(onnxc_onnx::TensorShapeProto { dim: [2, 3].map(dim).to_vec() });
        let ty = onnxc_onnx::type_proto::Value::Tensor(onnxc_onnx::TensorType { elem_type: 1, shape });
        let ty = onnxc_onnx::TypeProto { value: Some(ty), ..onnxc_onnx::TypeProto::default() };
        ValueInfoProto { name: name.into(), ty: Some(ty), ..ValueInfoProto::default() }
    };
    let graph = GraphProto {
        name: "options".into(),
        node: vec![
            distance,
            node("after", "", "Relu", &["a"], "b"),
            pad,
            node("reshape", "", "Reshape", &["x", "shape"], "d"),
        ],
        initializer: initializer.to_vec(),
        input: vec![value("x")],
        output: vec![value("b"), value("c"), value("d")],
        ..GraphProto::default()
    };
    let set = |domain: &str, version| OperatorSetIdProto { domain: domain.into(), version };
    let model = ModelProto {
        ir_version: 8,
        opset_import: vec![set("", 17), set("com.microsoft", 1)],
        graph: Some(graph.into()),
        ..ModelProto::default()
    };
    std::fs::write(dir.path().join("options.onnx"), encode(&model)).expect("the folder is writable");
    assert_snapshot("check-unsupported", &onnxc(dir.path(), &["check", "options.onnx"]).seen(dir.path()));
}

/// What a file or machine can't have: `check` says it all at once, in the words of compiling.
#[test]
fn check_says_what_writing_would() {
    let dir = folder();
    let node = |name: &str, op: &str, input: &str, output: &str| NodeProto {
        name: name.into(),
        op_type: op.into(),
        input: vec![input.into()],
        output: vec![output.into()],
        ..NodeProto::default()
    };
    let value = |name: &str, elem_type| {
        let dim = |d| onnxc_onnx::Dimension {
            value: Some(onnxc_onnx::dimension::Value::Value(d)),
            ..onnxc_onnx::Dimension::default()
        };
        let shape = Some(onnxc_onnx::TensorShapeProto { dim: if elem_type == 7 { vec![] } else { vec![dim(3)] } });
        let ty = onnxc_onnx::type_proto::Value::Tensor(onnxc_onnx::TensorType { elem_type, shape });
        let ty = onnxc_onnx::TypeProto { value: Some(ty), ..onnxc_onnx::TypeProto::default() };
        ValueInfoProto { name: name.into(), ty: Some(ty), ..ValueInfoProto::default() }
    };
    let mut bits = node("bits", "BitCast", "a", "b");
    bits.attribute.push(onnxc_onnx::AttributeProto {
        name: "to".into(),
        kind: onnxc_onnx::AttributeKind::Int as i32,
        i: Some(3),
        ..onnxc_onnx::AttributeProto::default()
    });
    let graph = GraphProto {
        name: "both".into(),
        node: vec![
            node("none", "IsNaN", "x", "a"),
            bits,
            node("size", "Abs", "b", "y"),
            node("parts", "SplitToSequence", "x", "s"),
            node("count", "SequenceLength", "s", "n"),
        ],
        input: vec![value("x", 1)],
        output: vec![value("y", 3), value("n", 7)],
        ..GraphProto::default()
    };
    let write = |name: &str, graph: GraphProto| {
        let model = ModelProto {
            ir_version: 10,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 26 }],
            graph: Some(graph.into()),
            ..ModelProto::default()
        };
        std::fs::write(dir.path().join(name), encode(&model)).expect("the folder is writable");
    };
    // Where memory has a type, flags are copied to bytes.
    let flags = GraphProto { node: graph.node[..3].to_vec(), output: graph.output[..1].to_vec(), ..graph.clone() };
    write("flags.onnx", flags);
    onnxc(dir.path(), &["check", "flags.onnx", "-o", "m.rs"]).ok();
    write("both.onnx", graph);
    let checked = onnxc(dir.path(), &["check", "both.onnx", "-o", "m.rs"]);
    assert_eq!(checked.code, 1, "{}", checked.err);
    for part in ["E5018", "node 'parts' (SplitToSequence)"] {
        assert!(checked.err.contains(part), "{part}: {}", checked.err);
    }
    for out in ["m.rs", "m/", "m.c"] {
        let checked = onnxc(dir.path(), &["check", "both.onnx", "-o", out]);
        assert_eq!(checked.err, onnxc(dir.path(), &["both.onnx", "-o", out]).err, "{out}");
    }
    onnxc(dir.path(), &["check", "both.onnx"]).ok();
    onnxc(dir.path(), &["check", "both.onnx", "-o", "m.so"]).ok();
    assert_eq!(std::fs::read_dir(dir.path()).expect("it is there").count(), 2, "nothing is written");
}

/// Firmware has no runtime for strings and sequences: each node that wants one is named, and nothing is written.
#[test]
fn bare_targets_refuse_strings_and_sequences() {
    let dir = folder();
    for out in ["m.c", "m.rs", "m/", "m.o", "m.a"] {
        for target in ["thumbv7em-none-eabihf", "riscv32imac-unknown-none-elf"] {
            let ran = onnxc(dir.path(), &[&model("values"), "-o", out, "--target", target]);
            assert_eq!(ran.code, 1, "{out}: {}", ran.err);
            for op in ["StringConcat", "SequenceInsert", "ConcatFromSequence"] {
                assert!(ran.err.contains("E5018") && ran.err.contains(&format!("({op})")), "{out}: {}", ran.err);
            }
        }
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("it is there").count(), 0, "nothing is written");
}

#[test]
fn good_models_check() {
    let dir = folder();
    assert_snapshot("check-good-model", &onnxc(dir.path(), &["check", &model("model_static")]).seen(dir.path()));
    // Without a function it can't be compiled, but the standard has no word about it.
    let custom = onnxc(dir.path(), &["check", &model("custom_op")]);
    assert_eq!(custom.code, 1, "{}", custom.out);
    onnxc(dir.path(), &["check", &model("custom_op"), "--custom", "my_domain.MyAdd=my_add"]).ok();
}

#[test]
fn exit_codes() {
    let dir = folder();
    let so = dir.path().join("empty.so").display().to_string();
    std::fs::write(&so, b"").expect("the folder is writable");
    let m = model("linear_func");
    for (args, code) in [
        (&["--version"][..], 0),
        (&["--frobnicate"], 2),
        (&[], 2),
        (&[&m], 2),
        (&[&m, "-o", "a.exe"], 2),
        (&[&m, "-o", "-"], 2),
        (&[&m, "-o", "absent/a.so"], 1),
        (&[&m, "-o", "a.so", "-O9"], 2),
        (&[&m, "-o", "a.so", "--dim", "h"], 2),
        (&[&m, "-o", "a.so", "--target", "nonsense"], 2),
        (&[&m, "-o", "a.so", "--target-cpu", "8086"], 2),
        (&[&m, "-o", "a.so", "--custom", "nonsense"], 2),
        (&[&m, "--stop-after", "lunch"], 2),
        (&[&m, "-o", "a", "--target", "riscv64gc-unknown-linux-gnu"], 3),
        (&[&m, "-o", "a.so", "--backend", "gcc"], 3),
        (&["check", "absent.onnx"], 1),
        (&["run", "absent.so"], 1),
        (&["run", &so], 1),
        (&["bench", &m, "--inputs", "absent.npy"], 1),
    ] {
        let ran = onnxc(dir.path(), args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert_eq!(ran.err.is_empty(), code == 0, "{args:?}: errors go to stderr");
    }
    assert!(!dir.path().join("a.so").exists());
}

#[test]
fn inputs_are_matched_by_name() {
    let dir = folder();
    for name in ["a.npy", "q.npy"] {
        put(dir.path(), name, &zeros(&[10, 10]));
    }
    let m = model("linear_func");
    let ran = onnxc(dir.path(), &["run", &m, "--inputs", "a=a.npy", "a=a.npy", "q=q.npy", "--outputs", "out.npz"]);
    assert_snapshot("wrong-names", &ran.seen(dir.path()));
    for bad in ["out.txt", "nope=out.npy"] {
        let ran = onnxc(dir.path(), &["run", &m, "--inputs", "a.npy", "a.npy", "a.npy", "--outputs", bad]);
        assert_ne!(ran.code, 0, "{bad}");
    }
    onnxc(dir.path(), &["run", &m, "--inputs", "a.npy", "a.npy", "a.npy", "--outputs", "out.npy"]).ok();
}

#[test]
fn source_promises_one_thread() {
    let dir = folder();
    let ran = onnxc(dir.path(), &[&model("linear_func"), "-o", "a.c", "--threads", "4"]).ok();
    assert_eq!(ran.err.lines().count(), 1);
    assert!(ran.err.contains("one thread"), "{}", ran.err);
    let ran = onnxc(dir.path(), &[&model("linear_func"), "-o", "a.so", "--threads", "many"]);
    assert!(ran.code == 2 && ran.err.contains("or auto"), "{}", ran.err);
}
