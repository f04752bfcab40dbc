//! Places of buffers whose size depends on dims: above each other.
//!
//! Of two buffers that are alive at one time one lies above the other: behind the highest end of all that it lies above. So
//! no two overlap, whatever the dims are, and no size has to be provably larger than another. Which of two is above
//! the other is what a best fit of their sizes at the usual dims gives: there the plan takes no more than that.
//!
//! Sizes and places are named, and each is said by those before it, so that what says them stays short however
//! many buffers there are.

use super::{Placed, fit, overlap};
use onnxc_base::sym::Symbol;
use onnxc_base::{Ranges, Sym};
use std::collections::{BTreeMap, BTreeSet};

/// The most that one step is the highest of; longer ones take several.
const MEMBERS: usize = 64;

/// The buffers of symbolic size, placed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Stack {
    /// The buffers, lowest first.
    pub order: Vec<usize>,
    /// Names of sizes and places with what they are, over the dims and the names before.
    pub steps: Vec<(Symbol, Sym)>,
}

impl Stack {
    /// The steps that these names need, themselves among them.
    pub fn needed(&self, mut names: BTreeSet<Symbol>) -> Vec<&(Symbol, Sym)> {
        let mut kept = vec![];
        for step in self.steps.iter().rev() {
            if names.remove(&step.0) {
                names.extend(step.1.symbols());
                kept.push(step);
            }
        }
        kept.reverse();
        kept
    }
}

/// Places the buffers `which`, from `base` on. Gives the end of the highest as well.
pub(super) fn stack(placed: &mut [Placed], which: &[usize], base: i64, ranges: &Ranges) -> (Stack, Sym) {
    let order = usual_order(placed, which, ranges);
    let mut names = Names { steps: vec![], base, ranges };
    names.sizes(placed, &order);
    let end = |p: &Placed| Some(&p.offset + Sym::var(p.size.clone()?));
    let mut under: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); placed.len()];
    for (n, &i) in order.iter().enumerate() {
        let below: Vec<usize> = order[..n].iter().copied().filter(|&j| overlap(&placed[j], &placed[i])).collect();
        // What is below another of them is no news.
        let direct = |k: &usize| !below.iter().any(|j| under[*j].contains(k));
        let above: Vec<usize> = below.iter().copied().filter(direct).collect();
        under[i] = above.iter().flat_map(|&j| under[j].iter().copied().chain([j])).collect();
        let at = names.highest(above.iter().filter_map(|&j| end(&placed[j])).collect());
        placed[i].offset = Sym::var(names.name("place", i, at));
        placed[i].above = above;
    }
    let covered: BTreeSet<usize> = which.iter().flat_map(|&i| placed[i].above.iter().copied()).collect();
    let top = names.highest(order.iter().filter(|i| !covered.contains(i)).filter_map(|&i| end(&placed[i])).collect());
    (Stack { order, steps: names.steps }, top)
}

/// What sizes and places are called.
struct Names<'a> {
    steps: Vec<(Symbol, Sym)>,
    base: i64,
    ranges: &'a Ranges,
}

impl Names<'_> {
    /// Names something as no dim is called.
    fn name(&mut self, word: &str, number: usize, is: Sym) -> Symbol {
        let mut name = Symbol::new(&format!("{word}#{number}"));
        while self.ranges.get(&name).is_some() {
            name = Symbol::new(&format!("{name}#"));
        }
        self.steps.push((name.clone(), is));
        name
    }

    /// Names the sizes of buffers, equal ones alike.
    fn sizes(&mut self, placed: &mut [Placed], order: &[usize]) {
        let mut known: BTreeMap<Sym, Symbol> = BTreeMap::new();
        for &i in order {
            let bytes = &placed[i].bytes;
            let name = match known.get(bytes) {
                Some(name) => name.clone(),
                None => self.name("size", known.len(), bytes.clone()),
            };
            known.insert(bytes.clone(), name.clone());
            placed[i].size = Some(name);
        }
    }

    /// The highest of some; the base if there is none, as no size is negative.
    fn highest(&mut self, mut all: Vec<Sym>) -> Sym {
        while all.len() > MEMBERS {
            let part = Sym::max_of(all.drain(..MEMBERS).collect());
            let name = self.name("top", self.steps.len(), part);
            all.push(Sym::var(name));
        }
        if all.is_empty() { Sym::int(self.base) } else { Sym::max_of(all) }
    }
}

/// The buffers, lowest first, where a best fit puts them if every dim is what it usually is.
fn usual_order(placed: &[Placed], which: &[usize], ranges: &Ranges) -> Vec<usize> {
    let usual = |&i: &usize| {
        let bytes = ranges.estimate(&placed[i].bytes).max(1);
        Placed { bytes: Sym::int(bytes), ends: vec![(placed[i].to, bytes)], ..placed[i].clone() }
    };
    let mut all: Vec<Placed> = which.iter().map(usual).collect();
    let numbers = (0..all.len()).collect();
    fit::place(&mut all, numbers);
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|&k| (all[k].offset.as_int(), k));
    order.into_iter().map(|k| which[k]).collect()
}
