//! Edges of padded copies: the blocks of a loop whose loads may lie outside of what they read come in loops of their own.
//!
//! A copy with padding tests every element, though only those at its edges can be padding. Where extents are known, a loop
//! is cut into the blocks before, inside and behind; the ranges then prove that nothing inside needs a test, and the few
//! blocks at the edges have masks that are known at compile time. All blocks together are those there were.
//!
//! Does NOT serve sums (they read copies), nor machines where code is scarce: the body is written once more for each edge.

use super::Cx;
use super::cuts::{Part, Start};
use crate::kernel::expr::def_loads;
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{Body, Stage};

impl Cx<'_> {
    /// Cuts the parts of a stage's loop, over a span from `lo` on, where its loads cross the edges of what they read.
    pub(super) fn at_edges(&self, stage: &Stage, axis: &Symbol, lo: &Sym, parts: Vec<Part>) -> Vec<Part> {
        let def = &self.kernel.defs[stage.def];
        let copies = stage.acc.is_none() && matches!(def.body, Body::Map(_));
        let (true, false, Some(lo)) = (copies, self.machine.memory.scarce, lo.as_int()) else { return parts };
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        for site in def_loads(def).iter().filter(|s| s.pad.is_some()) {
            for (i, extent) in site.index.iter().zip(self.kernel.src_shape(site.src)) {
                let shift = i.as_ref().and_then(|i| i.split_linear(axis)).filter(|(c, _)| c.is_one());
                if let Some((shift, extent)) = shift.and_then(|(_, rest)| rest.as_int().zip(extent.as_int())) {
                    (from, to) = (from.max(-shift), to.min(extent - shift));
                }
            }
        }
        parts.into_iter().flat_map(|p| cut_at(p, from.saturating_sub(lo), to.saturating_sub(lo))).collect()
    }
}

/// A part as the blocks that begin before `from`, those within `from .. to`, and those that end behind it; as it is if
/// blocks are both.
fn cut_at(part: Part, from: i64, to: i64) -> Vec<Part> {
    let Start::Every { first, step } = &part.start else { return vec![part] };
    let (Some(first), Some(count), Some(len)) = (first.as_int(), part.count.as_int(), part.len.as_int()) else {
        return vec![part];
    };
    let step = *step;
    let begins = |k: i64| first + k * step;
    // The first block that begins at `from` or behind it, and the first that ends behind `to`.
    let head = (from.saturating_sub(first).saturating_add(step - 1)).div_euclid(step).clamp(0, count);
    let tail = count - (to.saturating_sub(len + first).div_euclid(step).saturating_add(1)).clamp(0, count);
    if head + tail == 0 || head + tail > count {
        return vec![part];
    }
    let runs = [(0, head), (head, count - head - tail), (count - tail, tail)];
    let run = |(k, n): (i64, i64)| Part {
        count: Sym::int(n),
        start: Start::Every { first: Sym::int(begins(k)), step },
        len: part.len.clone(),
        end: None,
    };
    runs.into_iter().filter(|r| r.1 > 0).map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(count: i64, len: i64, from: i64, to: i64) -> Vec<(Option<i64>, Option<i64>)> {
        let start = Start::Every { first: Sym::int(0), step: len };
        let part = Part { count: Sym::int(count), start, len: Sym::int(len), end: None };
        let first = |p: &Part| match &p.start {
            Start::Every { first, .. } | Start::Clamped { first, .. } => first.as_int(),
        };
        cut_at(part, from, to).iter().map(|p| (first(p), p.count.as_int())).collect()
    }

    #[test]
    fn blocks_at_edges_are_apart() {
        let some = |a, b| (Some(a), Some(b));
        assert_eq!(runs(28, 8, 1, i64::MAX), [some(0, 1), some(8, 27)]);
        assert_eq!(runs(4, 8, 2, 30), [some(0, 1), some(8, 2), some(24, 1)]);
        assert_eq!(runs(226, 1, 1, 225), [some(0, 1), some(1, 224), some(225, 1)]);
        assert_eq!(runs(1, 8, 1, 7), [some(0, 1)], "nothing is inside");
        assert_eq!(runs(5, 8, 0, 40), [some(0, 5)], "nothing is outside");
        assert_eq!(runs(2, 16, 2, 30), [some(0, 1), some(16, 1)], "nothing is inside, but each is at one edge");
    }
}
