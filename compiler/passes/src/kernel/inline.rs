//! inline: definitions that are cheap, or used once, become part of what loads them.
//!
//! Stays apart: outputs, reductions, what is loaded at a computed index, and what is loaded with padding unless its
//! index is provably in range. An expensive definition stays if it is loaded at more than one point, or for more
//! points than it has: what one definition loads again and again at its own point is computed once there.

use super::expr::{Site, live, loads, map_parts, parts, rewrite, substitute, walk};
use crate::from_kernel::all_ranges;
use onnxc_base::{EntityRef, Ranges, Sym};
use onnxc_ir::kernel::{Axis, BinOp, Body, DefId, Expr, ExprKind, Kernel, Src};

/// An expression of up to this many nodes is cheap, unless it holds a math function, a division or a root.
const CHEAP_NODES: usize = 12;
/// What is written down once for each of its loads at a point may have so many nodes in all.
const MOST_NODES: usize = 512;

/// Inlines where that never costs more than it saves.
pub fn inline(kernel: &mut Kernel) {
    let ranges = all_ranges(kernel);
    let ids: Vec<DefId> = kernel.defs.keys().collect();
    for &id in &ids {
        if !kernel.outputs.contains(&id) && inlinable(kernel, id, &ranges) {
            replace(kernel, id, &ranges);
        }
    }
}

/// Where a definition is loaded from, and for how many points.
fn users(kernel: &Kernel, id: DefId) -> Vec<(DefId, usize)> {
    let live = live(kernel);
    kernel
        .defs
        .iter()
        .filter(|(user, _)| live[user.index()])
        .map(|(user, def)| {
            let n = parts(&def.body).into_iter().flat_map(loads).filter(|s| s.src == Src::Def(id)).count();
            (user, n)
        })
        .filter(|(_, n)| *n > 0)
        .collect()
}

fn inlinable(kernel: &Kernel, id: DefId, ranges: &Ranges) -> bool {
    let def = &kernel.defs[id];
    let Body::Map(e) = &def.body else { return false };
    let users = users(kernel, id);
    let in_checks = kernel.checks.iter().any(|c| loads(&c.cond).iter().any(|s| s.src == Src::Def(id)));
    if users.is_empty() && !in_checks {
        return false;
    }
    let sites =
        users.iter().flat_map(|(u, _)| parts(&kernel.defs[*u].body)).flat_map(loads).filter(|s| s.src == Src::Def(id));
    let direct = sites
        .into_iter()
        .all(|s| s.index.iter().all(Option::is_some) && (s.pad.is_none() || in_range(&s.index, &def.axes, ranges)));
    if !direct || in_checks || users.iter().any(|u| summed_again(kernel, u.0, id)) {
        return false;
    }
    let [(user, count)] = users[..] else { return cheap(e) };
    cheap(e)
        || !reused(kernel, user, id) && (count == 1 || at_one_point(kernel, user, id) && nodes(e) * count <= MOST_NODES)
}

/// True if a map loads a definition at one of its points only, however often.
fn at_one_point(kernel: &Kernel, user: DefId, id: DefId) -> bool {
    let Body::Map(e) = &kernel.defs[user].body else { return false };
    let sites: Vec<Site> = loads(e).into_iter().filter(|s| s.src == Src::Def(id)).collect();
    sites.windows(2).all(|w| w[0].index == w[1].index)
}

fn nodes(e: &Expr) -> usize {
    let mut nodes = 0;
    walk(e, &mut |_| nodes += 1);
    nodes
}

/// What a reduction's result becomes (its bias, its activation) is computed once where another one sums over it again
/// and again.
fn summed_again(kernel: &Kernel, user: DefId, id: DefId) -> bool {
    let def = &kernel.defs[id];
    let is_sum = |d: DefId| matches!(kernel.defs[d].body, Body::Reduce { .. });
    // Along an axis of extent 1 there is only one point.
    let own = |i: &Option<Sym>, a: &Axis| a.extent.is_one() || i.as_ref().and_then(Sym::as_symbol) == Some(&a.var);
    let finishes =
        |s: &Site| matches!(s.src, Src::Def(d) if is_sum(d)) && s.index.iter().zip(&def.axes).all(|(i, a)| own(i, a));
    let Body::Reduce { axes, value, .. } = &kernel.defs[user].body else { return false };
    let over = |s: &Site| axes.iter().any(|a| s.index.iter().flatten().any(|i| i.contains(&a.var)));
    loads(value).iter().any(|s| s.src == Src::Def(id) && over(s))
        && reused(kernel, user, id)
        && loads(def.value()).iter().any(finishes)
}

/// True if a definition finishes a reduction (see above) for another one.
pub fn finishes(kernel: &Kernel, id: DefId) -> bool {
    users(kernel, id).iter().any(|u| summed_again(kernel, u.0, id))
}

/// A load by a user that runs over more points than the definition has computes each of them more than once.
fn reused(kernel: &Kernel, user: DefId, id: DefId) -> bool {
    let extents = |axes: &[Axis]| axes.iter().fold(Sym::int(1), |n, a| &n * &a.extent);
    let mut points = extents(&kernel.defs[user].axes);
    if let Body::Reduce { axes, .. } = &kernel.defs[user].body {
        points = &points * &extents(axes);
    }
    points != extents(&kernel.defs[id].axes)
}

/// True if computing it again costs no more than loading it.
pub fn cheap(e: &Expr) -> bool {
    let (mut nodes, mut dear) = (0, false);
    walk(e, &mut |n| {
        nodes += 1;
        dear |= match n.kind() {
            ExprKind::Unary(op, _) => op.is_math() || *op == onnxc_ir::scalar::UnOp::Sqrt,
            ExprKind::Binary(op, ..) => {
                matches!(op, BinOp::Div | BinOp::Rem | BinOp::FloorDiv | BinOp::FloorMod | BinOp::Pow)
            }
            _ => false,
        }
    });
    nodes <= CHEAP_NODES && !dear
}

fn in_range(index: &[Option<Sym>], axes: &[Axis], ranges: &Ranges) -> bool {
    index.iter().zip(axes).all(|(i, a)| {
        i.as_ref().is_some_and(|i| {
            ranges.prove_le(&Sym::int(0), i) == Some(true) && ranges.prove_lt(i, &a.extent) == Some(true)
        })
    })
}

fn replace(kernel: &mut Kernel, id: DefId, ranges: &Ranges) {
    let def = kernel.defs[id].clone();
    let Body::Map(body) = &def.body else { return };
    let mut swap = |n: &Expr| match n.kind() {
        ExprKind::Load { src: Src::Def(d), index, .. } if *d == id => Some(substitute(body, &|v| {
            let at = def.axes.iter().position(|a| a.var == *v)?;
            index[at].as_sym().cloned()
        })),
        _ => None,
    };
    for user in kernel.defs.values_mut() {
        map_parts(user, &mut |e| rewrite(e, &mut swap));
    }
    simplify_indices(kernel, id, ranges);
}

/// Compositions of views leave sums of quotients and remainders behind; the ranges know better.
fn simplify_indices(kernel: &mut Kernel, after: DefId, ranges: &Ranges) {
    for (id, def) in kernel.defs.iter_mut() {
        if id.index() > after.index() {
            map_parts(def, &mut |e| {
                rewrite(e, &mut |n| match n.kind() {
                    ExprKind::Int(s) if s.as_int().is_none() && s.as_symbol().is_none() => {
                        Some(Expr::new(ExprKind::Int(ranges.simplify(s))))
                    }
                    _ => None,
                })
            });
        }
    }
}
