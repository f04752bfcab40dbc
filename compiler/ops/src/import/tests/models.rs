//! The tutorial models.

use super::{load, snapshot, text};
use crate::registry::Registry;
use onnxc_onnx::ModelProto;

fn read(name: &str) -> ModelProto {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/models/{name}.onnx"));
    onnxc_onnx::load(&path, &Default::default()).expect("a good model").proto
}

#[test]
fn tutorial_models_as_graphs() {
    for name in ["asinh", "linear_func"] {
        snapshot(name, &text(&read(name), &[]));
    }
}

#[test]
fn an_unknown_operator_is_named_with_what_to_do() {
    let model = load(&read("custom_op"));
    let problems = super::import(&model, &Registry::new(), &Default::default()).expect_err("MyAdd is unknown");
    snapshot("custom_op_unknown", &problems.to_string());
}
