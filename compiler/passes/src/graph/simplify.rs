//! simplify: nodes that do nothing disappear; shape operands that inference has used up are let go.
//!
//! - An alias (Identity, Reshape, Cast to the same type ...) whose output has its input's type is its input.
//! - An alias reads nothing but its first input when it runs, so its others are dropped, and the shape arithmetic
//!   behind them with the next `dead-code`.
//! - An alias of an alias is one alias, a Transpose of a Transpose one Transpose, or none.

use super::patterns::defines_symbols;
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::Diagnostics;
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Attr, Graph, NodeId, OpName, Region, ValueId};
use onnxc_ops::{Lower, OpRef, Registry};

/// The pass.
pub const PASS: GraphPass = GraphPass { name: "simplify", about: "remove nodes that do nothing", level: 0, run };

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    for n in all_nodes(graph, &graph.body) {
        transpose(graph, cx, n);
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

/// Lets a Transpose of a Transpose read what that one reads.
fn transpose(graph: &mut Graph, cx: &mut GraphCx<'_>, n: NodeId) {
    let Some((x, outer)) = order(graph, n) else { return };
    let Some((origin, inner)) = graph.producer(x).and_then(|m| order(graph, m)) else { return };
    if outer.len() != inner.len() {
        return;
    }
    let both: Vec<i64> = outer.iter().filter_map(|&a| inner.get(a as usize).copied()).collect();
    let y = graph.nodes[n].outputs[0];
    if both.len() == outer.len() && both.iter().zip(0..).all(|(a, k)| *a == k) {
        let mut patch = Patch::new(PASS.name, n);
        patch.replace(y, origin);
        cx.editor.apply(graph, patch);
    } else if both.len() == outer.len() {
        graph.nodes[n].inputs[0] = Some(origin);
        graph.nodes[n].attrs.set("perm", Attr::Ints(both));
    }
}

/// What a Transpose reads, and the order of axes that it makes: counted from the front.
fn order(graph: &Graph, n: NodeId) -> Option<(ValueId, Vec<i64>)> {
    let node = &graph.nodes[n];
    if node.op != OpName::onnx("Transpose") || node.outputs.len() != 1 {
        return None;
    }
    let x = node.inputs.first().copied().flatten()?;
    let rank = graph.tensor_type(x)?.rank() as i64;
    let perm = node.attrs.ints("perm").map_or_else(|| (0..rank).rev().collect(), <[i64]>::to_vec);
    Some((x, perm.iter().map(|a| a.rem_euclid(rank.max(1))).collect()))
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
