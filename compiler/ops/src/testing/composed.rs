//! Cases of operators that import replaces by several nodes: the whole graph is inferred and run by its interpreter,
//! which compares every value with its inferred type.

use crate::{Evaluator, Registry};
use onnxc_base::{Diagnostic, Tensor};
use onnxc_ir::graph::interp::{self, HostValue};
use onnxc_ir::graph::{Graph, NodeId, ValueId};

/// Makes nodes the graph's body, with names of their own.
pub(super) fn take(graph: &mut Graph, nodes: &[NodeId], results: Vec<ValueId>) {
    for (i, &n) in nodes.iter().enumerate() {
        graph.nodes[n].name += &format!("_{i}");
        for v in graph.nodes[n].outputs.clone() {
            graph.values[v].name += &format!("_{i}");
        }
    }
    graph.body.nodes = nodes.to_vec();
    graph.body.results = results;
}

/// Infers every node.
pub(super) fn infer(graph: &mut Graph) -> Result<(), Diagnostic> {
    let found = crate::infer::infer_graph(graph, &Registry::new());
    found.0.into_iter().find(|d| d.severity == onnxc_base::diag::Severity::Error).map_or(Ok(()), Err)
}

/// The results.
pub(super) fn run(graph: &Graph, given: &[Tensor]) -> Result<Vec<Tensor>, Diagnostic> {
    let inputs: Vec<HostValue> = given.iter().cloned().map(HostValue::Tensor).collect();
    let registry = Registry::new();
    let results = interp::run(graph, &Evaluator::new(&registry), &inputs)?;
    Ok(results.iter().map(|v| v.tensor().expect("results are tensors").clone()).collect())
}
