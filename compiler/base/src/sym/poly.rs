//! Sums and products in canonical form: the ring of polynomials over atoms.
//!
//! Every result satisfies the invariants of [`Poly`], or is the `overflow` marker. Knows nothing of division.

use super::hash::Mixer;
use super::{Atom, MAX_DEPTH, MAX_SIZE, Mono, Poly, Repr, Sym, Symbol, Term};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

impl Poly {
    fn new(size: u32, depth: u32, terms: Vec<Term>) -> Poly {
        // The same in each run; operands give theirs without a walk.
        let mut hasher = Mixer::default();
        terms.hash(&mut hasher);
        let names = terms.iter().flat_map(|t| &t.mono.0).fold(0, |all, a| all | a.names());
        Poly { hash: hasher.finish(), names, size, depth, terms }
    }
}

impl Hash for Poly {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Ord for Poly {
    fn cmp(&self, other: &Self) -> Ordering {
        // Parts of expressions are shared: what is the same object needs no walk.
        if std::ptr::eq(self, other) {
            return Ordering::Equal;
        }
        (self.size, self.depth, &self.terms).cmp(&(other.size, other.depth, &other.terms))
    }
}

impl PartialOrd for Poly {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Lexicographic; a product comes before its own prefixes, so the empty one (the constant) is last. This is the usual
/// `lex` monomial order read from the largest down, which polynomial division relies on.
impl Ord for Mono {
    fn cmp(&self, other: &Self) -> Ordering {
        for (a, b) in self.0.iter().zip(&other.0) {
            match a.cmp(b) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
        other.0.len().cmp(&self.0.len())
    }
}

impl PartialOrd for Mono {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Mono {
    pub(super) fn is_one(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn times(&self, other: &Mono) -> Mono {
        let mut atoms: Vec<Atom> = self.0.iter().chain(&other.0).cloned().collect();
        atoms.sort();
        Mono(atoms)
    }

    /// `self / other`, if `other` divides it.
    pub(super) fn divided_by(&self, other: &Mono) -> Option<Mono> {
        if self.0.len() < other.0.len() {
            return None;
        }
        match other.0.as_slice() {
            [] => return Some(self.clone()),
            [first, ..] if self.0.binary_search(first).is_err() => return None,
            _ => {}
        }
        let mut rest = self.0.clone();
        for atom in &other.0 {
            rest.remove(rest.binary_search(atom).ok()?);
        }
        Some(Mono(rest))
    }

    /// The atoms that both contain.
    pub(super) fn common(&self, other: &Mono) -> Mono {
        let mut rest = other.0.clone();
        let shared = self.0.iter().filter(|a| match rest.binary_search(a) {
            Ok(i) => {
                rest.remove(i);
                true
            }
            Err(_) => false,
        });
        Mono(shared.cloned().collect())
    }
}

impl Sym {
    /// A constant.
    pub const fn int(value: i64) -> Self {
        Sym(Repr::Int(value))
    }

    /// A symbol.
    pub fn var(symbol: impl Into<Symbol>) -> Self {
        Self::atom(Atom::Var(symbol.into()))
    }

    /// The marker of a value that can't be represented (see the module's text).
    pub fn overflow() -> Self {
        let terms = vec![Term { mono: Mono(vec![Atom::Overflow]), coef: 1 }];
        Sym(Repr::Poly(Arc::new(Poly::new(1, 1, terms))))
    }

    /// True for the marker.
    pub fn is_overflow(&self) -> bool {
        matches!(self.terms(), [Term { mono: Mono(atoms), .. }] if atoms.as_slice() == [Atom::Overflow])
    }

    /// The value, if it is a constant.
    pub fn as_int(&self) -> Option<i64> {
        match self.0 {
            Repr::Int(value) => Some(value),
            Repr::Poly(_) => None,
        }
    }

    /// The symbol, if it is just one.
    pub fn as_symbol(&self) -> Option<&Symbol> {
        match self.as_atom() {
            Some(Atom::Var(symbol)) => Some(symbol),
            _ => None,
        }
    }

    /// Is it the constant 0?
    pub fn is_zero(&self) -> bool {
        self.as_int() == Some(0)
    }

    /// Is it the constant 1?
    pub fn is_one(&self) -> bool {
        self.as_int() == Some(1)
    }

    pub(super) fn atom(atom: Atom) -> Self {
        Self::from_terms(vec![Term { mono: Mono(vec![atom]), coef: 1 }])
    }

    pub(super) fn as_atom(&self) -> Option<&Atom> {
        match self.terms() {
            [Term { mono: Mono(atoms), coef: 1 }] if atoms.len() == 1 => atoms.first(),
            _ => None,
        }
    }

    /// The terms of a non-constant; empty for a constant.
    pub(super) fn terms(&self) -> &[Term] {
        match &self.0 {
            Repr::Int(_) => &[],
            Repr::Poly(poly) => &poly.terms,
        }
    }

    /// The terms, a constant being one of them; empty for 0.
    pub(super) fn all_terms(&self) -> Cow<'_, [Term]> {
        match &self.0 {
            Repr::Int(0) => Cow::Borrowed(&[]),
            Repr::Int(value) => Cow::Owned(vec![Term { mono: Mono::default(), coef: *value }]),
            Repr::Poly(poly) => Cow::Borrowed(&poly.terms),
        }
    }

