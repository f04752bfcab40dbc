//! Legality of schedules, whoever chose them.

use super::{Checker, code};
use crate::kernel::reach::{Reached, reached, reached_by};
use crate::kernel::{At, Axis, Body, Cut, DefId, Kernel, Lanes, Loop, Schedule, Src, Stage};
use onnxc_base::{Diagnostics, Sym, Symbol};
use std::collections::BTreeMap;

/// Lanes of one vector, at most (as in loops IR).
const MAX_LANES: u16 = 64;

/// Lists every rule that the schedule violates (E4204). No schedule at all is legal. The algorithm is assumed to be.
///
/// Stages
/// - A definition is in at most one stage, stored or as `acc`. Outputs are stored. What a stage loads of definitions in no
///   stage are Maps; they are computed in place.
/// - A stage loads what earlier stages store.
/// - Checks run before all stages; those that load what stages store, which aren't attached ones, run after all of them.
/// - `acc` belongs to a stage whose definition is a Map; only it loads it, always at the same index over its own
///   variables, without pad; it is no output.
///
/// Attached stages
/// - The owner is a later stage that isn't attached itself and has as many loops as the depth says.
/// - Only the owner and stages attached to it no less deep load them, at symbolic indices.
/// - One that stores an output is loaded by its owner at the owner's own variables, all of them as long as its axes.
/// - They aren't parallel.
/// - One that rolls does so along a loop of blocks of one point; in a parallel owner not along the outermost loop.
///   (That its region moves along one dim only is checked where regions are computed.)
///
/// Loops
/// - Each axis of the definition has a loop; each reduction axis exactly one in `over`. Blocks aren't empty, and those
///   inside aren't larger.
/// - What is fetched ahead is along an axis of the definition.
/// - Lanes are a power of two up to 64, of an axis with a loop whose last block is a multiple of them.
/// - Only the last loop of an axis has tiles of several sizes.
/// - What few rows have at once is several of the last blocks of the lanes' axis, which is one of the definition; nothing is
///   attached inside of that loop, fetched ahead, summed by operations that sum products or guarded there.
/// - Operations that sum products are for sums of products of 8-bit integers; they take powers of two. Lanes are along an
///   axis of the definition then, and take no more than 64 products together.
pub fn verify_schedule(kernel: &Kernel) -> Result<(), Diagnostics> {
    let mut c = Checker::new(kernel);
    if kernel.schedule != Schedule::default() {
        let rules = Rules::new(kernel, &mut c);
        if let Some(mut rules) = rules {
            rules.all();
        }
    }
    Diagnostics(c.found).into_result(())
}

/// Where a definition is computed: the number of its stage, and whether it is stored there.
#[derive(Clone, Copy, PartialEq)]
struct Home {
    stage: usize,
    stored: bool,
}

struct Rules<'c, 'a> {
    kernel: &'a Kernel,
    schedule: &'a Schedule,
    c: &'c mut Checker<'a>,
    homes: BTreeMap<DefId, Home>,
    /// The stage being checked, printed.
    line: String,
}

impl<'c, 'a> Rules<'c, 'a> {
    /// None if the stages are about definitions that don't exist.
    fn new(kernel: &'a Kernel, c: &'c mut Checker<'a>) -> Option<Self> {
        let mut rules = Rules { kernel, schedule: &kernel.schedule, c, homes: BTreeMap::new(), line: String::new() };
        for (i, s) in kernel.schedule.stages.iter().enumerate() {
            rules.line = rules.c.names.stage_line(s);
            for (d, stored) in [(Some(s.def), true), (s.acc, false)] {
                let Some(d) = d else { continue };
                let name = rules.c.names.def(d);
                if kernel.defs.get(d).is_none() {
                    rules.report(format!("{name} doesn't exist"));
                } else if rules.homes.insert(d, Home { stage: i, stored }).is_some() {
                    rules.report(format!("'{name}' is in a stage already"));
                }
            }
        }
        let broken = kernel.schedule.stages.iter().flat_map(|s| [Some(s.def), s.acc]).flatten();
        if broken.into_iter().all(|d| kernel.defs.get(d).is_some()) { Some(rules) } else { None }
    }

    fn report(&mut self, message: String) {
        self.c.report(code::SCHEDULE, &self.line, message);
    }

    fn require(&mut self, ok: bool, message: impl FnOnce(&Self) -> String) {
        if !ok {
            let text = message(self);
            self.report(text);
        }
    }

    fn all(&mut self) {
        self.line = String::new();
        for &d in &self.kernel.outputs {
            let stored = self.homes.get(&d).is_some_and(|h| h.stored);
            self.require(stored, |r| format!("output '{}' isn't stored by a stage", r.c.names.def(d)));
        }
        for check in &self.kernel.checks {
            self.line = self.c.names.check_line(check);
            for l in reached(self.kernel, &check.cond, &|d| self.is_inline(d)) {
                if let Src::Def(d) = l.src {
                    let whole = |h: &Home| h.stored && self.schedule.stages[h.stage].at.is_none();
                    let there = self.is_inline(d) || self.homes.get(&d).is_some_and(whole);
                    self.require(there, |r| format!("'{}' isn't there when checks run", r.c.names.def(d)));
                }
            }
        }
        for (i, s) in self.schedule.stages.iter().enumerate() {
            self.line = self.c.names.stage_line(s);
            self.loops(s);
            if let Some(at) = s.at {
                self.attached(i, s, at);
            }
            self.loads(i, s);
            self.accumulator(s);
        }
    }

