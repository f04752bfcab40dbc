//! Which axis of a nest goes across lanes, and how many lanes there are.
//!
//! A load is *unit* along an axis if neighbouring lanes read neighbouring elements, *uniform* if all read the same
//! one, *near* if they read elements of one vector (the channels of small groups); anything else is a gather, which costs
//! unless the data can be packed. The choice is the cheapest axis.

use super::expr::{Site, def_loads, loads, offset};
use super::plan::Nest;
use super::tile::TileShape;
use crate::from_kernel::Machine;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Ranges, Sym};
use onnxc_ir::kernel::{Axis, Body, DefId, Kernel, Lanes, Src};

/// Groups in a line of the cache that are many.
const MANY: i64 = 4;
/// Lanes of the widest vectors, of 4 bytes each.
const MOST_LANES: u16 = 16;
/// Bytes of a line of the usual cache.
const LINE: i64 = 64;
/// A vector of half the width must save so much of the time: one part in so many.
const WORTH_HALVING: i64 = 20;

/// How a load moves along an axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Not at all.
    Uniform,
    /// Element by element.
    Unit,
    /// Elements of as few as there are lanes, several of them by several lanes.
    Near,
    /// Anything else.
    Gather,
}

/// How a load moves along an axis. Computed indices that depend on the axis make it a gather.
pub fn access(kernel: &Kernel, ranges: &Ranges, site: &Site, axis: &Symbol) -> Access {
    let offset = ranges.simplify(&offset(kernel, site));
    if !offset.contains(axis) {
        return Access::Uniform;
    }
    match offset.split_linear(axis) {
        Some((c, _)) if c.is_one() => Access::Unit,
        None if distances(ranges, &offset, axis, MOST_LANES).is_some_and(|d| is_near(&d)) => Access::Near,
        _ => Access::Gather,
    }
}

/// How far from the first lane's each of so many lanes reads, wherever vectors begin that are whole.
pub fn distances(ranges: &Ranges, offset: &Sym, axis: &Symbol, lanes: u16) -> Option<Vec<i64>> {
    let start = Sym::var(Symbol::new("near.vector")) * i64::from(lanes);
    let at = |k: i64| ranges.simplify(&offset.subst(&|v| (v == axis).then(|| &start + k)));
    let first = at(0);
    (0..i64::from(lanes)).map(|k| ranges.simplify(&(at(k) - &first)).as_int()).collect()
}

/// True if so many lanes read what is in a vector of as many elements.
pub fn is_near(distances: &[i64]) -> bool {
    distances.iter().all(|d| (0..distances.len() as i64).contains(d))
}

/// How many steps a short reduction axis has, if each takes other lanes of the same vectors, which only steps that are
/// written out can say.
pub fn shuffles(kernel: &Kernel, ranges: &Ranges, nest: &Nest, lane: &Symbol, over: &Axis) -> Option<u32> {
    let lane = own_axis(kernel, nest, lane)?;
    let sites = loads(kernel.defs[nest.reduction(kernel)?].value());
    let both = |s: &Site| s.index.iter().flatten().any(|i| i.contains(&lane) && i.contains(&over.var));
    let any = sites.iter().any(|s| both(s) && access(kernel, ranges, s, &lane) == Access::Near);
    over.extent.as_int().filter(|n| any && *n < i64::from(MOST_LANES)).map(|n| n as u32)
}

/// The lane axis of a nest, and whether it is a reduction axis; `None` for a nest without axes.
pub fn choose(kernel: &Kernel, ranges: &Ranges, nest: &Nest) -> Option<(Symbol, bool)> {
    let def = &kernel.defs[nest.def];
    let mut best: Option<(u32, Symbol, bool)> = None;
    let mut offer = |cost: u32, axis: &Symbol, reduction: bool| {
        if best.as_ref().is_none_or(|b| cost < b.0) {
            best = Some((cost, axis.clone(), reduction));
        }
    };
    if let Some(last) = def.axes.last() {
        offer(output_cost(kernel, ranges, nest, last), &last.var, false);
    }
    if let Some(r) = nest.reduction(kernel)
        && let Body::Reduce { axes, value, .. } = &kernel.defs[r].body
    {
        for a in axes {
            // Constants are packed, as for lanes along the output.
            let constant = |s: &Site| matches!(s.src, Src::Param(p) if kernel.params[p].value.is_some());
            let gather = |s: &Site| !constant(s) && access(kernel, ranges, s, &a.var) == Access::Gather;
            let gathers = loads(value).iter().filter(|s| gather(s)).count();
            let units = loads(value).iter().filter(|s| access(kernel, ranges, s, &a.var) == Access::Unit).count();
            if units > 0 && wide(a, 8) {
                offer(2 + 3 * gathers as u32, &a.var, true);
            }
        }
    }
    best.map(|(_, axis, reduction)| (axis, reduction))
}

