//! Simplification that uses ranges: what makes the index maps of reshapes, splits and flattens collapse.
//!
//! The result has the same value wherever the ranges hold and the original has one, and is never larger except where
//! nested divisions become one. An expression that divides by 0 has no value: a divisor that isn't negative is at least 1,
//! also where it is a dim that may be 0. Not a decision procedure.

use super::div::{divide, reduce_const};
use super::prove::BUDGET;
use super::{Atom, Mono, Ranges, Sym, Term};
use std::cell::Cell;
use std::collections::BTreeSet;

/// How many rewrites of one atom may follow each other.
const FUEL: u32 = 16;
/// How much all proofs of one simplification may look at, in nodes: what keeps hostile expressions from taking long.
const WORK: u32 = 50 * BUDGET;

impl Ranges {
    /// An equal, simpler expression.
    pub fn simplify(&self, sym: &Sym) -> Sym {
        if sym.as_int().is_some() || sym.as_symbol().is_some_and(|s| self.get(s).is_none()) {
            return sym.clone();
        }
        let ranges = self.layer(sym);
        if let Some(simpler) = ranges.memo().exhausted(sym) {
            return simpler;
        }
        let all = Simplifier { ranges, work: Cell::new(WORK) };
        let simpler = all.simplified(sym, FUEL);
        if all.work.get() < BUDGET {
            ranges.memo().keep_exhausted(sym, &simpler);
        }
        simpler
    }
}

struct Simplifier<'a> {
    ranges: &'a Ranges,
    work: Cell<u32>,
}

