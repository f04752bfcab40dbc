//! Attributes: well-formed in themselves, and what the operator asks for.

use super::graph::{self, Scope};
use super::schemas::Schema;
use super::{Checker, Context, suggest, values};
use crate::messages::{AttributeKind, AttributeProto, FunctionProto, NodeProto, SparseTensorProto, TensorProto};
use crate::{sparse, tensor};
use onnxc_base::Diagnostic;
use std::collections::BTreeSet;

/// The first IR version in which attributes say their kind.
const FIRST_IR_WITH_KINDS: i64 = 2;

/// Checks the attributes of a node as far as no operator is needed, and everything inside them.
pub(super) fn check_form<'a>(cx: &mut Checker<'a>, context: &Context<'_>, n: &'a NodeProto, scope: &Scope<'_, 'a>) {
    let mut seen = BTreeSet::new();
    for a in &n.attribute {
        if a.name.is_empty() {
            cx.report(Diagnostic::error("E1015", "an attribute has no name").help("export the model again"));
        } else if !seen.insert(a.name.as_str()) {
            let found = format!("attribute '{}' is given twice", a.name);
            cx.report(Diagnostic::error("E1033", found).help("keep one of the two"));
        }
        if a.ref_attr_name.is_empty() {
            check_value(cx, a);
        } else {
            check_reference(cx, context, a);
        }
        for g in a.subgraphs() {
            let (node, attribute) = (cx.node.as_ref().map_or(String::new(), |(n, _)| n.clone()), a.name.as_str());
            cx.within(&[&node, attribute], |cx| graph::check_nested(cx, context, g, scope));
        }
    }
}

/// Checks the default values of a function's attributes.
pub(super) fn check_defaults(cx: &mut Checker<'_>, f: &FunctionProto) {
    f.attribute_proto.iter().for_each(|a| check_value(cx, a));
}

/// The fields that hold a value, by the kind they belong to.
fn filled(a: &AttributeProto) -> Vec<AttributeKind> {
    use AttributeKind::*;
    let fields = [
        (a.f.is_some(), Float),
        (a.i.is_some(), Int),
        (a.s.is_some(), String),
        (a.t.is_some(), Tensor),
        (a.g.is_some(), Graph),
        (!a.floats.is_empty(), Floats),
        (!a.ints.is_empty(), Ints),
        (!a.strings.is_empty(), Strings),
        (!a.tensors.is_empty(), Tensors),
        (!a.graphs.is_empty(), Graphs),
        (a.sparse_tensor.is_some(), SparseTensor),
        (!a.sparse_tensors.is_empty(), SparseTensors),
        (a.tp.is_some(), TypeProto),
        (!a.type_protos.is_empty(), TypeProtos),
    ];
    fields.into_iter().filter(|(full, _)| *full).map(|(_, kind)| kind).collect()
}

fn kind_name(a: &AttributeProto) -> String {
    match AttributeKind::try_from(a.kind) {
        Ok(AttributeKind::Undefined) => "no kind".into(),
        Ok(kind) => kind.as_str_name().into(),
        Err(_) => format!("kind {}", a.kind),
    }
}

/// Kind and filled field agree; tensors and types in it are well-formed.
fn check_value(cx: &mut Checker<'_>, a: &AttributeProto) {
    use AttributeKind::*;
    let filled = filled(a);
    let kind = a.attribute_kind();
    let names = filled.iter().map(|k| k.as_str_name()).collect::<Vec<_>>().join(" and ");
    // A message can't be left out; numbers and strings read as zero, which some writers don't write.
    let must_be_there = matches!(kind, Tensor | Graph | SparseTensor | TypeProto);
    let old = cx.model.proto.ir_version < FIRST_IR_WITH_KINDS;
    let good = match (kind, filled.as_slice()) {
        (Undefined, [_]) => old && a.kind == 0,
        (Undefined, _) => false,
        (_, []) => !must_be_there,
        (_, [only]) => *only == kind,
        _ => false,
    };
    if !good {
        let value = if filled.is_empty() { "no value".into() } else { format!("a value of {names}") };
        cx.report(
            Diagnostic::error("E1034", format!("attribute '{}' has {} and {value}", a.name, kind_name(a)))
                .expected("one value, of the kind that `type` says")
                .help("export the model again"),
        );
    }
    check_contents(cx, a);
}

