//! The independent checker of memory plans: no two buffers that are alive at one time overlap.
//!
//! It shares nothing with the planner: liveness here is a backward data flow over the statements, with loops run to a
//! fixed point, where the planner numbers statements. Two buffers are compared wherever one is *written* (allocated)
//! while the other is alive; their ranges must be provably disjoint.

use super::plan_memory::Plan;
use super::walk::bufs;
use onnxc_base::{Diagnostic, Ranges, SecondaryMap, Sym};
use onnxc_ir::loops::{Block, Buf, Func, Space, Stmt};
use std::collections::BTreeSet;

/// Buffers that are alive, by their place in the plan.
type Live = BTreeSet<usize>;

struct Checker<'a> {
    f: &'a Func,
    root: SecondaryMap<Buf, Option<usize>>,
    together: BTreeSet<(usize, usize)>,
}

/// Proves a plan.
///
/// # Errors
/// The first two buffers that are alive together and may overlap.
pub fn check(f: &Func, plan: &Plan, ranges: &Ranges) -> Result<(), Diagnostic> {
    let mut c = Checker { f, root: SecondaryMap::new(), together: BTreeSet::new() };
    for (i, p) in plan.placed.iter().enumerate() {
        c.root[p.buf] = Some(i);
    }
    c.roots(&f.body);
    c.block(&f.body, Live::new(), &Live::new());
    for &(a, b) in &c.together {
        let (x, y) = (&plan.placed[a], &plan.placed[b]);
        let before = |p: &super::plan_memory::Placed, q: &super::plan_memory::Placed| {
            ranges.prove_le(&(&p.offset + &p.bytes), &q.offset) == Some(true)
        };
        let empty = |s: &Sym| s.is_zero();
        if !empty(&x.bytes) && !empty(&y.bytes) && !before(x, y) && !before(y, x) {
            return Err(Diagnostic::error(
                "E4104",
                format!("the memory plan lets '{}' and '{}' overlap", x.name, y.name),
            )
            .help("this is a defect of the memory planner; please report it with the model"));
        }
    }
    Ok(())
}

impl Checker<'_> {
    /// Views live in the allocation that they are a part of.
    fn roots(&mut self, b: &Block) {
        for s in &b.0 {
            if let Stmt::View { buf, base, .. } | Stmt::Assign { buf, from: base } = s {
                self.root[*buf] = self.root[*base];
            }
            super::walk::blocks(s).into_iter().for_each(|i| self.roots(i));
        }
    }

    /// What is alive before a block, given what is alive after it and at the exit of the innermost loop.
    fn block(&mut self, b: &Block, mut live: Live, exit: &Live) -> Live {
        for s in b.0.iter().rev() {
            live = self.stmt(s, live, exit);
        }
        live
    }

    fn stmt(&mut self, s: &Stmt, mut live: Live, exit: &Live) -> Live {
        match s {
            Stmt::For { body, .. } | Stmt::Loop(body) => {
                let after = live.clone();
                loop {
                    let before = self.block(body, live.clone(), &after);
                    let next: Live = live.union(&before).copied().collect();
                    if next == live {
                        break;
                    }
                    live = next;
                }
            }
            Stmt::If { then, els, .. } => {
                let a = self.block(then, live.clone(), exit);
                let b = self.block(els, live, exit);
                live = a.union(&b).copied().collect();
            }
            Stmt::Break => live = exit.clone(),
            Stmt::Return(_) => live.clear(),
            Stmt::Alloc { buf, space: Space::Workspace, .. } => {
                if let Some(i) = self.root[*buf] {
                    live.remove(&i);
                    self.meet(i, &live);
                }
            }
            _ => {}
        }
        let mut used = Vec::new();
        bufs(self.f, s, &mut |b| used.extend(self.root[b]));
        if !matches!(s, Stmt::Alloc { .. }) {
            for u in used {
                self.meet(u, &live);
                live.insert(u);
            }
        }
        live
    }

    fn meet(&mut self, i: usize, live: &Live) {
        for &j in live.iter().filter(|&&j| j != i) {
            self.together.insert((i.min(j), i.max(j)));
        }
    }
}
