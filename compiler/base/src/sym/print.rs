//! The text of an expression: `3*h + 2*w - 1`, `floordiv(h + 1, 2)`, `min(a, b)`.
//!
//! Deterministic, and [`Sym::parse`] of it gives the same `Sym`. Symbols that aren't plain identifiers, or that would
//! read as a function or the marker, are in backticks.

use super::{Atom, Repr, Sym, Symbol, Term};
use crate::text::{is_identifier, quoted};
use std::fmt;

/// Words that a symbol can't be without backticks.
pub(super) const RESERVED: [&str; 7] = ["floordiv", "ceildiv", "mod", "min", "max", "joint", "overflow"];

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_identifier(&self.name) && !RESERVED.contains(&&*self.name) {
            f.write_str(&self.name)
        } else {
            f.write_str(&quoted(&self.name, '`'))
        }
    }
}

impl fmt::Display for Sym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let poly = match &self.0 {
            Repr::Int(value) => return write!(f, "{value}"),
            Repr::Poly(poly) => poly,
        };
        for (i, term) in poly.terms.iter().enumerate() {
            match (i, term.coef < 0) {
                (0, true) => f.write_str("-")?,
                (0, false) => {}
                (_, true) => f.write_str(" - ")?,
                (_, false) => f.write_str(" + ")?,
            }
            write_term(f, term)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Sym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A term without its sign.
fn write_term(f: &mut fmt::Formatter<'_>, term: &Term) -> fmt::Result {
    let magnitude = term.coef.unsigned_abs();
    if magnitude != 1 || term.mono.is_one() {
        write!(f, "{magnitude}")?;
        if !term.mono.is_one() {
            f.write_str("*")?;
        }
    }
    for (i, atom) in term.mono.0.iter().enumerate() {
        if i > 0 {
            f.write_str("*")?;
        }
        write!(f, "{atom}")?;
    }
    Ok(())
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Atom::Var(symbol) => return write!(f, "{symbol}"),
            Atom::Overflow => return f.write_str("overflow"),
            Atom::FloorDiv(..) => "floordiv",
            Atom::Mod(..) => "mod",
            Atom::Min(_) => "min",
            Atom::Max(_) => "max",
            Atom::Joint(_) => "joint",
        };
        write!(f, "{name}(")?;
        for (i, operand) in self.operands().iter().enumerate() {
            write!(f, "{}{operand}", if i > 0 { ", " } else { "" })?;
        }
        f.write_str(")")
    }
}
