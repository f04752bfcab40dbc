//! The addresses of two buffers, in the order in which a function goes through them.
//!
//! Only what addresses depend on is run: index arithmetic, loops, conditions and masks. What computes data isn't looked
//! at, and loops without an access are skipped. So are loops that only read, if all they could read is beyond what has been
//! written so far ([`super::bounds`]): of a convolution's sums mostly nothing is run.

use super::bounds::Bounds;
use onnxc_base::{DType, EntityRef};
use onnxc_ir::loops::walk::{blocks, bufs, operands};
use onnxc_ir::loops::{Block, Buf, Func, Op, Stmt, Value, Var};
use onnxc_ir::scalar::{BinOp, Scalar, eval_binary, eval_cast, eval_compare, eval_unary};
use std::collections::BTreeSet;

/// What is left of a statement.
pub(super) enum Step {
    Let(Value),
    Set(usize, Vec<Value>, Value),
    Access {
        write: bool,
        offset: Value,
        lanes: u16,
        mask: Option<Value>,
    },
    /// `reads`: nothing inside writes.
    For {
        index: Value,
        lo: Value,
        hi: Value,
        step: i64,
        body: Vec<Step>,
        reads: bool,
    },
    If {
        cond: Value,
        then: Vec<Step>,
        els: Vec<Step>,
    },
}

/// True if steps write nothing, and set nothing that addresses depend on.
fn only_read(steps: &[Step]) -> bool {
    steps.iter().all(|s| match s {
        Step::Let(_) => true,
        Step::Set(..) => false,
        Step::Access { write, .. } => !write,
        Step::For { reads, .. } => *reads,
        Step::If { then, els, .. } => only_read(then) && only_read(els),
    })
}

/// A function, cut down to the addresses of two buffers.
pub(super) struct Trace<'f> {
    f: &'f Func,
    from: Buf,
    to: Buf,
    /// Values and variables that addresses depend on.
    values: BTreeSet<Value>,
    vars: BTreeSet<Var>,
}

impl<'f> Trace<'f> {
    /// None for a function that hands one of the buffers on, or that can end early.
    pub(super) fn new(f: &'f Func, from: Buf, to: Buf) -> Option<Self> {
        let mut t = Trace { f, from, to, values: BTreeSet::new(), vars: BTreeSet::new() };
        t.simple(&f.body).then_some(())?;
        loop {
            let before = (t.values.len(), t.vars.len());
            t.needs(&f.body)?;
            if before == (t.values.len(), t.vars.len()) {
                return Some(t);
            }
        }
    }

    fn is_ours(&self, b: Buf) -> bool {
        b == self.from || b == self.to
    }

    /// True if the buffers are only loaded from and stored to, by statements in order.
    fn simple(&self, b: &Block) -> bool {
        b.0.iter().all(|s| {
            let mut ours = false;
            bufs(self.f, s, &mut |b| ours |= self.is_ours(b));
            let fits = match s {
                Stmt::Store { buf, .. } | Stmt::Scatter { buf, .. } => *buf != self.from,
                Stmt::Let(_)
                | Stmt::Set(..)
                | Stmt::If { .. }
                | Stmt::Comment(_)
                | Stmt::For { .. }
                | Stmt::Prefetch { .. } => true,
                Stmt::Alloc { .. } | Stmt::Free(_) | Stmt::View { .. } | Stmt::Entry { .. } | Stmt::Assign { .. } => {
                    !ours
                }
                Stmt::Call { .. } | Stmt::Fork { .. } => !ours,
                Stmt::Loop(_) | Stmt::Break | Stmt::Return(_) => false,
            };
            fits && blocks(s).into_iter().all(|i| self.simple(i))
        })
    }

    /// True if a block has an access or sets what an address depends on.
    fn matters(&self, b: &Block) -> bool {
        b.0.iter().any(|s| match s {
            Stmt::Let(v) => self.access(*v).is_some(),
            Stmt::Store { buf, .. } | Stmt::Scatter { buf, .. } => *buf == self.to,
            Stmt::Set(place, _) => self.vars.contains(&place.var),
            _ => blocks(s).into_iter().any(|i| self.matters(i)),
        })
    }

    /// Offset and mask of a load from the operand.
    fn access(&self, v: Value) -> Option<(Value, Option<Value>)> {
        match &self.f.values[v].op {
            Op::Load { buf, offset, mask } | Op::Gather { buf, offsets: offset, mask } if *buf == self.from => {
                Some((*offset, *mask))
            }
            _ => None,
        }
    }

