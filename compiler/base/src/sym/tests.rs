//! First checks.
use super::*;

fn p(t: &str) -> Sym {
    Sym::parse(t).expect("test text")
}

#[test]
fn prints() {
    for (a, b) in [
        ("1+h*2+h*w", "h*w + 2*h + 1"),
        ("floordiv(h-3,2)+1", "floordiv(h + 1, 2) - 1"),
        ("min(a, b, a+1)", "min(a, b)"),
        ("mod(9*h, 8)", "mod(h, 8)"),
        ("ceildiv(h, 8)", "floordiv(h + 7, 8)"),
    ] {
        assert_eq!(p(a).to_string(), b);
        assert_eq!(p(b), p(a));
    }
}
