//! outline-parallel: the body of a parallel loop becomes a function over a range of its iterations, which a fork calls.
//!
//! Afterwards every parallel loop that can be is a [`Stmt::Fork`]; functions with forks, or that call such, take the
//! team as their last parameter. `run` gathers the team before the first of them and lets it go on every way out, so
//! that threads are woken once per run. Other exported functions work alone.
//!
//! Runs before all other passes over the program: what a loop shares with the code around it is not yet spread.
//! Does NOT choose which loops are parallel, and leaves one in order whose body needs what can't be passed (see `part`).

mod part;
#[cfg(test)]
mod tests;

use super::walk::{blocks, blocks_mut, map_funcs};
use crate::manager::LoopsPass;
use onnxc_base::{DType, PrimaryMap};
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::*;
use std::collections::{BTreeMap, BTreeSet};

/// The pass.
pub const PASS: LoopsPass = LoopsPass {
    name: "outline-parallel",
    about: "make functions of the bodies of parallel loops, for threads",
    level: 0,
    run: |p, cx| {
        if cx.threads > 1 {
            outline(p, cx.threads);
        }
        Ok(())
    },
    ensures: Stage { unrolled: false, planned: false, expanded: false },
};

/// Outlines in every function; a team has at most so many threads.
pub fn outline(program: &mut Program, threads: u32) {
    let mut o = Outliner { funcs: PrimaryMap::new(), new: PrimaryMap::new(), forking: BTreeSet::new() };
    let run = program.interface.entries.run;
    let ends = [TEAM_BEGIN, TEAM_END].map(|s| program.externs.iter().find(|(_, x)| x.symbol == s).map(|(id, _)| id));
    for (id, mut f) in std::mem::take(&mut program.funcs).into_iter() {
        let forks = o.function(&mut f);
        if forks {
            match f.linkage {
                Linkage::Export if run == Some(id) => gather(&mut program.externs, ends, &mut f, &o.forking, threads),
                Linkage::Export => alone(&mut f, &o.forking),
                Linkage::Local => take_team(&mut f, &o.forking),
            }
        }
        let new = o.funcs.push(f);
        if forks && o.funcs[new].linkage == Linkage::Local {
            o.forking.insert(new);
        }
        o.new.push(new);
    }
    let Outliner { funcs, new, .. } = o;
    program.funcs = funcs;
    program.interface.entries.map_funcs(|f| new[f]);
}

/// The functions so far; parts of loops stand before the function that forks them.
struct Outliner {
    funcs: PrimaryMap<FuncId, Func>,
    /// The number that each function of before has now.
    new: PrimaryMap<FuncId, FuncId>,
    /// Functions whose last parameter is the team.
    forking: BTreeSet<FuncId>,
}

/// What is known of the function at hand.
#[derive(Default)]
struct Made {
    /// Parts so far.
    parts: u32,
    /// Mentions of each buffer.
    mentions: BTreeMap<Buf, usize>,
    /// Buffers that have memory of their own.
    allocated: BTreeSet<Buf>,
}

impl Outliner {
    /// Outlines the loops of a function; true if it needs a team.
    fn function(&mut self, f: &mut Func) -> bool {
        let mut body = std::mem::take(&mut f.body);
        map_funcs(&mut body, &mut |f| self.new[f]);
        let mut made = Made::default();
        part::mentions(f, &body, &mut made.mentions);
        part::allocated(&body, &mut made.allocated);
        self.block(f, &mut body, &mut made);
        f.body = body;
        needs_team(&f.body, &self.forking)
    }

    fn block(&mut self, f: &mut Func, b: &mut Block, made: &mut Made) {
        let mut out = Vec::with_capacity(b.0.len());
        for mut s in std::mem::take(&mut b.0) {
            if matches!(s, Stmt::For { kind: LoopKind::Parallel, .. }) {
                let name = format!("{}_part{}", f.name, made.parts);
                if let Some(part) = part::outline(f, &name, &s, &self.forking, made) {
                    made.parts += 1;
                    let callee = self.funcs.push(part.func);
                    let (count, team) = part::count(f, &s, &mut out);
                    s = Stmt::Fork { callee, args: part.args, count, team };
                }
            } else {
                blocks_mut(&mut s).into_iter().for_each(|b| self.block(f, b, made));
            }
            out.push(s);
        }
        b.0 = out;
    }
}

