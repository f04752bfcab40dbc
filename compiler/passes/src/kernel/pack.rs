//! pack: data that a reduction would read with gathers or bounds tests is copied first into an order in which it
//! reads plain vectors. So is a matrix that only a run knows, if a walk down its rows leaves the cache.
//!
//! The copy is one more definition, in the source's own dims but for three changes: it covers every index that the
//! reduction uses, padding included; the dim of the lane axis comes last; and where that dim is walked with a stride,
//! it is cut into one plane per phase of the stride. Copies of constants are made at compile time (`precompute`);
//! they go into panels as wide as the register tile, one after the other, each in the order of the reduction.
//!
//! Does NOT pack what is loaded at computed indices or along two dims by the lane axis at once.

use super::expr::{Site, def_loads, loads, map_parts, offset, rewrite};
use super::lanes::{self, Access};
use super::panels::MANY;
use super::plan::{Nest, nests};
use super::{dot, schedule, tile};
use crate::from_kernel::{Machine, all_ranges, reduction_axes};
use onnxc_base::sym::Symbol;
use onnxc_base::{EntityRef, Ranges, Sym};
use onnxc_ir::kernel::build::int;
use onnxc_ir::kernel::{Axis, Body, Def, DefId, Expr, ExprKind, Kernel, Lanes, Src};
use onnxc_ir::scalar::Scalar;

/// Packs the operands of every reduction that needs it and isn't planned elsewhere. `blocks` are axes of which only so
/// many points are done at a time.
pub fn pack(kernel: &mut Kernel, machine: Machine, done_elsewhere: &[dot::Plan], blocks: &[(Symbol, i64)]) {
    let mut fresh = 0;
    let mut done = 0;
    // Inserting a copy renumbers the definitions, so the nests are found anew each time.
    while let Some(nest) = nests(kernel).into_iter().filter(|n| n.reduction(kernel).is_some()).nth(done) {
        let planned = done_elsewhere.iter().any(|p| p.is_of(kernel, &nest));
        match if planned { None } else { wanted(kernel, machine, &nest, blocks, &mut fresh) } {
            Some(plan) => apply(kernel, plan),
            None => done += 1,
        }
    }
}

/// A copy to be made: for a load of reduction `of`.
pub(super) struct Plan {
    pub(super) of: DefId,
    pub(super) site: Site,
    pub(super) def: Def,
    /// The index of the copy for the reduction's index.
    pub(super) index: Vec<Sym>,
}

/// The first load of a nest's reduction that needs a copy.
fn wanted(kernel: &Kernel, machine: Machine, nest: &Nest, blocks: &[(Symbol, i64)], fresh: &mut u32) -> Option<Plan> {
    let ranges = all_ranges(kernel);
    let r = nest.reduction(kernel)?;
    let (lane, along) = lanes::choose(kernel, &ranges, nest)?;
    let lane = if along { lane } else { lanes::own_axis(kernel, nest, &lane)? };
    let Body::Reduce { axes, value, .. } = &kernel.defs[r].body else { return None };
    let vars: Vec<Symbol> = kernel.defs[r].axes.iter().chain(axes).map(|a| a.var.clone()).collect();
    loads(value).into_iter().find_map(|site| {
        if !along
            && (is_const(kernel, site.src) || is_far(kernel, &ranges, machine, r, &site, &lane))
            && let Some(plan) = panels(kernel, &ranges, machine, (nest, blocks), &lane, r, &site, *fresh + 1)
        {
            *fresh += 1;
            return Some(plan);
        }
        if !needs_copy(kernel, &ranges, nest, &site, &lane) {
            return None;
        }
        *fresh += 1;
        copy_of(kernel, &ranges, r, site, &lane, &vars, *fresh)
    })
}

pub(super) fn is_const(kernel: &Kernel, src: Src) -> bool {
    matches!(src, Src::Param(p) if kernel.params[p].value.is_some())
}

/// A copy of a constant that is packed already.
pub(super) fn is_const_copy(kernel: &Kernel, src: Src) -> bool {
    let Src::Def(d) = src else { return false };
    let loads = def_loads(&kernel.defs[d]);
    !loads.is_empty() && loads.iter().all(|s| is_const(kernel, s.src) || is_const_copy(kernel, s.src))
}

