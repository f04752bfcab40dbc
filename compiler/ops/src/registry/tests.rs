//! The list against the standard: its order, its versions, its attributes.

use super::OPS;
use crate::NodeReader;
use onnxc_ir::graph::{Attr, Graph, OpName};
use onnxc_onnx::AttributeKind;
use onnxc_onnx::checker::schemas::{State, versions};
use std::collections::BTreeMap;

#[test]
fn operators_are_sorted_and_versions_ascend() {
    assert!(OPS.is_sorted_by(|a, b| (a.domain, a.name) < (b.domain, b.name)));
    for op in OPS {
        assert!(op.versions.is_sorted_by(|a, b| a.0 < b.0) && !op.versions.is_empty(), "{}", op.name);
    }
}

#[test]
fn every_version_of_the_standard_is_there() {
    let mut wrong = vec![];
    // Domains of others, and what others put into ONNX's own, aren't in the standard.
    for op in OPS.iter().filter(|op| !versions(op.domain, op.name).is_empty()) {
        let ours: Vec<i64> = op.versions.iter().map(|v| v.0).collect();
        // A deprecated version may be read (models have it) or not.
        let all = || versions(op.domain, op.name).iter();
        let must: Vec<i64> = all().filter(|s| s.state != State::Deprecated).map(|s| s.since).collect();
        let may: Vec<i64> = all().map(|s| s.since).collect();
        if !must.iter().all(|v| ours.contains(v)) || !ours.iter().all(|v| may.contains(v)) {
            wrong.push(format!("{}: {ours:?}, the standard has {must:?}", op.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Imports each version with every attribute that the standard gives it, of plain values; whatever an import
/// refuses is no matter here.
#[test]
fn every_attribute_of_the_standard_is_read() {
    let mut unread = vec![];
    for op in OPS {
        for schema in versions(op.domain, op.name) {
            let Some((_, import)) = op.versions.iter().find(|v| v.0 == schema.since) else { continue };
            let plain = |kind| match kind {
                AttributeKind::Int => Some(Attr::Int(1)),
                AttributeKind::Ints => Some(Attr::Ints(vec![1])),
                AttributeKind::Float => Some(Attr::Float(1.0)),
                AttributeKind::Floats => Some(Attr::Floats(vec![1.0])),
                _ => None,
            };
            let attrs = schema.attributes.iter().filter_map(|(n, a)| Some((n.to_string(), plain(a.kind)?))).collect();
            let (mut graph, inputs) = (Graph::default(), vec![None; schema.inputs.min]);
            let name = OpName { domain: op.domain.into(), name: op.name.into() };
            let (outputs, none) = (schema.outputs.min, BTreeMap::new());
            let mut n = NodeReader::new(&mut graph, "n".into(), name, schema.since, inputs, outputs, attrs, none);
            if import(&mut n).is_ok() && !n.unread().is_empty() {
                unread.push(format!("{}-{}: {}", op.name, schema.since, n.unread().join(", ")));
            }
        }
    }
    assert!(unread.is_empty(), "{}", unread.join("\n"));
}
