//! What is known of each symbol.

use super::memo::Memo;
use super::witness::Example;
use super::{Sym, Symbol};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// What is known of one symbol.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Range {
    /// It is at least this.
    pub lo: Option<i64>,
    /// It is at most this. May mention other symbols, not (even indirectly) itself.
    pub hi: Option<Sym>,
    /// What it usually is. Nothing is ever proved from that: it only says what to be fast for.
    pub typical: Option<i64>,
}

/// What a symbol counts as of which nothing is known.
const TYPICAL: i64 = 64;

/// The most layers of ranges that add something to others.
const MOST_LAYERS: usize = 24;

/// What is known of the symbols; of a symbol not mentioned, nothing.
///
/// All answers hold for every assignment that satisfies the ranges and for which the expressions concerned have a
/// value. If no assignment satisfies them (an empty loop), any answer is right.
#[derive(Debug, Default)]
pub struct Ranges {
    known: BTreeMap<Symbol, Range>,
    /// The same without the symbols that were added after questions had been asked. What mentions none of these is
    /// asked there, so what is found of a model's dims is found once for all loops inside of which it is asked.
    below: Option<Arc<Ranges>>,
    /// The bits of the added ones.
    added: u64,
    /// Assignments that satisfy `known`; made at the first proof, forgotten with each change.
    pub(super) examples: OnceLock<Vec<Example>>,
    /// What was proved from `known`; found at the first question.
    memo: OnceLock<Memo>,
}

/// A copy shares what is found later as well.
impl Clone for Ranges {
    fn clone(&self) -> Self {
        let (known, below, examples) = (self.known.clone(), self.below.clone(), self.examples.clone());
        Ranges { known, below, added: self.added, examples, memo: OnceLock::from(self.memo().clone()) }
    }
}

impl PartialEq for Ranges {
    fn eq(&self, other: &Self) -> bool {
        self.known == other.known
    }
}

impl Eq for Ranges {}

impl Ranges {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// `lo <= symbol <= hi`; replaces what was known of it.
    pub fn set(&mut self, symbol: impl Into<Symbol>, lo: i64, hi: Option<Sym>) {
        self.insert(symbol, Range { lo: Some(lo), hi, typical: None });
    }

    /// `0 <= symbol < extent`: the range of a loop or index variable.
    pub fn set_index(&mut self, symbol: impl Into<Symbol>, extent: &Sym) {
        self.set(symbol, 0, Some(extent - 1));
    }

    /// Replaces what is known of a symbol.
    pub fn insert(&mut self, symbol: impl Into<Symbol>, range: Range) {
        let symbol = symbol.into();
        if self.known.get(&symbol) == Some(&range) {
            return;
        }
        if self.speaks_of(&symbol) {
            self.below = self.below.take().filter(|below| !below.speaks_of(&symbol));
        } else if self.memo.get().is_some() {
            let known = self.known.clone();
            *self = Ranges { below: Some(Arc::new(std::mem::take(self))), known, ..Ranges::default() };
            self.flatten();
        }
        self.added |= symbol.bit();
        self.known.insert(symbol, range);
        self.examples = OnceLock::new();
        self.memo = OnceLock::new();
    }

    /// Forgets the layers between this one and the lowest, if there are many.
    fn flatten(&mut self) {
        let below = |r: &Arc<Ranges>| r.below.clone();
        let layers: Vec<Arc<Ranges>> = std::iter::successors(self.below.clone(), below).collect();
        if layers.len() > MOST_LAYERS {
            self.below = layers.last().cloned();
            self.added = layers.iter().fold(self.added, |all, layer| all | layer.added);
        }
    }

    /// Is something known of the symbol, or of others in terms of it?
    fn speaks_of(&self, symbol: &Symbol) -> bool {
        let says = |r: &Range| r.hi.as_ref().is_some_and(|hi| hi.contains(symbol));
        self.known.contains_key(symbol) || self.known.values().any(says)
    }

    /// The ranges that know nothing of what an expression doesn't speak of, as far as some were kept.
    pub(super) fn layer(&self, sym: &Sym) -> &Ranges {
        let mut layer = self;
        while let Some(below) = &layer.below {
            let added = |s: &Symbol| layer.known.contains_key(s) && !below.known.contains_key(s);
            if sym.names() & layer.added != 0 && sym.any_symbol(&added) {
                break;
            }
            layer = below;
        }
        layer
    }

    /// What was found before, here or by others that know the same.
    pub(super) fn memo(&self) -> &Memo {
        self.memo.get_or_init(|| match &self.below {
            None => Memo::default(),
            Some(below) => {
                let added = self.known.iter().filter(|(s, _)| !below.known.contains_key(*s));
                below.memo().above(added.map(|(s, r)| (s.clone(), r.clone())).collect())
            }
        })
    }

    /// Says what a symbol usually is; what is known of it stays.
    pub fn set_typical(&mut self, symbol: impl Into<Symbol>, typical: i64) {
        let symbol = symbol.into();
        let range = self.known.get(&symbol).cloned().unwrap_or_default();
        self.insert(symbol, Range { typical: Some(typical), ..range });
    }

    /// What an extent counts as where only speed hangs on it: its value where each symbol is what it usually is.
    pub fn estimate(&self, sym: &Sym) -> i64 {
        sym.eval(&|s| Some(self.typical(s))).unwrap_or(TYPICAL)
    }

    /// What a symbol usually is, within its bounds as far as those are numbers.
    fn typical(&self, symbol: &Symbol) -> i64 {
        let Some(range) = self.known.get(symbol) else { return TYPICAL };
        let n = range.typical.unwrap_or(TYPICAL);
        let n = range.lo.map_or(n, |lo| n.max(lo));
        range.hi.as_ref().and_then(Sym::as_int).map_or(n, |hi| n.min(hi))
    }

    /// What is known of a symbol.
    pub fn get(&self, symbol: &Symbol) -> Option<&Range> {
        self.known.get(symbol)
    }

    /// All that is known, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Symbol, &Range)> {
        self.known.iter()
    }
}