/// An operand known at run time only that many rows read, and whose rows, as they are or once the lane axis comes last, lie
/// so far apart that a walk down them leaves the second-level cache: it is copied into panels once.
fn is_far(kernel: &Kernel, ranges: &Ranges, machine: Machine, of: DefId, site: &Site, lane: &Symbol) -> bool {
    let def = &kernel.defs[of];
    let given = matches!(site.src, Src::Param(p) if kernel.params[p].value.is_none());
    let mentions = |a: &Axis| site.index.iter().any(|i| i.as_ref().is_none_or(|i| i.contains(&a.var)));
    let many = def.axes.iter().any(|a| !mentions(a) && lanes::wide(a, MANY));
    if machine.memory.scarce || !given || !many || lanes::access(kernel, ranges, site, lane) == Access::Uniform {
        return false;
    }
    let offset = ranges.simplify(&offset(kernel, site));
    let row = def.axes.iter().find(|a| a.var == *lane).map_or(1, |a| ranges.estimate(&a.extent));
    let bytes = |a: &Axis| {
        let (step, _) = offset.split_linear(&a.var)?;
        let rows = ranges.estimate(&step).max(row).saturating_mul(ranges.estimate(&a.extent));
        Some(rows.saturating_mul(kernel.src_dtype(site.src).size() as i64))
    };
    reduction_axes(def).iter().filter(|a| mentions(a)).filter_map(bytes).any(|b| b > i64::from(machine.l2_bytes / 2))
}

/// True if a load goes through panels: the axis that goes across lanes is in the panel's number and in the element's.
pub(super) fn in_panels(site: &Site, lane: &Symbol) -> bool {
    site.index.iter().flatten().filter(|i| i.contains(lane)).count() == 2
}

/// A copy of an operand in panels of the register tile: `[outer.., panel, reduction.., element of the panel]`, the last
/// panel filled up with zeros. Only where each index is a variable or a number, and none reads padding: a panel is as long
/// as the constant, so that [`copy_of`] must do it.
#[allow(clippy::too_many_arguments, reason = "one call site")]
fn panels(
    kernel: &Kernel,
    ranges: &Ranges,
    machine: Machine,
    (nest, blocks): (&Nest, &[(Symbol, i64)]),
    lane: &Symbol,
    of: DefId,
    site: &Site,
    n: u32,
) -> Option<Plan> {
    if site.pad.is_some() && !in_range(kernel, ranges, site) {
        return None;
    }
    let (extent, panel) = panel_width(kernel, ranges, machine, nest, blocks)?;
    let (at, group) = lane_dim(kernel, of, site, lane, &extent)?;
    let [outer, inner] = other_dims(site, at, reduction_axes(&kernel.defs[of]))?;
    let shape = kernel.src_shape(site.src);
    let grouped = group.as_ref().map(|(v, _)| v);
    let used: Vec<&Symbol> = outer.iter().chain(&inner).map(|x| &x.1).chain(grouped).collect();
    if used.iter().enumerate().any(|(i, v)| used[..i].contains(v) || *v == lane) {
        return None;
    }
    let mut source: Vec<Sym> = site.index.iter().map(|i| i.clone().unwrap_or(Sym::int(0))).collect();
    let (mut axes, mut index) = (vec![], vec![]);
    let mut axis = |name: String, extent: Sym, at: Sym| {
        axes.push(Axis { var: Symbol::new(&name), extent });
        index.push(at);
        Sym::var(Symbol::new(&name))
    };
    for (d, v) in &outer {
        source[*d] = axis(format!("p{n}_{d}"), shape[*d].clone(), Sym::var(v.clone()));
    }
    let lane_at = Sym::var(lane.clone());
    let (first, width) = match &group {
        Some((v, size)) => {
            let number = axis(format!("p{n}_group"), shape[at].ceildiv(&Sym::int(*size)), Sym::var(v.clone()));
            (number * *size, Sym::int(*size))
        }
        None => (Sym::int(0), shape[at].clone()),
    };
    let number = axis(format!("p{n}_panel"), width.ceildiv(&Sym::int(panel)), lane_at.floordiv(&Sym::int(panel)));
    for (d, v) in &inner {
        source[*d] = axis(format!("p{n}_{d}"), shape[*d].clone(), Sym::var(v.clone()));
    }
    let element = axis(format!("p{n}_element"), Sym::int(panel), lane_at.modulo(&Sym::int(panel)));
    source[at] = first + number * panel + element;
    let dtype = kernel.src_dtype(site.src);
    let pad = site.pad.unwrap_or(Scalar::from_i64(dtype, 0));
    let load = ExprKind::Load { src: site.src, index: source.into_iter().map(int).collect(), pad: Some(pad) };
    let def = Def { name: format!("panels{n}"), dtype, axes, body: Body::Map(Expr::new(load)) };
    Some(Plan { of, site: site.clone(), def, index })
}

