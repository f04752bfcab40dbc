//! A product of a layer's Y with constant weights, most of which is computed beside the steps.
//!
//! A step of a batch of 1 waits for its weights, which it reads once, while the product of a few rows of Y mostly computes.
//! So the loop over a block's weights also goes over a part of a tile of the product: [`ROWS`] rows that the steps before
//! have finished, [`TILE`] columns, and one element of the sums for every few rows of the block's weights. The sums wait in
//! the product's place until the same block of the next step goes on with them. Thus a tile is the work of one block, which
//! is that of one thread, and one step's blocks all read the same few elements of the rows. The rows that the last steps
//! finish are left for the end.
//!
//! Holds: each element is the sum of all hidden units' products in order, and then the bias, whenever it is computed: what
//! the product alone would be.
//!
//! Does NOT say which products go beside steps (see the pass `beside-steps`), only whether one can.

#[cfg(test)]
mod tests;

use super::blocks::shares;
use super::gates::Summing;
use super::layer::{Layer, mul_add};
use super::{BLOCK, Kind, ranked, same};
use crate::prelude::*;
use crate::routine::{Cores, TensorBuf};
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Op, Ty, Value, Var};

/// Columns of a tile, and of a block of its weights.
pub const TILE: i64 = 32;
/// Columns of a vector.
const LANES: u16 = 16;
/// Vectors of a tile.
const VECTORS: i64 = TILE / LANES as i64;
/// Rows of a tile.
const ROWS: i64 = 8;
/// The most rows of a block's weights for one element of a tile's sums, of which there are a power of two.
pub(super) const MOST: i64 = 8;
/// Registers besides those of sums: for the weights of a tile and an element of a row.
const OTHERS: i64 = 3;
/// Bytes of weights from which on a step waits for them: a few times what the first-level cache holds.
const FEW: i64 = 128 << 10;

/// For a layer (attributes of RecurrentSteps) of f32 and of so many hidden units, and a product of so many columns: how many
/// rows of a block's weights to read for one element of the product's sums, if that pays on such a machine. Weights must
/// come from the second-level cache: what they take longer from the next one is what the product's weights would take,
/// too. Threads that have no block would have a share of the product; those that share an RNN's short steps mostly wait for
/// each other (2 threads took 3 to 6 % longer).
pub fn rows_beside(attrs: &Attrs, v: Cores, hidden: i64, columns: i64) -> Option<i64> {
    let (kind, linear) = (Kind::of(attrs.str("kind")), attrs.int("flag") == Some(1));
    let bytes = hidden.checked_mul(hidden)?.checked_mul(kind.gates() * DType::F32.size() as i64)?;
    let vectors = |columns: i64| (columns * 32 - 1) / i64::from(v.bits.max(32)) + 1;
    // What is summed at once.
    let gates = if kind == Kind::Gru && !linear { 2 } else { kind.gates() };
    let parts = Summing::new(v, vectors(LANES.into()), Some(hidden), None).parts(gates);
    let sums = gates * parts * vectors(LANES.into()) + ROWS * vectors(TILE);
    let pays = v.fma
        && !v.scarce
        && (FEW..=i64::from(v.l2_bytes / 2)).contains(&bytes)
        && shares(v, bytes) == i64::from(v.threads.max(1))
        && (kind != Kind::Rnn || v.threads <= 1)
        && sums + OTHERS <= i64::from(v.registers);
    let rows = [MOST, MOST / 2, MOST / 4].into_iter().find(|&r| r >= parts && fits(r, hidden, columns));
    rows.filter(|_| pays)
}

/// True if the blocks of as many steps as a tile has rows go once over all tiles of such a product.
fn fits(every: i64, hidden: i64, columns: i64) -> bool {
    let rounds = ROWS / every.max(1);
    (2..=MOST).contains(&every)
        && every.count_ones() == 1
        && hidden % every == 0
        && (1..=rounds * (hidden / BLOCK)).contains(&((columns + TILE - 1) / TILE))
}

/// The product among the outputs of RecurrentSteps, which is the last one where there are `columns`: their number is 1,
/// otherwise 0.
pub(super) fn infer(cx: &mut InferCx, px: &[Sym], hidden: &Sym) -> Result<usize> {
    let Some(columns) = cx.attrs().int("columns") else { return Ok(0) };
    let w = ranked(cx, 7, DType::F32, 3)?;
    cx.unify(&w[1], hidden, "hidden units and rows of the product's weights")?;
    if cx.opt(8).is_some() {
        let bias = ranked(cx, 8, DType::F32, 1)?;
        same(cx, &bias, &[Sym::int(columns)], "the product's bias")?;
    }
    let layout = cx.attrs().int("layout") == Some(1);
    let (steps, batch) = if layout { (&px[1], &px[0]) } else { (&px[0], &px[1]) };
    let one = [batch, &px[2]].iter().all(|d| d.as_int() == Some(1)) && cx.opt(3).is_none();
    let tiles = w[0].as_int() == Some((columns + TILE - 1) / TILE) && w[2].as_int() == Some(TILE);
    let every = cx.attrs().int("every").unwrap_or(0);
    let known = steps.as_int().is_some() && hidden.as_int().is_some_and(|h| fits(every, h, columns));
    if !(one && tiles && known) || cx.output_count() < 2 {
        return Err(cx.error("E2041", "a product that can't go beside the steps"));
    }
    cx.set_tensor(cx.output_count() - 1, DType::F32, vec![steps.clone(), Sym::int(columns)]);
    Ok(1)
}

