//! `min` and `max` in canonical form: flat, sorted, no member that another one beats by a constant; and `joint`, which is one
//! of the two.

use super::{Atom, Sym};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

impl Sym {
    /// The smaller of the two. On owned values write `a.min(b)` (which takes both) or `Sym::min(&a, &b)`.
    pub fn min(&self, other: &Sym) -> Sym {
        Self::min_of(vec![self.clone(), other.clone()])
    }

    /// The larger of the two. On owned values write `a.max(b)` (which takes both) or `Sym::max(&a, &b)`.
    pub fn max(&self, other: &Sym) -> Sym {
        Self::max_of(vec![self.clone(), other.clone()])
    }

    /// The smallest; of nothing at all: `overflow`.
    pub fn min_of(members: Vec<Sym>) -> Sym {
        let flat = members.iter().flat_map(|m| match m.as_atom() {
            Some(Atom::Min(inner)) => inner.clone(),
            _ => vec![m.clone()],
        });
        combine(flat, i64::min, Atom::Min)
    }

    /// The largest; of nothing at all: `overflow`.
    pub fn max_of(members: Vec<Sym>) -> Sym {
        let flat = members.iter().flat_map(|m| match m.as_atom() {
            Some(Atom::Max(inner)) => inner.clone(),
            _ => vec![m.clone()],
        });
        combine(flat, i64::max, Atom::Max)
    }

    /// The extent that both broadcast to: the smaller one if that is below 1, else the larger one.
    pub fn joint(&self, other: &Sym) -> Sym {
        Self::joint_of(vec![self.clone(), other.clone()])
    }

    /// The extent that all broadcast to: the smallest if that is below 1, else the largest; of nothing at all: `overflow`.
    pub fn joint_of(members: Vec<Sym>) -> Sym {
        let flat = members.iter().flat_map(|m| match m.as_atom() {
            Some(Atom::Joint(inner)) => inner.clone(),
            _ => vec![m.clone()],
        });
        let mut kept = BTreeSet::new();
        let mut constant = 1;
        for member in flat {
            match member.as_int() {
                Some(c) => constant = joint_value(constant, c),
                None if member.is_overflow() => return member,
                None => drop(kept.insert(member)),
            }
        }
        // 1 changes nothing.
        if !members.is_empty() && (constant != 1 || kept.is_empty()) {
            kept.insert(Sym::int(constant));
        }
        let mut kept: Vec<Sym> = kept.into_iter().collect();
        match kept.len() {
            0 => Sym::overflow(),
            1 => kept.swap_remove(0),
            _ => Sym::atom(Atom::Joint(kept)),
        }
    }
}

/// Structural, for sorting. But `a.min(b)` by value would pick `Ord::min` over the method above, and silently order
/// spellings; so these two mean the symbolic ones as well.
impl Ord for Sym {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }

    fn min(self, other: Self) -> Self {
        Sym::min_of(vec![self, other])
    }

    fn max(self, other: Self) -> Self {
        Sym::max_of(vec![self, other])
    }
}

impl PartialOrd for Sym {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The extent that two broadcast to.
pub(super) fn joint_value(a: i64, b: i64) -> i64 {
    let (least, most) = if a < b { (a, b) } else { (b, a) };
    if least < 1 { least } else { most }
}

/// Keeps, of the members that differ by a constant only, the one with the better constant.
fn combine(members: impl Iterator<Item = Sym>, better: fn(i64, i64) -> i64, atom: fn(Vec<Sym>) -> Atom) -> Sym {
    let mut best: BTreeMap<Sym, i64> = BTreeMap::new();
    for member in members {
        if member.is_overflow() {
            return Sym::overflow();
        }
        let constant = member.constant_term();
        let varying = member.without_constant();
        best.entry(varying).and_modify(|c| *c = better(*c, constant)).or_insert(constant);
    }
    let mut kept: Vec<Sym> = best.into_iter().map(|(varying, constant)| varying + constant).collect();
    kept.sort();
    match kept.len() {
        0 => Sym::overflow(),
        1 => kept.swap_remove(0),
        _ => Sym::atom(atom(kept)),
    }
}
