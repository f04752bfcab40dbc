//! Statements of vectors as statements of their lanes.

use super::Splitter;
use crate::range::Range;
use onnxc_base::DType;
use onnxc_ir::loops::{Arg, Block, Callee, LoopKind, Op, Scalar, Stmt, Value};
use onnxc_ir::scalar::BinOp;
use std::collections::BTreeMap;

impl Splitter<'_> {
    pub(super) fn block(&mut self, b: &Block) -> Block {
        self.begin();
        b.0.iter().for_each(|s| self.statement(s));
        self.end()
    }

    fn begin(&mut self) {
        self.open.push(vec![]);
        self.known.push(BTreeMap::new());
    }

    fn end(&mut self) -> Block {
        self.known.pop();
        Block(self.open.pop().expect("begun before"))
    }

    fn statement(&mut self, s: &Stmt) {
        match s {
            Stmt::Let(v) => self.compute(*v),
            Stmt::Set(..) | Stmt::Store { .. } | Stmt::Scatter { .. } => self.write(s),
            Stmt::For { index, lo, hi, step, kind, body } => self.for_loop(*index, *lo, *hi, *step, *kind, body),
            Stmt::Loop(body) => {
                let body = self.block(body);
                self.stmt(Stmt::Loop(body));
            }
            Stmt::If { cond, then, els } => self.branch(*cond, then, els),
            Stmt::Call { .. } | Stmt::Fork { .. } => self.call(s),
            Stmt::Return(v) => {
                let v = v.map(|v| self.one(v));
                self.stmt(Stmt::Return(v));
            }
            Stmt::Alloc { buf, count, space, bound } => {
                let count = self.one(*count);
                self.stmt(Stmt::Alloc { buf: *buf, count, space: *space, bound: bound.clone() });
            }
            Stmt::View { buf, base, byte_offset, count } => {
                let byte_offset = self.one(*byte_offset);
                self.stmt(Stmt::View { buf: *buf, base: *base, byte_offset, count: count.clone() });
            }
            Stmt::Prefetch { .. } => {}
            Stmt::Free(_) | Stmt::Entry { .. } | Stmt::Assign { .. } | Stmt::Break | Stmt::Comment(_) => {
                self.stmt(s.clone());
            }
        }
    }

    /// Variables and memory.
    fn write(&mut self, s: &Stmt) {
        match s {
            Stmt::Set(place, v) if self.kept.vars[place.var] => {
                let v = self.whole(*v);
                let place = self.place(place, 0);
                self.stmt(Stmt::Set(place, v));
            }
            Stmt::Store { buf, offset, value, mask: None } if self.kept.values[*value] => {
                let (offset, value) = (self.one(*offset), self.one(*value));
                self.stmt(Stmt::Store { buf: *buf, offset, value, mask: None });
            }
            Stmt::Set(place, v) => {
                for (lane, v) in self.of(*v).into_iter().enumerate() {
                    let place = self.place(place, lane);
                    self.stmt(Stmt::Set(place, v));
                }
            }
            Stmt::Store { buf, offset, value, mask } => {
                let (offset, mask) = (self.one(*offset), mask.map(|m| self.of(m)));
                let ats = (0..self.of(*value).len()).map(|i| {
                    let lane = self.int(i as i64);
                    self.binary(BinOp::Add, offset, lane)
                });
                let ats: Vec<Value> = ats.collect();
                self.stores(*buf, &ats, *value, mask);
            }
            Stmt::Scatter { buf, offsets, value, mask } => {
                let (offsets, mask) = (self.of(*offsets), mask.map(|m| self.of(m)));
                let ats: Vec<Value> = offsets.into_iter().map(|v| self.cast(v, DType::I64)).collect();
                self.stores(*buf, &ats, *value, mask);
            }
            _ => {}
        }
    }

    fn call(&mut self, s: &Stmt) {
        match s {
            Stmt::Call { callee, args, result } => {
                let args = args.iter().map(|a| self.arg(a)).collect();
                let result = result.map(|r| {
                    let def = &self.func.values[r];
                    let v = self.define(def.ty.elem, Op::Result, Range::of(def.ty.elem), &def.name);
                    self.lanes[r] = vec![v];
                    v
                });
                self.stmt(Stmt::Call { callee: *callee, args, result });
            }
            Stmt::Fork { callee, args, count, .. } => {
                // In order: all of it, as the only thread.
                let zero = self.int(0);
                let own = [zero, self.one(*count), zero].map(Arg::Value);
                let args = own.into_iter().chain(args.iter().map(|a| self.arg(a))).collect();
                self.stmt(Stmt::Call { callee: Callee::Func(*callee), args, result: None });
            }
            _ => {}
        }
    }

    fn arg(&self, a: &Arg) -> Arg {
        match *a {
            Arg::Value(v) => Arg::Value(self.one(v)),
            Arg::Buf { buf, offset } => Arg::Buf { buf, offset: offset.map(|o| self.one(o)) },
            Arg::Table(i) => Arg::Table(i),
        }
    }

    fn stores(&mut self, buf: onnxc_ir::loops::Buf, ats: &[Value], value: Value, mask: Option<Vec<Value>>) {
        for (i, v) in self.of(value).into_iter().enumerate() {
            let store = Stmt::Store { buf, offset: ats[i], value: v, mask: None };
            let Some(m) = mask.as_ref().map(|m| m[i]) else {
                self.stmt(store);
                continue;
            };
            match self.known_constant(m) {
                Some(c) if c.bits == 0 => {}
                Some(_) => self.stmt(store),
                None => self.stmt(Stmt::If { cond: m, then: Block(vec![store]), els: Block::default() }),
            }
        }
    }

    fn for_loop(&mut self, index: Value, lo: Value, hi: Value, step: i64, kind: LoopKind, body: &Block) {
        let (lo, hi) = (self.one(lo), self.one(hi));
        let (from, to) = (self.ranges[lo], self.ranges[hi]);
        let step = step.max(1);
        if from.lo >= to.hi {
            return;
        }
        let mut range = Range { lo: from.lo, hi: to.hi - 1 };
        if let (Some(a), Some(b)) = (from.single(), to.single()) {
            range.hi = a + (b - 1 - a) / i128::from(step) * i128::from(step);
        }
        let breaks = body.0.iter().any(leaves);
        if let (Some(at), false) = (range.single(), breaks || from != Range::point(from.lo) || to.lo <= from.lo) {
            let only = self.constant(Scalar::i64(at as i64));
            self.lanes[index] = vec![only];
            body.0.iter().for_each(|s| self.statement(s));
            return;
        }
        let name = &self.func.values[index].name;
        let v = self.define(DType::I64, Op::Index, range, name);
        self.lanes[index] = vec![v];
        let body = self.block(body);
        self.stmt(Stmt::For { index: v, lo, hi, step, kind, body });
    }

    fn branch(&mut self, cond: Value, then: &Block, els: &Block) {
        let cond = self.one(cond);
        if let Some(c) = self.known_constant(cond) {
            let taken = if c.bits != 0 { then } else { els };
            // A branch that ends its block would leave statements behind that nothing reaches.
            if !matches!(taken.0.last(), Some(Stmt::Return(_) | Stmt::Break | Stmt::Loop(_) | Stmt::If { .. })) {
                taken.0.iter().for_each(|s| self.statement(s));
                return;
            }
        }
        let (then, els) = (self.block(then), self.block(els));
        self.stmt(Stmt::If { cond, then, els });
    }
}

/// True if a statement may leave the loop around it.
fn leaves(s: &Stmt) -> bool {
    match s {
        Stmt::Break => true,
        Stmt::If { then, els, .. } => then.0.iter().chain(&els.0).any(leaves),
        _ => false,
    }
}
