//! Places of buffers of constant size: best fit, largest first.
//!
//! That may leave gaps, so that the highest end is beyond all that is alive at any one time. Then the buffers that stand out
//! are placed earlier, and all again: each time something stands out its weight grows, and the heaviest go first ("squeaky
//! wheel" optimisation: Joslin and Clements, Journal of Artificial Intelligence Research 10, 1999). The best of all tries is
//! kept, so no plan is larger than that of largest first.
//!
//! Does NOT find the least that there could be: it stops after a number of tries.

use super::{Placed, overlap};
use onnxc_base::Sym;
use std::cmp::Reverse;

/// Tries, where what is left to gain is worth it.
const TRIES: usize = 64;
/// Pairs of buffers that are looked at in all tries together, about.
const PAIRS: usize = 1 << 24;

/// Gives every buffer of `order` its offset. Says where the highest ends.
pub(super) fn place(placed: &mut [Placed], mut order: Vec<usize>) -> i64 {
    let mut weight = vec![0u32; placed.len()];
    let mut found: Option<(i64, Vec<i64>)> = None;
    let least = most_alive(placed, &order);
    let tries = (PAIRS / (order.len() * order.len()).max(1)).clamp(1, TRIES);
    for _ in 0..tries {
        order.sort_by_key(|&i| (Reverse(weight[i]), Reverse(size(&placed[i])), i));
        let top = best_fit(placed, &order);
        if found.as_ref().is_none_or(|f| top < f.0) {
            found = Some((top, placed.iter().map(at).collect()));
        }
        if top <= least {
            break;
        }
        order.iter().filter(|&&i| at(&placed[i]) + size(&placed[i]) == top).for_each(|&i| weight[i] += 1);
    }
    let Some((top, offsets)) = found else { return 0 };
    order.iter().for_each(|&i| placed[i].offset = Sym::int(offsets[i]));
    top
}

fn size(p: &Placed) -> i64 {
    p.bytes.as_int().unwrap_or(0)
}

fn at(p: &Placed) -> i64 {
    p.offset.as_int().unwrap_or(0)
}

/// The most bytes that are alive at one time: no plan has less.
fn most_alive(placed: &[Placed], order: &[usize]) -> i64 {
    let at = |when: usize| order.iter().filter_map(|&i| placed[i].alive(when)).sum::<i64>();
    order.iter().map(|&i| at(placed[i].from)).max().unwrap_or(0)
}

/// Each buffer goes into the smallest gap between those that are alive with it, as large as each is by then. Gives the end of
/// the highest.
fn best_fit(placed: &mut [Placed], order: &[usize]) -> i64 {
    let mut top = 0;
    for (n, &i) in order.iter().enumerate() {
        // Where it can't begin: between two places each.
        let mut taken: Vec<(i64, i64)> = Vec::new();
        for d in order[..n].iter().map(|&d| &placed[d]).filter(|d| overlap(d, &placed[i])) {
            for (from, to, bytes) in d.parts() {
                let mine = placed[i].parts().filter(|p| p.0 <= to && from <= p.1).map(|p| p.2).max();
                taken.extend(mine.filter(|m| *m > 0 && bytes > 0).map(|m| (at(d) - m, at(d) + bytes)));
            }
        }
        taken.sort_unstable();
        let mut best: Option<(i64, i64)> = None;
        let mut end = 0;
        for (last, next) in taken {
            let left = last - end;
            if left >= 0 && best.is_none_or(|(l, _)| left < l) {
                best = Some((left, end));
            }
            end = end.max(next);
        }
        let at = best.map_or(end, |(_, at)| at);
        placed[i].offset = Sym::int(at);
        top = top.max(at + size(&placed[i]));
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_base::EntityRef;
    use onnxc_ir::loops::Buf;

    /// Buffers alive from one statement to another, of so many bytes.
    fn buffers(all: &[(usize, usize, i64)]) -> Vec<Placed> {
        let one = |&(from, to, bytes): &(usize, usize, i64)| Placed {
            buf: Buf::new(0),
            name: String::new(),
            from,
            to,
            ends: vec![(to, bytes)],
            bytes: Sym::int(bytes),
            offset: Sym::int(0),
            size: None,
            above: vec![],
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn what_stands_out_is_placed_earlier() {
        let mut all = buffers(&[(0, 1, 16), (1, 7, 16), (2, 4, 12), (3, 9, 6), (4, 10, 12)]);
        // Largest first leaves a gap below the last one.
        assert_eq!(best_fit(&mut all, &[0, 1, 2, 4, 3]), 50);
        assert_eq!(place(&mut all, (0..5).collect()), 46);
        assert_eq!(most_alive(&all, &[0, 1, 2, 3, 4]), 46);
        for (n, a) in all.iter().enumerate() {
            assert!(at(a) >= 0 && at(a) + size(a) <= 46);
            for b in all[..n].iter().filter(|b| overlap(a, b)) {
                assert!(at(a) + size(a) <= at(b) || at(b) + size(b) <= at(a), "{all:?}");
            }
        }
    }
}
