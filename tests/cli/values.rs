//! Strings and sequences through files: ONNX's messages in, ONNX's messages out.

use super::*;
use onnxc::backends::BACKENDS;
use onnxc_base::Value;
use onnxc_host::files::{pb, read};

fn words(words: &[&str]) -> Value {
    let bytes = words.iter().map(|w| w.as_bytes().to_vec()).collect();
    Value::Tensor(Tensor::from_strings(vec![words.len()], bytes).expect("as many words as the shape says"))
}

fn floats(values: &[f32]) -> Value {
    Value::Tensor(Tensor::from_slice(&[values.len()], values))
}

#[test]
fn strings_and_sequences_go_through_every_backend() {
    let dir = folder();
    let parts = Value::Sequence(vec![floats(&[1.0]), floats(&[])]);
    for (name, value) in [("words", words(&["a", "", "wörld"])), ("parts", parts), ("more", floats(&[2.0, 3.0]))] {
        std::fs::write(dir.path().join(format!("{name}.pb")), pb::write(name, &value)).expect("the folder is writable");
    }
    let outputs = [
        ("joined", "tensor(string)", words(&["a!", "!", "wörld!"])),
        ("all", "seq(tensor(float))", Value::Sequence(vec![floats(&[1.0]), floats(&[]), floats(&[2.0, 3.0])])),
        ("line", "tensor(float)", floats(&[1.0, 2.0, 3.0])),
    ];
    let inputs = ["words", "parts", "more"].map(|n| format!("{n}={n}.pb"));
    let wanted: Vec<String> = outputs.iter().map(|(n, ..)| format!("{n}={n}.pb")).collect();
    // The Rust backend writes source, which has no such values.
    for backend in BACKENDS.iter().filter(|b| b.name() != "rust") {
        let model = model("values");
        let mut args = vec!["run", &model, "--backend", backend.name(), "--inputs"];
        args.extend(inputs.iter().map(String::as_str));
        args.push("--outputs");
        args.extend(wanted.iter().map(String::as_str));
        onnxc(dir.path(), &args).ok();
        for (name, ty, value) in &outputs {
            let (_, content) = read(&dir.path().join(format!("{name}.pb"))).expect("it was written").remove(0);
            assert_eq!(content.value(ty).as_ref(), Ok(value), "{name}, {}", backend.name());
        }
    }
    // What no file of NumPy can hold says where it can go.
    let mut args = vec!["run".to_string(), model("values"), "--inputs".into()];
    args.extend(inputs);
    args.extend(["--outputs".into(), "out.npz".into()]);
    let ran = onnxc(dir.path(), &args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(ran.code == 1 && ran.err.contains("E6103"), "{}", ran.err);
}
