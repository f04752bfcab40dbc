//! Stored numeric expectations: `compiler/ops/tests/data/NAME.json`, made by `generate.py` beside them.
//!
//! A file is a list of cases, one a line:
//! `{"op": "Add", "opset": 7, "attrs": {"alpha": 0.5}, "inputs": [["f32", [2], [1.0, "nan"]], null], "outputs": [..],
//! "tolerance": 1e-6}`. A tensor is `[dtype, shape, elements]`, with a fourth member `"const"` if it is known at compile
//! time, or `"followed"` if its elements are symbols to shape arithmetic. Attributes are as a model has them; a number
//! with a point is a float, `{"tensor": ..}` a tensor; floats that JSON lacks are `{"float": "nan"}`, `{"floats": [..]}`. `"fixed": true` leaves out the run with symbolic extents.

use super::Case;
use crate::OpDef;
use crate::registry::OPS;
use onnxc_base::{DType, Tensor};
use onnxc_ir::graph::Attr;
use onnxc_ir::scalar::Scalar;
use serde_json::Value;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs every case of a file; fails with the list of those that fail, and if an operator of the file has a version
/// without a case.
pub(crate) fn check_stored(name: &str) {
    check_stored_but(name, &[]);
}

/// The same, with versions (`Name-since`) that need no case: those that have to do with strings.
pub(crate) fn check_stored_but(name: &str, without: &[&str]) {
    let path = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert!(!cases.is_empty(), "{path} has no cases");
    let failed: Vec<String> = cases.iter().filter_map(|c| failure(c).map(|why| format!("{c}\n    {why}"))).collect();
    assert!(failed.is_empty(), "{} of {} cases fail:\n{}", failed.len(), cases.len(), failed.join("\n"));
    check_versions(&path, &cases, without);
}

/// Why a case fails, if it does.
fn failure(c: &Value) -> Option<String> {
    let run = AssertUnwindSafe(|| {
        let outputs: Vec<Tensor> = list(&c["outputs"]).iter().map(tensor).collect();
        let tolerance = c["tolerance"].as_f64().unwrap_or(0.0);
        let case = case(c).outputs(outputs.len());
        if c["fixed"] == true { case.fixed() } else { case }.expect(&outputs, tolerance);
    });
    let panic = catch_unwind(run).err()?;
    Some(panic.downcast::<String>().map_or_else(|_| "panicked".into(), |s| *s))
}

/// Every version of an operator that a file tests at all must have a case at an opset where it is in force.
fn check_versions(path: &str, cases: &[Value], without: &[&str]) {
    let tested: BTreeSet<(&str, i64)> =
        cases.iter().map(|c| (text(&c["op"]), c["opset"].as_i64().expect("an opset"))).collect();
    let mut missing = vec![];
    let full = |d: &OpDef| if d.domain.is_empty() { d.name.into() } else { format!("{}.{}", d.domain, d.name) };
    for def in OPS.iter().filter(|d| tested.iter().any(|(op, _)| *op == full(d))) {
        for (i, (since, _)) in def.versions.iter().enumerate() {
            let until = def.versions.get(i + 1).map_or(i64::MAX, |v| v.0);
            if !tested.iter().any(|(op, v)| *op == full(def) && (*since..until).contains(v)) {
                missing.push(format!("{}-{since}", def.name));
            }
        }
    }
    missing.retain(|m| !without.contains(&m.as_str()));
    assert!(missing.is_empty(), "{path} has no case for {}", missing.join(", "));
}

fn case(c: &Value) -> Case {
    let mut case = Case::new(text(&c["op"]), c["opset"].as_i64().expect("an opset"));
    for (name, v) in c["attrs"].as_object().into_iter().flatten() {
        case = case.attr(name, attribute(v));
    }
    for i in list(&c["inputs"]) {
        case = match i {
            Value::Null => case.absent(),
            t if t[3] == "const" => case.constant(tensor(t)),
            t if t[3] == "followed" => case.followed(tensor(t)),
            t => case.input(tensor(t)),
        };
    }
    case
}

fn list(v: &Value) -> &[Value] {
    v.as_array().expect("a list")
}

fn text(v: &Value) -> &str {
    v.as_str().expect("a word")
}

pub(crate) fn attribute(v: &Value) -> Attr {
    match v {
        Value::Number(n) => n.as_i64().map_or_else(|| Attr::Float(number(v) as f32), Attr::Int),
        Value::String(s) => Attr::Str(s.clone()),
        Value::Array(a) if a.iter().all(Value::is_i64) => {
            Attr::Ints(a.iter().map(|v| v.as_i64().expect("an integer")).collect())
        }
        Value::Array(a) if a.iter().all(Value::is_number) => Attr::Floats(a.iter().map(|v| number(v) as f32).collect()),
        Value::Array(a) => Attr::Strs(a.iter().map(|v| text(v).into()).collect()),
        Value::Object(o) if o.contains_key("float") => Attr::Float(number(&v["float"]) as f32),
        Value::Object(o) if o.contains_key("floats") => {
            Attr::Floats(list(&v["floats"]).iter().map(|v| number(v) as f32).collect())
        }
        Value::Object(o) if o.contains_key("tensor") => Attr::Tensor(tensor(&v["tensor"])),
        other => panic!("no attribute: {other}"),
    }
}

/// A float, also as the words `nan`, `inf` and `-inf`, which JSON's numbers lack.
fn number(v: &Value) -> f64 {
    v.as_f64().or_else(|| v.as_str()?.parse().ok()).unwrap_or_else(|| panic!("no number: {v}"))
}

pub(crate) fn tensor(v: &Value) -> Tensor {
    let dtype = DType::from_name(text(&v[0])).expect("a dtype");
    let shape: Vec<usize> = list(&v[1]).iter().map(|d| d.as_u64().expect("an extent") as usize).collect();
    let mut bytes = vec![];
    for e in list(&v[2]) {
        let at = bytes.len();
        bytes.resize(at + dtype.size(), 0u8);
        scalar(dtype, e).write(&mut bytes[at..]);
    }
    Tensor::from_bytes(dtype, shape, bytes.into()).unwrap_or_else(|| panic!("the elements don't fill the shape: {v}"))
}

fn scalar(dtype: DType, v: &Value) -> Scalar {
    match (v.as_u64(), v.as_i64()) {
        (Some(u), _) if dtype == DType::U64 => Scalar { dtype, bits: u },
        (_, Some(i)) => Scalar::from_i64(dtype, i),
        _ => Scalar::from_f64(dtype, number(v)),
    }
}
