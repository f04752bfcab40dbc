//! The sums of the gates of a block: the input's part, and the products of the recurrent weights with the state.
//!
//! Few gates are summed in parts, of every other row of weights, so that enough sums are under way to hide how long one
//! addition takes. Where a step reads each weight once and they don't stay in the second-level cache, some rows are fetched
//! ahead; the last ones of a block fetch the first of the next, so that its weights come while the cell is computed.
//!
//! A loop over the weights may take a part of a product along (see `beside`).
//!
//! Does NOT make a state of the sums (see `cell`).

use super::beside::{Beside, MOST, Part};
use super::layer::{Block, Layer, load, mul_add};
use super::{BLOCK, Kind};
use crate::prelude::*;
use crate::routine::Cores;
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Value};
use std::ops::Range;

/// Bytes of weights that are fetched ahead: they arrive while the cell of a block is computed, at the speed of the
/// third-level cache, and fit into the first one.
const AHEAD: i64 = 6 << 10;

/// Sums of vectors under way that hide an addition's latency: two in a cycle, of four cycles.
const UNDER_WAY: i64 = 8;

/// The most parts of a sum.
const MAX_PARTS: i64 = 4;

/// How gates are summed.
pub(super) struct Summing {
    /// The machine has a fused multiply-add.
    fma: bool,
    /// Vectors of the machine that a gate of a row takes; none where sums have no parts.
    vectors: Option<i64>,
    /// Rows of a block's weights that are fetched ahead, if any.
    ahead: Option<i64>,
}

impl Summing {
    /// For gates of so many vectors and so many hidden units, if that is known. `once`: bytes of a row of a block's weights,
    /// and of all of them, where a step reads each weight once.
    pub(super) fn new(v: Cores, vectors: i64, hidden: Option<i64>, once: Option<(i64, i64)>) -> Summing {
        let ahead = |(row, bytes): (i64, i64)| {
            let rows = AHEAD / row / MOST * MOST;
            (!v.scarce && bytes > i64::from(v.l2_bytes / 2) && hidden? >= 2 * rows).then_some(rows)
        };
        let whole = hidden.is_some_and(|h| h % MAX_PARTS == 0 && h > 0);
        Summing { fma: v.fma, vectors: (whole && !v.scarce).then_some(vectors), ahead: once.and_then(ahead) }
    }

    /// Parts of the sums of so many gates, of all rows of a tile.
    pub(super) fn parts(&self, gates: i64) -> i64 {
        let parts = |vectors: i64| (UNDER_WAY / (gates * vectors).max(1)).clamp(1, MAX_PARTS);
        self.vectors.map_or(1, |v| 1 << parts(v).ilog2())
    }

    /// Sums of a row of the tile, for a layer of so many gates.
    pub(super) fn places(&self, gates: i64) -> u32 {
        (gates * self.parts(1)) as u32
    }
}

/// Rows of a block's weights: from one up to another.
struct Rows {
    from: Value,
    to: Value,
    /// Where the block's first one is.
    first: Value,
    /// Where what is fetched at row 0 would be.
    fetched: Option<Value>,
}

impl Layer {
    /// Sums gates of a vector of units for the rows of a tile: the input's part, and the products of the weights with a
    /// vector of hidden units of each row, from where `from` says.
    pub(super) fn gates(
        &self,
        f: &mut FuncBuilder,
        d: i64,
        tile: &[Block],
        gates: Range<i64>,
        (state, from): (Buf, fn(&Block) -> Value),
    ) {
        let Some(at) = tile.first() else { return };
        let most = self.beside.as_ref().map_or(MAX_PARTS, |b| b.every);
        let parts = self.summing.parts(tile.len() as i64 * (gates.end - gates.start)).min(most);
        for (at, g) in tile.iter().flat_map(|at| gates.clone().map(move |g| (at, g))) {
            let input = self.input_part(f, d, at, g);
            self.set_sum(f, at, g, input);
            for part in 1..parts {
                let none = f.scalar(Scalar::from_i64(self.acc, 0));
                let none = f.splat(none, self.lanes);
                self.set_sum(f, at, part * self.kind.gates() + g, none);
            }
        }
        let rows = self.rows_of_block(f, d, at);
        let products = |f: &mut FuncBuilder, beside: Option<(&Beside, &Part)>| {
            rows.iter().for_each(|r| self.products(f, tile, (gates.clone(), parts), (state, from), r, beside));
        };
        if gates.start == 0 && at.mask.is_none() {
            self.beside_step(f, (at.step, at.number), |f, b| products(f, Some(b)), |f| products(f, None));
        } else {
            products(f, None);
        }
        for (at, g) in tile.iter().flat_map(|at| gates.clone().map(move |g| (at, g))) {
            for part in 1..parts {
                let (sum, other) = (self.sum(f, at, g), self.sum(f, at, part * self.kind.gates() + g));
                let sum = f.add(sum, other);
                self.set_sum(f, at, g, sum);
            }
        }
    }

