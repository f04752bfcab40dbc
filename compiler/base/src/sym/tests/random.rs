//! Random expressions with a second, naive meaning; random ranges and all assignments that satisfy them.

use super::super::{Range, Ranges, Sym, Symbol};
use proptest::prelude::*;

/// An expression as written, before any normalisation.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Int(i64),
    Var(usize),
    Op(Op, Box<Expr>, Box<Expr>),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    FloorDiv,
    CeilDiv,
    Mod,
    Min,
    Max,
    Joint,
}

pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];

pub(super) type Assignment = [i64; 3];

impl Expr {
    pub(super) fn sym(&self) -> Sym {
        match self {
            Expr::Int(v) => Sym::int(*v),
            Expr::Var(i) => Sym::var(NAMES[*i]),
            Expr::Op(op, a, b) => {
                let (a, b) = (&a.sym(), &b.sym());
                match op {
                    Op::Add => a + b,
                    Op::Sub => a - b,
                    Op::Mul => a * b,
                    Op::FloorDiv => a.floordiv(b),
                    Op::CeilDiv => a.ceildiv(b),
                    Op::Mod => a.modulo(b),
                    Op::Min => a.min(b),
                    Op::Max => a.max(b),
                    Op::Joint => a.joint(b),
                }
            }
        }
    }

    /// The value by the definition of each operation; `None` for a division by zero.
    pub(super) fn value(&self, at: &Assignment) -> Option<i128> {
        Some(match self {
            Expr::Int(v) => i128::from(*v),
            Expr::Var(i) => i128::from(at[*i]),
            Expr::Op(op, a, b) => {
                let (a, b) = (a.value(at)?, b.value(at)?);
                let floor = |a: i128, b: i128| {
                    let q = a.checked_div(b)?;
                    Some(if q * b != a && (a < 0) != (b < 0) { q - 1 } else { q })
                };
                match op {
                    Op::Add => a + b,
                    Op::Sub => a - b,
                    Op::Mul => a * b,
                    Op::FloorDiv => floor(a, b)?,
                    Op::CeilDiv => -floor(-a, b)?,
                    Op::Mod => a - b * floor(a, b)?,
                    Op::Min => a.min(b),
                    Op::Max => a.max(b),
                    Op::Joint if a < 1 || b < 1 => a.min(b),
                    Op::Joint => a.max(b),
                }
            }
        })
    }
}

/// Expressions up to three operations deep; constants are small and often factors of each other.
pub(super) fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        3 => (0..NAMES.len()).prop_map(Expr::Var),
        2 => prop::sample::select(vec![-8, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8]).prop_map(Expr::Int),
    ];
    let op = prop::sample::select(vec![
        Op::Add,
        Op::Add,
        Op::Sub,
        Op::Mul,
        Op::Mul,
        Op::FloorDiv,
        Op::FloorDiv,
        Op::CeilDiv,
        Op::Mod,
        Op::Mod,
        Op::Min,
        Op::Max,
        Op::Joint,
    ]);
    leaf.prop_recursive(4, 14, 2, move |inner| {
        (op.clone(), inner.clone(), inner).prop_map(|(op, a, b)| Expr::Op(op, Box::new(a), Box::new(b)))
    })
}

/// Ranges of `a` (constant), `b` (constant or by `a`) and `c` (constant or by `a` and `b`), some ends missing.
pub(super) fn ranges() -> impl Strategy<Value = Ranges> {
    let lo = || prop_oneof![1 => Just(None), 4 => (-2_i64..3).prop_map(Some)];
    let b_hi = prop::sample::select(vec!["a - 1", "a", "2*a + 1", "3", "floordiv(a, 2)", "7"]);
    let c_hi = prop::sample::select(vec!["b - 1", "a*b - 1", "a + b", "min(a, b)", "3*b - 1", "5"]);
    let keep = || prop::bool::weighted(0.85);
    (lo(), 0_i64..7, keep(), lo(), b_hi, keep(), lo(), c_hi, keep()).prop_map(
        |(a_lo, a_hi, a, b_lo, b_hi, b, c_lo, c_hi, c)| {
            let mut ranges = Ranges::new();
            ranges.insert("a", Range { lo: a_lo, hi: a.then(|| Sym::int(a_hi)), typical: None });
            ranges.insert("b", Range { lo: b_lo, hi: b.then(|| super::sym(b_hi)), typical: None });
            ranges.insert("c", Range { lo: c_lo, hi: c.then(|| super::sym(c_hi)), typical: None });
            ranges
        },
    )
}

pub(super) fn value_of(at: &Assignment) -> impl Fn(&Symbol) -> Option<i64> + '_ {
    |s| NAMES.iter().position(|n| *n == s.as_str()).map(|i| at[i])
}

/// All assignments with every value from -4 to 8.
pub(super) fn grid() -> impl Iterator<Item = Assignment> {
    (0..13_i64.pow(3)).map(|n| [n % 13 - 4, n / 13 % 13 - 4, n / 169 - 4])
}

/// Those of the grid that satisfy the ranges.
pub(super) fn satisfying(ranges: &Ranges) -> impl Iterator<Item = Assignment> + '_ {
    grid().filter(|at| {
        NAMES.iter().zip(at).all(|(name, value)| {
            let Some(Range { lo, hi, .. }) = ranges.get(&Symbol::new(name)) else { return true };
            let below = |hi: &Sym| hi.eval(&value_of(at)).is_ok_and(|hi| *value <= hi);
            lo.is_none_or(|lo| lo <= *value) && hi.as_ref().is_none_or(below)
        })
    })
}
