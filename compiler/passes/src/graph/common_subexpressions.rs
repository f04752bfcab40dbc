//! common-subexpressions: of nodes of one region that compute the same from the same, one is kept.
//!
//! Nodes with regions, and nodes that define extents, are left alone. Nodes that make other types aren't equal: an alias whose
//! shape operand is gone says by its type alone what it makes. Does NOT look across regions.

use super::patterns::defines_symbols;
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::Diagnostics;
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Graph, NodeId, OpName, ValueId};
use std::collections::BTreeMap;

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "common-subexpressions", about: "compute equal things once", level: 1, run };

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    // Replacing a node's inputs may make it equal to another, so each node is looked up as it is then.
    type Key = (OpName, String, Vec<Option<ValueId>>, String);
    let mut seen: BTreeMap<Key, NodeId> = BTreeMap::new();
    for n in graph.body.nodes.clone() {
        let node = &graph.nodes[n];
        if !node.regions.is_empty() || defines_symbols(graph, n) || node.inputs.is_empty() {
            continue;
        }
        let types: Vec<String> = node.outputs.iter().map(|v| graph.values[*v].ty.to_string()).collect();
        let key = (node.op.clone(), format!("{:?}", node.attrs), node.inputs.clone(), types.join(", "));
        match seen.get(&key) {
            Some(&first) => {
                let mut patch = Patch::new(PASS.name, n);
                for (old, new) in graph.nodes[n].outputs.clone().into_iter().zip(graph.nodes[first].outputs.clone()) {
                    patch.replace(old, new);
                }
                cx.editor.apply(graph, patch);
            }
            None => {
                seen.insert(key, n);
            }
        }
    }
    onnxc_ir::graph::patch::remove_dead(graph);
    Ok(())
}
