//! im2col: where the data of a contraction lies in order for short rows only (a kernel's rows over an image of few channels),
//! the windows of a tile are copied, so that all of a window lies in order and fills the operations that sum products.
//!
//! The copy has the contraction's own axes that the data depends on and the reduction axes; [`super::strips`] makes it inside
//! of the nest, for the pixels of one tile. Afterwards the reduction is one axis. Only where RAM is scarce, as only there
//! copies are made inside, in kernels of one contraction and fixed extents, and where sharing a window among output channels
//! pays for copying it.

use super::dot::{Factors, factors, tile_axes};
use super::expr::offset;
use super::pack::{self, Plan as Copy};
use super::plan::{Nest, nests};
use super::{collapse, expr, overlap};
use crate::from_kernel::{Machine, all_ranges, reduction_axes};
use onnxc_base::sym::Symbol;
use onnxc_base::{EntityRef, Sym};
use onnxc_ir::kernel::build::int;
use onnxc_ir::kernel::{Axis, Body, Def, DefId, Dots, Expr, ExprKind, Kernel, Src};
use onnxc_ir::scalar::Scalar;

/// Copies the windows of a kernel's contraction if that pays.
pub fn im2col(kernel: &mut Kernel, machine: Machine) {
    let Some(dots) = machine.bytes.and_then(|b| b.dots).filter(|_| machine.memory.scarce) else { return };
    let sums: Vec<Nest> = nests(kernel).into_iter().filter(|n| n.reduction(kernel).is_some()).collect();
    let [nest] = &sums[..] else { return };
    let Some(copy) = windows(kernel, nest, dots) else { return };
    let reduction = DefId::new(copy.of.index() + 1);
    pack::apply(kernel, copy);
    collapse::collapse_reduction(kernel, reduction);
}

/// The copy of a contraction's windows, if it pays.
fn windows(kernel: &Kernel, nest: &Nest, dots: Dots) -> Option<Copy> {
    let f = factors(kernel, nest).filter(|f| pack::is_const_copy(kernel, f.weights.src) && f.data.pad.is_none())?;
    if !pays(kernel, nest, &f, dots) {
        return None;
    }
    let def = &kernel.defs[f.reduction];
    let mentions = |a: &&Axis| f.data.index.iter().flatten().any(|i| i.contains(&a.var));
    let own: Vec<&Axis> = def.axes.iter().filter(mentions).chain(reduction_axes(def)).collect();
    if own.iter().any(|a| a.extent.as_int().is_none()) {
        return None;
    }
    let var = |i: usize| Symbol::new(&format!("windows{i}"));
    let renamed = |v: &Symbol| own.iter().position(|a| a.var == *v).map(|i| Sym::var(var(i)));
    let source = f.data.index.iter().flatten().map(|s| int(s.subst(&renamed))).collect();
    let dtype = kernel.src_dtype(f.data.src);
    // Every index is in range; the pad marks the copy as one that is worth storing.
    let pad = Some(Scalar::from_i64(dtype, 0));
    let load = Expr::new(ExprKind::Load { src: f.data.src, index: source, pad });
    let axes = own.iter().enumerate().map(|(i, a)| Axis { var: var(i), extent: a.extent.clone() }).collect();
    let index = own.iter().map(|a| Sym::var(a.var.clone())).collect();
    let def = Def { name: "windows".into(), dtype, axes, body: Body::Map(load) };
    Some(Copy { of: f.reduction, site: f.data.clone(), def, index })
}

/// True if the operations that are saved for all output channels are more than the elements to be copied.
fn pays(kernel: &Kernel, nest: &Nest, f: &Factors, dots: Dots) -> bool {
    let at = all_ranges(kernel).simplify(&offset(kernel, &f.data));
    let (mut row, mut total, mut in_order) = (1, 1, true);
    for a in reduction_axes(&kernel.defs[f.reduction]).iter().rev() {
        let Some(extent) = a.extent.as_int() else { return false };
        in_order &= at.split_linear(&a.var).and_then(|(step, _)| step.as_int()) == Some(total);
        total *= extent;
        row = if in_order { total } else { row };
    }
    let most = i64::from(dots.most);
    let Some(columns) = tile_axes(kernel, nest, f).1.and_then(|a| a.extent.as_int()) else { return false };
    let operations = |n| overlap::even(dots, n).map_or(dots.operations(n), |o| o.length / most);
    let (now, then) = (total / row.max(1) * operations(row), operations(total));
    row < most && most <= total && (now - then) * columns > total
}

/// True if a definition copies windows: what it copies it copies more than once.
pub(super) fn is_windows(kernel: &Kernel, id: DefId) -> bool {
    let def = &kernel.defs[id];
    let copies = |s: &expr::Site| s.pad.is_some() && kernel.src_shape(s.src).len() < def.axes.len();
    matches!(def.body, Body::Map(_)) && expr::def_loads(def).iter().all(copies)
}

/// True if windows of a definition are copied.
pub(super) fn has_windows(kernel: &Kernel, id: DefId) -> bool {
    let reads = |d: DefId| expr::def_loads(&kernel.defs[d]).iter().any(|s| s.src == Src::Def(id));
    kernel.defs.keys().any(|d| reads(d) && is_windows(kernel, d))
}
