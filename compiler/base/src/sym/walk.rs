//! Looking into an expression: its symbols, substitution, linear parts, and the explicit tree for emitters.

use super::{Atom, Mono, Repr, Sym, Symbol, Term};
use std::collections::BTreeSet;

/// One level of an expression, for code that emits or interprets it. Every operand is again a [`Sym`], smaller than
/// the whole. Subtraction is addition of a product with a negative constant: `h - 2*w` is
/// `Add[h, Mul[Int(-2), w]]`; a negative factor is always the first operand of `Mul`, and only there or alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SymNode {
    /// A constant.
    Int(i64),
    /// A symbol.
    Var(Symbol),
    /// A sum of two or more.
    Add(Vec<Sym>),
    /// A product of two or more; only the first may be a constant.
    Mul(Vec<Sym>),
    /// Quotient rounded towards minus infinity.
    FloorDiv(Sym, Sym),
    /// Remainder with the sign of the divisor.
    Mod(Sym, Sym),
    /// The smaller one.
    Min(Sym, Sym),
    /// The larger one.
    Max(Sym, Sym),
    /// The smaller one if that is below 1, else the larger one: the extent that both broadcast to.
    Joint(Sym, Sym),
    /// No value: see [`Sym::is_overflow`].
    Overflow,
}

impl Sym {
    /// The outermost operation. Rebuilding it from its operands gives the same `Sym`.
    pub fn node(&self) -> SymNode {
        let poly = match &self.0 {
            Repr::Int(value) => return SymNode::Int(*value),
            Repr::Poly(poly) => poly,
        };
        let [term] = poly.terms.as_slice() else {
            return SymNode::Add(poly.terms.iter().map(|t| Sym::from_terms(vec![t.clone()])).collect());
        };
        if let Some(atom) = self.as_atom() {
            return atom.node();
        }
        let factor = (term.coef != 1).then(|| Sym::int(term.coef));
        SymNode::Mul(factor.into_iter().chain(term.mono.0.iter().cloned().map(Sym::atom)).collect())
    }

    /// All symbols in it.
    pub fn symbols(&self) -> BTreeSet<Symbol> {
        let mut found = BTreeSet::new();
        self.visit_symbols(&mut |s| {
            found.insert(s.clone());
            false
        });
        found
    }

    /// Does `symbol` occur?
    pub fn contains(&self, symbol: &Symbol) -> bool {
        self.names() & symbol.bit() != 0 && self.any_symbol(&|s| s == symbol)
    }

    /// Does `test` hold for any symbol in it?
    pub fn any_symbol(&self, test: &dyn Fn(&Symbol) -> bool) -> bool {
        self.visit_symbols(&mut |s| test(s))
    }

    /// Calls `visit` for each occurrence until it says true; says whether it did.
    fn visit_symbols(&self, visit: &mut dyn FnMut(&Symbol) -> bool) -> bool {
        self.terms().iter().flat_map(|t| &t.mono.0).any(|atom| match atom {
            Atom::Var(symbol) => visit(symbol),
            other => other.operands().into_iter().any(|o| o.visit_symbols(visit)),
        })
    }

    /// With each symbol replaced by what `with` gives for it, all at once; `None` leaves the symbol.
    pub fn subst(&self, with: &dyn Fn(&Symbol) -> Option<Sym>) -> Sym {
        if !self.any_symbol(&|s| with(s).is_some()) {
            return self.clone();
        }
        self.map_atoms(&mut |atom| match atom {
            Atom::Var(symbol) => with(symbol).unwrap_or_else(|| Sym::atom(atom.clone())),
            other => other.map(&mut |operand| operand.subst(with)),
        })
    }

    /// The sum of products over `f` of each atom.
    pub(super) fn map_atoms(&self, f: &mut dyn FnMut(&Atom) -> Sym) -> Sym {
        let atoms = self.terms().iter().flat_map(|t| &t.mono.0);
        let mapped: Vec<Sym> = atoms.clone().map(&mut *f).collect();
        if atoms.zip(&mapped).all(|(a, m)| m.as_atom() == Some(a)) {
            return self.clone();
        }
        let (mut sum, mut mapped) = (Vec::new(), mapped.iter());
        for term in &*self.all_terms() {
            let product = mapped.by_ref().take(term.mono.0.len()).fold(Sym::int(term.coef), |p, m| p * m);
            if product.is_overflow() {
                return product;
            }
            sum.extend(product.all_terms().iter().map(|t| (t.mono.clone(), i128::from(t.coef))));
        }
        Sym::collect(sum)
    }

    /// `(c, r)` with `self = c*v + r` and `v` in neither; `None` if `v` is inside a `floordiv`, `mod`, `min`,
    /// `max` or `joint`, or has a power above 1.
    pub fn split_linear(&self, v: &Symbol) -> Option<(Sym, Sym)> {
        let this = Atom::Var(v.clone());
        self.split_atom(&this).filter(|(c, r)| !c.contains(v) && !r.contains(v))
    }

    /// `(c, r)` with `self = c*atom + r`; `None` if the atom occurs twice in a product. Does not look inside atoms.
    pub(super) fn split_atom(&self, atom: &Atom) -> Option<(Sym, Sym)> {
        if self.is_overflow() {
            return None;
        }
        let (mut factor, mut rest) = (Vec::new(), Vec::new());
        let one = Mono(vec![atom.clone()]);
        for term in &*self.all_terms() {
            match term.mono.divided_by(&one) {
                Some(mono) if mono.0.contains(atom) => return None,
                Some(mono) => factor.push((mono, i128::from(term.coef))),
                None => rest.push(term.clone()),
            }
        }
        Some((Sym::collect(factor), Sym::from_terms(rest)))
    }

    /// `self` less its constant term.
    pub(super) fn without_constant(&self) -> Sym {
        let varying = |t: &&Term| !t.mono.is_one();
        Sym::from_terms(self.terms().iter().filter(varying).cloned().collect())
    }
}

impl Atom {
    fn node(&self) -> SymNode {
        // The first member, and the rest as one.
        let halves = |members: &[Sym], of: fn(Vec<Sym>) -> Sym| (members[0].clone(), of(members[1..].to_vec()));
        match self {
            Atom::Var(symbol) => SymNode::Var(symbol.clone()),
            Atom::FloorDiv(a, b) => SymNode::FloorDiv(a.clone(), b.clone()),
            Atom::Mod(a, b) => SymNode::Mod(a.clone(), b.clone()),
            Atom::Min(members) => {
                let (a, b) = halves(members, Sym::min_of);
                SymNode::Min(a, b)
            }
            Atom::Max(members) => {
                let (a, b) = halves(members, Sym::max_of);
                SymNode::Max(a, b)
            }
            Atom::Joint(members) => {
                let (a, b) = halves(members, Sym::joint_of);
                SymNode::Joint(a, b)
            }
            Atom::Overflow => SymNode::Overflow,
        }
    }
}
