//! order: of a sum's axes, the one along which the data lies contiguously goes innermost.
//!
//! A convolution is defined as a sum over channels, then taps. Where channels are the innermost dim of the data, that order
//! reads a few bytes of many lines at every step, and pixels whose distance is a power of two meet in a few sets of the
//! first-level cache: those of a tile and all its taps don't fit there. With the channels innermost a step reads on in
//! as many lines as the tile has rows.
//!
//! Does NOT touch a sum whose operands disagree, anything but sums, or what a machine without caches runs.

use super::expr::{loads, offset};
use crate::from_kernel::{Machine, all_ranges};
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::{Body, DefId, Kernel, ReduceOp, Src};

/// Reorders the sums of a kernel.
pub fn order(kernel: &mut Kernel, machine: Machine) {
    if machine.memory.scarce {
        return;
    }
    for id in kernel.defs.keys().collect::<Vec<_>>() {
        let Some(innermost) = contiguous(kernel, id) else { continue };
        if let Body::Reduce { axes, .. } = &mut kernel.defs[id].body {
            let Some(at) = axes.iter().position(|a| a.var == innermost) else { continue };
            axes[at..].rotate_left(1);
        }
    }
}

/// The one axis of a sum along which data is read element by element. Constants don't count: they are packed in the sum's
/// order, whatever it is.
fn contiguous(kernel: &Kernel, id: DefId) -> Option<Symbol> {
    let Body::Reduce { op: ReduceOp::Add, axes, value, .. } = &kernel.defs[id].body else { return None };
    if axes.len() < 2 {
        return None;
    }
    let ranges = all_ranges(kernel);
    let constant = |src: Src| matches!(src, Src::Param(p) if kernel.params[p].value.is_some());
    let offsets: Vec<_> =
        loads(value).iter().filter(|s| !constant(s.src)).map(|s| ranges.simplify(&offset(kernel, s))).collect();
    let unit = |v: &Symbol| offsets.iter().any(|o| o.split_linear(v).is_some_and(|(c, _)| c.is_one()));
    let mut units = axes.iter().map(|a| &a.var).filter(|v| unit(v));
    units.next().filter(|_| units.next().is_none()).cloned()
}
