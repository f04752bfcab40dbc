//! Refutation by example: a few assignments that satisfy all ranges. What is false for one of them need not be proved.
//!
//! Most claims that simplification tries are false, and a search that fails is the dear one; an evaluation is cheap.
//! Nothing is concluded from a claim that holds for all examples, so their choice affects speed only.

use super::hash::Mixed;
use super::{Range, Ranges, Sym, Symbol};
use std::collections::HashMap;

/// Values of symbols; of those not in it, see [`Example::value`].
#[derive(Clone, Debug)]
pub(super) struct Example {
    number: i64,
    values: HashMap<Symbol, i64, Mixed>,
}

const EXAMPLES: i64 = 4;

impl Ranges {
    /// Is it negative for some assignment that satisfies the ranges?
    pub(super) fn is_negative_somewhere(&self, sym: &Sym) -> bool {
        let examples = self.examples.get_or_init(|| (0..EXAMPLES).filter_map(|n| self.example(n)).collect());
        examples.iter().any(|e| sym.eval(&|s| Some(e.value(s))).is_ok_and(|v| v < 0))
    }

    /// The example of that number, if it comes out within all ranges.
    fn example(&self, number: i64) -> Option<Example> {
        let mut example = Example { number, values: HashMap::default() };
        for (symbol, _) in self.iter() {
            self.choose(symbol, &mut example, 8)?;
        }
        Some(example)
    }

    /// Gives the symbol a value, after those that its upper bound mentions. `None` if its range is empty.
    fn choose(&self, symbol: &Symbol, example: &mut Example, chain: u32) -> Option<()> {
        let Some(Range { lo, hi, .. }) = self.get(symbol) else { return Some(()) };
        if example.values.contains_key(symbol) {
            return Some(());
        }
        let hi = match hi {
            Some(hi) => {
                for other in hi.symbols() {
                    self.choose(&other, example, chain.checked_sub(1)?)?;
                }
                Some(hi.eval(&|s| Some(example.value(s))).ok()?)
            }
            None => None,
        };
        let some = spread(symbol, example.number);
        let value = match (*lo, hi) {
            (Some(lo), Some(hi)) if lo > hi => return None,
            (Some(lo), Some(_)) if example.number == 0 => lo,
            (Some(_), Some(hi)) if example.number == 1 => hi,
            (Some(lo), Some(hi)) => lo.checked_add(some.checked_rem(hi.checked_sub(lo)?.checked_add(1)?)?)?,
            (Some(lo), None) => lo.checked_add(some)?,
            (None, Some(hi)) => hi.checked_sub(some)?,
            (None, None) => example.value(symbol),
        };
        example.values.insert(symbol.clone(), value);
        Some(())
    }
}

impl Example {
    /// The value; a symbol without range may have any, on both sides of zero.
    fn value(&self, symbol: &Symbol) -> i64 {
        let any = || spread(symbol, self.number) * if self.number == 2 { -1 } else { 1 };
        self.values.get(symbol).copied().unwrap_or_else(any)
    }
}

/// A number that differs between symbols and grows with the example: 0, then below 16, 64, 256.
fn spread(symbol: &Symbol, number: i64) -> i64 {
    if number == 0 { 0 } else { (symbol.hash >> 32) as i64 % (4 << (2 * number)) }
}
