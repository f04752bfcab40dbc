//! What a recurrent layer's loops share: its tensors, where their elements are, and the gates of a block.
//!
//! Holds: the hidden state has two places, of even and of odd steps; both, and the cell state, hold whole blocks.
//!
//! Does NOT go over time (see `steps`).

use super::activation::Activation;
use super::beside::Beside;
use super::blocks::{Units, shares};
use super::gates::Summing;
use super::tiles::{Step, tiles};
use super::{BLOCK, Kind};
use crate::ops::elementwise::wide;
use crate::prelude::*;
use crate::routine::{Cores, TensorBuf};
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Ty, Value, Var};

/// The most rows of a tile: beyond this the code grows and nothing gets faster.
const MAX_ROWS: u32 = 6;

/// What the loops share.
pub(super) struct Layer {
    pub(super) kind: Kind,
    /// The dtype of the arithmetic.
    pub(super) acc: DType,
    px: TensorBuf,
    pub(super) weights: TensorBuf,
    pub(super) b: Option<TensorBuf>,
    pub(super) lengths: Option<TensorBuf>,
    pub(super) initial: [Option<TensorBuf>; 2],
    pub(super) peepholes: Option<TensorBuf>,
    pub(super) outputs: Vec<TensorBuf>,
    /// Hidden state: even steps', then odd ones', [batch, units]; cell state, and r*h and z of a GRU: [batch, units].
    pub(super) h: Buf,
    pub(super) c: Buf,
    pub(super) rh: Buf,
    pub(super) z: Buf,
    /// The state before the step, rounded to 8 bits, of a quantised layer: [batch, units].
    pub(super) rounded: Option<Buf>,
    pub(super) steps: Value,
    pub(super) batch: Value,
    /// Hidden units, and as many as whole blocks hold.
    pub(super) hidden: Value,
    pub(super) units: Value,
    /// The same, where it is known.
    pub(super) known_hidden: Option<i64>,
    pub(super) directions: i64,
    layout: bool,
    pub(super) flag: bool,
    pub(super) clip: Option<f32>,
    /// Hidden units of a vector, and the rows of the batch that use a vector of weights at once: of each tile, and of all
    /// such tiles.
    pub(super) lanes: u16,
    pub(super) tiles: Vec<(i64, Option<i64>)>,
    /// The gates of a block, and further parts of their sums: of each row of the tile.
    pub(super) sums: Var,
    /// How they are summed.
    pub(super) summing: Summing,
    /// Threads that share the blocks of a step.
    pub(super) shares: i64,
    /// A product of Y.
    pub(super) beside: Option<Beside>,
}

/// One direction of a layer.
pub(super) struct Direction {
    /// Its number.
    pub(super) d: i64,
    pub(super) reverse: bool,
    /// Its functions, in the order of the standard's f, g, h.
    pub(super) functions: Vec<Activation>,
}

/// A block of hidden units of one row of the batch, at one step.
pub(super) struct Block {
    /// The first unit, and which of them there are (all when absent).
    pub(super) unit: Value,
    pub(super) mask: Option<Value>,
    pub(super) number: Value,
    /// The block that follows.
    pub(super) next: Value,
    /// The first unit within the block of weights.
    pub(super) within: i64,
    /// Which row of the tile it is.
    pub(super) tile_row: i64,
    /// Where the row's gates are in `px`, and its units in `c`, `rh` and `z`.
    px: Value,
    pub(super) row: Value,
    /// The step.
    pub(super) step: Value,
    /// Where the row's units are in `h`: before and after this step.
    pub(super) before: Value,
    after: Value,
    /// Where the row of Y is.
    y: Value,
}

/// Lanes, and rows of a tile: each row has a register for each gate and its own state, and one holds weights.
fn tile(v: Cores, acc: DType, gates: u32) -> (u16, u32) {
    let lanes = (v.bits / acc.bits() as u32).clamp(4, BLOCK as u32) as u16;
    (lanes, (v.registers.saturating_sub(1) / (gates + 1)).clamp(1, MAX_ROWS))
}

