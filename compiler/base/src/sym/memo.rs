//! What has been proved and simplified under the same ranges.
//!
//! The same questions are asked again and again: of an index formula for each axis, each schedule, each pass. An answer from
//! here is the one that the search would give, and costs as much of the budget, so nothing that comes out depends on what
//! was asked before, or by whom. Copies of ranges share their answers until one of them changes.

use super::Sym;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// So many answers are kept; then they are forgotten.
const MOST: usize = 1 << 16;

/// Answers, shared by copies.
#[derive(Clone, Default)]
pub(super) struct Memo(Arc<Mutex<Answers>>);

#[derive(Default)]
struct Answers {
    /// Is it at least 0? With what the proof costs.
    proofs: HashMap<Sym, (bool, u32)>,
    /// The simpler expression.
    simpler: HashMap<Sym, Sym>,
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}

impl Memo {
    /// What was found of `d`, if the budget allows for the search, and what is left of it then.
    pub(super) fn proof(&self, d: &Sym, budget: u32) -> Option<(bool, u32)> {
        let (proved, cost) = self.with(|a| a.proofs.get(d).copied())?;
        Some((proved, budget.checked_sub(cost).filter(|&left| left > 0)?))
    }

    /// Keeps what a search found that didn't use its budget up.
    pub(super) fn keep_proof(&self, d: &Sym, proved: bool, cost: u32) {
        self.with(|a| {
            if a.proofs.len() >= MOST {
                a.proofs.clear();
            }
            a.proofs.insert(d.clone(), (proved, cost));
        });
    }

    /// The simpler expression, if it was asked for.
    pub(super) fn simpler(&self, s: &Sym) -> Option<Sym> {
        self.with(|a| a.simpler.get(s).cloned())
    }

    /// Keeps a simpler expression.
    pub(super) fn keep_simpler(&self, s: &Sym, simpler: &Sym) {
        self.with(|a| {
            if a.simpler.len() >= MOST {
                a.simpler.clear();
            }
            a.simpler.insert(s.clone(), simpler.clone());
        });
    }

    fn with<T>(&self, f: impl FnOnce(&mut Answers) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Ranges, Sym};

    fn ranges() -> Ranges {
        let mut r = Ranges::new();
        let (h, w) = (Sym::var("h"), Sym::var("w"));
        r.set("h", 1, None);
        r.set("w", 1, Some(Sym::int(1024)));
        r.set_index("i", &h);
        r.set_index("j", &w);
        r
    }

    #[test]
    fn answers_do_not_depend_on_what_was_asked_before() {
        let (h, w, i, j) = (Sym::var("h"), Sym::var("w"), Sym::var("i"), Sym::var("j"));
        let flat = &i * &w + &j;
        let questions = [
            flat.modulo(&w),
            flat.floordiv(&w),
            &h * &w - 1 - &flat,
            &h * 3 - 5,
            Sym::min(&i, &(&h - 1)) + Sym::max(&j, &w),
            (&flat + &w * 7).modulo(&(&w * 2)),
        ];
        let warm = ranges();
        for _ in 0..2 {
            for q in &questions {
                assert_eq!(warm.simplify(q), ranges().simplify(q), "{q}");
                assert_eq!(warm.prove_le(&Sym::int(0), q), ranges().prove_le(&Sym::int(0), q), "{q}");
                assert_eq!(warm.prove_eq(&h, q), ranges().prove_eq(&h, q), "{q}");
            }
        }
    }

    #[test]
    fn what_changes_is_asked_anew() {
        let (mut r, e) = (ranges(), Sym::var("h") - 4);
        assert_eq!(r.prove_le(&Sym::int(0), &e), None);
        let copy = r.clone();
        r.set("h", 4, None);
        assert_eq!((r.prove_le(&Sym::int(0), &e), copy.prove_le(&Sym::int(0), &e)), (Some(true), None));
    }
}
