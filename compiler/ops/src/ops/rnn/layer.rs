//! The steps of a recurrent layer: for each direction and each row of the batch, the state runs over the time steps.
//!
//! Holds: of a step, `px` is W x + Wb and `ph` is R h + Rb, one element for each gate and hidden unit; a cell (see `cell`)
//! makes the new state of them.

use super::activation::{Activation, of_direction};
use super::cell;
use crate::ops::elementwise::wide;
use crate::prelude::*;
use crate::routine::TensorBuf;
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Stmt, Ty, Value, Var};

/// Which layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rnn,
    Gru,
    Lstm,
}

impl Kind {
    fn gates(self) -> i64 {
        match self {
            Kind::Rnn => 1,
            Kind::Gru => 3,
            Kind::Lstm => 4,
        }
    }
    fn activations(self) -> usize {
        match self {
            Kind::Rnn => 1,
            Kind::Gru => 2,
            Kind::Lstm => 3,
        }
    }
}

/// Lanes of a dot product of f32 or f64.
const LANES: u16 = 16;
/// Vectors that a dot product sums apart, so that no addition waits for the one before it.
const SUMS: u32 = 4;

/// What the loops share.
pub(super) struct Layer {
    kind: Kind,
    /// The dtype of the arithmetic.
    pub(super) acc: DType,
    pub(super) x: TensorBuf,
    w: TensorBuf,
    r: TensorBuf,
    b: Option<TensorBuf>,
    lengths: Option<TensorBuf>,
    initial: [Option<TensorBuf>; 2],
    pub(super) peepholes: Option<TensorBuf>,
    outputs: Vec<TensorBuf>,
    /// Hidden and cell state, and r*h of a GRU: H each, in the dtype of the arithmetic.
    pub(super) h: Buf,
    pub(super) c: Buf,
    pub(super) rh: Buf,
    pub(super) px: Buf,
    pub(super) ph: Buf,
    steps: Value,
    batch: Value,
    inputs: Value,
    /// H.
    pub(super) hidden: Value,
    directions: i64,
    layout: bool,
    pub(super) flag: bool,
    pub(super) clip: Option<f32>,
    /// Accumulators of dot products: vectors and a scalar.
    sums: (Var, Var),
}

/// One direction of a layer.
pub(super) struct Direction {
    /// Its number.
    pub(super) d: i64,
    reverse: bool,
    /// Its functions, in the order of the standard's f, g, h.
    pub(super) functions: Vec<Activation>,
}

pub(super) fn lower(cx: &mut RoutineCx, kind: Kind) -> Result<()> {
    let layer = Layer::new(cx, kind);
    let attrs = cx.attrs();
    let reverse = attrs.str("direction") == Some("reverse");
    layer.check_lengths(cx.f);
    for d in 0..layer.directions {
        let functions = of_direction(attrs, d as usize, kind.activations());
        layer.direction(cx.f, &Direction { d, reverse: reverse || d == 1, functions });
    }
    Ok(())
}

impl Layer {
    fn new(cx: &mut RoutineCx, kind: Kind) -> Layer {
        let attrs = cx.attrs();
        let (x, w, r) = (cx.input(0), cx.input(1), cx.input(2));
        let layout = attrs.int("layout") == Some(1);
        let acc = wide(x.dtype);
        let hidden = r.shape[2].clone();
        let gates = &hidden * kind.gates();
        let [h, c, rh] = ["h", "c", "rh"].map(|name| cx.scratch(name, acc, hidden.clone()));
        let [px, ph] = ["px", "ph"].map(|name| cx.scratch(name, acc, gates.clone()));
        let outputs = (0..cx.node().outputs.len()).map(|i| cx.output(i)).collect();
        let optional = |i: usize| if kind == Kind::Lstm { cx.opt(i) } else { None };
        let (cell, peepholes) = (optional(6), optional(7));
        let (b, lengths, state) = (cx.opt(3), cx.opt(4), cx.opt(5));
        let [steps, batch] = if layout { [1, 0] } else { [0, 1] }.map(|a| cx.f.sym(&x.shape[a]));
        let (inputs, hidden) = (cx.f.sym(&x.shape[2]), cx.f.sym(&hidden));
        let sums = (cx.f.var(Ty::vector(acc, LANES), &[SUMS], "sums"), cx.f.var(Ty::scalar(acc), &[], "sum"));
        Layer {
            kind,
            acc,
            x,
            w,
            r,
            b,
            lengths,
            initial: [state, cell],
            peepholes,
            outputs,
            h,
            c,
            rh,
            px,
            ph,
            steps,
            batch,
            inputs,
            hidden,
            directions: if attrs.str("direction") == Some("bidirectional") { 2 } else { 1 },
            layout,
            flag: attrs.int("linear_before_reset").or(attrs.int("input_forget")) == Some(1),
            clip: attrs.float("clip"),
            sums,
        }
    }

