//! Walking and rewriting the expressions of kernels.

use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{Body, Def, DefId, Expr, ExprKind, Kernel, Src};
use onnxc_ir::scalar::Scalar;

/// Calls `f` on every node of an expression, parents first.
pub fn walk(e: &Expr, f: &mut dyn FnMut(&Expr)) {
    f(e);
    match e.kind() {
        ExprKind::Const(_) | ExprKind::Int(_) => {}
        ExprKind::Load { index, .. } => index.iter().for_each(|i| walk(i, f)),
        ExprKind::Unary(_, a) | ExprKind::Cast(_, a) => walk(a, f),
        ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) => [a, b].into_iter().for_each(|e| walk(e, f)),
        ExprKind::Select(c, a, b) => [c, a, b].into_iter().for_each(|e| walk(e, f)),
    }
}

/// Rebuilds an expression, children first; `f` may replace each rebuilt node.
pub fn rewrite(e: &Expr, f: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Expr {
    let kind = match e.kind() {
        ExprKind::Const(_) | ExprKind::Int(_) => return f(e).unwrap_or_else(|| e.clone()),
        ExprKind::Load { src, index, pad } => {
            ExprKind::Load { src: *src, index: index.iter().map(|i| rewrite(i, f)).collect(), pad: *pad }
        }
        ExprKind::Unary(op, a) => ExprKind::Unary(*op, rewrite(a, f)),
        ExprKind::Cast(d, a) => ExprKind::Cast(*d, rewrite(a, f)),
        ExprKind::Binary(op, a, b) => ExprKind::Binary(*op, rewrite(a, f), rewrite(b, f)),
        ExprKind::Compare(op, a, b) => ExprKind::Compare(*op, rewrite(a, f), rewrite(b, f)),
        ExprKind::Select(c, a, b) => ExprKind::Select(rewrite(c, f), rewrite(a, f), rewrite(b, f)),
    };
    let e = Expr::new(kind);
    f(&e).unwrap_or(e)
}

/// Replaces variables in every symbolic integer of an expression.
pub fn substitute(e: &Expr, with: &dyn Fn(&Symbol) -> Option<Sym>) -> Expr {
    rewrite(e, &mut |n| match n.kind() {
        ExprKind::Int(s) => Some(Expr::new(ExprKind::Int(s.subst(with)))),
        _ => None,
    })
}

/// The expressions of a body: the value, and the start of a reduction.
pub fn parts(body: &Body) -> Vec<&Expr> {
    match body {
        Body::Map(e) => vec![e],
        Body::Reduce { init, value, .. } => init.iter().chain([value]).collect(),
    }
}

/// Applies a function to every expression of a definition.
pub fn map_parts(def: &mut Def, f: &mut dyn FnMut(&Expr) -> Expr) {
    match &mut def.body {
        Body::Map(e) => *e = f(e),
        Body::Reduce { init, value, .. } => {
            if let Some(i) = init {
                *i = f(i);
            }
            *value = f(value);
        }
    }
}

/// A load as it stands in an expression.
#[derive(Clone, Debug)]
pub struct Site {
    /// What is loaded.
    pub src: Src,
    /// Index per dim; `None` where it is computed from data.
    pub index: Vec<Option<Sym>>,
    /// Value out of range, if out of range is allowed.
    pub pad: Option<Scalar>,
}

/// Every load of an expression, nested ones too.
pub fn loads(e: &Expr) -> Vec<Site> {
    let mut sites = Vec::new();
    walk(e, &mut |n| {
        if let ExprKind::Load { src, index, pad } = n.kind() {
            sites.push(Site { src: *src, index: index.iter().map(|i| i.as_sym().cloned()).collect(), pad: *pad });
        }
    });
    sites
}

/// Every load of a definition.
pub fn def_loads(def: &Def) -> Vec<Site> {
    parts(&def.body).into_iter().flat_map(loads).collect()
}

/// The row-major offset of a load, over its symbolic indices; computed ones count as 0.
pub fn offset(kernel: &Kernel, site: &Site) -> Sym {
    let mut offset = Sym::int(0);
    let mut stride = Sym::int(1);
    for (i, extent) in site.index.iter().zip(kernel.src_shape(site.src)).rev() {
        if let Some(i) = i {
            offset += i * &stride;
        }
        stride = &stride * &extent;
    }
    offset
}

/// Definitions that nothing outside of themselves needs are removed, with parameters that no one loads left alone.
pub fn live(kernel: &Kernel) -> Vec<bool> {
    let mut live = vec![false; kernel.defs.len()];
    let index = |d: DefId| onnxc_base::EntityRef::index(d);
    kernel.outputs.iter().for_each(|&d| live[index(d)] = true);
    let mark = |e: &Expr, live: &mut Vec<bool>| {
        for s in loads(e) {
            if let Src::Def(d) = s.src {
                live[index(d)] = true;
            }
        }
    };
    kernel.checks.iter().for_each(|c| mark(&c.cond, &mut live));
    // A definition only loads earlier ones, so one walk backwards is enough.
    for (id, def) in kernel.defs.iter().rev() {
        if live[index(id)] {
            parts(&def.body).into_iter().for_each(|e| mark(e, &mut live));
        }
    }
    live
}
