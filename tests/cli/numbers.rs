//! Models of the repository through compiled libraries, against what ONNX Runtime computed (`models/expected.json`).

use super::*;
use onnxc::backends::native;
use onnxc_host::files::read_tensors;
use serde_json::Value;

/// One case of the file.
struct Case {
    model: String,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

fn ints(v: &Value) -> Vec<i64> {
    v.as_array().expect("a list").iter().map(|x| x.as_i64().expect("an integer")).collect()
}

fn shape(v: &Value) -> Vec<usize> {
    ints(v).into_iter().map(|d| usize::try_from(d).expect("an extent")).collect()
}

/// Input k of a case; the formula is `expected.py`'s.
fn input(v: &Value, k: usize) -> Tensor {
    if let Some(dims) = v.get("i64") {
        return Tensor::from_slice(&shape(dims), &ints(&v["values"]));
    }
    let dims = shape(v);
    let n: usize = dims.iter().product();
    let values: Vec<f32> = (0..n).map(|i| (((7919 * i + 104_729 * k) % 1000) as f64 / 500.0 - 1.0) as f32).collect();
    Tensor::from_slice(&dims, &values)
}

fn output(v: &Value) -> Tensor {
    let dims = shape(&v[1]);
    match v[0].as_str() {
        Some("i64") => Tensor::from_slice(&dims, &ints(&v[2])),
        _ => {
            let values = v[2].as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number") as f32);
            Tensor::from_slice(&dims, &values.collect::<Vec<f32>>())
        }
    }
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(models().join("expected.json")).expect("the repository has it");
    let all: Value = serde_json::from_str(&text).expect("it is JSON");
    let case = |v: &Value| Case {
        model: v["model"].as_str().expect("a name").to_string(),
        inputs: v["inputs"].as_array().expect("a list").iter().enumerate().map(|(k, v)| input(v, k)).collect(),
        outputs: v["outputs"].as_array().expect("a list").iter().map(output).collect(),
    };
    all.as_array().expect("a list").iter().map(case).collect()
}

/// Differences beyond what another order of sums explains.
fn compare(got: &[(Option<String>, Tensor)], want: &[Tensor], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for ((name, g), w) in got.iter().zip(want) {
        assert_eq!((g.dtype(), g.shape()), (w.dtype(), w.shape()), "{what}: {name:?}");
        let (g, w) = (g.to_f64().expect("numbers"), w.to_f64().expect("numbers"));
        let scale = w.iter().fold(1e-6f64, |m, v| m.max(v.abs()));
        let worst = g.iter().zip(&w).fold(0f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst <= 1e-4 * scale, "{what}: {name:?} differs by {worst}, where the largest value is {scale}");
    }
}

/// Compiles a model once per backend and runs its cases.
fn check(model_name: &str) {
    let dir = folder();
    for backend in native() {
        let name = backend.name();
        let library = format!("{model_name}.{name}.so");
        onnxc(dir.path(), &[&model(model_name), "-o", &library, "--backend", name]).ok();
        let mut found = 0;
        for (i, case) in cases().iter().enumerate().filter(|(_, c)| c.model == model_name) {
            found += 1;
            let files: Vec<String> = (0..case.inputs.len()).map(|k| format!("in{k}.npy")).collect();
            for (file, tensor) in files.iter().zip(&case.inputs) {
                put(dir.path(), file, tensor);
            }
            let mut args = vec!["run", &library, "--outputs", "out.npz", "--inputs"];
            args.extend(files.iter().map(String::as_str));
            onnxc(dir.path(), &args).ok();
            let got = read_tensors(&dir.path().join("out.npz")).expect("it was written");
            compare(&got, &case.outputs, &format!("{model_name}, case {i}, {name}"));
        }
        assert!(found > 0, "no case of {model_name}");
    }
}

macro_rules! models {
    ($($name:ident),* $(,)?) => { $(#[test] fn $name() { check(stringify!($name)); })* };
}
models!(
    clip_on_export,
    model_2_script,
    model_2_trace,
    model_3_script,
    model_3_trace,
    whole_model,
    linear_func,
    model_static,
    model_dynamic_0,
    model_dynamic_23,
    asinh,
    model_if,
    model_loop,
    nms_tail,
    layernorm_decomposed,
    forest,
    machine,
    decoder,
    cross
);

#[test]
fn results_go_to_every_format() {
    let dir = folder();
    let a = Tensor::from_slice(&[10, 10], &[2.0f32; 100]);
    put(dir.path(), "a.npy", &a);
    let m = model("linear_func");
    let inputs = ["run", &m, "--inputs", "a.npy", "x=a.npy", "b=a.npy", "--outputs"];
    let mut args = inputs.to_vec();
    args.extend(["all.npz", "output=y.npy", "y.pb"]);
    onnxc(dir.path(), &args).ok();
    let want = Tensor::from_slice(&[10, 10], &[6.0f32; 100]);
    for file in ["all.npz", "y.npy", "y.pb"] {
        let got = read_tensors(&dir.path().join(file)).expect("it was written");
        let got: Vec<Tensor> = got.into_iter().map(|(_, t)| t).collect();
        assert_eq!(got, std::slice::from_ref(&want), "{file}");
    }
    // What we write we read: a tensor file may be an input.
    let again = onnxc(dir.path(), &["run", &m, "--inputs", "all.npz", "--outputs", "again.npz"]);
    assert_eq!(again.code, 1, "its name is of no input");
    onnxc(dir.path(), &["run", &m, "--inputs", "y.npy", "y.npy", "y.npy"]).ok();
}

#[test]
fn bench_measures() {
    let dir = folder();
    let m = model("model_dynamic_23");
    let ran = onnxc(
        dir.path(),
        &["bench", &m, "--seconds", "0.05", "--json", "--dim", "in_dynamic_axes_1=8", "--dim", "in_dynamic_axes_2=9"],
    )
    .ok();
    let result: Value = serde_json::from_str(&ran.out).expect("it is JSON");
    for key in ["median_ms", "min_ms", "p99_ms", "runs", "gflops"] {
        assert!(result[key].as_f64().is_some_and(|v| v > 0.0), "{key}: {}", ran.out);
    }
    let order = ["min_ms", "median_ms", "p99_ms"].map(|k| result[k].as_f64());
    assert!(order.is_sorted(), "{order:?}");
    onnxc(dir.path(), &[&m, "-o", "m.so"]).ok();
    let ran = onnxc(
        dir.path(),
        &["bench", "m.so", "--seconds", "0.05", "--dim", "in_dynamic_axes_1=8", "--dim", "in_dynamic_axes_2=9"],
    )
    .ok();
    assert!(ran.out.starts_with("median ") && ran.out.ends_with(" GFLOP/s\n"), "{}", ran.out);
}

#[test]
fn a_profile_has_every_step() {
    let dir = folder();
    for backend in native() {
        let how = ["--profile", "--seconds", "0.02", "--json", "--backend", backend.name()];
        let profile = |name: &str| -> Value {
            let m = model(name);
            let args: Vec<&str> = ["bench", &m].into_iter().chain(how).collect();
            serde_json::from_str(&onnxc(dir.path(), &args).ok().out).expect("it is JSON")
        };
        let p = profile("model_static");
        for key in ["gflops", "l2_gb_s", "memory_gb_s"] {
            assert!(p["peak"][key].as_f64().is_some_and(|v| v > 0.0), "{key}: {p}");
        }
        let steps = p["steps"].as_array().expect("a list");
        let shares: f64 = steps.iter().filter_map(|s| s["share"].as_f64()).sum();
        assert!((shares - 1.0).abs() < 1e-6, "{p}");
        // 3x3 taps on 3 channels: 27 products and sums for each of 3 x 8 x 8 values.
        let conv = steps.iter().find(|s| s["function"].is_string()).expect("a kernel");
        assert_eq!(conv["ops"][0], "Conv", "{p}");
        assert!(conv["flops"].as_i64().is_some_and(|n| n >= 2 * 27 * 192), "{conv}");
        assert_eq!((&conv["inputs"][0], conv["calls"].as_i64()), (&"f32[1, 3, 10, 10]".into(), Some(1)), "{conv}");
        assert!(conv["bytes"].as_i64().is_some_and(|n| n >= 4 * (300 + 81 + 192)), "{conv}");
        // The body of a loop is measured in the loop.
        let p = profile("model_loop");
        let calls = |op: &str| {
            let step = p["steps"].as_array()?.iter().find(|s| s["ops"][0] == op)?;
            step["calls"].as_i64()
        };
        assert_eq!(calls("Loop"), Some(1), "{p}");
        assert!(calls("Conv").is_some_and(|n| n != 1), "{p}");
    }
    let m = model("model_static");
    let ran = onnxc(dir.path(), &["bench", &m, "--profile", "--seconds", "0.02"]).ok();
    assert!(ran.out.contains("GFLOP/s") && ran.out.contains("Conv"), "{}", ran.out);
    onnxc(dir.path(), &[&m, "-o", "m.so"]).ok();
    assert_snapshot("profile-of-module", &onnxc(dir.path(), &["bench", "m.so", "--profile"]).seen(dir.path()));
}

#[test]
fn custom_operators_are_linked() {
    let dir = folder();
    let custom = ["--custom", "my_domain.MyAdd=my_add"];
    let m = model("custom_op");
    let refused = onnxc(dir.path(), &[&m, "-o", "c.so"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("--custom") && refused.err.contains("MyAdd"), "{}", refused.err);
    onnxc(dir.path(), &[&m, "-o", "c.h", custom[0], custom[1]]).ok();
    let header = std::fs::read_to_string(dir.path().join("c.h")).expect("it was written");
    assert!(header.contains("my_add("), "{header}");
    let source = dir.path().join("my_add.c");
    std::fs::write(&source, include_str!("my_add.c")).expect("the folder is writable");
    run_in(dir.path(), Path::new("cc"), &["-O1", "-c", "-fPIC", "-Wall", "-Werror", "my_add.c", "-o", "my_add.o"]).ok();
    let x = Tensor::from_slice(&[2, 4], &[-1.0f32, 0.0, 0.5, 1.0, 2.0, -3.0, 0.25, 4.0]);
    put(dir.path(), "x.npy", &x);
    onnxc(
        dir.path(),
        &["run", &m, custom[0], custom[1], "--link", "my_add.o", "--inputs", "x.npy", "--outputs", "y.npy"],
    )
    .ok();
    let got = &read_tensors(&dir.path().join("y.npy")).expect("it was written")[0].1;
    let want = x.to_f64().expect("numbers").into_iter().map(|x| (x.max(0.0) + 2.0 * x).tanh() as f32);
    let want = Tensor::from_slice(&[2, 4], &want.collect::<Vec<f32>>());
    compare(&[(None, got.clone())], &[want], "custom_op");
}
