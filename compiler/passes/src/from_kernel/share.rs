//! A stage for several threads: the blocks of its outermost loops, numbered, in shares of consecutive numbers.
//!
//! One parallel loop goes over the shares. Inside, each of those loops runs over the blocks of its own that the share has
//! some of: what a serial loop would do, from one number to another. So a share costs a few operations, whatever its
//! size, and blocks are those of one thread: what is computed doesn't depend on how many there are.
//!
//! Loops are taken together until the shares are about equal: 7 rows for 2 threads are 4 and 3, but 7 rows of 16 panels
//! are 56 and 56 blocks. Stages that are attached stay inside. A stage that isn't worth
//! a fork (`kernel::work`) has one share. Does NOT decide whether a stage may be parallel.

use super::Cx;
use super::cuts::{Part, Start};
use super::span::Domain;
use crate::kernel::work;
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::Stage;
use onnxc_ir::loops::LoopKind;

/// Shares per thread, where a team may have fewer threads than it could: 3 threads get 6, 5 and 5 of 16 shares.
const SHARES: i64 = 4;
/// Loops are enough if threads wait for at most this part of the time because of unequal shares.
const IDLE: f64 = 0.02;
/// Nodes of a number that is multiplied as it stands: products of longer ones would soon be too long for an expression.
const LONG: u32 = 32;

/// What a share has of the loops of a stage.
pub(super) struct Share {
    /// How many outermost loops are shared out.
    pub depth: usize,
    /// Blocks of each of those and of all within it, up to `depth`; one more for the innermost.
    blocks: Vec<Sym>,
    /// The numbers of the blocks at the loop at hand: from, to.
    range: [Sym; 2],
}

impl<'k> Cx<'k> {
    /// Lowers a parallel stage: a parallel loop over shares.
    pub(super) fn shared_stage(&mut self, stage: &'k Stage, domain: &Domain) -> Result<(), Diagnostic> {
        let counts = self.counts(stage, domain)?;
        let depth = depth(&counts, self.innermost(stage), i64::from(self.machine.threads));
        let mut blocks = vec![Sym::int(1)];
        for c in counts[..depth].iter().rev() {
            let all = &blocks[0] * &self.factor(c);
            blocks.insert(0, all);
        }
        let all = self.ranges.simplify(&blocks[0]);
        if depth == 0 || all.as_int().is_some_and(|n| n <= 1) {
            return self.loops(stage, 0, domain, None);
        }
        let threads = i64::from(self.machine.threads);
        let most = Sym::int(if threads <= 2 { threads } else { threads * SHARES });
        let shares =
            if all.as_int().is_some_and(|n| Some(n) <= most.as_int()) { all.clone() } else { Sym::min(&most, &all) };
        let worth = work::worth(self.kernel, stage);
        let shares = match worth.as_int() {
            Some(n) => Sym::min(&shares, &Sym::int(n)),
            None => Sym::max(&Sym::min(&shares, &worth), &Sym::int(1)),
        };
        let (zero, count) = (self.f.int(0), self.f.sym(&shares));
        let k = self.fresh(&Symbol::new("share"), &shares);
        let index = self.f.open_loop(k.as_str());
        self.f.bind(k.clone(), index);
        let k = Sym::var(k);
        let range = [k.clone(), k + 1].map(|k| (k * all.clone()).floordiv(&shares));
        let range = self.numbers(range, &all);
        let share = Share { depth, blocks, range };
        let result = self.loops(stage, 0, domain, Some(&share));
        self.f.close_loop(index, zero, count, 1, LoopKind::Parallel);
        result
    }

    /// True if a stage may run on several threads.
    pub(super) fn is_shared(&self, stage: &Stage) -> bool {
        let worth = || work::worth(self.kernel, stage).as_int().is_none_or(|n| n > 1);
        stage.parallel && self.machine.threads > 1 && worth()
    }

    /// Blocks of each loop, up to the first loop whose number of blocks depends on the block around it.
    fn counts(&mut self, stage: &Stage, domain: &Domain) -> Result<Vec<Sym>, Diagnostic> {
        let (mut domain, mut counts, mut unequal) = (domain.clone(), vec![], vec![]);
        for (at, l) in stage.loops.iter().enumerate() {
            if unequal.contains(&&l.axis) {
                break;
            }
            let parts = self.parts(stage, at, &domain, l.block)?;
            counts.push(parts.iter().fold(Sym::int(0), |n, p| n + &p.count));
            match &parts[..] {
                [only] if only.end.is_none() => domain = self.block_of(&domain, l, Sym::int(0), only),
                _ => unequal.push(&l.axis),
            }
        }
        Ok(counts)
    }

    /// Inside so many loops the first attached stage runs, which a share must not cut through; nor through a loop along
    /// which one rolls.
    fn innermost(&self, stage: &Stage) -> usize {
        let depth = |s: &Stage| s.at.map_or(usize::MAX, |a| (a.depth as usize).saturating_sub(usize::from(a.rolls)));
        self.kernel.schedule.attached(stage.def).map(depth).min().unwrap_or(usize::MAX)
    }

    /// Gives numbers of blocks names of their own, as they stand in many bounds.
    fn numbers(&mut self, range: [Sym; 2], all: &Sym) -> [Sym; 2] {
        range.map(|s| if s.as_int().is_some() { s } else { self.blocks_named(&s, all) })
    }

    /// A number of blocks that is multiplied with others: under a name if it is the sum of many.
    fn factor(&mut self, count: &Sym) -> Sym {
        if count.size() <= LONG { count.clone() } else { self.blocks_named(count, count) }
    }

