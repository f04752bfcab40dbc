//! borders: a tensor that windows read beyond its edges is kept with a border, which holds what they find there.
//!
//! So a padded convolution or pool needs neither a padded copy of its input nor tests: who makes the tensor writes the
//! inside, and the border is filled before. The border is as wide as the widest window needs, and holds what most of
//! them want: zeros if any wants zeros. What can't be served reads as it did. Where RAM is scarce there are no borders:
//! kernels copy what their windows see, strip by strip.
//!
//! Pixels of many channels may lie at such a distance that those of a window and a tile meet in a few sets of the first-level
//! cache, which can't hold them all. Behind such channels there is a line more.

use super::regions::{Seen, owners, region};
use crate::assemble::lower_alone;
use crate::from_kernel::{Machine, all_ranges};
use crate::kernel::expr::{Site, def_loads};
use crate::kernel::winograd;
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostics, Ranges, Sym};
use onnxc_ir::graph::{Border, Graph, NodeId, ValueId};
use onnxc_ir::kernel::{Body, Kernel, Src};
use onnxc_ir::scalar::Scalar;
use std::collections::{BTreeMap, BTreeSet};

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "borders", about: "keep what windows read beyond the edges around tensors", level: 2, run };

/// A wider border than this costs more than it saves.
const WIDEST: i64 = 16;

/// Pixels at a multiple of this many bytes meet in one or two sets of the usual first-level cache, whose ways have 4 KiB.
const ALIASED: i64 = 2048;
/// Bytes of a line of the usual cache.
const LINE: i64 = 64;

/// Widths before and behind, for each dim in memory.
type Widths = Vec<(i64, i64)>;

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    if cx.machine.memory.scarce {
        return Ok(());
    }
    for owner in owners(graph) {
        let region = region(graph, owner);
        let seen = Seen::new(graph, cx.registry, region);
        let mut wanted: BTreeMap<ValueId, BTreeMap<Scalar, Widths>> = BTreeMap::new();
        for &n in &region.nodes {
            let eligible = |v: &ValueId| seen.made(*v) && seen.by_kernels_only(*v) && is_free(graph, *v);
            let inputs: BTreeSet<ValueId> = graph.nodes[n].inputs.iter().flatten().copied().filter(eligible).collect();
            if !inputs.is_empty() && may_pad(graph, n) {
                let kernel = lower_alone(graph, cx.registry, n)?;
                for v in inputs {
                    wants(graph, &kernel, cx.machine, v, wanted.entry(v).or_default());
                }
            }
        }
        for (v, fills) in wanted {
            let Some((fill, mut widths)) = chosen(fills) else { continue };
            apart(graph, v, &mut widths);
            if cx.editor.note(PASS.name, &graph.values[v].name.clone()) {
                let layout = graph.layout_or_plain(v);
                let mut width = vec![(0, 0); widths.len()];
                layout.order().iter().zip(widths).for_each(|(&axis, w)| width[axis] = w);
                graph.layouts.insert(v, layout.with_border(Border { width, fill }));
            }
        }
    }
    Ok(())
}

/// Adds a line behind channels that make pixels meet in a few sets of a cache.
fn apart(graph: &Graph, v: ValueId, widths: &mut Widths) {
    let (Some(t), Some(shape)) = (graph.tensor_type(v), graph.stored_shape(v)) else { return };
    let (Some(innermost), Some(extent)) = (widths.last_mut(), shape.last().and_then(Sym::as_int)) else { return };
    let size = t.dtype.size() as i64;
    if t.dtype == DType::F32 && *innermost == (0, 0) && extent * size % ALIASED == 0 {
        innermost.1 = LINE / size;
    }
}

/// Tensors that have their memory to themselves.
fn is_free(graph: &Graph, v: ValueId) -> bool {
    graph.tensor_type(v).is_some_and(|t| t.rank() >= 3) && graph.layout(v).is_none_or(|l| l.is_contiguous())
}

/// Operators that slide a window say what is around it.
fn may_pad(graph: &Graph, n: NodeId) -> bool {
    ["pads", "auto_pad"].iter().any(|a| graph.nodes[n].attrs.0.contains_key(*a))
}

/// What a kernel's reductions read beyond the edges of a value.
fn wants(graph: &Graph, kernel: &Kernel, machine: Machine, v: ValueId, fills: &mut BTreeMap<Scalar, Widths>) {
    let Some(p) = kernel.params.iter().find(|(_, p)| p.name == graph.values[v].name).map(|(p, _)| p) else { return };
    let ranges = all_ranges(kernel);
    let vars: BTreeSet<Symbol> = index_vars(kernel);
    // Whole tiles in a transformed domain reach further.
    let further = winograd::overhang(kernel, machine).filter(|o| o.0 == Src::Param(p)).map(|o| o.1);
    for d in kernel.defs.values().filter(|d| matches!(d.body, Body::Reduce { .. })) {
        for site in def_loads(d).into_iter().filter(|s| s.src == Src::Param(p)) {
            let fill = site.pad.or(further.map(|_| Scalar::f32(0.0)));
            if let (Some(fill), Some(mut needs)) = (fill, widths(&ranges, &vars, &site, &kernel.params[p].shape)) {
                further.iter().flatten().for_each(|(d, more)| needs[*d].1 += more);
                let all = fills.entry(fill).or_insert_with(|| vec![(0, 0); needs.len()]);
                all.iter_mut().zip(needs).for_each(|(a, n)| *a = (a.0.max(n.0), a.1.max(n.1)));
            }
        }
    }
}

fn index_vars(kernel: &Kernel) -> BTreeSet<Symbol> {
    let over = |d: &onnxc_ir::kernel::Def| crate::from_kernel::reduction_axes(d).to_vec();
    kernel.defs.values().flat_map(|d| d.axes.iter().cloned().chain(over(d))).map(|a| a.var).collect()
}

/// How far a load goes beyond each edge; `None` if that isn't known or is far.
fn widths(ranges: &Ranges, vars: &BTreeSet<Symbol>, site: &Site, shape: &[Sym]) -> Option<Widths> {
    let is_var = |s: &Symbol| vars.contains(s);
    let number = |s: Sym| s.as_int().or_else(|| ranges.upper_bound(&s, &|_| true)?.as_int());
    let one = |(i, extent): (&Option<Sym>, &Sym)| {
        let i = i.as_ref()?;
        let before = number(ranges.simplify(&-ranges.lower_bound(i, &is_var)?))?;
        let behind = number(ranges.simplify(&(ranges.upper_bound(i, &is_var)? + 1 - extent)))?;
        Some((before.max(0), behind.max(0))).filter(|w| w.0 <= WIDEST && w.1 <= WIDEST)
    };
    site.index.iter().zip(shape).map(one).collect()
}

/// The border to have: zeros if some window wants them, else what there is.
fn chosen(fills: BTreeMap<Scalar, Widths>) -> Option<(Scalar, Widths)> {
    let some = |w: &Widths| w.iter().any(|w| *w != (0, 0));
    let mut useful: Vec<(Scalar, Widths)> = fills.into_iter().filter(|(_, w)| some(w)).collect();
    useful.sort_by_key(|(fill, _)| fill.bits != 0);
    useful.into_iter().next()
}
