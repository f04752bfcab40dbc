//! Legality of schedules, whoever chose them.

use super::reach::{Reached, reached, reached_by};
use super::{Checker, code};
use crate::kernel::{Axis, Body, DefId, Kernel, Schedule, Src, Stage};
use onnxc_base::{Diagnostics, Sym, Symbol};
use std::collections::BTreeMap;

/// Lanes of one vector, at most (as in loops IR).
const MAX_LANES: u16 = 64;

/// Lists every rule that the schedule violates (E4204). No schedule at all is legal. The algorithm is assumed to be.
///
/// Stages
/// - A definition is in at most one stage, stored or as `acc`. Outputs are stored. What a stage loads of definitions in no
///   stage are Maps; they are computed in place.
/// - A stage loads what earlier stages store (hoisted ones run before all others), so a hoisted stage loads no other.
/// - Checks run before all stages: they load parameters and definitions that are computed in place.
/// - `acc` is a Reduce and the stage's definition a Map; only it loads it, always at the same index over its own
///   variables, without pad; it is no output.
///
/// Shared axes
/// - Each stage that isn't hoisted has at least `shared` axes, whose extents equal those of the last stage; so has its
///   `acc`. Such stages load each other (and `acc`) at their own variables of those axes.
/// - If the shared loops are parallel, every stage in them stores an output: scratch memory would be shared.
///
/// Axes
/// - `order` has each axis that isn't shared exactly once, then each reduction axis exactly once.
/// - Lanes are a power of two up to 64, there is at least one vector and one row; the axes of `vector`, `rows` and
///   `unroll` are in the order, no two of them the same. Rows are of an output axis, unrolled axes reduction axes.
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
                    self.require(self.is_inline(d), |r| {
                        format!("'{}' isn't computed yet when checks run", r.c.names.def(d))
                    });
                }
            }
        }
        for (i, s) in self.schedule.stages.iter().enumerate() {
            self.line = self.c.names.stage_line(s);
            self.axes(s);
            self.shared(s);
            self.loads(i, s);
            self.accumulator(s);
        }
    }

    /// A Map in no stage.
    fn is_inline(&self, d: DefId) -> bool {
        !self.homes.contains_key(&d) && matches!(self.kernel.defs[d].body, Body::Map(_))
    }

    /// How many outermost axes of a stage are outside of it.
    fn outside(&self, s: &Stage) -> usize {
        if s.hoisted { 0 } else { self.schedule.shared }
    }

    /// The reduction axes of a stage.
    fn over(&self, s: &Stage) -> &'a [Axis] {
        match &self.kernel.defs[s.acc.unwrap_or(s.def)].body {
            Body::Reduce { axes, .. } => axes,
            Body::Map(_) => &[],
        }
    }

    fn axes(&mut self, s: &Stage) {
        let own = self.kernel.defs[s.def].axes.get(self.outside(s)..).unwrap_or_default();
        let over = self.over(s);
        let is = |axes: &[Axis], v: &Symbol| axes.iter().any(|a| a.var == *v);
        let (first, last) = s.order.split_at(own.len().min(s.order.len()));
        let each = |axes: &[Axis], order: &[Symbol]| {
            order.len() == axes.len() && axes.iter().all(|a| order.iter().filter(|v| **v == a.var).count() == 1)
        };
        let all: Vec<String> = own.iter().chain(over).map(|a| a.var.to_string()).collect();
        let count = own.len();
        self.require(each(own, first) && each(over, last), |_| {
            format!("the order isn't [{}], the first {count} in any order, then the rest", all.join(", "))
        });
        if let Some(l) = &s.vector {
            let lanes = l.lanes.is_power_of_two() && l.lanes <= MAX_LANES;
            self.require(lanes, |_| format!("{} lanes are no power of two up to {MAX_LANES}", l.lanes));
            self.require(l.vectors > 0, |_| "a tile has at least one vector".into());
            self.require(is(own, &l.axis) || is(over, &l.axis), |_| format!("the stage has no axis '{}'", l.axis));
        }
        if let Some((axis, rows)) = &s.rows {
            self.require(is(own, axis), |_| format!("the stage has no output axis '{axis}'"));
            self.require(*rows > 0, |_| "a tile has at least one row".into());
            let lanes = s.vector.as_ref().is_some_and(|l| l.axis == *axis);
            self.require(!lanes, |_| format!("'{axis}' is the axis of lanes and of rows"));
        }
        for (i, u) in s.unroll.iter().enumerate() {
            self.require(is(over, u), |_| format!("the stage has no reduction axis '{u}'"));
            let twice = s.unroll[..i].contains(u) || s.vector.as_ref().is_some_and(|l| l.axis == *u);
            self.require(!twice, |_| format!("'{u}' is unrolled twice, or the axis of lanes"));
        }
    }

    fn shared(&mut self, s: &Stage) {
        let shared = self.outside(s);
        let inside = self.schedule.stages.iter().rfind(|s| !s.hoisted);
        let (Some(last), true) = (inside, shared > 0) else { return };
        let of = |d: DefId| &self.kernel.defs[d].axes;
        let nest = of(last.def);
        for d in [Some(s.def), s.acc].into_iter().flatten() {
            let name = self.c.names.def(d);
            let enough = of(d).len() >= shared;
            self.require(enough, |_| format!("'{name}' has fewer than {shared} axes to share"));
            for (a, b) in of(d).iter().zip(nest).take(shared) {
                let equal = self.c.ranges.prove_eq(&a.extent, &b.extent) == Some(true);
                self.require(equal, |_| format!("the shared axis '{}' isn't as long as '{}'", a.var, b.var));
            }
        }
        let stores = self.kernel.outputs.contains(&s.def);
        self.require(!self.schedule.parallel || stores, |_| {
            "the threads of the shared loop would share scratch".into()
        });
    }

    fn loads(&mut self, i: usize, s: &Stage) {
        for d in [Some(s.def), s.acc].into_iter().flatten() {
            for l in reached_by(self.kernel, d, &|d| self.is_inline(d)) {
                if let Src::Def(x) = l.src {
                    self.load(i, s, d, x, &l);
                }
            }
        }
    }

    /// Stage number `i` loads `x` in its definition `d`.
    fn load(&mut self, i: usize, s: &Stage, d: DefId, x: DefId, l: &Reached) {
        let name = self.c.names.def(x);
        let Some(&home) = self.homes.get(&x) else {
            return self.require(self.is_inline(x), |_| format!("the reduction '{name}' is in no stage"));
        };
        if !home.stored {
            // `acc` comes from registers, and only in its own stage.
            return self.require(home.stage == i, |_| format!("'{name}' is in the registers of another stage"));
        }
        let other = &self.schedule.stages[home.stage];
        if s.hoisted && !other.hoisted {
            return self.report(format!("a hoisted stage loads '{name}', which isn't"));
        }
        let before = home.stage < i || (other.hoisted && !s.hoisted);
        self.require(before, |_| format!("'{name}' is computed later"));
        if !s.hoisted && !other.hoisted {
            self.own_point(d, l, &name);
        }
    }

    /// A load between stages that share axes is at the own point of `d`.
    fn own_point(&mut self, d: DefId, l: &Reached, name: &str) {
        for (a, i) in self.kernel.defs[d].axes.iter().zip(&l.index).take(self.schedule.shared) {
            let own = i.as_ref() == Some(&Sym::var(&a.var));
            self.require(own, |_| format!("'{name}' is loaded at another point of the shared axis '{}'", a.var));
        }
    }

    fn accumulator(&mut self, s: &Stage) {
        let Some(acc) = s.acc else { return };
        let name = self.c.names.def(acc);
        let reduce = matches!(self.kernel.defs[acc].body, Body::Reduce { .. });
        self.require(reduce, |_| format!("'{name}' is no reduction"));
        let map = matches!(self.kernel.defs[s.def].body, Body::Map(_));
        self.require(map, |_| "a stage with a reduction in registers stores a map".into());
        let output = self.kernel.outputs.contains(&acc);
        self.require(!output, |_| format!("'{name}' is an output, so not only in registers"));
        let all = reached_by(self.kernel, s.def, &|d| self.is_inline(d));
        let loads: Vec<&Reached> = all.iter().filter(|l| l.src == Src::Def(acc)).collect();
        self.require(!loads.is_empty(), |_| format!("the definition doesn't load '{name}'"));
        let one = loads.iter().all(|l| l.index == loads[0].index && l.index.iter().all(Option::is_some) && !l.padded);
        self.require(one, |_| format!("'{name}' isn't loaded at one point alone"));
        if !s.hoisted {
            loads.iter().take(1).for_each(|l| self.own_point(s.def, l, &name));
        }
    }
}
