//! Attributes: form, kinds, requirements.

use super::build::*;
use super::{Case, snapshot};
use crate::messages::*;
use onnxc_base::DType;

/// Puts an attribute on the node `act`, a LeakyRelu (alpha: FLOAT).
fn leaky(m: &mut ModelProto, a: AttributeProto) {
    graph(m).node[1].op_type = "LeakyRelu".into();
    graph(m).node[1].attribute.push(a);
}

/// Puts an attribute on the node `act`, a Constant-like node.
fn constant(m: &mut ModelProto, a: AttributeProto) {
    graph(m).node[1] = with(node("const", "Constant", &[], &["y"]), a);
}

const ATTRIBUTES: &[Case] = &[
    ("unknown attribute", |m| leaky(m, int("alpa", 1))),
    ("attribute on an operator without any", |m| graph(m).node[1].attribute.push(int("axis", 1))),
    ("attribute of another kind than the operator's", |m| leaky(m, int("alpha", 1))),
    ("required attribute missing", |m| graph(m).node[1] = node("cat", "Concat", &["h", "h"], &["y"])),
    ("attribute given twice", |m| {
        let alpha = AttributeProto { f: Some(0.1), ..attr("alpha", AttributeKind::Float) };
        leaky(m, alpha.clone());
        leaky(m, alpha);
    }),
    ("attribute without a name", |m| leaky(m, AttributeProto { f: Some(0.1), ..attr("", AttributeKind::Float) })),
    ("kind and field disagree", |m| leaky(m, AttributeProto { i: Some(1), ..attr("alpha", AttributeKind::Float) })),
    ("two fields filled", |m| {
        leaky(m, AttributeProto { f: Some(0.1), ints: vec![1], ..attr("alpha", AttributeKind::Float) });
    }),
    ("no kind", |m| leaky(m, AttributeProto { f: Some(0.1), ..attr("alpha", AttributeKind::Undefined) })),
    ("kind of the future", |m| {
        let mut a = AttributeProto { f: Some(0.1), ..attr("alpha", AttributeKind::Float) };
        a.kind = 77;
        leaky(m, a);
    }),
    ("tensor attribute without a tensor", |m| constant(m, attr("value", AttributeKind::Tensor))),
    ("graph attribute without a graph", |m| {
        let choice = with(node("choice", "If", &["x"], &["y"]), attr("then_branch", AttributeKind::Graph));
        graph(m).node[1] = with(choice, attr("else_branch", AttributeKind::Graph));
    }),
    ("tensor attribute of the wrong size", |m| {
        let t = raw("", DType::I64, &[3], &[0; 23]);
        constant(m, AttributeProto { t: Some(t.into()), ..attr("value", AttributeKind::Tensor) });
    }),
    ("type attribute without a type", |m| {
        let a = AttributeProto { tp: Some(TypeProto::default().into()), ..attr("type", AttributeKind::TypeProto) };
        graph(m).node[1] = with(node("opt", "Optional", &["h"], &["y"]), a);
    }),
    ("reference outside a function", |m| leaky(m, reference("alpha", AttributeKind::Float, "a"))),
];

#[test]
fn attributes() {
    snapshot("attributes", ATTRIBUTES);
}
