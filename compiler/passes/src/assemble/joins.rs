//! Which steps become one kernel where RAM is scarce: what passes between them exists strip by strip then.
//!
//! Any run of steps could be one whose results nobody else reads. A plan says which runs are. The plans that are worth trying
//! have lower and lower peaks, each the cheapest of its kind (by dynamic programming over the steps), and depend on no budget.
//!
//! A run's peak is an estimate at first: what is alive outside of it, and of what passes between a few rows. Of the runs of a
//! plan that looks good the kernels are scheduled ([`super::measured`]), so in the end a plan's peak is what its kernels need,
//! and few of all runs have been looked at. Does NOT know how well buffers of different sizes lie above each other.

use super::cut::{Step, captured, cut};
use super::reuse::Ends;
use crate::from_kernel::Machine;
use onnxc_base::Diagnostic;
use onnxc_ir::graph::{Graph, NodeId, Region, ValueId};
use onnxc_ops::Registry;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The most steps of one run.
const LONGEST: usize = 6;
/// Plans that save less than this part of the one before aren't worth trying.
const LEAST: i64 = 32;

/// Rows that a window needs, and more where it reads what windows made: what is usual.
const USUAL_ROWS: [i64; 2] = [3, 2];
/// No run has fewer: what isn't measured yet mustn't look worse than it is.
const FEWEST_ROWS: [i64; 2] = [1, 0];

/// The part of the stack that a caller's tensor may take in another type.
const PART: i64 = 4;

/// One way to join steps.
#[derive(Clone, Debug)]
pub(crate) struct Joins {
    /// Bytes that are alive at one time, about.
    pub peak: i64,
    /// The first and last step of each run.
    runs: Vec<(usize, usize)>,
}

/// What the steps of a region need, about.
pub(crate) struct Need {
    /// As the cut has them.
    pub steps: Vec<Step>,
    /// Bytes alive while each runs by itself.
    alone: Vec<i64>,
    /// The lowest peak that joining them could have.
    joined: i64,
}

impl Need {
    /// Of a region.
    ///
    /// # Errors
    /// What the cut can't lower.
    pub fn of(graph: &Graph, registry: &Registry, region: &Region, machine: Machine) -> Result<Need, Diagnostic> {
        let steps = cut(graph, registry, region)?;
        let joined = plans(graph, region, &steps, machine).last().map_or(0, |p| p.peak);
        let ends = Ends::of(graph, region, &steps);
        let planner = Planner { graph, region, steps: &steps, ends, machine, rows: USUAL_ROWS };
        let alone = (0..steps.len()).map(|i| planner.run(i, i).peak).collect();
        Ok(Need { steps, alone, joined })
    }

    /// The first step at which most is alive, if none are joined.
    pub fn peak(&self) -> Option<usize> {
        let most = self.alone.iter().max()?;
        self.alone.iter().position(|b| b == most)
    }

    /// The lowest peak, that of steps by themselves, and how many of those need it: the less the better.
    pub fn key(&self) -> (i64, i64, usize) {
        let most = self.alone.iter().max().copied().unwrap_or(0);
        (self.joined, most, self.alone.iter().filter(|b| **b == most).count())
    }
}

pub(super) struct Planner<'a> {
    pub graph: &'a Graph,
    pub region: &'a Region,
    pub steps: &'a [Step],
    pub ends: Ends,
    pub machine: Machine,
    /// Rows between steps that are next to each other, and how many more with each step between.
    rows: [i64; 2],
}

/// Plans that have been measured, by the machine's thrift, whether it is strict, and number of the region: other budgets and
/// less code ask for the same ones.
#[derive(Debug, Default)]
pub struct Plans(RefCell<BTreeMap<(u32, bool, usize), Rc<Vec<Joins>>>>);

