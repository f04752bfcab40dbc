//! join-forks: what follows a fork without needing more than its own thread's part of the results needs no join before it.
//!
//! Functions that fork and do nothing else, called one after the other for equally many shares, become one fork: each thread
//! runs its shares of the first, then its shares of the next. That is right if no share of one writes what another
//! thread's share of the other reads or writes, which intervals of addresses show ([`footprint`]): threads that work on
//! rows or channels of their own mostly do. Functions that nobody calls any more go.
//!
//! Runs right after `outline-parallel`. Does NOT change how a kernel is shared out, and joins nothing whose number of shares
//! is known at run time only, nor what has something done between its steps (a profile's clock), nor where a budget of
//! memory asks for thrift.

mod footprint;
mod merge;
#[cfg(test)]
mod tests;

use super::simplify::is_pure;
use super::walk::{blocks, blocks_mut, map_funcs};
use crate::manager::LoopsPass;
use footprint::{Footprint, footprint};
use merge::Tasks;
use onnxc_base::PrimaryMap;
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::*;
use std::collections::{BTreeMap, BTreeSet};

/// The pass.
pub const PASS: LoopsPass = LoopsPass {
    name: "join-forks",
    about: "let threads go on without waiting for each other where each needs its own part only",
    level: 1,
    run: |p, cx| {
        // What is joined is alive together, so memory that is scarce counts for more.
        if cx.threads > 1 && cx.machine.memory.thrift == 0 {
            join(p);
        }
        Ok(())
    },
    ensures: Stage { unrolled: false, planned: false, expanded: false },
};

/// More shares aren't compared with each other.
const SHARES: i64 = 64;

/// Joins forks in every function.
pub fn join(program: &mut Program) {
    let mut j = Joiner { tasks: Tasks::new(&program.funcs), forks: BTreeMap::new() };
    let mut new = PrimaryMap::new();
    for (_, mut f) in std::mem::take(&mut program.funcs).into_iter() {
        map_funcs(&mut f.body, &mut |f| new[f]);
        let roots = roots(&f.body);
        let mut body = std::mem::take(&mut f.body);
        j.block(&mut f, &roots, &mut body);
        f.body = body;
        let id = j.tasks.funcs.push(f);
        if let Some(of) = shares(&j.tasks.funcs, id) {
            j.forks.insert(id, of);
        }
        new.push(id);
    }
    program.funcs = j.tasks.funcs;
    program.interface.entries.map_funcs(|f| new[f]);
    remove_uncalled(program);
}

struct Joiner {
    tasks: Tasks,
    /// What each share reads and writes of the parameters of a function that forks and does nothing else.
    forks: BTreeMap<FuncId, Vec<Footprint>>,
}

/// A call of such a function.
struct Member {
    /// Which statement.
    at: usize,
    callee: FuncId,
    args: Vec<Arg>,
}

impl Joiner {
    fn block(&mut self, f: &mut Func, roots: &BTreeMap<Buf, Buf>, b: &mut Block) {
        for s in &mut b.0 {
            blocks_mut(s).into_iter().for_each(|b| self.block(f, roots, b));
        }
        let (mut groups, mut group) = (vec![], Vec::<Member>::new());
        for (at, s) in b.0.iter().enumerate() {
            match s {
                Stmt::Call { callee: Callee::Func(callee), args, .. } if self.forks.contains_key(callee) => {
                    let m = Member { at, callee: *callee, args: args.clone() };
                    if !group.iter().all(|before| self.independent(f, roots, before, &m)) {
                        groups.push(std::mem::take(&mut group));
                    }
                    group.push(m);
                }
                Stmt::Let(v) if is_pure(&f.values[*v].op) => {}
                Stmt::Comment(_) | Stmt::Alloc { space: Space::Workspace, .. } => {}
                // What fills the borders of a buffer to come may be done before.
                Stmt::Call { callee: Callee::Func(_), args, result: None } if strange(f, roots, &group, args) => {}
                _ => groups.push(std::mem::take(&mut group)),
            }
        }
        groups.push(group);
        // From the back, so that places in front stay what they are.
        for g in groups.into_iter().rev().filter(|g| g.len() > 1) {
            let joined = self.tasks.merge(f, &g);
            let last = g.last().expect("two at least").at;
            b.0.splice(last..=last, joined);
            for m in g[..g.len() - 1].iter().rev() {
                b.0.remove(m.at);
            }
        }
    }

