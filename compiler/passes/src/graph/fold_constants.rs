//! fold-constants: a node whose outputs are known becomes constants.
//!
//! Known are the outputs of nodes whose inputs are all constants (evaluated by the kernels themselves) and small
//! integer tensors whose symbolic content inference has followed down to numbers (`Shape` of fixed dims ...).
//! Does NOT fold what would make the module much larger: outputs beyond [`GROWTH`] bytes may exceed the inputs by a
//! quarter, which is what filling up blocks takes.

use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{DType, Diagnostics, Tensor};
use onnxc_ir::graph::{Graph, NodeId, Region, ValueDef, ValueId};
use onnxc_ir::scalar::Scalar;
use onnxc_ops::eval::Evaluator;

/// Outputs of up to so many bytes may be larger than their inputs.
const GROWTH: usize = 1 << 16;

/// The pass.
pub const PASS: GraphPass = GraphPass {
    name: "fold-constants",
    about: "compute at compile time what depends on constants only",
    level: 0,
    run,
};

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    let mut body = std::mem::take(&mut graph.body);
    fold_region(graph, &mut body, cx);
    graph.body = body;
    Ok(())
}

fn fold_region(graph: &mut Graph, region: &mut Region, cx: &mut GraphCx<'_>) {
    let nodes = std::mem::take(&mut region.nodes);
    for n in nodes {
        let mut inner = std::mem::take(&mut graph.nodes[n].regions);
        inner.iter_mut().for_each(|r| fold_region(graph, r, cx));
        graph.nodes[n].regions = inner;
        match values_of(graph, n, cx) {
            Some(values) if cx.editor.note(PASS.name, &graph.nodes[n].name) => {
                for (v, t) in graph.nodes[n].outputs.clone().into_iter().zip(values) {
                    graph.values[v].def = ValueDef::Const(t);
                }
            }
            _ => region.nodes.push(n),
        }
    }
}

/// The outputs of a node, if they are known and worth keeping.
fn values_of(graph: &Graph, n: NodeId, cx: &GraphCx<'_>) -> Option<Vec<Tensor>> {
    let node = &graph.nodes[n];
    if let Some(known) = node.outputs.iter().map(|&v| content_tensor(graph, v)).collect() {
        return Some(known);
    }
    if node.inputs.iter().flatten().any(|&v| graph.constant(v).is_none()) || node.inputs.is_empty() {
        return None;
    }
    let bytes = |v: &ValueId| {
        let t = graph.tensor_type(*v)?;
        t.fixed()?.iter().try_fold(t.dtype.size(), |n, &d| n.checked_mul(d))
    };
    let out: Option<Vec<usize>> = node.outputs.iter().map(bytes).collect();
    let out: usize = out?.into_iter().sum();
    let into: usize = node.inputs.iter().flatten().filter_map(|v| graph.constant(*v)).map(|t| t.bytes().len()).sum();
    if out > GROWTH.max(into + into / 4) {
        return None;
    }
    Evaluator::new(cx.registry).fold(graph, n)
}

/// A small integer tensor whose content is all numbers.
fn content_tensor(graph: &Graph, v: ValueId) -> Option<Tensor> {
    let t = graph.tensor_type(v)?;
    let content = graph.values[v].content.as_ref()?;
    let shape = t.fixed()?;
    if !t.dtype.is_int() && t.dtype != DType::Bool || t.dtype.bits() < 8 {
        return None;
    }
    let mut bytes = vec![0u8; content.len() * t.dtype.size()];
    for (s, chunk) in content.iter().zip(bytes.chunks_mut(t.dtype.size())) {
        Scalar::from_i64(t.dtype, s.as_int()?).write(chunk);
    }
    Tensor::from_bytes(t.dtype, shape, bytes.into())
}