    /// Lengths are within the steps; otherwise the run ends.
    fn check_lengths(&self, f: &mut FuncBuilder) {
        let Some(lengths) = &self.lengths else { return };
        each(f, "b", self.batch, |f, b| {
            let length = load(f, lengths, b, DType::I64);
            let zero = f.int(0);
            let low = f.compare(CmpOp::Lt, length, zero);
            let high = f.compare(CmpOp::Gt, length, self.steps);
            let wrong = f.binary(BinOp::Or, low, high);
            f.if_else(
                wrong,
                |f| {
                    let status = f.scalar(Scalar::from_i64(DType::I32, 2));
                    f.stmt(Stmt::Return(Some(status)));
                },
                |_| {},
            );
        });
    }

    fn direction(&self, f: &mut FuncBuilder, dir: &Direction) {
        each(f, "b", self.batch, |f, b| {
            let state = self.state_offset(f, dir.d, b);
            for (buf, initial) in [self.h, self.c].into_iter().zip(&self.initial) {
                each(f, "j", self.hidden, |f, j| {
                    let v = match initial {
                        Some(t) => {
                            let at = f.add(state, j);
                            load(f, t, at, self.acc)
                        }
                        None => f.scalar(Scalar::from_i64(self.acc, 0)),
                    };
                    f.store(buf, j, v, None);
                });
            }
            let length = match &self.lengths {
                Some(t) => load(f, t, b, DType::I64),
                None => self.steps,
            };
            each(f, "step", length, |f, s| {
                let t = if dir.reverse { mirror(f, s, length) } else { s };
                self.step(f, dir, t, b);
            });
            self.fill_rest(f, dir.d, b, length);
            for (k, buf) in [self.h, self.c].into_iter().enumerate() {
                if let Some(out) = self.outputs.get(1 + k) {
                    self.copy_state(f, buf, out, state);
                }
            }
        });
    }

    /// The state after time step `t`.
    fn step(&self, f: &mut FuncBuilder, dir: &Direction, t: Value, b: Value) {
        let (outer, inner, count) = if self.layout { (b, t, self.steps) } else { (t, b, self.batch) };
        let row = mul_add(f, outer, count, inner);
        let from = f.mul(row, self.inputs);
        let gates = f.int(self.kind.gates());
        let rows = f.mul(self.hidden, gates);
        let zero = f.int(0);
        self.project(f, dir.d, (zero, rows), Side::Input, (self.x.buf, from));
        match self.kind {
            Kind::Rnn => {
                self.project(f, dir.d, (zero, rows), Side::State, (self.h, zero));
                cell::rnn(self, f, dir);
            }
            Kind::Lstm => {
                self.project(f, dir.d, (zero, rows), Side::State, (self.h, zero));
                cell::lstm(self, f, dir);
            }
            Kind::Gru => {
                let two = f.int(2);
                let gates = f.mul(self.hidden, two);
                let first = if self.flag { rows } else { gates };
                self.project(f, dir.d, (zero, first), Side::State, (self.h, zero));
                cell::gru_reset(self, f, dir);
                if !self.flag {
                    self.project(f, dir.d, (gates, rows), Side::State, (self.rh, zero));
                }
                cell::gru(self, f, dir);
            }
        }
        let at = self.output_offset(f, dir.d, t, b);
        if let Some(y) = self.outputs.first() {
            self.copy_state(f, self.h, y, at);
        }
    }

    /// Rows `lo..hi` of `px` or `ph`: weights times a vector, and the bias.
    fn project(&self, f: &mut FuncBuilder, d: i64, (lo, hi): (Value, Value), side: Side, vector: (Buf, Value)) {
        let (weights, out, n) = match side {
            Side::Input => (&self.w, self.px, self.inputs),
            Side::State => (&self.r, self.ph, self.hidden),
        };
        let gates = f.int(self.kind.gates());
        let rows = f.mul(self.hidden, gates);
        let number = f.int(d);
        let first = f.mul(rows, number);
        f.for_loop("row", lo, hi, 1, LoopKind::Serial, |f, j| {
            let row = f.add(first, j);
            let at = f.mul(row, n);
            let dot = self.dot(f, (weights.buf, at), vector, n);
            let value = match &self.b {
                Some(b) => {
                    // Wb before Rb, for each direction.
                    let part = f.int(2 * d + i64::from(side == Side::State));
                    let at = mul_add(f, part, rows, j);
                    let bias = load(f, b, at, self.acc);
                    f.add(dot, bias)
                }
                None => dot,
            };
            f.store(out, j, value, None);
        });
    }