impl Plans {
    /// Those of a region, measured if they haven't been.
    pub(super) fn of(&self, machine: Machine, region: usize, measure: impl FnOnce() -> Vec<Joins>) -> Rc<Vec<Joins>> {
        let key = (machine.memory.thrift, machine.strict, region);
        if let Some(known) = self.0.borrow().get(&key) {
            return known.clone();
        }
        let found = Rc::new(measure());
        self.0.borrow_mut().insert(key, found.clone());
        found
    }
}

/// Says what a run needs.
type Measure<'a> = &'a mut dyn FnMut(&Run) -> i64;

/// The plans that are worth trying, from the one that joins nothing to the one with the lowest peak, by estimates.
fn plans(graph: &Graph, region: &Region, steps: &[Step], machine: Machine) -> Vec<Joins> {
    let planner = Planner { graph, region, steps, ends: Ends::of(graph, region, steps), machine, rows: USUAL_ROWS };
    worth_trying(steps.len(), planner.all_runs(), &mut |r| r.peak)
}

/// The same by what kernels need.
pub(super) fn measured_plans(
    graph: &Graph,
    registry: &Registry,
    region: &Region,
    steps: &[Step],
    machine: Machine,
) -> Vec<Joins> {
    let planner = Planner { graph, region, steps, ends: Ends::of(graph, region, steps), machine, rows: FEWEST_ROWS };
    worth_trying(steps.len(), planner.all_runs(), &mut |r| planner.measured(registry, r))
}

fn worth_trying(steps: usize, mut runs: Vec<Run>, measure: Measure<'_>) -> Vec<Joins> {
    let mut most = i64::MAX;
    let (mut all, mut lowest): (Vec<Joins>, Option<Joins>) = (vec![], None);
    while let Some(found) = measured(steps, &mut runs, most, measure) {
        most = found.peak - 1;
        if all.last().is_none_or(|l| l.peak - found.peak > l.peak / LEAST) {
            all.push(found);
            lowest = None;
        } else {
            lowest = Some(found);
        }
    }
    all.extend(lowest);
    all
}

/// The cheapest runs whose peaks are known to be within a limit.
fn measured(steps: usize, runs: &mut [Run], most: i64, measure: Measure<'_>) -> Option<Joins> {
    loop {
        let found = cheapest(steps, runs, most)?;
        let mut settled = true;
        for r in runs.iter_mut().filter(|r| !r.known && found.runs.contains(&(r.from, r.to))) {
            r.peak = measure(r);
            (r.known, settled) = (true, false);
        }
        if settled {
            return Some(found);
        }
    }
}

/// The plan for an amount of RAM: the first whose peak is within it, or the last.
pub(super) fn chosen(plans: &[Joins], ram: u64) -> Option<&Joins> {
    let most = i64::try_from(ram).unwrap_or(i64::MAX);
    plans.iter().find(|p| p.peak <= most).or(plans.last())
}

/// The steps as a plan has them.
pub(super) fn join(plan: &Joins, steps: &[Step]) -> Vec<Step> {
    let one = |&(a, b): &(usize, usize)| {
        let nodes = |s: &Step| match s {
            Step::Kernel(n) => n.clone(),
            Step::Node(n) => vec![*n],
        };
        if a == b { steps[a].clone() } else { Step::Kernel(steps[a..=b].iter().flat_map(nodes).collect()) }
    };
    plan.runs.iter().map(one).collect()
}

/// Joins a step that only makes a row of another type of the caller's tensors (quantised inputs) with the product that reads
/// it: the row lies on the stack then, and nothing is computed twice. Where that row is what most memory is needed for.
pub(super) fn join_rows(graph: &Graph, region: &Region, mut steps: Vec<Step>, machine: Machine) -> Vec<Step> {
    let ends = Ends::of(graph, region, &steps);
    let planner = Planner { graph, region, steps: &steps, ends, machine, rows: USUAL_ROWS };
    let peaks: Vec<i64> = (0..steps.len()).map(|i| planner.run(i, i).peak).collect();
    let most = peaks.iter().max().copied().unwrap_or(0);
    let wanted = |i: usize| peaks[i..=i + 1].contains(&most) && planner.is_chain(i, i + 1) && planner.makes_row(i);
    let Some(i) = (0..steps.len().saturating_sub(1)).find(|&i| wanted(i)) else { return steps };
    if let Step::Kernel(second) = steps.remove(i + 1)
        && let Step::Kernel(first) = &mut steps[i]
    {
        first.extend(second);
    }
    steps
}

