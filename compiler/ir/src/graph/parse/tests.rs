//! Round trips, and what errors say.

use crate::graph::{GraphBuilder, PrintOptions, parse_graph, print_graph, verify, verify::Stage};
use onnxc_base::{DType, Tensor};

/// A graph with one of everything.
const EVERYTHING: &str = r#"graph @"a model"(%x: f32[n, 3, `declared:h`], %k: i64[] = [k]) -> (%y, %"odd name:0", $w) {
  sym n = dim(%x, 0) in 0..=1024
  sym k = element(%k, 0) in -9223372036854775808..
  sym e = extent(@up, 0) in 1..
  sym r = result(@loop, 1) in 0..=max(k, 2*n)
  sym c = carried(%v, 0) in 0..
  guard n == k "node 'up' (Resize): axis 0"
  const $w: f32[2, 2] = [1.0, -0.0, inf, nan]
  const $ids: i64[3] = [-1, 9223372036854775807, 0]
  const $flags: bool[2] = [true, false]
  const $half: f16[2] = hex "003c00c0"
  const $words: string[3] = ["a", "\"b\"\n", hex "ff00"]
  const $none: f16[0] = hex ""
  const $big: u8[20] = elided "0b1f37de560a36b8"
  %up = Resize(%x, _, $w) { axes: [2, -1], coords: "half\"pixel", empty: ints[], exact: 1, "odd name": 2, scale: [1.0, 1e-10], sizes: syms[n, 2*n], table: tensor i64[2] [1, 2], to: f16, words: ["a", "b"] } : f32[n, 3, e] @up
  %s = Shape(%up) : i64[3] = [n, 3, e] @Shape_1
  %laid = Relu(%up) : f32[n, 3, e] order [0, 2, 1] border [0, 1, 0] [0, 0, 2] -inf within %later [0, n, 3] @relu
  %later = Relu(%laid) : f32[n, 3, e] order [0, 2, 1] @relu_2
  %"odd name:0", %seq = my_domain.Split(%s, $ids, $flags, $half, $words, $none, $big) : i64[3], seq(map(i64, optional(string[]))) @"split/0"
  %y = "weird domain" "Op.1"(%seq) : ? @odd
  %l, %scan = Loop(%k, _, %up) { floats: floats[], none: nan, strs: strs[], syms: syms[] } : f32[n, 3, e], f32[r, 1] @loop {
    region (%i: i64[], %cond: bool[], %v: f32[c, 3, e]) -> (%cond, %v2, $w) {
      %v2 = If(%cond) : f32[c, 3, e] @if {
        region () -> %v {
        }
        region () -> %neg {
          %neg = Neg(%v) : f32[c, 3, e] @neg
        }
      }
    }
  }
}
"#;

#[test]
fn printing_what_was_read_gives_the_text_back() {
    let mut b = GraphBuilder::new("constants");
    let big = b.constant("big", Tensor::from_slice(&[20], &[7u8; 20]));
    let constants = b.finish(&[big]);
    let graph = parse_graph(EVERYTHING, None, Some(&constants)).expect("well-formed");
    assert_eq!(print_graph(&graph, PrintOptions::default()), EVERYTHING);
    // In full it reads back by itself.
    let full = print_graph(&graph, PrintOptions { full: true });
    let again = parse_graph(&full, None, None).expect("complete");
    assert_eq!(print_graph(&again, PrintOptions { full: true }), full);
    assert_eq!(verify(&graph, Stage::Imported), Ok(()));
}

#[test]
fn large_constants_in_full_are_hex() {
    let mut b = GraphBuilder::new("g");
    let values: Vec<i32> = (0..40).collect();
    let c = b.constant("c", Tensor::from_slice(&[5, 8], &values));
    let text = print_graph(&b.finish(&[c]), PrintOptions { full: true });
    let back = parse_graph(&text, None, None).expect("complete");
    let v = back.body.results[0];
    assert_eq!(back.constant(v).and_then(|t| t.to_vec::<i32>()), Some(values));
    assert_eq!(back.tensor_type(v).map(|t| t.dtype), Some(DType::I32));
}

