//! What a tuner may try: for a kernel other hints than none, step by step.
//!
//! The steps are ordered by how much hangs on them, and each varies what has won so far: first how a convolution is
//! computed, then what depends on the caches (blocks, orders of loops, transforms), then the register tile. Hints that lead
//! to the same schedule are no matter of this file: whoever measures sees that the kernels are equal.

use crate::from_kernel::{Machine, dims_of, reduction_axes};
use onnxc_ir::kernel::{Body, Def, Hints, Kernel, ReduceOp};

/// Points of a reduction below which no schedule is worth a measurement.
const LEAST_POINTS: i64 = 1 << 15;

/// One step of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Transformed domains, or none.
    Transform,
    /// What depends on the caches.
    Cache,
    /// The register tile.
    Registers,
}

/// The steps, in order.
pub const STEPS: [Step; 3] = [Step::Transform, Step::Cache, Step::Registers];

/// True for kernels that are worth it: sums of some size, all extents known.
pub fn tunable(kernel: &Kernel) -> bool {
    dims_of(kernel).is_empty() && kernel.checks.is_empty() && points(kernel).is_some_and(|n| n >= LEAST_POINTS)
}

/// Points of the largest sum.
fn points(kernel: &Kernel) -> Option<i64> {
    let of = |d: &Def| match d.body {
        Body::Reduce { op: ReduceOp::Add, .. } => {
            let all = d.axes.iter().chain(reduction_axes(d));
            all.map(|a| a.extent.as_int()).try_fold(1i64, |n, e| n.checked_mul(e?))
        }
        _ => None,
    };
    kernel.defs.values().filter_map(of).max()
}

/// The hints of a step, given what has won before.
pub fn candidates(won: Hints, step: Step, machine: Machine) -> Vec<Hints> {
    match step {
        Step::Transform if machine.strict => vec![],
        Step::Transform => vec![Hints { direct: true, ..won }],
        Step::Cache => {
            let kib = machine.l2_bytes >> 10;
            [kib / 4, kib * 4, kib * 32].map(|n| Hints { cache_kib: Some(n.max(1)), ..won }).to_vec()
        }
        // One less, and so many that one row of vectors, or one vector of rows, becomes the best.
        Step::Registers => {
            let share = |sixteenths: u32| machine.registers * sixteenths / 16;
            [15, 13, 10].map(|s| Hints { registers: Some(share(s).max(4)), ..won }).to_vec()
        }
    }
}

/// The machine that a kernel's schedule is chosen for.
pub fn machine_for(hints: Hints, machine: Machine) -> Machine {
    Machine {
        strict: machine.strict || hints.direct,
        registers: hints.registers.unwrap_or(machine.registers),
        l2_bytes: hints.cache_kib.map_or(machine.l2_bytes, |n| n.saturating_mul(1 << 10)),
        ..machine
    }
}
