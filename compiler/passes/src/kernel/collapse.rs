//! collapse: adjacent axes that every access walks as one become one axis; axes of extent 1 disappear.
//!
//! A 1×1 convolution over H and W becomes a matrix product over their product; an elementwise kernel becomes one loop.
//! The element order of every definition stays as it was, so outputs are unchanged in memory.

use super::expr::{Site, def_loads, loads, map_parts, offset, parts, rewrite, substitute};
use super::plan::nests;
use crate::from_kernel::{Machine, all_ranges};
use onnxc_base::sym::Symbol;
use onnxc_base::{Ranges, Sym};
use onnxc_ir::kernel::{Axis, Body, DefId, Expr, ExprKind, Kernel, Src};

/// True where steps have been joined to spare RAM: what several reductions have axes for keeps them, so that all of them can
/// go row by row.
pub fn keeps_rows(kernel: &Kernel, machine: Machine) -> bool {
    machine.memory.scarce && machine.memory.thrift >= Machine::JOINING && sums(kernel).len() > 1
}

/// As [`collapse`], for a machine.
pub fn collapse_for(kernel: &mut Kernel, machine: Machine) {
    if !keeps_rows(kernel, machine) {
        return collapse(kernel);
    }
    drop_ones(kernel);
    for nest in nests(kernel) {
        [nest.acc, Some(nest.def)].into_iter().flatten().for_each(|d| collapse_reduction(kernel, d));
    }
}

fn sums(kernel: &Kernel) -> Vec<DefId> {
    nests(kernel).into_iter().filter(|n| n.reduction(kernel).is_some()).map(|n| n.def).collect()
}

/// Merges as many axes as possible, output axes and reduction axes alike.
pub fn collapse(kernel: &mut Kernel) {
    drop_ones(kernel);
    let sums = sums(kernel);
    for nest in nests(kernel) {
        let group: Vec<DefId> = [nest.acc, Some(nest.def)].into_iter().flatten().collect();
        let mut at = kernel.defs[nest.def].axes.len();
        while at > 1 {
            at -= 1;
            let ranges = all_ranges(kernel);
            if let Some(pairs) = mergeable(kernel, &group, &sums, at - 1, &ranges) {
                for (d, position) in pairs {
                    merge(kernel, d, position);
                }
            }
        }
        for d in group {
            collapse_reduction(kernel, d);
        }
    }
}

/// Axes of extent 1 are always at 0.
pub(super) fn drop_ones(kernel: &mut Kernel) {
    let ids: Vec<DefId> = kernel.defs.keys().collect();
    for id in ids {
        let one = |a: &Axis| a.extent.is_one();
        let dropped: Vec<Symbol> = {
            let def = &kernel.defs[id];
            let over: &[Axis] = if let Body::Reduce { axes, .. } = &def.body { axes } else { &[] };
            def.axes.iter().chain(over).filter(|a| one(a)).map(|a| a.var.clone()).collect()
        };
        if dropped.is_empty() {
            continue;
        }
        let keep: Vec<bool> = kernel.defs[id].axes.iter().map(|a| !one(a)).collect();
        let def = &mut kernel.defs[id];
        def.axes.retain(|a| !one(a));
        if let Body::Reduce { axes, .. } = &mut def.body {
            axes.retain(|a| !one(a));
        }
        map_parts(def, &mut |e| substitute(e, &|v| dropped.contains(v).then(|| Sym::int(0))));
        for i in kernel.outputs_of(id).collect::<Vec<_>>() {
            if let Some(at) = kernel.placed.get_mut(i).and_then(Option::as_mut) {
                let mut keep = keep.iter();
                at.strides.retain(|_| keep.next() == Some(&true));
            }
        }
        reindex(kernel, id, &|index| index.iter().zip(&keep).filter(|(_, k)| **k).map(|(i, _)| i.clone()).collect());
    }
}

/// Rewrites the index of every load of a definition. A padded index of an axis of extent 1 stays meaningful only if
/// nothing pads it, which `drop_ones` relies on: definitions are padded only where `inline` left a view.
fn reindex(kernel: &mut Kernel, id: DefId, f: &dyn Fn(&[Expr]) -> Vec<Expr>) {
    let mut swap = |n: &Expr| match n.kind() {
        ExprKind::Load { src: Src::Def(d), index, pad } if *d == id => {
            Some(Expr::new(ExprKind::Load { src: Src::Def(*d), index: f(index), pad: *pad }))
        }
        _ => None,
    };
    for def in kernel.defs.values_mut() {
        map_parts(def, &mut |e| rewrite(e, &mut swap));
    }
    for c in &mut kernel.checks {
        c.cond = rewrite(&c.cond, &mut swap);
    }
}