/// The first line and the code of each error.
#[test]
fn errors_say_where_and_why() {
    let cases = [
        ("graph @g() -> %y {\n}", "E7010: nothing defines the value 'y' before this"),
        ("graph @g(%x: f33[]) -> %x {\n}", "E7001: 'f33' is no element type"),
        ("graph @g(%x: f32[], %x: f32[]) -> %x {\n}", "E7011: the value 'x' is defined twice"),
        ("graph @g() -> $c {\n  const $c: f32[2] = [1.0]\n}", "E7012: the elements don't fill f32[2]"),
        ("graph @g() -> $c {\n  const $c: u8[1] = [256]\n}", "E7012: 256 is no u8"),
        ("graph @g() -> $c {\n  const $c: f32[n] = [1.0]\n}", "E7012: a constant is a tensor of fixed extents"),
        ("graph @g() -> $c {\n  const $c: u8[99] = elided \"00\"\n}", "E7012: the elements aren't in the text"),
        ("graph @g() -> $c {\n  const $c: f16[1] = hex \"0g00\"\n}", "E7012: expected pairs of hex digits"),
        ("graph @g() -> () {\n  sym n = dim(%x, 0) in 0..\n}", "E7010: nothing defines the value 'x' before this"),
        ("graph @g() -> () {\n  sym n = result(@x, 0) in 0..\n}", "E7010: there is no node 'x'"),
        (
            "graph @g() -> () {\n  sym n = size(%x, 0) in 0..\n}",
            "E7001: a symbol comes from dim, element, carried, extent or result",
        ),
        (
            "graph @g(%x: f32[]) -> () {\n  %y = A(%x) : f32[] @a\n  %z = A(%x) : f32[] @a\n}",
            "E7011: two nodes have the name 'a'",
        ),
        (
            "graph @g(%x: f32[]) -> () {\n  %y = A(%x) { a: 1, a: 2 } : f32[] @a\n}",
            "E7011: the attribute 'a' is given twice",
        ),
        (
            "graph @g(%x: f32[]) -> () {\n  %y = A(%x) { a: [f32] } : f32[] @a\n}",
            "E7001: expected numbers or strings, found 'f32'",
        ),
        ("graph @g(%x: f32[]) -> () {\n  %y = A(%z) : f32[] @a\n}", "E7010: nothing defines the value 'z' before this"),
        ("graph @g(%x: f32[]) -> %x {\n", "E7001: expected a word, found the end"),
    ];
    for (text, expected) in cases {
        let d = parse_graph(text, None, None).expect_err(text);
        let first = d.message.lines().next().unwrap_or_default();
        assert_eq!(format!("{}: {first}", d.code), expected, "{text}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let nested = |n: usize| {
        let open = "%y = If($c) : f32[] @a { region () -> () { ".repeat(n);
        parse_graph(&format!("graph @g() -> () {{ const $c: bool[] = [true] {open}"), None, None)
    };
    assert!(nested(100).expect_err("too deep").message.starts_with("regions are nested too deeply"));
    let types = format!("graph @g(%x: {}", "seq(".repeat(1000));
    assert!(
        parse_graph(&types, None, None).expect_err("too deep").message.starts_with("the type is nested too deeply")
    );
}

/// Any text gives a graph or an error; a graph prints to what reads back.
#[test]
fn damaged_texts_never_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let text = EVERYTHING.replace("  const $big: u8[20] = elided \"0b1f37de560a36b8\"\n", "").replace(", $big)", ")");
    let pieces: Vec<&str> = text.split_inclusive([' ', ',', '(', ')', '\n']).collect();
    let mut read = 0;
    for _ in 0..500 {
        let mut damaged = pieces.clone();
        for _ in 0..1 + random(3) {
            let (at, from) = (random(damaged.len()), random(pieces.len()));
            match random(3) {
                0 => _ = damaged.remove(at),
                1 => damaged[at] = pieces[from],
                _ => damaged.insert(at, pieces[from]),
            }
        }
        if let Ok(graph) = parse_graph(&damaged.concat(), None, None) {
            read += 1;
            let _ = verify(&graph, Stage::Typed);
            let full = print_graph(&graph, PrintOptions { full: true });
            let again = parse_graph(&full, None, None).unwrap_or_else(|d| panic!("{d}\n{full}"));
            assert_eq!(print_graph(&again, PrintOptions { full: true }), full);
        }
    }
    assert!(read > 20, "{read}");
}
