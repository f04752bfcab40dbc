//! Files that aren't models, or not any more.

use super::build::*;
use super::{assert_snapshot, good};
use crate::{Limits, encode, load, load_bytes};
use onnxc_base::Bytes;
use prost::Message;

fn refused(bytes: Vec<u8>) -> String {
    load_bytes(&Bytes::from(bytes), None, &Limits::default()).map_or_else(|d| d.to_string(), |_| "loaded".into())
}

/// An Identity inside `depth` nested If branches.
fn nested(depth: usize) -> crate::ModelProto {
    let mut m = good();
    for _ in 0..depth {
        let inner = std::mem::take(graph(&mut m));
        let choice = with(node("", "If", &["x"], &["y"]), graph_attr("then_branch", inner));
        graph(&mut m).node = vec![choice];
    }
    m
}

/// Messages inside each other, deeper than any encoder would go: `first`, then `round` over and over.
fn wrapped(first: &[u8], round: &[u8], depth: usize) -> Vec<u8> {
    // Built from the inside out and reversed, as each length depends on what is inside.
    let mut reversed: Vec<u8> = vec![];
    for i in (0..depth).rev() {
        let mut length = vec![];
        prost::encoding::encode_varint(reversed.len() as u64, &mut length);
        reversed.extend(length.iter().rev());
        let tag = first.get(i).unwrap_or_else(|| &round[(i - first.len()) % round.len()]);
        reversed.push(tag << 3 | 2);
    }
    reversed.reverse();
    reversed
}

#[test]
fn what_is_no_model_is_refused() {
    let file = encode(&good());
    let cut = |n: usize| file[..n].to_vec();
    // Cut where a field ends: what is left decodes, but the graph is gone.
    let headless = crate::ModelProto { graph: None, ..good() }.encode_to_vec();
    let graphs = wrapped(&[7], &[1, 5, 6], 100_000);
    let types = wrapped(&[7, 11, 2], &[4, 1], 100_000);
    let mut bad_utf8 = file.to_vec();
    let at = bad_utf8.windows(6).position(|w| w == b"MatMul").expect("the operator is in the file");
    bad_utf8[at] = 0xff;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("zip", b"PK\x03\x04....".to_vec()),
        ("web page", b"<!DOCTYPE html><html>".to_vec()),
        ("git lfs pointer", b"version https://git-lfs.github.com/spec/v1".to_vec()),
        ("text", b"This is not a model at all.".to_vec()),
        ("zeros", vec![0; 64]),
        ("cut in the last field", cut(file.len() - 1)),
        ("cut in the weights", cut(60)),
        ("cut in the head", cut(3)),
        ("no graph", headless),
        ("name that is not UTF-8", bad_utf8),
        ("graphs nested 40 deep", encode(&nested(40)).to_vec()),
        ("graphs nested 33 333 deep", graphs),
        ("sequences nested 50 000 deep", types),
        ("groups nested 100 000 deep", vec![0x0b; 100_000]),
    ];
    let text: String = cases.into_iter().map(|(case, bytes)| format!("== {case}\n{}\n", refused(bytes))).collect();
    assert_snapshot("files", &text);
}

#[test]
fn moderate_nesting_is_fine() {
    assert_eq!(refused(encode(&nested(25)).to_vec()), "loaded");
}

#[test]
fn limits_are_kept() {
    let small = Limits { max_message_bytes: 10, ..Limits::default() };
    let e = load_bytes(&encode(&good()), None, &small).map_err(|d| short(d.0[0].clone())).err();
    assert!(e.is_some_and(|e| e.starts_with("E0005: the file has")));
}

#[test]
fn every_truncation_is_refused_or_decodes() {
    let file = encode(&good());
    for n in 0..file.len() {
        let cut = file.slice(..n);
        if let Ok(model) = load_bytes(&cut, None, &Limits::default()) {
            crate::check(&model);
        }
    }
}

#[test]
fn paths_are_named() {
    let dir = tempfile::TempDir::new().expect("the temporary folder can be written");
    let text = |path: &std::path::Path| match load(path, &Limits::default()) {
        Ok(_) => "loaded".to_string(),
        Err(d) => d.to_string().replace(&dir.path().display().to_string(), "DIR"),
    };
    let missing = "error[E0001]: can't read the model: no such file\n  --> DIR/m.onnx\n  help: check the path";
    assert_eq!(text(&dir.path().join("m.onnx")), missing);
    let folder = "error[E0001]: can't read the model: not a regular file\n  --> DIR\n  help: check the path";
    assert_eq!(text(dir.path()), folder);
}
