//! Loads that are provably out of range at some point.

use super::{Checker, Scope};
use crate::kernel::Expr;
use onnxc_base::Sym;

/// Why indices are out of range, one reason per dim; nothing where that can't be proved.
pub(super) fn outside(c: &Checker, scope: &Scope, index: &[Expr], shape: &[Sym]) -> Vec<String> {
    // Where there is no point, there is no load.
    let runs = |c: &Checker| scope.axes.iter().all(|a| c.ranges.prove_le(&Sym::int(1), &a.extent) == Some(true));
    let mut found = Vec::new();
    for (i, extent) in index.iter().zip(shape) {
        let Some(i) = i.as_sym() else { continue };
        let (Some(least), Some(most)) = (corner(scope, i, false), corner(scope, i, true)) else { continue };
        if c.ranges.prove_le(extent, &most) == Some(true) && runs(c) {
            found.push(format!("{i} reaches {most}, the extent is {extent}"));
        } else if c.ranges.prove_lt(&least, &Sym::int(0)) == Some(true) && runs(c) {
            found.push(format!("{i} reaches {least}"));
        }
    }
    found
}

/// The least or greatest value over the points of the scope, if the index is linear in its variables.
fn corner(scope: &Scope, index: &Sym, most: bool) -> Option<Sym> {
    let mut value = index.clone();
    for a in &scope.axes {
        let (coef, rest) = value.split_linear(&a.var)?;
        let coef = coef.as_int()?;
        value = if (coef > 0) == most { (&a.extent - 1) * coef + rest } else { rest };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use crate::kernel::parse::parse_kernel;

    #[test]
    fn only_what_is_proved_is_refused() {
        let accepts = |dim: &str, index: &str| {
            let text = format!("kernel @k {{ dim n in {dim} in x: f32[n] y[i in n, j in 2]: f32 = x[{index}] out y }}");
            super::super::verify(&parse_kernel(&text, None, None).expect("it parses")).is_ok()
        };
        assert!(accepts("1..=9", "i"));
        assert!(accepts("1..=9", "n - 1 - i"));
        assert!(accepts("1..=9", "floordiv(i + 5, 2)"), "not linear, so not looked at");
        assert!(!accepts("1..=9", "i + j"));
        assert!(!accepts("1..=9", "i - j"));
        assert!(accepts("0..=9", "i + 1"), "there may be no point at all");
        assert!(!accepts("1..=9", "12"));
        assert!(accepts("1..=20", "12"));
    }
}