    /// A Map in no stage.
    fn is_inline(&self, d: DefId) -> bool {
        !self.homes.contains_key(&d) && matches!(self.kernel.defs[d].body, Body::Map(_))
    }

    /// The reduction axes of a stage.
    fn over(&self, s: &Stage) -> &'a [Axis] {
        match &self.kernel.defs[s.acc.unwrap_or(s.def)].body {
            Body::Reduce { axes, .. } => axes,
            Body::Map(_) => &[],
        }
    }

    fn loops(&mut self, s: &Stage) {
        let own = &self.kernel.defs[s.def].axes;
        let over = self.over(s);
        let is = |axes: &[Axis], l: &Loop| axes.iter().any(|a| a.var == l.axis);
        let of = |list: &[Loop], v: &Symbol| list.iter().filter(|l| l.axis == *v).count();
        for l in s.loops.iter().filter(|l| !is(own, l)) {
            self.report(format!("the definition has no axis '{}'", l.axis));
        }
        for l in s.over.iter().filter(|l| !is(over, l)) {
            self.report(format!("the stage has no reduction axis '{}'", l.axis));
        }
        for a in own {
            self.require(of(&s.loops, &a.var) > 0, |_| format!("axis '{}' has no loop", a.var));
            let blocks: Vec<u32> = s.loops.iter().filter(|l| l.axis == a.var).map(|l| l.block).collect();
            let shrink = blocks.is_sorted_by(|a, b| a >= b) && !blocks.contains(&0);
            self.require(shrink, |_| format!("the blocks of axis '{}' are {blocks:?}", a.var));
        }
        for a in over {
            let n = of(&s.over, &a.var);
            self.require(n == 1, |_| format!("reduction axis '{}' has {n} loops", a.var));
        }
        self.require(s.over.iter().all(|l| l.block > 0), |_| "a block of a reduction is empty".into());
        for (i, l) in s.loops.iter().enumerate().filter(|(_, l)| l.cut == Cut::Guarded) {
            let last = s.is_tile_loop(i) && s.acc.is_some();
            self.require(last, |_| format!("loop '{}' can't be guarded", l.axis));
        }
        for (i, l) in s.loops.iter().enumerate().filter(|(_, l)| l.cut == Cut::Graded) {
            self.require(s.is_tile_loop(i), |_| format!("loop '{}' can't have tiles of several sizes", l.axis));
        }
        for (i, l) in s.loops.iter().enumerate().filter(|(_, l)| l.cut == Cut::Alike) {
            self.require(!s.is_tile_loop(i), |_| format!("loop '{}' is over no blocks with loops inside", l.axis));
        }
        if let Some(axis) = &s.ahead {
            let known = own.iter().any(|a| a.var == *axis);
            self.require(known, |_| format!("the definition has no axis '{axis}' to fetch ahead along"));
        }
        if let Some(l) = &s.vector {
            let lanes = l.lanes.is_power_of_two() && l.lanes <= MAX_LANES;
            self.require(lanes, |_| format!("{} lanes are no power of two up to {MAX_LANES}", l.lanes));
            let block = s.tile(&l.axis);
            let whole = lanes && block.is_multiple_of(u32::from(l.lanes));
            self.require(whole, |_| format!("the last block of '{}' is no multiple of {} lanes", l.axis, l.lanes));
        }
        if !s.few.is_empty() {
            self.few(s);
        }
        if let Some(d) = s.dots {
            let sizes =
                d.most.is_power_of_two() && d.least.is_power_of_two() && d.least <= d.most && d.most <= MAX_LANES;
            self.require(sizes, |_| format!("operations of {} to {} products", d.least, d.most));
            let sums = Stage::narrow_factors(self.kernel, s.acc.unwrap_or(s.def)).is_some();
            self.require(sums, |_| "no sum of products of 8-bit integers".into());
            let fits = s.vector.as_ref().is_none_or(|l| {
                own.iter().any(|a| a.var == l.axis) && u32::from(l.lanes) * u32::from(d.most) <= u32::from(MAX_LANES)
            });
            self.require(fits, |_| format!("operations of {} products can't have such lanes", d.most));
        }
    }

    /// What tiles of few rows have at once is several of the blocks that others have; what is fetched or computed beside the
    /// tile is as large as for those.
    fn few(&mut self, s: &Stage) {
        let own = |l: &&Lanes| self.kernel.defs[s.def].axes.iter().any(|a| a.var == l.axis);
        let Some(lanes) = s.vector.as_ref().filter(own) else {
            return self.report("few rows need lanes along an axis of the definition".into());
        };
        let tile = s.tile(&lanes.axis);
        for f in &s.few {
            let several = tile > 0 && f.block > tile && f.block % tile == 0;
            self.require(several, |_| format!("{} points of few rows aren't several blocks of {tile}", f.block));
        }
        let rows: Vec<u32> = s.few.iter().map(|f| f.rows).collect();
        self.require(rows.is_sorted_by(|a, b| a < b), |_| format!("few rows are {rows:?}"));
        let alone = s.ahead.is_none() && s.dots.is_none();
        self.require(alone, |_| "few rows can't fetch ahead or sum products of bytes".into());
        let guarded = s.loops.iter().any(|l| l.axis == lanes.axis && l.cut == Cut::Guarded);
        self.require(!guarded, |_| "blocks of few rows can't be guarded".into());
        let at = s.loops.iter().rposition(|l| l.axis == lanes.axis).unwrap_or(0);
        let inside = self.schedule.attached(s.def).any(|x| x.at.is_some_and(|a| a.depth as usize > at));
        self.require(!inside, |_| "a stage is attached inside of the blocks of few rows".into());
    }

    fn attached(&mut self, i: usize, s: &Stage, at: At) {
        self.require(!s.parallel, |_| "an attached stage can't be parallel".into());
        let owner = self.schedule.stages.iter().skip(i + 1).find(|o| o.def == at.owner);
        let Some(owner) = owner else {
            return self.report("the owner isn't a later stage".into());
        };
        self.require(owner.at.is_none(), |_| "the owner is attached itself".into());
        self.require(at.depth as usize <= owner.loops.len(), |_| "the owner has fewer loops".into());
        if at.rolls {
            let innermost = (at.depth as usize).checked_sub(1).and_then(|i| owner.loops.get(i));
            let single = innermost.is_some_and(|l| l.block == 1);
            let ok = single && (!owner.parallel || at.depth > 1) && !self.kernel.outputs.contains(&s.def);
            self.require(ok, |_| "a region can't roll along that loop".into());
        }
        if self.kernel.outputs.contains(&s.def) {
            let covered = self.covers(s.def, owner);
            self.require(covered, |_| "the owner doesn't need all of this output".into());
        }
    }

    /// True if some load by the owner is at its own variables, which run over all of the definition.
    fn covers(&self, d: DefId, owner: &Stage) -> bool {
        let all: Vec<Axis> = self.kernel.defs[owner.def].axes.iter().chain(self.over(owner)).cloned().collect();
        let own = &self.kernel.defs[d].axes;
        let whole = |l: &Reached| {
            l.index.iter().zip(own).all(|(i, a)| {
                let v = i.as_ref().and_then(Sym::as_symbol);
                all.iter().any(|x| Some(&x.var) == v && x.extent == a.extent)
            })
        };
        [Some(owner.def), owner.acc].into_iter().flatten().any(|u| {
            reached_by(self.kernel, u, &|d| self.is_inline(d)).iter().any(|l| l.src == Src::Def(d) && whole(l))
        })
    }

    fn loads(&mut self, i: usize, s: &Stage) {
        for d in [Some(s.def), s.acc].into_iter().flatten() {
            for l in reached_by(self.kernel, d, &|d| self.is_inline(d)) {
                if let Src::Def(x) = l.src {
                    self.load(i, s, x, &l);
                }
            }
        }
    }

    /// Stage number `i` loads `x`.
    fn load(&mut self, i: usize, s: &Stage, x: DefId, l: &Reached) {
        let name = self.c.names.def(x);
        let Some(&home) = self.homes.get(&x) else {
            return self.require(self.is_inline(x), |_| format!("the reduction '{name}' is in no stage"));
        };
        if !home.stored {
            // `acc` comes from registers, and only in its own stage.
            return self.require(home.stage == i, |_| format!("'{name}' is in the registers of another stage"));
        }
        self.require(home.stage < i, |_| format!("'{name}' is computed later"));
        let Some(at) = self.schedule.stages[home.stage].at else { return };
        let inside = s.def == at.owner || s.at.is_some_and(|b| b.owner == at.owner && b.depth >= at.depth);
        self.require(inside, |_| format!("'{name}' is attached elsewhere"));
        let known = l.index.iter().all(Option::is_some);
        self.require(known, |_| format!("the region of '{name}' isn't known"));
    }

    fn accumulator(&mut self, s: &Stage) {
        let Some(acc) = s.acc else { return };
        let name = self.c.names.def(acc);
        let map = matches!(self.kernel.defs[s.def].body, Body::Map(_));
        self.require(map, |_| "a stage with a reduction in registers stores a map".into());
        let output = self.kernel.outputs.contains(&acc);
        self.require(!output, |_| format!("'{name}' is an output, so not only in registers"));
        let all = reached_by(self.kernel, s.def, &|d| self.is_inline(d));
        let loads: Vec<&Reached> = all.iter().filter(|l| l.src == Src::Def(acc)).collect();
        self.require(!loads.is_empty(), |_| format!("the definition doesn't load '{name}'"));
        let one = loads.iter().all(|l| l.index == loads[0].index && l.index.iter().all(Option::is_some) && !l.padded);
        self.require(one, |_| format!("'{name}' isn't loaded at one point alone"));
    }
}
