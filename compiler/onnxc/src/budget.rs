//! Budgets: how much RAM a module needs, and compiling within what there is; `flash` is the other one.
//!
//! RAM is the workspace, which the caller provides; the stack is reported beside it. A budget that isn't met as it stands is
//! tried again more thriftily: tensors in the place of larger ones, operands read through copies so that results can take
//! their place, chains of kernels strip by strip, tensors computed again that would wait for a late reader. What can't be met
//! is refused, with what stands in its way.

use crate::flash;
use crate::options::Options;
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::Frames;
use onnxc_ir::graph::Graph;
use onnxc_ir::loops::Program;
use onnxc_passes::from_kernel::{Machine, Memory};
use onnxc_passes::graph::recompute;
use onnxc_passes::loops;
use onnxc_passes::loops::plan_memory::{Placed, Plan};
use onnxc_passes::manager::Stop;
use onnxc_passes::pipeline::Lowered;

/// How many tensors or constants an error names.
pub(crate) const NAMED: usize = 12;

/// Bytes of weights and tables, as they are aligned in an object.
pub fn constant_bytes(program: &Program) -> u64 {
    program.consts.values().map(|c| c.data.len() as u64).sum()
}

/// Bytes of stack that a run needs at most, with the frames of compiled functions where they are known.
pub fn stack_bytes(program: &Program, frames: Option<&Frames>) -> u64 {
    program.interface.entries.run.map_or(0, |run| loops::stack::bound(program, run, frames))
}

/// Bytes of a module's own arrays on the stack.
pub fn array_bytes(program: &Program) -> u64 {
    program.interface.entries.run.map_or(0, |run| loops::stack::arrays(program, run))
}

/// Lowers within the budgets of the options: `attempt` for one machine after the other. `model`: as imported.
///
/// # Errors
/// What `attempt` reports, and a budget that can't be met.
pub(crate) fn within(
    options: &Options,
    model: &Graph,
    machine: Machine,
    mut attempt: impl FnMut(Machine) -> Result<Lowered, Stop>,
) -> Result<Lowered, Stop> {
    let mut search = Search { options, attempt: &mut attempt, least: None };
    let lowered = search.run(machine)?;
    let Err(beyond) = flash::within(options.max_flash, model, &lowered) else { return Ok(lowered) };
    // Weights of convolutions in a transformed domain are up to four times as large.
    let plain = Machine { strict: true, ..machine };
    if plain == machine {
        return Err(beyond.into());
    }
    search.least = None;
    let lowered = search.run(plain)?;
    flash::within(options.max_flash, model, &lowered)?;
    Ok(lowered)
}

/// The search for a machine thrifty enough.
///
/// What there is to try doesn't depend on the budget: the machine as it is, and for each level of thrift the plans that join
/// steps, each with the peak that it should have. A plan serves budgets from its peak or what it turns out to need, whichever
/// is more. So the least that any of them serves is the smallest budget that works: it is met if it is asked for, and less is
/// refused with the same number.
struct Search<'a> {
    options: &'a Options,
    attempt: &'a mut dyn FnMut(Machine) -> Result<Lowered, Stop>,
    /// What serves the smallest budget so far, and that budget.
    least: Option<(u64, Lowered)>,
}

/// The plans of one level of thrift.
struct Level {
    machine: Machine,
    /// Their peaks, descending; some that haven't been tried.
    left: Vec<u64>,
}

