//! channels-last: tensors around convolutions are stored with their channels innermost.
//!
//! Then a convolution's lanes are channels: every pixel's are contiguous, whatever the width of the image, and pools,
//! normalisations and pointwise operators in between walk the same memory in the same order. Only the layouts of values
//! change, and a `Reorder` stands where someone needs row-major order: outputs, aliases that mix axes, routines.
//!
//! Which values: see [`plan`]. Graphs without convolutions stay as they are.

mod plan;
mod roles;

use super::regions::{Owner, owners, region};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::Diagnostics;
use onnxc_ir::graph::patch::{Patch, new_value};
use onnxc_ir::graph::{Attrs, Graph, Layout, Node, NodeId, OpName, ValueDef, ValueId};
use plan::Plan;
use std::collections::BTreeMap;

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "channels-last", about: "store the tensors of convolutions channels last", level: 2, run };

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    for owner in owners(graph) {
        let plan = plan::plan(graph, cx.registry, cx.machine, region(graph, owner))?;
        let Some(&first) = plan.last.iter().next() else { continue };
        if cx.editor.note(PASS.name, &graph.values[first].name.clone()) {
            apply(graph, owner, &plan);
        }
    }
    Ok(())
}

fn apply(graph: &mut Graph, owner: Owner, plan: &Plan) {
    let mut copies: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    let mut nodes = Vec::new();
    let results = region(graph, owner).results.clone();
    for n in region(graph, owner).nodes.clone() {
        // What a result was is found under another name now.
        for i in 0..graph.nodes[n].inputs.len() {
            let Some(v) = graph.nodes[n].inputs[i] else { continue };
            let last = plan.last.contains(&v);
            if last && results.contains(&v) {
                // Row-major as it stands; who can use the other one does.
                if !plan.row_major.contains(&n) {
                    graph.nodes[n].inputs[i] = copies.get(&v).copied();
                }
            } else if last && plan.row_major.contains(&n) {
                let copy = copies.entry(v).or_insert_with(|| row_major_copy(graph, v, n, &mut nodes));
                graph.nodes[n].inputs[i] = Some(*copy);
            }
        }
        nodes.push(n);
        for k in 0..graph.nodes[n].outputs.len() {
            let v = graph.nodes[n].outputs[k];
            let rank = graph.tensor_type(v).map_or(0, |t| t.rank());
            if !plan.last.contains(&v) {
                continue;
            }
            let stored = if results.contains(&v) { make_result(graph, v, n, k, &mut nodes) } else { v };
            copies.extend((stored != v).then_some((v, stored)));
            graph.layouts.insert(stored, Layout::channels_last(rank));
        }
    }
    match owner {
        None => graph.body.nodes = nodes,
        Some((n, i)) => graph.nodes[n].regions[i].nodes = nodes,
    }
}

/// A row-major copy of a value, made before a node.
fn row_major_copy(graph: &mut Graph, v: ValueId, before: NodeId, nodes: &mut Vec<NodeId>) -> ValueId {
    let mut patch = Patch::new(PASS.name, before);
    let ty = graph.values[v].ty.clone();
    let copy = patch.node(graph, reorder(), Attrs::default(), &[Some(v)], vec![ty])[0];
    nodes.extend(patch.nodes());
    copy
}

/// A result keeps its name and place; the node that computed it defines a new value, of which it is a copy.
fn make_result(graph: &mut Graph, v: ValueId, by: NodeId, output: usize, nodes: &mut Vec<NodeId>) -> ValueId {
    let (name, ty) = (format!("{}/channels_last", graph.values[v].name), graph.values[v].ty.clone());
    let stored = new_value(graph, &name, ty, ValueDef::Node(by, output as u32));
    graph.nodes[by].outputs[output] = stored;
    let mut patch = Patch::new(PASS.name, by);
    patch.node(graph, reorder(), Attrs::default(), &[Some(stored)], vec![]);
    let copy = patch.nodes()[0];
    graph.nodes[copy] = Node { outputs: vec![v], ..graph.nodes[copy].clone() };
    graph.values[v].def = ValueDef::Node(copy, 0);
    nodes.push(copy);
    stored
}

fn reorder() -> OpName {
    OpName { domain: "onnxc".into(), name: "Reorder".into() }
}
