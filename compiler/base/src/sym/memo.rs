//! What has been proved and simplified under the same ranges.
//!
//! The same questions are asked again and again: of an index formula for each axis, each schedule, each pass. An answer from
//! here is the one that the search would give, and costs as much of the budget, so nothing that comes out depends on what
//! was asked before, or by whom. Copies of ranges share their answers until one of them changes; ranges that add the same
//! symbols to the same others share theirs.

use super::hash::Mixed;
use super::{Range, Sym, Symbol};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// So many answers are kept; then they are forgotten.
const MOST: usize = 1 << 16;
/// So many answers of ranges that add something are kept.
const ABOVE: usize = 32;

/// Symbols that ranges add to others, with what is known of them.
pub(super) type Added = Vec<(Symbol, Range)>;

/// Answers, shared by copies.
#[derive(Clone, Default)]
pub(super) struct Memo(Arc<Mutex<Answers>>);

#[derive(Default)]
struct Answers {
    /// Is it at least 0? With what the proof costs.
    proofs: HashMap<Sym, (bool, u32), Mixed>,
    /// What a proof found that used a whole budget up.
    spent: HashMap<Sym, bool, Mixed>,
    /// The simpler expression, after so many rewrites at most. With the work that it took.
    simpler: HashMap<(Sym, u32), (Sym, u32), Mixed>,
    /// The simpler expression where all work was used up.
    exhausted: HashMap<Sym, Sym, Mixed>,
    /// Answers of ranges that add these symbols.
    above: HashMap<Added, Memo, Mixed>,
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

    /// What a proof found that used a whole budget up; only for who has a whole one.
    pub(super) fn spent(&self, d: &Sym) -> Option<bool> {
        self.with(|a| a.spent.get(d).copied())
    }

    /// Keeps what a search found that used a whole budget up.
    pub(super) fn keep_spent(&self, d: &Sym, proved: bool) {
        self.with(|a| {
            if a.spent.len() >= MOST {
                a.spent.clear();
            }
            a.spent.insert(d.clone(), proved);
        });
    }

    /// What a simplification ended with that used all work up.
    pub(super) fn exhausted(&self, s: &Sym) -> Option<Sym> {
        self.with(|a| a.exhausted.get(s).cloned())
    }

    /// Keeps what a simplification ended with that used all work up.
    pub(super) fn keep_exhausted(&self, s: &Sym, simpler: &Sym) {
        self.with(|a| {
            if a.exhausted.len() >= MOST {
                a.exhausted.clear();
            }
            a.exhausted.insert(s.clone(), simpler.clone());
        });
    }

    /// The simpler expression, if it was asked for, and the work that it took.
    pub(super) fn simpler(&self, s: &Sym, fuel: u32) -> Option<(Sym, u32)> {
        self.with(|a| a.simpler.get(&(s.clone(), fuel)).cloned())
    }

    /// Keeps a simpler expression.
    pub(super) fn keep_simpler(&self, s: &Sym, fuel: u32, simpler: &Sym, cost: u32) {
        self.with(|a| {
            if a.simpler.len() >= MOST {
                a.simpler.clear();
            }
            a.simpler.insert((s.clone(), fuel), (simpler.clone(), cost));
        });
    }

    /// The answers of ranges that add these symbols.
    pub(super) fn above(&self, added: Added) -> Memo {
        self.with(|a| {
            if a.above.len() >= ABOVE && !a.above.contains_key(&added) {
                a.above.clear();
            }
            a.above.entry(added).or_default().clone()
        })
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

    /// The thirds of a number, rounded so and so, are the number; no search finds that out.
    #[test]
    fn what_is_given_up_is_given_up_once() {
        let many: Vec<Sym> = (0..4).map(|k| Sym::var(format!("a{k}"))).collect();
        let fresh = || {
            let mut r = Ranges::new();
            (0..4).for_each(|k| r.set_index(format!("a{k}"), &Sym::var("n")));
            r
        };
        let thirds = |a: &Sym| (0..3).map(|k| (a + k).floordiv(&Sym::int(3))).sum::<Sym>() - a;
        let two = many.iter().map(thirds).sum::<Sym>() + 2;
        let warm = fresh();
        let found = warm.nonneg(&two);
        assert_eq!(warm.layer(&two).memo().spent(&two), Some(found), "it takes a whole budget");
        assert_eq!((warm.nonneg(&two), fresh().nonneg(&two)), (found, found));
        let greatest = Sym::max_of((1..13).map(|k| &two * k).collect());
        let first = warm.simplify(&greatest);
        assert_eq!(warm.layer(&greatest).memo().exhausted(&greatest).as_ref(), Some(&first), "it takes all work");
        assert_eq!((warm.simplify(&greatest), fresh().simplify(&greatest)), (first.clone(), first));
    }

    #[test]
    fn what_changes_is_asked_anew() {
        let (mut r, e) = (ranges(), Sym::var("h") - 4);
        assert_eq!(r.prove_le(&Sym::int(0), &e), None);
        let copy = r.clone();
        r.set("h", 4, None);
        assert_eq!((r.prove_le(&Sym::int(0), &e), copy.prove_le(&Sym::int(0), &e)), (Some(true), None));
    }
    #[test]
    fn symbols_that_are_added_leave_what_was_found() {
        let (h, w, j) = (Sym::var("h"), Sym::var("w"), Sym::var("j"));
        let question = (&h * 3 + 5).floordiv(&Sym::int(2)).modulo(&(&h * 2));
        let asked = ranges();
        asked.simplify(&question);
        let mut more = asked.clone();
        more.set("k", 0, Some(&w - 1 - &j));
        let here = |r: &Ranges, q: &Sym| std::ptr::eq(r.layer(q), r);
        assert!(!here(&more, &question) && here(&more, &(&question + Sym::var("k"))));
        assert_eq!(more.layer(&question).memo().simpler(&question, 16), asked.memo().simpler(&question, 16));
        assert_eq!(more.prove_le(&(j + Sym::var("k")), &(&w - 1)), Some(true));
        // Ranges that add the same find the same; those that add something else don't.
        let (mut same, mut other) = (asked.clone(), asked.clone());
        same.set("k", 0, Some(&w - 1 - Sym::var("j")));
        other.set("k", 0, Some(w.clone()));
        let sum = Sym::var("j") + Sym::var("k");
        more.simplify(&(&sum * 2));
        assert!(same.memo().simpler(&(&sum * 2), 16).is_some() && other.memo().simpler(&(&sum * 2), 16).is_none());
        // What was said in terms of a symbol before it was known is asked anew.
        let mut early = Ranges::new();
        early.set("i", 0, Some(Sym::var("n")));
        assert_eq!(early.prove_le(&Sym::var("i"), &Sym::int(9)), None);
        early.set("n", 0, Some(Sym::int(9)));
        assert_eq!(early.prove_le(&Sym::var("i"), &Sym::int(9)), Some(true));
        assert!(here(&early, &Sym::var("i")));
    }
}
