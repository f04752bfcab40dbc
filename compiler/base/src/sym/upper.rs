//! Symbolic bounds: an expression at least (or at most) as large, without certain symbols.
//!
//! Sound, not tight: variables that occur linearly are replaced with their correlation kept, and so are those in quotients
//! of one sum (`quotients`); what is inside other operations is bounded on its own.

use super::{Atom, Range, Ranges, Sym, Symbol, Term};
use std::cell::Cell;

/// How many replacements may follow each other; also stops cycles of upper bounds.
const FUEL: u32 = 24;
/// How many expressions one search may look at.
const WORK: u32 = 400;

/// Which symbols have to go.
pub(super) type Eliminate<'a> = &'a dyn Fn(&Symbol) -> bool;

impl Ranges {
    /// An expression `>= sym` in which no symbol remains that `eliminate` holds for; `None` if none is found.
    pub fn upper_bound(&self, sym: &Sym, eliminate: Eliminate<'_>) -> Option<Sym> {
        Bounder { ranges: self, eliminate, work: Cell::new(WORK) }.extreme(sym, true, FUEL).filter(|s| !s.is_overflow())
    }

    /// An expression `<= sym` in which no symbol remains that `eliminate` holds for; `None` if none is found.
    pub fn lower_bound(&self, sym: &Sym, eliminate: Eliminate<'_>) -> Option<Sym> {
        Bounder { ranges: self, eliminate, work: Cell::new(WORK) }
            .extreme(sym, false, FUEL)
            .filter(|s| !s.is_overflow())
    }
}

/// One search for a bound.
pub(super) struct Bounder<'a> {
    pub(super) ranges: &'a Ranges,
    pub(super) eliminate: Eliminate<'a>,
    work: Cell<u32>,
}

