//! Cuts of a span into blocks: which loops a loop of the schedule becomes.
//!
//! A length known at compile time gives exactly the blocks it needs; another gives a loop per size with run-time
//! bounds. All blocks together cover the span; only overlapping ones (see [`Start::Clamped`]) cover a point twice, and
//! only whole ones ([`Kind::Whole`]) reach beyond it.

use onnxc_base::Sym;

/// A run of blocks of one size.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Part {
    /// How many blocks.
    pub count: Sym,
    /// Where block k begins, from the start of the span.
    pub start: Start,
    /// Points of each.
    pub len: Sym,
    /// What there is, if the last block may be so much shorter.
    pub end: Option<Sym>,
}

/// Where block k begins.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Start {
    /// At `first + k * step`.
    Every {
        /// Of block 0.
        first: Sym,
        /// From block to block.
        step: i64,
    },
    /// At `first + k * step`, but no later than `last`: the last block may compute points again that the one before it
    /// has.
    Clamped {
        /// Of block 0.
        first: Sym,
        /// From block to block.
        step: i64,
        /// The latest start.
        last: Sym,
    },
}

/// What is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Across lanes, so many to a vector: the rest is masked, or, if `again` allows points to be computed twice, the last
    /// vectors overlap those before.
    Lanes { lanes: u16, again: bool },
    /// Points of a tile, or unrolled iterations: a rest is done one by one. `even` blocks may be of unequal size, or
    /// overlap if `again` allows points to be computed twice.
    Points { even: bool, again: bool },
    /// Blocks with loops inside: the rest is a smaller block. Of a length that isn't known there are `alike` blocks, each of a
    /// length that isn't known.
    Blocks { even: bool, alike: bool },
    /// Whole blocks, the last of which may reach beyond.
    Whole,
}

/// Cuts `0 .. len`; what isn't known should be a name, for the parts repeat it.
pub(super) fn cut(len: &Sym, block: u32, kind: Kind) -> Vec<Part> {
    let block = i64::from(block);
    if kind == Kind::Whole {
        return vec![every(len.ceildiv(&Sym::int(block)), Sym::int(0), block, Sym::int(block))];
    }
    match len.as_int() {
        Some(n) => fixed(n, block, kind),
        None => symbolic(len, block, kind),
    }
}

fn every(count: Sym, first: Sym, step: i64, len: Sym) -> Part {
    Part { count, start: Start::Every { first, step }, len, end: None }
}

fn fixed(n: i64, block: i64, kind: Kind) -> Vec<Part> {
    if let Kind::Lanes { lanes, again: true } = kind
        && let Some(parts) = overlapping(n, block, i64::from(lanes))
    {
        return parts;
    }
    let even = matches!(kind, Kind::Points { even: true, .. } | Kind::Blocks { even: true, .. });
    let parts = if even {
        equal_parts(n, block)
    } else {
        let whole = n / block * block;
        [(0, whole, block), (whole, n, n - whole)].into_iter().filter(|(a, b, _)| a < b).collect()
    };
    parts.into_iter().map(|(a, b, size)| every(Sym::int((b - a) / size), Sym::int(a), size, Sym::int(size))).collect()
}

/// Whole vectors only, the last of which end at `n`; `None` if there is no rest or less than one vector.
fn overlapping(n: i64, block: i64, lanes: i64) -> Option<Vec<Part>> {
    if n % lanes == 0 || n < lanes {
        return None;
    }
    let up = |n: i64| (n + lanes - 1) / lanes * lanes;
    // A rest of more vectors than there are is done vector by vector.
    let block = if up(n % block) <= n { block } else { lanes };
    let last = up(n % block);
    let runs = [(n / block, 0, block), (1, n - last, last)].into_iter().filter(|(count, _, _)| *count > 0);
    Some(runs.map(|(count, first, size)| every(Sym::int(count), Sym::int(first), size, Sym::int(size))).collect())
}

fn symbolic(n: &Sym, block: i64, kind: Kind) -> Vec<Part> {
    let b = Sym::int(block);
    if block == 1 {
        return vec![every(n.clone(), Sym::int(0), 1, Sym::int(1))];
    }
    let blocks = n.floordiv(&b);
    let whole = &blocks * block;
    let at_most_one = |n: Sym| Sym::min(&n, &Sym::int(1));
    match kind {
        Kind::Lanes { lanes, again } => {
            let lanes = i64::from(lanes);
            let vectors = n.floordiv(&Sym::int(lanes));
            let full = &vectors * lanes;
            let mut parts = vec![every(blocks.clone(), Sym::int(0), block, b)];
            if again {
                let enough = at_most_one(vectors);
                let done = &blocks * (block / lanes);
                let rest = n.ceildiv(&Sym::int(lanes)) - &done;
                let start = Start::Clamped { first: whole, step: lanes, last: n - lanes };
                parts.push(Part { count: rest * &enough, start, len: Sym::int(lanes), end: None });
                parts.push(every(at_most_one(n.clone()) * (1 - &enough), Sym::int(0), lanes, n.clone()));
                return parts;
            }
            if block > lanes {
                parts.push(every(&vectors - &(&blocks * (block / lanes)), whole, lanes, Sym::int(lanes)));
            }
            parts.push(every(at_most_one(n - &full), full.clone(), lanes, n - &full));
            parts
        }
        Kind::Points { even: true, again: true } => {
            let mut parts = even_tiles(n, block);
            if block > 2 {
                let enough = at_most_one(n.floordiv(&Sym::int(block - 1)));
                parts.push(every((1 - enough) * n, Sym::int(0), 1, Sym::int(1)));
            }
            parts
        }
        Kind::Points { .. } => {
            vec![every(blocks, Sym::int(0), block, b), every(n - &whole, whole, 1, Sym::int(1))]
        }
        Kind::Blocks { alike: true, .. } => {
            vec![Part { end: Some(n.clone()), ..every(n.ceildiv(&b), Sym::int(0), block, b) }]
        }
        Kind::Blocks { .. } | Kind::Whole => {
            let rest = n - &whole;
            vec![every(blocks, Sym::int(0), block, b), every(at_most_one(rest.clone()), whole, block, rest)]
        }
    }
}

