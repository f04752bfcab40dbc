//! Places of buffers whose size depends on dims: above each other.
//!
//! Of two buffers that are alive at one time one lies above the other: behind the highest end of all that it lies above. So
//! no two overlap, whatever the dims are, and no size has to be provably larger than another. Which of two is above
//! the other is what a best fit of their sizes at the usual dims gives: there the plan takes no more than that.

use super::{Placed, overlap, place_fixed};
use onnxc_base::sym::{SymNode, Symbol};
use onnxc_base::{Ranges, Sym};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes of a height, over the names of sizes. In what would be longer sizes count as the next larger ones until it is short
/// enough. If that isn't enough each size counts as often as it does on any way down: a sum never has more terms than
/// there are sizes, where the highest of some, each above the highest of some, repeats them.
const LONGEST: u32 = 400;

/// A size of buffers.
#[derive(Clone, PartialEq, Debug)]
pub struct Size {
    /// Its name.
    pub name: Symbol,
    /// Bytes, over the dims.
    pub bytes: Sym,
    /// The name of one that is no smaller, if there is one that provably is.
    pub within: Option<Symbol>,
    /// How many times as large that usually is.
    growth: f64,
}

/// Different sizes of buffers.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sizes(Vec<Size>);

impl Sizes {
    /// Names the sizes of buffers.
    fn of<'a>(all: impl Iterator<Item = &'a Sym>, ranges: &Ranges) -> Sizes {
        let mut distinct: Vec<Sym> = vec![];
        all.for_each(|bytes| {
            if !distinct.contains(bytes) {
                distinct.push(bytes.clone())
            }
        });
        // The next larger one is the closest bound.
        distinct.sort_by_cached_key(|bytes| ranges.estimate(bytes));
        let name = |i: usize| Symbol::new(&format!("size#{i}"));
        let within = |i: usize| {
            let larger = (i + 1..distinct.len()).find(|&j| ranges.prove_le(&distinct[i], &distinct[j]) == Some(true));
            let usual = |i: usize| ranges.estimate(&distinct[i]).max(1) as f64;
            (larger.map(name), larger.map_or(1.0, |j| usual(j) / usual(i)))
        };
        let size = |(i, bytes): (usize, &Sym)| {
            let (within, growth) = within(i);
            Size { name: name(i), bytes: bytes.clone(), within, growth }
        };
        Sizes(distinct.iter().enumerate().map(size).collect())
    }

    /// The name of a size.
    pub fn find(&self, bytes: &Sym) -> Option<Symbol> {
        self.0.iter().find(|s| s.bytes == *bytes).map(|s| s.name.clone())
    }

    /// All of them, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &Size> {
        self.0.iter()
    }

    /// An expression over names as one over the dims.
    pub fn over_dims(&self, e: &Sym) -> Sym {
        e.subst(&|name| self.0.iter().find(|s| s.name == *name).map(|s| s.bytes.clone()))
    }

    /// What is known of the names, if no size is negative and what it says of them is so.
    pub fn ranges(&self) -> Ranges {
        let mut ranges = Ranges::new();
        self.0.iter().for_each(|s| ranges.set(s.name.clone(), 0, s.within.clone().map(Sym::var)));
        ranges
    }
}

/// How often each size counts in a sum.
type Counts = BTreeMap<Symbol, i64>;

/// Where something is, over the names of sizes.
#[derive(Clone)]
struct Height {
    at: Sym,
    /// A sum that is no less, without the base.
    most: Counts,
}

impl Height {
    fn above(mut self, name: &Symbol) -> Height {
        *self.most.entry(name.clone()).or_insert(0) += 1;
        Height { at: self.at + Sym::var(name.clone()), ..self }
    }
}

/// What heights are made of.
struct Heights<'a> {
    base: i64,
    sizes: &'a Sizes,
    known: Ranges,
}

