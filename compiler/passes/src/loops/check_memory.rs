//! The independent checker of memory plans: no two buffers that are alive at one time overlap.
//!
//! It shares nothing with the planner: liveness here is a backward data flow over the statements, with loops run to a
//! fixed point, where the planner numbers statements. Two buffers are compared wherever one is *written* (allocated)
//! while the other is alive; their ranges must be provably disjoint. Of buffers in slots that is proved slot by slot, for
//! differences of long sums of sizes are beyond what can be proved: slots follow each other, none is negative, and each
//! holds what is in it.

use super::plan_memory::{Placed, Plan};
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
    let starts = slot_starts(plan, ranges)?;
    for &(a, b) in &c.together {
        let (x, y) = (&plan.placed[a], &plan.placed[b]);
        let before = |p: &Placed, q: &Placed| ranges.prove_le(&(&p.offset + &p.bytes), &q.offset) == Some(true);
        let apart = match (x.slot, y.slot) {
            (Some(s), Some(t)) => s != t && at_start(x, &starts) && at_start(y, &starts),
            (None, Some(_)) => {
                before(x, &Placed { offset: Sym::int(plan.slots.0), ..y.clone() }) && at_start(y, &starts)
            }
            (Some(_), None) => {
                before(y, &Placed { offset: Sym::int(plan.slots.0), ..x.clone() }) && at_start(x, &starts)
            }
            (None, None) => before(x, y) || before(y, x),
        };
        let empty = |s: &Sym| s.is_zero();
        if !empty(&x.bytes) && !empty(&y.bytes) && !apart {
            return Err(Diagnostic::error(
                "E4104",
                format!("the memory plan lets '{}' and '{}' overlap", x.name, y.name),
            )
            .help("this is a defect of the memory planner; please report it with the model"));
        }
    }
    Ok(())
}

/// Where each slot starts, once no slot is proved to have less than nothing, nor less than a buffer in it.
fn slot_starts(plan: &Plan, ranges: &Ranges) -> Result<Vec<Sym>, Diagnostic> {
    let wrong = |what: String| {
        Diagnostic::error("E4106", format!("the memory plan has a slot that {what}"))
            .help("this is a defect of the memory planner; please report it with the model")
    };
    let (mut at, mut starts) = (Sym::int(plan.slots.0), vec![]);
    for size in &plan.slots.1 {
        if ranges.prove_le(&Sym::int(0), size) != Some(true) {
            return Err(wrong(format!("may be negative: {size}")));
        }
        starts.push(at.clone());
        at = at + size;
    }
    for p in &plan.placed {
        let Some(size) = p.slot.map(|s| &plan.slots.1[s]) else { continue };
        if p.bytes != *size && ranges.prove_le(&p.bytes, size) != Some(true) {
            return Err(wrong(format!("'{}' may not fit", p.name)));
        }
    }
    Ok(starts)
}

fn at_start(p: &Placed, starts: &[Sym]) -> bool {
    p.slot.is_some_and(|s| starts.get(s) == Some(&p.offset))
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