impl Simplifier<'_> {
    /// Is it provably not negative? Nothing is provable any more once the work is used up.
    fn nonneg(&self, d: &Sym) -> bool {
        let mut budget = self.work.get().min(BUDGET);
        let left = self.work.get() - budget;
        let proved = self.ranges.nonneg_within(d, &mut budget);
        self.work.set(left + budget);
        proved
    }

    /// Is it at least 1 wherever what is divided by it has a value?
    fn divides(&self, b: &Sym) -> bool {
        !b.is_zero() && self.nonneg(b)
    }

    fn simplified(&self, sym: &Sym, fuel: u32) -> Sym {
        if sym.as_int().is_some() {
            return sym.clone();
        }
        let (ranges, work) = (self.ranges.layer(sym), self.work.get());
        // With less left than one proof may take, an answer is not what it would be otherwise.
        let enough = |cost: u32| work.checked_sub(cost).filter(|left| *left >= BUDGET);
        if let Some((simpler, left)) = ranges.memo().simpler(sym, fuel).and_then(|(s, cost)| Some((s, enough(cost)?))) {
            self.work.set(left);
            return simpler;
        }
        let inner = Simplifier { ranges, work: Cell::new(work) };
        let parts = sym.map_atoms(&mut |atom| inner.simplify_atom(atom, fuel));
        let joined = inner.recombine(parts, fuel);
        let simpler = if joined.is_overflow() { sym.clone() } else { joined };
        self.work.set(inner.work.get());
        if inner.work.get() >= BUDGET {
            ranges.memo().keep_simpler(sym, fuel, &simpler, work - inner.work.get());
        }
        simpler
    }

    fn simplify_atom(&self, atom: &Atom, fuel: u32) -> Sym {
        if let Atom::Var(symbol) = atom {
            let only = self
                .ranges
                .get(symbol)
                .and_then(|r| Some((r.lo?, r.hi.as_ref()?.as_int()?)))
                .filter(|(lo, hi)| lo == hi);
            return only.map_or_else(|| Sym::atom(atom.clone()), |(value, _)| Sym::int(value));
        }
        let rebuilt = atom.map(&mut |operand| self.simplified(operand, fuel));
        rebuilt.map_atoms(&mut |a| match self.rewrite(a).filter(|s| fuel > 0 && !s.is_overflow()) {
            Some(better) => self.simplified(&better, fuel - 1),
            None => Sym::atom(a.clone()),
        })
    }

    /// One rule at the outermost operation, if any applies.
    fn rewrite(&self, atom: &Atom) -> Option<Sym> {
        match atom {
            Atom::FloorDiv(x, b) if self.divides(b) => self.rewrite_floordiv(x, b),
            Atom::Mod(x, b) if self.divides(b) => self.rewrite_mod(x, b),
            Atom::FloorDiv(x, b) if self.ranges.at_least(&-b, 1) => {
                Some((-x).floordiv(&-b)).filter(|s| s.as_atom() != Some(atom))
            }
            Atom::Min(members) => self.undominated(members, |other, m| m - other).map(Sym::min_of),
            Atom::Max(members) => self.undominated(members, |other, m| other - m).map(Sym::max_of),
            // The largest, where none is below 1.
            Atom::Joint(members) if members.iter().all(|m| self.nonneg(&(m - 1))) => Some(Sym::max_of(members.clone())),
            _ => None,
        }
    }

    /// The members that no other one beats, if some are beaten; `lead` is not negative when `other` beats `m`.
    fn undominated(&self, members: &[Sym], lead: fn(&Sym, &Sym) -> Sym) -> Option<Vec<Sym>> {
        let mut kept = members.to_vec();
        let mut i = 0;
        while i < kept.len() && kept.len() > 1 {
            let beaten = (0..kept.len()).any(|j| j != i && self.nonneg(&lead(&kept[j], &kept[i])));
            if beaten {
                kept.remove(i);
            } else {
                i += 1;
            }
        }
        if kept.len() < members.len() { Some(kept) } else { None }
    }

    /// `x = q*b + r` with `0 <= r < b` proved, for `b >= 1`.
    fn exact_quotient(&self, x: &Sym, b: &Sym) -> Option<Sym> {
        if let (Some(b), (Some(lo), Some(hi))) = (b.as_int(), self.ranges.bounds(x))
            && lo.div_euclid(b) == hi.div_euclid(b)
        {
            return Some(Sym::int(lo.div_euclid(b)));
        }
        let (q, r) = if b.as_int().is_some() { (Sym::int(0), x.clone()) } else { divide(x, b)? };
        [0, -1, 1].iter().find_map(|shift| {
            let r = &r - b * *shift;
            (self.nonneg(&r) && self.nonneg(&(b - 1 - r))).then(|| &q + *shift)
        })
    }

    /// `(g, y, k, r)` with `x = g*y + r`, `0 <= r < g`, `b = g*k`, and `1 < g`.
    fn split_radix(&self, x: &Sym, b: &Sym) -> Option<(Sym, Sym, Sym, Sym)> {
        self.radices(x, b).into_iter().find_map(|g| {
            let (k, over) = divide_floor(b, &g)?;
            let (y, r) = divide_floor(x, &g)?;
            let fits = over.is_zero() && !y.is_zero() && self.nonneg(&r) && self.nonneg(&(&g - 1 - &r));
            (fits && self.nonneg(&(&g - 1))).then_some((g, y, k, r))
        })
    }

    /// Factors of `b` that could split `x` into digits: what `b` has in common with a term of `x`, and the extents of
    /// the variables of `x`.
    fn radices(&self, x: &Sym, b: &Sym) -> BTreeSet<Sym> {
        let varying = || x.terms().iter().filter(|t| !t.mono.is_one());
        let shared = varying().map(|t| common_factor(t, b));
        let extents = x.symbols().into_iter().filter_map(|v| Some(self.ranges.get(&v)?.hi.as_ref()? + 1));
        shared.chain(extents).filter(|g| !g.is_one() && g != b && !g.is_overflow()).collect()
    }

    fn rewrite_floordiv(&self, x: &Sym, b: &Sym) -> Option<Sym> {
        if let Some(q) = self.exact_quotient(x, b) {
            return Some(q);
        }
        if let Some((_, y, k, _)) = self.split_radix(x, b) {
            return Some(y.floordiv(&k));
        }
        let c = x.constant_term();
        match (x - c).as_atom() {
            Some(Atom::FloorDiv(y, m)) if self.divides(m) => Some((y + m * c).floordiv(&(m * b))),
            Some(Atom::Mod(y, m)) if c == 0 => {
                let (k, over) = divide_floor(m, b)?;
                (over.is_zero() && self.divides(&k)).then(|| y.floordiv(b).modulo(&k))
            }
            _ => {
                let (q, r) = divide(x, b)?;
                let taken = q + r.floordiv(b);
                (taken.size() < x.size() + b.size()).then_some(taken)
            }
        }
    }

    fn rewrite_mod(&self, x: &Sym, b: &Sym) -> Option<Sym> {
        if let Some(q) = self.exact_quotient(x, b) {
            return Some(x - q * b);
        }
        if let Some((g, y, k, r)) = self.split_radix(x, b) {
            return Some(g * y.modulo(&k) + r);
        }
        let without_inner = x.terms().iter().find_map(|t| {
            let (last, rest) = t.mono.0.split_last()?;
            let Atom::Mod(y, m) = last else { return None };
            let factor = Sym::int(t.coef) * Sym::from_terms(vec![Term { mono: Mono(rest.to_vec()), coef: 1 }]);
            let (_, over) = divide_floor(&(&factor * m), b)?;
            over.is_zero().then(|| (x - Sym::from_terms(vec![t.clone()]) + factor * y).modulo(b))
        });
        without_inner.or_else(|| {
            let (_, r) = divide(x, b)?;
            (r.size() < x.size()).then(|| r.modulo(b))
        })
    }

    /// Joins quotients and remainders in a sum: `b*floordiv(x, b) + mod(x, b) = x`, and
    /// `b*mod(floordiv(x, b), c) + mod(x, b) = mod(x, b*c)` for `c >= 0`.
    fn recombine(&self, sym: Sym, fuel: u32) -> Sym {
        let mods: BTreeSet<Atom> =
            sym.terms().iter().flat_map(|t| &t.mono.0).filter(|a| matches!(a, Atom::Mod(..))).cloned().collect();
        for atom in &mods {
            let (Atom::Mod(x, b), Some((c, rest))) = (atom, sym.split_atom(atom)) else { continue };
            let quotient = self.simplified(&x.floordiv(b), fuel.saturating_sub(4));
            let whole = &rest + &c * (x - b * &quotient);
            if fuel > 0 && whole.size() < sym.size() {
                return self.recombine(whole, fuel - 1);
            }
            for upper in &mods {
                let (Atom::Mod(y, k), Some((d, rest))) = (upper, rest.split_atom(upper)) else { continue };
                if *y == quotient && d == &c * b && self.divides(k) && fuel > 0 {
                    return self.recombine(rest + c * x.modulo(&(b * k)), fuel - 1);
                }
            }
        }
        sym
    }
}

/// Division with remainder: by coefficients for a constant (constant terms rounded down), polynomial otherwise.
fn divide_floor(x: &Sym, g: &Sym) -> Option<(Sym, Sym)> {
    match g.as_int() {
        Some(g) if g > 0 => Some(reduce_const(x, g)),
        Some(_) => None,
        None => divide(x, g),
    }
}

/// The greatest term that divides the term and every term of `b`.
fn common_factor(term: &Term, b: &Sym) -> Sym {
    let term = Sym::from_terms(vec![term.clone()]);
    let Term { mono, coef } = super::div::common_content(&term, b);
    Sym::int(1).times_term(&mono, coef)
}