    /// The dot product of `n` elements of two buffers.
    fn dot(&self, f: &mut FuncBuilder, a: (Buf, Value), b: (Buf, Value), n: Value) -> Value {
        let (sums, sum) = self.sums;
        let product = |f: &mut FuncBuilder, k: Value, lanes: u16| {
            let [x, y] = [a, b].map(|(buf, at)| {
                let at = f.add(at, k);
                let v = f.load(buf, at, lanes, None);
                f.cast(v, self.acc)
            });
            f.mul(x, y)
        };
        let multiple = |f: &mut FuncBuilder, of: i64| {
            let of = f.int(of);
            let blocks = f.binary(BinOp::FloorDiv, n, of);
            f.mul(blocks, of)
        };
        let lanes = i64::from(LANES);
        let (blocks, whole) = (multiple(f, lanes * i64::from(SUMS)), multiple(f, lanes));
        let zero = f.scalar(Scalar::from_i64(self.acc, 0));
        for i in 0..SUMS {
            let i = f.int(i64::from(i));
            f.set(sums, &[i], zero);
        }
        let first = f.int(0);
        for (lo, hi, vectors) in [(first, blocks, SUMS), (blocks, whole, 1)] {
            f.for_loop("k", lo, hi, lanes * i64::from(vectors), LoopKind::Serial, |f, k| {
                for i in 0..i64::from(vectors) {
                    let (i, ahead) = (f.int(i), f.int(i * lanes));
                    let at = f.add(k, ahead);
                    let p = product(f, at, LANES);
                    let before = f.get(sums, &[i]);
                    let after = f.add(before, p);
                    f.set(sums, &[i], after);
                }
            });
        }
        let parts: Vec<Value> = (0..i64::from(SUMS))
            .map(|i| {
                let i = f.int(i);
                f.get(sums, &[i])
            })
            .collect();
        let lanes = parts.into_iter().reduce(|a, b| f.add(a, b)).expect("there are sums");
        let total = f.op(Ty::scalar(self.acc), onnxc_ir::loops::Op::Reduce(ReduceOp::Add, lanes));
        f.set(sum, &[], total);
        f.for_loop("k", whole, n, 1, LoopKind::Serial, |f, k| {
            let p = product(f, k, 1);
            let before = f.get(sum, &[]);
            let after = f.add(before, p);
            f.set(sum, &[], after);
        });
        f.get(sum, &[])
    }

    /// Steps behind the length are 0.
    fn fill_rest(&self, f: &mut FuncBuilder, d: i64, b: Value, length: Value) {
        let (Some(y), Some(_)) = (self.outputs.first(), &self.lengths) else { return };
        f.for_loop("t", length, self.steps, 1, LoopKind::Serial, |f, t| {
            let at = self.output_offset(f, d, t, b);
            each(f, "j", self.hidden, |f, j| {
                let at = f.add(at, j);
                let zero = f.scalar(Scalar::from_i64(y.dtype, 0));
                f.store(y.buf, at, zero, None);
            });
        });
    }

    fn copy_state(&self, f: &mut FuncBuilder, from: Buf, to: &TensorBuf, at: Value) {
        each(f, "j", self.hidden, |f, j| {
            let v = f.load(from, j, 1, None);
            let v = f.cast(v, to.dtype);
            let at = f.add(at, j);
            f.store(to.buf, at, v, None);
        });
    }

    /// Where a row of the state of a direction is.
    fn state_offset(&self, f: &mut FuncBuilder, d: i64, b: Value) -> Value {
        let (number, count) = (f.int(d), f.int(self.directions));
        let row = if self.layout { mul_add(f, b, count, number) } else { mul_add(f, number, self.batch, b) };
        f.mul(row, self.hidden)
    }

    /// Where a row of Y is.
    fn output_offset(&self, f: &mut FuncBuilder, d: i64, t: Value, b: Value) -> Value {
        let (number, count) = (f.int(d), f.int(self.directions));
        let row = if self.layout {
            let at = mul_add(f, b, self.steps, t);
            mul_add(f, at, count, number)
        } else {
            let at = mul_add(f, t, count, number);
            mul_add(f, at, self.batch, b)
        };
        f.mul(row, self.hidden)
    }
}

/// Which of the two products of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Input,
    State,
}

/// A loop over `0..count`.
pub(super) fn each(f: &mut FuncBuilder, name: &str, count: Value, body: impl FnOnce(&mut FuncBuilder, Value)) {
    let zero = f.int(0);
    f.for_loop(name, zero, count, 1, LoopKind::Serial, body);
}

/// An element of a tensor in another dtype.
pub(super) fn load(f: &mut FuncBuilder, t: &TensorBuf, at: Value, dtype: DType) -> Value {
    let v = f.load(t.buf, at, 1, None);
    f.cast(v, dtype)
}

/// a * b + c.
pub(super) fn mul_add(f: &mut FuncBuilder, a: Value, b: Value, c: Value) -> Value {
    let product = f.mul(a, b);
    f.add(product, c)
}

fn mirror(f: &mut FuncBuilder, step: Value, length: Value) -> Value {
    let one = f.int(1);
    let last = f.sub(length, one);
    f.sub(last, step)
}
