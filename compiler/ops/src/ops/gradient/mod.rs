//! Gradient (ai.onnx.preview.training): the derivatives of one tensor by others, as nodes that compute them.
//!
//! Since 1: `y` names a tensor of the graph, `xs` those it is derived by, `zs` (optional) those that count as constant
//! although `y` may depend on them; the inputs are values of `xs`, then of `zs`, at which `y` is computed. Outputs: for
//! each of `xs` a tensor of its shape. Several elements of `y` are summed, as if each counted once.
//!
//! Reverse mode, on import: the nodes between `xs`, `zs` and `y` are visited backwards and each hands its inputs their
//! share (`rules`; `windows` has operators of their own; `decomposed` has those that others put together).
//! Where the inputs aren't the named tensors themselves, the nodes between are first repeated upon them.
//! `branches` goes through If, `loops` through Loop and Scan, `sequences` through sequences.
//!
//! Does NOT take what has no rule for constant: it is refused (`E2029`).

mod arithmetic;
mod branches;
mod constant;
mod decomposed;
mod elementary;
mod linear;
mod loops;
mod moved;
mod picks;
mod products;
mod reduced;
mod rules;
mod scatters;
mod sequences;
mod slides;
mod sum_to;
#[cfg(test)]
mod tests;
mod windows;

pub use sum_to::DEF as SUM_TO;
pub use windows::{AVERAGE, CONV_INPUT, CONV_WEIGHTS};

use crate::ops::regions::{copy, reads};
use crate::prelude::*;
use onnxc_ir::graph::{NodeId, ValueDef, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// Gradient.
pub static DEF: OpDef = OpDef::composed("ai.onnx.preview.training", "Gradient", &[(1, import)]);

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let xs = named(n, "xs")?;
    let xs = xs.ok_or_else(|| n.error("E2012", "attribute 'xs' is missing").expected("names of tensors"))?;
    let zs = named(n, "zs")?.unwrap_or_default();
    let y = n.opt_str("y")?.ok_or_else(|| n.error("E2012", "attribute 'y' is missing").expected("a tensor's name"))?;
    let y = look_up(n, &y)?;
    let given: Vec<ValueId> = n.inputs.iter().flatten().copied().collect();
    if given.len() != xs.len() + zs.len() || given.len() != n.inputs.len() {
        let found = format!("{} inputs for {} tensors in xs and {} in zs", given.len(), xs.len(), zs.len());
        return Err(n.error("E2001", found).expected("one input for each"));
    }
    let before = between(n, y, &BTreeMap::new());
    n.known.learn(n.graph, before);
    let mut now = BTreeMap::new();
    for (&named, &value) in xs.iter().chain(&zs).zip(&given) {
        // A value of its own: the same tensor may have another part in `y`, which isn't asked for.
        let own = if value == named { value } else { n.emit_one("Identity", &[], &[Some(value)])? };
        n.known.same(named, own);
        now.insert(named, own);
    }
    let nodes = repeat(n, between(n, y, &now), &mut now)?;
    let at = |v: ValueId| now.get(&v).copied().unwrap_or(v);
    let wanted: Vec<ValueId> = xs.iter().map(|&x| at(x)).collect();
    let derivatives = backward(n, &nodes, at(y), &wanted)?;
    n.become_values(derivatives)
}

/// The values that an attribute names.
fn named(n: &mut NodeReader, attr: &str) -> Result<Option<Vec<ValueId>>> {
    let Some(names) = n.opt_strs(attr)? else { return Ok(None) };
    names.iter().map(|name| look_up(n, name)).collect::<Result<_>>().map(Some)
}

fn look_up(n: &NodeReader, name: &str) -> Result<ValueId> {
    let unknown = || n.error("E2017", format!("no node before this one makes '{name}'"));
    n.visible(name)
        .ok_or_else(|| unknown().help("'xs', 'zs' and 'y' name tensors of the graph that the node stands in"))
}

