//! Small questions that several passes ask of a graph.

use onnxc_ir::graph::patch::Uses;
use onnxc_ir::graph::{Graph, Node, NodeId, SymbolSource, ValueId};
use onnxc_ops::{Lower, OpRef, Registry};

/// True if some extent is found by running this node: it must then stay where it is.
pub fn defines_symbols(graph: &Graph, n: NodeId) -> bool {
    graph.symbols.values().any(|i| match i.source {
        SymbolSource::Extent(node, _) | SymbolSource::Result(node, _) => node == n,
        SymbolSource::Element(v, _) | SymbolSource::Carried(v, _) => graph.nodes[n].outputs.contains(&v),
        SymbolSource::Dim(..) => false,
    })
}

/// The node of ONNX's own operator `op` that computes a value.
pub fn made_by<'g>(graph: &'g Graph, v: ValueId, op: &str) -> Option<(NodeId, &'g Node)> {
    let n = graph.producer(v)?;
    let node = &graph.nodes[n];
    (node.op.domain.is_empty() && node.op.name == op).then_some((n, node))
}

/// Like [`made_by`], if nobody but one input uses the value.
pub fn made_only_for<'g>(graph: &'g Graph, uses: &Uses, v: ValueId, op: &str) -> Option<(NodeId, &'g Node)> {
    uses.single(v)?;
    made_by(graph, v, op)
}

/// True if a node gives its input other extents and nothing else.
pub fn reshapes(graph: &Graph, registry: &Registry, n: NodeId) -> bool {
    let node = &graph.nodes[n];
    let alias = matches!(registry.find(&node.op), Some(OpRef::Builtin(d)) if matches!(d.lower, Lower::Alias));
    let dtype = |v: Option<ValueId>| v.and_then(|v| graph.tensor_type(v)).map(|t| t.dtype);
    alias
        && node.outputs.len() == 1
        && !defines_symbols(graph, n)
        && dtype(input(node, 0)) == dtype(Some(node.outputs[0]))
}

/// Input `i` of a node.
pub fn input(node: &Node, i: usize) -> Option<ValueId> {
    node.inputs.get(i).copied().flatten()
}

/// The elements of a float constant.
pub fn floats(graph: &Graph, v: ValueId) -> Option<Vec<f64>> {
    let t = graph.constant(v)?;
    if t.dtype().is_float() { t.to_f64() } else { None }
}

/// The only element of a float constant.
pub fn float(graph: &Graph, v: ValueId) -> Option<f64> {
    floats(graph, v).filter(|f| f.len() == 1).map(|f| f[0])
}

/// The inputs of a binary node as (constant or `want`ed one, other): tries both orders.
pub fn either<R>(node: &Node, f: impl Fn(ValueId, ValueId) -> Option<R>) -> Option<R> {
    let (a, b) = (input(node, 0)?, input(node, 1)?);
    f(a, b).or_else(|| f(b, a))
}
