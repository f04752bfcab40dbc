//! Axes that an operator reduces or normalises over, and the indices that follow from them.
//!
//! Holds: which axes are chosen is known at compile time; extents may be symbols.

use crate::prelude::*;

/// A choice of axes of a tensor.
pub(super) struct Axes {
    chosen: Vec<bool>,
    /// Reduced axes stay, with extent 1.
    keep: bool,
}

impl Axes {
    /// The axes of a range; what is reduced stays with extent 1.
    pub(super) fn range(rank: usize, range: std::ops::Range<usize>) -> Axes {
        Axes { chosen: (0..rank).map(|a| range.contains(&a)).collect(), keep: true }
    }

    /// The given axes, counted from either end; `None` if one of them isn't there.
    pub(super) fn from_list(rank: usize, axes: &[i64]) -> Option<Axes> {
        let mut chosen = vec![false; rank];
        for &a in axes {
            let at = if a < 0 { a + rank as i64 } else { a };
            *usize::try_from(at).ok().and_then(|at| chosen.get_mut(at))? = true;
        }
        Some(Axes { chosen, keep: true })
    }

    /// The same, with reduced axes kept or removed.
    pub(super) fn keeping(self, keep: bool) -> Axes {
        Axes { keep, ..self }
    }

    /// True if no axis is chosen.
    pub(super) fn is_empty(&self) -> bool {
        !self.chosen.contains(&true)
    }

    /// True if every axis is chosen.
    pub(super) fn is_all(&self) -> bool {
        !self.chosen.contains(&false)
    }

    /// The extents that are reduced.
    pub(super) fn reduced(&self, shape: &[Sym]) -> Vec<Sym> {
        shape.iter().zip(&self.chosen).filter(|(_, c)| **c).map(|(d, _)| d.clone()).collect()
    }

    /// How many elements are reduced to one.
    pub(super) fn count(&self, shape: &[Sym]) -> Sym {
        self.reduced(shape).into_iter().product()
    }

    /// The extents of the result.
    pub(super) fn result(&self, shape: &[Sym]) -> Vec<Sym> {
        let extent = |(d, c): (&Sym, &bool)| match (c, self.keep) {
            (false, _) => Some(d.clone()),
            (true, true) => Some(Sym::int(1)),
            (true, false) => None,
        };
        shape.iter().zip(&self.chosen).filter_map(extent).collect()
    }

    /// The index of an element, from that of the result and the reduction's.
    pub(super) fn index(&self, i: &[Sym], r: &[Sym]) -> Vec<Sym> {
        let (mut i, mut r) = (i.iter(), r.iter());
        let mut next = |chosen: bool| {
            if chosen && self.keep {
                i.next();
            }
            let it = if chosen { &mut r } else { &mut i };
            it.next().expect("the index has as many parts as there are axes").clone()
        };
        self.chosen.iter().map(|&c| next(c)).collect()
    }

    /// The index of the result for that of an element.
    pub(super) fn result_index(&self, i: &[Sym]) -> Vec<Sym> {
        let part = |(i, c): (&Sym, &bool)| match (c, self.keep) {
            (false, _) => Some(i.clone()),
            (true, true) => Some(Sym::int(0)),
            (true, false) => None,
        };
        i.iter().zip(&self.chosen).filter_map(part).collect()
    }
}
