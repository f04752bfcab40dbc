//! Examples: canonical spelling, overflow, limits, errors, what must be provable.

use super::super::{EvalError, MAX_DEPTH, Sym, Symbol};
use super::{ranges, sym};

#[test]
fn canonical_spelling() {
    let table = [
        ("2*w + h*3 - 1", "3*h + 2*w - 1"),
        ("1 + h*2 + h*w", "h*w + 2*h + 1"),
        ("(h + 1)*(h - 1)", "h*h - 1"),
        ("-(h - w)", "-h + w"),
        ("floordiv(h - 3, 2) + 1", "floordiv(h + 1, 2) - 1"),
        ("ceildiv(h, 8)", "floordiv(h + 7, 8)"),
        ("ceildiv(h, w)", "-floordiv(-h, w)"),
        ("floordiv(6*h + 3, 4)", "h + floordiv(h + 1, 2)"),
        ("floordiv(2*h + 1, 4)", "floordiv(h, 2)"),
        ("floordiv(floordiv(h, 2) + 1, 3)", "floordiv(h + 2, 6)"),
        ("floordiv(h*w + j, w)", "h + floordiv(j, w)"),
        ("floordiv(i*(h + 1), h + 1)", "i"),
        ("floordiv(6*h*w, 4*w)", "h + floordiv(h, 2)"),
        ("floordiv(h, -2)", "-floordiv(h + 1, 2)"),
        ("floordiv(mod(k, 24), 6)", "mod(floordiv(k, 6), 4)"),
        ("mod(mod(k, 24), 6)", "mod(k, 6)"),
        ("mod(mod(k, 7), 6)", "mod(mod(k, 7), 6)"),
        ("mod(9*h + 11, 8)", "mod(h + 3, 8)"),
        ("mod(4*h + 6, 8)", "4*mod(h + 1, 2) + 2"),
        ("mod(h*w + j, w)", "mod(j, w)"),
        ("min(b, min(a, b + 1), 3, 5)", "min(3, a, b)"),
        ("max(a, max(7, a - 1))", "max(7, a)"),
        ("`j#3` + `a b` + `min`*`x/y`", "`a b` + j#3 + `min`*`x/y`"),
        ("-9223372036854775808", "-9223372036854775808"),
    ];
    for (text, canonical) in table {
        assert_eq!(sym(text).to_string(), canonical, "{text}");
        assert_eq!(sym(canonical), sym(text), "{text}");
    }
}

#[test]
fn operations_that_do_not_fit_give_the_marker() {
    let max = || Sym::int(i64::MAX);
    let h = || Sym::var("h");
    let overflowing = [
        max() + 1,
        max() * 2,
        h() * i64::MAX * 2,
        -Sym::int(i64::MIN),
        Sym::int(i64::MIN).floordiv(&Sym::int(-1)),
        (h() + i64::MAX) + (h() + 1),
        (h() + (max() + 1)) * Sym::int(0),
    ];
    for s in overflowing {
        assert!(s.is_overflow(), "{s}");
        assert!((&s - &s).is_overflow() && Sym::min(&s, &h()).is_overflow() && h().modulo(&s).is_overflow());
        assert_eq!(s.eval(&|_| Some(1)), Err(EvalError::Overflow));
        let r = ranges("h: 0..=1");
        assert_eq!((r.prove_eq(&s, &s), r.prove_le(&s, &s), r.bounds(&s)), (None, None, (None, None)));
        assert_eq!(r.upper_bound(&s, &|_| true), None);
        assert_eq!(Sym::parse("overflow"), Ok(s));
    }
}

#[test]
fn extreme_constants_neither_panic_nor_wrap() {
    let ends = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let h = Sym::var("h");
    let r = ranges("h: 0..=4");
    for a in ends {
        for b in ends {
            let (x, y) = (&h * a + b, &h * b + a);
            for s in [
                &x + &y,
                &x - &y,
                &x * &y,
                x.floordiv(&y),
                x.modulo(&y),
                x.floordiv(&Sym::int(b)),
                x.modulo(&Sym::int(b)),
                Sym::min(&x, &y),
            ] {
                let simple = r.simplify(&s);
                let _ = (r.bounds(&s), r.prove_le(&x, &s), r.upper_bound(&s, &|_| true));
                if let (Ok(v), Ok(w)) = (s.eval(&|_| Some(3)), simple.eval(&|_| Some(3))) {
                    assert_eq!(v, w, "{s} as {simple}");
                }
            }
        }
    }
}