impl Heights<'_> {
    /// The highest of some; the base if there is none, as no size is negative.
    fn highest(&self, all: Vec<Height>) -> Height {
        let mut most = Counts::new();
        for (name, n) in all.iter().flat_map(|h| &h.most) {
            let known = most.entry(name.clone()).or_insert(0);
            *known = (*known).max(*n);
        }
        let finest = most.clone();
        let mut at =
            if all.is_empty() { Sym::int(self.base) } else { self.max(all.into_iter().map(|h| h.at).collect()) };
        while self.is_long(&at) {
            let Some((coarser, from, to)) = self.coarser(&at) else {
                let sum = finest.iter().fold(Sym::int(self.base), |sum, (name, n)| sum + Sym::var(name.clone()) * *n);
                return Height { at: sum, most: finest };
            };
            at = coarser;
            if let Some(n) = most.remove(&from) {
                *most.entry(to).or_insert(0) += n;
            }
        }
        Height { at, most }
    }

    fn is_long(&self, at: &Sym) -> bool {
        at.size() > LONGEST || self.sizes.over_dims(at).is_overflow()
    }

    /// The largest, without those that are seen to be no larger than others.
    fn max(&self, all: Vec<Sym>) -> Sym {
        let mut kept: Vec<Sym> = vec![];
        let no_more = |a: &Sym, b: &Sym| self.known.prove_le(a, b) == Some(true);
        for e in all {
            if !kept.iter().any(|k| no_more(&e, k)) {
                kept.retain(|k| !no_more(k, &e));
                kept.push(e);
            }
        }
        Sym::max_of(kept)
    }

    /// The same with one of its sizes counted as the next larger one: that which usually grows least; and which.
    fn coarser(&self, at: &Sym) -> Option<(Sym, Symbol, Symbol)> {
        let there = at.symbols();
        let grow = self.sizes.iter().filter(|s| s.within.is_some() && there.contains(&s.name));
        let least = grow.min_by(|a, b| a.growth.total_cmp(&b.growth))?;
        let (name, to) = (least.name.clone(), least.within.clone()?);
        let mut members = vec![];
        let mut rest = at.subst(&|s| (*s == name).then(|| Sym::var(to.clone())));
        while let SymNode::Max(first, others) = rest.node() {
            members.push(first);
            rest = others;
        }
        members.push(rest);
        Some((self.max(members), name, to))
    }
}

/// The name of the place of a buffer.
pub fn place(buffer: usize) -> Symbol {
    Symbol::new(&format!("place#{buffer}"))
}

/// The buffers of symbolic size, placed.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Stack {
    /// Their sizes.
    pub sizes: Sizes,
    /// The buffers, lowest first.
    pub order: Vec<usize>,
}

/// Places the buffers `which`, from `base` on. Gives the end of the highest as well.
pub(super) fn stack(placed: &mut [Placed], which: &[usize], base: i64, ranges: &Ranges) -> (Stack, Sym) {
    let sizes = Sizes::of(which.iter().map(|&i| &placed[i].bytes), ranges);
    let heights = Heights { base, known: sizes.ranges(), sizes: &sizes };
    let order = usual_order(placed, which, ranges);
    let mut under: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); placed.len()];
    let mut ends: BTreeMap<usize, (Sym, Height)> = BTreeMap::new();
    for (n, &i) in order.iter().enumerate() {
        let below: Vec<usize> = order[..n].iter().copied().filter(|&j| overlap(&placed[j], &placed[i])).collect();
        // What is below another of them is no news.
        let direct = |k: &usize| !below.iter().any(|j| under[*j].contains(k));
        let above: Vec<usize> = below.iter().copied().filter(direct).collect();
        under[i] = above.iter().flat_map(|&j| under[j].iter().copied().chain([j])).collect();
        let (steps, all): (Vec<Sym>, Vec<Height>) = above.iter().map(|j| ends[j].clone()).unzip();
        let height = heights.highest(all);
        placed[i].place = if steps.is_empty() { Sym::int(base) } else { Sym::max_of(steps) };
        placed[i].offset = sizes.over_dims(&height.at);
        placed[i].above = above;
        let Some(size) = sizes.find(&placed[i].bytes) else { continue };
        ends.insert(i, (Sym::var(place(i)) + Sym::var(size.clone()), height.above(&size)));
    }
    let covered: BTreeSet<usize> = which.iter().flat_map(|&i| placed[i].above.iter().copied()).collect();
    let tops = ends.into_iter().filter(|(i, _)| !covered.contains(i)).map(|(_, end)| end.1);
    let top = sizes.over_dims(&heights.highest(tops.collect()).at);
    (Stack { sizes, order }, top)
}

/// The buffers, lowest first, where a best fit puts them if every dim is what it usually is.
fn usual_order(placed: &[Placed], which: &[usize], ranges: &Ranges) -> Vec<usize> {
    let usual = |&i: &usize| {
        let bytes = ranges.estimate(&placed[i].bytes).max(1);
        Placed { bytes: Sym::int(bytes), ends: vec![(placed[i].to, bytes)], ..placed[i].clone() }
    };
    let mut all: Vec<Placed> = which.iter().map(usual).collect();
    let numbers = (0..all.len()).collect();
    place_fixed(&mut all, numbers);
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|&k| (all[k].offset.as_int(), k));
    order.into_iter().map(|k| which[k]).collect()
}