/// Such a product.
pub(super) struct Beside {
    weights: Buf,
    bias: Option<TensorBuf>,
    y: Buf,
    out: Buf,
    steps: i64,
    hidden: i64,
    columns: i64,
    reverse: bool,
    fma: bool,
    registers: i64,
    /// Rows of a block's weights for one element of a tile's sums.
    pub(super) every: i64,
    /// The sums of a tile: of each row.
    sums: Var,
}

/// A part of the sums of some rows and columns.
pub(super) struct Part {
    /// The numbers of the rows, and where their elements are in Y.
    rows: Vec<(Value, Value)>,
    weights: Value,
    columns: Vec<Columns>,
}

/// A vector of a tile: which one, its first column, and which of its columns there are (all when absent).
struct Columns {
    number: i64,
    first: Value,
    mask: Option<Value>,
}

impl Beside {
    pub(super) fn new(cx: &mut RoutineCx) -> Option<Beside> {
        let columns = cx.attrs().int("columns")?;
        let (px, weights, layout) = (cx.input(0), cx.input(7), cx.attrs().int("layout") == Some(1));
        let steps = px.shape[usize::from(layout)].as_int()?;
        let rows = (steps - groups(steps) * ROWS).max(ROWS);
        Some(Beside {
            hidden: weights.shape[1].as_int()?,
            weights: weights.buf,
            bias: cx.opt(8),
            y: cx.output(0).buf,
            out: cx.output(cx.node().outputs.len() - 1).buf,
            steps,
            columns,
            reverse: cx.attrs().str("direction") == Some("reverse"),
            fma: cx.cores().fma,
            registers: i64::from(cx.cores().registers) * i64::from(cx.cores().bits) / (i64::from(LANES) * 32),
            every: cx.attrs().int("every")?,
            sums: cx.f.var(Ty::vector(DType::F32, LANES), &[rows as u32, VECTORS as u32], "tile"),
        })
    }

    fn tiles(&self) -> i64 {
        (self.columns + TILE - 1) / TILE
    }
}

/// Whole groups of rows beside whose product there are steps enough: those of another group.
fn groups(steps: i64) -> i64 {
    (steps / ROWS - 1).max(0)
}

impl Layer {
    /// Runs `with` what a block has of the product at a step, or `alone` where it has nothing.
    pub(super) fn beside_step(
        &self,
        f: &mut FuncBuilder,
        (step, block): (Value, Value),
        with: impl FnOnce(&mut FuncBuilder, (&Beside, &Part)),
        alone: impl FnOnce(&mut FuncBuilder),
    ) {
        let Some(b) = self.beside.as_ref().filter(|b| groups(b.steps) > 0) else { return alone(f) };
        let [zero, rows, every, length] = [0, ROWS, b.every, b.hidden / b.every].map(|i| f.int(i));
        let last = f.int((groups(b.steps) + 1) * ROWS);
        let (begun, done) = (f.compare(CmpOp::Ge, step, rows), f.compare(CmpOp::Lt, step, last));
        // Each round of steps goes through the next tiles, each step of it through the next part of their sums.
        let within = f.binary(BinOp::FloorMod, step, rows);
        let (round, turn) = (f.binary(BinOp::FloorDiv, within, every), f.binary(BinOp::FloorMod, within, every));
        let (blocks, tiles) = (f.int(b.hidden / BLOCK), f.int(b.tiles()));
        let tile = mul_add(f, round, blocks, block);
        let there = f.compare(CmpOp::Lt, tile, tiles);
        let go = f.binary(BinOp::And, begun, done);
        let go = f.binary(BinOp::And, go, there);
        f.if_else(
            go,
            |f| {
                let first = f.sub(step, within);
                let first = f.sub(first, rows);
                let from = f.mul(turn, length);
                let part = b.part(f, (first, ROWS), tile, (from, 0..VECTORS));
                let fresh = f.compare(CmpOp::Eq, turn, zero);
                f.if_else(fresh, |f| b.begin(f, &part), |f| b.fetch(f, &part));
                with(f, (b, &part));
                let end = f.int(b.every - 1);
                let whole = f.compare(CmpOp::Eq, turn, end);
                f.if_else(whole, |f| b.end(f, &part), |_| {});
                b.store(f, &part);
            },
            alone,
        );
    }

