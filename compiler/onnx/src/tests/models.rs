//! The tutorial models load and are clean, and what import code asks of them is answered.

use crate::{Limits, Model, ModelProto, check, custom_ops, encode, load};
use prost::Message;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models")
}

pub fn model(name: &str) -> Model {
    load(&folder().join(name), &Limits::default()).unwrap_or_else(|d| panic!("{name}: {d}"))
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("the models are in the repository");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("it can be read").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|n| n.ends_with(".onnx"));
    names.sort();
    names
}

#[test]
fn all_are_clean_and_every_weight_is_read() {
    assert!(names().len() >= 19);
    for name in names() {
        let model = model(&name);
        assert_eq!(check(&model).to_string(), "", "{name}");
        for t in &model.graph().initializer {
            let tensor = model.tensor(t).unwrap_or_else(|d| panic!("{name}: {d}"));
            assert_eq!(tensor.shape().len(), t.dims.len());
        }
    }
}

#[test]
fn decoding_and_encoding_lose_nothing() {
    for name in names() {
        let proto = model(&name).proto;
        let again = ModelProto::decode(encode(&proto)).unwrap_or_else(|d| panic!("{name}: {d}"));
        assert_eq!(proto, again, "{name}");
        let size = std::fs::metadata(folder().join(&name)).expect("it is a file").len();
        // Writers that write empty strings cost a few bytes more than ours.
        assert!(encode(&proto).len() as u64 <= size && encode(&proto).len() as u64 > size * 9 / 10, "{name}");
    }
}

#[test]
fn custom_operators_are_listed() {
    let found = custom_ops(&model("custom_op.onnx"));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].domain.as_str(), found[0].name.as_str()), ("my_domain", "MyAdd"));
    assert_eq!(custom_ops(&model("srcnn.onnx")), []);
}

#[test]
fn attributes_are_read_by_kind() {
    let model = model("srcnn.onnx");
    assert_eq!((model.opset(""), model.opset("ai.onnx"), model.opset("mine")), (Some(11), Some(11), None));
    assert_eq!(model.opset("com.microsoft"), Some(1));
    let conv = model.graph().node.iter().find(|n| n.op_type == "Conv").expect("SRCNN convolves");
    assert_eq!(conv.attr_ints("kernel_shape"), Some(&[9, 9][..]));
    assert_eq!(conv.attr_int("kernel_shape"), None);
    assert_eq!(conv.attr_ints("nothing"), None);
    let resize = model.graph().node.iter().find(|n| n.op_type == "Resize").expect("SRCNN enlarges");
    assert_eq!(resize.attr_str("mode"), Some("cubic"));
    assert!(resize.attr_float("cubic_coeff_a").is_some_and(|a| a < 0.0));
}
