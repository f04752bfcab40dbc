//! The function that a parallel loop becomes: its parameters, and a copy of the loop over a part of the iterations.
//!
//! What the body reads from outside is passed: scalars by value, parameters, stack buffers and allocations by address. Constants and
//! what is computed from what is passed alone are computed again, so that the copy knows as much as the original did.
//! Variables and stack buffers that only the loop uses are the new function's own.
//!
//! Absent: views and pointers from outside of the loop, as a parameter is the only way to its memory. A loop that needs one
//! is not outlined.

use super::{Made, forks, value};
use crate::loops::simplify::is_pure;
use crate::loops::walk::{blocks, blocks_mut, bufs, map_operands, map_reads, operands, reads};
use onnxc_base::DType;
use onnxc_ir::loops::*;
use std::collections::{BTreeMap, BTreeSet};

/// A loop as a function.
pub(super) struct Part {
    pub func: Func,
    /// What to pass after the range and the thread.
    pub args: Vec<Arg>,
}

/// The iterations of a loop, and a place for the team; what computes the former goes to `out`.
pub(super) fn count(f: &mut Func, s: &Stmt, out: &mut Vec<Stmt>) -> (Value, Value) {
    let Stmt::For { lo, hi, step, .. } = s else { unreachable!("a loop") };
    let whole = |v: Value| match f.values[v].op {
        Op::Const(s) => Some(s.to_i64()),
        _ => None,
    };
    let count = if *step == 1 && whole(*lo) == Some(0) {
        *hi
    } else {
        let emit = |f: &mut Func, op: Op, out: &mut Vec<Stmt>| {
            let v = value(f, op, "");
            out.push(Stmt::Let(v));
            v
        };
        let length = emit(f, Op::Binary(BinOp::Sub, *hi, *lo), out);
        let more = emit(f, Op::Const(Scalar::i64(step - 1)), out);
        let end = emit(f, Op::Binary(BinOp::Add, length, more), out);
        let step = emit(f, Op::Const(Scalar::i64(*step)), out);
        emit(f, Op::Binary(BinOp::FloorDiv, end, step), out)
    };
    (count, count)
}

/// Makes a function of a loop, or `None` if its body needs what can't be passed. `around`: what is known of the whole
/// function.
pub(super) fn outline(f: &Func, name: &str, s: &Stmt, forking: &BTreeSet<FuncId>, around: &Made) -> Option<Part> {
    let Stmt::For { index, lo, hi, step, body, .. } = s else { return None };
    let mut c = Copier {
        from: f,
        to: Func { name: name.into(), doc: f.doc.clone(), ..Func::default() },
        args: vec![],
        params: vec![],
        before: vec![],
        values: BTreeMap::new(),
        bufs: BTreeMap::new(),
        vars: BTreeMap::new(),
        own: Own::default(),
        around,
        thread: None,
    };
    if body.0.iter().any(|s| forks(s, forking)) {
        return None;
    }
    c.own.block(body);
    let mut inside = BTreeMap::new();
    mentions(f, body, &mut inside);
    c.own.alone.extend(inside.iter().filter(|(b, n)| around.mentions.get(*b) == Some(*n)).map(|(b, _)| *b));
    let [first, end, thread] = ["from", "to", "thread"].map(|n| c.param(n, ParamKind::Scalar(DType::I64)));
    c.thread = Some(thread);
    let (lo, hi) = (c.value(*lo)?, c.value(*hi)?);
    let zero = matches!(c.to.values[lo].op, Op::Const(s) if s.to_i64() == 0);
    let (from, to) = if zero && *step == 1 {
        (first, end)
    } else {
        let from = c.bound(lo, first, *step);
        let to = c.bound(lo, end, *step);
        let last = c.emit(Op::Binary(BinOp::Min, to, hi));
        (from, last)
    };
    let new = value(&mut c.to, Op::Index, &f.values[*index].name);
    c.values.insert(*index, new);
    let body = c.block(body)?;
    let mut all: Vec<Stmt> = c.params.iter().map(|&v| Stmt::Let(v)).collect();
    all.append(&mut c.before);
    all.push(Stmt::For { index: new, lo: from, hi: to, step: *step, kind: LoopKind::Serial, body });
    c.to.body = Block(all);
    Some(Part { func: c.to, args: c.args })
}

