//! parts: tensors that are parts of others lie in their memory.
//!
//! What a Concat puts together is written straight to its place by whoever computes it, and what a Slice or a Split
//! takes is read where it is. Then those nodes have nothing to do. A tensor can be a part of one other only, and all of
//! a node's tensors must be parts, or it copies as ever.

#[cfg(test)]
mod tests;

use super::regions::{Seen, owners, region};
use crate::assemble::lower_alone;
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{Diagnostic, Diagnostics, Sym};
use onnxc_ir::graph::{Graph, NodeId, SymbolSource, ValueId, Within};
use onnxc_ir::kernel::{Body, Def, ExprKind, Kernel, Src};
use onnxc_ops::Registry;
use std::collections::BTreeSet;

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "parts", about: "put together and take apart tensors without copying", level: 2, run };

/// Tensors of fewer elements aren't worth the strides.
const SMALL: i64 = 64;

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    for owner in owners(graph) {
        let nodes = region(graph, owner).nodes.clone();
        let seen = Seen::new(graph, cx.registry, region(graph, owner));
        for join in [true, false] {
            // The largest Concat first: smaller ones of the same tensors may be parts of it.
            let mut order = nodes.clone();
            if join {
                order.sort_by_key(|n| std::cmp::Reverse(graph.nodes[*n].inputs.len()));
            }
            for n in order {
                let parts = match (join, &*graph.nodes[n].op.name) {
                    (true, "Concat") => members(graph, &seen, n),
                    (false, "Slice" | "Split") => views(graph, cx.registry, &seen, n)?,
                    _ => continue,
                };
                let Some(parts) = parts.filter(|_| graph.nodes[n].op.domain.is_empty()) else { continue };
                if cx.editor.note(PASS.name, &graph.nodes[n].name.clone()) {
                    for (v, within) in parts {
                        let layout = graph.layout_or_plain(v).with_host(within);
                        graph.layouts.insert(v, layout);
                    }
                }
            }
        }
    }
    Ok(())
}

/// The places of a Concat's inputs in its output.
fn members(graph: &Graph, seen: &Seen, n: NodeId) -> Option<Vec<(ValueId, Within)>> {
    let node = &graph.nodes[n];
    let host = node.outputs[0];
    let rank = graph.tensor_type(host)?.rank();
    if !known_before(graph, host) {
        return None;
    }
    let axis = node.attrs.int("axis")?.rem_euclid(rank.max(1) as i64) as usize;
    if let Some(within) = run_of_parts(graph, seen, n, axis) {
        return Some(vec![within]);
    }
    let mut at = vec![Sym::int(0); rank];
    let mut parts: Vec<(ValueId, Within)> = Vec::new();
    for v in &node.inputs {
        let v = (*v)?;
        let twice = parts.iter().any(|(p, _)| *p == v);
        if twice || !seen.made(v) || !seen.by_kernels_only(v) || !can_be_part(graph, v, host) {
            return None;
        }
        parts.push((v, Within { host, at: at.clone() }));
        at[axis] += &graph.tensor_type(v)?.shape[axis];
    }
    Some(parts)
}

/// True if no node has to have run for a tensor's extents to be known: its memory must be there for the first part.
fn known_before(graph: &Graph, v: ValueId) -> bool {
    let later = |s: &onnxc_base::Symbol| {
        let source = graph.symbols.get(s).map(|i| &i.source);
        matches!(source, Some(SymbolSource::Extent(..) | SymbolSource::Result(..)))
    };
    graph.tensor_type(v).is_some_and(|t| t.shape.iter().all(|d| !d.any_symbol(&later)))
}

/// The place of a Concat's output where its inputs lie one after the other already: in a larger Concat of theirs.
fn run_of_parts(graph: &Graph, seen: &Seen, n: NodeId, axis: usize) -> Option<(ValueId, Within)> {
    let node = &graph.nodes[n];
    let part = |v: &Option<ValueId>| graph.layout((*v)?).and_then(|l| l.within());
    let first = part(node.inputs.first()?)?.clone();
    let mut at = first.at.clone();
    for v in &node.inputs {
        let here = part(v).is_some_and(|w| w.host == first.host && w.at == at);
        at[axis] += &graph.tensor_type((*v)?.to_owned()).filter(|_| here)?.shape[axis];
    }
    let y = node.outputs[0];
    (y != first.host && seen.by_kernels_only(y) && can_be_part(graph, y, first.host)).then_some((y, first))
}

/// The places of a node's outputs in its input, if each is a window of it.
fn views(
    graph: &Graph,
    registry: &Registry,
    seen: &Seen,
    n: NodeId,
) -> Result<Option<Vec<(ValueId, Within)>>, Diagnostic> {
    let node = &graph.nodes[n];
    let Some(host) = node.inputs.first().copied().flatten() else { return Ok(None) };
    let fits = |v: &ValueId| seen.by_kernels_only(*v) && can_be_part(graph, *v, host);
    if graph.constant(host).is_some() || !node.outputs.iter().all(fits) {
        return Ok(None);
    }
    let kernel = lower_alone(graph, registry, n)?;
    if !kernel.checks.is_empty() {
        return Ok(None);
    }
    let place = |(v, d): (&ValueId, &onnxc_ir::kernel::DefId)| {
        let start = window(&kernel, &kernel.defs[*d])?;
        let mut at = vec![Sym::int(0); start.len()];
        graph.layout_or_plain(host).order().iter().zip(start).for_each(|(&axis, s)| at[axis] = s);
        Some((*v, Within { host, at }))
    };
    Ok(node.outputs.iter().zip(&kernel.outputs).map(place).collect())
}

/// The index of the first element of a definition that takes a window of the kernel's first parameter.
fn window(kernel: &Kernel, def: &Def) -> Option<Vec<Sym>> {
    let Body::Map(e) = &def.body else { return None };
    let ExprKind::Load { src: Src::Param(p), index, pad: None } = e.kind() else { return None };
    let vars: BTreeSet<_> = def.axes.iter().map(|a| a.var.clone()).collect();
    let first = kernel.params.keys().next() == Some(*p) && index.len() == def.axes.len();
    let start = |(i, a): (&onnxc_ir::kernel::Expr, &onnxc_ir::kernel::Axis)| {
        let start = i.as_sym()? - &Sym::var(a.var.clone());
        (!start.any_symbol(&|s| vars.contains(s))).then_some(start)
    };
    index.iter().zip(&def.axes).map(start).collect::<Option<Vec<Sym>>>().filter(|_| first)
}

/// True for a tensor that isn't a part of something yet, has the order of what it is to be a part of, and whose
/// elements nothing but kernels reads.
fn can_be_part(graph: &Graph, v: ValueId, of: ValueId) -> bool {
    let (Some(t), Some(h)) = (graph.tensor_type(v), graph.tensor_type(of)) else { return false };
    let same_order = graph.layout_or_plain(v).order() == graph.layout_or_plain(of).order();
    let element = |s: &SymbolSource| matches!(s, SymbolSource::Element(e, _) if *e == v);
    let small = t.count().as_int().is_some_and(|n| n < SMALL);
    let free = graph.layout(v).is_none_or(|l| l.is_contiguous()) && graph.values[v].content.is_none();
    let plain = t.dtype == h.dtype && t.dtype.bits() >= 8 && t.rank() >= 1;
    same_order && free && plain && !small && !graph.symbols.values().any(|i| element(&i.source))
}
