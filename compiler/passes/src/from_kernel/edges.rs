//! Edges of padded copies: the blocks of a loop whose loads may lie outside of what they read come in loops of their own.
//!
//! A copy with padding tests every element, though only those at its edges can be padding. Where extents are known, a loop
//! is cut into the blocks before, inside and behind; the ranges then prove that nothing inside needs a test, and the few
//! blocks at the edges have masks that are known at compile time. All blocks together are those there were. Where several
//! axes make an index (an element of a panel), inside is what is so for all that is left of the others.
//!
//! Does NOT serve sums (they read copies), nor machines where code is scarce: the body is written once more for each edge.

use super::Cx;
use super::cuts::{Part, Start};
use super::span::Domain;
use crate::kernel::expr::def_loads;
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{Body, Stage};

impl Cx<'_> {
    /// Cuts the parts of a stage's loop, over what `domain` has of its axis, where its loads cross the edges of what they
    /// read.
    pub(super) fn at_edges(&self, stage: &Stage, axis: &Symbol, domain: &Domain, parts: Vec<Part>) -> Vec<Part> {
        let def = &self.kernel.defs[stage.def];
        let copies = stage.acc.is_none() && matches!(def.body, Body::Map(_));
        let lo = domain.get(axis).and_then(|s| s.lo.as_int());
        let (true, false, Some(lo)) = (copies, self.machine.memory.scarce, lo) else { return parts };
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        for site in def_loads(def).iter().filter(|s| s.pad.is_some()) {
            for (i, extent) in site.index.iter().zip(self.kernel.src_shape(site.src)) {
                let within = i.as_ref().zip(extent.as_int()).and_then(|(i, n)| within(i, axis, domain, n));
                if let Some((first, end)) = within {
                    (from, to) = (from.max(first), to.min(end));
                }
            }
        }
        parts.into_iter().flat_map(|p| cut_at(p, from.saturating_sub(lo), to.saturating_sub(lo))).collect()
    }
}

/// The points `first .. end` of an axis for which an index is within `0 .. n`, wherever the other axes of the domain are.
fn within(index: &Sym, axis: &Symbol, domain: &Domain, n: i64) -> Option<(i64, i64)> {
    let (step, mut rest) = index.split_linear(axis)?;
    let step = step.as_int().filter(|s| *s > 0)?;
    let (mut least, mut most) = (0i64, 0i64);
    for (other, span) in domain.iter().filter(|d| d.0 != axis) {
        let (c, left) = rest.split_linear(other)?;
        let c = c.as_int()?;
        if c != 0 {
            let (lo, len) = (span.lo.as_int()?, span.len.as_int()?);
            let ends = [c.checked_mul(lo)?, c.checked_mul(lo.checked_add(len)? - 1)?];
            least = least.checked_add(ends[0].min(ends[1]))?;
            most = most.checked_add(ends[0].max(ends[1]))?;
        }
        rest = left;
    }
    let shift = rest.as_int()?;
    let first = least.checked_add(shift)?.checked_neg()?;
    let last = (n - 1).checked_sub(most)?.checked_sub(shift)?;
    Some((first.div_euclid(step) + i64::from(first.rem_euclid(step) != 0), last.div_euclid(step) + 1))
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
    use super::super::span::Span;
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
    #[test]
    fn an_index_of_two_axes_is_inside_for_all_of_the_other() {
        let [panel, element] = ["panel", "element"].map(Symbol::new);
        let index = Sym::var(panel.clone()) * 64 + Sym::var(element.clone());
        let domain = |p: Sym, panels, elements| -> Domain {
            let span = |lo: Sym, len| Span { lo, len: Sym::int(len) };
            [(panel.clone(), span(p, panels)), (element.clone(), span(Sym::int(0), elements))].into()
        };
        let all = domain(Sym::int(0), 24, 64);
        assert_eq!(within(&index, &panel, &all, 1500), Some((0, 23)), "the last panel isn't full");
        assert_eq!(within(&(&index - 1), &panel, &all, 1500), Some((1, 23)), "nor is the first");
        assert_eq!(within(&index, &panel, &all, 1536), Some((0, 24)));
        assert_eq!(within(&index, &element, &domain(Sym::int(23), 1, 64), 1500), Some((-1472, 28)));
        let unknown = domain(Sym::var("k"), 1, 64);
        assert_eq!(within(&index, &element, &unknown, 1500), None, "any panel may be the last");
    }
}
