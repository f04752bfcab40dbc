//! Loops, branches and ways out; which pointers are set on every way; variables of parallel loops.

use super::{Checker, code};
use crate::loops::*;
use std::collections::{BTreeMap, BTreeSet};

/// A loop around the statement being checked.
pub(super) struct Enclosing {
    kind: Kind,
    /// What every `break` so far has in common: the pointers assigned there. `None` before the first.
    assigned: Option<BTreeSet<Buf>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Loop,
    For(LoopKind),
}

impl<'a> Checker<'a> {
    /// Checks a control statement; says whether what follows is never reached.
    pub(super) fn control(&mut self, s: &'a Stmt) -> bool {
        match s {
            Stmt::For { index, lo, hi, step, kind, body } => {
                self.index(*lo, "the first index");
                self.index(*hi, "the end");
                self.for_header(*index, *lo, *hi, *step, *kind);
                self.defines(*index);
                let before = self.writable.assigned.clone();
                self.body(Kind::For(*kind), body);
                self.scope.end(*index);
                self.writable.assigned = before;
                false
            }
            Stmt::Loop(body) => {
                let at_breaks = self.body(Kind::Loop, body);
                // Without a break, what follows is never reached.
                let endless = at_breaks.is_none();
                self.writable.assigned = at_breaks.unwrap_or_default();
                endless
            }
            Stmt::Break => self.break_out(),
            Stmt::If { cond, then, els } => self.if_else(*cond, then, els),
            Stmt::Return(v) => self.return_out(*v),
            _ => false,
        }
    }

    fn for_header(&mut self, index: Value, lo: Value, hi: Value, step: i64, kind: LoopKind) {
        self.check(step >= 1, code::CONTROL, |_| format!("step {step} is below 1"));
        let def = self.func.values.get(index);
        let ok = def.is_some_and(|d| d.op == Op::Index && d.ty == Ty::I64);
        self.check(ok, code::DEFINITION, |_| "what a loop defines is an i64 index".into());
        if kind == LoopKind::Unrolled {
            let ok = self.constant(lo).is_some() && self.constant(hi).is_some();
            self.check(ok, code::CONTROL, |_| "bounds of an unrolled loop are constants".into());
            self.check(!self.stage.unrolled, code::STAGE, |_| "an unrolled loop is left after unroll".into());
        }
    }

    fn body(&mut self, kind: Kind, body: &'a Block) -> Option<BTreeSet<Buf>> {
        self.loops.push(Enclosing { kind, assigned: None });
        self.block(body);
        self.loops.pop().and_then(|l| l.assigned)
    }

    /// An unrolled loop is no loop in the end, so a break goes through it.
    fn break_out(&mut self) -> bool {
        let at = self.loops.iter().rposition(|l| l.kind != Kind::For(LoopKind::Unrolled));
        match at.map(|i| self.loops[i].kind) {
            None => self.report(code::CONTROL, |_| "break outside of a loop".into()),
            Some(Kind::For(LoopKind::Parallel)) => {
                self.report(code::CONTROL, |_| "break out of a parallel loop".into())
            }
            Some(_) => {}
        }
        if let Some(i) = at {
            let now = &self.writable.assigned;
            let common = self.loops[i].assigned.take().map_or_else(|| now.clone(), |a| &a & now);
            self.loops[i].assigned = Some(common);
        }
        true
    }

    fn if_else(&mut self, cond: Value, then: &'a Block, els: &'a Block) -> bool {
        self.typed(cond, Some(Ty::BOOL), "the condition");
        let before = self.writable.assigned.clone();
        let then_ends = self.block(then);
        let after_then = std::mem::replace(&mut self.writable.assigned, before);
        let els_ends = self.block(els);
        let after_els = &self.writable.assigned;
        // A branch that never gets here has no say.
        self.writable.assigned = match (then_ends, els_ends) {
            (true, _) => after_els.clone(),
            (false, true) => after_then,
            (false, false) => &after_then & after_els,
        };
        then_ends && els_ends
    }

    fn return_out(&mut self, v: Option<Value>) -> bool {
        let parallel = self.loops.iter().any(|l| l.kind == Kind::For(LoopKind::Parallel));
        self.check(!parallel, code::CONTROL, |_| "return inside a parallel loop".into());
        match (v, self.func.ret) {
            (Some(v), Some(ty)) => self.typed(v, Some(ty), "the value returned"),
            (None, Some(ty)) => self.report(code::CONTROL, |_| format!("a return without the promised {ty}")),
            (Some(v), None) => {
                self.uses(v);
                self.report(code::CONTROL, |_| "the function returns nothing".into());
            }
            (None, None) => {}
        }
        true
    }

    /// Variables set in a parallel loop belong to one iteration.
    pub(super) fn parallel_variables(&mut self) {
        let mut all = Mentions::new(self.func);
        all.block(&self.func.body);
        if !all.sets.is_empty() {
            self.parallel_in(&self.func.body, &all);
        }
    }

    fn parallel_in(&mut self, block: &'a Block, all: &Mentions) {
        for s in &block.0 {
            match s {
                Stmt::For { kind, body, .. } => {
                    if *kind == LoopKind::Parallel {
                        self.here = Some(s);
                        self.parallel_loop(body, all);
                    }
                    self.parallel_in(body, all);
                }
                Stmt::Loop(body) => self.parallel_in(body, all),
                Stmt::If { then, els, .. } => {
                    self.parallel_in(then, all);
                    self.parallel_in(els, all);
                }
                _ => {}
            }
        }
    }

    fn parallel_loop(&mut self, body: &Block, all: &Mentions) {
        let mut inside = Mentions::new(self.func);
        inside.block(body);
        for &var in &inside.sets {
            if inside.count[&var] != all.count[&var] {
                self.report(code::CONTROL, |p| {
                    format!("{} is set in a parallel loop and used outside of it", p.var(var))
                });
            } else if inside.read_first.contains(&var) {
                self.report(code::CONTROL, |p| {
                    format!("{} is read before it is set in an iteration of a parallel loop", p.var(var))
                });
            }
        }
    }
}

/// How a piece of code uses the function's variables.
struct Mentions<'a> {
    func: &'a Func,
    /// Uses of each variable.
    count: BTreeMap<Var, usize>,
    sets: BTreeSet<Var>,
    /// Those whose first use in the text is a read.
    read_first: BTreeSet<Var>,
}

impl<'a> Mentions<'a> {
    fn new(func: &'a Func) -> Self {
        Self { func, count: BTreeMap::new(), sets: BTreeSet::new(), read_first: BTreeSet::new() }
    }

    fn block(&mut self, block: &Block) {
        for s in &block.0 {
            match s {
                Stmt::Let(v) => {
                    if let Some(ValueDef { op: Op::Get(place), .. }) = self.func.values.get(*v) {
                        if !self.sets.contains(&place.var) {
                            self.read_first.insert(place.var);
                        }
                        *self.count.entry(place.var).or_default() += 1;
                    }
                }
                Stmt::Set(place, _) => {
                    self.sets.insert(place.var);
                    *self.count.entry(place.var).or_default() += 1;
                }
                Stmt::For { body, .. } | Stmt::Loop(body) => self.block(body),
                Stmt::If { then, els, .. } => {
                    self.block(then);
                    self.block(els);
                }
                _ => {}
            }
        }
    }
}
