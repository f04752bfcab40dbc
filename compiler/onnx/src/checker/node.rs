//! One node against its operator: does it exist, at this version, with so many inputs and outputs?

use super::graph::Scope;
use super::schemas::{self, Arity, Formal, Schema, State, full_domain};
use super::{Checker, Context, attributes, suggest};
use crate::messages::{FunctionProto, NodeProto};
use onnxc_base::Diagnostic;

/// Checks operator, arity and attributes of a node, and the graphs inside it.
pub(super) fn check<'a>(cx: &mut Checker<'a>, context: &Context<'_>, n: &'a NodeProto, scope: &Scope<'_, 'a>) {
    attributes::check_form(cx, context, n, scope);
    if n.op_type.is_empty() {
        cx.report(Diagnostic::error("E1015", "the node names no operator").help("export the model again"));
        return;
    }
    let implied = (n.domain == crate::load::IMPLIED_DOMAIN).then_some(1);
    let opset = context.imports.get(full_domain(&n.domain)).copied().or(implied);
    if opset.is_none() && context.missing.borrow_mut().insert(n.domain.clone()) {
        let found = format!("domain '{}' is not imported", full_domain(&n.domain));
        let body = if context.function.is_some() { "function" } else { "model" };
        cx.report(
            Diagnostic::error("E1004", found)
                .expected(format!("an opset_import of the {body} with the domain's version"))
                .help("add the import, or correct the node's domain"),
        );
    }
    if let Some(f) = cx.functions.called_by(n) {
        check_call(cx, n, f);
    } else if let (Some(opset), Some((_, newest))) = (opset, schemas::opsets(&n.domain)) {
        // A version out of range has been reported; the nearest one finds the other problems.
        check_operator(cx, n, opset.clamp(1, newest));
    }
}

fn check_operator(cx: &mut Checker<'_>, n: &NodeProto, opset: i64) {
    let Some(schema) = schemas::lookup(&n.domain, &n.op_type, opset) else {
        return unknown(cx, n, opset);
    };
    if schema.state == State::Deprecated {
        let found = format!("{} is no longer an operator since opset {}", n.op_type, schema.since);
        cx.report(
            Diagnostic::error("E1022", found)
                .expected(format!("an operator of opset {opset}"))
                .help("export the model again, or for an older opset"),
        );
        return;
    }
    check_arity(cx, "input", "E1023", &n.input, &schema.inputs, schema);
    check_arity(cx, "output", "E1024", &n.output, &schema.outputs, schema);
    attributes::check_schema(cx, n, schema);
}

/// Operators that ONNX Runtime writes into ONNX's own domain, where the standard doesn't have them.
const FOREIGN: [&str; 1] = ["SimplifiedLayerNormalization"];

fn unknown(cx: &mut Checker<'_>, n: &NodeProto, opset: i64) {
    let domain = full_domain(&n.domain);
    if domain == schemas::ONNX_DOMAIN && FOREIGN.contains(&n.op_type.as_str()) {
        return;
    }
    if let Some(first) = schemas::versions(domain, &n.op_type).first() {
        let found = format!("{} does not exist in opset {opset}", n.op_type);
        cx.report(
            Diagnostic::error("E1021", found)
                .expected(format!("opset {} or newer of domain '{domain}'", first.since))
                .help("export the model for a newer opset"),
        );
        return;
    }
    if cx.is_full() {
        return cx.report(Diagnostic::error("E1020", String::new()));
    }
    let elsewhere = schemas::domains().map(|(d, _)| d).find(|d| !schemas::versions(d, &n.op_type).is_empty());
    let own = schemas::all().filter(|s| s.domain == domain).map(|s| s.name);
    let near = suggest::did_you_mean(&n.op_type, own.chain(cx.functions.names_in(domain)));
    let help = elsewhere.map(|d| format!("{} belongs to domain '{d}': set the node's domain", n.op_type)).or(near);
    cx.report(
        Diagnostic::error("E1020", format!("domain '{domain}' has no operator {}", n.op_type))
            .help(help.unwrap_or_else(|| "a custom operator needs a domain of its own".into())),
    );
}

fn check_arity(cx: &mut Checker<'_>, what: &str, code: &'static str, names: &[String], arity: &Arity, schema: &Schema) {
    let n = names.len();
    let version = format!("{} (since opset {})", schema.name, schema.since);
    if n < arity.min || n > arity.max {
        let allowed = match (arity.min, arity.max) {
            (min, max) if min == max => format!("{min}"),
            (min, usize::MAX) => format!("{min} or more"),
            (min, max) => format!("{min} to {max}"),
        };
        let s = if n == 1 { "" } else { "s" };
        cx.report(
            Diagnostic::error(code, format!("the node has {n} {what}{s}"))
                .expected(format!("{allowed} for {version}"))
                .help("export the model again; operator and opset version disagree"),
        );
    }
    for (i, _) in names.iter().enumerate().filter(|(i, s)| s.is_empty() && arity.formal(*i) == Some(Formal::Single)) {
        cx.report(
            Diagnostic::error("E1025", format!("{what} {i} is omitted"))
                .expected(format!("a value: {version} requires it"))
                .help("connect it, or export the model again"),
        );
    }
}

/// A call of a model-local function: trailing inputs and any output may be left out, but not invented.
fn check_call(cx: &mut Checker<'_>, n: &NodeProto, f: &FunctionProto) {
    for (what, given, taken) in [("inputs", n.input.len(), f.input.len()), ("outputs", n.output.len(), f.output.len())]
    {
        if given > taken {
            cx.report(
                Diagnostic::error("E1042", format!("the call has {given} {what}"))
                    .expected(format!("at most {taken}, as the function declares"))
                    .help("correct the call or the function"),
            );
        }
    }
    attributes::check_call(cx, n, f);
}