/// What a loop's body defines or alone uses.
#[derive(Default)]
struct Own {
    values: BTreeSet<Value>,
    /// Buffers that get their memory in the body.
    local: BTreeSet<Buf>,
    /// Buffers that nothing else mentions.
    alone: BTreeSet<Buf>,
    /// The body has what belongs to the whole function.
    bound: bool,
}

impl Own {
    fn block(&mut self, b: &Block) {
        for s in &b.0 {
            match s {
                Stmt::Let(v) | Stmt::Call { result: Some(v), .. } => {
                    self.values.insert(*v);
                }
                Stmt::For { index, .. } => {
                    self.values.insert(*index);
                }
                Stmt::View { buf, .. } | Stmt::Entry { buf, .. } => {
                    self.local.insert(*buf);
                }
                Stmt::Alloc { .. } | Stmt::Free(_) | Stmt::Assign { .. } | Stmt::Return(_) => self.bound = true,
                _ => {}
            }
            blocks(s).into_iter().for_each(|b| self.block(b));
        }
    }
}

/// How often each buffer is mentioned.
pub(super) fn mentions(f: &Func, b: &Block, count: &mut BTreeMap<Buf, usize>) {
    for s in &b.0 {
        bufs(f, s, &mut |b| *count.entry(b).or_default() += 1);
        blocks(s).into_iter().for_each(|b| mentions(f, b, count));
    }
}

/// The buffers that get memory of their own.
pub(super) fn allocated(b: &Block, all: &mut BTreeSet<Buf>) {
    for s in &b.0 {
        if let Stmt::Alloc { buf, .. } = s {
            all.insert(*buf);
        }
        blocks(s).into_iter().for_each(|b| allocated(b, all));
    }
}

/// Copies a body from one function into another.
struct Copier<'a> {
    from: &'a Func,
    to: Func,
    args: Vec<Arg>,
    /// The scalar parameters.
    params: Vec<Value>,
    /// What is computed before the loop.
    before: Vec<Stmt>,
    values: BTreeMap<Value, Value>,
    bufs: BTreeMap<Buf, Buf>,
    vars: BTreeMap<Var, Var>,
    own: Own,
    around: &'a Made,
    thread: Option<Value>,
}