    /// True if no thread's part of a call touches what another thread's part of a call before it writes, or writes what
    /// that one reads.
    fn independent(&self, f: &Func, roots: &BTreeMap<Buf, Buf>, before: &Member, m: &Member) -> bool {
        let (first, second) = (&self.forks[&before.callee], &self.forks[&m.callee]);
        if first.len() != second.len() || before.args.last() != m.args.last() {
            return false;
        }
        let pairs = before.args.iter().enumerate().flat_map(|a| m.args.iter().enumerate().map(move |b| (a, b)));
        pairs.into_iter().all(|((i, a), (j, b))| match (a, b) {
            (Arg::Buf { buf: a, offset: None }, Arg::Buf { buf: b, offset: None }) => {
                let [root, other] = [a, b].map(|b| roots.get(b).unwrap_or(b));
                if f.bufs[*root].kind == BufKind::Pointer || f.bufs[*other].kind == BufKind::Pointer {
                    return false;
                }
                let (i, j) = (i as u32, j as u32);
                root != other || if a == b { apart(first, i, second, j) } else { unwritten(first, i, second, j) }
            }
            (Arg::Value(_), _) | (_, Arg::Value(_)) => true,
            _ => false,
        })
    }
}

/// True if a call has nothing to do with the memory that those of a group work on.
fn strange(f: &Func, roots: &BTreeMap<Buf, Buf>, group: &[Member], args: &[Arg]) -> bool {
    let root = |a: &Arg| match a {
        Arg::Buf { buf, .. } => Some(*roots.get(buf).unwrap_or(buf)),
        _ => None,
    };
    let theirs: BTreeSet<Buf> = group.iter().flat_map(|m| m.args.iter().filter_map(root)).collect();
    let known = |b: Buf| !matches!(f.bufs[b].kind, BufKind::Pointer);
    args.iter().all(|a| match a {
        Arg::Buf { .. } => root(a).is_some_and(|b| known(b) && !theirs.contains(&b)),
        Arg::Value(_) => true,
        Arg::Table(_) => false,
    })
}

/// True if different shares of two functions don't get into each other's way in parameter `a` of one and `b` of the other.
fn apart(first: &[Footprint], a: u32, second: &[Footprint], b: u32) -> bool {
    let meet = |x: &BTreeSet<(u32, (i64, i64))>, y: &BTreeSet<(u32, (i64, i64))>| {
        let of = |all: &BTreeSet<(u32, (i64, i64))>, p| -> Vec<_> {
            all.range((p, (i64::MIN, i64::MIN))..=(p, (i64::MAX, i64::MAX))).map(|(_, i)| *i).collect()
        };
        let y = of(y, b);
        of(x, a).into_iter().any(|(lo, hi)| y.iter().any(|&(from, to)| lo <= to && from <= hi))
    };
    first.iter().enumerate().all(|(i, one)| {
        second.iter().enumerate().filter(|(k, _)| *k != i).all(|(_, two)| {
            !meet(&one.writes, &two.reads) && !meet(&one.writes, &two.writes) && !meet(&one.reads, &two.writes)
        })
    })
}

/// True if neither writes there.
fn unwritten(first: &[Footprint], a: u32, second: &[Footprint], b: u32) -> bool {
    let writes = |all: &[Footprint], p| all.iter().any(|f| f.writes.iter().any(|(q, _)| *q == p));
    !writes(first, a) && !writes(second, b)
}

