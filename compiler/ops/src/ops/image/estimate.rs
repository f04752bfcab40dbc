//! Decisions whose probability is learnt, as arithmetic JPEG and JPEG 2000 have them: a context's state is an estimate of the
//! less probable symbol's part of the interval, and which symbol that is.
//!
//! Does NOT read bits or know the interval: each format has its own (`jpeg::arithmetic`, `jpeg2000::mq`).

use crate::code::{Bool, Int, Memory};

/// The less probable symbol's part, the states after a more and a less probable one, and whether the symbols change places
/// then.
pub(super) type State = (i16, u8, u8, u8);

/// The states as figures, 4 numbers each.
pub(super) fn figures(states: &[State]) -> Vec<i16> {
    states.iter().flat_map(|&(part, more, less, change)| [part, more.into(), less.into(), change.into()]).collect()
}

/// A context's estimate. In memory it is the number of its state, times two, and the more probable symbol.
pub(super) struct Estimate<'c> {
    contexts: Memory<'c>,
    context: Int<'c>,
    figures: Memory<'c>,
    state: Int<'c>,
    likely: Int<'c>,
    /// The less probable symbol's part.
    pub part: Int<'c>,
}

impl<'c> Estimate<'c> {
    /// That of a context.
    pub fn of(contexts: Memory<'c>, context: Int<'c>, figures: Memory<'c>) -> Self {
        let state = contexts.at(context);
        let (state, likely) = ((state >> 1) * 4, state & 1);
        Estimate { contexts, context, figures, state, likely, part: figures.at(state) }
    }

    /// Learns that the symbol is the less probable one, or that it isn't.
    pub fn learn(&self, less: Bool<'c>) {
        let (next, change) = (self.figures.at(self.state + less.pick(2, 1)), self.figures.at(self.state + 3));
        self.contexts.put(self.context, next * 2 + (self.likely ^ less.pick(change, 0)));
    }

    /// The symbol.
    pub fn symbol(&self, less: Bool<'c>) -> Int<'c> {
        self.likely ^ less.int()
    }
}