/// The last output axis of a nest if lanes along it cost nothing.
pub fn free<'a>(kernel: &'a Kernel, ranges: &Ranges, nest: &Nest) -> Option<&'a Axis> {
    kernel.defs[nest.def].axes.last().filter(|last| output_cost(kernel, ranges, nest, last) == 0)
}

/// What lanes along the last output axis cost.
fn output_cost(kernel: &Kernel, ranges: &Ranges, nest: &Nest, last: &Axis) -> u32 {
    let mut cost = if wide(last, 4) { 0 } else { 3 };
    for site in def_loads(&kernel.defs[nest.def]) {
        if !is_acc(nest, &site) && access(kernel, ranges, &site, &last.var) == Access::Gather {
            cost += 1;
        }
    }
    if let Some(r) = nest.reduction(kernel) {
        // In the reduction's own variables the lane axis has another name.
        if let Some(axis) = own_axis(kernel, nest, &last.var) {
            for site in loads(kernel.defs[r].value()) {
                if access(kernel, ranges, &site, &axis) == Access::Gather {
                    cost += gather_cost(kernel, nest, &site);
                }
            }
        }
    }
    cost
}

/// A constant is packed at compile time; other data is packed once per run, which pays if it is read again and again.
fn gather_cost(kernel: &Kernel, nest: &Nest, site: &Site) -> u32 {
    match site.src {
        Src::Param(p) if kernel.params[p].value.is_some() => 0,
        _ if reuse(kernel, nest, site) => 1,
        _ => 4,
    }
}

/// True if an element is read for many points of the output: an output axis of extent 4 or more isn't in its index.
pub fn reuse(kernel: &Kernel, nest: &Nest, site: &Site) -> bool {
    let Some(r) = nest.reduction(kernel) else { return false };
    let absent = |a: &&Axis| !site.index.iter().flatten().any(|i| i.contains(&a.var));
    kernel.defs[r].axes.iter().filter(absent).any(|a| wide(a, 4))
}

/// Lanes of a vector: as many as the machine has for the widest type that the nest computes with, but no more than
/// twice too many for a short axis, and half of those where the core computes in halves and they fit better; one where
/// functions compute.
pub fn lane_count(kernel: &Kernel, nest: &Nest, machine: Machine, extent: &Sym) -> u16 {
    let (mut bits, mut floats) = (8usize, false);
    for d in [Some(nest.def), nest.acc].into_iter().flatten() {
        let widen = |t: DType| if t.is_small() || matches!(t, DType::F16 | DType::BF16) { 32 } else { t.bits() };
        bits = bits.max(widen(kernel.defs[d].dtype));
        floats |= kernel.defs[d].dtype.is_float();
        for s in def_loads(&kernel.defs[d]) {
            bits = bits.max(widen(kernel.src_dtype(s.src)));
            floats |= kernel.src_dtype(s.src).is_float();
        }
    }
    let mut lanes = (machine.vector_bits / bits.max(32) as u32).max(1);
    if machine.calls_floats && floats {
        return 1;
    }
    if let Some(e) = extent.as_int() {
        while lanes > 1 && i64::from(lanes / 2) >= e {
            lanes /= 2;
        }
        if i64::from(lanes) * bits.max(32) as i64 > i64::from(machine.unit_bits) && fits_halves(e, i64::from(lanes)) {
            lanes /= 2;
        }
    }
    lanes as u16
}

