//! widen: floats of half width that a contraction reads again and again are converted once, before it.
//!
//! A conversion costs as much as a multiply-add, and a scalar that goes across lanes several times that. Constants are
//! converted at compile time (`precompute`), which doubles their bytes. Afterwards what a contraction reads for many points
//! of its output is f32; the values are the same, as it sums in f32 anyway.
//!
//! Does NOT widen what is read for few points (a matrix times a vector waits for memory), the operands of attention, whose
//! kernels have an order of their own, nor anything where RAM is scarce.

use super::expr::{Site, live, map_parts, rewrite, walk};
use super::lanes;
use super::pack;
use crate::from_kernel::Machine;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, EntityRef, Sym};
use onnxc_ir::kernel::{Axis, Body, Def, DefId, Expr, ExprKind, Kernel, Src, build};
use onnxc_ir::scalar::{Scalar, eval_cast};

/// Points of the output that make up for the copy.
const USES: i64 = 16;

/// Widens the operands of every contraction.
pub fn widen(kernel: &mut Kernel, machine: Machine) {
    if machine.memory.scarce {
        return;
    }
    let mut done = 0;
    while let Some(src) = wanted(kernel) {
        apply(kernel, src, done);
        done += 1;
    }
}

/// A source of half floats that a reduction converts for many points.
fn wanted(kernel: &Kernel) -> Option<Src> {
    let live = live(kernel);
    kernel.defs.iter().filter(|(id, _)| live[id.index()]).find_map(|(_, def)| {
        let Body::Reduce { value, .. } = &def.body else { return None };
        let absent = |s: &Site| def.axes.iter().any(|a| lanes::wide(a, USES) && !mentions(s, &a.var));
        widened(kernel, value).into_iter().find(absent).map(|s| s.src)
    })
}

fn mentions(site: &Site, var: &Symbol) -> bool {
    site.index.iter().any(|i| i.as_ref().is_none_or(|i| i.contains(var)))
}

/// The loads of an expression that are converted to f32 as they are.
fn widened(kernel: &Kernel, e: &Expr) -> Vec<Site> {
    let mut found = Vec::new();
    walk(e, &mut |n| {
        if let Some(ExprKind::Load { src, index, pad }) = half(kernel, n).as_ref().map(Expr::kind) {
            found.push(Site { src: *src, index: index.iter().map(|i| i.as_sym().cloned()).collect(), pad: *pad });
        }
    });
    found
}

/// The load of a half float that a node converts to f32.
fn half(kernel: &Kernel, e: &Expr) -> Option<Expr> {
    let ExprKind::Cast(DType::F32, inner) = e.kind() else { return None };
    let ExprKind::Load { src, .. } = inner.kind() else { return None };
    matches!(kernel.src_dtype(*src), DType::F16 | DType::BF16).then(|| inner.clone())
}

/// Puts a wide copy of a source before the first definition that converts it; all conversions read that.
fn apply(kernel: &mut Kernel, src: Src, n: u32) {
    let reads = |d: DefId| {
        super::expr::parts(&kernel.defs[d].body).iter().any(|e| widened(kernel, e).iter().any(|s| s.src == src))
    };
    let Some(first) = kernel.defs.keys().find(|d| reads(*d)) else { return };
    let var = |d: usize| Symbol::new(&format!("wide{n}_{d}"));
    let axes: Vec<Axis> =
        kernel.src_shape(src).into_iter().enumerate().map(|(d, extent)| Axis { var: var(d), extent }).collect();
    let at: Vec<Sym> = axes.iter().map(|a| Sym::var(a.var.clone())).collect();
    // Every index is in range; the pad marks the copy as one that is worth storing.
    let zero = Scalar::from_i64(kernel.src_dtype(src), 0);
    let value = Expr::new(ExprKind::Cast(DType::F32, build::load_padded(src, &at, zero)));
    let def = Def { name: format!("wide{n}"), dtype: DType::F32, axes, body: Body::Map(value) };
    let (copy, _) = pack::insert_before(kernel, first, def);
    let moved = match src {
        Src::Def(d) if d.index() >= copy.index() => Src::Def(DefId::new(d.index() + 1)),
        other => other,
    };
    let ids: Vec<DefId> = kernel.defs.keys().filter(|d| d.index() > copy.index()).collect();
    for id in ids {
        let mut def = kernel.defs[id].clone();
        map_parts(&mut def, &mut |e| {
            rewrite(e, &mut |n| match half(kernel, n)?.kind() {
                ExprKind::Load { src: s, index, pad } if *s == moved => {
                    let pad = pad.map(|p| eval_cast(p, DType::F32));
                    Some(Expr::new(ExprKind::Load { src: Src::Def(copy), index: index.clone(), pad }))
                }
                _ => None,
            })
        });
        kernel.defs[id] = def;
    }
}