    /// Collects what addresses depend on, once through; none if that is data.
    fn needs(&mut self, b: &Block) -> Option<()> {
        for s in &b.0 {
            match s {
                Stmt::Let(v) => {
                    if let Some((offset, mask)) = self.access(*v) {
                        self.need(offset)?;
                        mask.map_or(Some(()), |m| self.need(m))?;
                    }
                }
                Stmt::Store { buf, offset, mask, .. } | Stmt::Scatter { buf, offsets: offset, mask, .. }
                    if *buf == self.to =>
                {
                    self.need(*offset)?;
                    mask.map_or(Some(()), |m| self.need(m))?;
                }
                Stmt::Set(place, v) if self.vars.contains(&place.var) => {
                    self.need(*v)?;
                    place.index.iter().try_for_each(|i| self.need(*i))?;
                }
                Stmt::For { lo, hi, body, .. } if self.matters(body) => {
                    self.need(*lo)?;
                    self.need(*hi)?;
                    self.needs(body)?;
                }
                Stmt::If { cond, then, els } if self.matters(then) || self.matters(els) => {
                    self.need(*cond)?;
                    self.needs(then)?;
                    self.needs(els)?;
                }
                _ => {}
            }
        }
        Some(())
    }

    fn need(&mut self, v: Value) -> Option<()> {
        if !self.values.insert(v) {
            return Some(());
        }
        let op = &self.f.values[v].op;
        match op {
            Op::Index | Op::Const(_) | Op::Iota => return Some(()),
            Op::Get(place) => {
                self.vars.insert(place.var);
            }
            Op::Splat(_)
            | Op::Unary(..)
            | Op::Binary(..)
            | Op::Compare(..)
            | Op::Select(..)
            | Op::Cast(_)
            | Op::Extract(..) => {}
            Op::Param(_) | Op::Result | Op::Fma(..) | Op::Bitcast(_) | Op::Load { .. } | Op::Gather { .. } => {
                return None;
            }
            Op::Dot(..) | Op::Reduce(..) | Op::Shuffle(..) | Op::IsNull(_) | Op::ThreadId => return None,
        }
        let mut all = vec![];
        operands(op, &mut |o| all.push(o));
        all.into_iter().try_for_each(|o| self.need(o))
    }

    fn steps(&self, b: &Block) -> Vec<Step> {
        let mut out = vec![];
        for s in &b.0 {
            match s {
                Stmt::Let(v) => {
                    if self.values.contains(v) {
                        out.push(Step::Let(*v));
                    }
                    if let Some((offset, mask)) = self.access(*v) {
                        out.push(Step::Access { write: false, offset, lanes: self.f.values[*v].ty.lanes, mask });
                    }
                }
                Stmt::Store { buf, offset, value, mask } | Stmt::Scatter { buf, offsets: offset, value, mask }
                    if *buf == self.to =>
                {
                    let lanes = self.f.values[*value].ty.lanes;
                    out.push(Step::Access { write: true, offset: *offset, lanes, mask: *mask });
                }
                Stmt::Set(place, v) if self.vars.contains(&place.var) => {
                    out.push(Step::Set(place.var.index(), place.index.clone(), *v));
                }
                Stmt::For { index, lo, hi, step, body, .. } if self.matters(body) => {
                    let body = self.steps(body);
                    let reads = only_read(&body);
                    out.push(Step::For { index: *index, lo: *lo, hi: *hi, step: *step, body, reads });
                }
                Stmt::If { cond, then, els } if self.matters(then) || self.matters(els) => {
                    out.push(Step::If { cond: *cond, then: self.steps(then), els: self.steps(els) });
                }
                _ => {}
            }
        }
        out
    }

    /// Runs the addresses: none if an element is read after the result was written there, or after so many accesses.
    pub(super) fn keeps_what_is_read(&self, longest: u64) -> Option<()> {
        let tiles = self.f.vars.values().map(|v| vec![vec![]; v.dims.iter().map(|&d| d as usize).product()]);
        let mut run = Run {
            f: self.f,
            values: vec![vec![]; self.f.values.len()],
            vars: tiles.collect(),
            written: vec![],
            hull: (i64::MAX, i64::MIN),
            bounds: Bounds::new(self.f),
            left: longest,
        };
        run.steps(&self.steps(&self.f.body))
    }
}

/// The state of a run: values as lanes.
struct Run<'f> {
    f: &'f Func,
    values: Vec<Vec<i64>>,
    vars: Vec<Vec<Vec<i64>>>,
    written: Vec<bool>,
    /// The first and the last element that has been written.
    hull: (i64, i64),
    bounds: Bounds<'f>,
    left: u64,
}

