//! What changes with a value, and what doesn't: shapes, comparisons and integers are constant in between their jumps.

use super::regions::reads;
use onnxc_ir::graph::{Graph, Node, NodeId, ValueId};
use std::collections::BTreeSet;

/// Operators whose outputs have no derivative.
const CONSTANT: &[&str] = &[
    "And",
    "ArgMax",
    "ArgMin",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "NonZero",
    "Not",
    "Or",
    "RandomNormalLike",
    "RandomUniformLike",
    "Shape",
    "Size",
    "Xor",
];

/// Adds to `depends` what the nodes, which are in order, make of it.
pub(super) fn spread(graph: &Graph, nodes: &[NodeId], depends: &mut BTreeSet<ValueId>) {
    for &id in nodes {
        let node = &graph.nodes[id];
        if reads(graph, id).iter().any(|v| depends.contains(v)) {
            depends.extend((0..node.outputs.len()).filter(|&i| !constant(node, i)).map(|i| node.outputs[i]));
        }
    }
}

fn constant(node: &Node, output: usize) -> bool {
    let name = node.op.name.as_str();
    node.op.domain.is_empty()
        && match name {
            "Cast" => node.attrs.dtype("to").is_some_and(|d| !d.is_float()),
            // Where elements are from, and which were kept.
            "TopK" | "MaxPool" | "Dropout" => output > 0,
            _ => CONSTANT.contains(&name),
        }
}
