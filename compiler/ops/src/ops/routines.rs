//! What routines share: loop nests, copies, indices from data.

use super::elementwise::wide;
use super::movement::OUT_OF_RANGE;
use crate::prelude::*;
use crate::routine::TensorBuf;
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Stmt, Value};

/// What runs at one point of a loop nest.
pub(super) type Body<'a> = &'a mut dyn FnMut(&mut FuncBuilder, &[Value]);

/// Runs `body` at each point of some extents, the last fastest.
pub(super) fn nest(f: &mut FuncBuilder, extents: &[Value], body: Body) {
    let mut index = Vec::with_capacity(extents.len());
    level(f, extents, &mut index, body);
}

fn level(f: &mut FuncBuilder, extents: &[Value], index: &mut Vec<Value>, body: Body) {
    let Some((&extent, inner)) = extents.split_first() else { return body(f, index) };
    let zero = f.int(0);
    f.for_loop("i", zero, extent, 1, LoopKind::Serial, |f, i| {
        index.push(i);
        level(f, inner, index, body);
        index.pop();
    });
}

/// The values of extents.
pub(super) fn extents(f: &mut FuncBuilder, shape: &[Sym]) -> Vec<Value> {
    shape.iter().map(|d| f.sym(d)).collect()
}

/// Row-major offset of an index.
pub(super) fn offset(f: &mut FuncBuilder, extents: &[Value], index: &[Value]) -> Value {
    let mut at = f.int(0);
    for (&d, &i) in extents.iter().zip(index) {
        at = f.mul(at, d);
        at = f.add(at, i);
    }
    at
}

/// Copies `n` elements, by vectors first.
pub(super) fn copy(f: &mut FuncBuilder, (from, start): (Buf, Value), (to, target): (Buf, Value), n: Value) {
    const LANES: u16 = 8;
    let (zero, lanes) = (f.int(0), f.int(i64::from(LANES)));
    let chunks = f.binary(BinOp::Div, n, lanes);
    let whole = f.mul(chunks, lanes);
    for (lo, hi, lanes) in [(zero, whole, LANES), (whole, n, 1)] {
        f.for_loop("i", lo, hi, i64::from(lanes), LoopKind::Serial, |f, i| {
            let at = f.add(start, i);
            let v = f.load(from, at, lanes, None);
            let at = f.add(target, i);
            f.store(to, at, v, None);
        });
    }
}

/// The element of a tensor of indices at an offset, counted from the front. The module ends with a status if it is out
/// of range.
pub(super) fn index_at(f: &mut FuncBuilder, t: &TensorBuf, at: Value, extent: Value) -> Value {
    let zero = f.int(0);
    let raw = f.load(t.buf, at, 1, None);
    let raw = f.cast(raw, DType::I64);
    let negative = f.compare(CmpOp::Lt, raw, zero);
    let from_end = f.add(raw, extent);
    let index = f.select(negative, from_end, raw);
    let low = f.compare(CmpOp::Lt, index, zero);
    let high = f.compare(CmpOp::Ge, index, extent);
    let bad = f.binary(BinOp::Or, low, high);
    leave_if(f, bad);
    index
}

/// Ends the module with the status for data out of range, if a condition holds.
pub(super) fn leave_if(f: &mut FuncBuilder, cond: Value) {
    f.if_else(
        cond,
        |f| {
            let status = f.scalar(Scalar::from_i64(DType::I32, i64::from(OUT_OF_RANGE)));
            f.stmt(Stmt::Return(Some(status)));
        },
        |_| {},
    );
}

/// Loads an element for arithmetic: narrow floats as f32.
pub(super) fn load_wide(f: &mut FuncBuilder, buf: Buf, dtype: DType, at: Value) -> Value {
    let v = f.load(buf, at, 1, None);
    f.cast(v, wide(dtype))
}