#[test]
fn evaluation_says_why_there_is_no_value() {
    let eval = |text: &str| sym(text).eval(&|s| (s.as_str() == "h").then_some(i64::MAX));
    assert_eq!(eval("h + 1"), Err(EvalError::Overflow));
    assert_eq!(eval("2*h - h*1"), Ok(i64::MAX));
    assert_eq!(eval("h*h*h"), Err(EvalError::Overflow));
    assert_eq!(eval("w"), Err(EvalError::Unbound(Symbol::new("w"))));
    assert_eq!(eval("floordiv(5, 0)"), Err(EvalError::DivisionByZero));
    assert_eq!(eval("mod(5, h - h*1)"), Err(EvalError::DivisionByZero));
}

#[test]
fn expressions_are_bounded_in_size_and_depth() {
    let h = Sym::var("h");
    let mut doubling = h.clone();
    let mut nested = h.clone();
    let mut product = Sym::int(1);
    for i in 0..2 * MAX_DEPTH {
        doubling = doubling.floordiv(&(&h + 2)) + doubling.modulo(&(&h + 3));
        nested = nested.min(Sym::var("w")) * 2 + 1;
        product *= Sym::var(format!("x{i}")) + 1;
    }
    assert!(doubling.is_overflow() && nested.is_overflow() && product.is_overflow());
    assert!(Sym::parse(&"(".repeat(100_000)).is_err());
    assert_eq!(Sym::parse(&format!("{}h", "-".repeat(100_000))), Ok(h));
}

#[test]
fn searches_are_bounded() {
    // Many variables and operations, a bound missing in one of them: every order of replacements fails.
    let known: String = (0..24).map(|i| format!("x{i}: 0..=n{i} - 1;")).collect();
    let hopeless: String = (0..24).map(|i| format!("x{i}*z + floordiv(x{i}*u, 3) - mod(x{i}, n{i}) + ")).collect();
    let (r, e) = (ranges(&known), sym(&format!("{hopeless}z")));
    assert_eq!(r.upper_bound(&e, &|s| s.as_str().starts_with('x')), None);
    assert_eq!(r.prove_le(&e, &sym("u")), None);
    assert_eq!(r.simplify(&e), e);
    // Bounds that need each other.
    let r = ranges("a: 0..=b; b: 0..=c - 1; c: 0..=a + 1");
    assert_eq!(r.bounds(&sym("a + b + c")), (Some(0), None));
    assert_eq!(r.prove_le(&sym("a"), &sym("5")), None);
    assert_eq!(r.upper_bound(&sym("a"), &|_| true), None);
}

#[test]
fn wrong_text_is_refused_with_the_place() {
    let refused = [
        ("", "expected a number, a symbol, a function or '(', found the end"),
        ("h +", "expected a number, a symbol, a function or '(', found the end"),
        ("h w", "expected the end, found 'w'"),
        ("min(h)", "'min' doesn't take 1 operands"),
        ("floordiv h", "expected '(', found 'h'"),
        ("9223372036854775808", "the number doesn't fit 64 bits"),
        ("h / 2", "expected the end, found '/'"),
        ("`h", "the quote isn't closed"),
    ];
    for (text, message) in refused {
        let error = Sym::parse(text).expect_err(text);
        assert_eq!(error.lines().next(), Some(message), "{text}");
    }
    assert_eq!(
        Sym::parse("3*h + +"),
        Err("expected a number, a symbol, a function or '(', found '+'\n  | 3*h + +\n  |       ^".into())
    );
}

#[test]
fn min_and_max_by_value_are_the_symbolic_ones() {
    let (h, w) = (Sym::var("h"), Sym::var("w"));
    assert_eq!(h.clone().min(w.clone()), sym("min(h, w)"));
    assert_eq!(Ord::max(h.clone(), w.clone()), Sym::max(&h, &w));
}

