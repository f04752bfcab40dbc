//! precompute: definitions of constants only become constants: packed weights, folded tables.

use super::expr::{def_loads, map_parts, rewrite};
use onnxc_base::{Diagnostic, EntityRef};
use onnxc_ir::kernel::{Body, DefId, Expr, ExprKind, Kernel, Param, Src, interp};

/// Evaluates every map over fixed extents whose loads are constants.
///
/// # Errors
/// A definition that can't be evaluated.
pub fn precompute(kernel: &mut Kernel) -> Result<(), Diagnostic> {
    let ids: Vec<DefId> = kernel.defs.keys().collect();
    for id in ids {
        if constant(kernel, id) {
            let def = &kernel.defs[id];
            let value = interp::evaluate_def(kernel, id, &|_| None, &value_of(kernel)).map_err(|e| {
                Diagnostic::error("E4002", format!("kernel {}: can't evaluate constant {}: {e}", kernel.name, def.name))
            })?;
            let param = Param { name: def.name.clone(), dtype: def.dtype, shape: def.shape(), value: Some(value) };
            let p = kernel.params.push(param);
            redirect(kernel, id, Src::Param(p));
        }
    }
    drop_unused(kernel);
    Ok(())
}

/// The constants that a definition may load.
fn value_of(kernel: &Kernel) -> impl Fn(Src) -> Option<onnxc_base::Tensor> + '_ {
    |src| match src {
        Src::Param(p) => kernel.params[p].value.clone(),
        Src::Def(_) => None,
    }
}

fn constant(kernel: &Kernel, id: DefId) -> bool {
    let def = &kernel.defs[id];
    let sites = def_loads(def);
    matches!(def.body, Body::Map(_))
        && !kernel.outputs.contains(&id)
        && def.shape().iter().all(|d| d.as_int().is_some())
        && !sites.is_empty()
        && sites.iter().all(|s| matches!(s.src, Src::Param(p) if kernel.params[p].value.is_some()))
}

fn redirect(kernel: &mut Kernel, from: DefId, to: Src) {
    let mut swap = |n: &Expr| match n.kind() {
        ExprKind::Load { src: Src::Def(d), index, pad } if *d == from => {
            Some(Expr::new(ExprKind::Load { src: to, index: index.clone(), pad: *pad }))
        }
        _ => None,
    };
    for (id, def) in kernel.defs.iter_mut() {
        if id.index() > from.index() {
            map_parts(def, &mut |e| rewrite(e, &mut swap));
        }
    }
}

/// Parameters and definitions that nothing loads any more leave the kernel.
pub fn drop_unused(kernel: &mut Kernel) {
    let live = super::expr::live(kernel);
    let mut used = vec![false; kernel.params.len()];
    let sites = kernel
        .defs
        .iter()
        .filter(|(id, _)| live[id.index()])
        .flat_map(|(_, d)| def_loads(d))
        .chain(kernel.checks.iter().flat_map(|c| super::expr::loads(&c.cond)));
    for s in sites {
        if let Src::Param(p) = s.src {
            used[p.index()] = true;
        }
    }
    let mut params = vec![None; kernel.params.len()];
    let mut defs = vec![None; kernel.defs.len()];
    let old_params = std::mem::take(&mut kernel.params);
    for (id, p) in old_params {
        if used[id.index()] {
            params[id.index()] = Some(kernel.params.push(p));
        }
    }
    let old_defs = std::mem::take(&mut kernel.defs);
    for (id, d) in old_defs {
        if live[id.index()] {
            defs[id.index()] = Some(kernel.defs.push(d));
        }
    }
    let mut renumber = |n: &Expr| match n.kind() {
        ExprKind::Load { src, index, pad } => {
            let src = match src {
                Src::Param(p) => params[p.index()].map(Src::Param),
                Src::Def(d) => defs[d.index()].map(Src::Def),
            };
            src.map(|src| Expr::new(ExprKind::Load { src, index: index.clone(), pad: *pad }))
        }
        _ => None,
    };
    for d in kernel.defs.values_mut() {
        map_parts(d, &mut |e| rewrite(e, &mut renumber));
    }
    for c in &mut kernel.checks {
        c.cond = rewrite(&c.cond, &mut renumber);
    }
    kernel.outputs = kernel.outputs.iter().filter_map(|d| defs[d.index()]).collect();
}