    /// A bit for each symbol in it; several may share one.
    pub(super) fn names(&self) -> u64 {
        match &self.0 {
            Repr::Int(_) => 0,
            Repr::Poly(poly) => poly.names,
        }
    }

    /// The constant term.
    pub fn constant_term(&self) -> i64 {
        match &self.0 {
            Repr::Int(value) => *value,
            Repr::Poly(poly) => poly.terms.last().filter(|t| t.mono.is_one()).map_or(0, |t| t.coef),
        }
    }

    /// Nodes as a tree; what [`MAX_SIZE`] limits and what simplification tries to lessen.
    pub fn size(&self) -> u32 {
        match &self.0 {
            Repr::Int(_) => 1,
            Repr::Poly(poly) => poly.size,
        }
    }

    pub(super) fn depth(&self) -> u32 {
        match &self.0 {
            Repr::Int(_) => 0,
            Repr::Poly(poly) => poly.depth,
        }
    }

    /// From terms that are sorted, distinct and non-zero.
    pub(super) fn from_terms(terms: Vec<Term>) -> Self {
        match terms.as_slice() {
            [] => return Sym::int(0),
            [only] if only.mono.is_one() => return Sym::int(only.coef),
            _ => {}
        }
        let atoms = || terms.iter().flat_map(|t| &t.mono.0);
        if atoms().any(|a| *a == Atom::Overflow) {
            return Sym::overflow();
        }
        let size = atoms().fold(terms.len() as u32, |n, a| n.saturating_add(a.size()));
        let depth = atoms().map(Atom::depth).max().unwrap_or(0);
        if size > MAX_SIZE || depth > MAX_DEPTH {
            return Sym::overflow();
        }
        Sym(Repr::Poly(Arc::new(Poly::new(size, depth, terms))))
    }

    /// From terms in any order, with repetitions; sums are exact before they have to fit.
    pub(super) fn collect(mut terms: Vec<(Mono, i128)>) -> Self {
        terms.sort_by(|a, b| a.0.cmp(&b.0));
        let mut sums: Vec<(Mono, i128)> = Vec::with_capacity(terms.len());
        for (mono, coef) in terms {
            match sums.last_mut() {
                Some((last, sum)) if *last == mono => match sum.checked_add(coef) {
                    Some(s) => *sum = s,
                    None => return Sym::overflow(),
                },
                _ => sums.push((mono, coef)),
            }
        }
        let mut result = Vec::with_capacity(sums.len());
        for (mono, coef) in sums.into_iter().filter(|(_, c)| *c != 0) {
            match i64::try_from(coef) {
                Ok(coef) => result.push(Term { mono, coef }),
                Err(_) => return Sym::overflow(),
            }
        }
        Self::from_terms(result)
    }

    pub(super) fn plus(&self, other: &Sym) -> Sym {
        if let (Some(a), Some(b)) = (self.as_int(), other.as_int()) {
            return a.checked_add(b).map_or_else(Sym::overflow, Sym::int);
        }
        if self.is_zero() {
            return other.clone();
        }
        if other.is_zero() {
            return self.clone();
        }
        merge(&self.all_terms(), &other.all_terms()).map_or_else(Sym::overflow, Sym::from_terms)
    }

    /// `self * factor`.
    pub(super) fn scaled(&self, factor: i64) -> Sym {
        if factor == 1 || self.is_overflow() {
            return self.clone();
        }
        if factor == 0 {
            return Sym::int(0);
        }
        let scale = |t: &Term| Some(Term { mono: t.mono.clone(), coef: t.coef.checked_mul(factor)? });
        self.all_terms().iter().map(scale).collect::<Option<Vec<_>>>().map_or_else(Sym::overflow, Sym::from_terms)
    }

    pub(super) fn times(&self, other: &Sym) -> Sym {
        if self.is_overflow() || other.is_overflow() {
            return Sym::overflow();
        }
        match (self.as_int(), other.as_int()) {
            (Some(a), _) => return other.scaled(a),
            (_, Some(b)) => return self.scaled(b),
            _ => {}
        }
        let (a, b) = (self.terms(), other.terms());
        if a.len() * b.len() > MAX_SIZE as usize {
            return Sym::overflow();
        }
        let product = |x: &Term, y: &Term| (x.mono.times(&y.mono), i128::from(x.coef) * i128::from(y.coef));
        Sym::collect(a.iter().flat_map(|x| b.iter().map(move |y| product(x, y))).collect())
    }

    /// `self * coef * mono`.
    pub(super) fn times_term(&self, mono: &Mono, coef: i64) -> Sym {
        self.times(&Sym::from_terms(if coef == 0 { vec![] } else { vec![Term { mono: mono.clone(), coef }] }))
    }
}

/// The sum of two sorted lists; `None` on overflow.
fn merge(a: &[Term], b: &[Term]) -> Option<Vec<Term>> {
    let mut sum = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].mono.cmp(&b[j].mono) {
            Ordering::Less => {
                sum.push(a[i].clone());
                i += 1;
            }
            Ordering::Greater => {
                sum.push(b[j].clone());
                j += 1;
            }
            Ordering::Equal => {
                let coef = a[i].coef.checked_add(b[j].coef)?;
                if coef != 0 {
                    sum.push(Term { mono: a[i].mono.clone(), coef });
                }
                i += 1;
                j += 1;
            }
        }
    }
    sum.extend_from_slice(&a[i..]);
    sum.extend_from_slice(&b[j..]);
    Some(sum)
}
