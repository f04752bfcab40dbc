//! Several calls of functions that fork become one fork: of a task that runs the task of each for its range.
//!
//! What the functions do before they fork is done by the caller. A buffer that several get is one parameter of the task.
//! The same calls, wired in the same way, share a task. Does NOT ask whether that is right.

use super::Member;
use onnxc_base::{DType, PrimaryMap};
use onnxc_ir::loops::walk::{map_operands, map_reads};
use onnxc_ir::loops::*;
use std::collections::{BTreeMap, BTreeSet};

/// The functions so far, and the tasks made.
pub(super) struct Tasks {
    pub funcs: PrimaryMap<FuncId, Func>,
    made: BTreeMap<Key, FuncId>,
    names: BTreeSet<String>,
}

/// Tasks in order, and which of the joint arguments each argument is.
type Key = Vec<(FuncId, Vec<usize>)>;

impl Tasks {
    pub(super) fn new(before: &PrimaryMap<FuncId, Func>) -> Self {
        let names = before.values().map(|f| f.name.clone()).collect();
        Tasks { funcs: PrimaryMap::new(), made: BTreeMap::new(), names }
    }

    /// Statements instead of those calls, where the last one was.
    pub(super) fn merge(&mut self, f: &mut Func, calls: &[Member]) -> Vec<Stmt> {
        let (mut out, mut args, mut key, mut ends) = (vec![], Vec::<Arg>::new(), vec![], None);
        for call in calls {
            let (task, own, count, team) = inline(f, &self.funcs[call.callee], &call.args, &mut out);
            let place = |a: Arg| {
                // Scalars are passed by value: each its own.
                let known = args.iter().position(|b| *b == a && matches!(a, Arg::Buf { .. }));
                known.unwrap_or_else(|| {
                    args.push(a);
                    args.len() - 1
                })
            };
            key.push((task, own.into_iter().map(place).collect()));
            ends = Some((count, team));
        }
        let callee = self.task(&key, args.len());
        let (count, team) = ends.expect("calls");
        out.push(Stmt::Fork { callee, args, count, team });
        out
    }

    /// The task that runs those one after the other.
    fn task(&mut self, key: &Key, args: usize) -> FuncId {
        if let Some(&known) = self.made.get(key) {
            return known;
        }
        let first = &self.funcs[key[0].0].name;
        let mut b = FuncBuilder::new(free(&self.names, &format!("{first}_and_{}", key.len() - 1)));
        self.names.insert(b.func.name.clone());
        let docs: Vec<&str> = key.iter().map(|(t, _)| self.funcs[*t].doc.as_str()).filter(|d| !d.is_empty()).collect();
        b.func.doc = docs.join("; ");
        let range = ["from", "to", "thread"].map(|n| Arg::Value(b.param(n, DType::I64)));
        let mut params = Vec::with_capacity(args);
        for at in 0..args {
            let same = key.iter().flat_map(|(t, wired)| {
                let of = self.funcs[*t].params[3..].iter().zip(wired);
                of.filter(|(_, w)| **w == at).map(|(p, _)| p)
            });
            params.push(param(&mut b, &same.collect::<Vec<_>>()));
        }
        for (task, wired) in key {
            let args = range.iter().copied().chain(wired.iter().map(|w| params[*w])).collect();
            b.stmt(Stmt::Call { callee: Callee::Func(*task), args, result: None });
        }
        let id = self.funcs.push(b.finish());
        self.made.insert(key.clone(), id);
        id
    }
}

/// A parameter for what those are.
fn param(b: &mut FuncBuilder, same: &[&Param]) -> Arg {
    let taken: BTreeSet<String> = b.func.params.iter().map(|p| p.name.clone()).collect();
    let name = free(&taken, &same[0].name);
    match same[0].kind {
        ParamKind::Scalar(dtype) => Arg::Value(b.param(&name, dtype)),
        ParamKind::Buf { dtype, .. } => {
            let mutable = same.iter().any(|p| matches!(p.kind, ParamKind::Buf { mutable: true, .. }));
            Arg::Buf { buf: b.param_buf(&name, dtype, mutable), offset: None }
        }
        ParamKind::Table => Arg::Table(b.param_table(&name)),
    }
}

fn free(taken: &BTreeSet<String>, name: &str) -> String {
    let mut free = name.to_owned();
    while taken.contains(&free) {
        free.push('_');
    }
    free
}

/// What a function that only forks does up to there, as statements of its caller: the task, its arguments, how many shares
/// there are, and the team.
fn inline(f: &mut Func, callee: &Func, given: &[Arg], out: &mut Vec<Stmt>) -> (FuncId, Vec<Arg>, Value, Value) {
    let (mut values, mut bufs) = (BTreeMap::new(), BTreeMap::new());
    for (b, def) in &callee.bufs {
        let own = match def.kind {
            BufKind::Param(i) => match given[i as usize] {
                Arg::Buf { buf, .. } => buf,
                _ => continue,
            },
            // What several threads share, or a name only.
            BufKind::Stack(_) => f.bufs.push(def.clone()),
            _ => continue,
        };
        bufs.insert(b, own);
    }
    for s in &callee.body.0 {
        match s {
            Stmt::Let(v) => {
                let mut def = callee.values[*v].clone();
                let new = match (&def.op, given) {
                    (Op::Param(i), given) => match given[*i as usize] {
                        Arg::Value(x) => x,
                        _ => unreachable!("a scalar parameter gets a value"),
                    },
                    _ => {
                        map_operands(&mut def.op, &mut |x| values[&x]);
                        let new = f.values.push(def);
                        out.push(Stmt::Let(new));
                        new
                    }
                };
                values.insert(*v, new);
            }
            Stmt::Alloc { buf, count, space, bound } => {
                let new = f.bufs.push(callee.bufs[*buf].clone());
                bufs.insert(*buf, new);
                out.push(Stmt::Alloc { buf: new, count: values[count], space: *space, bound: bound.clone() });
            }
            Stmt::Fork { .. } => {
                let mut fork = s.clone();
                map_reads(&mut fork, &mut |x| values[&x]);
                let Stmt::Fork { callee, mut args, count, team } = fork else { unreachable!("a fork") };
                for a in &mut args {
                    if let Arg::Buf { buf, .. } = a {
                        *buf = bufs[buf];
                    }
                }
                return (callee, args, count, team);
            }
            _ => {}
        }
    }
    unreachable!("the last statement is a fork")
}