    /// The rows of the product that were left for the end.
    pub(super) fn beside_end(&self, f: &mut FuncBuilder) {
        let Some(b) = &self.beside else { return };
        let (zero, tiles, hidden) = (f.int(0), f.int(b.tiles()), f.int(b.hidden));
        let (first, rows) = (groups(b.steps) * ROWS, b.steps - groups(b.steps) * ROWS);
        let first = f.int(first);
        // As many columns as registers hold sums of.
        let most = ((b.registers - OTHERS) / rows.max(1)).clamp(1, VECTORS);
        let kind = if self.shares > 1 { LoopKind::Parallel } else { LoopKind::Serial };
        f.for_loop("tile", zero, tiles, 1, kind, |f, tile| {
            for from in (0..VECTORS).step_by(most as usize) {
                let part = b.part(f, (first, rows), tile, (zero, from..(from + most).min(VECTORS)));
                b.begin(f, &part);
                f.for_loop("k", zero, hidden, 1, LoopKind::Serial, |f, k| b.add(f, &part, k));
                b.end(f, &part);
                b.store(f, &part);
            }
        });
    }
}

impl Beside {
    /// The sums from an element `from` on, for so many rows from that of step `first` on.
    fn part(
        &self,
        f: &mut FuncBuilder,
        (first, rows): (Value, i64),
        tile: Value,
        (from, vectors): (Value, std::ops::Range<i64>),
    ) -> Part {
        let [hidden, width, last] = [self.hidden, TILE, self.steps - 1].map(|i| f.int(i));
        let row = mul_add(f, tile, hidden, from);
        let weights = f.mul(row, width);
        let rows = (0..rows).map(|i| {
            let ahead = f.int(i);
            let row = f.add(first, ahead);
            let row = if self.reverse { f.sub(last, row) } else { row };
            (row, mul_add(f, row, hidden, from))
        });
        let rows = rows.collect();
        Part { rows, weights, columns: vectors.map(|v| self.columns(f, tile, v)).collect() }
    }

    fn columns(&self, f: &mut FuncBuilder, tile: Value, number: i64) -> Columns {
        let (width, ahead) = (f.int(TILE), f.int(number * i64::from(LANES)));
        let first = mul_add(f, tile, width, ahead);
        let mask = (self.columns % TILE != 0).then(|| {
            let columns = f.int(self.columns);
            let left = f.sub(columns, first);
            let left = f.cast(left, DType::I32);
            let lane = f.op(Ty::vector(DType::I32, LANES), Op::Iota);
            f.compare(CmpOp::Lt, lane, left)
        });
        Columns { number, first, mask }
    }

    /// Adds the products of the part's element `k` to its sums.
    pub(super) fn add(&self, f: &mut FuncBuilder, part: &Part, k: Value) {
        let width = f.int(TILE);
        let at = mul_add(f, k, width, part.weights);
        let weight = |c: &Columns| {
            let ahead = f.int(c.number * i64::from(LANES));
            let at = f.add(at, ahead);
            (c.number, f.load(self.weights, at, LANES, None))
        };
        let weights: Vec<(i64, Value)> = part.columns.iter().map(weight).collect();
        for (i, &(_, x)) in (0..).zip(&part.rows) {
            let at = f.add(x, k);
            let x = f.load(self.y, at, 1, None);
            let x = f.splat(x, LANES);
            for &(v, w) in &weights {
                let place = [f.int(i), f.int(v)];
                let sum = f.get(self.sums, &place);
                let sum = if self.fma { f.fma(x, w, sum) } else { mul_add(f, x, w, sum) };
                f.set(self.sums, &place, sum);
            }
        }
    }

    fn begin(&self, f: &mut FuncBuilder, part: &Part) {
        let none = f.scalar(Scalar::from_i64(DType::F32, 0));
        let none = f.splat(none, LANES);
        self.each_sum(f, part, |f, place, _| f.set(self.sums, &place, none));
    }

    /// Adds the bias.
    fn end(&self, f: &mut FuncBuilder, part: &Part) {
        let Some(bias) = &self.bias else { return };
        for c in &part.columns {
            let b = f.load(bias.buf, c.first, LANES, c.mask);
            for i in (0..).take(part.rows.len()) {
                let place = [f.int(i), f.int(c.number)];
                let sum = f.get(self.sums, &place);
                let sum = f.add(sum, b);
                f.set(self.sums, &place, sum);
            }
        }
    }

    fn fetch(&self, f: &mut FuncBuilder, part: &Part) {
        self.each_sum(f, part, |f, place, (at, mask)| {
            let sum = f.load(self.out, at, LANES, mask);
            f.set(self.sums, &place, sum);
        });
    }

    fn store(&self, f: &mut FuncBuilder, part: &Part) {
        self.each_sum(f, part, |f, place, (at, mask)| {
            let sum = f.get(self.sums, &place);
            f.store(self.out, at, sum, mask);
        });
    }

    /// Every vector of sums, and where it belongs.
    fn each_sum(
        &self,
        f: &mut FuncBuilder,
        part: &Part,
        body: impl Fn(&mut FuncBuilder, [Value; 2], (Value, Option<Value>)),
    ) {
        let width = f.int(self.columns);
        for (i, &(row, _)) in (0..).zip(&part.rows) {
            for c in &part.columns {
                let at = mul_add(f, row, width, c.first);
                let place = [f.int(i), f.int(c.number)];
                body(f, place, (at, c.mask));
            }
        }
    }
}
