//! Patches: applied entirely or not at all, counted, and what they leave behind.

use crate::graph::*;
use onnxc_base::{DType, Tensor};

const CHAIN: &str = r#"graph @g(%x: f32[n]) -> %z {
  sym n = dim(%x, 0) in 0..
  sym r = result(@unique, 0) in 0..=n
  %u = Unique(%x) : f32[r] @unique
  %a = Neg(%x) : f32[n] @neg1
  %b = Neg(%a) : f32[n] @neg2
  %c = Loop(%b) : f32[n] @loop {
    region (%v: f32[n]) -> %w {
      %w = Add(%v, %b) : f32[n] @add
    }
  }
  %z = Abs(%c) : f32[n] @abs
}
"#;

fn graph() -> Graph {
    parse_graph(CHAIN, None, None).expect("well-formed")
}

fn named(g: &Graph, name: &str) -> NodeId {
    g.nodes.keys().find(|n| g.nodes[*n].name == name).expect("in the text")
}

fn output(g: &Graph, name: &str) -> ValueId {
    g.nodes[named(g, name)].outputs[0]
}

#[test]
fn uses_are_found_in_regions_too() {
    let g = graph();
    let uses = Uses::new(&g);
    let (add, looped) = (named(&g, "add"), named(&g, "loop"));
    assert_eq!(uses.of(output(&g, "neg2")), [Use::Input(looped, 0), Use::Input(add, 1)]);
    assert_eq!(uses.of(output(&g, "add")), [Use::Result(Some((looped, 0)), 0)]);
    assert_eq!(uses.of(output(&g, "abs")), [Use::Result(None, 0)]);
    assert_eq!(uses.single(output(&g, "neg1")), Some(named(&g, "neg2")));
    assert_eq!(uses.single(output(&g, "unique")), None);
}

#[test]
fn values_are_replaced_everywhere_and_dead_nodes_go() {
    let mut g = graph();
    let (old, x) = (output(&g, "neg2"), g.body.params[0]);
    let mut patch = Patch::new("cancel-neg", named(&g, "neg2"));
    patch.replace(old, x);
    let mut editor = Editor::new();
    assert!(editor.apply(&mut g, patch));
    assert_eq!(remove_dead(&mut g), 3);
    assert_eq!(editor.log, [("cancel-neg", "neg2".to_string())]);
    assert_eq!(
        print_graph(&g, PrintOptions::default()),
        r#"graph @g(%x: f32[n]) -> %z {
  sym n = dim(%x, 0) in 0..
  %c = Loop(%x) : f32[n] @loop {
    region (%v: f32[n]) -> %w {
      %w = Add(%v, %x) : f32[n] @add
    }
  }
  %z = Abs(%c) : f32[n] @abs
}
"#
    );
    assert_eq!(verify(&g, verify::Stage::Typed), Ok(()));
}

#[test]
fn new_nodes_stand_where_the_old_one_stood_and_take_its_name() {
    let mut g = graph();
    let mut patch = Patch::new("double", named(&g, "abs"));
    let ty = g.values[output(&g, "abs")].ty.clone();
    let two = patch.constant(&mut g, "two", Tensor::from_slice(&[1], &[2.0f32]));
    let input = output(&g, "loop");
    let new = patch.node(&mut g, OpName::onnx("Mul"), Attrs::default(), &[Some(input), Some(two)], vec![ty]);
    patch.replace(output(&g, "abs"), new[0]);
    assert!(Editor::new().apply(&mut g, patch));
    remove_dead(&mut g);
    assert_eq!(g.values[g.body.results[0]].name, "z");
    assert_eq!(
        print::print_node(&g, *g.body.nodes.last().expect("some")),
        "%z = Mul(%c, $abs/two) : f32[n] @\"abs/Mul\"".replace("$abs/two", "$\"abs/two\"")
    );
    assert_eq!(verify(&g, verify::Stage::Typed), Ok(()));
}

#[test]
fn an_editor_stops_after_its_limit() {
    let mut g = graph();
    let before = g.to_string();
    let mut editor = Editor::stop_after(0);
    let mut patch = Patch::new("cancel-neg", named(&g, "neg2"));
    patch.replace(output(&g, "neg2"), g.body.params[0]);
    assert!(!editor.apply(&mut g, patch));
    assert_eq!(g.to_string(), before);
}

#[test]
fn outputs_of_the_model_keep_their_names() {
    let mut g = graph();
    let mut onto_input = Patch::new("drop-abs", named(&g, "abs"));
    onto_input.replace(output(&g, "abs"), g.body.params[0]);
    assert!(!Editor::new().apply(&mut g, onto_input));
    let mut onto_node = Patch::new("drop-abs", named(&g, "abs"));
    onto_node.replace(output(&g, "abs"), output(&g, "loop"));
    assert!(Editor::new().apply(&mut g, onto_node));
    assert_eq!(g.values[g.body.results[0]].name, "z");
    assert_eq!(g.producer(g.body.results[0]), Some(named(&g, "loop")));
}

#[test]
fn a_node_whose_extent_is_mentioned_stays() {
    let mut g = graph();
    let n = named(&g, "unique");
    let r = g.tensor_type(output(&g, "unique")).expect("a tensor").shape.clone();
    let last = output(&g, "abs");
    g.values[last].ty = Type::tensor(DType::F32, r);
    assert_eq!(remove_dead(&mut g), 0);
    assert!(g.body.nodes.contains(&n));
}
