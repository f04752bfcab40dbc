//! Models whose sizes and ways depend on what they are given: one library each, several inputs, against what ONNX
//! Runtime computed (`data/*.npz`, written by `data/expected.py` if a test says nothing else).

use super::*;
use onnxc::backends::native;
use onnxc_host::files::{npz, read_tensors};
use std::collections::BTreeMap;

/// The tensors of one case, by role and name: `in.x`, `out.y`, `shape.y`, `some.y`.
type Case = BTreeMap<String, Tensor>;

/// Every 1009th element of large outputs is kept.
const STEP: usize = 1009;

fn cases(model: &str) -> BTreeMap<String, Case> {
    let file = models().with_file_name("data").join(format!("{model}.npz"));
    let mut out: BTreeMap<String, Case> = BTreeMap::new();
    for (name, tensor) in read_tensors(&file).expect("the repository has it") {
        let name = name.expect("arrays of an archive have names");
        let (case, rest) = name.split_once('.').expect("N.role.NAME");
        out.entry(case.into()).or_default().insert(rest.into(), tensor);
    }
    out
}

fn shape_of(t: &Tensor) -> Vec<usize> {
    t.to_i64().expect("a shape is of integers").into_iter().map(|d| d as usize).collect()
}

/// Compares an output with everything that is kept of it; the tolerance is one of the size of numbers beyond 1.
fn compare(got: &Tensor, name: &str, case: &Case, tolerance: f64, what: &str) {
    let all = case.get(&format!("out.{name}"));
    let some = case.get(&format!("some.{name}"));
    let want = all.or(some).unwrap_or_else(|| panic!("{what}: no output '{name}' is expected"));
    let shape = case.get(&format!("shape.{name}")).map_or(want.shape().to_vec(), shape_of);
    assert_eq!((got.dtype(), got.shape()), (want.dtype(), &shape[..]), "{what}: {name}");
    let (got, want) = (got.to_f64().expect("numbers"), want.to_f64().expect("numbers"));
    let step = if all.is_some() { 1 } else { STEP };
    let worst = got.iter().step_by(step).zip(&want).fold(0f64, |m, (a, b)| m.max((a - b).abs() / b.abs().max(1.0)));
    assert!(worst <= tolerance, "{what}: {name} differs by {worst}, beyond 1 of its size");
}

/// Compiles once per backend, then runs every case.
fn check(name: &str, tolerance: f64) {
    let dir = folder();
    for backend in native() {
        onnxc(dir.path(), &[&model(name), "-o", "m.so", "-O3", "--backend", backend.name()]).ok();
        for (number, case) in cases(name) {
            let inputs: Vec<(String, Tensor)> =
                case.iter().filter_map(|(k, t)| Some((k.strip_prefix("in.")?.to_string(), t.clone()))).collect();
            let mut bytes = Vec::new();
            npz::write(&mut bytes, &npz::members(&inputs).expect("NumPy has the types")).expect("a vector takes all");
            std::fs::write(dir.path().join("in.npz"), bytes).expect("the folder is writable");
            onnxc(dir.path(), &["run", "m.so", "--inputs", "in.npz", "--outputs", "out.npz"]).ok();
            let what = format!("{name}, case {number}, {}", backend.name());
            let got = read_tensors(&dir.path().join("out.npz")).expect("it was written");
            let wanted = case.keys().filter(|k| k.starts_with("out.") || k.starts_with("some.")).count();
            assert_eq!(got.len(), wanted, "{what}");
            for (output, tensor) in &got {
                compare(tensor, output.as_deref().unwrap_or_default(), &case, tolerance, &what);
            }
        }
    }
}

#[test]
fn one_library_for_every_picture() {
    // Pixels up to 390; the transformed domain of long kernels is within 1e-5 of the largest.
    check("srcnn_dynamic", 4e-3);
}

#[test]
fn the_factor_is_an_input() {
    check("srcnn3", 4e-3);
}

#[test]
fn loops_run_as_often_as_asked() {
    check("model_loop", 1e-3);
}

#[test]
fn both_branches_run() {
    check("model_if", 1e-4);
}

/// What PyTorch has derived (`models/gradient.py`).
#[test]
fn derivatives_go_back_through_loops() {
    check("gradient", 1e-4);
}

/// And twice, through lists that grow.
#[test]
fn derivatives_of_derivatives_go_back_through_lists() {
    check("lists", 1e-4);
}

#[test]
fn the_data_decide_how_many_rows_there_are() {
    check("nms_tail", 1e-4);
}
