//! overlap: a row of products that isn't a multiple of an operation's is summed by operations that overlap.
//!
//! 30 products by operations of 16 are those from 0 to 16 and from 14 to 30, the second with zeros for the weights of 14
//! and 15: no operation of fewer products, no load beyond the data. So the reduction's axis becomes 32 long: the position
//! `k mod 16` in an operation and its number `k div 16`, which begins at `14 (k div 16)`. Only where operations at equal
//! distances cover the row: then addresses are as simple as before.

use super::dot::Factors;
use super::expr::{map_parts, substitute};
use super::pack::{self, Plan as Copy};
use crate::from_kernel::reduction_axes;
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::build::{compare, constant, int, load, select};
use onnxc_ir::kernel::{Axis, Body, CmpOp, Def, Dots, Kernel};
use onnxc_ir::scalar::Scalar;

/// How long a row becomes whose operations overlap, if that saves operations.
pub(super) fn length(dots: Dots, extent: i64) -> Option<i64> {
    let most = i64::from(dots.most);
    let operations = (extent + most - 1) / most;
    let even = operations > 1 && (extent - most) % (operations - 1) == 0;
    (even && operations < dots.operations(extent)).then_some(operations * most)
}

/// Makes a contraction's innermost axis as long as [`length`] says.
pub(super) fn overlap(kernel: &mut Kernel, f: &Factors, dots: Dots) {
    let Some((extent, longer)) = f.last.extent.as_int().and_then(|e| Some((e, length(dots, e)?))) else { return };
    let (k, most) = (Sym::var(f.last.var.clone()), i64::from(dots.most));
    let distance = (extent - most) / (longer / most - 1);
    let within = k.modulo(&Sym::int(most));
    let at = &within + &(k.floordiv(&Sym::int(most)) * distance);
    let moved = |v: &Symbol| (*v == f.last.var).then(|| at.clone());
    let def = &mut kernel.defs[f.reduction];
    map_parts(def, &mut |e| substitute(e, &moved));
    if let Body::Reduce { axes, .. } = &mut def.body {
        axes.iter_mut().filter(|a| a.var == f.last.var).for_each(|a| a.extent = Sym::int(longer));
    }
    let mut site = f.weights.clone();
    site.index = site.index.iter().map(|i| i.as_ref().map(|s| s.subst(&moved))).collect();
    // What the operation before has, too, is zero.
    let new = Sym::max(&(Sym::int(most) - &k), &(within + (distance - most + 1)));
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