impl Copier<'_> {
    fn param(&mut self, name: &str, kind: ParamKind) -> Value {
        let dtype = if let ParamKind::Scalar(d) = kind { d } else { DType::I64 };
        let op = Op::Param(self.to.params.len() as u32);
        let v = self.to.values.push(ValueDef { ty: Ty::scalar(dtype), op, name: name.into() });
        self.to.params.push(Param { name: name.into(), kind });
        self.params.push(v);
        v
    }

    fn emit(&mut self, op: Op) -> Value {
        let v = value(&mut self.to, op, "");
        self.before.push(Stmt::Let(v));
        v
    }

    /// `lo + n * step`.
    fn bound(&mut self, lo: Value, n: Value, step: i64) -> Value {
        let step = self.emit(Op::Const(Scalar::i64(step)));
        let far = self.emit(Op::Binary(BinOp::Mul, n, step));
        self.emit(Op::Binary(BinOp::Add, lo, far))
    }

    /// The copy of a value; one from outside is passed or computed again.
    fn value(&mut self, v: Value) -> Option<Value> {
        if let Some(&new) = self.values.get(&v) {
            return Some(new);
        }
        let def = self.from.values[v].clone();
        let new = if !self.own.values.contains(&v) && is_pure(&def.op) && !matches!(def.op, Op::Param(_) | Op::ThreadId)
        {
            let def = self.definition(v)?;
            let new = self.to.values.push(def);
            self.before.push(Stmt::Let(new));
            new
        } else if def.ty.lanes == 1 {
            let name = if def.name.is_empty() { format!("s{}", self.to.params.len()) } else { def.name };
            let new = self.param(&self.free(&name), ParamKind::Scalar(def.ty.elem));
            self.args.push(Arg::Value(v));
            new
        } else {
            return None;
        };
        self.values.insert(v, new);
        Some(new)
    }

    /// A name that no parameter has yet.
    fn free(&self, name: &str) -> String {
        let taken = |n: &str| self.to.params.iter().any(|p| p.name == n);
        let mut free = name.to_owned();
        while taken(&free) {
            free.push('_');
        }
        free
    }

    /// A definition with its operands, buffers and variables copied.
    fn definition(&mut self, v: Value) -> Option<ValueDef> {
        let mut def = self.from.values[v].clone();
        let mut reads = vec![];
        operands(&def.op, &mut |x| reads.push(x));
        for x in reads {
            self.value(x)?;
        }
        match &mut def.op {
            Op::Load { buf, .. } | Op::Gather { buf, .. } | Op::IsNull(buf) => *buf = self.buf(*buf)?,
            Op::Get(place) => place.var = self.var(place.var),
            _ => {}
        }
        map_operands(&mut def.op, &mut |x| self.values.get(&x).copied().unwrap_or(x));
        Some(def)
    }

    fn var(&mut self, v: Var) -> Var {
        let (from, to) = (self.from, &mut self.to);
        *self.vars.entry(v).or_insert_with(|| to.vars.push(from.vars[v].clone()))
    }

    /// The copy of a buffer; one from outside is passed.
    fn buf(&mut self, b: Buf) -> Option<Buf> {
        if let Some(&new) = self.bufs.get(&b) {
            return Some(new);
        }
        let def = self.from.bufs[b].clone();
        let mutable = match def.kind {
            BufKind::Const(_) => None,
            BufKind::Stack(_) if self.own.alone.contains(&b) => None,
            BufKind::Local if self.own.local.contains(&b) => None,
            BufKind::Stack(_) => Some(true),
            BufKind::Local if self.around.allocated.contains(&b) => Some(true),
            BufKind::Param(i) => {
                Some(matches!(self.from.params[i as usize].kind, ParamKind::Buf { mutable: true, .. }))
            }
            BufKind::Local | BufKind::Pointer => return None,
        };
        let new = match mutable {
            None => self.to.bufs.push(def),
            Some(mutable) => {
                let name = self.free(if def.name.is_empty() { "buf" } else { &def.name });
                let kind = BufKind::Param(self.to.params.len() as u32);
                self.to.params.push(Param { name, kind: ParamKind::Buf { dtype: def.dtype, mutable } });
                self.args.push(Arg::Buf { buf: b, offset: None });
                self.to.bufs.push(BufDef { kind, ..def })
            }
        };
        self.bufs.insert(b, new);
        Some(new)
    }

    fn block(&mut self, b: &Block) -> Option<Block> {
        if self.own.bound {
            return None;
        }
        let mut out = Vec::with_capacity(b.0.len());
        for s in &b.0 {
            match s {
                Stmt::Let(v) if self.from.values[*v].op == Op::ThreadId => {
                    self.values.insert(*v, self.thread?);
                }
                Stmt::Let(v) => {
                    let def = self.definition(*v)?;
                    let new = self.to.values.push(def);
                    self.values.insert(*v, new);
                    out.push(Stmt::Let(new));
                }
                s => out.push(self.statement(s)?),
            }
        }
        Some(Block(out))
    }

    fn statement(&mut self, s: &Stmt) -> Option<Stmt> {
        let mut s = s.clone();
        let mut read = vec![];
        reads(&s, &mut |v| read.push(v));
        for v in read {
            self.value(v)?;
        }
        map_reads(&mut s, &mut |v| self.values.get(&v).copied().unwrap_or(v));
        match &mut s {
            Stmt::Set(place, _) => place.var = self.var(place.var),
            Stmt::Store { buf, .. } | Stmt::Scatter { buf, .. } | Stmt::Prefetch { buf, .. } => {
                *buf = self.buf(*buf)?
            }
            Stmt::View { buf, base, .. } => {
                *base = self.buf(*base)?;
                *buf = self.buf(*buf)?;
            }
            // Tables belong to entries.
            Stmt::Entry { .. } => return None,
            Stmt::For { index, kind, .. } => {
                *index = self.redefine(*index);
                if *kind == LoopKind::Parallel {
                    *kind = LoopKind::Serial;
                }
            }
            Stmt::Call { args, result, .. } => {
                for a in args.iter_mut() {
                    match a {
                        Arg::Buf { buf, .. } => *buf = self.buf(*buf)?,
                        Arg::Table(_) => return None,
                        Arg::Value(_) => {}
                    }
                }
                *result = result.map(|r| self.redefine(r));
            }
            _ => {}
        }
        for inner in blocks_mut(&mut s) {
            *inner = self.block(inner)?;
        }
        Some(s)
    }

    /// A value that a statement defines.
    fn redefine(&mut self, v: Value) -> Value {
        let new = self.to.values.push(self.from.values[v].clone());
        self.values.insert(v, new);
        new
    }
}
