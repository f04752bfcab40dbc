//! A binary heap of indices, in loops IR: how routines put things in order.
//!
//! An order is a function that says whether one index comes before another; it must be strict and total, so that the
//! result doesn't depend on how the heap was built.

use crate::prelude::*;
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Stmt, Ty, Value};

/// Does index `.1` come before index `.2`?
pub(super) type Before<'a> = &'a dyn Fn(&mut FuncBuilder, Value, Value) -> Value;

/// Makes the first `count` indices of `heap` (i64) a heap: the one that comes before all others is the first.
pub(super) fn build(f: &mut FuncBuilder, heap: Buf, count: Value, before: Before) {
    let (zero, one, two) = (f.int(0), f.int(1), f.int(2));
    let half = f.binary(BinOp::Div, count, two);
    f.for_loop("k", zero, half, 1, LoopKind::Serial, |f, k| {
        let last = f.sub(half, one);
        let root = f.sub(last, k);
        sink(f, heap, root, count, before);
    });
}

/// Takes the first of `count` (at least 1) indices out; the others stay a heap in front of it.
pub(super) fn pop(f: &mut FuncBuilder, heap: Buf, count: Value, before: Before) -> Value {
    let (zero, one) = (f.int(0), f.int(1));
    let left = f.sub(count, one);
    let top = f.load(heap, zero, 1, None);
    let last = f.load(heap, left, 1, None);
    f.store(heap, zero, last, None);
    f.store(heap, left, top, None);
    sink(f, heap, zero, left, before);
    top
}

/// Puts an index in the place of the first of `count` (at least 1).
pub(super) fn replace(f: &mut FuncBuilder, heap: Buf, index: Value, count: Value, before: Before) {
    let zero = f.int(0);
    f.store(heap, zero, index, None);
    sink(f, heap, zero, count, before);
}

/// Lets an index sink to where it belongs.
fn sink(f: &mut FuncBuilder, heap: Buf, root: Value, count: Value, before: Before) {
    let at = f.var(Ty::I64, &[], "at");
    f.set(at, &[], root);
    f.loop_forever(|f| {
        let (one, two) = (f.int(1), f.int(2));
        let here = f.get(at, &[]);
        let twice = f.mul(here, two);
        let left = f.add(twice, one);
        let right = f.add(twice, two);
        let leaf = f.compare(CmpOp::Ge, left, count);
        stop_if(f, leaf);
        // Without a right child, the left one is compared with itself.
        let both = f.compare(CmpOp::Lt, right, count);
        let right = f.select(both, right, left);
        let (l, r) = (f.load(heap, left, 1, None), f.load(heap, right, 1, None));
        let right_first = before(f, r, l);
        let (child, c) = (f.select(right_first, right, left), f.select(right_first, r, l));
        let own = f.load(heap, here, 1, None);
        let sinks = before(f, c, own);
        let done = f.unary(UnOp::Not, sinks);
        stop_if(f, done);
        f.store(heap, here, c, None);
        f.store(heap, child, own, None);
        f.set(at, &[], child);
    });
}

/// Leaves the innermost loop if a condition holds.
pub(super) fn stop_if(f: &mut FuncBuilder, cond: Value) {
    f.if_else(cond, |f| f.stmt(Stmt::Break), |_| {});
}