impl Search<'_> {
    fn run(&mut self, machine: Machine) -> Result<Lowered, Stop> {
        let lowered = (self.attempt)(machine)?;
        let bytes = ram(self.options, &lowered)?;
        let Some(most) = self.options.max_ram.filter(|most| bytes > *most) else { return Ok(lowered) };
        self.least = Some((bytes, lowered));
        let mut levels = vec![];
        for thrift in Machine::JOINING..=Machine::MOST_THRIFT {
            let machine = Machine { memory: Memory { scarce: true, thrift, ram: most, ..machine.memory }, ..machine };
            let lowered = (self.attempt)(machine)?;
            let again = lowered.notes.iter().filter(|n| n.pass == recompute::PASS.name).count();
            if again < (thrift - Machine::JOINING) as usize {
                // There was nothing left to compute again: this is what has been tried before.
                break;
            }
            let peaks = lowered.assembled.peaks.clone();
            let first = peaks.iter().position(|p| *p <= most).or(peaks.len().checked_sub(1));
            let mut level = Level { machine, left: peaks };
            let peak = first.map_or(0, |i| level.left.remove(i));
            if let Some(found) = self.keep(peak, lowered, most)? {
                return Ok(found);
            }
            // The cheapest first: those that should fit.
            while let Some(i) = level.left.iter().position(|p| *p <= most) {
                let peak = level.left.remove(i);
                if let Some(found) = self.plan(&level, peak, most)? {
                    return Ok(found);
                }
            }
            levels.push(level);
        }
        self.refuse(levels, most)
    }

    /// Tries the plan of a peak.
    fn plan(&mut self, level: &Level, peak: u64, most: u64) -> Result<Option<Lowered>, Stop> {
        let memory = Memory { ram: peak, ..level.machine.memory };
        let lowered = (self.attempt)(Machine { memory, ..level.machine })?;
        self.keep(peak, lowered, most)
    }

    /// Gives what meets the budget, and remembers what serves the smallest one.
    fn keep(&mut self, peak: u64, lowered: Lowered, most: u64) -> Result<Option<Lowered>, Stop> {
        let serves = ram(self.options, &lowered)?.max(peak);
        if serves <= most {
            return Ok(Some(lowered));
        }
        if self.least.as_ref().is_none_or(|l| serves < l.0) {
            self.least = Some((serves, lowered));
        }
        Ok(None)
    }

    /// Finds the smallest budget that works: a plan needs no trying if its peak alone is beyond what is known to work.
    fn refuse(&mut self, levels: Vec<Level>, most: u64) -> Result<Lowered, Stop> {
        let left = |(l, level): (usize, &Level)| level.left.iter().map(|p| (*p, l)).collect::<Vec<_>>();
        let mut all: Vec<(u64, usize)> = levels.iter().enumerate().flat_map(left).collect();
        all.sort_unstable();
        for (peak, level) in all {
            if self.least.as_ref().is_some_and(|l| peak >= l.0) {
                break;
            }
            self.plan(&levels[level], peak, most)?;
        }
        let problem = |(bytes, l): &(u64, Lowered)| too_much_ram(&l.memory, *bytes, most).into();
        Err(Stop::Failed(self.least.as_ref().map_or_else(Diagnostics::new, problem)))
    }
}

fn ram(options: &Options, lowered: &Lowered) -> Result<u64, Diagnostic> {
    match lowered.memory.bytes.as_int() {
        Some(n) => Ok(n.max(0) as u64),
        None if options.max_ram.is_none() => Ok(0),
        None => Err(Diagnostic::error("E5031", "--max-ram needs a workspace of fixed size")
            .expected(workspace_text(&lowered.memory))
            .help("fix the dims (--dim NAME=EXTENT)")),
    }
}

/// Nodes of a closed form that a message may have.
const CLOSED_FORM: u32 = 60;

fn workspace_text(plan: &Plan) -> String {
    match plan.closed_form(CLOSED_FORM) {
        Some(bytes) => format!("a number, but the workspace has {bytes} bytes"),
        None => "a number, but the workspace's bytes depend on the dims".into(),
    }
}

/// `works`: the smallest budget that does, and `plan` is what it gives.
fn too_much_ram(plan: &Plan, works: u64, most: u64) -> Diagnostic {
    let mut alive = at_peak(plan);
    alive.sort_by_key(|(p, bytes)| (std::cmp::Reverse(*bytes), p.offset.as_int()));
    let names: Vec<String> = alive.iter().take(NAMED).map(|(p, bytes)| format!("'{}' {bytes} bytes", p.name)).collect();
    let names = format!("{}{}", names.join(", "), rest(alive.len()));
    Diagnostic::error(
        "E5030",
        format!("the model needs {works} bytes of RAM beside its stack; alive at one time: {names}"),
    )
    .expected(format!("at most {most} bytes (--max-ram)"))
    .help(format!("the smallest budget that works is --max-ram {works}"))
}

/// What a list of so many doesn't name.
pub(crate) fn rest(count: usize) -> String {
    if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() }
}

/// The buffers of the moment when most bytes are alive.
fn at_peak(plan: &Plan) -> Vec<(&Placed, i64)> {
    let alive = |t: usize| plan.placed.iter().filter_map(move |p| Some((p, p.alive(t).filter(|b| *b > 0)?)));
    let bytes = |t: usize| alive(t).map(|(_, b)| b).sum::<i64>();
    let when = plan.placed.iter().map(|p| p.from).max_by_key(|&t| (bytes(t), std::cmp::Reverse(t)));
    when.map(|t| alive(t).collect()).unwrap_or_default()
}
