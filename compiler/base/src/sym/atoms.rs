//! Facts about single atoms: size, nesting, and rebuilding one over changed operands.

use super::{Atom, Sym, Symbol};

impl Atom {
    /// The symbol, if it is one.
    pub(super) fn symbol(&self) -> Option<&Symbol> {
        match self {
            Atom::Var(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// The operands; none for a symbol.
    pub(super) fn operands(&self) -> Vec<&Sym> {
        match self {
            Atom::Var(_) | Atom::Overflow => Vec::new(),
            Atom::FloorDiv(a, b) | Atom::Mod(a, b) => vec![a, b],
            Atom::Min(members) | Atom::Max(members) | Atom::Joint(members) => members.iter().collect(),
        }
    }

    /// A bit for each symbol in it; several may share one.
    pub(super) fn names(&self) -> u64 {
        match self {
            Atom::Var(symbol) => symbol.bit(),
            other => other.operands().iter().fold(0, |all, s| all | s.names()),
        }
    }

    /// Nodes as a tree.
    pub(super) fn size(&self) -> u32 {
        self.operands().iter().fold(1, |n, s| n.saturating_add(s.size()))
    }

    /// Levels of atoms inside each other.
    pub(super) fn depth(&self) -> u32 {
        1 + self.operands().iter().map(|s| s.depth()).max().unwrap_or(0)
    }

    /// The same operation over `f` of each operand, canonicalised anew.
    pub(super) fn map(&self, f: &mut dyn FnMut(&Sym) -> Sym) -> Sym {
        match self {
            Atom::Var(_) => Sym::atom(self.clone()),
            Atom::Overflow => Sym::overflow(),
            Atom::FloorDiv(a, b) => f(a).floordiv(&f(b)),
            Atom::Mod(a, b) => f(a).modulo(&f(b)),
            Atom::Min(members) => Sym::min_of(members.iter().map(f).collect()),
            Atom::Max(members) => Sym::max_of(members.iter().map(f).collect()),
            Atom::Joint(members) => Sym::joint_of(members.iter().map(f).collect()),
        }
    }
}
