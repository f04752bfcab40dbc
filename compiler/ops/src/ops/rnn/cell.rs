//! The cells: from `px` and `ph` of a step to the new state. The standard's equations, gate by gate.

use super::activation::Activation;
use super::layer::{Direction, Layer, each, load, mul_add};
use crate::prelude::*;
use onnxc_ir::loops::{Buf, FuncBuilder, Value};

/// Ht = f(px + ph).
pub(super) fn rnn(l: &Layer, f: &mut FuncBuilder, dir: &Direction) {
    each(f, "j", l.hidden, |f, j| {
        let sum = gate_sum(l, f, 0, j);
        let h = activate(l, f, &dir.functions[0], sum);
        f.store(l.h, j, h, None);
    });
}

/// Gates in the order i, o, f, c; peepholes i, o, f.
pub(super) fn lstm(l: &Layer, f: &mut FuncBuilder, dir: &Direction) {
    let [gate, cell, last] = [&dir.functions[0], &dir.functions[1], &dir.functions[2]];
    each(f, "j", l.hidden, |f, j| {
        let before = f.load(l.c, j, 1, None);
        let i = gate_sum(l, f, 0, j);
        let i = peep(l, f, dir.d, 0, j, before, i);
        let i = activate(l, f, gate, i);
        let forget = if l.flag {
            let one = f.scalar(Scalar::from_i64(l.acc, 1));
            f.sub(one, i)
        } else {
            let v = gate_sum(l, f, 2, j);
            let v = peep(l, f, dir.d, 2, j, before, v);
            activate(l, f, gate, v)
        };
        let fresh = gate_sum(l, f, 3, j);
        let fresh = activate(l, f, cell, fresh);
        let kept = f.mul(forget, before);
        let c = mul_add(f, i, fresh, kept);
        let o = gate_sum(l, f, 1, j);
        let o = peep(l, f, dir.d, 1, j, c, o);
        let o = activate(l, f, gate, o);
        let out = last.apply(f, c);
        let h = f.mul(o, out);
        f.store(l.c, j, c, None);
        f.store(l.h, j, h, None);
    });
}

/// rt * Ht-1, which the hidden gate's product needs unless it is linear before the reset. Gates in the order z, r, h.
pub(super) fn gru_reset(l: &Layer, f: &mut FuncBuilder, dir: &Direction) {
    each(f, "j", l.hidden, |f, j| {
        let r = gate_sum(l, f, 1, j);
        let r = activate(l, f, &dir.functions[0], r);
        let other = if l.flag { gate(l, f, l.ph, 2, j) } else { f.load(l.h, j, 1, None) };
        let product = f.mul(r, other);
        f.store(l.rh, j, product, None);
    });
}

/// Ht = (1 - zt) * ht + zt * Ht-1.
pub(super) fn gru(l: &Layer, f: &mut FuncBuilder, dir: &Direction) {
    each(f, "j", l.hidden, |f, j| {
        let z = gate_sum(l, f, 0, j);
        let z = activate(l, f, &dir.functions[0], z);
        let own = gate(l, f, l.px, 2, j);
        // With `linear_before_reset`, rh is rt * (R h + Rb); otherwise ph is R (rt * h) + Rb.
        let other = if l.flag { f.load(l.rh, j, 1, None) } else { gate(l, f, l.ph, 2, j) };
        let sum = f.add(own, other);
        let fresh = activate(l, f, &dir.functions[1], sum);
        let before = f.load(l.h, j, 1, None);
        let one = f.scalar(Scalar::from_i64(l.acc, 1));
        let rest = f.sub(one, z);
        let kept = f.mul(z, before);
        let h = mul_add(f, rest, fresh, kept);
        f.store(l.h, j, h, None);
    });
}

/// Element j of a gate.
fn gate(l: &Layer, f: &mut FuncBuilder, of: Buf, gate: i64, j: Value) -> Value {
    let number = f.int(gate);
    let at = mul_add(f, number, l.hidden, j);
    f.load(of, at, 1, None)
}

/// px + ph of a gate.
fn gate_sum(l: &Layer, f: &mut FuncBuilder, number: i64, j: Value) -> Value {
    let (x, h) = (gate(l, f, l.px, number, j), gate(l, f, l.ph, number, j));
    f.add(x, h)
}

/// Adds what a gate sees of the cell state.
fn peep(l: &Layer, f: &mut FuncBuilder, d: i64, number: i64, j: Value, c: Value, sum: Value) -> Value {
    let Some(p) = &l.peepholes else { return sum };
    let row = f.int(3 * d + number);
    let at = mul_add(f, row, l.hidden, j);
    let weight = load(f, p, at, l.acc);
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
