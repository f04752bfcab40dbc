//! panels: an operand of a contraction that is only known when the kernel runs is copied into panels of the register
//! tile's width, `[outer.., panel, reduction.., element of the panel]`, if it would be read with gathers, or by many rows
//! at a stride.
//!
//! For kernels that copy part after part (see `attention`): the copy of a part is small, and read again and again. `pack`
//! does the same with constants once for all.
//!
//! Does NOT copy an operand whose lane axis isn't a dim of its own.

use super::expr::{Site, loads};
use super::lanes::{self, Access};
use super::pack::{self, Plan};
use super::plan::{Nest, nests};
use crate::from_kernel::{Machine, all_ranges, reduction_axes};
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::build::int;
use onnxc_ir::kernel::{Axis, Body, Def, Expr, ExprKind, Kernel, Src};
use onnxc_ir::scalar::Scalar;

/// Rows that make up for the copy of what could be read as it is.
pub(super) const MANY: i64 = 16;

/// Copies what contractions would gather.
pub fn panels(kernel: &mut Kernel, machine: Machine) {
    let mut done = 0;
    let mut fresh = 0;
    while let Some(nest) = nests(kernel).into_iter().filter(|n| n.reduction(kernel).is_some()).nth(done) {
        match wanted(kernel, machine, &nest, fresh) {
            Some(plan) => {
                fresh += 1;
                pack::apply(kernel, plan);
            }
            None => done += 1,
        }
    }
}

fn wanted(kernel: &Kernel, machine: Machine, nest: &Nest, fresh: u32) -> Option<Plan> {
    let ranges = all_ranges(kernel);
    let of = nest.reduction(kernel)?;
    let (chosen, along) = lanes::choose(kernel, &ranges, nest)?;
    let lane = lanes::own_axis(kernel, nest, &chosen).filter(|_| !along)?;
    let Body::Reduce { value, .. } = &kernel.defs[of].body else { return None };
    let often = |s: &Site| {
        let absent = |a: &&Axis| !s.index.iter().flatten().any(|i| i.contains(&a.var));
        kernel.defs[of].axes.iter().filter(absent).any(|a| lanes::wide(a, MANY))
    };
    let again = |s: &Site| {
        let given = matches!(s.src, Src::Param(p) if kernel.params[p].value.is_none());
        given
            && s.pad.is_none()
            && match lanes::access(kernel, &ranges, s, &lane) {
                Access::Uniform | Access::Near => false,
                Access::Unit => often(s),
                Access::Gather => lanes::reuse(kernel, nest, s),
            }
    };
    let site = loads(value).into_iter().find(again)?;
    let (_, width) = pack::panel_width(kernel, &ranges, machine, nest, &[])?;
    copy(kernel, nest, &site, &lane, width, fresh)
}

/// The copy of an operand for the index of a load.
fn copy(kernel: &Kernel, nest: &Nest, site: &Site, lane: &Symbol, width: i64, fresh: u32) -> Option<Plan> {
    let of = nest.reduction(kernel)?;
    let own: Option<Vec<Sym>> = site.index.iter().cloned().collect();
    let own = own?;
    let at = own.iter().position(|i| i.as_symbol() == Some(lane))?;
    if own.iter().enumerate().any(|(d, i)| d != at && i.contains(lane)) {
        return None;
    }
    let def = &kernel.defs[of];
    let used = |a: &&Axis| a.var != *lane && own.iter().any(|i| i.contains(&a.var));
    let outer: Vec<&Axis> = def.axes.iter().filter(used).collect();
    let over: Vec<&Axis> = reduction_axes(def).iter().filter(used).collect();
    let name = |what: &str| Symbol::new(&format!("q{fresh}_{what}"));
    let copied = |a: &&Axis| Axis { var: name(a.var.as_str()), extent: a.extent.clone() };
    let (size, lane_at) = (Sym::int(width), Sym::var(lane.clone()));
    let extent = kernel.src_shape(site.src)[at].clone();
    let (number, element) = (name("panel"), name("element"));
    let mut axes: Vec<Axis> = outer.iter().map(copied).collect();
    axes.push(Axis { var: number.clone(), extent: extent.ceildiv(&size) });
    axes.extend(over.iter().map(copied));
    axes.push(Axis { var: element.clone(), extent: size.clone() });
    let plain = |a: &&Axis| Sym::var(a.var.clone());
    let mut index: Vec<Sym> = outer.iter().map(plain).collect();
    index.push(lane_at.floordiv(&size));
    index.extend(over.iter().map(plain));
    index.push(lane_at.modulo(&size));
    let renamed = |v: &Symbol| outer.iter().chain(&over).any(|a| a.var == *v).then(|| Sym::var(name(v.as_str())));
    let mut source: Vec<Sym> = own.iter().map(|i| i.subst(&renamed)).collect();
    source[at] = Sym::var(number) * width + Sym::var(element);
    let dtype = kernel.src_dtype(site.src);
    let pad = Some(Scalar::from_i64(dtype, 0));
    let load = ExprKind::Load { src: site.src, index: source.into_iter().map(int).collect(), pad };
    let def = Def { name: format!("operand{fresh}"), dtype, axes, body: Body::Map(Expr::new(load)) };
    Some(Plan { of, site: site.clone(), def, index })
}