/// A run of steps, what it costs to join them and the bytes alive while they run.
pub(super) struct Run {
    pub from: usize,
    pub to: usize,
    cost: i64,
    pub peak: i64,
    /// Of them those of tensors that are there before.
    pub outside: i64,
    /// Those of the result, unless it leaves the region.
    pub own: i64,
    /// The peak is no estimate.
    known: bool,
}

/// The cheapest runs of at most so many bytes that cover all steps.
fn cheapest(steps: usize, runs: &[Run], most: i64) -> Option<Joins> {
    // For each number of steps from the start: the cost, and the last run.
    let mut best: Vec<Option<(i64, Option<&Run>)>> = vec![None; steps + 1];
    best[0] = Some((0, None));
    for r in runs.iter().filter(|r| r.peak <= most) {
        let Some((before, _)) = best[r.from] else { continue };
        let cost = before.saturating_add(r.cost);
        if best[r.to + 1].is_none_or(|(c, _)| cost < c) {
            best[r.to + 1] = Some((cost, Some(r)));
        }
    }
    let (mut runs, mut peak, mut at) = (vec![], 0, steps);
    while at > 0 {
        let r = best[at]?.1?;
        runs.push((r.from, r.to));
        peak = peak.max(r.peak);
        at = r.from;
    }
    runs.reverse();
    Some(Joins { peak, runs })
}

