//! Symbolic bounds of sums in which quotients vary together: `floordiv(4*b + c, 12) - floordiv(b, 3)` is at most
//! `floordiv(c + 8, 12)`, whatever `b` is.
//!
//! Bounded one by one, such quotients know nothing of each other. Here each is replaced by an end of the fraction that it
//! approximates, `x - (m - 1) <= m*floordiv(x, m) <= x`, and the whole sum is brought to one denominator, so that what
//! they have in common cancels. The sum is an integer: what is lost is less than one for each quotient.

use super::div::{common_content, divide, divide_terms, gcd};
use super::upper::{Bounder, Eliminate};
use super::{Atom, Mono, Ranges, Sym, Symbol, Term};
use std::collections::BTreeSet;

impl Bounder<'_> {
    /// A bound of a sum in which symbols that have to go occur in several terms; `None` if nothing cancels.
    pub(super) fn extreme_together(&self, sym: &Sym, up: bool, fuel: u32) -> Option<Sym> {
        let before = shared(sym, self.eliminate);
        if before == 0 {
            return None;
        }
        let (content, rest) = self.without_content(sym);
        let (numerator, denominator) = self.one_fraction(&rest, up)?;
        if shared(&numerator, self.eliminate) >= before {
            return None;
        }
        let bound = self.extreme(&numerator, up, fuel.checked_sub(1)?)?;
        Some(content * if up { bound.floordiv(&denominator) } else { bound.ceildiv(&denominator) })
    }

    /// `sym = content * rest`, where `content >= 1` has no symbol that has to go.
    fn without_content(&self, sym: &Sym) -> (Sym, Sym) {
        let mut content = common_content(sym, sym);
        content.mono.0.retain(|a| {
            let atom = Sym::atom(a.clone());
            !atom.any_symbol(self.eliminate) && self.ranges.nonneg(&(atom - 1))
        });
        let rest = divide_terms(sym, &content);
        (Sym::from_terms(vec![content]), rest)
    }

    /// `(n, d)` with `d >= 1` and `d*sym <= n` (`up`) or `d*sym >= n`; no quotient that varies is left in `n`.
    fn one_fraction(&self, sym: &Sym, up: bool) -> Option<(Sym, Sym)> {
        let terms: Vec<_> = sym.all_terms().iter().map(|t| (self.varying_quotient(t), t.clone())).collect();
        let divisors: BTreeSet<&Sym> = terms.iter().filter_map(|(q, _)| Some(&q.as_ref()?.divisor)).collect();
        let denominator = divisors.into_iter().try_fold(Sym::int(1), |d, m| common_multiple(&d, m))?;
        let mut numerator = Sym::int(0);
        for (quotient, term) in terms {
            numerator += match quotient {
                None => Sym::from_terms(vec![term]) * &denominator,
                Some(Quotient { factor, numerator: x, divisor: m }) => {
                    let x = if factor_is_positive(self.ranges, &factor)? == up { x } else { x - &m + 1 };
                    factor * x * divide(&denominator, &m)?.0
                }
            };
        }
        (!denominator.is_one() && !numerator.is_overflow()).then_some((numerator, denominator))
    }

    /// The term as a factor times a quotient whose numerator has to change.
    fn varying_quotient(&self, term: &Term) -> Option<Quotient> {
        let varies = |s: &Sym| s.any_symbol(self.eliminate);
        term.mono.0.iter().enumerate().find_map(|(i, atom)| match atom {
            Atom::FloorDiv(x, m) if varies(x) && !varies(m) && self.ranges.nonneg(&(m - 1)) => {
                let mut others = term.mono.0.clone();
                others.remove(i);
                let factor = Sym::from_terms(vec![Term { mono: Mono(others), coef: term.coef }]);
                Some(Quotient { factor, numerator: x.clone(), divisor: m.clone() })
            }
            _ => None,
        })
    }
}

/// `factor * floordiv(numerator, divisor)`, with `divisor >= 1`.
struct Quotient {
    factor: Sym,
    numerator: Sym,
    divisor: Sym,
}

/// `Some(true)`: never negative; `Some(false)`: never positive.
fn factor_is_positive(ranges: &Ranges, factor: &Sym) -> Option<bool> {
    match () {
        () if ranges.nonneg(factor) => Some(true),
        () if ranges.nonneg(&-factor) => Some(false),
        () => None,
    }
}

/// What both divide; the least for constants.
fn common_multiple(a: &Sym, b: &Sym) -> Option<Sym> {
    match (a.as_int(), b.as_int()) {
        (Some(a), Some(b)) => Some(Sym::int((a / gcd(a, b)).checked_mul(b)?)),
        _ if divide(a, b)?.1.is_zero() => Some(a.clone()),
        _ => Some(a * b),
    }
}

/// How many symbols that have to go occur in more than one term.
fn shared(sym: &Sym, eliminate: Eliminate<'_>) -> usize {
    let (mut once, mut again) = (BTreeSet::<Symbol>::new(), BTreeSet::new());
    for term in sym.terms() {
        for s in Sym::from_terms(vec![term.clone()]).symbols().into_iter().filter(eliminate) {
            if !once.insert(s.clone()) {
                again.insert(s);
            }
        }
    }
    again.len()
}