/// True if a statement, or one inside of it, forks or calls a function that does.
fn forks(s: &Stmt, forking: &BTreeSet<FuncId>) -> bool {
    match s {
        Stmt::Fork { .. } => true,
        Stmt::Call { callee: Callee::Func(id), .. } => forking.contains(id),
        _ => blocks(s).into_iter().any(|b| needs_team(b, forking)),
    }
}

fn needs_team(b: &Block, forking: &BTreeSet<FuncId>) -> bool {
    b.0.iter().any(|s| forks(s, forking))
}

/// A value of the function, not yet defined by a statement.
fn value(f: &mut Func, op: Op, name: &str) -> Value {
    f.values.push(ValueDef { ty: Ty::I64, op, name: name.into() })
}

/// Tells every fork and call of a block the team.
fn hand_on(b: &mut Block, forking: &BTreeSet<FuncId>, to: Value) {
    for s in &mut b.0 {
        match s {
            Stmt::Fork { team, .. } => *team = to,
            Stmt::Call { callee: Callee::Func(id), args, .. } if forking.contains(id) => args.push(Arg::Value(to)),
            _ => blocks_mut(s).into_iter().for_each(|b| hand_on(b, forking, to)),
        }
    }
}

/// The caller says what the team is.
fn take_team(f: &mut Func, forking: &BTreeSet<FuncId>) {
    let team = value(f, Op::Param(f.params.len() as u32), "team");
    f.params.push(Param { name: "team".into(), kind: ParamKind::Scalar(DType::I64) });
    hand_on(&mut f.body, forking, team);
    let after = f.body.0.iter().position(|s| !is_param(f, s)).unwrap_or(f.body.0.len());
    f.body.0.insert(after, Stmt::Let(team));
}

fn is_param(f: &Func, s: &Stmt) -> bool {
    matches!(s, Stmt::Let(v) if matches!(f.values[*v].op, Op::Param(_)))
}

/// The team is the calling thread.
fn alone(f: &mut Func, forking: &BTreeSet<FuncId>) {
    let one = value(f, Op::Const(Scalar::i64(1)), "");
    hand_on(&mut f.body, forking, one);
    let after = f.body.0.iter().position(|s| !is_param(f, s)).unwrap_or(f.body.0.len());
    f.body.0.insert(after, Stmt::Let(one));
}

/// The team is gathered before the first statement that needs it, and let go before every return after that.
fn gather(
    externs: &mut PrimaryMap<ExternId, Extern>,
    known: [Option<ExternId>; 2],
    f: &mut Func,
    forking: &BTreeSet<FuncId>,
    threads: u32,
) {
    let integer = || vec![ParamKind::Scalar(DType::I64)];
    let [begin, end] = known;
    let begin = begin
        .unwrap_or_else(|| externs.push(Extern { symbol: TEAM_BEGIN.into(), params: integer(), ret: Some(Ty::I64) }));
    let end = end.unwrap_or_else(|| externs.push(Extern { symbol: TEAM_END.into(), params: integer(), ret: None }));
    let most = value(f, Op::Const(Scalar::i64(i64::from(threads))), "");
    let team = value(f, Op::Result, "team");
    hand_on(&mut f.body, forking, team);
    let first = f.body.0.iter().position(|s| forks(s, forking)).unwrap_or(0);
    let mut rest = Block(f.body.0.split_off(first));
    let let_go = Stmt::Call { callee: Callee::Extern(end), args: vec![Arg::Value(team)], result: None };
    before_returns(&mut rest, &let_go);
    let ask = Stmt::Call { callee: Callee::Extern(begin), args: vec![Arg::Value(most)], result: Some(team) };
    f.body.0.extend([Stmt::Let(most), ask]);
    f.body.0.extend(rest.0);
    if !matches!(f.body.0.last(), Some(Stmt::Return(_))) && f.ret.is_none() {
        f.body.0.push(let_go);
    }
}

fn before_returns(b: &mut Block, what: &Stmt) {
    let mut out = Vec::with_capacity(b.0.len());
    for mut s in std::mem::take(&mut b.0) {
        blocks_mut(&mut s).into_iter().for_each(|b| before_returns(b, what));
        if matches!(s, Stmt::Return(_)) {
            out.push(what.clone());
        }
        out.push(s);
    }
    b.0 = out;
}
