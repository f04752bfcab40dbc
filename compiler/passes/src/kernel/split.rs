//! split: an axis that is only walked by its quotient and remainder becomes two axes.
//!
//! The channels of a grouped convolution are groups of channels: with an axis for the group, what the convolution reads
//! lies at sums of products of its axes, without a division, and lanes run along the channels of a group. The elements
//! stay where they are in memory; an output just has one more dim.
//!
//! Only reductions, and maps that load such a reduction at their own point, are split; and not where a group is shorter than
//! a vector, which then reads all of its groups' channels at once and shuffles them.

use super::expr::{Site, def_loads, loads, map_parts, parts, rewrite, walk};
use super::lanes::{self, Access};
use crate::from_kernel::{Machine, all_ranges};
use onnxc_base::DType;
use onnxc_base::Sym;
use onnxc_base::sym::{SymNode, Symbol};
use onnxc_ir::kernel::build::int;
use onnxc_ir::kernel::{Axis, Body, DefId, Expr, ExprKind, Kernel, Src};
use std::collections::BTreeSet;

/// A shorter innermost axis would leave most lanes empty.
const LANES: i64 = 4;

/// Splits where that removes every division of an axis.
pub fn split(kernel: &mut Kernel, machine: Machine) {
    let ids: Vec<DefId> = kernel.defs.keys().collect();
    for id in ids.iter().copied().filter(|d| matches!(kernel.defs[*d].body, Body::Reduce { .. })).collect::<Vec<_>>() {
        for at in 0..kernel.defs[id].axes.len() {
            let k = divisor(kernel, id, at).filter(|&k| splits(kernel, id, at, k) && !near(kernel, machine, id, at, k));
            if let Some(k) = k {
                apply(kernel, id, at, k);
                break;
            }
        }
    }
}

/// True if vectors along an axis hold several of its parts, and nothing is worse for that.
fn near(kernel: &Kernel, machine: Machine, id: DefId, at: usize, k: i64) -> bool {
    let (def, ranges) = (&kernel.defs[id], all_ranges(kernel));
    let lanes = i64::from(machine.vector_bits / 32);
    let axis = &def.axes[at];
    let whole = ranges.simplify(&axis.extent.modulo(&Sym::int(lanes))).is_zero();
    let reads = |s: &Site| lanes::access(kernel, &ranges, s, &axis.var);
    let constant = |s: &Site| matches!(s.src, Src::Param(p) if kernel.params[p].value.is_some());
    let sites = loads(def.value());
    !machine.memory.scarce
        && def.dtype == DType::F32
        && at + 1 == def.axes.len()
        && k < lanes
        && whole
        && sites.iter().any(|s| reads(s) == Access::Near)
        && sites.iter().all(|s| constant(s) || reads(s) != Access::Gather)
}

/// The one number that an axis is divided by in the body of its definition.
fn divisor(kernel: &Kernel, id: DefId, at: usize) -> Option<i64> {
    let def = &kernel.defs[id];
    let axis = def.axes.get(at)?;
    let mut by = BTreeSet::new();
    for e in parts(&def.body) {
        walk(e, &mut |n| {
            if let ExprKind::Int(s) = n.kind() {
                divisors(s, &axis.var, &mut by);
            }
        });
    }
    let k = by.into_iter().collect::<Option<Vec<i64>>>()?;
    let ranges = all_ranges(kernel);
    match k[..] {
        [k] if k > 1 && ranges.simplify(&axis.extent.modulo(&Sym::int(k))).is_zero() && axis.extent != Sym::int(k) => {
            Some(k)
        }
        _ => None,
    }
}

/// What a symbol is divided by; `None` among them for anything but a number.
fn divisors(s: &Sym, var: &Symbol, by: &mut BTreeSet<Option<i64>>) {
    if !s.contains(var) {
        return;
    }
    match s.node() {
        SymNode::FloorDiv(a, b) | SymNode::Mod(a, b) => {
            by.insert(b.as_int().filter(|_| a.as_symbol() == Some(var)));
        }
        SymNode::Min(a, b) | SymNode::Max(a, b) | SymNode::Joint(a, b) => {
            [a, b].iter().for_each(|s| divisors(s, var, by))
        }
        SymNode::Add(all) | SymNode::Mul(all) => all.iter().for_each(|s| divisors(s, var, by)),
        SymNode::Int(_) | SymNode::Var(_) | SymNode::Overflow => {}
    }
}