/// The definitions of a nest whose axes at these positions can merge together; `None` if that changes an access.
fn mergeable(
    kernel: &Kernel,
    group: &[DefId],
    sums: &[DefId],
    at: usize,
    ranges: &Ranges,
) -> Option<Vec<(DefId, usize)>> {
    let head = *group.last()?;
    // What another reduction has left apart stays apart, so that its loops can be shared.
    let apart = |s: &Site, a: &Axis, b: &Axis| {
        let other = matches!(s.src, Src::Def(d) if sums.contains(&d) && !group.contains(&d));
        other && adjacent(s, &a.var, &b.var).is_some()
    };
    let (a, b) = pair(&kernel.defs[head].axes, at)?;
    let mut pairs = vec![(head, at)];
    for site in def_loads(&kernel.defs[head]) {
        match site.src {
            Src::Def(d) if d != head && group.contains(&d) => {
                let position = adjacent(&site, &a.var, &b.var)?;
                if !pairs.contains(&(d, position)) {
                    pairs.push((d, position));
                }
            }
            _ if !walks_as_one(kernel, &site, &a, &b, ranges) || apart(&site, &a, &b) => return None,
            _ => {}
        }
    }
    for &(d, position) in &pairs {
        let def = &kernel.defs[d];
        let (a, b) = pair(&def.axes, position)?;
        if bare_use(&def.body, &a.var) || bare_use(&def.body, &b.var) || padded_elsewhere(kernel, d) {
            return None;
        }
        if kernel.outputs_of(d).any(|o| !stored_as_one(kernel, o, position, &b.extent, ranges)) {
            return None;
        }
        let walks = |s: &Site| walks_as_one(kernel, s, &a, &b, ranges) && !apart(s, &a, &b);
        if d != head && !def_loads(def).iter().all(walks) {
            return None;
        }
    }
    Some(pairs)
}

/// True if an output's axes `at` and `at + 1` can merge where it lies.
fn stored_as_one(kernel: &Kernel, output: usize, at: usize, inner: &Sym, ranges: &Ranges) -> bool {
    kernel.placed(output).is_none_or(|p| ranges.prove_eq(&p.strides[at], &(&p.strides[at + 1] * inner)) == Some(true))
}

fn pair(axes: &[Axis], at: usize) -> Option<(Axis, Axis)> {
    Some((axes.get(at)?.clone(), axes.get(at + 1)?.clone()))
}

/// The position at which a load's index is exactly `a, b`, and neither anywhere else.
fn adjacent(site: &Site, a: &Symbol, b: &Symbol) -> Option<usize> {
    let is = |i: &Option<Sym>, v: &Symbol| i.as_ref().and_then(Sym::as_symbol) == Some(v);
    let at = site.index.windows(2).position(|w| is(&w[0], a) && is(&w[1], b))?;
    let mentions = |i: &Option<Sym>| i.as_ref().is_none_or(|s| s.contains(a) || s.contains(b));
    let elsewhere = site.index.iter().enumerate().any(|(i, s)| i != at && i != at + 1 && mentions(s));
    (!elsewhere).then_some(at)
}

/// True if a load's offset moves along `a` as it does along `extent(b)` steps of `b`.
fn walks_as_one(kernel: &Kernel, site: &Site, a: &Axis, b: &Axis, ranges: &Ranges) -> bool {
    let mentions = |i: &Option<Sym>| i.as_ref().is_some_and(|s| s.contains(&a.var) || s.contains(&b.var));
    if site.pad.is_some() && site.index.iter().any(mentions) {
        return false;
    }
    let offset = ranges.simplify(&offset(kernel, site));
    let Some((along_b, rest)) = offset.split_linear(&b.var) else { return false };
    let Some((along_a, rest)) = rest.split_linear(&a.var) else { return false };
    !rest.contains(&b.var)
        && !along_b.contains(&a.var)
        && !along_a.contains(&b.var)
        && ranges.prove_eq(&along_a, &(&along_b * &b.extent)) == Some(true)
}

/// True if a variable's value is used other than in the index of a load.
fn bare_use(body: &Body, var: &Symbol) -> bool {
    let mut bare = false;
    for e in parts(body) {
        outside_indices(e, &mut |s| bare |= s.contains(var));
    }
    bare
}

