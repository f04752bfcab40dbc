//! The operators that only the user knows.

use super::functions::Functions;
use super::schemas::{self, full_domain};
use crate::load::Model;
use crate::messages::{GraphProto, NodeProto};
use std::collections::BTreeMap;

/// An operator of a domain that isn't ONNX's and not a function of the model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomOp {
    /// Its domain.
    pub domain: String,
    /// Its name.
    pub name: String,
    /// The nodes that use it, by name or place (`#3`), in order of appearance.
    pub nodes: Vec<String>,
}

/// All custom operators of a model, sorted by domain and name.
pub fn custom_ops(model: &Model) -> Vec<CustomOp> {
    let functions = Functions::new(&model.proto);
    let mut found = BTreeMap::new();
    for f in &model.proto.functions {
        walk(&functions, &f.node, &mut found);
    }
    walk(&functions, &model.graph().node, &mut found);
    found.into_iter().map(|((domain, name), nodes)| CustomOp { domain, name, nodes }).collect()
}

/// Nested graphs are as deep as loading allows, so recursion is safe.
fn walk(functions: &Functions<'_>, nodes: &[NodeProto], found: &mut BTreeMap<(String, String), Vec<String>>) {
    for (i, node) in nodes.iter().enumerate() {
        if schemas::opsets(&node.domain).is_none() && functions.called_by(node).is_none() {
            let key = (full_domain(&node.domain).to_string(), node.op_type.clone());
            found.entry(key).or_default().push(node.label(i));
        }
        for g in subgraphs(node) {
            walk(functions, &g.node, found);
        }
    }
}

/// Every graph in a node's attributes.
pub(super) fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|a| a.subgraphs())
}
