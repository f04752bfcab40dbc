//! recompute: where joining steps doesn't make RAM suffice, a tensor that waits for a late reader is computed again for it.
//!
//! At the step where most is alive some tensors lie there only because a later step reads them: residuals, what skip
//! connections carry. The nodes of one that is cheap to make are repeated in front of that step. Mostly they become one kernel
//! with what adds up there, which writes in the place of the other operand; or steps that can be joined.
//!
//! As many values as the thrift asks for, one after the other: each the one after which, by the estimates of
//! `assemble::joins`, least is needed. Their readers' names and what they cost are notes of the report.
//! Does NOT repeat more than one step for a value, nor anything in a region of a node.

use super::patterns::defines_symbols;
use crate::assemble::cut::{Step, captured};
use crate::assemble::joins::Need;
use crate::assemble::{lower_nodes, macs};
use crate::from_kernel::Machine;
use crate::manager::{GraphCx, GraphPass, Note};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_ir::graph::patch::new_value;
use onnxc_ir::graph::{Graph, Node, NodeId, ValueDef, ValueId};
use onnxc_ops::Registry;
use std::collections::BTreeMap;

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "recompute", about: "compute tensors again that would wait for a late reader", level: 2, run };

/// What is computed again is at most this part of the model's multiplications.
const PART: i64 = 4;

/// A value that could be computed again.
struct Again {
    /// The nodes that make it.
    nodes: Vec<NodeId>,
    value: ValueId,
    /// Where in the region the nodes go, and the nodes that read the value from there on.
    at: usize,
    readers: Vec<NodeId>,
    macs: i64,
}

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    for _ in Machine::JOINING..cx.machine.memory.thrift {
        let need = Need::of(graph, cx.registry, &graph.body, cx.machine)?;
        let total = work(graph, cx.registry, &need.steps)?;
        let mut best: Option<((i64, i64, usize, i64), Graph, Again)> = None;
        for again in candidates(graph, cx.registry, &need)? {
            if again.macs > total / PART {
                continue;
            }
            let mut trial = graph.clone();
            repeat(&mut trial, &again);
            let (joined, alone, steps) = Need::of(&trial, cx.registry, &trial.body, cx.machine)?.key();
            let key = (joined, alone, steps, again.macs);
            if (joined, alone, steps) < need.key() && best.as_ref().is_none_or(|b| key < b.0) {
                best = Some((key, trial, again));
            }
        }
        let Some((_, trial, again)) = best else { return Ok(()) };
        let note = note(graph, &again);
        if !cx.editor.note(PASS.name, &note.node) {
            return Ok(());
        }
        *graph = trial;
        cx.notes.push(note);
    }
    Ok(())
}

/// Multiplications of steps that are added up.
fn work(graph: &Graph, registry: &Registry, steps: &[Step]) -> Result<i64, Diagnostic> {
    steps.iter().try_fold(0i64, |sum, s| match s {
        Step::Kernel(nodes) => Ok(sum.saturating_add(macs_of(graph, registry, nodes)?)),
        Step::Node(_) => Ok(sum),
    })
}

fn macs_of(graph: &Graph, registry: &Registry, nodes: &[NodeId]) -> Result<i64, Diagnostic> {
    let last = nodes.last().map(|n| graph.nodes[*n].outputs.clone()).unwrap_or_default();
    let kernel = lower_nodes(graph, registry, nodes, &last, &graph.ranges())?.kernel;
    Ok(macs(&kernel).as_int().unwrap_or(i64::MAX))
}

