//! overlap: a row of products that isn't a multiple of an operation's is summed by operations that overlap.
//!
//! 30 products by operations of 16 are those from 0 to 16 and from 14 to 30, the second with zeros for the weights of 14
//! and 15: no operation of fewer products, no load beyond the data. So the reduction's axis becomes 32 long: the position
//! `k mod 16` in an operation and its number `k div 16`, which begins at `min(14 (k div 16), 30 - 16)`. Operations at equal
//! distances have addresses as simple as before ([`even`]); lanes need whole operations, whatever the row ([`whole`]).

use super::dot::Factors;
use super::expr::{map_parts, substitute};
use super::pack::{self, Plan as Copy};
use crate::from_kernel::reduction_axes;
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::build::{compare, constant, int, load, select};
use onnxc_ir::kernel::{Axis, Body, CmpOp, Def, Dots, Kernel};
use onnxc_ir::scalar::Scalar;

/// How the operations of a row that isn't a multiple of theirs lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Overlap {
    /// Products of a row, those counted that are zero.
    pub(super) length: i64,
    /// From one operation to the next; the last begins where it ends with the row.
    distance: i64,
}

/// Operations at equal distances, if that saves operations.
pub(super) fn even(dots: Dots, extent: i64) -> Option<Overlap> {
    let most = i64::from(dots.most);
    let operations = (extent + most - 1) / most;
    let even = operations > 1 && (extent - most) % (operations - 1) == 0;
    (even && operations < dots.operations(extent))
        .then(|| Overlap { length: operations * most, distance: (extent - most) / (operations - 1) })
}

/// Whole operations only: the last one of a row that is no multiple overlaps the one before.
pub(super) fn whole(dots: Dots, extent: i64) -> Option<Overlap> {
    let most = i64::from(dots.most);
    let length = (extent + most - 1) / most * most;
    (extent > most && length > extent).then_some(Overlap { length, distance: most })
}

/// Makes a contraction's innermost axis as long as an overlap says.
pub(super) fn overlap(kernel: &mut Kernel, f: &Factors, dots: Dots, to: Overlap) {
    let Some(extent) = f.last.extent.as_int() else { return };
    let (k, most) = (Sym::var(f.last.var.clone()), i64::from(dots.most));
    let within = k.modulo(&Sym::int(most));
    let number = k.floordiv(&Sym::int(most));
    // Only the last one may begin before its place.
    let even = (to.length / most - 1) * to.distance == extent - most;
    let begin = |number: Sym| match number * to.distance {
        at if even => at,
        at => at.min(Sym::int(extent - most)),
    };
    let at = &within + &begin(number.clone());
    let moved = |v: &Symbol| (*v == f.last.var).then(|| at.clone());
    let def = &mut kernel.defs[f.reduction];
    map_parts(def, &mut |e| substitute(e, &moved));
    if let Body::Reduce { axes, .. } = &mut def.body {
        axes.iter_mut().filter(|a| a.var == f.last.var).for_each(|a| a.extent = Sym::int(to.length));
    }
    let mut site = f.weights.clone();
    site.index = site.index.iter().map(|i| i.as_ref().map(|s| s.subst(&moved))).collect();
    // What the operation before has, too, is zero.
    let before = begin(number - 1) + most;
    let new = Sym::max(&(Sym::int(most) - &k), &(&at - &before + 1));
    let zero = Scalar::from_i64(kernel.src_dtype(site.src), 0);
    let known: Vec<Sym> = site.index.iter().flatten().cloned().collect();
    let value = select(compare(CmpOp::Gt, int(new), int(Sym::int(0))), load(site.src, &known), constant(zero));
    let copy = renamed(kernel, f, value, site);
    pack::apply(kernel, copy);
}

/// A definition of weights over the axes that a contraction's expression for them mentions.
fn renamed(kernel: &Kernel, f: &Factors, value: onnxc_ir::kernel::Expr, site: super::expr::Site) -> Copy {
    let def = &kernel.defs[f.reduction];
    let mentions = |a: &&Axis| site.index.iter().flatten().any(|i| i.contains(&a.var));
    let own: Vec<&Axis> = def.axes.iter().chain(reduction_axes(def)).filter(mentions).collect();
    let var = |i: usize| Symbol::new(&format!("{}_{i}", f.last.var));
    let axes = own.iter().enumerate().map(|(i, a)| Axis { var: var(i), extent: a.extent.clone() }).collect();
    let value = substitute(&value, &|v| own.iter().position(|a| a.var == *v).map(|i| Sym::var(var(i))));
    let index = own.iter().map(|a| Sym::var(a.var.clone())).collect();
    let dtype = kernel.src_dtype(site.src);
    Copy { of: f.reduction, site, def: Def { name: "overlapped".into(), dtype, axes, body: Body::Map(value) }, index }
}