impl Bounder<'_> {
    pub(super) fn extreme(&self, sym: &Sym, up: bool, fuel: u32) -> Option<Sym> {
        if !sym.any_symbol(self.eliminate) {
            return Some(sym.clone());
        }
        if fuel == 0 || sym.is_overflow() || self.work.get() == 0 {
            return None;
        }
        self.work.set(self.work.get() - 1);
        for v in self.ranges.elimination_order(sym).iter().filter(|v| (self.eliminate)(v)) {
            if let Some(replaced) = self.at_end(sym, v, up)
                && let Some(bound) = self.extreme(&replaced, up, fuel - 1)
            {
                return Some(bound);
            }
        }
        if let Some(bound) = self.extreme_together(sym, up, fuel) {
            return Some(bound);
        }
        let by_terms = sym.all_terms().iter().map(|t| self.extreme_term(t, up, fuel - 1)).sum::<Option<Sym>>();
        by_terms.or_else(|| self.numeric(sym, up))
    }

    fn numeric(&self, sym: &Sym, up: bool) -> Option<Sym> {
        let (lo, hi) = self.ranges.bounds(sym);
        if up { hi } else { lo }.map(Sym::int)
    }

    /// `c*v + r` with `v` at the end of its range where that is largest (`up`) or smallest.
    fn at_end(&self, sym: &Sym, v: &Symbol, up: bool) -> Option<Sym> {
        let (c, r) = sym.split_linear(v)?;
        let Range { lo, hi, .. } = self.ranges.get(v)?.clone();
        let rising = match () {
            () if self.ranges.nonneg(&c) => true,
            () if self.ranges.nonneg(&-&c) => false,
            () => return None,
        };
        let end = if rising == up { hi } else { lo.map(Sym::int) };
        Some(c * end? + r)
    }

    /// A term: factors that stay, times bounds of those that don't. Signs must be known.
    fn extreme_term(&self, term: &Term, up: bool, fuel: u32) -> Option<Sym> {
        let (gone, kept): (Vec<Sym>, Vec<Sym>) =
            term.mono.0.iter().cloned().map(Sym::atom).partition(|a| a.any_symbol(self.eliminate));
        let kept = kept.iter().product::<Sym>().scaled(term.coef);
        let kept_positive = match () {
            () if gone.is_empty() => return Some(kept),
            () if self.ranges.nonneg(&kept) => true,
            () if self.ranges.nonneg(&-&kept) => false,
            () => return None,
        };
        let up = up == kept_positive;
        if let [only] = gone.as_slice() {
            return Some(kept * self.extreme_atom(only.as_atom()?, up, fuel)?);
        }
        if !gone.iter().all(|g| self.ranges.nonneg(g)) {
            return None;
        }
        let mut product = kept;
        for factor in &gone {
            let bound = self.extreme_atom(factor.as_atom()?, up, fuel);
            // Zero is a lower bound of each factor.
            product *= match bound {
                Some(b) if up || self.ranges.nonneg(&b) => b,
                _ if !up => return Some(Sym::int(0)),
                _ => return None,
            };
        }
        Some(product)
    }

    fn extreme_atom(&self, atom: &Atom, up: bool, fuel: u32) -> Option<Sym> {
        if fuel == 0 {
            return None;
        }
        let bound = |s: &Sym, up| self.extreme(s, up, fuel - 1);
        let each = |members: &[Sym]| members.iter().map(|m| bound(m, up)).collect::<Vec<_>>();
        let found = match atom {
            Atom::Var(v) => {
                let Range { lo, hi, .. } = self.ranges.get(v)?.clone();
                if up { bound(&hi?, true) } else { lo.map(Sym::int) }
            }
            Atom::Overflow => None,
            Atom::FloorDiv(x, b) => self.extreme_quotient(bound(x, up), b, up, &bound),
            Atom::Mod(x, b) if self.ranges.nonneg(&(b - 1)) => {
                let below = bound(b, true).map(|b| b - 1);
                match (up, self.ranges.nonneg(x).then(|| bound(x, true)).flatten(), below) {
                    (false, _, _) => Some(Sym::int(0)),
                    (true, Some(x), Some(b)) => Some(Sym::min_of(vec![x, b])),
                    (true, x, b) => x.or(b),
                }
            }
            Atom::Mod(..) => None,
            // Of a `min`, any member is an upper bound, but only all together give a lower one; `max` in reverse.
            Atom::Min(m) if up => some_of(each(m), Sym::min_of),
            Atom::Max(m) if !up => some_of(each(m), Sym::max_of),
            Atom::Min(m) => each(m).into_iter().collect::<Option<_>>().map(Sym::min_of),
            Atom::Max(m) => each(m).into_iter().collect::<Option<_>>().map(Sym::max_of),
            // It rises with each member.
            Atom::Joint(m) => each(m).into_iter().collect::<Option<_>>().map(Sym::joint_of),
        };
        found.or_else(|| self.numeric(&Sym::atom(atom.clone()), up))
    }

    /// `floordiv` of a bound of the numerator, by the divisor's end that makes it extreme.
    fn extreme_quotient(
        &self,
        x: Option<Sym>,
        b: &Sym,
        up: bool,
        bound: &dyn Fn(&Sym, bool) -> Option<Sym>,
    ) -> Option<Sym> {
        let x = x?;
        if !self.ranges.nonneg(&(b - 1)) {
            return None;
        }
        // A quotient of something not negative falls as the divisor grows.
        let falling = match () {
            () if self.ranges.nonneg(&x) => true,
            () if self.ranges.nonneg(&-&x) => false,
            () => return bound(b, true).filter(|same| same == b).map(|b| x.floordiv(&b)),
        };
        let by = bound(b, falling != up)?;
        if self.ranges.nonneg(&(&by - 1)) { Some(x.floordiv(&by)) } else { None }
    }
}

fn some_of(bounds: Vec<Option<Sym>>, combine: fn(Vec<Sym>) -> Sym) -> Option<Sym> {
    let found: Vec<Sym> = bounds.into_iter().flatten().collect();
    if found.is_empty() { None } else { Some(combine(found)) }
}