/// The nodes that `y` depends on, each after those it uses, up to the values in `stop`.
fn between(n: &NodeReader, y: ValueId, stop: &BTreeMap<ValueId, ValueId>) -> Vec<NodeId> {
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    // A node is seen twice: before what it uses, and after.
    let mut open = vec![(y, false)];
    while let Some((v, done)) = open.pop() {
        let ValueDef::Node(id, _) = n.graph.values[v].def else { continue };
        match done {
            true => order.push(id),
            false if !stop.contains_key(&v) && seen.insert(id) => {
                open.push((v, true));
                open.extend(reads(n.graph, id).into_iter().map(|v| (v, false)));
            }
            false => {}
        }
    }
    order
}

/// Repeats those of the nodes that read other values now; extends `now` by their outputs.
fn repeat(n: &mut NodeReader, nodes: Vec<NodeId>, now: &mut BTreeMap<ValueId, ValueId>) -> Result<Vec<NodeId>> {
    let mut all = Vec::new();
    for id in nodes {
        if !reads(n.graph, id).iter().any(|v| now.get(v).is_some_and(|other| other != v)) {
            all.push(id);
            continue;
        }
        let (from, (copy, outputs)) = (n.graph.nodes[id].outputs.clone(), copy(n, id, now)?);
        now.extend(from.into_iter().zip(outputs));
        all.push(copy);
    }
    Ok(all)
}

/// The derivatives of `y` by each of `wanted`.
fn backward(n: &mut NodeReader, nodes: &[NodeId], y: ValueId, wanted: &[ValueId]) -> Result<Vec<ValueId>> {
    let one = rules::filled(n, 1.0, y)?;
    let shares = through(n, nodes, &[(y, one)], wanted)?;
    wanted.iter().zip(shares).map(|(&x, share)| share.map_or_else(|| rules::filled(n, 0.0, x), Ok)).collect()
}

/// What each of `wanted` gets through nodes of `seeds`: values, each with the derivative by it.
fn through(
    n: &mut NodeReader,
    nodes: &[NodeId],
    seeds: &[(ValueId, ValueId)],
    wanted: &[ValueId],
) -> Result<Vec<Option<ValueId>>> {
    let mut depends: BTreeSet<ValueId> = wanted.iter().copied().collect();
    constant::spread(n, nodes, &mut depends);
    let mut grads = BTreeMap::new();
    for &(y, g) in seeds.iter().filter(|(y, _)| depends.contains(y)) {
        give(n, &mut grads, y, g)?;
    }
    for &id in nodes.iter().rev() {
        let node = &n.graph.nodes[id];
        let from: Vec<Option<ValueId>> = node.outputs.iter().map(|v| grads.get(v).copied()).collect();
        if from.iter().all(Option::is_none) {
            continue;
        }
        for (v, share) in shares(n, id, &from, &depends)? {
            give(n, &mut grads, v, share)?;
        }
    }
    Ok(wanted.iter().map(|x| grads.get(x).copied()).collect())
}

/// What the node hands to those of `depends` that it reads, of the derivatives `from` of its outputs.
fn shares(n: &mut NodeReader, id: NodeId, from: &[Option<ValueId>], depends: &BTreeSet<ValueId>) -> Result<Shares> {
    let node = &n.graph.nodes[id];
    let shares = match node.op.to_string().as_str() {
        "If" => branches::shares(n, id, from, depends)?,
        "Loop" | "Scan" => loops::shares(n, id, from, depends)?,
        _ => {
            let inputs = node.inputs.clone();
            let asked: Vec<bool> = inputs.iter().map(|v| v.is_some_and(|v| depends.contains(&v))).collect();
            let shares = rules::shares(n, id, from, &asked)?;
            inputs.into_iter().zip(shares).filter_map(|(v, share)| Some((v?, share?))).collect()
        }
    };
    Ok(shares.into_iter().filter(|(v, _)| depends.contains(v)).collect())
}

/// Values, each with a part of the derivative by it.
type Shares = Vec<(ValueId, ValueId)>;

/// Adds a share to what a value has.
fn give(n: &mut NodeReader, grads: &mut BTreeMap<ValueId, ValueId>, v: ValueId, share: ValueId) -> Result<()> {
    let sum = match grads.get(&v) {
        Some(&other) => sequences::sum(n, v, other, share)?,
        None => share,
    };
    grads.insert(v, sum);
    Ok(())
}
