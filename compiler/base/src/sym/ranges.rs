//! What is known of each symbol.

use super::memo::Memo;
use super::witness::Example;
use super::{Sym, Symbol};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// What is known of one symbol.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
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

/// What is known of the symbols; of a symbol not mentioned, nothing.
///
/// All answers hold for every assignment that satisfies the ranges and for which the expressions concerned have a
/// value. If no assignment satisfies them (an empty loop), any answer is right.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    known: BTreeMap<Symbol, Range>,
    /// Assignments that satisfy `known`; made at the first proof, forgotten with each change.
    pub(super) examples: OnceLock<Vec<Example>>,
    /// What was proved from `known`, forgotten with each change.
    pub(super) memo: Memo,
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
        self.known.insert(symbol.into(), range);
        self.examples = OnceLock::new();
        self.memo = Memo::default();
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