impl Run<'_> {
    fn steps(&mut self, steps: &[Step]) -> Option<()> {
        steps.iter().try_for_each(|s| self.step(s))
    }

    fn scalar(&self, v: Value) -> Option<i64> {
        self.values[v.index()].first().copied()
    }

    fn step(&mut self, s: &Step) -> Option<()> {
        match s {
            Step::Let(v) => {
                // Its lanes of before are no longer wanted, and their memory is.
                let mut lanes = std::mem::take(&mut self.values[v.index()]);
                lanes.clear();
                self.eval(*v, &mut lanes)?;
                self.values[v.index()] = lanes;
            }
            Step::Set(var, index, v) => {
                let at = self.place(*var, index)?;
                self.vars[*var][at].clone_from(&self.values[v.index()]);
            }
            Step::Access { write, offset, lanes, mask } => self.access(*write, *offset, *lanes, *mask)?,
            Step::For { reads: true, .. } if self.is_apart(s) => self.left = self.left.checked_sub(1)?,
            Step::For { index, lo, hi, step, body, .. } => {
                let (mut i, hi) = (self.scalar(*lo)?, self.scalar(*hi)?);
                while i < hi {
                    let lanes = &mut self.values[index.index()];
                    lanes.clear();
                    lanes.push(i);
                    self.steps(body)?;
                    i += step;
                }
            }
            Step::If { cond, then, els } => self.steps(if self.scalar(*cond)? != 0 { then } else { els })?,
        }
        Some(())
    }

    /// True if all that a step could read lies before or behind everything that has been written.
    fn is_apart(&mut self, s: &Step) -> bool {
        let read = self.bounds.of(s, &self.values);
        read.is_some_and(|(first, last)| last < self.hull.0 || first > self.hull.1)
    }

    fn place(&self, var: usize, index: &[Value]) -> Option<usize> {
        let dims = &self.f.vars[onnxc_ir::loops::Var::new(var)].dims;
        let mut at = 0;
        for (v, d) in index.iter().zip(dims) {
            at = at * *d as usize + usize::try_from(self.scalar(*v)?).ok()?;
        }
        Some(at)
    }

    fn access(&mut self, write: bool, offset: Value, lanes: u16, mask: Option<Value>) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        let offsets = &self.values[offset.index()];
        for lane in 0..usize::from(lanes) {
            let on = mask.is_none_or(|m| {
                let m = &self.values[m.index()];
                m.get(lane).or(m.first()).is_some_and(|b| *b != 0)
            });
            if !on {
                continue;
            }
            let at = match offsets[..] {
                [first] => first + lane as i64,
                _ => *offsets.get(lane)?,
            };
            let at = usize::try_from(at).ok()?;
            if write {
                if self.written.len() <= at {
                    self.written.resize(at + 1, false);
                }
                self.written[at] = true;
                self.hull = (self.hull.0.min(at as i64), self.hull.1.max(at as i64));
            } else if self.written.get(at) == Some(&true) {
                return None;
            }
        }
        Some(())
    }

    /// Appends the lanes of a value.
    fn eval(&self, v: Value, out: &mut Vec<i64>) -> Option<()> {
        let def = &self.f.values[v];
        let (lanes, elem) = (usize::from(def.ty.lanes), def.ty.elem);
        let dtype = |v: &Value| self.f.values[*v].ty.elem;
        let lane = |v: &Value, i: usize| {
            let all = &self.values[v.index()];
            all.get(i).or(all.first()).copied()
        };
        let scalar = |v: &Value, i: usize| Some(Scalar::from_i64(dtype(v), lane(v, i)?));
        match &def.op {
            Op::Const(s) => out.extend(std::iter::repeat_n(s.to_i64(), lanes)),
            Op::Iota => out.extend(0..lanes as i64),
            Op::Splat(a) => out.extend(std::iter::repeat_n(lane(a, 0)?, lanes)),
            Op::Extract(a, i) => out.push(lane(a, usize::from(*i))?),
            Op::Get(place) => out.extend(&self.vars[place.var.index()][self.place(place.var.index(), &place.index)?]),
            Op::Binary(op, a, b) => {
                let of_index = |i| match op {
                    BinOp::Add if elem == DType::I64 => Some(lane(a, i)?.wrapping_add(lane(b, i)?)),
                    BinOp::Sub if elem == DType::I64 => Some(lane(a, i)?.wrapping_sub(lane(b, i)?)),
                    BinOp::Mul if elem == DType::I64 => Some(lane(a, i)?.wrapping_mul(lane(b, i)?)),
                    _ => Some(eval_binary(*op, scalar(a, i)?, scalar(b, i)?).to_i64()),
                };
                each(lanes, out, of_index)?;
            }
            Op::Unary(op, a) => each(lanes, out, |i| Some(eval_unary(*op, scalar(a, i)?).to_i64()))?,
            Op::Compare(op, a, b) => {
                each(lanes, out, |i| Some(i64::from(eval_compare(*op, scalar(a, i)?, scalar(b, i)?))))?;
            }
            Op::Select(c, a, b) => each(lanes, out, |i| if lane(c, i)? != 0 { lane(a, i) } else { lane(b, i) })?,
            Op::Cast(a) => each(lanes, out, |i| Some(eval_cast(scalar(a, i)?, elem).to_i64()))?,
            _ => return None,
        }
        Some(())
    }
}

fn each(lanes: usize, out: &mut Vec<i64>, f: impl Fn(usize) -> Option<i64>) -> Option<()> {
    for i in 0..lanes {
        out.push(f(i)?);
    }
    Some(())
}
