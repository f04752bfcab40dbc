//! Proofs of `=`, `<=`, `<` from ranges.
//!
//! The core shows `d >= 0` by numeric bounds, and failing that by replacing one atom of `d` after the other by a bound
//! that makes `d` smaller (a variable by its symbolic upper bound where its coefficient is negative, a `floordiv`
//! by the fraction it approximates, a `min` by each of its members), keeping the correlation of all other terms.
//! The search is depth first, in a fixed order, within a fixed budget: fast, deterministic, incomplete.

use super::div::gcd;
use super::hash::Mixed;
use super::{Atom, Ranges, Sym, Symbol};
use std::collections::{BTreeSet, HashSet};

/// How much one proof may look at, in nodes of expressions.
pub(super) const BUDGET: u32 = 4000;

impl Ranges {
    /// `Some(true)`: always equal; `Some(false)`: never equal; `None`: can't say.
    pub fn prove_eq(&self, a: &Sym, b: &Sym) -> Option<bool> {
        let difference = a - b;
        if difference.is_overflow() {
            return None;
        }
        if difference.is_zero() {
            return Some(true);
        }
        let d = self.simplify(&difference);
        if d.is_zero() || (self.nonneg(&d) && self.nonneg(&-&d)) {
            return Some(true);
        }
        let never = misses_zero(&d) || self.nonneg(&(&d - 1)) || self.nonneg(&(-&d - 1));
        if never && !d.is_overflow() { Some(false) } else { None }
    }

    /// `Some(true)`: always `a <= b`; `Some(false)`: always `a > b`; `None`: can't say.
    pub fn prove_le(&self, a: &Sym, b: &Sym) -> Option<bool> {
        let difference = b - a;
        let decide = |d: &Sym| match () {
            () if self.nonneg(d) => Some(true),
            () if self.nonneg(&(-d - 1)) => Some(false),
            () => None,
        };
        decide(&difference).or_else(|| {
            let simpler = self.simplify(&difference);
            if simpler == difference { None } else { decide(&simpler) }
        })
    }

    /// `Some(true)`: always `a < b`; `Some(false)`: always `a >= b`; `None`: can't say.
    pub fn prove_lt(&self, a: &Sym, b: &Sym) -> Option<bool> {
        self.prove_le(&(a + 1), b)
    }

    /// Is `d >= 0` provable?
    pub(super) fn nonneg(&self, d: &Sym) -> bool {
        self.nonneg_within(d, &mut BUDGET.clone())
    }

    /// The same within this budget, of which the work is taken.
    pub(super) fn nonneg_within(&self, d: &Sym, budget: &mut u32) -> bool {
        // What is seen at once isn't worth keeping.
        if d.as_int().is_some() || d.is_overflow() || *budget == 0 {
            return d.as_int().is_some_and(|d| d >= 0) && *budget > 0;
        }
        let ranges = self.layer(d);
        if let Some((proved, left)) = ranges.memo().proof(d, *budget) {
            *budget = left;
            return proved;
        }
        if *budget == BUDGET
            && let Some(proved) = ranges.memo().spent(d)
        {
            *budget = 0;
            return proved;
        }
        let mut search = Search { ranges, budget: *budget, failed: HashSet::default() };
        let proved = search.nonneg(d);
        match search.budget {
            0 if *budget == BUDGET => ranges.memo().keep_spent(d, proved),
            0 => {}
            left => ranges.memo().keep_proof(d, proved, *budget - left),
        }
        *budget = search.budget;
        proved
    }

    /// With every variable counted from its lower bound, no coefficient is negative, and no factor of any product:
    /// `h*h - h` is `t*t + t` for `h = 1 + t`. Worth trying only where bounds of the factors aren't enough.
    fn nonneg_from_corner(&self, d: &Sym) -> bool {
        if d.terms().iter().all(|t| t.mono.0.len() < 2) {
            return false;
        }
        let lo = |v: &Symbol| self.get(v).and_then(|r| r.lo);
        let shifted = d.map_atoms(&mut |atom| match atom.symbol().and_then(lo) {
            Some(lo) => Sym::atom(atom.clone()) + lo,
            None => Sym::atom(atom.clone()),
        });
        let nonneg = |a: &Atom| match a {
            Atom::Var(v) => lo(v).is_some(),
            _ => self.at_least(&Sym::atom(a.clone()), 0),
        };
        !shifted.is_overflow() && shifted.all_terms().iter().all(|t| t.coef >= 0 && t.mono.0.iter().all(nonneg))
    }

    /// The variables of the polynomial (not those inside operations), those first that no other's upper bound mentions.
    pub(super) fn elimination_order(&self, d: &Sym) -> Vec<Symbol> {
        let vars: BTreeSet<&Symbol> = d.terms().iter().flat_map(|t| &t.mono.0).filter_map(Atom::symbol).collect();
        let hi = |v: &Symbol| self.get(v).and_then(|r| r.hi.clone());
        let bounds: Vec<(&Symbol, Sym)> = vars.iter().filter_map(|v| Some((*v, hi(v)?))).collect();
        let mentioned = |v: &Symbol| bounds.iter().filter(|(other, hi)| *other != v && hi.contains(v)).count();
        let mut order: Vec<Symbol> = vars.into_iter().cloned().collect();
        order.sort_by_cached_key(|v| (mentioned(v), hi(v).is_none(), v.clone()));
        order
    }
}

