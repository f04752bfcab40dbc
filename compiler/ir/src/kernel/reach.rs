//! The loads that a stage does, also through the definitions that it computes in place.

use crate::kernel::{Body, DefId, Expr, ExprKind, Kernel, Src};
use onnxc_base::{Sym, Symbol};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A load, with its indices in terms of the variables of the definition where the search began.
#[derive(Clone, PartialEq, Debug)]
pub struct Reached {
    /// What is loaded.
    pub src: Src,
    /// One per dim; none where computed from data.
    pub index: Vec<Option<Sym>>,
    /// Out of range is allowed.
    pub padded: bool,
}

/// Values of index variables; none where computed from data.
type Env = BTreeMap<Symbol, Option<Sym>>;

struct Search<'a> {
    kernel: &'a Kernel,
    inline: &'a dyn Fn(DefId) -> bool,
    found: Vec<Reached>,
    seen: BTreeSet<(DefId, Vec<Option<Sym>>)>,
}

/// All loads of an expression; definitions for which `inline` holds are looked through.
pub fn reached(kernel: &Kernel, e: &Expr, inline: &dyn Fn(DefId) -> bool) -> Vec<Reached> {
    let mut s = Search { kernel, inline, found: vec![], seen: BTreeSet::new() };
    s.walk(e, &Env::new(), &mut HashSet::new());
    s.found
}

/// All loads of a definition.
pub fn reached_by(kernel: &Kernel, d: DefId, inline: &dyn Fn(DefId) -> bool) -> Vec<Reached> {
    let mut all = reached(kernel, kernel.defs[d].value(), inline);
    if let Body::Reduce { init: Some(e), .. } = &kernel.defs[d].body {
        all.extend(reached(kernel, e, inline));
    }
    all
}

impl Search<'_> {
    fn walk(&mut self, e: &Expr, env: &Env, done: &mut HashSet<*const ExprKind>) {
        if !done.insert(std::ptr::from_ref(e.kind())) {
            return;
        }
        match e.kind() {
            ExprKind::Const(_) | ExprKind::Int(_) => {}
            ExprKind::Load { src, index, pad } => {
                index.iter().for_each(|i| self.walk(i, env, done));
                let index: Vec<Option<Sym>> = index.iter().map(|i| i.as_sym().and_then(|s| value(s, env))).collect();
                self.follow(*src, &index);
                self.found.push(Reached { src: *src, index, padded: pad.is_some() });
            }
            ExprKind::Unary(_, a) | ExprKind::Cast(_, a) => self.walk(a, env, done),
            ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) => {
                [a, b].iter().for_each(|e| self.walk(e, env, done))
            }
            ExprKind::Select(c, a, b) => [c, a, b].iter().for_each(|e| self.walk(e, env, done)),
        }
    }

    /// Goes on into a definition that is computed in place.
    fn follow(&mut self, src: Src, index: &[Option<Sym>]) {
        let Src::Def(d) = src else { return };
        if !(self.inline)(d) || !self.seen.insert((d, index.to_vec())) {
            return;
        }
        let kernel = self.kernel;
        let def = &kernel.defs[d];
        let env: Env = def.axes.iter().map(|a| a.var.clone()).zip(index.iter().cloned()).collect();
        self.walk(def.value(), &env, &mut HashSet::new());
    }
}

/// A symbolic integer under an environment.
fn value(s: &Sym, env: &Env) -> Option<Sym> {
    if s.any_symbol(&|v| matches!(env.get(v), Some(None))) {
        return None;
    }
    Some(s.subst(&|v| env.get(v).cloned().flatten()))
}