/// What each share of a function reads and writes of its parameters, if all that it does is to fork so many.
fn shares(funcs: &PrimaryMap<FuncId, Func>, id: FuncId) -> Option<Vec<Footprint>> {
    let f = &funcs[id];
    let (Stmt::Fork { callee, args, count, .. }, prologue) = f.body.0.split_last()? else { return None };
    let simple = |s: &Stmt| match s {
        Stmt::Let(v) => is_pure(&f.values[*v].op) || matches!(f.values[*v].op, Op::Param(_)),
        Stmt::Comment(_) | Stmt::Alloc { space: Space::Workspace, .. } => true,
        _ => false,
    };
    let constant = |v: &Value| match f.values[*v].op {
        Op::Const(s) => Some(s.to_i64()),
        _ => None,
    };
    let count = constant(count)?;
    let fits = f.linkage == Linkage::Local && f.ret.is_none() && count <= SHARES && prologue.iter().all(simple);
    fits.then_some(())?;
    // Range and thread come first.
    let mut given = vec![None; 3];
    given.extend(args.iter().map(|a| match a {
        Arg::Value(v) => constant(v).map(|c| (c, c)),
        _ => None,
    }));
    (0..count)
        .map(|k| {
            (given[0], given[1]) = (Some((k, k)), Some((k + 1, k + 1)));
            Some(of_caller(f, args, &footprint(&funcs[*callee], &given)?))
        })
        .collect()
}

/// A task's footprint, in parameters of the function that forks it: what that has allocated itself is its own.
fn of_caller(f: &Func, args: &[Arg], task: &Footprint) -> Footprint {
    let param = |p: u32| match args.get((p as usize).checked_sub(3)?)? {
        Arg::Buf { buf, .. } => match f.bufs[*buf].kind {
            BufKind::Param(i) => Some(i),
            _ => None,
        },
        _ => None,
    };
    let map = |all: &BTreeSet<(u32, (i64, i64))>| all.iter().filter_map(|(p, i)| Some((param(*p)?, *i))).collect();
    Footprint { reads: map(&task.reads), writes: map(&task.writes) }
}

/// The buffer that each view is a part of.
fn roots(b: &Block) -> BTreeMap<Buf, Buf> {
    fn walk(b: &Block, into: &mut BTreeMap<Buf, Buf>) {
        for s in &b.0 {
            if let Stmt::View { buf, base, .. } = s {
                let root = into.get(base).copied().unwrap_or(*base);
                into.insert(*buf, root);
            }
            blocks(s).into_iter().for_each(|b| walk(b, into));
        }
    }
    let mut all = BTreeMap::new();
    walk(b, &mut all);
    all
}

/// Removes local functions that nobody calls.
fn remove_uncalled(program: &mut Program) {
    let mut called = BTreeSet::new();
    // Callers come after what they call.
    for (id, f) in program.funcs.iter().collect::<Vec<_>>().into_iter().rev() {
        if f.linkage == Linkage::Export || called.contains(&id) {
            callees(&f.body, &mut called);
            called.insert(id);
        }
    }
    let (mut kept, mut new) = (PrimaryMap::new(), PrimaryMap::new());
    for (id, mut f) in std::mem::take(&mut program.funcs).into_iter() {
        // A number that nobody asks for, where a function is gone.
        let mut next = kept.next_key();
        if called.contains(&id) {
            map_funcs(&mut f.body, &mut |f| new[f]);
            next = kept.push(f);
        }
        new.push(next);
    }
    program.funcs = kept;
    program.interface.entries.map_funcs(|f| new[f]);
}

fn callees(b: &Block, into: &mut BTreeSet<FuncId>) {
    for s in &b.0 {
        if let Stmt::Call { callee: Callee::Func(id), .. } | Stmt::Fork { callee: id, .. } = s {
            into.insert(*id);
        }
        blocks(s).into_iter().for_each(|b| callees(b, into));
    }
}
