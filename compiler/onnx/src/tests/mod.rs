//! Tests over whole models: the tutorial models are clean, hostile ones are refused with a text worth reading.
//!
//! Each case starts from [`good`], a model without a fault, and spoils one thing; the texts are snapshots under
//! `snapshots/onnx` at the root of the repository.

mod attributes;
mod build;
mod data;
mod encodings;
mod external;
mod files;
mod functions;
mod graphs;
mod models;
mod mutations;

use crate::{Limits, Model, ModelProto, check, encode, load_bytes};
use build::good;
use onnxc_base::Diagnostics;

/// A named way to spoil the good model.
type Case = (&'static str, fn(&mut ModelProto));

/// Loads from bytes, so that every case also goes through encoding and decoding.
fn load(proto: &ModelProto) -> Result<Model, Diagnostics> {
    load_bytes(&encode(proto), None, &Limits::default())
}

/// What a user sees: the problems of loading, or those of the checker.
fn problems(proto: &ModelProto) -> Diagnostics {
    load(proto).map_or_else(|d| d, |m| check(&m))
}

/// Runs the cases and compares all texts with one snapshot. Every case must find something.
fn snapshot(name: &str, cases: &[Case]) {
    let mut text = String::new();
    for (case, spoil) in cases {
        let mut proto = good();
        spoil(&mut proto);
        let found = problems(&proto);
        assert!(!found.0.is_empty(), "{case}: nothing was found");
        text += &format!("== {case}\n{found}\n");
    }
    assert_snapshot(name, &text);
}

fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../snapshots/onnx");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn the_good_model_is_good() {
    assert_eq!(problems(&good()).to_string(), "");
}
