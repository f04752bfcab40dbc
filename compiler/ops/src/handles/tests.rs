//! Graphs with strings, sequences, optionals and maps through inference and the graph's interpreter, whose nodes call what
//! modules call.

use crate::infer::infer_graph;
use crate::{Evaluator, Registry};
use onnxc_base::{Map, Tensor, Value};
use onnxc_ir::graph::interp::run;
use onnxc_ir::graph::parse_graph;

fn words(shape: &[usize], words: &[&str]) -> Value {
    let bytes = words.iter().map(|w| w.as_bytes().to_vec()).collect();
    Value::Tensor(Tensor::from_strings(shape.to_vec(), bytes).expect("as many words as the shape says"))
}

fn ints(shape: &[usize], values: &[i64]) -> Value {
    Value::Tensor(Tensor::from_slice(shape, values))
}

fn floats(shape: &[usize], values: &[f32]) -> Value {
    Value::Tensor(Tensor::from_slice(shape, values))
}

/// The results of a graph whose types are inferred; the code and text of an error.
fn results(text: &str, inputs: &[Value]) -> Result<Vec<Value>, String> {
    let registry = Registry::new();
    let mut g = parse_graph(text, None, None).map_err(|d| d.to_string())?;
    let found = infer_graph(&mut g, &registry);
    if found.has_errors() {
        return Err(found.to_string());
    }
    run(&g, &Evaluator::new(&registry), inputs).map_err(|d| format!("{}: {}", d.code, d.message))
}

#[test]
fn sequences_are_built_read_and_joined() {
    let text = r#"graph @g(%x: f32[n], %at: i64[]) -> (%item, %all, %count) {
  sym n = dim(%x, 0) in 0..
  const $y: f32[2] = [7.0, 8.0]
  const $first: i64[] = [0]
  %empty = SequenceEmpty() { dtype: f32 } : ? @empty
  %one = SequenceInsert(%empty, %x) : ? @one
  %two = SequenceInsert(%one, $y, $first) : ? @two
  %item = SequenceAt(%two, %at) : ? @item
  %all = ConcatFromSequence(%two) { axis: 0, new_axis: 0 } : ? @all
  %count = SequenceLength(%two) : ? @count
}
"#;
    let x = floats(&[3], &[1.0, 2.0, 3.0]);
    let all = floats(&[5], &[7.0, 8.0, 1.0, 2.0, 3.0]);
    assert_eq!(results(text, &[x.clone(), ints(&[], &[-1])]), Ok(vec![x.clone(), all.clone(), ints(&[], &[2])]));
    let y = floats(&[2], &[7.0, 8.0]);
    assert_eq!(results(text, &[x.clone(), ints(&[], &[0])]), Ok(vec![y, all, ints(&[], &[2])]));
    let beyond = results(text, &[x, ints(&[], &[2])]);
    assert_eq!(beyond, Err("E3302: a check of the data failed with status 2".into()));
}

#[test]
fn loops_carry_sequences_that_start_empty() {
    let text = r#"graph @g(%x: f32[3]) -> (%all, %s) {
  const $trips: i64[] = [3]
  const $axis: i64[1] = [0]
  const $one: i64[] = [1]
  %none = SequenceEmpty() { dtype: f32 } : ? @none
  %s = Loop($trips, _, %none) : ? @loop {
    region (%i: i64[], %c: bool[], %v: seq(absent(f32))) -> (%c, %w) {
      %end = Add(%i, $one) : ? @end
      %from = Unsqueeze(%i, $axis) : ? @from
      %to = Unsqueeze(%end, $axis) : ? @to
      %part = Slice(%x, %from, %to) : ? @part
      %w = SequenceInsert(%v, %part) : ? @insert
    }
  }
  %all = ConcatFromSequence(%s) { axis: 0, new_axis: 1 } : ? @all
}
"#;
    let x = floats(&[3], &[1.0, 2.0, 3.0]);
    let items = [1.0, 2.0, 3.0].map(|v| floats(&[1], &[v]));
    let all = floats(&[3, 1], &[1.0, 2.0, 3.0]);
    assert_eq!(results(text, &[x]), Ok(vec![all, Value::Sequence(items.to_vec())]));
}

#[test]
fn optionals_are_asked_and_opened() {
    let text = r#"graph @g(%o: optional(any(f32, 1))) -> (%has, %y) {
  const $b: f32[1] = [9.0]
  %has = OptionalHasElement(%o) : ? @has
  %y = If(%has) : ? @if {
    region () -> %a {
      %a = OptionalGetElement(%o) : ? @get
    }
    region () -> $b {
    }
  }
}
"#;
    let some = |v: Value| Value::Optional(Some(Box::new(v)));
    let yes = Value::Tensor(Tensor::from_bools(&[], &[true]));
    let no = Value::Tensor(Tensor::from_bools(&[], &[false]));
    let x = floats(&[2], &[1.0, 2.0]);
    assert_eq!(results(text, &[some(x.clone())]), Ok(vec![yes, x]));
    assert_eq!(results(text, &[Value::Optional(None)]), Ok(vec![no, floats(&[1], &[9.0])]));
}

