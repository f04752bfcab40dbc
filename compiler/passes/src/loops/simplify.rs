//! simplify: equal values are computed once, constants fold, what nobody reads is not computed.
//!
//! Only operations without memory or variables count as equal: a load may see another value later. Scopes are blocks:
//! a value is reused in the block that computes it and in those inside. `Get`, `Load` and calls stay where they are. Arrays
//! on the stack that are only written are not written, either; those of other kinds may be seen from outside.

use super::walk::{blocks_mut, map_operands, map_reads, operands, reads};
use crate::manager::LoopsPass;
use onnxc_base::SecondaryMap;
use onnxc_ir::loops::unread::drop_unread;
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::{Block, Func, Op, Program, Scalar, Stmt, Ty, Value};
use onnxc_ir::scalar::{BinOp, eval_binary, eval_cast};
use std::collections::BTreeMap;

/// The pass.
pub const PASS: LoopsPass = LoopsPass {
    name: "simplify",
    about: "compute equal values once, and nothing that nobody reads",
    level: 1,
    run: |p, _| {
        simplify(p);
        Ok(())
    },
    ensures: Stage { unrolled: false, planned: false, expanded: false },
};

/// Simplifies every function.
pub fn simplify(program: &mut Program) {
    for f in program.funcs.values_mut() {
        let mut body = std::mem::take(&mut f.body);
        let mut n = Numbering { f, same: SecondaryMap::new(), scopes: vec![] };
        n.block(&mut body);
        sweep(f, &mut body);
        if drop_unread(f, &mut body) {
            sweep(f, &mut body);
        }
        f.body = body;
    }
}

/// True for operations whose result depends on their operands only and that touch nothing.
pub fn is_pure(op: &Op) -> bool {
    !matches!(
        op,
        Op::Param(_)
            | Op::Index
            | Op::Result
            | Op::Load { .. }
            | Op::Gather { .. }
            | Op::Get(_)
            | Op::IsNull(_)
            | Op::ThreadId
    )
}

struct Numbering<'a> {
    f: &'a mut Func,
    /// What to read instead of a value.
    same: SecondaryMap<Value, Option<Value>>,
    scopes: Vec<BTreeMap<String, Value>>,
}

impl Numbering<'_> {
    fn block(&mut self, b: &mut Block) {
        self.scopes.push(BTreeMap::new());
        for s in &mut b.0 {
            let same = &self.same;
            map_reads(s, &mut |v| same[v].unwrap_or(v));
            if let Stmt::Let(v) = s {
                self.number(*v);
            }
            blocks_mut(s).into_iter().for_each(|i| self.block(i));
        }
        self.scopes.pop();
    }

    fn number(&mut self, v: Value) {
        let same = &self.same;
        map_operands(&mut self.f.values[v].op, &mut |x| same[x].unwrap_or(x));
        if let Some(s) = self.constant(v) {
            self.f.values[v].op = Op::Const(s);
        }
        if let Some(x) = self.neutral(v) {
            self.same[v] = Some(x);
            return;
        }
        let def = &self.f.values[v];
        if !is_pure(&def.op) {
            return;
        }
        let key = key(def.ty, &def.op);
        match self.scopes.iter().rev().find_map(|m| m.get(&key)) {
            Some(&first) => self.same[v] = Some(first),
            None => {
                self.scopes.last_mut().expect("a block is open").insert(key, v);
            }
        }
    }

    fn known(&self, v: Value) -> Option<Scalar> {
        match self.f.values[v].op {
            Op::Const(s) => Some(s),
            _ => None,
        }
    }

    /// Integer arithmetic and casts of constants.
    fn constant(&self, v: Value) -> Option<Scalar> {
        let def = &self.f.values[v];
        match &def.op {
            Op::Binary(op, a, b) if def.ty.lanes == 1 && def.ty.elem.is_int() => {
                Some(eval_binary(*op, self.known(*a)?, self.known(*b)?))
            }
            Op::Cast(a) if def.ty.lanes == 1 => Some(eval_cast(self.known(*a)?, def.ty.elem)),
            _ => None,
        }
    }

    /// x + 0, x - 0, x * 1: the operand that the result is.
    fn neutral(&self, v: Value) -> Option<Value> {
        let def = &self.f.values[v];
        let is = |x: Value, n: i64| self.known(x).is_some_and(|s| s.dtype.is_int() && s.to_i64() == n);
        match def.op {
            Op::Binary(BinOp::Add, a, b) if is(b, 0) => Some(a),
            Op::Binary(BinOp::Add, a, b) if is(a, 0) => Some(b),
            Op::Binary(BinOp::Sub, a, b) if is(b, 0) => Some(a),
            Op::Binary(BinOp::Mul, a, b) if is(b, 1) => Some(a),
            Op::Binary(BinOp::Mul, a, b) if is(a, 1) => Some(b),
            _ => None,
        }
    }
}

/// Equal keys mean equal values.
fn key(ty: Ty, op: &Op) -> String {
    format!("{ty} {op:?}")
}

/// Removes computations that nobody reads.
fn sweep(f: &Func, body: &mut Block) {
    let mut read: SecondaryMap<Value, bool> = SecondaryMap::new();
    sweep_block(f, body, &mut read);
}

/// The last statement first.
fn sweep_block(f: &Func, b: &mut Block, read: &mut SecondaryMap<Value, bool>) {
    // A loop's body runs again, but values are read only after they are defined, so one walk backwards is enough.
    let mut kept = Vec::with_capacity(b.0.len());
    for mut s in std::mem::take(&mut b.0).into_iter().rev() {
        if let Stmt::Let(v) = s {
            let op = &f.values[v].op;
            if !read[v] && !matches!(op, Op::Param(_)) {
                continue;
            }
            operands(op, &mut |x| read[x] = true);
        }
        reads(&s, &mut |x| read[x] = true);
        for i in blocks_mut(&mut s).into_iter().rev() {
            sweep_block(f, i, read);
        }
        kept.push(s);
    }
    kept.reverse();
    b.0 = kept;
}
