//! A node's definitions, made for row-major tensors, to definitions over tensors as they lie in memory.
//!
//! Operators say what they compute over the tensor's axes. Here the indices of what has a layout are put into its
//! order, the axes of what the node defines into the order of its output, and the axes of reductions into the order in
//! which they walk memory. So every operator works on every layout, and knows of none.

use crate::from_kernel::all_ranges;
use crate::kernel::expr::{loads, map_parts, rewrite};
use onnxc_base::{EntityRef, Ranges, Sym};
use onnxc_ir::graph::{Graph, Layout, NodeId};
use onnxc_ir::kernel::build::load;
use onnxc_ir::kernel::{Axis, Body, DefId, Expr, ExprKind, Kernel, KernelBuilder, Scalar, Src};
use std::collections::BTreeMap;

/// Layouts of what a node loads and defines.
type Layouts = BTreeMap<Src, Layout>;

/// How much of a kernel was there before a node was lowered.
#[derive(Clone, Copy)]
pub(super) struct Before {
    defs: usize,
    checks: usize,
}

impl Before {
    pub(super) fn new(kernel: &Kernel) -> Before {
        Before { defs: kernel.defs.len(), checks: kernel.checks.len() }
    }

    fn is_new(self, src: Src) -> bool {
        matches!(src, Src::Def(d) if d.index() >= self.defs)
    }
}

/// Arranges what a node has made from `args`; `outs` are its outputs.
pub(super) fn arrange(
    graph: &Graph,
    k: &mut KernelBuilder,
    node: NodeId,
    args: &[Option<Src>],
    outs: &mut [Src],
    before: Before,
) {
    let node = &graph.nodes[node];
    let mut layouts = Layouts::new();
    for (v, src) in node.inputs.iter().zip(args) {
        if let (Some(layout), Some(src)) = (v.and_then(|v| graph.layout(v)), src) {
            layouts.insert(*src, layout.clone());
        }
    }
    for (&v, out) in node.outputs.iter().zip(outs.iter_mut()) {
        if let (false, true, Some(ty)) =
            (before.is_new(*out), graph.layout(v) != layouts.get(out), graph.tensor_type(v))
        {
            // An input that is passed on, in another layout.
            let from = *out;
            *out = k.map(&graph.values[v].name, ty.dtype, &ty.shape, |_, i| load(from, i));
        }
        if let Some(layout) = graph.layout(v) {
            layouts.insert(*out, layout.clone());
        }
    }
    if layouts.is_empty() {
        return;
    }
    let ids: Vec<DefId> = k.kernel.defs.keys().filter(|d| d.index() >= before.defs).collect();
    if let Some(layout) = graph.layout(node.outputs[0]) {
        // What a node computes on the way goes with its output, if it has as many axes.
        for src in ids.iter().map(|d| Src::Def(*d)).filter(|s| !outs.contains(s)) {
            if k.shape(src).len() == layout.order().len() {
                layouts.insert(src, layout.clone());
            }
        }
    }
    let bordered = layouts.values().any(|l| l.border().is_some());
    let ranges = if bordered { all_ranges(&k.kernel) } else { Ranges::new() };
    let wholes: BTreeMap<Src, Whole> = layouts.iter().filter_map(|(s, l)| Some((*s, Whole::of(k, *s, l)?))).collect();
    let mut swap = |n: &Expr| {
        let n = permuted(n, &layouts)?;
        Some(from_border(&n, &wholes, &ranges).unwrap_or(n))
    };
    for d in ids {
        let def = &mut k.kernel.defs[d];
        if let Some(layout) = layouts.get(&Src::Def(d)) {
            def.axes = layout.permute(&def.axes);
        }
        map_parts(def, &mut |e| rewrite(e, &mut swap));
        order_reduction(&mut def.body, &layouts);
    }
    for c in &mut k.kernel.checks[before.checks..] {
        c.cond = rewrite(&c.cond, &mut swap);
    }
}

/// A load with its index in the order of what it loads.
fn permuted(e: &Expr, layouts: &Layouts) -> Option<Expr> {
    let ExprKind::Load { src, index, pad } = e.kind() else { return None };
    let layout = layouts.get(src)?;
    Some(Expr::new(ExprKind::Load { src: *src, index: layout.permute(index), pad: *pad }))
}

/// A tensor with its border.
struct Whole {
    /// All of the memory.
    src: Src,
    /// The tensor's extents.
    extents: Vec<Sym>,
    /// Widths of the border before and behind, for each dim.
    width: Vec<(i64, i64)>,
    fill: Scalar,
}

impl Whole {
    /// Of a view that is the tensor without its border. What the kernel itself makes has none.
    fn of(k: &KernelBuilder, view: Src, layout: &Layout) -> Option<Whole> {
        let (border, Src::Def(d)) = (layout.border()?, view) else { return None };
        let Body::Map(e) = &k.kernel.defs[d].body else { return None };
        let ExprKind::Load { src: src @ Src::Param(_), pad: None, .. } = e.kind() else { return None };
        let (extents, width) = (k.shape(view), layout.permute(&border.width));
        let all = extents.iter().zip(&width).map(|(e, (lo, hi))| e + *lo + *hi);
        all.eq(k.shape(*src)).then_some(Whole { src: *src, extents, width, fill: border.fill })
    }
}

/// A padded load that reads the border where the tensor has one that is wide enough: nothing is left to be tested.
fn from_border(e: &Expr, wholes: &BTreeMap<Src, Whole>, ranges: &Ranges) -> Option<Expr> {
    let ExprKind::Load { src, index, pad: Some(pad) } = e.kind() else { return None };
    let whole = wholes.get(src).filter(|w| w.fill == *pad)?;
    let mut at = Vec::new();
    for ((i, extent), (lo, hi)) in index.iter().zip(&whole.extents).zip(&whole.width) {
        let i = ranges.simplify(&(i.as_sym()? + *lo));
        let end = extent + *lo + *hi;
        if ranges.prove_le(&Sym::int(0), &i) != Some(true) || ranges.prove_lt(&i, &end) != Some(true) {
            return None;
        }
        at.push(i);
    }
    Some(load(whole.src, &at))
}

/// The axis of a reduction that steps through memory in the smallest steps goes innermost.
fn order_reduction(body: &mut Body, layouts: &Layouts) {
    let Body::Reduce { axes, value, .. } = body else { return };
    let Some(site) = loads(value).into_iter().find(|s| layouts.contains_key(&s.src)) else { return };
    let place = |a: &Axis| site.index.iter().rposition(|i| i.as_ref().is_some_and(|i| i.contains(&a.var)));
    axes.sort_by_key(place);
}
