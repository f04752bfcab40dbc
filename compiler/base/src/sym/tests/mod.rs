//! Tests of symbolic integers: examples as tables, and random expressions against brute-force evaluation.

mod examples;
mod properties;
mod random;
mod reshape;

use super::{Ranges, Sym};

/// An expression that is known to parse.
fn sym(text: &str) -> Sym {
    Sym::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Ranges from `name: lo..=hi` lines; either side may be missing.
fn ranges(text: &str) -> Ranges {
    let mut ranges = Ranges::new();
    for entry in text.split(';').map(str::trim).filter(|e| !e.is_empty()) {
        let (name, range) = entry.split_once(':').expect("name: lo..=hi");
        let (lo, hi) = range.split_once("..=").expect("lo..=hi");
        let lo = lo.trim().parse().ok();
        let hi = (!hi.trim().is_empty()).then(|| sym(hi));
        ranges.insert(name, super::Range { lo, hi, typical: None });
    }
    ranges
}