impl Layer {
    pub(super) fn new(cx: &mut RoutineCx) -> Layer {
        let attrs = cx.attrs();
        let kind = Kind::of(attrs.str("kind"));
        let (px, weights) = (cx.input(0), cx.input(1));
        let layout = attrs.int("layout") == Some(1);
        let acc = wide(weights.dtype);
        let hidden = weights.shape[2].clone();
        let units = &weights.shape[1] * BLOCK;
        let batch = px.shape[usize::from(!layout)].clone();
        let rows = &batch * &units;
        let h = cx.scratch("h", acc, &rows * 2);
        // What a kind of layer doesn't use takes no room.
        let part = |cx: &mut RoutineCx, name: &str, of: Kind| {
            cx.scratch(name, acc, if kind == of { rows.clone() } else { Sym::int(0) })
        };
        let (c, rh, z) = (part(cx, "c", Kind::Lstm), part(cx, "rh", Kind::Gru), part(cx, "z", Kind::Gru));
        let rounded = (attrs.int("quantised") == Some(1)).then(|| cx.scratch("rounded", acc, rows));
        let known_hidden = hidden.as_int();
        let [steps, rows] = [usize::from(layout), usize::from(!layout)].map(|a| cx.f.sym(&px.shape[a]));
        let (hidden, units) = (cx.f.sym(&hidden), cx.f.sym(&units));
        let one_by_one = batch.as_int() == Some(1) || cx.opt(3).is_some() && cx.cores().scarce;
        let (lanes, most) = if one_by_one { (BLOCK as u16, 1) } else { tile(cx.cores(), acc, kind.gates() as u32) };
        let one = (weights.shape[1..].iter()).fold(Sym::int(weights.dtype.size() as i64), |n, d| &n * d);
        let bytes = one.as_int().unwrap_or(0);
        let row = kind.gates() * BLOCK * weights.dtype.size() as i64;
        let vectors = i64::from(lanes) * i64::from(acc.bits() as u32) / i64::from(cx.cores().bits.max(1));
        let once = batch.as_int() == Some(1);
        let summing = Summing::new(cx.cores(), vectors, known_hidden, once.then_some((row, bytes)));
        let sums = cx.f.var(Ty::vector(acc, lanes), &[most, summing.places(kind.gates())], "gates");
        let beside = Beside::new(cx);
        Layer {
            kind,
            acc,
            b: cx.opt(2),
            lengths: cx.opt(3),
            initial: [cx.opt(4), cx.opt(5)],
            peepholes: cx.opt(6),
            outputs: (0..cx.node().outputs.len() - usize::from(beside.is_some())).map(|i| cx.output(i)).collect(),
            h,
            c,
            rh,
            z,
            rounded,
            steps,
            batch: rows,
            lanes,
            tiles: tiles(batch.as_int(), i64::from(most), cx.cores().scarce),
            hidden,
            units,
            known_hidden,
            directions: px.shape[2].as_int().unwrap_or(1),
            px,
            weights,
            layout,
            flag: attrs.int("flag") == Some(1),
            clip: attrs.float("clip"),
            sums,
            summing,
            shares: shares(cx.cores(), bytes),
            beside,
        }
    }

    pub(super) fn block(
        &self,
        f: &mut FuncBuilder,
        dir: &Direction,
        Step { number: s, odd }: Step,
        (b, length): (Value, Value),
        at: &Units,
        tile_row: i64,
    ) -> Block {
        let t = if dir.reverse { mirror(f, s, length) } else { s };
        let (outer, inner, count) = if self.layout { (b, t, self.steps) } else { (t, b, self.batch) };
        let row = mul_add(f, outer, count, inner);
        let (d, directions, gates) = (f.int(dir.d), f.int(self.directions), f.int(self.kind.gates()));
        let row = mul_add(f, row, directions, d);
        let row = f.mul(row, gates);
        let px = f.mul(row, self.hidden);
        let row = f.mul(b, self.units);
        let (one, all) = (f.int(1), f.mul(self.batch, self.units));
        let even = f.sub(one, odd);
        let (before, after) = (mul_add(f, odd, all, row), mul_add(f, even, all, row));
        let y = self.output_offset(f, dir.d, t, b);
        let Units { number, next, within, unit, mask } = *at;
        Block { unit, mask, number, next, within, tile_row, px, row, step: s, before, after, y }
    }

    /// The input's part of a gate.
    pub(super) fn of_input(&self, f: &mut FuncBuilder, at: &Block, g: i64) -> Value {
        let gate = f.int(g);
        let from = f.add(at.px, at.unit);
        let from = mul_add(f, gate, self.hidden, from);
        f.load(self.px.buf, from, self.lanes, at.mask)
    }

    /// The state before the step.
    pub(super) fn state(&self, f: &mut FuncBuilder, at: &Block) -> Value {
        let from = f.add(at.before, at.unit);
        f.load(self.h, from, self.lanes, None)
    }

    /// Stores a block of the new state.
    pub(super) fn put(&self, f: &mut FuncBuilder, at: &Block, h: Value) {
        let to = f.add(at.after, at.unit);
        f.store(self.h, to, h, None);
        if let Some(y) = self.outputs.first() {
            let to = f.add(at.y, at.unit);
            let h = f.cast(h, y.dtype);
            f.store(y.buf, to, h, at.mask);
        }
    }

    /// Where a row of the state of a direction is.
    pub(super) fn state_offset(&self, f: &mut FuncBuilder, d: i64, b: Value) -> Value {
        let (number, count) = (f.int(d), f.int(self.directions));
        let row = if self.layout { mul_add(f, b, count, number) } else { mul_add(f, number, self.batch, b) };
        f.mul(row, self.hidden)
    }

    /// Where a row of Y is.
    pub(super) fn output_offset(&self, f: &mut FuncBuilder, d: i64, t: Value, b: Value) -> Value {
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

/// A loop over `0..count`.
pub(super) fn each(f: &mut FuncBuilder, name: &str, count: Value, body: impl FnOnce(&mut FuncBuilder, Value)) {
    let zero = f.int(0);
    f.for_loop(name, zero, count, 1, LoopKind::Serial, body);
}

/// Elements of a tensor in another dtype.
pub(super) fn load(
    f: &mut FuncBuilder,
    t: &TensorBuf,
    at: Value,
    lanes: u16,
    mask: Option<Value>,
    dtype: DType,
) -> Value {
    let v = f.load(t.buf, at, lanes, mask);
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