    /// The rows of a block's weights, in one part or, where they are fetched ahead, in two: the last ones fetch the first
    /// of the next block.
    fn rows_of_block(&self, f: &mut FuncBuilder, d: i64, at: &Block) -> Vec<Rows> {
        let (zero, first) = (f.int(0), self.of_weights(f, d, at.number, at.within));
        let Some(ahead) = self.summing.ahead else {
            return vec![Rows { from: zero, to: self.hidden, first, fetched: None }];
        };
        let (rows, next) = (f.int(ahead), self.of_weights(f, d, at.next, at.within));
        let most = f.sub(self.hidden, rows);
        let width = f.int(self.kind.gates() * BLOCK);
        let own = mul_add(f, rows, width, first);
        let back = f.mul(most, width);
        let other = f.sub(next, back);
        let part = |from, to, fetched| Rows { from, to, first, fetched: Some(fetched) };
        vec![part(zero, most, own), part(most, self.hidden, other)]
    }

    /// Adds the products of some rows of a block's weights to the gates, row by row to one part of the sums after another.
    fn products(
        &self,
        f: &mut FuncBuilder,
        tile: &[Block],
        (gates, parts): (Range<i64>, i64),
        (state, from): (Buf, fn(&Block) -> Value),
        rows: &Rows,
        beside: Option<(&Beside, &Part)>,
    ) {
        let every = beside.map_or(parts, |(b, _)| b.every);
        f.for_loop("k", rows.from, rows.to, every, LoopKind::Serial, |f, first| {
            let width = f.int(self.kind.gates() * BLOCK);
            if let Some((b, part)) = beside {
                let size = f.int(every);
                let k = f.binary(BinOp::FloorDiv, first, size);
                b.add(f, part, k);
            }
            for row in 0..every {
                let part = row % parts;
                let ahead = f.int(row);
                let k = f.add(first, ahead);
                if let Some(fetched) = rows.fetched {
                    let row = mul_add(f, k, width, fetched);
                    self.each_gate(f, row, &gates, |f, _, at| f.prefetch(self.weights.buf, at));
                }
                let mut states = vec![];
                for at in tile {
                    let from = f.add(from(at), k);
                    let h = f.load(state, from, 1, None);
                    states.push(f.splat(h, self.lanes));
                }
                let row = mul_add(f, k, width, rows.first);
                self.each_gate(f, row, &gates, |f, g, at| {
                    let w = load(f, &self.weights, at, self.lanes, None, self.acc);
                    for (at, h) in tile.iter().zip(&states) {
                        let sum = self.sum(f, at, part * self.kind.gates() + g);
                        let sum = if self.summing.fma { f.fma(*h, w, sum) } else { mul_add(f, *h, w, sum) };
                        self.set_sum(f, at, part * self.kind.gates() + g, sum);
                    }
                });
            }
        });
    }

    /// The weights of gates in a row.
    fn each_gate(
        &self,
        f: &mut FuncBuilder,
        row: Value,
        gates: &Range<i64>,
        mut body: impl FnMut(&mut FuncBuilder, i64, Value),
    ) {
        for g in gates.clone() {
            let ahead = f.int(g * BLOCK);
            let at = f.add(row, ahead);
            body(f, g, at);
        }
    }

