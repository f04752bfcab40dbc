//! The tutorial models.

use super::{import, load, registry, snapshot, text};
use crate::infer::infer_graph;
use crate::registry::Registry;
use onnxc_ir::graph::{verify, verify::Stage};
use onnxc_onnx::ModelProto;

/// Models whose operators exist.
const MODELS: &[&str] = &[
    "asinh",
    "clip_on_export",
    "custom_op",
    "layernorm_decomposed",
    "linear_func",
    "model_3_script",
    "model_if",
    "model_loop",
    "nms_tail",
    "srcnn",
    "srcnn3",
    "srcnn_dynamic",
    "model_dynamic_0",
    "model_dynamic_23",
    "whole_model",
];

fn read(name: &str) -> ModelProto {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/models/{name}.onnx"));
    onnxc_onnx::load(&path, &Default::default()).expect("a good model").proto
}

#[test]
fn tutorial_models_as_graphs() {
    for name in MODELS {
        snapshot(name, &text(&read(name), &[]));
    }
}

#[test]
fn an_unknown_operator_is_named_with_what_to_do() {
    let model = load(&read("custom_op"));
    let problems = import(&model, &Registry::new(), &Default::default()).expect_err("MyAdd is unknown");
    snapshot("custom_op_unknown", &problems.to_string());
}

/// Whatever a file says, there is a graph or a list of problems; a graph without problems is consistent.
#[test]
fn damaged_models_never_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let mut imported = 0;
    for name in ["asinh", "clip_on_export", "custom_op", "linear_func", "model_if", "model_loop", "nms_tail"] {
        let good = onnxc_onnx::encode(&read(name)).to_vec();
        for _ in 0..300 {
            let mut bytes = good.clone();
            for _ in 0..1 + random(3) {
                let at = random(bytes.len());
                bytes[at] ^= 1 << random(8);
            }
            let Ok(model) = onnxc_onnx::load_bytes(&bytes.into(), None, &Default::default()) else { continue };
            let Ok((mut graph, _)) = import(&model, &registry(), &Default::default()) else { continue };
            imported += 1;
            if !infer_graph(&mut graph, &registry()).has_errors() {
                let verified = verify(&graph, Stage::Typed);
                assert_eq!(verified, Ok(()), "{graph}");
            }
        }
    }
    assert!(imported > 100, "{imported}");
}