/// About equal blocks of at most `block` points, as for a known length: of two sizes. Where there are too few for that, those
/// of the smaller size overlap; a length of less than such a block has none. None reaches beyond the end, and a start that
/// is clamped says so.
pub(super) fn even_tiles(n: &Sym, block: i64) -> Vec<Part> {
    let tiles = n.ceildiv(&Sym::int(block));
    let large = Sym::max(&(n - &(&tiles * (block - 1))), &Sym::int(0));
    let enough = Sym::min(&n.floordiv(&Sym::int(block - 1)), &Sym::int(1));
    let run = |count: Sym, first: Sym, size: i64| {
        let start = Start::Clamped { first, step: size, last: n - size };
        Part { count, start, len: Sym::int(size), end: None }
    };
    let small = run(enough * (&tiles - &large), &large * block, block - 1);
    vec![run(large, Sym::int(0), block), small]
}

/// Cuts `0 .. n` into blocks of at most `most`, as equal as can be: `(start, end, size)` of up to two runs.
/// 49 by 14 gives 13, 12, 12, 12 instead of 14, 14, 14, 7 (libxsmm's equalised blocking).
pub fn equal_parts(n: i64, most: i64) -> Vec<(i64, i64, i64)> {
    if n <= 0 {
        return vec![];
    }
    let chunks = (n + most - 1) / most;
    let (low, more) = (n / chunks, n % chunks);
    let middle = more * (low + 1);
    [(0, middle, low + 1), (middle, n, low)].into_iter().filter(|(a, b, _)| a < b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_base::sym::Symbol;

    #[test]
    fn parts_are_equal_and_cover() {
        assert_eq!(equal_parts(49, 14), vec![(0, 13, 13), (13, 49, 12)]);
        assert_eq!(equal_parts(6, 6), vec![(0, 6, 6)]);
        assert_eq!(equal_parts(64, 6), vec![(0, 54, 6), (54, 64, 5)]);
        assert_eq!(equal_parts(0, 6), vec![]);
    }

    /// How often each point of `0 .. n` is covered.
    fn covered(n: i64, parts: &[Part]) -> Vec<u32> {
        let dim = |s: &Symbol| (s.as_str() == "n").then_some(n);
        let eval = |s: &Sym| s.eval(&dim).expect("over n");
        let mut seen = vec![0; n as usize];
        for p in parts {
            for k in 0..eval(&p.count) {
                let at = match &p.start {
                    Start::Every { first, step } => eval(first) + k * step,
                    Start::Clamped { first, step, last } => (eval(first) + k * step).min(eval(last)),
                };
                let end = p.end.as_ref().map_or(i64::MAX, eval);
                (at..(at + eval(&p.len)).min(end)).for_each(|i| seen[i as usize] += 1);
            }
        }
        seen
    }

    #[test]
    fn cuts_cover_each_point() {
        let kinds = [
            Kind::Lanes { lanes: 4, again: false },
            Kind::Points { even: true, again: false },
            Kind::Points { even: false, again: true },
            Kind::Blocks { even: false, alike: false },
            Kind::Blocks { even: true, alike: false },
            Kind::Blocks { even: false, alike: true },
        ];
        for n in 0..40 {
            for len in [Sym::int(n), Sym::var("n")] {
                for kind in kinds {
                    for block in [1, 4, 8, 12] {
                        let seen = covered(n, &cut(&len, block, kind));
                        assert!(seen.iter().all(|s| *s == 1), "{n} by {block}: {kind:?} {seen:?}");
                    }
                }
                let again = [2, 3, 4, 6, 9].map(|b| (b, Kind::Points { even: true, again: true })).into_iter();
                for (block, kind) in again.chain([4, 8, 16].map(|b| (b, Kind::Lanes { lanes: 4, again: true }))) {
                    let seen = covered(n, &cut(&len, block, kind));
                    assert!(seen.iter().all(|s| *s >= 1), "{n} by {block}: {seen:?}");
                }
            }
        }
    }
}
