//! The cells: from the gates' sums of a block to its new state. The standard's equations, gate by gate.

use super::activation::Activation;
use super::layer::{Block, Direction, Layer, load, mul_add};
use crate::prelude::*;
use onnxc_ir::loops::{FuncBuilder, Value};

/// Ht = f(px + ph).
pub(super) fn rnn(l: &Layer, f: &mut FuncBuilder, dir: &Direction, at: &Block) -> Value {
    let sum = l.sum(f, at, 0);
    activate(l, f, &dir.functions[0], sum)
}

/// Gates in the order i, o, f, c; peepholes i, o, f.
pub(super) fn lstm(l: &Layer, f: &mut FuncBuilder, dir: &Direction, at: &Block) -> Value {
    let [function, cell, last] = [&dir.functions[0], &dir.functions[1], &dir.functions[2]];
    let own = f.add(at.row, at.unit);
    let before = f.load(l.c, own, l.lanes, None);
    let i = l.sum(f, at, 0);
    let i = peep(l, f, at, (dir.d, 0), before, i);
    let i = activate(l, f, function, i);
    let forget = if l.flag {
        let one = f.scalar(Scalar::from_i64(l.acc, 1));
        f.sub(one, i)
    } else {
        let v = l.sum(f, at, 2);
        let v = peep(l, f, at, (dir.d, 2), before, v);
        activate(l, f, function, v)
    };
    let fresh = l.sum(f, at, 3);
    let fresh = activate(l, f, cell, fresh);
    let kept = f.mul(forget, before);
    let c = mul_add(f, i, fresh, kept);
    let o = l.sum(f, at, 1);
    let o = peep(l, f, at, (dir.d, 1), c, o);
    let o = activate(l, f, function, o);
    let out = last.apply(f, c);
    f.store(l.c, own, c, None);
    f.mul(o, out)
}

/// zt, and rt * Ht-1, which the hidden gate's product needs unless it is linear before the reset. Gates in the order z,
/// r, h.
pub(super) fn gru_reset(l: &Layer, f: &mut FuncBuilder, dir: &Direction, at: &Block) {
    let to = f.add(at.row, at.unit);
    let z = l.sum(f, at, 0);
    let z = activate(l, f, &dir.functions[0], z);
    f.store(l.z, to, z, None);
    let r = l.sum(f, at, 1);
    let r = activate(l, f, &dir.functions[0], r);
    let before = l.state(f, at);
    let product = f.mul(r, before);
    f.store(l.rh, to, product, None);
}

/// Ht = (1 - zt) * ht + zt * Ht-1.
pub(super) fn gru(l: &Layer, f: &mut FuncBuilder, dir: &Direction, at: &Block) -> Value {
    let (z, sum) = if l.flag {
        // ht = g(px + rt * (R h + Rb)).
        let z = l.sum(f, at, 0);
        let z = activate(l, f, &dir.functions[0], z);
        let r = l.sum(f, at, 1);
        let r = activate(l, f, &dir.functions[0], r);
        let (own, other) = (l.of_input(f, at, 2), l.sum(f, at, 2));
        (z, mul_add(f, r, other, own))
    } else {
        let from = f.add(at.row, at.unit);
        (f.load(l.z, from, l.lanes, None), l.sum(f, at, 2))
    };
    let fresh = activate(l, f, &dir.functions[1], sum);
    let before = l.state(f, at);
    let one = f.scalar(Scalar::from_i64(l.acc, 1));
    let rest = f.sub(one, z);
    let kept = f.mul(z, before);
    mul_add(f, rest, fresh, kept)
}

/// Adds what gate `number` of direction `d` sees of the cell state.
fn peep(l: &Layer, f: &mut FuncBuilder, at: &Block, (d, number): (i64, i64), c: Value, sum: Value) -> Value {
    let Some(p) = &l.peepholes else { return sum };
    let row = f.int(3 * d + number);
    let from = mul_add(f, row, l.hidden, at.unit);
    let weight = load(f, p, from, l.lanes, at.mask, l.acc);
    mul_add(f, weight, c, sum)
}

/// A function of a clipped value.
fn activate(l: &Layer, f: &mut FuncBuilder, function: &Activation, v: Value) -> Value {
    let v = match l.clip {
        Some(clip) => {
            let bound = |f: &mut FuncBuilder, b: f32| f.scalar(Scalar::from_f64(l.acc, f64::from(b)));
            let (low, high) = (bound(f, -clip), bound(f, clip));
            let v = f.binary(BinOp::Max, v, low);
            f.binary(BinOp::Min, v, high)
        }
        None => v,
    };
    function.apply(f, v)
}
