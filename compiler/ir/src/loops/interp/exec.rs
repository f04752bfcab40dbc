//! Statements: what each does to the frame and the memory.

use super::externs::{ExternCall, Passed};
use super::memory::{Origin, Ptr};
use super::{Fault, Interp, Layout, Taken};
use crate::loops::print::LinePrinter;
use crate::loops::*;
use onnxc_base::EntityRef;
use std::rc::Rc;

/// What memory that isn't initialised consists of.
const GARBAGE: u8 = 0xff;

/// A function that is running.
pub(super) struct Frame<'p> {
    pub id: FuncId,
    pub func: &'p Func,
    pub layout: Rc<Layout>,
    /// Every lane of every value and variable; see `Layout`.
    pub regs: Vec<u64>,
    pub bufs: Vec<Ptr>,
    /// Scalar arguments by parameter number.
    pub scalars: Vec<u64>,
    /// Tables by parameter number.
    tables: Vec<usize>,
    /// Stack and workspace memory, which goes at the end.
    owned: Vec<Ptr>,
}

/// How a statement ends.
#[derive(PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Return,
}

impl<'p> Interp<'p> {
    /// Runs a function with arguments in memory; `returned` holds the result.
    pub(super) fn run(&mut self, id: FuncId, args: &[Taken]) -> Result<(), Box<Fault>> {
        let passed: Vec<Passed> = args
            .iter()
            .map(|a| match a {
                Taken::Scalar(bits) => Passed::Scalar(Scalar { dtype: DType::I64, bits: *bits }),
                Taken::Buf(p) => Passed::Buf(*p),
                Taken::Table(t, _) => Passed::Table(*t),
            })
            .collect();
        self.run_func(id, &passed)
    }

    fn run_func(&mut self, id: FuncId, args: &[Passed]) -> Result<(), Box<Fault>> {
        let mut frame = self.enter(id, args);
        let result = self.block(&mut frame, &self.program.funcs[id].body);
        for p in frame.owned {
            self.mem.remove(p);
        }
        result.map(|_| ())
    }