/// The values that are read before the step where most is alive, and after it.
fn candidates(graph: &Graph, registry: &Registry, need: &Need) -> Result<Vec<Again>, Diagnostic> {
    let Some(peak) = need.peak() else { return Ok(vec![]) };
    let mut all = vec![];
    for step in &need.steps[..peak] {
        let Step::Kernel(nodes) = step else { continue };
        let Some(&[value]) = nodes.last().map(|n| graph.nodes[*n].outputs.as_slice()) else { continue };
        let pure = |n: &NodeId| graph.nodes[*n].regions.is_empty() && !defines_symbols(graph, *n);
        let reading = |s: &&Step| of(s).iter().any(|n| graph.nodes[*n].inputs.contains(&Some(value)));
        let before = need.steps[..=peak].iter().any(|s| reading(&s));
        let after: Vec<&Step> = need.steps[peak + 1..].iter().filter(reading).collect();
        let Some(first) = after.first().filter(|_| before) else { continue };
        let elsewhere = graph.body.results.contains(&value) || is_captured(graph, value);
        let place = graph.body.nodes.iter().position(|n| of(first).contains(n));
        if let Some(at) = place.filter(|_| !elsewhere && nodes.iter().all(pure)) {
            let readers = after.iter().flat_map(|s| of(s)).copied().collect();
            all.push(Again { nodes: nodes.clone(), value, at, readers, macs: macs_of(graph, registry, nodes)? });
        }
    }
    Ok(all)
}

fn of(step: &Step) -> &[NodeId] {
    match step {
        Step::Kernel(nodes) => nodes,
        Step::Node(n) => std::slice::from_ref(n),
    }
}

/// True if a region of a node mentions a value.
fn is_captured(graph: &Graph, value: ValueId) -> bool {
    let mut found = false;
    let regions = graph.body.nodes.iter().flat_map(|n| &graph.nodes[*n].regions);
    regions.for_each(|r| captured(graph, r, &mut |v| found |= v == value));
    found
}

/// Puts copies of the nodes in their place, and lets the readers have the copy's value.
fn repeat(graph: &mut Graph, again: &Again) {
    let mut values: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    let mut copies = vec![];
    for &n in &again.nodes {
        let old = graph.nodes[n].clone();
        let id = graph.nodes.next_key();
        let inputs = old.inputs.iter().map(|v| v.map(|v| values.get(&v).copied().unwrap_or(v))).collect();
        let name = free_name(graph, &old.name);
        graph.nodes.push(Node { name: name.clone(), inputs, outputs: vec![], ..old.clone() });
        for (i, v) in old.outputs.iter().enumerate() {
            let ty = graph.values[*v].ty.clone();
            let hint = format!("{}_again", graph.values[*v].name);
            let copy = new_value(graph, &hint, ty, ValueDef::Node(id, i as u32));
            graph.nodes[id].outputs.push(copy);
            values.insert(*v, copy);
        }
        copies.push(id);
    }
    graph.body.nodes.splice(again.at..again.at, copies);
    for n in &again.readers {
        let copy = values[&again.value];
        graph.nodes[*n].inputs.iter_mut().flatten().filter(|v| **v == again.value).for_each(|v| *v = copy);
    }
}

/// `Conv_1_again`, with a number if there is one.
fn free_name(graph: &Graph, name: &str) -> String {
    let taken = |name: &str| graph.nodes.values().any(|n| n.name == name);
    let first = format!("{name}_again");
    let numbered = (2..).map(|i| format!("{first}_{i}"));
    std::iter::once(first.clone()).chain(numbered).find(|n| !taken(n)).unwrap_or_default()
}

fn note(graph: &Graph, again: &Again) -> Note {
    let names = |nodes: &[NodeId]| nodes.iter().map(|n| format!("'{}'", graph.nodes[*n].name)).collect::<Vec<_>>();
    let reads = |n: &&NodeId| graph.nodes[**n].inputs.contains(&Some(again.value));
    let readers: Vec<NodeId> = again.readers.iter().filter(reads).copied().collect();
    let first = &graph.nodes[again.nodes[0]];
    let message = format!(
        "is computed again, to spare RAM, for {}: '{}', {} more macs",
        names(&readers).join(", "),
        graph.values[again.value].name,
        again.macs
    );
    Note { pass: PASS.name, node: first.name.clone(), op: first.op.to_string(), message }
}