    /// A number of at most `most` under a name of its own.
    fn blocks_named(&mut self, number: &Sym, most: &Sym) -> Sym {
        let v = self.f.sym(number);
        let name = self.fresh(&Symbol::new("block"), &(most + 1));
        self.f.bind(name.clone(), v);
        Sym::var(name)
    }

    /// A loop over the blocks that a share has some of.
    pub(super) fn shared_loop(
        &mut self,
        stage: &'k Stage,
        at: usize,
        domain: &Domain,
        share: &Share,
    ) -> Result<(), Diagnostic> {
        let l = &stage.loops[at];
        let inner = share.blocks[at + 1].clone();
        let [from, to] = &share.range;
        let own = self.numbers([from.floordiv(&inner), to.ceildiv(&inner)], &share.blocks[at]);
        self.begin(stage, at, domain);
        let mut before = Sym::int(0);
        for part in self.parts(stage, at, domain, l.block)? {
            // Blocks of this part are numbered from `before` on.
            let mut bounds = own.clone().map(|n| Sym::max(&Sym::int(0), &Sym::min(&(n - &before), &part.count)));
            if let Some(several) = self.few(stage, at, domain).filter(|_| at + 1 == share.depth) {
                bounds = self.several(stage, at, domain, &part, bounds, several)?;
            }
            let (lo, hi) = (self.f.sym(&bounds[0]), self.f.sym(&bounds[1]));
            let k = self.fresh(&l.axis, &part.count);
            let index = self.f.open_loop(k.as_str());
            self.f.bind(k.clone(), index);
            let block = Sym::var(k.clone()) + &before;
            let inside = [from, to].map(|n| {
                let n = n - &(&block * &inner);
                Sym::max(&Sym::int(0), &Sym::min(&n, &inner))
            });
            let range = if at + 1 < share.depth { self.numbers(inside, &inner) } else { inside };
            let next = Share { depth: share.depth, blocks: share.blocks.clone(), range };
            let result = self.shared_block(stage, at, domain, &part, (k, index), &next);
            self.f.close_loop(index, lo, hi, 1, LoopKind::Serial);
            result?;
            before += &part.count;
        }
        Ok(())
    }

    /// The blocks that few rows of a share take several of at a time; gives what is left of them.
    fn several(
        &mut self,
        stage: &'k Stage,
        at: usize,
        domain: &Domain,
        part: &Part,
        bounds: [Sym; 2],
        several: u32,
    ) -> Result<[Sym; 2], Diagnostic> {
        let l = &stage.loops[at];
        let group = i64::from(several / l.block);
        let Start::Every { first, step } = &part.start else { return Ok(bounds) };
        if part.len.as_int() != Some(i64::from(l.block)) || part.count.as_int().is_some_and(|n| n < group) {
            return Ok(bounds);
        }
        let [from, to] = self.numbers(bounds, &(&part.count + 1));
        let groups = (&to - &from).floordiv(&Sym::int(group));
        let wide = Part {
            count: groups.clone(),
            start: Start::Every { first: first + &(&from * *step), step: step * group },
            len: Sym::int(i64::from(several)),
            end: None,
        };
        self.part(&l.axis, &wide, false, |cx, lo| {
            let domain = cx.block_of(domain, l, lo, &wide);
            cx.loops(stage, at + 1, &domain, None)
        })?;
        Ok([from + &(groups * group), to])
    }

    fn shared_block(
        &mut self,
        stage: &'k Stage,
        at: usize,
        domain: &Domain,
        part: &Part,
        (k, index): (Symbol, onnxc_ir::loops::Value),
        share: &Share,
    ) -> Result<(), Diagnostic> {
        let l = &stage.loops[at];
        let lo = match (&part.start, part.count.as_int()) {
            (Start::Every { first, .. }, Some(1)) => first.clone(),
            _ => self.start(&l.axis, &part.start, k, index),
        };
        let domain = self.block_of(domain, l, lo, part);
        self.loops(stage, at + 1, &domain, Some(share))
    }
}

/// How many outermost loops to share out, of those with these numbers of blocks: the fewest whose blocks make about
/// equal shares, or those that make the most equal ones. Loops of unknown length count as one block.
fn depth(counts: &[Sym], most: usize, threads: i64) -> usize {
    let mut best = (f64::INFINITY, 0);
    let mut blocks = 1i64;
    let mut unknown = false;
    for (i, c) in counts.iter().take(most).enumerate() {
        match c.as_int() {
            Some(n) => blocks = blocks.saturating_mul(n.max(1)),
            None => unknown = true,
        }
        let longest = (blocks + threads - 1) / threads;
        let idle = (longest * threads - blocks) as f64 / (longest * threads) as f64;
        if idle < best.0 - 1e-9 || unknown && blocks < threads {
            best = (idle, i + 1);
        }
        if idle <= IDLE && blocks >= threads {
            break;
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_taken_together_until_shares_are_equal() {
        let of = |counts: &[i64], threads| depth(&counts.iter().map(|&c| Sym::int(c)).collect::<Vec<_>>(), 9, threads);
        assert_eq!(of(&[1, 56, 4], 2), 2, "56 rows are 28 and 28");
        assert_eq!(of(&[7, 16], 2), 2, "7 rows aren't");
        assert_eq!(of(&[7, 3], 2), 2, "21 blocks are 11 and 10, better than 4 and 3");
        assert_eq!(of(&[1, 1, 1], 2), 1);
        assert_eq!(of(&[197], 2), 1, "99 and 98");
        let symbolic = [Sym::var("n"), Sym::int(12), Sym::int(64)];
        assert_eq!(depth(&symbolic, 9, 2), 2, "there may be one n only");
        assert_eq!(depth(&symbolic, 1, 2), 1, "an attached stage");
    }
}
