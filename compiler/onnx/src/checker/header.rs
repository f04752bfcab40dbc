//! The model's head: IR version and operator sets.

use super::schemas::{self, ONNX_DOMAIN, full_domain};
use super::{Checker, suggest};
use crate::messages::{ModelProto, OperatorSetIdProto};
use onnxc_base::Diagnostic;
use std::collections::BTreeMap;

/// The newest IR version, that of ONNX 1.23.
const NEWEST_IR: i64 = 14;
/// The first IR version with operator sets; before it every operator was at version 1.
const FIRST_IR_WITH_OPSETS: i64 = 3;

/// Checks IR version and imports.
pub(super) fn check(cx: &mut Checker<'_>) {
    let proto = &cx.model.proto;
    if !(1..=NEWEST_IR).contains(&proto.ir_version) {
        cx.report(
            Diagnostic::error("E1001", format!("IR version {}", proto.ir_version))
                .expected(format!("1 to {NEWEST_IR}"))
                .help(if proto.ir_version > NEWEST_IR {
                    "update onnxc, or export for an older ONNX"
                } else {
                    "export the model again"
                }),
        );
    }
    check_imports(cx, &proto.opset_import);
    if proto.ir_version >= FIRST_IR_WITH_OPSETS && proto.opset_import.is_empty() {
        cx.report(
            Diagnostic::error("E1002", "the model imports no operator set")
                .expected("opset_import with ONNX's own domain")
                .help("export the model again"),
        );
    }
}

/// Checks one list of imports: each domain once, at a version that exists.
pub(super) fn check_imports(cx: &mut Checker<'_>, imports: &[OperatorSetIdProto]) {
    let mut seen: BTreeMap<&str, i64> = BTreeMap::new();
    for import in imports {
        let domain = full_domain(&import.domain);
        match seen.insert(domain, import.version) {
            Some(other) if other != import.version => cx.report(
                Diagnostic::error(
                    "E1002",
                    format!("domain '{domain}' is imported at versions {other} and {}", import.version),
                )
                .expected("each domain once")
                .help("merge the two imports"),
            ),
            _ => check_version(cx, domain, import.version),
        }
    }
}

fn check_version(cx: &mut Checker<'_>, domain: &str, version: i64) {
    match schemas::opsets(domain) {
        Some((oldest, newest)) if !(oldest..=newest).contains(&version) => cx.report(
            Diagnostic::error("E1003", format!("opset {version} of domain '{domain}'"))
                .expected(format!("{oldest} to {newest}"))
                .help(if version > newest {
                    "update onnxc, or export for an older opset"
                } else {
                    "export the model again"
                }),
        ),
        None if version < 1 => cx.report(
            Diagnostic::error("E1003", format!("opset {version} of domain '{domain}'"))
                .expected("1 or more")
                .help("correct the import"),
        ),
        // A slip in one of ONNX's own domains would otherwise turn all its operators into custom ones.
        None if domain.starts_with("ai.onnx.") => {
            let known: Vec<&str> = schemas::domains().map(|(d, _)| d).collect();
            let help = suggest::did_you_mean(domain, known.iter().copied()).unwrap_or("correct the import".into());
            let expected = format!("one of {}", known.join(", "));
            cx.report(
                Diagnostic::warning("E1003", format!("domain '{domain}' is not ONNX's")).expected(expected).help(help),
            );
        }
        _ => {}
    }
}

/// Full domain to version. Models older than operator sets mean version 1 of ONNX's own.
pub(super) fn imports(proto: &ModelProto) -> BTreeMap<String, i64> {
    let mut map = import_map(&proto.opset_import);
    if proto.ir_version < FIRST_IR_WITH_OPSETS && map.is_empty() {
        map.insert(ONNX_DOMAIN.into(), 1);
    }
    map
}

/// Full domain to version; the first import of a domain counts.
pub(super) fn import_map(imports: &[OperatorSetIdProto]) -> BTreeMap<String, i64> {
    imports.iter().rev().map(|o| (full_domain(&o.domain).to_string(), o.version)).collect()
}