#[test]
fn strings_are_moved_compared_and_looked_into() {
    let text = r#"graph @g(%x: string[n]) -> (%same, %swapped, %parts, %counts, %upper, %hashes) {
  sym n = dim(%x, 0) in 0..
  const $a: string[] = ["a b"]
  const $order: i64[2] = [1, 0]
  %same = Equal(%x, $a) : ? @same
  %swapped = Gather(%x, $order) { axis: 0 } : ? @swapped
  %parts, %counts = StringSplit(%x) { delimiter: "", maxsplit: -1 } : ?, ? @parts
  %joined = StringConcat(%x, $a) : ? @joined
  %upper = StringNormalizer(%joined) { case: 2, case_matters: 0, stopwords: strs[] } : ? @upper
  %words = com.microsoft.MurmurHash3(%x) { positive: 0, seed: 42 } : ? @hash
  %hashes = Cast(%words) { to: i64 } : ? @wide
}
"#;
    let wanted = vec![
        Value::Tensor(Tensor::from_bools(&[2], &[true, false])),
        words(&[2], &["c", "a b"]),
        words(&[2, 2], &["a", "b", "c", ""]),
        ints(&[2], &[2, 1]),
        words(&[2], &["A BA B", "CA B"]),
        ints(&[2], &[1045297288, 1701913768]),
    ];
    assert_eq!(results(text, &[words(&[2], &["a b", "c"])]), Ok(wanted));
}

/// What ONNX Runtime gives.
#[test]
fn strings_are_cut_into_tokens() {
    let cut = |attrs: &str, x: &[&str]| {
        let text = format!(
            "graph @g(%x: string[n]) -> %y {{\n  sym n = dim(%x, 0) in 0..\n  \
             %y = com.microsoft.Tokenizer(%x) {{ pad_value: \"#\", {attrs} }} : ? @cut\n}}\n"
        );
        results(&text, &[words(&[x.len()], x)])
    };
    let token = |shape: &[usize], all: &[&str]| Ok(vec![words(shape, all)]);
    let each = cut("mark: 1, mincharnum: 1, way: 0, patterns: strs[]", &["ab", "dé "]);
    assert_eq!(each, token(&[2, 5], &["\x02", "a", "b", "\x03", "#", "\x02", "d", "é", " ", "\x03"]));
    let between = "mark: 0, mincharnum: 2, way: 1, patterns: [\" |_+\", \"x\"]";
    assert_eq!(cut(between, &["ab c__dexfg", "h"]), token(&[2, 3], &["ab", "de", "fg", "#", "#", "#"]));
    assert_eq!(cut(between, &["", "a b"]), token(&[2, 0], &[]));
    let matches = "mark: 1, mincharnum: 1, way: 2, patterns: [\"a|ab|^c\"]";
    assert_eq!(
        cut(matches, &["ccaab", "z"]),
        token(&[2, 5], &["\x02", "c", "a", "ab", "\x03", "\x02", "\x03", "#", "#", "#"])
    );
}

#[test]
fn numbers_become_text_and_back() {
    let text = r#"graph @g(%x: f32[3]) -> (%text, %back) {
  %text = Cast(%x) { to: string } : ? @text
  %back = Cast(%text) { to: f32 } : ? @back
}
"#;
    let x = floats(&[3], &[0.1, -2.0, f32::INFINITY]);
    assert_eq!(results(text, std::slice::from_ref(&x)), Ok(vec![words(&[3], &["0.1", "-2.0", "inf"]), x]));
}

#[test]
fn maps_are_made_and_read() {
    let text = r#"graph @g(%x: f32[1, 2], %m: map(string, any(f32, 0))) -> (%maps, %row) {
  %maps = ai.onnx.ml.ZipMap(%x) { strings: ["a", "b"] } : ? @zip
  %row = ai.onnx.ml.DictVectorizer(%m) { strings: ["b", "c", "a"] } : ? @dict
}
"#;
    let map = |keys: &[&str], v: &[f32]| {
        let keys = words(&[keys.len()], keys).into_tensor().expect("it is one");
        Value::Map(Box::new(Map { keys, values: Tensor::from_slice(&[v.len()], v) }))
    };
    let zipped = Value::Sequence(vec![map(&["a", "b"], &[1.0, 2.0])]);
    let wanted = vec![zipped, floats(&[1, 3], &[4.0, 0.0, 3.0])];
    assert_eq!(results(text, &[floats(&[1, 2], &[1.0, 2.0]), map(&["a", "b"], &[3.0, 4.0])]), Ok(wanted));
}

#[test]
fn what_cannot_take_a_sequence_says_so() {
    let text = r#"graph @g(%x: f32[2]) -> %y {
  %s = SequenceConstruct(%x) : ? @s
  %y = Relu(%s) : ? @relu
}
"#;
    let found = results(text, &[floats(&[2], &[1.0, 2.0])]).expect_err("Relu takes tensors");
    assert!(found.contains("E2002") && found.contains("relu"), "{found}");
}
