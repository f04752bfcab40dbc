//! Statements, and what has to be written before them.

use super::ops::Deps;
use super::{Flow, Header, Language, Passed, Pending, may_overlap};
use crate::expr::{Expr, Prec};
use onnxc_base::DType;
use onnxc_ir::loops::walk::blocks;
use onnxc_ir::loops::{Arg, Block, BufKind, Callee, LoopKind, Op, Place, Space, Stmt, Value};

impl<L: Language> Flow<'_, L> {
    pub(super) fn block(&mut self, b: &Block) {
        b.0.iter().for_each(|s| self.statement(s));
        self.flush(|_| true);
    }

    /// Writes out what waits and `which` says yes to, in the order of definition.
    fn flush(&mut self, which: impl Fn(&Pending) -> bool) {
        let (out, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending).into_iter().partition(which);
        self.pending = kept;
        out.into_iter().for_each(|p| self.write_out(p));
    }

    fn inner(&mut self, b: &Block) {
        self.depth += 1;
        self.block(b);
        self.depth -= 1;
    }

    fn statement(&mut self, s: &Stmt) {
        let func = self.func;
        let mut deps = Deps::default();
        match s {
            Stmt::Let(v) => self.compute(*v),
            Stmt::Set(place, v) => self.set(place, *v),
            Stmt::Store { buf, offset, value, .. } => {
                let offset = self.operand(*offset, &mut deps);
                let value = self.operand_as(*value, func.bufs[*buf].dtype, &mut deps);
                self.flush(|p| p.loads.iter().any(|&b| may_overlap(func, *buf, b)));
                let line = self.lang.store(func, *buf, offset, value);
                self.line(line);
            }
            Stmt::For { index, lo, hi, step, kind, body } => self.for_loop(*index, *lo, *hi, *step, *kind, body),
            Stmt::Loop(body) => {
                self.flush(|_| true);
                let line = self.lang.open_loop();
                self.line(line);
                self.inner(body);
                self.line("}".into());
            }
            Stmt::If { cond, then, els } => {
                let cond = self.operand(*cond, &mut deps);
                self.flush(|_| true);
                let line = self.lang.open_if(&cond);
                self.line(line);
                self.inner(then);
                if !els.0.is_empty() {
                    self.line("} else {".into());
                    self.inner(els);
                }
                self.line("}".into());
            }
            Stmt::Break => {
                self.flush(|_| true);
                self.line("break;".into());
            }
            Stmt::Return(v) => {
                let ret = func.ret.map(|t| t.elem);
                let v = v.zip(ret).map(|(v, d)| self.operand_as(v, d, &mut deps));
                let line = self.lang.ret(v);
                self.line(line);
            }
            Stmt::Call { callee, args, result } => self.call(*callee, args, *result),
            // The languages have no portable word for it.
            Stmt::Prefetch { .. } => {}
            Stmt::Comment(text) => {
                let line = self.lang.comment(text);
                self.line(line);
            }
            Stmt::View { .. } | Stmt::Entry { .. } | Stmt::Assign { .. } | Stmt::Alloc { .. } | Stmt::Free(_) => {
                self.memory(s)
            }
            Stmt::Scatter { .. } => self.fail("a vector is left".into()),
            Stmt::Fork { .. } => self.fail("a fork is left".into()),
        }
    }

    /// Where buffers are.
    fn memory(&mut self, s: &Stmt) {
        let func = self.func;
        let mut deps = Deps::default();
        match s {
            Stmt::View { buf, base, byte_offset, .. } => {
                let at = self.operand(*byte_offset, &mut deps);
                self.flush(|p| !p.loads.is_empty());
                let made = self.lang.view(func, *buf, *base, at);
                self.lines_or(made);
            }
            Stmt::Entry { buf, table, index } => {
                let made = self.lang.entry(func, *buf, *table, *index);
                self.lines_or(made);
            }
            Stmt::Assign { buf, from } => {
                self.flush(|p| !p.loads.is_empty());
                let made = self.lang.assign_pointer(func, *buf, *from);
                self.lines_or(made);
            }
            Stmt::Alloc { buf, count, space: Space::Heap, .. } => {
                let count = self.operand(*count, &mut deps);
                self.flush(|p| !p.loads.is_empty());
                let made = self.lang.alloc(func, *buf, count);
                self.lines_or(made);
            }
            Stmt::Alloc { buf, .. } => self.fail(format!("buffer {buf} still has no place in the workspace")),
            Stmt::Free(buf) => {
                self.flush(|_| true);
                let made = self.lang.free(func, *buf);
                self.lines_or(made);
            }
            _ => {}
        }
    }

    fn set(&mut self, place: &Place, v: Value) {
        let mut deps = Deps::default();
        let elem = self.func.vars[place.var].ty.elem;
        let update = self.pending.iter().find(|p| p.value == v).and_then(|p| p.update.clone());
        let value = self.operand_as(v, elem, &mut deps);
        let target = self.variable(place, &mut deps);
        let var = place.var;
        self.flush(|p| p.reads.contains(&var));
        let line = if self.at_first_set[var] && !self.declared[var] {
            self.declared[var] = true;
            self.lang.declare(&target.text, &Expr { dtype: elem, ..value }, true)
        } else {
            match update {
                Some((of, op, rest)) if of == target.text && rest.dtype == elem => {
                    self.lang.assign(&target.text, op, &rest)
                }
                _ => self.lang.assign(&target.text, "=", &value),
            }
        };
        self.line(line);
    }

    fn for_loop(&mut self, index: Value, lo: Value, hi: Value, step: i64, kind: LoopKind, body: &Block) {
        let mut deps = Deps::default();
        let last = self.ranges[hi].hi + i128::from(step);
        let wide = self.repr(index);
        // The index goes beyond its last value once.
        let fits = [lo, hi].iter().all(|&v| self.ranges[v].fits(DType::I32)) && last <= i128::from(i32::MAX);
        let dtype = if wide == DType::I32 && fits { wide } else { DType::I64 };
        let safe = step == 1 || last <= i128::from(i64::MAX);
        let (lo, mut hi) = (self.operand_as(lo, dtype, &mut deps), self.operand_as(hi, dtype, &mut deps));
        self.flush(|_| true);
        let func = self.func;
        let hint = &func.values[index].name;
        let name = if hint.is_empty() { self.names.numbered("i") } else { self.names.unique(hint) };
        if hi.prec != Prec::Primary || !deps.loads.is_empty() || !deps.reads.is_empty() {
            let end = self.names.unique(&format!("{name}_end"));
            let line = self.lang.declare(&end, &hi, false);
            self.line(line);
            hi = Expr::primary(end, dtype);
        }
        let parallel = kind == LoopKind::Parallel && safe && !self.in_parallel && self.is_private(body);
        let header = Header { index: name.clone(), dtype, lo, hi, step, safe, parallel, innermost: !has_loop(body) };
        let lines = self.lang.open_for(&header);
        lines.into_iter().for_each(|l| self.line(l));
        let around = self.in_parallel;
        self.in_parallel |= parallel;
        self.value_names[index] = Some(name.clone());
        if dtype != wide {
            // Users expect the narrow type.
            self.depth += 1;
            let narrow = self.names.unique(&format!("{name}_n"));
            let e = self.lang.widen(Expr::primary(name, dtype), wide);
            let line = self.lang.declare(&narrow, &e, false);
            self.line(line);
            self.depth -= 1;
            self.value_names[index] = Some(narrow);
        }
        self.inner(body);
        self.in_parallel = around;
        self.depth += 1;
        let lines = self.lang.close_for(&header);
        lines.into_iter().for_each(|l| self.line(l));
        self.depth -= 1;
        self.line("}".into());
    }

    /// True if all that a body writes, but for memory, is its own.
    fn is_private(&self, body: &Block) -> bool {
        body.0.iter().all(|s| {
            let own = match s {
                Stmt::Set(p, _) => self.at_first_set[p.var] && !self.declared[p.var],
                Stmt::Store { buf, .. } => !matches!(self.func.bufs[*buf].kind, BufKind::Stack(_)),
                Stmt::Let(v) => match &self.func.values[*v].op {
                    Op::Get(p) => self.at_first_set[p.var] && !self.declared[p.var],
                    Op::ThreadId => self.lang.has_threads(),
                    _ => true,
                },
                Stmt::Assign { .. } | Stmt::Alloc { .. } | Stmt::Free(_) | Stmt::Call { .. } => false,
                _ => true,
            };
            own && blocks(s).into_iter().all(|b| self.is_private(b))
        })
    }

    fn call(&mut self, callee: Callee, args: &[Arg], result: Option<Value>) {
        let mut deps = Deps::default();
        let func = self.func;
        let args: Vec<Passed> = args
            .iter()
            .map(|a| match *a {
                Arg::Value(v) => Passed::Value(self.operand_as(v, func.values[v].ty.elem, &mut deps)),
                Arg::Buf { buf, offset } => Passed::Buf(buf, offset.map(|o| self.operand(o, &mut deps))),
                Arg::Table(i) => Passed::Table(i),
            })
            .collect();
        self.flush(|p| !p.loads.is_empty());
        let result = result.filter(|r| self.uses[*r] > 0).map(|r| {
            let name = self.names.unique("status");
            self.value_names[r] = Some(name.clone());
            (name, func.values[r].ty.elem)
        });
        let made = self.lang.call(func, callee, args, result);
        self.lines_or(made);
    }
}

fn has_loop(b: &Block) -> bool {
    b.0.iter().any(|s| matches!(s, Stmt::For { .. } | Stmt::Loop(_)) || blocks(s).into_iter().any(has_loop))
}
