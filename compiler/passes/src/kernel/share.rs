//! Which nests of a kernel can share loops: what has to run before the last one, and the outer axes that the rest have in
//! common.
//!
//! Does NOT say which of the shared axes are worth sharing, nor anything of the loops inside: the chooser does
//! ([`super::schedule`]).

use super::expr::def_loads;
use super::im2col::is_windows;
use super::plan::{Nest, nests};
use crate::from_kernel::reduction_axes;
use onnxc_base::Sym;
use onnxc_ir::kernel::reach::{Reached, reached_by};
use onnxc_ir::kernel::{Axis, DefId, Kernel, Src};

/// Nests that don't fit into the loops of the last one run before it: tables, packed operands, and whatever they load.
pub(super) fn hoisted(kernel: &Kernel, nests: &[Nest]) -> Vec<bool> {
    let Some(last) = nests.last() else { return vec![] };
    let outer = &kernel.defs[last.def].axes;
    let fits = |n: &Nest| {
        let own = &kernel.defs[n.def].axes;
        // What no other nest loads (another output) has loops of its own.
        let needed = nests.iter().any(|u| u.def != n.def && loads_nest(kernel, u, n));
        let rows = needed && !own.is_empty() && !outer.is_empty() && own[0].extent == outer[0].extent;
        // How much of the windows is copied at once is for `strips` to say.
        rows && !is_windows(kernel, n.def)
            && users_at_own_row(kernel, nests, n)
            && region_is_known(kernel, nests, n, last)
    };
    let mut hoisted: Vec<bool> = nests.iter().map(|n| !fits(n)).collect();
    if let Some(l) = hoisted.last_mut() {
        *l = false;
    }
    // A hoisted nest may load hoisted ones only; what loads a nest inside must be inside, so both move out together.
    for i in (0..nests.len()).rev() {
        if hoisted[i] {
            for (j, n) in nests.iter().enumerate().take(i) {
                hoisted[j] |= loads_nest(kernel, &nests[i], n);
            }
        }
    }
    hoisted
}

/// True if every nest that loads `n` does so at its own outermost index.
fn users_at_own_row(kernel: &Kernel, nests: &[Nest], n: &Nest) -> bool {
    nests.iter().all(|u| {
        [Some(u.def), u.acc].into_iter().flatten().all(|d| {
            let first = kernel.defs[d].axes.first().map(|a| a.var.clone());
            reaching_loads(kernel, d)
                .iter()
                .filter(|(src, _)| *src == Src::Def(n.def))
                .all(|(_, i)| i.first().and_then(|i| i.as_ref()).and_then(Sym::as_symbol) == first.as_ref())
        })
    })
}

/// True if it can be said what the loops of the last nest need of `n`; of an output, everything.
fn region_is_known(kernel: &Kernel, nests: &[Nest], n: &Nest, last: &Nest) -> bool {
    let stored = |d: DefId| nests.iter().any(|o| o.def == d || o.acc == Some(d));
    let loads = |u: &Nest| {
        let parts = [Some(u.def), u.acc].into_iter().flatten();
        let all = parts.flat_map(|d| reached_by(kernel, d, &|x| !stored(x)));
        all.filter(|l| l.src == Src::Def(n.def)).collect::<Vec<_>>()
    };
    let known = |l: &Reached| !l.padded && l.index.iter().all(Option::is_some);
    let over = last.acc.map_or(&[][..], |a| reduction_axes(&kernel.defs[a]));
    let vars: Vec<&Axis> = kernel.defs[last.def].axes.iter().chain(over).collect();
    let whole = |l: &Reached| {
        l.index.iter().zip(&kernel.defs[n.def].axes).all(|(i, a)| {
            let v = i.as_ref().and_then(Sym::as_symbol);
            vars.iter().any(|x| Some(&x.var) == v && x.extent == a.extent)
        })
    };
    let output = n.def != last.def && kernel.outputs.contains(&n.def);
    nests.iter().all(|u| loads(u).iter().all(known)) && (!output || loads(last).iter().any(whole))
}

fn loads_nest(kernel: &Kernel, user: &Nest, n: &Nest) -> bool {
    [Some(user.def), user.acc]
        .into_iter()
        .flatten()
        .any(|d| reaching_loads(kernel, d).iter().any(|(s, _)| *s == Src::Def(n.def)))
}

/// Loads of a definition, also through definitions that are inline. Through those an index counts as unknown.
fn reaching_loads(kernel: &Kernel, d: DefId) -> Vec<(Src, Vec<Option<Sym>>)> {
    let stored: Vec<DefId> = nests(kernel).iter().flat_map(|n| [Some(n.def), n.acc]).flatten().collect();
    let mut found = Vec::new();
    let mut seen = vec![];
    let mut todo = vec![(d, true)];
    while let Some((d, own)) = todo.pop() {
        for s in def_loads(&kernel.defs[d]) {
            let index = if own { s.index.clone() } else { vec![None; s.index.len()] };
            found.push((s.src, index));
            if let Src::Def(x) = s.src
                && !stored.contains(&x)
                && !seen.contains(&x)
            {
                seen.push(x);
                todo.push((x, false));
            }
        }
    }
    found
}

/// How many outermost axes the nests have in common, and load each other at.
pub(super) fn shared_axes(kernel: &Kernel, nests: &[Nest]) -> usize {
    if nests.len() < 2 {
        return 0;
    }
    let rank = |n: &Nest| {
        let acc = n.acc.map_or(usize::MAX, |a| kernel.defs[a].axes.len());
        kernel.defs[n.def].axes.len().min(acc)
    };
    let most = nests.iter().map(rank).min().unwrap_or(0);
    let first = &kernel.defs[nests[0].def].axes;
    let agree = |level: usize| {
        nests.iter().all(|n| {
            [Some(n.def), n.acc].into_iter().flatten().all(|d| kernel.defs[d].axes[level].extent == first[level].extent)
                && own_level(kernel, nests, n, level)
        })
    };
    (0..most).take_while(|&l| agree(l)).count()
}

/// True if a nest loads the others (and its own reduction) at its own variable of this level.
fn own_level(kernel: &Kernel, nests: &[Nest], n: &Nest, level: usize) -> bool {
    [Some(n.def), n.acc].into_iter().flatten().all(|d| {
        let var = &kernel.defs[d].axes[level].var;
        reaching_loads(kernel, d).iter().all(|(src, index)| {
            let other = nests.iter().any(|o| *src == Src::Def(o.def) || o.acc.is_some_and(|a| *src == Src::Def(a)));
            !other || index.get(level).and_then(|i| i.as_ref()).and_then(Sym::as_symbol) == Some(var)
        })
    })
}
