//! `floordiv`, `mod` and `ceildiv` in canonical form, using no knowledge of the symbols.
//!
//! Source of the identities: floor division by `c > 0` satisfies `floor((q*c + r)/c) = q + floor(r/c)`,
//! `floor(floor(x/a)/b) = floor(x/(a*b))` for `a, b > 0` (Graham, Knuth, Patashnik, Concrete Mathematics, §3.2), and
//! `floor(-x/c) = -floor((x + c - 1)/c)`; those of `mod` follow from `mod(a, b) = a - b*floordiv(a, b)`.

use super::{Atom, Sym, Term};

impl Sym {
    /// The quotient rounded towards minus infinity.
    pub fn floordiv(&self, divisor: &Sym) -> Sym {
        if self.is_overflow() || divisor.is_overflow() {
            return Sym::overflow();
        }
        match (self.as_int(), divisor.as_int()) {
            (_, Some(0)) => Sym::atom(Atom::FloorDiv(self.clone(), divisor.clone())),
            (Some(0), _) => Sym::int(0),
            (Some(a), Some(b)) => floor_i64(a, b).map_or_else(Sym::overflow, Sym::int),
            (None, Some(b)) if b > 0 => floordiv_const(self, b),
            (None, Some(_)) => (-self).floordiv(&-divisor),
            (_, None) => floordiv_symbolic(self, divisor),
        }
    }

    /// The quotient rounded towards plus infinity.
    pub fn ceildiv(&self, divisor: &Sym) -> Sym {
        -(-self).floordiv(divisor)
    }

    /// `self - divisor * floordiv(self, divisor)`: has the sign of the divisor.
    pub fn modulo(&self, divisor: &Sym) -> Sym {
        if self.is_overflow() || divisor.is_overflow() {
            return Sym::overflow();
        }
        match (self.as_int(), divisor.as_int()) {
            (_, Some(0)) => Sym::atom(Atom::Mod(self.clone(), divisor.clone())),
            (Some(0), _) => Sym::int(0),
            (Some(a), Some(b)) => Sym::int(mod_i64(a, b)),
            (None, Some(b)) if b > 0 => mod_const(self, b),
            (None, Some(_)) => -(-self).modulo(&-divisor),
            (_, None) => mod_symbolic(self, divisor),
        }
    }
}

/// Floor division; `None` on overflow (`i64::MIN / -1`) and on division by zero.
pub(super) fn floor_i64(a: i64, b: i64) -> Option<i64> {
    let q = a.checked_div(b)?;
    Some(if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { q - 1 } else { q })
}

/// The remainder that goes with [`floor_i64`]; `b` is not 0.
pub(super) fn mod_i64(a: i64, b: i64) -> i64 {
    let r = a.wrapping_rem(b);
    if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
}

pub(super) fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    // Only gcd(MIN, MIN) and gcd(MIN, 0) don't fit; 1 is then a common divisor too, just not the greatest.
    i64::try_from(a).unwrap_or(1)
}

/// `a = q*b + r` with the coefficients of `r` below `b` in magnitude (same sign as before), its constant in `0..b`.
pub(super) fn reduce_const(a: &Sym, b: i64) -> (Sym, Sym) {
    let (mut quotient, mut rest) = (Vec::new(), Vec::new());
    for Term { mono, coef } in &*a.all_terms() {
        let (q, r) = if mono.is_one() { (coef.div_euclid(b), coef.rem_euclid(b)) } else { (*coef / b, *coef % b) };
        if q != 0 {
            quotient.push(Term { mono: mono.clone(), coef: q });
        }
        if r != 0 {
            rest.push(Term { mono: mono.clone(), coef: r });
        }
    }
    (Sym::from_terms(quotient), Sym::from_terms(rest))
}

/// For `b` and the non-constant coefficients of `a`: their common divisor `g`, and `a = g*x + c` as `(g, x, c)`
/// with `0 <= c < g`.
fn split_gcd(a: &Sym, b: i64) -> (i64, Sym, i64) {
    let g = a.terms().iter().filter(|t| !t.mono.is_one()).fold(b, |g, t| gcd(g, t.coef));
    let divide = |t: &Term| Term { mono: t.mono.clone(), coef: t.coef.div_euclid(g) };
    let x = a.terms().iter().map(divide).filter(|t| t.coef != 0).collect();
    (g, Sym::from_terms(x), a.constant_term().rem_euclid(g))
}

fn leading_is_negative(a: &Sym) -> bool {
    a.terms().first().is_some_and(|t| t.coef < 0)
}

fn floordiv_const(a: &Sym, b: i64) -> Sym {
    let (quotient, rest) = reduce_const(a, b);
    if rest.as_int().is_some() {
        return quotient;
    }
    let (g, x, _) = split_gcd(&rest, b);
    let tail = if g > 1 {
        x.floordiv(&Sym::int(b / g))
    } else if leading_is_negative(&rest) {
        -floordiv_const(&((b - 1) - rest), b)
    } else {
        floordiv_of_atom(&rest, b).unwrap_or_else(|| Sym::atom(Atom::FloorDiv(rest, Sym::int(b))))
    };
    quotient + tail
}

