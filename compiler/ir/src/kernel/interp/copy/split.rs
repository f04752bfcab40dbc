//! Index variables split into digits, so that `floordiv` and `mod` by constants become affine.
//!
//! `floordiv(i, 4)` and `mod(i, 4)` are the digits of `i = 4*i1 + i0`. A rest of the extent that doesn't fill the last
//! group is a region of its own.

use super::super::compile::{Extent, as_affine};
use super::Region;
use onnxc_base::{Ranges, Sym, SymNode, Symbol};
use std::collections::BTreeSet;

/// More regions than this are no longer worth it.
const MOST: usize = 64;

/// Regions with affine indices that together are all points; `None` if there are no such (or too many).
pub(super) fn regions(axes: &[Extent], strides: &[i64], index: &[Sym]) -> Option<Vec<Region>> {
    let home = axes.iter().zip(strides).map(|(a, s)| Sym::var(&a.0) * *s).sum();
    let mut todo = vec![Part { vars: axes.to_vec(), home, index: index.to_vec() }];
    let (mut done, mut fresh) = (Vec::new(), 0);
    while let Some(mut part) = todo.pop() {
        if todo.len() + done.len() > MOST || fresh > MOST {
            return None;
        }
        part.simplify();
        match part.divided() {
            Some((axis, by)) => {
                fresh += 1;
                todo.extend(part.split(axis, by, fresh));
            }
            None => done.push(part.region()?),
        }
    }
    Some(done)
}

struct Part {
    vars: Vec<Extent>,
    home: Sym,
    index: Vec<Sym>,
}

impl Part {
    fn simplify(&mut self) {
        let mut ranges = Ranges::new();
        self.vars.iter().for_each(|(v, e)| ranges.set_index(v, &Sym::int(*e)));
        for i in &mut self.index {
            if as_affine(i, &self.vars).is_none() {
                *i = ranges.simplify(i);
            }
        }
    }

    /// A variable, by position, that something divides, and the largest useful divisor.
    fn divided(&self) -> Option<(usize, i64)> {
        self.vars.iter().enumerate().find_map(|(axis, (var, extent))| {
            let mut found = BTreeSet::new();
            self.index.iter().for_each(|i| divisors(i, var, &mut found));
            Some((axis, found.range(2..*extent).next_back().copied()?))
        })
    }

    /// The variable as `by*high + low`, and the rest where `by` doesn't divide the extent.
    fn split(&self, axis: usize, by: i64, fresh: usize) -> Vec<Part> {
        let (var, extent) = &self.vars[axis];
        let digit = |name: &str| Symbol::new(&format!("{var}/{name}#{fresh}"));
        let (high, low) = (digit("high"), digit("low"));
        let whole = extent - extent % by;
        let digits = vec![(high.clone(), extent / by), (low.clone(), by)];
        let mut parts = vec![self.with(axis, digits, &(Sym::var(&high) * by + Sym::var(&low)), var)];
        if whole < *extent {
            parts.push(self.with(axis, vec![(low.clone(), extent - whole)], &(Sym::var(&low) + whole), var));
        }
        parts
    }

    fn with(&self, axis: usize, digits: Vec<Extent>, value: &Sym, var: &Symbol) -> Part {
        let mut vars = self.vars.clone();
        vars.splice(axis..=axis, digits);
        let subst = |s: &Sym| s.subst(&|v| (v == var).then(|| value.clone()));
        Part { vars, home: subst(&self.home), index: self.index.iter().map(subst).collect() }
    }

    fn region(&self) -> Option<Region> {
        Some(Region {
            extents: self.vars.iter().map(|v| v.1).collect(),
            home: as_affine(&self.home, &self.vars)?,
            index: self.index.iter().map(|i| as_affine(i, &self.vars)).collect::<Option<_>>()?,
        })
    }
}

/// What divides the variable somewhere in an expression.
fn divisors(sym: &Sym, var: &Symbol, found: &mut BTreeSet<i64>) {
    if !sym.contains(var) {
        return;
    }
    match sym.node() {
        SymNode::Add(parts) | SymNode::Mul(parts) => parts.iter().for_each(|p| divisors(p, var, found)),
        SymNode::Min(a, b) | SymNode::Max(a, b) | SymNode::Joint(a, b) => {
            [a, b].iter().for_each(|p| divisors(p, var, found))
        }
        SymNode::FloorDiv(a, b) | SymNode::Mod(a, b) => {
            divisors(&a, var, found);
            let coef = a.split_linear(var).and_then(|(c, _)| c.as_int());
            if let (Some(coef), Some(by)) = (coef, b.as_int())
                && coef != 0
                && by % coef == 0
            {
                found.insert((by / coef).saturating_abs());
            }
        }
        SymNode::Int(_) | SymNode::Var(_) | SymNode::Overflow => {}
    }
}
