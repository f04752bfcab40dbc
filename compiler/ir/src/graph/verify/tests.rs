//! Each rule, violated.

use super::{Stage, verify};
use crate::graph::{Graph, ValueDef, parse_graph};

/// The violations of a graph that is read and then damaged.
fn check(text: &str, damage: impl FnOnce(&mut Graph)) -> Vec<String> {
    let mut graph = parse_graph(text, None, None).expect("well-formed");
    damage(&mut graph);
    let found = verify(&graph, Stage::Typed).err().unwrap_or_default();
    found.into_iter().map(|d| format!("{} {}", d.code, d.message)).collect()
}

const GOOD: &str = r#"graph @g(%x: f32[n], %k: i64[2] = [a, b]) -> %z {
  sym n = dim(%x, 0) in 0..
  sym a = element(%k, 0) in 0..
  sym b = element(%k, 1) in 0..=n
  const $c: f32[1] = [1.0]
  %y = Add(%x, $c) : f32[n] @add
  %z = If(%k) : f32[n] @if {
    region () -> %t {
      %t = Neg(%y) : f32[n] @neg
    }
    region () -> %y {
    }
  }
}
"#;

#[test]
fn a_good_graph_has_no_violations() {
    assert_eq!(check(GOOD, |_| {}), Vec::<String>::new());
}

#[test]
fn uses_come_after_definitions() {
    let found = check(GOOD, |g| g.body.nodes.reverse());
    assert_eq!(
        found,
        [
            "E3101 %y is used where it isn't defined yet\n  | %t = Neg(%y) : f32[n] @neg",
            "E3101 the result %y isn't defined where it is used\n  | %z = If(%k) : f32[n] @if",
        ]
    );
    // What a region defines isn't visible outside it.
    let found = check(GOOD, |g| {
        g.body.results = g.nodes.values().filter(|n| n.name == "neg").flat_map(|n| n.outputs.clone()).collect()
    });
    assert_eq!(found, ["E3101 the result %t isn't defined where it is used"]);
}

#[test]
fn definitions_are_unique_and_consistent() {
    let found = check(GOOD, |g| {
        let n = g.body.nodes[0];
        g.body.nodes.insert(0, n);
    });
    assert_eq!(found, ["E3101 the node stands in two places\n  | %y = Add(%x, $c) : f32[n] @add"]);
    let found = check(GOOD, |g| {
        let v = g.nodes[g.body.nodes[0]].outputs[0];
        g.values[v].def = ValueDef::Node(g.body.nodes[0], 1);
    });
    assert_eq!(found, ["E3101 %y doesn't say that it is output 0 of this node\n  | %y = Add(%x, $c) : f32[n] @add"]);
    let found = check(GOOD, |g| {
        let v = g.nodes[g.body.nodes[0]].outputs[0];
        g.body.params.push(v);
    });
    assert_eq!(
        found,
        [
            "E3101 %y is listed as a parameter\n  | %y = Add(%x, $c) : f32[n] @add",
            "E3101 %y is defined twice\n  | %y = Add(%x, $c) : f32[n] @add",
        ]
    );
}

#[test]
fn names_are_unique() {
    let found = check(GOOD, |g| {
        let (x, n) = (g.body.params[0], g.body.nodes[0]);
        g.values[x].name = "y".into();
        g.nodes[n].name = "if".into();
    });
    assert_eq!(
        found,
        [
            "E3102 two values have the name 'y'\n  | %y = Add(%y, $c) : f32[n] @if",
            "E3102 the node's name 'if' isn't unique\n  | %z = If(%k) : f32[n] @if",
        ]
    );
}

#[test]
fn types_are_present_and_right() {
    let found = check(&GOOD.replace("%y = Add(%x, $c) : f32[n]", "%y = Add(%x, $c) : ?"), |_| {});
    assert_eq!(found, ["E3103 %y has no type\n  | %y = Add(%x, $c) : ? @add"]);
    let found = check(GOOD, |g| {
        let k = g.body.params[1];
        g.values[k].content = g.values[k].content.take().map(|c| c[..1].to_vec());
    });
    assert_eq!(found, ["E3103 %k has 1 contents, but its type is i64[2]"]);
}

#[test]
fn symbols_have_sources() {
    let found = check(&GOOD.replace("Add(%x, $c) : f32[n]", "Add(%x, $c) { s: syms[q] } : f32[m]"), |_| {});
    let line = "\n  | %y = Add(%x, $c) { s: syms[q] } : f32[m] @add";
    assert_eq!(
        found,
        [
            format!("E3104 %y mentions the undefined symbol m{line}"),
            format!("E3104 attribute 's' mentions the undefined symbol q{line}"),
        ]
    );
    let cases = [
        ("n = dim(%x, 0) in 0..", "n = dim(%x, 1) in 0..", "the symbol n comes from axis 1 of %x, which has none"),
        (
            "n = dim(%x, 0) in 0..",
            "n = dim(%y, 0) in 0..",
            "the symbol n comes from an input's extent, but it is no input",
        ),
        ("n = dim(%x, 0) in 0..", "n = dim(%x, 0) in 3..=2", "the range of n is empty"),
        ("element(%k, 1)", "element(%k, 2)", "the symbol b comes from element 2 of %k, which has none"),
        (
            "a = element(%k, 0) in 0..",
            "a = element(%k, 0) in 0..=b",
            "the upper bound of a mentions b, which isn't defined before it",
        ),
    ];
    for (old, new, message) in cases {
        assert_eq!(check(&GOOD.replace(old, new), |_| {}), [format!("E3104 {message}")]);
    }
}