#[test]
fn provable() {
    let table = [
        ("h: 0..=; j: 0..=h - 1", "j", "<", "h", Some(true)),
        ("h: 0..=; j: 0..=h - 1", "h", "<=", "j", Some(false)),
        ("h: 0..=; w: 0..=; i: 0..=h - 1; j: 0..=w - 1", "i*w + j", "<", "h*w", Some(true)),
        ("w: 1..=; h: 0..=", "h", "<=", "h*w", Some(true)),
        ("h: ..=", "h", "<=", "h*h", None),
        ("h: ..=", "2*floordiv(h, 2)", "<=", "h", Some(true)),
        ("h: 0..=", "floordiv(h + 1, 2)", "<=", "h", Some(true)),
        ("h: 0..=; i: 0..=floordiv(h + 1, 2) - 1", "2*i", "<", "h + 1", Some(true)),
        ("", "min(h, w)", "<=", "h", Some(true)),
        ("", "min(h, w)", "<=", "max(h, k)", Some(true)),
        ("", "max(h, w) + 1", "<=", "w", Some(false)),
        ("", "2*h", "=", "2*w + 1", Some(false)),
        ("h: 0..=", "h", "=", "-1", Some(false)),
        ("h: 4..=4", "h", "=", "4", Some(true)),
        ("", "h", "=", "w", None),
        ("w: 1..=", "w*floordiv(k, w) + mod(k, w)", "=", "k", Some(true)),
        ("h: 1..=; i: 0..=h - 3; r: 0..=2", "i + r", "<", "h", Some(true)),
        ("h: 1..=; i: 0..=h - 1; r: 0..=2", "i + r", "<", "h", None),
        ("w: 1..=; k: 0..=", "mod(k, w)", "<", "w", Some(true)),
        ("h: 1..=; w: 1..=; k: 0..=h*w - 1", "floordiv(k, w)", "<", "h", Some(true)),
        ("t: 0..=floordiv(h + 7, 8) - 1; h: 1..=; j: 0..=min(8, h - 8*t) - 1", "8*t + j", "<", "h", Some(true)),
    ];
    for (known, a, relation, b, expected) in table {
        let (r, a, b) = (ranges(known), sym(a), sym(b));
        let found = match relation {
            "<" => r.prove_lt(&a, &b),
            "<=" => r.prove_le(&a, &b),
            _ => r.prove_eq(&a, &b),
        };
        assert_eq!(found, expected, "{a} {relation} {b} given {known}");
    }
}

#[test]
fn upper_bounds_without_symbols() {
    let table = [
        ("h: 0..=; i: 0..=h - 1; j: 0..=w - 1; w: 0..=", "i*w + j", "ij", Some("h*w - 1")),
        ("h: 0..=512; w: 1..=64", "h*w*4 + 3", "hw", Some("131075")),
        ("h: 0..=n; n: 0..=", "floordiv(h + 1, 2)", "h", Some("floordiv(n + 1, 2)")),
        ("h: 0..=", "min(h, 300)", "h", Some("300")),
        ("i: 0..=h - 1; h: 0..=", "max(h - i, 3)", "i", Some("max(3, h)")),
        ("h: 0..=", "h", "h", None),
        ("k: 0..=n; n: 0..=", "mod(k, 8)", "k", Some("min(7, n)")),
        ("k: 0..=n; n: 0..=; c: 1..=", "k*c", "k", Some("c*n")),
        // Quotients that vary together.
        (
            "s: 0..=",
            "60*floordiv(4*b + min(6556, s) + 11, 12) - 60*floordiv(b, 3)",
            "b",
            Some("60*floordiv(min(6556, s) + 19, 12)"),
        ),
        ("n: 1..=; k: 0..=", "n*floordiv(b + k, n) - n*floordiv(b, n)", "b", Some("n*floordiv(n + k - 1, n)")),
        ("b: 0..=9", "floordiv(5*b + 7, 12) - floordiv(b, 3)", "b", Some("2")),
        ("", "floordiv(b, 3) - floordiv(b, 4)", "b", None),
    ];
    for (known, e, gone, expected) in table {
        let bound = ranges(known).upper_bound(&sym(e), &|s| gone.contains(s.as_str()));
        assert_eq!(bound, expected.map(sym), "{e} given {known}");
    }
}
