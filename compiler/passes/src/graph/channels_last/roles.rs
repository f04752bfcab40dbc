//! What nodes can do with tensors that are stored channels last.

use crate::assemble::cut::is_pointwise;
use onnxc_base::Diagnostic;
use onnxc_ir::graph::{Graph, NodeId, ValueId};
use onnxc_ops::{Lower, OpRef, Registry};

/// A node's part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// A convolution: what layouts are chosen for.
    Convolves,
    /// Works as well on either layout, and writes what it reads.
    Follows,
    /// Input 0 under another shape with the same batch and channels: the same memory in either layout.
    Reshapes,
    /// Reads either layout, and writes either.
    Transposes,
    /// Needs row-major inputs, makes row-major outputs.
    RowMajor,
}

/// Operators that work on each channel for itself, or on channels as a whole, and so on either layout.
const FOLLOWS: &[&str] = &[
    "ArgMax",
    "ArgMin",
    "AveragePool",
    "BatchNormalization",
    "CenterCropPad",
    "Concat",
    "DepthToSpace",
    "Dropout",
    "Expand",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "GroupNormalization",
    "Hardmax",
    "InstanceNormalization",
    "IntegerAverage",
    "LogSoftmax",
    "LpNormalization",
    "LpPool",
    "LRN",
    "MaxPool",
    "MeanVarianceNormalization",
    "Pad",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Resize",
    "Slice",
    "Softmax",
    "SpaceToDepth",
    "Split",
    "Tile",
    "Upsample",
];

/// The part of a node.
///
/// # Errors
/// A node that can't be lowered.
pub(super) fn role(graph: &Graph, registry: &Registry, n: NodeId) -> Result<Role, Diagnostic> {
    let node = &graph.nodes[n];
    let Some(OpRef::Builtin(def)) = registry.find(&node.op) else { return Ok(Role::RowMajor) };
    let standard = node.op.domain.is_empty() || node.op.name.starts_with("Integer");
    let name = if standard { node.op.name.as_str() } else { "" };
    Ok(match def.lower {
        Lower::Alias if keeps_channels(graph, n) => Role::Reshapes,
        Lower::Alias | Lower::Routine(_) | Lower::Runtime(_) | Lower::Control(_) => Role::RowMajor,
        Lower::Compute(_) | Lower::View(_) => match name {
            "Conv" | "ConvTranspose" | "IntegerConv" => Role::Convolves,
            "Transpose" => Role::Transposes,
            _ if FOLLOWS.contains(&name) => Role::Follows,
            _ if outputs_images(graph, n) && is_pointwise(graph, registry, n)? => Role::Follows,
            _ => Role::RowMajor,
        },
    })
}

/// True if an output has batch, channels and a spatial axis.
fn outputs_images(graph: &Graph, n: NodeId) -> bool {
    graph.nodes[n].outputs.iter().any(|&v| graph.tensor_type(v).is_some_and(|t| t.rank() >= 3))
}

/// True if an alias leaves the first two axes as they are, and has more.
fn keeps_channels(graph: &Graph, n: NodeId) -> bool {
    let node = &graph.nodes[n];
    let shape = |v: ValueId| graph.tensor_type(v).map(|t| t.shape.as_slice()).filter(|s| s.len() >= 3);
    let (Some(&Some(x)), [y]) = (node.inputs.first(), &node.outputs[..]) else { return false };
    matches!((shape(x), shape(*y)), (Some(x), Some(y)) if x[..2] == y[..2])
}