    fn enter(&mut self, id: FuncId, args: &[Passed]) -> Frame<'p> {
        let func = &self.program.funcs[id];
        let (layout, regs) = (self.layouts[id].clone(), self.layouts[id].init.clone());
        let mut f = Frame { id, func, layout, regs, bufs: vec![], scalars: vec![], tables: vec![], owned: vec![] };
        for a in args {
            f.scalars.push(if let Passed::Scalar(s) = a { s.bits } else { 0 });
            f.tables.push(if let Passed::Table(t) = a { *t } else { 0 });
        }
        for def in func.bufs.values() {
            let ptr = match def.kind {
                BufKind::Param(i) => match args[i as usize] {
                    Passed::Buf(p) => p,
                    _ => Ptr::NULL,
                },
                BufKind::Const(c) => self.consts[c],
                BufKind::Stack(n) => {
                    let p = self.mem.add(vec![0; n as usize * def.dtype.size()], true, Origin::Frame);
                    f.owned.push(p);
                    p
                }
                BufKind::Local | BufKind::Pointer => Ptr::NULL,
            };
            f.bufs.push(ptr);
        }
        f
    }

    fn block(&mut self, f: &mut Frame<'p>, block: &'p Block) -> Result<Flow, Box<Fault>> {
        for s in &block.0 {
            let flow = self.statement(f, s).inspect_err(|_| self.blame(f, s))?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// Remembers the innermost statement of an error.
    fn blame(&mut self, f: &Frame<'p>, s: &Stmt) {
        if self.place.is_none() {
            self.place = Some((f.func.name.clone(), LinePrinter::new(self.program, f.func).line(s)));
        }
    }

    /// Counts a statement or an iteration, which may be empty.
    fn step(&mut self) -> Result<(), Box<Fault>> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(Fault::StepLimit)?;
        Ok(())
    }

    fn statement(&mut self, f: &mut Frame<'p>, s: &'p Stmt) -> Result<Flow, Box<Fault>> {
        self.step()?;
        match s {
            Stmt::Let(v) => self.compute(f, *v)?,
            Stmt::Set(place, v) => {
                let (to, lanes) = self.place(f, place)?;
                let from = self.reg(f, *v);
                f.regs.copy_within(from..from + lanes, to);
            }
            Stmt::Store { buf, offset, value, mask } => self.store(f, *buf, *offset, *value, *mask)?,
            Stmt::Scatter { buf, offsets, value, mask } => self.scatter(f, *buf, *offsets, *value, *mask)?,
            Stmt::Alloc { buf, count, space, .. } => self.alloc(f, *buf, *count, *space)?,
            Stmt::Free(b) => self.mem.free(f.bufs[b.index()])?,
            Stmt::View { buf, base, byte_offset, count } => {
                let bytes = self.int(f, *byte_offset);
                let view = f.bufs[base.index()].at(bytes);
                let size = f.func.bufs[*buf].dtype.size() as i64;
                let most = count.as_ref().and_then(Sym::as_int).map(|n| n.saturating_mul(size));
                f.bufs[buf.index()] = most.map_or(view, |n| view.only(n));
            }
            Stmt::Entry { buf, table, index } => {
                f.bufs[buf.index()] = self.mem.entry(f.tables[*table as usize], *index)?;
            }
            Stmt::Assign { buf, from } => f.bufs[buf.index()] = f.bufs[from.index()],
            Stmt::For { index, lo, hi, step, kind, body } => {
                return self.for_loop(f, *index, (self.int(f, *lo), self.int(f, *hi), *step), *kind, body);
            }
            Stmt::Loop(body) => loop {
                self.step()?;
                match self.block(f, body)? {
                    Flow::Next => {}
                    Flow::Break => return Ok(Flow::Next),
                    Flow::Return => return Ok(Flow::Return),
                }
            },
            Stmt::Break => return Ok(Flow::Break),
            Stmt::If { cond, then, els } => {
                let taken = if self.lane(f, *cond) != 0 { then } else { els };
                return self.block(f, taken);
            }
            Stmt::Call { callee, args, result } => self.call_stmt(f, *callee, args, *result)?,
            Stmt::Fork { callee, args, count, team } => self.fork(f, *callee, args, *count, *team)?,
            Stmt::Return(v) => {
                self.returned.clear();
                if let Some(v) = v {
                    let at = self.reg(f, *v);
                    let lanes = usize::from(f.func.values[*v].ty.lanes);
                    self.returned.extend_from_slice(&f.regs[at..at + lanes]);
                }
                return Ok(Flow::Return);
            }
            Stmt::Prefetch { .. } | Stmt::Comment(_) => {}
        }
        Ok(Flow::Next)
    }

    fn for_loop(
        &mut self,
        f: &mut Frame<'p>,
        index: Value,
        (lo, hi, step): (i64, i64, i64),
        kind: LoopKind,
        body: &'p Block,
    ) -> Result<Flow, Box<Fault>> {
        let at = self.reg(f, index);
        let count = if hi > lo { (i128::from(hi) - i128::from(lo) - 1) / i128::from(step.max(1)) + 1 } else { 0 };
        let backwards = self.backwards && kind == LoopKind::Parallel;
        for n in 0..count {
            self.step()?;
            let n = if backwards { count - 1 - n } else { n };
            f.regs[at] = (i128::from(lo) + n * i128::from(step)) as i64 as u64;
            match self.block(f, body)? {
                Flow::Next => {}
                // An unrolled loop is no loop in the end: a break goes through it.
                Flow::Break if kind == LoopKind::Unrolled => return Ok(Flow::Break),
                Flow::Break => return Ok(Flow::Next),
                Flow::Return => return Ok(Flow::Return),
            }
        }
        Ok(Flow::Next)
    }

    fn alloc(&mut self, f: &mut Frame<'p>, buf: Buf, count: Value, space: Space) -> Result<(), Box<Fault>> {
        let count = self.int(f, count);
        let size = f.func.bufs[buf].dtype.size();
        let bytes = usize::try_from(count).ok().and_then(|n| n.checked_mul(size)).filter(|&b| b <= isize::MAX as usize);
        let fits = |b: usize| {
            let mut v: Vec<u8> = Vec::new();
            v.try_reserve_exact(b).ok()?;
            v.resize(b, GARBAGE);
            Some(v)
        };
        // In a loop the memory of the last iteration is out of reach, unless a pointer still has it.
        if space == Space::Workspace && !f.func.bufs.values().any(|b| b.kind == BufKind::Pointer) {
            self.mem.remove(f.bufs[buf.index()]);
        }
        f.bufs[buf.index()] = match (space, bytes) {
            _ if count < 0 => return Err(Fault::BadCount(count).into()),
            (Space::Heap, bytes) => match bytes.filter(|&b| b <= self.heap_limit).and_then(fits) {
                Some(data) => self.mem.add(data, true, Origin::Heap(f.id, buf)),
                None => Ptr::NULL,
            },
            (Space::Workspace, bytes) => {
                let data = bytes.and_then(fits).ok_or(Fault::BadCount(count))?;
                let p = self.mem.add(data, true, Origin::Frame);
                f.owned.push(p);
                p
            }
        };
        Ok(())
    }

    fn call_stmt(
        &mut self,
        f: &mut Frame<'p>,
        callee: Callee,
        args: &[Arg],
        result: Option<Value>,
    ) -> Result<(), Box<Fault>> {
        let passed = self.passed(f, args);
        match callee {
            Callee::Func(id) => self.run_func(id, &passed)?,
            Callee::Extern(id) => self.call_extern(id, passed)?,
        }
        if let Some(v) = result {
            let at = self.reg(f, v);
            f.regs[at..at + self.returned.len()].copy_from_slice(&self.returned);
        }
        Ok(())
    }

    fn passed(&self, f: &Frame<'p>, args: &[Arg]) -> Vec<Passed> {
        let one = |a: &Arg| match *a {
            Arg::Value(v) => Passed::Scalar(Scalar { dtype: f.func.values[v].ty.elem, bits: self.lane(f, v) }),
            Arg::Buf { buf, offset } => {
                let elements = offset.map_or(0, |o| self.int(f, o));
                let size = f.func.bufs[buf].dtype.size() as i64;
                Passed::Buf(f.bufs[buf.index()].at(elements.saturating_mul(size)))
            }
            Arg::Table(t) => Passed::Table(f.tables[t as usize]),
        };
        args.iter().map(one).collect()
    }

    /// A range per thread, one after the other.
    fn fork(
        &mut self,
        f: &Frame<'p>,
        callee: FuncId,
        args: &[Arg],
        count: Value,
        team: Value,
    ) -> Result<(), Box<Fault>> {
        let (count, team) = (self.int(f, count).max(0), self.int(f, team));
        let team = team.clamp(1, count.max(1));
        let args = self.passed(f, args);
        for n in 0..team {
            let n = if self.backwards { team - 1 - n } else { n };
            let end = |n: i64| (i128::from(count) * i128::from(n) / i128::from(team)) as i64;
            let own = [end(n), end(n + 1), n].map(|v| Passed::Scalar(Scalar::i64(v)));
            let all: Vec<Passed> = own.into_iter().chain(args.iter().copied()).collect();
            self.run_func(callee, &all)?;
        }
        Ok(())
    }

    fn call_extern(&mut self, id: ExternId, args: Vec<Passed>) -> Result<(), Box<Fault>> {
        let e = &self.program.externs[id];
        let Some(f) = self.externs.get_mut(&e.symbol) else {
            return Err(Fault::Extern(format!("the linked function '{}' isn't supplied", e.symbol)).into());
        };
        let fail = |text: String| Box::new(Fault::Extern(format!("'{}': {text}", e.symbol)));
        let got = f(&mut ExternCall { args, mem: &mut self.mem }).map_err(fail)?;
        if got.map(|s| Ty::scalar(s.dtype)) != e.ret {
            return Err(fail("the result isn't of the declared type".to_owned()));
        }
        self.returned.clear();
        self.returned.extend(got.map(|s| s.bits));
        Ok(())
    }
}