fn check_contents(cx: &mut Checker<'_>, a: &AttributeProto) {
    let (files, limits) = (&cx.model.files, &cx.model.limits);
    let dense = a.t.as_deref().into_iter().chain(&a.tensors);
    let tensors = dense.map(|t: &TensorProto| tensor::verify(t, files, limits).map(|_| ()));
    let sparse = a.sparse_tensor.as_deref().into_iter().chain(&a.sparse_tensors);
    let sparse = sparse.map(|s: &SparseTensorProto| sparse::verify(s, files, limits));
    let types = a.tp.as_deref().into_iter().chain(&a.type_protos);
    let types = types.map(|t| values::check_type(t, limits.max_elements));
    let problems: Vec<Diagnostic> = tensors.chain(sparse).chain(types).filter_map(Result::err).collect();
    for mut d in problems {
        d.message = format!("attribute '{}': {}", a.name, d.message);
        cx.report(d);
    }
}

/// A reference stands in a function, to an attribute the function has, and carries a kind but no value.
fn check_reference(cx: &mut Checker<'_>, context: &Context<'_>, a: &AttributeProto) {
    let target = &a.ref_attr_name;
    let what = format!("attribute '{}' refers to attribute '{target}'", a.name);
    let Some(f) = context.function else {
        let d = Diagnostic::error("E1035", format!("{what}, but stands outside any function"));
        return cx.report(d.help("give the attribute a value"));
    };
    let default = f.attribute_proto.iter().find(|d| d.name == *target);
    if default.is_none() && !f.attribute.contains(target) {
        let known = f.attribute.iter().chain(f.attribute_proto.iter().map(|d| &d.name)).map(String::as_str);
        let help = suggest::did_you_mean(target, known).unwrap_or("declare the attribute in the function".into());
        cx.report(Diagnostic::error("E1035", format!("{what}, which the function doesn't have")).help(help));
    }
    if !filled(a).is_empty() {
        cx.report(Diagnostic::error("E1035", format!("{what}, but has a value, too")).help("keep one of the two"));
    }
    if let Some(d) = default.filter(|d| a.kind != d.kind) {
        let found = format!("{what}, but as {}", kind_name(a));
        cx.report(Diagnostic::error("E1031", found).expected(kind_name(d)).help("correct the attribute's type"));
    }
}

/// Checks a node's attributes against its operator.
pub(super) fn check_schema(cx: &mut Checker<'_>, n: &NodeProto, schema: &Schema) {
    let version = format!("{} (since opset {})", schema.name, schema.since);
    for a in &n.attribute {
        match schema.attributes.get(a.name.as_str()) {
            Some(s) if a.kind != s.kind as i32 && a.kind != 0 => cx.report(
                Diagnostic::error("E1031", format!("attribute '{}' has {}", a.name, kind_name(a)))
                    .expected(format!("{} for {version}", s.kind.as_str_name()))
                    .help("export the model again; operator and opset version disagree"),
            ),
            // The standard leaves names with two underscores to tools.
            None if !a.name.is_empty() && !a.name.starts_with("__") => {
                let known = suggest::did_you_mean(&a.name, schema.attributes.keys().copied());
                let names: Vec<&str> = schema.attributes.keys().copied().collect();
                let expected = if names.is_empty() { "none".into() } else { format!("one of {}", names.join(", ")) };
                cx.report(
                    Diagnostic::error("E1030", format!("{version} has no attribute '{}'", a.name))
                        .expected(expected)
                        .help(known.unwrap_or("remove it, or export the model for the opset that has it".into())),
                );
            }
            _ => {}
        }
    }
    for (name, s) in schema.attributes.iter().filter(|(name, s)| s.required && n.attr(name).is_none()) {
        cx.report(
            Diagnostic::error("E1032", format!("attribute '{name}' is missing"))
                .expected(format!("{}, required for {version}", s.kind.as_str_name()))
                .help("export the model again"),
        );
    }
}

/// Checks a call's attributes against the function's.
pub(super) fn check_call(cx: &mut Checker<'_>, n: &NodeProto, f: &FunctionProto) {
    for a in n.attribute.iter().filter(|a| !a.name.is_empty()) {
        match f.attribute_proto.iter().find(|d| d.name == a.name) {
            Some(d) if a.kind != d.kind => cx.report(
                Diagnostic::error("E1031", format!("attribute '{}' has {}", a.name, kind_name(a)))
                    .expected(format!("{}, as the function's default", kind_name(d)))
                    .help("correct the call or the function"),
            ),
            None if !f.attribute.contains(&a.name) => {
                let known = f.attribute.iter().chain(f.attribute_proto.iter().map(|d| &d.name)).map(String::as_str);
                let help = suggest::did_you_mean(&a.name, known).unwrap_or("correct the call or the function".into());
                cx.report(Diagnostic::error("E1030", format!("the function has no attribute '{}'", a.name)).help(help));
            }
            _ => {}
        }
    }
}