/// One proof in progress.
struct Search<'a> {
    ranges: &'a Ranges,
    /// How many more nodes may be looked at.
    budget: u32,
    /// Looked at in vain (or under way); orders of replacement that lead to the same expression are many.
    failed: HashSet<Sym, Mixed>,
}

impl Search<'_> {
    fn nonneg(&mut self, d: &Sym) -> bool {
        if d.is_overflow() || self.budget == 0 {
            return false;
        }
        self.budget = self.budget.saturating_sub(d.size());
        if self.ranges.at_least(d, 0) || self.ranges.nonneg_from_corner(d) {
            return true;
        }
        if d.as_int().is_some() || self.ranges.is_negative_somewhere(d) || !self.failed.insert(d.clone()) {
            return false;
        }
        let atoms: BTreeSet<&Atom> = d.terms().iter().flat_map(|t| &t.mono.0).collect();
        // Operations first: what replaces them mentions variables that then still have their correlation.
        atoms.iter().filter(|a| !matches!(a, Atom::Var(_))).any(|a| self.replace_operation(d, a))
            || self.ranges.elimination_order(d).iter().any(|v| self.replace_variable(d, v))
    }

    /// The sign of a coefficient: `Some(true)` if `c >= 0`, `Some(false)` if `c <= 0`.
    fn sign(&mut self, c: &Sym) -> Option<bool> {
        if self.nonneg(c) {
            Some(true)
        } else if self.nonneg(&-c) {
            Some(false)
        } else {
            None
        }
    }

    /// `c*v + r` with `v` at the end of its range where that is least.
    fn replace_variable(&mut self, d: &Sym, v: &Symbol) -> bool {
        let Some(range) = self.ranges.get(v) else { return false };
        let Some((c, r)) = d.split_linear(v) else { return false };
        let end = match self.sign(&c) {
            Some(true) => range.lo.map(Sym::int),
            Some(false) => range.hi.clone(),
            None => None,
        };
        end.is_some_and(|end| self.nonneg(&(c * end + r)))
    }

    /// `c*atom + r` with the operation replaced by something that makes it no larger (for `min`, `max`, `joint`: by each or
    /// any of the members).
    fn replace_operation(&mut self, d: &Sym, atom: &Atom) -> bool {
        let Some((c, r)) = d.split_atom(atom) else { return false };
        let sign = self.sign(&c);
        match atom {
            Atom::Min(members) | Atom::Max(members) => {
                let any = sign == Some(matches!(atom, Atom::Max(_)));
                let mut holds = |m: &Sym| self.nonneg(&(&c * m + &r));
                if any { members.iter().any(&mut holds) } else { members.iter().all(holds) }
            }
            // It is one of them, and the largest if none is below 1.
            Atom::Joint(members) => {
                let any = sign == Some(true) && members.iter().all(|m| self.ranges.at_least(m, 1));
                let mut holds = |m: &Sym| self.nonneg(&(&c * m + &r));
                if any { members.iter().any(&mut holds) } else { members.iter().all(holds) }
            }
            Atom::FloorDiv(x, b) => self.replace_floordiv(x, b, (&c, &r), sign),
            Atom::Mod(x, b) => self.replace_mod(x, b, (&c, &r), sign),
            Atom::Var(_) | Atom::Overflow => false,
        }
    }

    /// For `b >= 1`: `x - (b-1) <= b*floordiv(x, b) <= x`; and an integer `d >= 0` as soon as `b*d >= -(b-1)`.
    fn replace_floordiv(&mut self, x: &Sym, b: &Sym, (c, r): (&Sym, &Sym), sign: Option<bool>) -> bool {
        let Some(positive) = sign else { return false };
        if !self.nonneg(&(b - 1)) {
            return false;
        }
        let least = if positive { c * (x - b + 1) } else { c * x };
        self.nonneg(&(least + b * r + b - 1))
    }

    /// For `b >= 1`: `0 <= mod(x, b) <= b-1`, and `mod(x, b) <= x` for `x >= 0`.
    fn replace_mod(&mut self, x: &Sym, b: &Sym, (c, r): (&Sym, &Sym), sign: Option<bool>) -> bool {
        if !self.nonneg(&(b - 1)) {
            return false;
        }
        match sign {
            Some(true) => self.nonneg(r),
            Some(false) => self.nonneg(&(c * (b - 1) + r)) || (self.nonneg(x) && self.nonneg(&(c * x + r))),
            None => false,
        }
    }
}

/// Is the constant term no multiple of the greatest common divisor of the other coefficients?
fn misses_zero(d: &Sym) -> bool {
    let g = d.terms().iter().filter(|t| !t.mono.is_one()).fold(0, |g, t| gcd(g, t.coef));
    match d.as_int() {
        Some(value) => value != 0,
        None => g > 1 && d.constant_term() % g != 0,
    }
}
