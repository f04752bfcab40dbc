//! What changes with a value, and what doesn't: shapes, comparisons and integers are constant in between their jumps.

use crate::ops::regions::reads;
use crate::prelude::*;
use onnxc_ir::graph::{Node, NodeId, ValueId};
use std::collections::BTreeSet;

/// Operators whose outputs have no derivative: indices, flags and lengths, steps, numbers drawn at random.
const CONSTANT: &[&str] = &[
    "And",
    "ArgMax",
    "ArgMin",
    "Bernoulli",
    "Ceil",
    "ConstantOfShape",
    "Equal",
    "EyeLike",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "Hardmax",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "Multinomial",
    "NonMaxSuppression",
    "NonZero",
    "Not",
    "OptionalHasElement",
    "Or",
    "QuantizeLinear",
    "RandomNormalLike",
    "RandomUniformLike",
    "Round",
    "SequenceLength",
    "Shape",
    "Sign",
    "Size",
    "Xor",
];

/// Inputs of which only type and shape count, by their places.
const LIKE: &[(&str, usize)] = &[
    ("AttentionScores", 4),
    ("AttentionValues", 2),
    ("AveragePoolGradient", 1),
    ("CastLike", 1),
    ("ConvGradientInput", 2),
    ("ConvGradientWeights", 2),
    ("MergeHeads", 1),
    ("SumTo", 1),
];

/// Adds to `depends` what the nodes, which are in order, make of it.
pub(super) fn spread(n: &NodeReader, nodes: &[NodeId], depends: &mut BTreeSet<ValueId>) {
    for &id in nodes {
        let node = &n.graph.nodes[id];
        if reads(n.graph, id).iter().any(|v| depends.contains(v) && !only_like(node, *v)) {
            let outputs = (0..node.outputs.len()).filter(|&i| !constant(node, i)).map(|i| node.outputs[i]);
            depends.extend(outputs.filter(|&v| !is_discrete(n, v)));
        }
    }
}

/// Is a value known to be of flags or integers?
pub(super) fn is_discrete(n: &NodeReader, v: ValueId) -> bool {
    let dtype = n.known.of(v).map(crate::handles::leaf);
    dtype.is_some_and(|d| d == DType::Bool || d.is_int())
}

/// Does nothing but type and shape of a value count for a node?
fn only_like(node: &Node, v: ValueId) -> bool {
    let mut places = node.inputs.iter().enumerate().filter(|(_, x)| **x == Some(v)).map(|(i, _)| i).peekable();
    node.regions.is_empty() && places.peek().is_some() && places.all(|i| is_like(node, i))
}

/// Does nothing but type and shape of an input count?
pub(super) fn is_like(node: &Node, place: usize) -> bool {
    LIKE.contains(&(node.op.name.as_str(), place))
}

fn constant(node: &Node, output: usize) -> bool {
    let name = node.op.name.as_str();
    node.op.domain.is_empty()
        && match name {
            "Cast" => node.attrs.dtype("to").is_some_and(|d| !d.is_float()),
            // Where elements are from, and which were kept.
            "TopK" | "MaxPool" | "Dropout" | "Unique" => output > 0,
            _ => CONSTANT.contains(&name),
        }
}
