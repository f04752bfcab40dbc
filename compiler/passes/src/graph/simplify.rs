//! simplify: nodes that do nothing disappear; shape operands that inference has used up are let go.
//!
//! - An alias (Identity, Reshape, Cast to the same type ...) whose output has its input's type is its input.
//! - An alias reads nothing but its first input when it runs, so its others are dropped, and the shape arithmetic
//!   behind them with the next `dead-code`.
//! - An alias of an alias is one alias.

use super::patterns::defines_symbols;
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::Diagnostics;
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Graph, NodeId, Region, ValueId};
use onnxc_ops::{Lower, OpRef, Registry};

/// The pass.
pub const PASS: GraphPass = GraphPass { name: "simplify", about: "remove nodes that do nothing", level: 0, run };

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    for n in all_nodes(graph, &graph.body) {
        if !is_alias(graph, cx.registry, n) || defines_symbols(graph, n) {
            continue;
        }
        graph.nodes[n].inputs.truncate(1);
        let (Some(&Some(x)), Some(&y)) = (graph.nodes[n].inputs.first(), graph.nodes[n].outputs.first()) else {
            continue;
        };
        if graph.nodes[n].outputs.len() > 1 {
            continue;
        }
        if graph.values[x].ty == graph.values[y].ty {
            let mut patch = Patch::new(PASS.name, n);
            patch.replace(y, x);
            cx.editor.apply(graph, patch);
        } else if let Some(inner) = alias_input(graph, cx.registry, x) {
            graph.nodes[n].inputs[0] = Some(inner);
        }
    }
    Ok(())
}

/// Nodes of a region and of regions inside, outer ones first.
fn all_nodes(graph: &Graph, region: &Region) -> Vec<NodeId> {
    let mut all = region.nodes.clone();
    for &n in &region.nodes {
        graph.nodes[n].regions.iter().for_each(|r| all.extend(all_nodes(graph, r)));
    }
    all
}

fn is_alias(graph: &Graph, registry: &Registry, n: NodeId) -> bool {
    matches!(registry.find(&graph.nodes[n].op), Some(OpRef::Builtin(d)) if matches!(d.lower, Lower::Alias))
}

/// What a value is another shape of, if that's what it is.
fn alias_input(graph: &Graph, registry: &Registry, v: ValueId) -> Option<ValueId> {
    let n = graph.producer(v)?;
    let plain = is_alias(graph, registry, n) && !defines_symbols(graph, n) && graph.nodes[n].outputs.len() == 1;
    if plain { graph.nodes[n].inputs.first().copied().flatten() } else { None }
}