/// True if an axis, and with it that of every definition that loads this one at its own point, can be split.
fn splits(kernel: &Kernel, id: DefId, at: usize, k: i64) -> bool {
    let last = at + 1 == kernel.defs[id].axes.len();
    let own = |(user, site): &(DefId, Site)| {
        let position = position(kernel, *user, site, at);
        let other = position.and_then(|p| divisor(kernel, *user, p));
        let map = matches!(kernel.defs[*user].body, Body::Map(_));
        map && site.pad.is_none()
            && other.is_none_or(|o| o == k)
            && position.is_some_and(|p| splits(kernel, *user, p, k))
    };
    let checked = kernel.checks.iter().any(|c| super::expr::loads(&c.cond).iter().any(|s| s.src == Src::Def(id)));
    (!last || k >= LANES) && !checked && users(kernel, id).iter().all(own)
}

/// The axis of a user that is the index of a load's dim `at`.
fn position(kernel: &Kernel, user: DefId, site: &Site, at: usize) -> Option<usize> {
    let var = site.index.get(at)?.as_ref()?.as_symbol()?;
    kernel.defs[user].axes.iter().position(|a| a.var == *var)
}

fn users(kernel: &Kernel, id: DefId) -> Vec<(DefId, Site)> {
    let loads = |(user, def)| def_loads(def).into_iter().map(move |s| (user, s)).collect::<Vec<_>>();
    kernel.defs.iter().flat_map(loads).filter(|(_, s)| s.src == Src::Def(id)).collect()
}

fn apply(kernel: &mut Kernel, id: DefId, at: usize, k: i64) {
    let step = Sym::int(k);
    let Axis { var, extent } = kernel.defs[id].axes[at].clone();
    let name = |part: &str| Symbol::new(&format!("{var}_{part}"));
    let outer = Axis { var: name("outer"), extent: all_ranges(kernel).simplify(&extent.floordiv(&step)) };
    let inner = Axis { var: name("inner"), extent: step.clone() };
    let both = Sym::var(outer.var.clone()) * k + Sym::var(inner.var.clone());
    let users: Vec<(DefId, usize)> =
        users(kernel, id).iter().filter_map(|(u, s)| Some((*u, position(kernel, *u, s, at)?))).collect();
    kernel.defs[id].axes.splice(at..=at, [outer, inner]);
    for o in kernel.outputs_of(id).collect::<Vec<_>>() {
        if let Some(placed) = kernel.placed.get_mut(o).and_then(Option::as_mut) {
            placed.strides.insert(at, &placed.strides[at] * &step);
        }
    }
    let ranges = all_ranges(kernel);
    map_parts(&mut kernel.defs[id], &mut |e| {
        rewrite(e, &mut |n| match n.kind() {
            ExprKind::Int(s) if s.contains(&var) => {
                Some(int(ranges.simplify(&s.subst(&|v| (*v == var).then(|| both.clone())))))
            }
            _ => None,
        })
    });
    let mut pair = |n: &Expr| match n.kind() {
        ExprKind::Load { src, index, pad } if *src == Src::Def(id) => {
            let (mut index, s) = (index.clone(), index[at].as_sym()?.clone());
            index.splice(at..=at, [int(s.floordiv(&step)), int(s.modulo(&step))]);
            Some(Expr::new(ExprKind::Load { src: *src, index, pad: *pad }))
        }
        _ => None,
    };
    for def in kernel.defs.values_mut() {
        map_parts(def, &mut |e| rewrite(e, &mut pair));
    }
    let mut done = BTreeSet::new();
    for (user, position) in users.into_iter().filter(|u| done.insert(*u)) {
        apply(kernel, user, position, k);
    }
}
