//! The tutorial models against what ONNX Runtime computes: `tests/models/expected.json`, written by `expected.py`
//! beside it.

use super::registry;
use crate::eval::Evaluator;
use crate::import::{ImportOptions, import};
use crate::infer::infer_graph;
use onnxc_base::{DType, Tensor};
use onnxc_ir::graph::interp::{HostValue, run};
use serde_json::Value;

fn list(v: &Value) -> &[Value] {
    v.as_array().expect("a list")
}

fn dims(v: &Value) -> Vec<usize> {
    list(v).iter().map(|d| d.as_u64().expect("an extent") as usize).collect()
}

/// Input `k`: integers as stored, floats by the formula in `expected.py`.
fn input(k: usize, v: &Value) -> HostValue {
    HostValue::Tensor(match v.get("i64") {
        Some(shape) => {
            let values: Vec<i64> = list(&v["values"]).iter().map(|x| x.as_i64().expect("an integer")).collect();
            Tensor::from_slice(&dims(shape), &values)
        }
        None => {
            let shape = dims(v);
            let n = shape.iter().product::<usize>();
            let element = |i: usize| (((7919 * i + 104729 * k) % 1000) as f64 / 500.0 - 1.0) as f32;
            Tensor::from_slice(&shape, &(0..n).map(element).collect::<Vec<f32>>())
        }
    })
}

/// What differs from the stored output.
fn difference(got: &HostValue, want: &Value, tolerance: f64) -> Option<String> {
    let t = got.tensor().expect("a tensor");
    let dtype = want[0].as_str().and_then(DType::from_name).expect("a dtype");
    if (t.dtype(), t.shape()) != (dtype, &dims(&want[1])[..]) {
        return Some(format!("{}{:?} instead of {dtype}{}", t.dtype(), t.shape(), want[1]));
    }
    let values = t.to_f64().expect("numbers");
    values.iter().zip(list(&want[2])).enumerate().find_map(|(i, (a, b))| {
        let b = b.as_f64().expect("a number");
        ((a - b).abs() > tolerance * b.abs().max(1.0)).then(|| format!("element {i} is {a} instead of {b}"))
    })
}

#[test]
fn tutorial_models_agree_with_onnx_runtime() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models");
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("in the repository");
    let cases: Value = serde_json::from_str(&text).expect("JSON");
    for case in list(&cases) {
        let name = case["model"].as_str().expect("a name");
        let model = onnxc_onnx::load(&folder.join(format!("{name}.onnx")), &Default::default()).expect("a good model");
        let registry = registry();
        let (mut graph, _) =
            import(&model, &registry, &ImportOptions::default()).unwrap_or_else(|d| panic!("{name}: {d}"));
        let problems = infer_graph(&mut graph, &registry);
        assert!(!problems.has_errors(), "{name}: {problems}");
        let inputs: Vec<HostValue> = list(&case["inputs"]).iter().enumerate().map(|(k, v)| input(k, v)).collect();
        let results = run(&graph, &Evaluator::new(&registry), &inputs).unwrap_or_else(|d| panic!("{name}: {d}"));
        let wanted = list(&case["outputs"]);
        assert_eq!(results.len(), wanted.len(), "{name}");
        for (i, (got, want)) in results.iter().zip(wanted).enumerate() {
            let difference = difference(got, want, case["tolerance"].as_f64().expect("a number"));
            assert_eq!(difference, None, "{name}, output {i}, inputs {}", case["inputs"]);
        }
    }
}
