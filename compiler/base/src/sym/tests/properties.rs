//! What must hold for every expression, checked on random ones for all small values of their symbols.

use super::super::{EvalError, Sym, SymNode, Symbol};
use super::random::{Assignment, expr, grid, ranges, satisfying, value_of};
use proptest::prelude::*;

fn at(e: &Sym, assignment: &Assignment) -> Result<i64, EvalError> {
    e.eval(&value_of(assignment))
}

/// Built anew from the explicit tree.
fn rebuilt(e: &Sym) -> Sym {
    match e.node() {
        SymNode::Int(v) => Sym::int(v),
        SymNode::Var(s) => Sym::var(s),
        SymNode::Add(terms) => terms.iter().map(rebuilt).sum(),
        SymNode::Mul(factors) => factors.iter().map(rebuilt).product(),
        SymNode::FloorDiv(a, b) => rebuilt(&a).floordiv(&rebuilt(&b)),
        SymNode::Mod(a, b) => rebuilt(&a).modulo(&rebuilt(&b)),
        SymNode::Min(a, b) => rebuilt(&a).min(rebuilt(&b)),
        SymNode::Max(a, b) => rebuilt(&a).max(rebuilt(&b)),
        SymNode::Joint(a, b) => rebuilt(&a).joint(&rebuilt(&b)),
        SymNode::Overflow => Sym::overflow(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn canonical_form_keeps_the_value(e in expr()) {
        let s = e.sym();
        for a in grid().step_by(7) {
            if let Some(value) = e.value(&a) {
                prop_assert_eq!(at(&s, &a).map(i128::from), Ok(value), "{:?} as {} at {:?}", e, s, a);
            }
        }
    }

    #[test]
    fn canonical_form_is_a_fixed_point(e in expr()) {
        let s = e.sym();
        prop_assert_eq!(&rebuilt(&s), &s);
        prop_assert_eq!(&Sym::parse(&s.to_string()), &Ok(s.clone()));
        prop_assert!((&s - &s).is_zero());
    }

    #[test]
    fn substitution_is_evaluation_in_two_steps(e in expr(), with in expr()) {
        let (s, with) = (e.sym(), with.sym());
        let replaced = s.subst(&|v| (v.as_str() == "b").then(|| with.clone()));
        for a in grid().step_by(11) {
            let Ok(b) = at(&with, &a) else { continue };
            if let Ok(value) = at(&s, &[a[0], b, a[2]]) {
                prop_assert_eq!(at(&replaced, &a), Ok(value), "{} with b = {} is {} at {:?}", s, with, replaced, a);
            }
        }
    }

    #[test]
    fn linear_parts_add_up(e in expr()) {
        let (s, v) = (e.sym(), Symbol::new("a"));
        if let Some((c, r)) = s.split_linear(&v) {
            prop_assert!(!c.contains(&v) && !r.contains(&v));
            prop_assert_eq!(c * Sym::var(&v) + r, s);
        } else {
            prop_assert!(s.contains(&v));
        }
    }

    #[test]
    fn simplification_keeps_the_value(e in expr(), known in ranges()) {
        let s = e.sym();
        let simple = known.simplify(&s);
        for a in satisfying(&known) {
            if let Some(value) = e.value(&a) {
                prop_assert_eq!(at(&simple, &a).map(i128::from), Ok(value), "{} as {} at {:?}", s, simple, a);
            }
        }
    }

    #[test]
    fn bounds_hold(e in expr(), known in ranges()) {
        let s = e.sym();
        let (lo, hi) = known.bounds(&s);
        for a in satisfying(&known) {
            if let Ok(value) = at(&s, &a) {
                prop_assert!(lo.is_none_or(|lo| lo <= value), "{} >= {:?} at {:?}", s, lo, a);
                prop_assert!(hi.is_none_or(|hi| value <= hi), "{} <= {:?} at {:?}", s, hi, a);
            }
        }
    }

    #[test]
    fn what_is_proved_is_true(left in expr(), right in expr(), known in ranges()) {
        let (l, r) = (left.sym(), right.sym());
        let (eq, le, lt) = (known.prove_eq(&l, &r), known.prove_le(&l, &r), known.prove_lt(&l, &r));
        for a in satisfying(&known) {
            if let (Some(x), Some(y)) = (left.value(&a), right.value(&a)) {
                prop_assert!(eq.is_none_or(|p| p == (x == y)), "{} == {}: {:?} at {:?}", l, r, eq, a);
                prop_assert!(le.is_none_or(|p| p == (x <= y)), "{} <= {}: {:?} at {:?}", l, r, le, a);
                prop_assert!(lt.is_none_or(|p| p == (x < y)), "{} < {}: {:?} at {:?}", l, r, lt, a);
            }
        }
    }

    #[test]
    fn symbolic_bounds_hold(e in expr(), known in ranges(), last in prop::bool::ANY) {
        let s = e.sym();
        let gone = |v: &Symbol| v.as_str() == "c" || (last && v.as_str() == "b");
        let (lo, hi) = (known.lower_bound(&s, &gone), known.upper_bound(&s, &gone));
        for bound in [&lo, &hi].into_iter().flatten() {
            prop_assert!(!bound.any_symbol(&gone), "{} of {}", bound, s);
        }
        for a in satisfying(&known) {
            let Ok(value) = at(&s, &a) else { continue };
            let below = lo.as_ref().is_none_or(|lo| at(lo, &a).is_ok_and(|lo| lo <= value));
            let above = hi.as_ref().is_none_or(|hi| at(hi, &a).is_ok_and(|hi| value <= hi));
            prop_assert!(below && above, "{:?} <= {} <= {:?} at {:?}", lo, s, hi, a);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-a-c0-9+*(),#. `\\\\%]{0,24}|(min|max|joint|mod|floordiv|ceildiv)?\\(?[a-c0-9, ()*-]{0,16}") {
        if let Ok(s) = Sym::parse(&text) {
            prop_assert_eq!(Sym::parse(&s.to_string()), Ok(s));
        }
    }

    #[test]
    fn any_name_is_a_symbol(name in "\\PC{0,8}|[a-z0-9_.#/\\n`\\\\]{1,6}|min|mod|overflow|inf") {
        let s = Sym::var(name.as_str()) * 3 - 1;
        prop_assert_eq!(Sym::parse(&s.to_string()), Ok(s));
    }
}
