//! Interval analysis: numeric bounds of an expression from the ranges of its symbols.
//!
//! Sound, not tight: occurrences of a symbol are taken as independent (proofs that need more are in `prove`).

use super::{Atom, Ranges, Sym, Symbol};

/// How far upper bounds that mention symbols with upper bounds are followed; also stops cycles.
const CHAIN: u32 = 8;

/// Stands for infinity; its negative for minus infinity. Real values stay far below it.
const INF: i128 = i128::MAX;

/// All integers from `lo` to `hi`, either of which may be infinite.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Interval {
    lo: i128,
    hi: i128,
}

const ALL: Interval = Interval { lo: -INF, hi: INF };

/// `a + b` for two ends of the same side; `infinity` is that side's.
fn add_ends(a: i128, b: i128, infinity: i128) -> i128 {
    if a == infinity || b == infinity { infinity } else { a.checked_add(b).unwrap_or(infinity) }
}

/// The product, infinities included; zero times anything is zero, as every actual value is finite.
fn mul_ends(a: i128, b: i128) -> i128 {
    a.saturating_mul(b).max(-INF)
}

/// The floor quotient by `b >= 1`, infinities included.
fn div_ends(a: i128, b: i128) -> i128 {
    match (a, b) {
        (INF, _) => INF,
        (_, _) if a == -INF => -INF,
        _ => a.div_euclid(b),
    }
}

impl Interval {
    fn point(value: i64) -> Self {
        Self { lo: value.into(), hi: value.into() }
    }

    /// The least interval with all of these in it.
    fn around(values: &[i128]) -> Self {
        let fold = |start, better: fn(i128, i128) -> i128| values.iter().copied().fold(start, better);
        Self { lo: fold(INF, i128::min), hi: fold(-INF, i128::max) }
    }

    fn plus(self, other: Self) -> Self {
        Self { lo: add_ends(self.lo, other.lo, -INF), hi: add_ends(self.hi, other.hi, INF) }
    }

    fn times(self, other: Self) -> Self {
        let (a, b) = (self, other);
        Self::around(&[mul_ends(a.lo, b.lo), mul_ends(a.lo, b.hi), mul_ends(a.hi, b.lo), mul_ends(a.hi, b.hi)])
    }

    fn squared(self) -> Self {
        let ends = self.times(self);
        Self { lo: if self.lo <= 0 && self.hi >= 0 { 0 } else { ends.lo.max(0) }, hi: ends.hi }
    }

    fn negated(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo }
    }

    fn floordiv(self, by: Self) -> Self {
        if by.lo >= 1 {
            let (a, b) = (self, by);
            Self::around(&[div_ends(a.lo, b.lo), div_ends(a.lo, b.hi), div_ends(a.hi, b.lo), div_ends(a.hi, b.hi)])
        } else if by.hi <= -1 {
            self.negated().floordiv(by.negated())
        } else {
            // Whatever the divisor is (not 0), it doesn't make the numerator larger.
            let magnitude = self.lo.abs().max(self.hi.abs());
            Self { lo: -magnitude, hi: magnitude }
        }
    }

    fn modulo(self, by: Self) -> Self {
        if by.hi <= -1 {
            return self.negated().modulo(by.negated()).negated();
        }
        if by.lo < 1 {
            return Self { lo: add_ends(by.lo, 1, -INF).min(0), hi: add_ends(by.hi, -1, INF).max(0) };
        }
        if by.lo == by.hi && self.lo != -INF && self.hi != INF && div_ends(self.lo, by.lo) == div_ends(self.hi, by.lo) {
            return Self { lo: self.lo.rem_euclid(by.lo), hi: self.hi.rem_euclid(by.lo) };
        }
        if self.lo >= 0 && self.hi < by.lo {
            return self;
        }
        let hi = add_ends(by.hi, -1, INF);
        Self { lo: 0, hi: if self.lo >= 0 { hi.min(self.hi) } else { hi } }
    }

    /// That of `joint`, which rises with each operand.
    fn joint(self, other: Self) -> Self {
        let end = |a: i128, b: i128| if a.min(b) < 1 { a.min(b) } else { a.max(b) };
        Self { lo: end(self.lo, other.lo), hi: end(self.hi, other.hi) }
    }

    fn ends(self) -> (Option<i64>, Option<i64>) {
        (i64::try_from(self.lo).ok(), i64::try_from(self.hi).ok())
    }
}

impl Ranges {
    /// Numeric bounds, both inclusive; `None` where there is none (or it doesn't fit).
    pub fn bounds(&self, sym: &Sym) -> (Option<i64>, Option<i64>) {
        self.interval(sym, CHAIN).ends()
    }

    /// Is it at least this, by numeric bounds alone?
    pub(super) fn at_least(&self, sym: &Sym, value: i64) -> bool {
        self.interval(sym, CHAIN).lo >= i128::from(value) && !sym.is_overflow()
    }

    fn interval(&self, sym: &Sym, chain: u32) -> Interval {
        if let Some(value) = sym.as_int() {
            return Interval::point(value);
        }
        let mut sum = Interval::point(0);
        for term in sym.terms() {
            let mut product = Interval::point(term.coef);
            for (i, atom) in term.mono.0.iter().enumerate() {
                // Powers two at a time; `before` counts the same atoms on the left.
                let before = term.mono.0[..i].iter().rev().take_while(|a| *a == atom).count();
                let paired = term.mono.0.get(i + 1) == Some(atom);
                if before % 2 == 0 {
                    let value = self.atom_interval(atom, chain);
                    product = product.times(if paired { value.squared() } else { value });
                }
            }
            sum = sum.plus(product);
        }
        sum
    }

    fn atom_interval(&self, atom: &Atom, chain: u32) -> Interval {
        let each = |members: &[Sym]| members.iter().map(|m| self.interval(m, chain)).collect::<Vec<_>>();
        match atom {
            Atom::Var(symbol) => self.symbol_interval(symbol, chain),
            Atom::Overflow => ALL,
            Atom::FloorDiv(a, b) => self.interval(a, chain).floordiv(self.interval(b, chain)),
            Atom::Mod(a, b) => self.interval(a, chain).modulo(self.interval(b, chain)),
            Atom::Min(members) => each(members)
                .into_iter()
                .reduce(|a, b| Interval { lo: a.lo.min(b.lo), hi: a.hi.min(b.hi) })
                .unwrap_or(ALL),
            Atom::Max(members) => each(members)
                .into_iter()
                .reduce(|a, b| Interval { lo: a.lo.max(b.lo), hi: a.hi.max(b.hi) })
                .unwrap_or(ALL),
            Atom::Joint(members) => each(members).into_iter().reduce(Interval::joint).unwrap_or(ALL),
        }
    }

    fn symbol_interval(&self, symbol: &Symbol, chain: u32) -> Interval {
        let Some(range) = self.get(symbol) else { return ALL };
        let hi = match &range.hi {
            Some(hi) if chain > 0 => self.interval(hi, chain - 1).hi,
            _ => INF,
        };
        Interval { lo: range.lo.map_or(-INF, i128::from), hi }
    }
}
