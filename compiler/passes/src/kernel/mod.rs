//! Passes over one kernel: simplify its definitions, then choose its schedule.
//!
//! The order is fixed, as each step relies on the one before: [`inline`] → [`split`] → [`quotients`] → [`widen`] → [`collapse`] (with [`dot`] on both
//! sides, then [`im2col`]) → [`order`] → [`pack`] → [`precompute`] → [`schedule`], and where RAM is scarce [`strips`];
//! attention has an order and a schedule of its own ([`attention`]), and chains ([`chain`], [`sliding`]) long sums ([`sums`]) and
//! large products ([`row_copies`]) a schedule. None of them changes
//! what a kernel computes but for the order of sums.

pub mod along;
pub mod attention;
pub mod bands;
pub mod candidates;
pub mod chain;
pub mod collapse;
pub mod columns;
pub mod dot;
pub mod expr;
mod few;
pub mod im2col;
pub mod inline;
mod key_parts;
pub mod lanes;
pub mod order;
mod overlap;
pub mod pack;
pub mod panels;
pub mod plan;
pub mod precompute;
pub mod quotients;
pub mod row_copies;
pub mod schedule;
mod share;
mod signs;
pub mod sliding;
pub mod split;
pub mod strips;
pub mod sums;
pub mod tile;
pub mod toom_cook;
pub mod transpose;
pub mod widen;
pub mod window;
pub mod winograd;
pub mod work;

#[cfg(test)]
mod tests;

use crate::from_kernel::{Machine, scratch_bytes};
use onnxc_base::Diagnostic;
use onnxc_ir::kernel::{Hints, Kernel, ParamId};

/// Knows what of the chooser's best few is the fastest, for some kernels.
pub trait Tuner {
    /// What the chooser shall do with a kernel of which nothing has been changed yet.
    fn hints(&self, kernel: &Kernel, machine: Machine) -> Hints;
}

/// Simplifies a kernel and gives it a schedule for a machine.
///
/// # Errors
/// A constant definition that can't be evaluated.
pub fn optimise(kernel: &mut Kernel, machine: Machine) -> Result<(), Diagnostic> {
    optimise_reading(kernel, machine, None)
}

/// As [`optimise`], with reductions that read a parameter through a copy of their next block.
///
/// # Errors
/// A constant definition that can't be evaluated.
pub fn optimise_with_copy(kernel: &mut Kernel, machine: Machine, copied: ParamId) -> Result<(), Diagnostic> {
    optimise_reading(kernel, machine, Some(copied))
}

fn optimise_reading(kernel: &mut Kernel, machine: Machine, copied: Option<ParamId>) -> Result<(), Diagnostic> {
    let machine = candidates::machine_for(kernel.hints, machine);
    inline::inline(kernel);
    split::split(kernel, machine);
    if !machine.strict {
        quotients::quotients(kernel);
    }
    if let Some(k) = attention::attention(kernel, machine)? {
        *kernel = k;
        few::few(kernel, machine);
        return Ok(());
    }
    widen::widen(kernel, machine);
    precompute::precompute(kernel)?;
    dot::arrange(kernel, machine);
    collapse::collapse_for(kernel, machine);
    if let Some(p) = copied {
        strips::copy_param(kernel, p);
    }
    im2col::im2col(kernel, machine);
    let dots = dot::panels(kernel, machine);
    if dots.is_empty() {
        order::order(kernel, machine);
    }
    let fast = if machine.strict { None } else { winograd::winograd(kernel, machine) };
    let blocks = fast.as_ref().map(|w| w.blocks()).unwrap_or_default();
    pack::pack(kernel, machine, &dots, &blocks);
    precompute::precompute(kernel)?;
    match fast {
        Some(w) if winograd::schedule(kernel, &w, machine).is_some() => {}
        _ if chain::schedule(kernel, machine) || sliding::schedule(kernel, machine) => {}
        _ if dots.is_empty() && (sums::schedule(kernel, machine) || row_copies::schedule(kernel, machine)) => {}
        _ => schedule::schedule(kernel, machine),
    }
    dot::schedule(kernel, machine, &dots);
    few::few(kernel, machine);
    if machine.memory.scarce {
        strips::attach(kernel, machine);
    }
    if collapse::keeps_rows(kernel, machine) && blocks.is_empty() {
        row_by_row(kernel, machine, &dots);
    }
    Ok(())
}

/// Nests that share no loops may be the better ones to attach to each other: what needs less of the workspace stays.
fn row_by_row(kernel: &mut Kernel, machine: Machine, dots: &[dot::Plan]) {
    let bytes = |k: &Kernel| scratch_bytes(k, machine).unwrap_or(i64::MAX);
    let (before, least) = (kernel.schedule.clone(), bytes(kernel));
    schedule::apart(kernel, machine);
    dot::schedule(kernel, machine, dots);
    strips::attach(kernel, machine);
    if bytes(kernel) >= least {
        kernel.schedule = before;
    }
}
