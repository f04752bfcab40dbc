//! Symbolic integers: the language of shapes, sizes, loop bounds and addresses.
//!
//! A [`Sym`] is a polynomial with `i64` coefficients over *atoms*: a named [`Symbol`], `floordiv`, `mod`, `min`, `max`,
//! `joint`.
//! It is always in canonical form, so `Eq`, `Hash` and `Ord` are structural and cheap, and mean "spelled the same after
//! normalisation". Whether two different spellings are equal *given what is known of the symbols* is another question,
//! which [`Ranges`] answers (`prove_eq`, `prove_le`, `simplify`, `bounds`, `upper_bound`) and which never leaks into `Eq`.
//!
//! ```
//! use onnxc_base::{Ranges, Sym};
//!
//! let (h, w) = (Sym::var("h"), Sym::var("w"));
//! let (i, j) = (Sym::var("i"), Sym::var("j"));
//! let flat = &i * &w + &j;
//! assert_eq!(((&h + 2 - 3).floordiv(&Sym::int(2)) + 1).to_string(), "floordiv(h + 1, 2)");
//!
//! let mut ranges = Ranges::new();
//! ranges.set("h", 1, None);
//! ranges.set("w", 1, Some(Sym::int(1024)));
//! ranges.set_index("i", &h); // 0 <= i < h
//! ranges.set_index("j", &w);
//! assert_eq!(ranges.simplify(&flat.modulo(&w)), j);
//! assert_eq!(ranges.prove_lt(&flat, &(&h * &w)), Some(true));
//! assert_eq!(ranges.bounds(&(&j * 4)), (Some(0), Some(4092)));
//! let without_loops = ranges.upper_bound(&flat, &|s| *s == "i".into() || *s == "j".into());
//! assert_eq!(without_loops, Some(h * w - 1));
//! ```
//!
//! # Meaning
//! - Mathematical integers; `floordiv` rounds towards minus infinity and `mod(a, b) = a - b*floordiv(a, b)` has the
//!   sign of `b`.
//! - `joint` is the extent that several broadcast to: their `min` if that is below 1, their `max` otherwise. Of extents that
//!   are each 1 or some `n` it is `n`, also for `n = 0`. It is one of its operands, doesn't care for their order, and rises
//!   with each of them; `joint(1, a)` is `a`.
//! - Canonicalisation never changes a value. It may make an expression defined where the original was not
//!   (`floordiv(h, h)` is `1`, also for `h = 0`).
//! - **Overflow** of a coefficient, or an expression beyond [`MAX_SIZE`] nodes or [`MAX_DEPTH`] levels, gives the sticky
//!   marker `overflow` ([`Sym::is_overflow`]): every operation on it is `overflow` again, nothing is ever proved about
//!   it, and evaluating it is [`EvalError::Overflow`]. Nothing here panics or wraps, whatever a model contains.
//!
//! # Canonical form
//! - A sum of terms, each a non-zero coefficient times a sorted product of atoms; products of sums are expanded. Terms
//!   are in lexicographic order of their atoms, the constant last.
//! - By a constant divisor `c`: `c > 1`, every coefficient of the numerator is below `c` in magnitude, its constant
//!   is in `0..c`, its first coefficient is positive, and it shares no factor with `c`. So
//!   `floordiv(h - 3, 2) + 1` and `floordiv(h - 1, 2)` are the same `Sym`.
//! - By a symbolic divisor: common factors are cancelled, multiples of the divisor taken out.
//! - `min`/`max` are flattened, sorted, without members that differ by a constant only; `joint` is flattened and sorted, each
//!   member once.
//!
//! # Not here
//! No equations between symbols (only ranges), no integer programming: "can't say" is an answer.

mod atoms;
mod bounds;
mod div;
mod eval;
mod hash;
mod memo;
mod minmax;
mod ops;
mod parse;
mod poly;
mod print;
mod prove;
mod quotients;
mod ranges;
mod simplify;
#[cfg(test)]
mod tests;
mod upper;
mod walk;
mod witness;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use eval::EvalError;
pub(crate) use parse::parse_sym;
pub use ranges::{Range, Ranges};
pub use walk::SymNode;

/// The most nodes (as a tree) that an expression may have; a larger one becomes the `overflow` marker.
pub const MAX_SIZE: u32 = 4096;
/// The deepest nesting of `floordiv`/`mod`/`min`/`max`/`joint` that an expression may have.
pub const MAX_DEPTH: u32 = 64;

/// The name of an unknown: a dimension (`h`), a loop or index variable (`i`, `j#3`). Ordered by name.
#[derive(Clone)]
pub struct Symbol {
    name: Arc<str>,
    /// The name's [`fnv`].
    hash: u64,
}

impl Symbol {
    /// The symbol of that name; equal names are the same symbol. Any text is allowed (printed in backticks if need be).
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), hash: fnv(name) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// One of 64 bits, which few other symbols have.
    fn bit(&self) -> u64 {
        1 << (self.hash >> 32 & 63)
    }
}

impl PartialEq for Symbol {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.name, &other.name) || self.name == other.name)
    }
}

impl Eq for Symbol {}

impl Ord for Symbol {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.name, &other.name) { Ordering::Equal } else { self.name.cmp(&other.name) }
    }
}

impl PartialOrd for Symbol {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Symbol {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Fowler, Noll and Vo's hash, FNV-1a, so that it is the same in each run.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&str> for Symbol {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Symbol {
    fn from(name: String) -> Self {
        Self::new(&name)
    }
}

impl From<&Symbol> for Symbol {
    fn from(symbol: &Symbol) -> Self {
        symbol.clone()
    }
}

/// A symbolic integer in canonical form (see the module's text). Cloning is a reference count.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sym(Repr);

/// `Int` exactly when the value is a constant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Int(i64),
    Poly(Arc<Poly>),
}

/// A non-constant sum. All else follows from `terms`: `size` and `depth` are kept to bound what hostile models can build,
/// `hash` and `names` so that questions about long expressions needn't walk them.
#[derive(PartialEq, Eq)]
struct Poly {
    /// Of everything in it; the first field, so that what differs is seen at once.
    hash: u64,
    /// A bit for each symbol in it (`Symbol::bit`); several may share one.
    names: u64,
    size: u32,
    depth: u32,
    terms: Vec<Term>,
}

/// `coef * mono`, with `coef != 0`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Term {
    mono: Mono,
    coef: i64,
}

/// A sorted product of atoms, powers spelled out (`h*h`); empty for the constant term.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Mono(Vec<Atom>);

/// What a polynomial treats as a variable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Atom {
    Var(Symbol),
    FloorDiv(Sym, Sym),
    Mod(Sym, Sym),
    /// At least two members, sorted, none of them a `Min` itself.
    Min(Vec<Sym>),
    /// At least two members, sorted, none of them a `Max` itself.
    Max(Vec<Sym>),
    /// At least two members, sorted, none of them a `Joint` itself.
    Joint(Vec<Sym>),
    /// The marker; only ever alone, with coefficient 1.
    Overflow,
}