/// `floordiv(floordiv(x, a) + c, b)` and `floordiv(mod(x, a*b), b)`.
fn floordiv_of_atom(rest: &Sym, b: i64) -> Option<Sym> {
    let c = rest.constant_term();
    match (rest - c).as_atom()? {
        Atom::FloorDiv(x, a) if a.as_int()? > 0 => {
            let ab = a.as_int()?.checked_mul(b)?;
            let shifted = x + a.as_int()?.checked_mul(c)?;
            if shifted.is_overflow() { None } else { Some(shifted.floordiv(&Sym::int(ab))) }
        }
        Atom::Mod(x, m) if c == 0 && m.as_int()? > 0 && m.as_int()? % b == 0 => {
            Some(x.floordiv(&Sym::int(b)).modulo(&Sym::int(m.as_int()? / b)))
        }
        _ => None,
    }
}

fn mod_const(a: &Sym, b: i64) -> Sym {
    let (_, rest) = reduce_const(a, b);
    if rest.as_int().is_some() {
        return rest;
    }
    let (g, x, c) = split_gcd(&rest, b);
    if g > 1 {
        return x.modulo(&Sym::int(b / g)).scaled(g) + c;
    }
    if leading_is_negative(&rest) {
        return (b - 1) - mod_const(&((b - 1) - rest), b);
    }
    match without_inner_mods(&rest, b) {
        Some(simpler) => mod_const(&simpler, b),
        None => Sym::atom(Atom::Mod(rest, Sym::int(b))),
    }
}

/// Modulo `b`, a term `k*mod(x, m)` is `k*x` when `b` divides `k*m`. `None` if there is no such term.
fn without_inner_mods(a: &Sym, b: i64) -> Option<Sym> {
    let inner = a.terms().iter().find_map(|t| match t.mono.0.as_slice() {
        [Atom::Mod(x, m)] if t.coef.checked_mul(m.as_int()?)? % b == 0 => Some((t, x)),
        _ => None,
    });
    let (term, x) = inner?;
    let result = a - Sym::from_terms(vec![term.clone()]) + x.scaled(term.coef);
    if result.is_overflow() { None } else { Some(result) }
}

/// The greatest term dividing every term of both.
pub(super) fn common_content(a: &Sym, b: &Sym) -> Term {
    let (a, b) = (a.all_terms(), b.all_terms());
    let coef = a.iter().chain(&*b).fold(0, |g, t| gcd(g, t.coef)).max(1);
    let mut all = a.iter().chain(&*b).map(|t| &t.mono);
    let first = all.next().cloned().unwrap_or_default();
    let mono = all.fold(first, |m, t| if m.is_one() { m } else { m.common(t) });
    Term { mono, coef }
}

/// `a / by`, which is known to be exact.
pub(super) fn divide_terms(a: &Sym, by: &Term) -> Sym {
    let divide = |t: &Term| (t.mono.divided_by(&by.mono).unwrap_or_default(), i128::from(t.coef / by.coef));
    Sym::collect(a.all_terms().iter().map(divide).collect())
}

/// `a = q*b + r` where multiples of `b` are taken out term by term, if `b` is one term; otherwise by polynomial
/// division, and only if it is exact.
fn take_out(a: &Sym, b: &Sym) -> Option<(Sym, Sym)> {
    let (q, r) = divide(a, b)?;
    if q.is_zero() || (b.terms().len() > 1 && !r.is_zero()) { None } else { Some((q, r)) }
}

/// Polynomial division by the leading term of `b` (lexicographic order, so it ends): `a = q*b + r`.
/// `None` on overflow, or if it takes unreasonably long.
pub(super) fn divide(a: &Sym, b: &Sym) -> Option<(Sym, Sym)> {
    let lead = b.all_terms().first().cloned()?;
    let (mut q, mut r) = (Sym::int(0), Sym::int(0));
    let mut left = a.clone();
    for _ in 0..64 {
        let Some(first) = left.all_terms().first().cloned() else { return Some((q, r)) };
        let factor = match first.mono.divided_by(&lead.mono) {
            Some(mono) => first.coef.checked_div(lead.coef).map(|c| (mono, c)).filter(|(_, c)| *c != 0),
            None => None,
        };
        let (out, into_rest) = match factor {
            Some((mono, coef)) => {
                q += Sym::int(1).times_term(&mono, coef);
                let whole = b.times_term(&mono, coef);
                // What the coefficient leaves over can't be divided any further.
                let over = Sym::int(1).times_term(&first.mono, first.coef - coef * lead.coef);
                (whole + &over, over)
            }
            None => (Sym::from_terms(vec![first.clone()]), Sym::from_terms(vec![first])),
        };
        left -= out;
        r += into_rest;
        if left.is_overflow() || q.is_overflow() || r.is_overflow() {
            return None;
        }
    }
    None
}

fn floordiv_symbolic(a: &Sym, b: &Sym) -> Sym {
    if leading_is_negative(b) {
        return (-a).floordiv(&-b);
    }
    let content = common_content(a, b);
    if content.coef > 1 || !content.mono.is_one() {
        return divide_terms(a, &content).floordiv(&divide_terms(b, &content));
    }
    match take_out(a, b) {
        Some((q, r)) => q + r.floordiv(b),
        None => Sym::atom(Atom::FloorDiv(a.clone(), b.clone())),
    }
}

fn mod_symbolic(a: &Sym, b: &Sym) -> Sym {
    if leading_is_negative(b) {
        return -(-a).modulo(&-b);
    }
    let content = common_content(a, b);
    if content.coef > 1 || !content.mono.is_one() {
        let inner = divide_terms(a, &content).modulo(&divide_terms(b, &content));
        return inner.times_term(&content.mono, content.coef);
    }
    match take_out(a, b) {
        Some((_, r)) => r.modulo(b),
        None => Sym::atom(Atom::Mod(a.clone(), b.clone())),
    }
}
