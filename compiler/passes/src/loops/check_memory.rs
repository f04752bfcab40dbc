//! The independent checker of memory plans: no two buffers that are alive at one time overlap.
//!
//! It shares nothing with the planner: liveness here is a backward data flow over the statements, with loops run to a
//! fixed point, where the planner numbers statements; of a buffer that is used through views of its first elements only those
//! are alive. Two buffers are compared wherever one is *written* (allocated)
//! while the other is alive; their ranges must be provably disjoint. Of buffers in slots that is proved slot by slot, for
//! differences of long sums of sizes are beyond what can be proved: slots follow each other, none is negative, and each
//! holds what is in it.

use super::plan_memory::{Placed, Plan};
use super::walk::bufs;
use onnxc_base::{Diagnostic, Ranges, SecondaryMap, Sym};
use onnxc_ir::loops::{Block, Buf, Func, Op, Space, Stmt};
use std::collections::{BTreeMap, BTreeSet};

/// Buffers that are alive, by their place in the plan, and how many of their first bytes.
type Live = BTreeMap<usize, i64>;

/// All bytes of a buffer.
const WHOLE: i64 = i64::MAX;

struct Checker<'a> {
    f: &'a Func,
    root: SecondaryMap<Buf, Option<usize>>,
    /// The first bytes of its allocation, beyond which nothing is reached through a buffer that begins there.
    first: SecondaryMap<Buf, Option<i64>>,
    /// What is alive together: each one's bytes.
    together: BTreeSet<((usize, i64), (usize, i64))>,
}

/// Proves a plan.
///
/// # Errors
/// The first two buffers that are alive together and may overlap.
pub fn check(f: &Func, plan: &Plan, ranges: &Ranges) -> Result<(), Diagnostic> {
    let mut c = Checker { f, root: SecondaryMap::new(), first: SecondaryMap::new(), together: BTreeSet::new() };
    for (i, p) in plan.placed.iter().enumerate() {
        c.root[p.buf] = Some(i);
        c.first[p.buf] = Some(WHOLE);
    }
    c.roots(&f.body);
    c.block(&f.body, Live::new(), &Live::new());
    let starts = slot_starts(plan, ranges)?;
    for &((a, n), (b, m)) in &c.together {
        let part = |i: usize, n: i64| {
            let p = &plan.placed[i];
            let bytes = if n == WHOLE { p.bytes.clone() } else { Sym::int(n) };
            Placed { bytes, ..p.clone() }
        };
        let (x, y) = (&part(a, n), &part(b, m));
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
            if let Stmt::View { buf, base, byte_offset, count: Some(count) } = s {
                let start = matches!(self.f.values[*byte_offset].op, Op::Const(o) if o.to_i64() == 0);
                let bytes = count.as_int().map(|n| n.saturating_mul(self.f.bufs[*buf].dtype.size() as i64));
                self.first[*buf] = self.first[*base].filter(|_| start).map(|b| b.min(bytes.unwrap_or(WHOLE)));
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
                    let next = either(&live, &before);
                    if next == live {
                        break;
                    }
                    live = next;
                }
            }
            Stmt::If { then, els, .. } => {
                let a = self.block(then, live.clone(), exit);
                let b = self.block(els, live, exit);
                live = either(&a, &b);
            }
            Stmt::Break => live = exit.clone(),
            Stmt::Return(_) => live.clear(),
            Stmt::Alloc { buf, space: Space::Workspace, .. } => {
                if let Some(i) = self.root[*buf] {
                    live.remove(&i);
                    self.meet(i, WHOLE, &live);
                }
            }
            _ => {}
        }
        let mut used = Vec::new();
        bufs(self.f, s, &mut |b| used.extend(self.root[b].map(|r| (r, self.first[b].unwrap_or(WHOLE)))));
        match s {
            Stmt::Alloc { .. } => used.clear(),
            // A view reads no more than it shows.
            Stmt::View { buf, .. } => {
                let shown = self.first[*buf].unwrap_or(WHOLE);
                used.iter_mut().for_each(|u| u.1 = u.1.min(shown));
            }
            _ => {}
        }
        for (u, bytes) in used {
            let bytes = live.get(&u).map_or(bytes, |b| bytes.max(*b));
            self.meet(u, bytes, &live);
            live.insert(u, bytes);
        }
        live
    }

    fn meet(&mut self, i: usize, bytes: i64, live: &Live) {
        for (&j, &b) in live.iter().filter(|(j, _)| **j != i) {
            let (x, y) = ((i, bytes), (j, b));
            self.together.insert((x.min(y), x.max(y)));
        }
    }
}

/// What is alive on one of two ways.
fn either(a: &Live, b: &Live) -> Live {
    let mut all = a.clone();
    for (&i, &bytes) in b {
        all.entry(i).and_modify(|n| *n = (*n).max(bytes)).or_insert(bytes);
    }
    all
}
