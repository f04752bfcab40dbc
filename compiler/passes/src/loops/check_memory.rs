//! The independent checker of memory plans: no two buffers that are alive at one time overlap.
//!
//! It shares nothing with the planner: liveness here is a backward data flow over the statements, with loops run to a
//! fixed point, where the planner numbers statements; of a buffer that is used through views of its first elements only those
//! are alive. Two buffers are compared wherever one is *written* (allocated)
//! while the other is alive; their ranges must be provably disjoint. Of buffers of symbolic size that is proved step by step,
//! for differences of long sums of sizes are beyond what can be proved: none is negative, each begins behind all that
//! it lies directly above, and of two that are alive together one lies above the other, be it by way of others.

use super::plan_memory::{Placed, Plan};
use super::walk::bufs;
use onnxc_base::sym::{SymNode, Symbol};
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
    let under = under(plan, ranges)?;
    for &((a, n), (b, m)) in &c.together {
        let part = |i: usize, n: i64| {
            let p = &plan.placed[i];
            let bytes = if n == WHOLE { p.bytes.clone() } else { Sym::int(n) };
            Placed { bytes, ..p.clone() }
        };
        let (x, y) = (&part(a, n), &part(b, m));
        let before = |p: &Placed, q: &Placed| ranges.prove_le(&(&p.offset + &p.bytes), &q.offset) == Some(true);
        let fixed = |i: usize| plan.placed[i].bytes.as_int().is_some();
        let apart = match (fixed(a), fixed(b)) {
            (false, false) => under[a].contains(&b) || under[b].contains(&a),
            // Nothing of symbolic size begins below the base.
            (true, false) => before(x, &Placed { offset: Sym::int(plan.base), ..y.clone() }),
            (false, true) => before(y, &Placed { offset: Sym::int(plan.base), ..x.clone() }),
            (true, true) => before(x, y) || before(y, x),
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

/// For each buffer of symbolic size all that it lies above, once what it lies directly above is seen to end where it
/// begins or before: its place is the highest of some ends, which are among them. No size is negative, and nothing ends
/// beyond the workspace.
fn under(plan: &Plan, ranges: &Ranges) -> Result<Vec<BTreeSet<usize>>, Diagnostic> {
    let wrong = |p: &Placed, what: String| {
        Diagnostic::error("E4106", format!("the memory plan has '{}' {what}", p.name))
            .help("this is a defect of the memory planner; please report it with the model")
    };
    let steps: BTreeMap<&Symbol, &Sym> = plan.stack.steps.iter().map(|(name, is)| (name, is)).collect();
    let named = |e: &Sym| e.as_symbol().and_then(|s| steps.get(s)).copied();
    let end = |p: &Placed| Some(&p.offset + Sym::var(p.size.clone()?));
    let mut all: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); plan.placed.len()];
    let mut done = BTreeSet::new();
    for &i in &plan.stack.order {
        let p = &plan.placed[i];
        if ranges.prove_le(&Sym::int(0), &p.bytes) != Some(true) {
            return Err(wrong(p, "of a size that may be negative".into()));
        }
        if p.size.as_ref().and_then(|s| steps.get(s)) != Some(&&p.bytes) {
            return Err(wrong(p, "of another size than is known of it".into()));
        }
        let Some(place) = named(&p.offset) else { return Err(wrong(p, "nowhere".into())) };
        if p.above.is_empty() && *place != Sym::int(plan.base) {
            return Err(wrong(p, format!("neither above another nor at the base: {place}")));
        }
        for &q in &p.above {
            // What isn't placed yet has no end.
            if !done.contains(&q) || end(&plan.placed[q]).is_none_or(|end| !is_member(&end, place, &named)) {
                return Err(wrong(p, format!("begin before '{}' ends", plan.placed[q].name)));
            }
            let below: Vec<usize> = all[q].iter().copied().chain([q]).collect();
            all[i].extend(below);
        }
        done.insert(i);
    }
    let within = |p: &Placed| end(p).is_some_and(|end| is_member(&end, &plan.bytes, &named));
    let tops: Vec<usize> = done.iter().copied().filter(|&i| within(&plan.placed[i])).collect();
    match done.iter().find(|i| !tops.contains(i) && !tops.iter().any(|&t| all[t].contains(i))) {
        Some(&i) => Err(wrong(&plan.placed[i], "end beyond the workspace".into())),
        None => Ok(all),
    }
}

/// True if `b` is the largest of some, one of which is `a`; some may be the largest of others by name.
fn is_member<'a>(a: &Sym, b: &Sym, named: &dyn Fn(&Sym) -> Option<&'a Sym>) -> bool {
    a == b
        || match b.node() {
            SymNode::Max(first, rest) => is_member(a, &first, named) || is_member(a, &rest, named),
            SymNode::Var(_) => named(b).is_some_and(|b| is_member(a, b, named)),
            _ => false,
        }
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