impl Planner<'_> {
    /// Every run, in order of its first step, then of its last.
    fn all_runs(&self) -> Vec<Run> {
        let mut all = vec![];
        for from in 0..self.steps.len() {
            let longest = (from + LONGEST).min(self.steps.len());
            all.extend(
                (from..longest).filter(|&to| from == to || self.is_chain(from, to)).map(|to| self.run(from, to)),
            );
        }
        all
    }

    /// True if all steps are kernels and what they make is read in the run only, but for the last one's result.
    fn is_chain(&self, from: usize, to: usize) -> bool {
        let kernels = self.steps[from..=to].iter().all(|s| matches!(s, Step::Kernel(_)));
        kernels && (from..to).all(|i| self.stays(i, to))
    }

    fn stays(&self, i: usize, to: usize) -> bool {
        let Some(y) = self.result(i) else { return false };
        let last = (i + 1..self.steps.len()).rev().find(|&j| self.reads(&self.steps[j], y));
        let there = last.is_some_and(|l| l <= to);
        there && !self.region.results.contains(&y) && self.graph.frame(y).is_none()
    }

    /// True if a step makes one row, not too long for the stack, of what the caller has.
    fn makes_row(&self, i: usize) -> bool {
        let Step::Kernel(nodes) = &self.steps[i] else { return false };
        let outputs = |n: &NodeId| self.graph.nodes[*n].outputs.as_slice();
        let made: Vec<ValueId> =
            self.region.nodes.iter().filter(|n| !nodes.contains(n)).flat_map(outputs).copied().collect();
        let given = nodes.iter().all(|n| !self.graph.nodes[*n].inputs.iter().flatten().any(|v| made.contains(v)));
        let shape = self.result(i).and_then(|y| self.graph.stored_shape(y)).unwrap_or_default();
        let row = shape.split_last().is_some_and(|(_, outer)| outer.iter().all(|e| e.is_one()));
        let bytes = self.ends.tensors.iter().find(|t| t.0 == i).map_or(i64::MAX, |t| t.2);
        given && row && bytes <= i64::from(self.machine.memory.stack_bytes) / PART
    }

    /// The one value that leaves a step.
    pub fn result(&self, i: usize) -> Option<ValueId> {
        let Step::Kernel(nodes) = &self.steps[i] else { return None };
        let [y] = self.graph.nodes[*nodes.last()?].outputs[..] else { return None };
        Some(y)
    }

    fn reads(&self, s: &Step, y: ValueId) -> bool {
        let nodes = match s {
            Step::Kernel(n) => n.as_slice(),
            Step::Node(n) => std::slice::from_ref(n),
        };
        nodes.iter().any(|n| {
            let mut found = self.graph.nodes[*n].inputs.contains(&Some(y));
            self.graph.nodes[*n].regions.iter().for_each(|r| captured(self.graph, r, &mut |v| found |= v == y));
            found
        })
    }

    fn run(&self, from: usize, to: usize) -> Run {
        let tensors = || self.ends.tensors.iter();
        let inner: Vec<_> = tensors().filter(|t| (from..to).contains(&t.0)).collect();
        let outside: i64 = tensors().filter(|t| t.0 < from && t.1 >= from).map(|t| t.2).sum();
        let own = tensors().find(|t| t.0 == to).map_or(0, |t| t.2);
        let in_place = tensors().any(|t| t.0 < from && (from..=to).contains(&t.1) && t.2 >= own);
        let rings: i64 = inner.iter().map(|t| self.ring(t.0, to, t.2)).sum();
        // Rows go through rings and copies: the further from the end the more of them.
        let cost = inner.iter().map(|t| t.2.saturating_mul((to - t.0) as i64)).sum::<i64>() + (to - from) as i64;
        let peak = outside + rings + if in_place { 0 } else { own };
        Run { from, to, cost, peak, outside, own, known: false }
    }

    /// Bytes of the rows that the last step of a run needs of an earlier step's result at one time. What has no rows is there as a whole; what is small lies on the stack.
    fn ring(&self, i: usize, to: usize, bytes: i64) -> i64 {
        let shape = self.result(i).and_then(|y| self.graph.stored_shape(y)).unwrap_or_default();
        let ring = match shape[..] {
            [_, ref rows, _, _] => {
                let rows = rows.as_int().unwrap_or(1).max(1);
                bytes / rows * rows.min(self.rows[0] + self.rows[1] * ((to - i) as i64 - 1))
            }
            _ => bytes,
        };
        if ring <= i64::from(self.machine.memory.stack_bytes) { 0 } else { ring }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four steps of 10, 40, 30 and 5 bytes; joining the middle ones is cheaper than the first ones.
    fn runs() -> Vec<Run> {
        let run = |(from, to, cost, peak)| Run { from, to, cost, peak, outside: 0, own: 0, known: false };
        let all =
            [(0, 0, 0, 10), (0, 1, 9, 20), (0, 2, 20, 6), (1, 1, 0, 40), (1, 2, 4, 15), (2, 2, 0, 30), (3, 3, 0, 5)];
        all.into_iter().map(run).collect()
    }

    #[test]
    fn the_cheapest_that_fits_is_taken() {
        let found = |most| cheapest(4, &runs(), most).map(|j| (j.peak, j.runs));
        assert_eq!(found(i64::MAX), Some((40, vec![(0, 0), (1, 1), (2, 2), (3, 3)])));
        assert_eq!(found(39), Some((15, vec![(0, 0), (1, 2), (3, 3)])));
        assert_eq!(found(14), Some((6, vec![(0, 2), (3, 3)])));
        assert_eq!(found(5), None);
    }

    #[test]
    fn what_is_measured_counts() {
        // Joining the middle ones needs more than was thought, which is found out before anything else is looked at.
        let mut looked = vec![];
        let mut measure = |r: &Run| {
            looked.push((r.from, r.to));
            if (r.from, r.to) == (1, 2) { 50 } else { r.peak }
        };
        let peaks: Vec<i64> = worth_trying(4, runs(), &mut measure).iter().map(|j| j.peak).collect();
        assert_eq!(peaks, [40, 30, 6]);
        assert_eq!(looked.len(), 7);
    }
}