    /// A sum of a row of the tile: of a gate, or after those of all gates a further part of one.
    pub(super) fn sum(&self, f: &mut FuncBuilder, at: &Block, number: i64) -> Value {
        let place = [f.int(at.tile_row), f.int(number)];
        f.get(self.sums, &place)
    }

    fn set_sum(&self, f: &mut FuncBuilder, at: &Block, number: i64, sum: Value) {
        let place = [f.int(at.tile_row), f.int(number)];
        f.set(self.sums, &place, sum);
    }

    /// Where the weights of a block of a direction begin, from a unit within it on.
    fn of_weights(&self, f: &mut FuncBuilder, d: i64, number: Value, within: i64) -> Value {
        let (d, blocks) = (f.int(d), f.sym(&self.weights.shape[1]));
        let block = mul_add(f, d, blocks, number);
        let row = f.mul(block, self.hidden);
        let (width, within) = (f.int(self.kind.gates() * BLOCK), f.int(within));
        mul_add(f, row, width, within)
    }

    /// What a gate's sum begins with: the input's part; of the hidden gate of a `linear` GRU the recurrent bias, as the
    /// input's part isn't under the reset.
    fn input_part(&self, f: &mut FuncBuilder, d: i64, at: &Block, g: i64) -> Value {
        if self.kind != Kind::Gru || !self.flag || g != 2 {
            return self.of_input(f, at, g);
        }
        let none = f.scalar(Scalar::from_i64(self.acc, 0));
        match &self.b {
            Some(b) => {
                // Gates in three times two: the last.
                let row = f.int(6 * d + 5);
                let from = mul_add(f, row, self.hidden, at.unit);
                load(f, b, from, self.lanes, at.mask, self.acc)
            }
            None => f.splat(none, self.lanes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, assert_close};

    const HIDDEN: usize = 384;
    const STEPS: usize = 3;

    fn numbers(shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        let v: Vec<f32> = (0..n).map(|i| ((i * 7919 + 13) % 101) as f32 / 1000.0 - 0.05).collect();
        Tensor::from_slice(shape, &v)
    }

    /// tanh(x W + h R), step by step.
    fn expected(x: &Tensor, w: &Tensor, r: &Tensor) -> Vec<f32> {
        let [x, w, r] = [x, w, r].map(|t| t.to_f64().expect("numbers"));
        let (mut h, mut all) = (vec![0.0; HIDDEN], vec![]);
        for step in x.chunks_exact(2) {
            let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let rows = w.chunks_exact(2).zip(r.chunks_exact(HIDDEN));
            h = rows.map(|(w, r)| (sum(step, w) + sum(&h, r)).tanh()).collect();
            all.extend(h.iter().map(|&h| h as f32));
        }
        all
    }

    #[test]
    fn weights_that_are_fetched_ahead_are_summed_once() {
        let bytes = (HIDDEN * HIDDEN * 4) as i64;
        let summing = Summing::new(Cores::default(), 4, Some(HIDDEN as i64), Some((64, bytes)));
        assert_eq!((summing.ahead, summing.parts(1)), (Some(96), 2));
        let (x, w, r) = (numbers(&[STEPS, 1, 2]), numbers(&[1, HIDDEN, 2]), numbers(&[1, HIDDEN, HIDDEN]));
        let y = Tensor::from_slice(&[STEPS, 1, 1, HIDDEN], &expected(&x, &w, &r));
        let got = Case::new("RNN", 22).input(x).input(w).input(r).run().expect("a layer");
        assert_close(&got[0], &y, 1e-5, "a layer with many weights");
    }

    #[test]
    fn few_gates_are_summed_in_parts() {
        let parts = |vectors, hidden, scarce| {
            let summing = Summing::new(Cores { scarce, ..Cores::default() }, vectors, Some(hidden), None);
            [1, 2, 3, 4].map(|gates| summing.parts(gates))
        };
        assert_eq!(parts(2, 64, false), [4, 2, 1, 1], "two vectors of 256 bits");
        assert_eq!(parts(1, 64, false), [4, 4, 2, 2], "one of 512 bits");
        assert_eq!(parts(2, 66, false), [1; 4], "rows that have no whole parts");
        assert_eq!(parts(2, 64, true), [1; 4], "little code");
    }
}