/// The dims of a load but `at`, each with its variable: those that aren't of the reduction, and those that are, in its order.
/// None if an index is neither a variable nor a number.
fn other_dims(site: &Site, at: usize, over: &[Axis]) -> Option<[Vec<(usize, Symbol)>; 2]> {
    let (mut outer, mut inner) = (vec![], vec![]);
    for (d, i) in site.index.iter().enumerate().filter(|(d, _)| *d != at) {
        let i = i.as_ref()?;
        let Some(v) = i.as_symbol() else {
            i.as_int()?;
            continue;
        };
        match over.iter().position(|a| a.var == *v) {
            Some(position) => inner.push((position, d, v.clone())),
            None => outer.push((d, v.clone())),
        }
    }
    inner.sort();
    Some([outer, inner.into_iter().map(|(_, d, v)| (d, v)).collect()])
}

/// The dim of a constant that the lanes run along, and where it holds groups of an axis of their own, that axis and how many
/// elements a group has.
fn lane_dim(
    kernel: &Kernel,
    of: DefId,
    site: &Site,
    lane: &Symbol,
    extent: &Sym,
) -> Option<(usize, Option<(Symbol, i64)>)> {
    let at = site.index.iter().position(|i| i.as_ref().is_some_and(|i| i.contains(lane)))?;
    let (step, rest) = site.index[at].as_ref()?.split_linear(lane)?;
    if !step.is_one() || rest.is_zero() {
        return (step.is_one()).then_some((at, None));
    }
    let group = |a: &Axis| {
        let (size, rest) = rest.split_linear(&a.var)?;
        Some((a.var.clone(), size.as_int().filter(|_| rest.is_zero() && size == *extent)?))
    };
    Some((at, Some(kernel.defs[of].axes.iter().find_map(group)?)))
}

/// The extent of a nest's lane axis, and how many of its elements are in the register tile.
pub(super) fn panel_width(
    kernel: &Kernel,
    ranges: &Ranges,
    machine: Machine,
    nest: &Nest,
    blocks: &[(Symbol, i64)],
) -> Option<(Sym, i64)> {
    let (axis, _) = lanes::choose(kernel, ranges, nest)?;
    let axes = &kernel.defs[nest.def].axes;
    let extent = axes.iter().find(|a| a.var == axis)?.extent.clone();
    let lanes = lanes::lane_count(kernel, nest, machine, &extent);
    let own = schedule::in_blocks(axes, blocks);
    let tile = tile::register_tile(kernel, ranges, machine, nest, &own, &Lanes { axis, lanes });
    Some((extent, i64::from(tile.vectors) * i64::from(lanes)))
}

/// Padding that can't be proved away, or a gather that pays to avoid.
fn needs_copy(kernel: &Kernel, ranges: &Ranges, nest: &Nest, site: &Site, lane: &Symbol) -> bool {
    if site.index.iter().any(Option::is_none) {
        return false;
    }
    if is_const_copy(kernel, site.src) {
        return false;
    }
    let is_const = is_const(kernel, site.src);
    if site.pad.is_some() && !in_range(kernel, ranges, site) {
        return true;
    }
    lanes::access(kernel, ranges, site, lane) == Access::Gather && (is_const || lanes::reuse(kernel, nest, site))
}

pub(super) fn in_range(kernel: &Kernel, ranges: &Ranges, site: &Site) -> bool {
    site.index.iter().zip(kernel.src_shape(site.src)).all(|(i, extent)| {
        i.as_ref().is_some_and(|i| {
            ranges.prove_le(&Sym::int(0), i) == Some(true) && ranges.prove_lt(i, &extent) == Some(true)
        })
    })
}

/// One dim of the source as the copy sees it.
struct Dim {
    /// Index in the reduction, relative to `lo`.
    at: Sym,
    lo: Sym,
    extent: Sym,
    /// The stride of the lane axis, if this is its dim.
    lane: Option<i64>,
}

