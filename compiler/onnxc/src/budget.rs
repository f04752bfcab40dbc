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
    let mut best: Option<Lowered> = None;
    let mut tried = 0;
    let mut ways = vec![machine];
    while let Some(&machine) = ways.get(tried) {
        tried += 1;
        let lowered = attempt(machine)?;
        let ram = ram(options, &lowered)?;
        let Some(most) = options.max_ram.filter(|most| ram > *most) else {
            let Err(beyond) = flash::within(options.max_flash, model, &lowered) else { return Ok(lowered) };
            // Weights of convolutions in a transformed domain are up to four times as large.
            let plain = Machine { strict: true, ..machine };
            if plain == machine {
                return Err(beyond.into());
            }
            ways.insert(tried, plain);
            continue;
        };
        if tried == ways.len() {
            ways.extend(thriftier(machine, &lowered, most));
        }
        let least = best.as_ref().and_then(|b| b.memory.bytes.as_int()).unwrap_or(i64::MAX);
        if lowered.memory.bytes.as_int().is_some_and(|n| n < least) {
            best = Some(lowered);
        }
    }
    let most = options.max_ram.unwrap_or(u64::MAX);
    Err(Stop::Failed(best.map_or_else(Diagnostics::new, |b| too_much_ram(&b.memory, most).into())))
}

/// What to try after a machine that needs too much: first the cheapest joins of steps that should be within the budget, then
/// those with the lowest peak; after them the same with one more tensor computed again. Those of the lowest peak are tried
/// for every budget, so the budget that a refusal names works; as plans are estimated, another may need less.
fn thriftier(machine: Machine, lowered: &Lowered, most: u64) -> Vec<Machine> {
    let thrift = machine.memory.thrift;
    let with =
        |thrift: u32, ram: u64| Machine { memory: Memory { scarce: true, thrift, ram, ..machine.memory }, ..machine };
    let again = lowered.notes.iter().filter(|n| n.pass == recompute::PASS.name).count();
    if again < thrift.saturating_sub(Machine::JOINING) as usize {
        // There was nothing left to compute again: this is what has been tried before.
        return vec![];
    }
    let peaks = &lowered.assembled.peaks;
    let first = peaks.iter().find(|p| **p <= machine.memory.ram);
    if let Some(&lowest) = peaks.last().filter(|p| first.is_some_and(|f| f > *p)) {
        return vec![with(thrift, lowest)];
    }
    if thrift < Machine::MOST_THRIFT { vec![with((thrift + 1).max(Machine::JOINING), most)] } else { vec![] }
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

fn too_much_ram(plan: &Plan, most: u64) -> Diagnostic {
    let need = plan.bytes.as_int().unwrap_or(0);
    let mut alive = at_peak(plan);
    alive.sort_by_key(|(p, bytes)| (std::cmp::Reverse(*bytes), p.offset.as_int()));
    let names: Vec<String> = alive.iter().take(NAMED).map(|(p, bytes)| format!("'{}' {bytes} bytes", p.name)).collect();
    let names = format!("{}{}", names.join(", "), rest(alive.len()));
    Diagnostic::error("E5030", format!("the model needs {need} bytes of RAM; alive at one time: {names}"))
        .expected(format!("at most {most} bytes (--max-ram)"))
        .help(format!("the smallest budget found to work is --max-ram {need}"))
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