/// True if vectors of half as many lanes compute less beyond the end of an axis, or none where whole ones can't overlap.
fn fits_halves(extent: i64, lanes: i64) -> bool {
    let computed = |lanes: i64| (extent + lanes - 1) / lanes * lanes;
    let (whole, halves) = (computed(lanes), computed(lanes / 2));
    halves < whole - whole / WORTH_HALVING || halves == whole && extent < lanes
}

/// True if the last vectors along an output axis may overlap those before instead of being masked: everything is loaded
/// at offsets that are linear in the axis. A register tile of rows isn't given up for that.
pub fn may_overlap(kernel: &Kernel, ranges: &Ranges, nest: &Nest, axis: &Axis, l: &Lanes, tile: &TileShape) -> bool {
    let block = i64::from(l.lanes) * i64::from(tile.vectors);
    let known = |n: i64| n % i64::from(l.lanes) != 0 && (tile.rows.is_empty() || n >= block);
    let fits = axis.extent.as_int().is_none_or(known);
    let linear = |d: DefId, v: &Symbol| {
        def_loads(&kernel.defs[d]).iter().all(|s| {
            let offset = ranges.simplify(&offset(kernel, s));
            s.index.iter().all(Option::is_some) && (!offset.contains(v) || offset.split_linear(v).is_some())
        })
    };
    let of_acc = |acc: DefId| own_axis(kernel, nest, &axis.var).is_some_and(|v| linear(acc, &v));
    let own = kernel.defs[nest.def].axes.iter().any(|a| a.var == axis.var);
    own && fits && linear(nest.def, &axis.var) && nest.acc.is_none_or(of_acc)
}

/// The variable of the nest's reduction that is the head's variable `axis`.
pub fn own_axis(kernel: &Kernel, nest: &Nest, axis: &Symbol) -> Option<Symbol> {
    let Some(acc) = nest.acc else { return Some(axis.clone()) };
    let site = def_loads(&kernel.defs[nest.def]).into_iter().find(|s| s.src == Src::Def(acc))?;
    let at = site.index.iter().position(|i| i.as_ref().and_then(Sym::as_symbol) == Some(axis))?;
    kernel.defs[acc].axes.get(at).map(|a| a.var.clone())
}

/// The axis of the groups of channels that lanes go along, where a line of the data holds channels of many groups: rows
/// stay for all of them.
pub fn groups(kernel: &Kernel, ranges: &Ranges, nest: &Nest, lane: &Symbol) -> Option<Symbol> {
    let axes = &kernel.defs[nest.def].axes;
    let at = axes.iter().position(|a| a.var == *lane)?.checked_sub(1)?;
    let group = own_axis(kernel, nest, &axes[at].var)?;
    let is_const = |s: &Site| matches!(s.src, Src::Param(p) if kernel.params[p].value.is_some());
    let sites = loads(kernel.defs[nest.reduction(kernel)?].value());
    let knows = |s: &Site| is_const(s) && s.index.iter().flatten().any(|i| i.contains(&group));
    let shares = |s: &Site| {
        let step = ranges.simplify(&offset(kernel, s)).split_linear(&group).and_then(|(step, _)| step.as_int());
        let size = kernel.src_dtype(s.src).size() as i64;
        !is_const(s) && step.is_some_and(|n| n > 0 && MANY * n * size <= LINE)
    };
    (sites.iter().any(knows) && sites.iter().any(shares)).then(|| axes[at].var.clone())
}

fn is_acc(nest: &Nest, site: &Site) -> bool {
    nest.acc.is_some_and(|a| site.src == Src::Def(a))
}

/// True unless the extent is a constant below `n`.
pub fn wide(axis: &Axis, n: i64) -> bool {
    axis.extent.as_int().is_none_or(|e| e >= n)
}

#[cfg(test)]
mod tests {
    use super::fits_halves;

    #[test]
    fn halves_are_for_what_they_fit_better() {
        let halves: Vec<i64> = (9..130).filter(|&e| fits_halves(e, 16)).collect();
        // Shorter than a vector; or rests of at most a half, while that is a twentieth of the whole.
        let rests = (17..130).filter(|e| (1..=8).contains(&(e % 16)) && e / 16 < 9);
        assert_eq!(halves, (9..16).chain(rests).collect::<Vec<_>>());
    }
}