pub(super) fn copy_of(
    kernel: &Kernel,
    ranges: &Ranges,
    of: DefId,
    site: Site,
    lane: &Symbol,
    vars: &[Symbol],
    n: u32,
) -> Option<Plan> {
    let dims = dims_of_copy(ranges, &site, lane, vars)?;
    let mut axes: Vec<Axis> = Vec::new();
    let mut index: Vec<Sym> = Vec::new();
    let mut source: Vec<Sym> = Vec::new();
    let mut last: Option<(Axis, Sym)> = None;
    let axis = |name: String, extent: Sym| Axis { var: Symbol::new(&name), extent };
    for (d, dim) in dims.iter().enumerate() {
        if !vars.iter().any(|v| dim.at.contains(v)) {
            source.push(&dim.at + &dim.lo);
            continue;
        }
        let whole = axis(format!("p{n}_{d}"), dim.extent.clone());
        let at = match dim.lane {
            Some(stride) if stride > 1 => {
                let s = Sym::int(stride);
                let phase = axis(format!("p{n}_{d}_phase"), s.clone());
                let step = axis(format!("p{n}_{d}_step"), dim.extent.ceildiv(&s));
                axes.push(phase.clone());
                index.push(ranges.simplify(&dim.at.modulo(&s)));
                last = Some((step.clone(), ranges.simplify(&dim.at.floordiv(&s))));
                Sym::var(step.var) * stride + Sym::var(phase.var)
            }
            Some(_) => {
                last = Some((whole.clone(), dim.at.clone()));
                Sym::var(whole.var)
            }
            None => {
                axes.push(whole.clone());
                index.push(dim.at.clone());
                Sym::var(whole.var)
            }
        };
        source.push(at + dim.lo.clone());
    }
    if let Some((a, i)) = last {
        axes.push(a);
        index.push(i);
    }
    let dtype = kernel.src_dtype(site.src);
    // Phases may round beyond the source; nothing reads what is there.
    let pad = site.pad.unwrap_or(Scalar::from_i64(dtype, 0));
    let load = ExprKind::Load { src: site.src, index: source.into_iter().map(int).collect(), pad: Some(pad) };
    let def = Def { name: format!("pack{n}"), dtype, axes, body: Body::Map(Expr::new(load)) };
    Some(Plan { of, site, def, index })
}

fn dims_of_copy(ranges: &Ranges, site: &Site, lane: &Symbol, vars: &[Symbol]) -> Option<Vec<Dim>> {
    let is_var = |s: &Symbol| vars.contains(s);
    let mut dims = Vec::new();
    for i in &site.index {
        let i = i.as_ref()?;
        let lo = ranges.lower_bound(i, &is_var)?;
        let hi = ranges.upper_bound(i, &is_var)?;
        let extent = ranges.simplify(&(hi - &lo + 1));
        let at = ranges.simplify(&(i - &lo));
        let lane = if at.contains(lane) {
            let (c, _) = at.split_linear(lane)?;
            Some(c.as_int().filter(|c| *c >= 1)?)
        } else {
            None
        };
        dims.push(Dim { at, lo, extent, lane });
    }
    (dims.iter().filter(|d| d.lane.is_some()).count() <= 1).then_some(dims)
}

/// Puts the copy before the reduction and lets every equal load of the reduction use it.
pub(super) fn apply(kernel: &mut Kernel, plan: Plan) {
    let (copy, of) = insert_before(kernel, plan.of, plan.def);
    let shift = |src: Src| match src {
        Src::Def(d) if d.index() >= copy.index() => Src::Def(DefId::new(d.index() + 1)),
        other => other,
    };
    let src = shift(plan.site.src);
    let new =
        Expr::new(ExprKind::Load { src: Src::Def(copy), index: plan.index.into_iter().map(int).collect(), pad: None });
    map_parts(&mut kernel.defs[of], &mut |e| {
        rewrite(e, &mut |n| match n.kind() {
            ExprKind::Load { src: s, index, pad }
                if *s == src
                    && *pad == plan.site.pad
                    && index.iter().map(|i| i.as_sym().cloned()).collect::<Vec<_>>() == plan.site.index =>
            {
                Some(new.clone())
            }
            _ => None,
        })
    });
}

/// Inserts a definition; gives its id and the new id of the one it stands before.
pub fn insert_before(kernel: &mut Kernel, before: DefId, def: Def) -> (DefId, DefId) {
    let at = before.index();
    let shift = |d: DefId| if d.index() >= at { DefId::new(d.index() + 1) } else { d };
    let mut renumber = |n: &Expr| match n.kind() {
        ExprKind::Load { src: Src::Def(d), index, pad } => {
            Some(Expr::new(ExprKind::Load { src: Src::Def(shift(*d)), index: index.clone(), pad: *pad }))
        }
        _ => None,
    };
    let old = std::mem::take(&mut kernel.defs);
    for (id, mut d) in old {
        if id == before {
            kernel.defs.push(def.clone());
        }
        map_parts(&mut d, &mut |e| rewrite(e, &mut renumber));
        kernel.defs.push(d);
    }
    for c in &mut kernel.checks {
        c.cond = rewrite(&c.cond, &mut renumber);
    }
    kernel.outputs.iter_mut().for_each(|d| *d = shift(*d));
    (DefId::new(at), DefId::new(at + 1))
}