fn outside_indices(e: &Expr, f: &mut dyn FnMut(&Sym)) {
    match e.kind() {
        ExprKind::Int(s) => f(s),
        ExprKind::Load { index, .. } => {
            for i in index.iter().filter(|i| i.as_sym().is_none()) {
                outside_indices(i, f);
            }
        }
        ExprKind::Const(_) => {}
        ExprKind::Unary(_, a) | ExprKind::Cast(_, a) => outside_indices(a, f),
        ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) => {
            [a, b].into_iter().for_each(|e| outside_indices(e, f))
        }
        ExprKind::Select(c, a, b) => [c, a, b].into_iter().for_each(|e| outside_indices(e, f)),
    }
}

/// A definition that someone loads with padding keeps its axes, since its bounds are theirs.
fn padded_elsewhere(kernel: &Kernel, id: DefId) -> bool {
    kernel.defs.values().flat_map(def_loads).any(|s| s.src == Src::Def(id) && s.pad.is_some())
}

/// Merges axes `at` and `at + 1` of a definition into the first of them.
pub(super) fn merge(kernel: &mut Kernel, id: DefId, at: usize) {
    let def = &mut kernel.defs[id];
    let b = def.axes.remove(at + 1);
    let a = &mut def.axes[at];
    a.extent = &a.extent * &b.extent;
    let (var, inner) = (a.var.clone(), b.extent.clone());
    split_in_body(kernel, id, &var, &b.var, &inner);
    for i in kernel.outputs_of(id).collect::<Vec<_>>() {
        if let Some(placed) = kernel.placed.get_mut(i).and_then(Option::as_mut) {
            placed.strides.remove(at);
        }
    }
    reindex(kernel, id, &|index| {
        let mut index = index.to_vec();
        let low = index.remove(at + 1);
        let scale = Expr::new(ExprKind::Int(inner.clone()));
        let high = onnxc_ir::kernel::build::binary(onnxc_ir::kernel::BinOp::Mul, index[at].clone(), scale);
        index[at] = onnxc_ir::kernel::build::binary(onnxc_ir::kernel::BinOp::Add, high, low);
        index
    });
    // Loads of a merged definition at merged variables: w * floordiv(t, w) + mod(t, w) is t again.
    let ranges = all_ranges(kernel);
    for def in kernel.defs.values_mut() {
        map_parts(def, &mut |e| {
            rewrite(e, &mut |n| match n.kind() {
                ExprKind::Int(s) if s.as_symbol().is_none() && s.as_int().is_none() => {
                    Some(Expr::new(ExprKind::Int(ranges.simplify(s))))
                }
                _ => None,
            })
        });
    }
}

/// In a definition's expressions the merged variable stands for both: its quotient and its remainder.
fn split_in_body(kernel: &mut Kernel, id: DefId, merged: &Symbol, second: &Symbol, inner: &Sym) {
    let t = Sym::var(merged.clone());
    let (quotient, remainder) = (t.floordiv(inner), t.modulo(inner));
    map_parts(&mut kernel.defs[id], &mut |e| {
        substitute(e, &|v| {
            if v == merged { Some(quotient.clone()) } else { (v == second).then(|| remainder.clone()) }
        })
    });
}

/// Merges adjacent reduction axes of a definition.
pub(super) fn collapse_reduction(kernel: &mut Kernel, id: DefId) {
    let count = |k: &Kernel| if let Body::Reduce { axes, .. } = &k.defs[id].body { axes.len() } else { 0 };
    let mut at = count(kernel);
    while at > 1 {
        at -= 1;
        let ranges = all_ranges(kernel);
        let Body::Reduce { axes, value, .. } = &kernel.defs[id].body else { return };
        let Some((a, b)) = pair(axes, at - 1) else { return };
        let mut bare = false;
        outside_indices(value, &mut |s| bare |= s.contains(&a.var) || s.contains(&b.var));
        if bare || !loads(value).iter().all(|s| walks_as_one(kernel, s, &a, &b, &ranges)) {
            continue;
        }
        if let Body::Reduce { axes, .. } = &mut kernel.defs[id].body {
            axes[at - 1].extent = &a.extent * &b.extent;
            axes.remove(at);
        }
        split_in_body(kernel, id, &a.var, &b.var, &b.extent);
        let ranges = all_ranges(kernel);
        map_parts(&mut kernel.defs[id], &mut |e| {
            rewrite(e, &mut |n| match n.kind() {
                ExprKind::Int(s) if s.contains(&a.var) => Some(Expr::new(ExprKind::Int(ranges.simplify(s)))),
                _ => None,
            })
        });
    }
}
