//! The index maps that reshapes, splits, merges, transposes and tilings produce have to collapse.

use super::{ranges, sym};

/// Under these ranges, that text simplifies to this one.
fn check(known: &str, table: &[(&str, &str)]) {
    let known = ranges(known);
    for (text, simple) in table {
        assert_eq!(known.simplify(&sym(text)).to_string(), sym(simple).to_string(), "{text}");
    }
}

#[test]
fn flatten_then_unflatten_constant() {
    check(
        "i: 0..=5; j: 0..=7; k: 0..=8",
        &[
            ("floordiv(i*8 + j, 8)", "i"),
            ("mod(i*8 + j, 8)", "j"),
            ("floordiv((i*8 + j)*9 + k, 72)", "i"),
            ("mod(floordiv((i*8 + j)*9 + k, 9), 8)", "j"),
            ("mod((i*8 + j)*9 + k, 9)", "k"),
            ("mod((i*8 + j)*9 + k, 72)", "9*j + k"),
            ("floordiv(mod((i*8 + j)*9 + k, 72), 9)", "j"),
        ],
    );
}

#[test]
fn flatten_then_unflatten_symbolic() {
    check(
        "h: 1..=; w: 1..=; c: 1..=; i: 0..=c - 1; j: 0..=h - 1; k: 0..=w - 1",
        &[
            ("floordiv(j*w + k, w)", "j"),
            ("mod(j*w + k, w)", "k"),
            ("floordiv((i*h + j)*w + k, h*w)", "i"),
            ("mod(floordiv((i*h + j)*w + k, w), h)", "j"),
            ("floordiv(floordiv((i*h + j)*w + k, w), h)", "i"),
            ("mod((i*h + j)*w + k, w)", "k"),
            ("mod((i*h + j)*w + k, h*w)", "j*w + k"),
            ("floordiv(mod((i*h + j)*w + k, h*w), w)", "j"),
        ],
    );
}

#[test]
fn unflatten_then_flatten() {
    check(
        "h: 1..=; w: 1..=; k: 0..=",
        &[
            ("8*floordiv(k, 8) + mod(k, 8)", "k"),
            ("w*floordiv(k, w) + mod(k, w)", "k"),
            ("h*w*floordiv(k, h*w) + w*mod(floordiv(k, w), h) + mod(k, w)", "k"),
            ("w*mod(floordiv(k, w), h) + mod(k, w)", "mod(k, h*w)"),
            ("24*floordiv(k, 24) + 6*mod(floordiv(k, 6), 4) + mod(k, 6)", "k"),
            ("6*mod(floordiv(k, 6), 4) + mod(k, 6)", "mod(k, 24)"),
            ("5*(8*floordiv(k, 8) + mod(k, 8)) + 3", "5*k + 3"),
            ("floordiv(8*floordiv(k, 8) + mod(k, 8), w)", "floordiv(k, w)"),
        ],
    );
}

#[test]
fn regrouping_dimensions() {
    // [n, 64, h, w] -> [n, 8, 8, h*w] and back, attention heads; [h, w] -> [2h', 2w'] (pixel shuffle).
    check(
        "h: 1..=; w: 1..=; c: 0..=63; g: 0..=7; e: 0..=7; i: 0..=h - 1; j: 0..=w - 1; s: 0..=h*w - 1",
        &[
            ("floordiv(g*8 + e, 8)", "g"),
            ("8*floordiv(c, 8) + mod(c, 8)", "c"),
            ("floordiv(c, 64)", "0"),
            ("mod(c, 64)", "c"),
            ("w*floordiv(s, w) + mod(s, w)", "s"),
            ("mod(floordiv(s, w), h)", "floordiv(s, w)"),
            ("floordiv(s, h*w)", "0"),
            ("floordiv(c*h*w + i*w + j, h*w)", "c"),
            ("floordiv(c*h*w + i*w + j, 8*h*w)", "floordiv(c, 8)"),
            ("mod(c*h*w + i*w + j, 8*h*w)", "h*w*mod(c, 8) + i*w + j"),
            ("mod(floordiv(c*h*w + i*w + j, h*w), 8)", "mod(c, 8)"),
            ("floordiv(8*i + g, 16)", "floordiv(i, 2)"),
            ("mod(8*i + g, 16)", "8*mod(i, 2) + g"),
            ("mod(2*i + 1, 2)", "1"),
            ("floordiv(2*i + 1, 2)", "i"),
        ],
    );
}

#[test]
fn radix_is_a_sum() {
    // The extent of `j` is a sum (padding), so that products are expanded polynomials.
    check(
        "h: 1..=; w: 1..=; n: 1..=; i: 0..=h + 1; j: 0..=w + 1; b: 0..=n - 1",
        &[
            ("floordiv(i*(w + 2) + j, w + 2)", "i"),
            ("mod(i*(w + 2) + j, w + 2)", "j"),
            ("floordiv((b*(h + 2) + i)*(w + 2) + j, (h + 2)*(w + 2))", "b"),
            ("mod((b*(h + 2) + i)*(w + 2) + j, (h + 2)*(w + 2))", "i*(w + 2) + j"),
            ("mod(floordiv((b*(h + 2) + i)*(w + 2) + j, w + 2), h + 2)", "i"),
        ],
    );
}

/// What divides by an extent has a value only where that isn't 0.
#[test]
fn extents_that_may_be_zero() {
    check(
        "s: 0..=; h: 0..=; w: 0..=; k: 0..=128*s - 1",
        &[
            ("floordiv(mod(k, 32*s), 32)", "mod(floordiv(k, 32), s)"),
            ("32*s*floordiv(k, 32*s) + 32*floordiv(mod(k, 32*s), 32) + mod(k, 32)", "k"),
            ("floordiv(floordiv(k, h), w)", "floordiv(k, h*w)"),
            ("h*w*floordiv(k, h*w) + w*mod(floordiv(k, w), h) + mod(k, w)", "k"),
        ],
    );
}

#[test]
fn what_is_not_known_stays() {
    for text in [
        "w*mod(floordiv(k, w), h) + 2*mod(k, w)",
        "w*mod(floordiv(k, w), s) + mod(k, w)",
        "floordiv(mod(k, 8*s), 8)",
        "floordiv(floordiv(k, s), w)",
        "floordiv(i*s + j, s)",
        "min(k, s)",
        "floordiv(k, h*w)",
    ] {
        let known = ranges("h: 1..=; w: 1..=; i: 0..=; j: 0..=h; k: 0..=h*w");
        let canonical = sym(text);
        assert_eq!(known.simplify(&canonical), canonical, "{text}");
    }
}

#[test]
fn extents_of_one_vanish() {
    check(
        "i: 0..=0; j: 0..=w - 1; w: 1..=",
        &[("i*w + j", "j"), ("mod(i + j, w)", "j"), ("floordiv(3*w + i, 3)", "w"), ("max(i, j)", "j")],
    );
}

#[test]
fn comparable_things_need_no_min() {
    check(
        "h: 1..=; j: 0..=h - 1; t: 0..=floordiv(h, 8) - 1",
        &[
            ("min(j, h)", "j"),
            ("max(j - h, 0)", "0"),
            ("min(8, h - 8*t)", "8"),
            ("max(0, min(j, h - 1))", "j"),
            ("min(h, h*h, 3)", "min(3, h)"),
            ("floordiv(h - 1, h)", "0"),
            ("mod(h - 1, h)", "h - 1"),
            ("mod(j + h, h)", "j"),
            ("floordiv(-h, -1)", "h"),
            ("floordiv(floordiv(j, h), h)", "0"),
        ],
    );
}
