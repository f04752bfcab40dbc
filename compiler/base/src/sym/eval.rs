//! Evaluation: the meaning of a [`Sym`] as a number.

use super::div::{floor_i64, mod_i64};
use super::minmax::joint_value;
use super::{Atom, Repr, Sym, Symbol};
use std::fmt;

/// Why an expression has no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EvalError {
    /// A symbol without a value.
    Unbound(Symbol),
    /// The value, or one inside it, doesn't fit `i64`; or the expression is the `overflow` marker.
    Overflow,
    /// A `floordiv` or `mod` by zero.
    DivisionByZero,
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EvalError::Unbound(symbol) => write!(f, "'{symbol}' has no value"),
            EvalError::Overflow => f.write_str("the value doesn't fit 64 bits"),
            EvalError::DivisionByZero => f.write_str("division by zero"),
        }
    }
}

impl std::error::Error for EvalError {}

impl Sym {
    /// The value, given those of the symbols. Sums are exact before they have to fit `i64`, so the order of terms
    /// doesn't matter.
    pub fn eval(&self, value: &dyn Fn(&Symbol) -> Option<i64>) -> Result<i64, EvalError> {
        let terms = match &self.0 {
            Repr::Int(v) => return Ok(*v),
            Repr::Poly(poly) => &poly.terms,
        };
        let mut sum = 0_i128;
        for term in terms {
            let mut product = i128::from(term.coef);
            for atom in &term.mono.0 {
                product = product.checked_mul(i128::from(atom.eval(value)?)).ok_or(EvalError::Overflow)?;
            }
            sum = sum.checked_add(product).ok_or(EvalError::Overflow)?;
        }
        i64::try_from(sum).map_err(|_| EvalError::Overflow)
    }
}

impl Atom {
    fn eval(&self, value: &dyn Fn(&Symbol) -> Option<i64>) -> Result<i64, EvalError> {
        let fold = |members: &[Sym], better: fn(i64, i64) -> i64| {
            let mut best = members[0].eval(value)?;
            for member in &members[1..] {
                best = better(best, member.eval(value)?);
            }
            Ok(best)
        };
        match self {
            Atom::Var(symbol) => value(symbol).ok_or_else(|| EvalError::Unbound(symbol.clone())),
            Atom::Overflow => Err(EvalError::Overflow),
            Atom::Min(members) => fold(members, i64::min),
            Atom::Max(members) => fold(members, i64::max),
            Atom::Joint(members) => fold(members, joint_value),
            Atom::FloorDiv(a, b) => match (a.eval(value)?, b.eval(value)?) {
                (_, 0) => Err(EvalError::DivisionByZero),
                (a, b) => floor_i64(a, b).ok_or(EvalError::Overflow),
            },
            Atom::Mod(a, b) => match (a.eval(value)?, b.eval(value)?) {
                (_, 0) => Err(EvalError::DivisionByZero),
                (a, b) => Ok(mod_i64(a, b)),
            },
        }
    }
}
