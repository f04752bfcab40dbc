//! RecurrentSteps: the state over the time steps, for each direction.
//!
//! A step computes a vector of hidden units at once, of one row of the batch or of a few: its gates are in registers from
//! the input's part (`RecurrentInput`) over the products with the state before to the nonlinearities (`cell`) and the new
//! state. Nothing is written between but the state. All rows use a block's weights before the next block, and steps go
//! through the blocks forth and back in turn, so that the weights of the last ones are still in the cache.
//!
//! Where the weights are many, threads share the blocks of a step, each the same blocks at every step: they stay in its cache.

use super::activation::of_direction;
use super::layer::{Block, Direction, Layer, each, load, mul_add};
use super::tiles::Step;
use super::{Class, INNER, Kind, ranked, same, tensor};
use super::{beside, cell};
use crate::ops::elementwise::{tensor_of, wide};
use crate::prelude::*;
use onnxc_ir::loops::{FuncBuilder, LoopKind, Stmt, Value};

/// RecurrentSteps(input parts, weights, B, lengths, initial h, initial c, peepholes, product weights, product bias), which
/// imports make; the first two as RecurrentInput and RecurrentWeights give them. Only the last gate's recurrent half of B is
/// used, of a `linear` GRU. The product, which passes add, is the last output: [steps, columns], Y times what
/// RecurrentColumns gives.
pub static DEF: OpDef = OpDef {
    domain: INNER,
    name: "RecurrentSteps",
    versions: &[(1, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let layer = [
        "activations",
        "alpha",
        "beta",
        "clip",
        "columns",
        "direction",
        "every",
        "flag",
        "hidden_size",
        "kind",
        "layout",
        "quantised",
    ];
    super::passed_on(n, &layer)
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let dtype = tensor(cx, 1, Class::Float)?.dtype;
    let px = tensor_of(cx, 0, wide(dtype))?.shape;
    let r = ranked(cx, 1, dtype, 5)?;
    let [directions, mut hidden, gates] = [&px[2], &r[2], &r[3]].map(Clone::clone);
    cx.unify(&r[0], &directions, "directions of the recurrent weights")?;
    if let Some(size) = cx.attrs().int("hidden_size") {
        hidden = cx.unify(&hidden, &Sym::int(size), "hidden_size and the recurrent weights")?;
    }
    cx.unify(&px[3], &(&hidden * &gates), "gates of the input's and the recurrent weights")?;
    let layout = cx.attrs().int("layout") == Some(1);
    let (steps, batch) = if layout { (&px[1], &px[0]) } else { (&px[0], &px[1]) };
    let state = if layout { [batch, &directions, &hidden] } else { [&directions, batch, &hidden] };
    let state = state.map(Clone::clone).to_vec();
    for (i, what) in [(4, "the initial state"), (5, "the initial cell state")] {
        if cx.opt(i).is_some() {
            let given = ranked(cx, i, dtype, 3)?;
            same(cx, &given, &state, what)?;
        }
    }
    if cx.opt(6).is_some() {
        let given = ranked(cx, 6, dtype, 2)?;
        same(cx, &given, &[directions.clone(), &hidden * 3], "the peephole weights")?;
    }
    if cx.opt(3).is_some() {
        let given = tensor_of(cx, 3, DType::I32)?;
        let given = if given.rank() == 1 { given.shape } else { ranked(cx, 3, DType::I32, 1)? };
        same(cx, &given, std::slice::from_ref(batch), "sequence_lens")?;
    }
    let mut all = vec![steps.clone(), directions, batch.clone(), hidden.clone()];
    if layout {
        all[..3].rotate_right(1);
    }
    cx.set_tensor(0, dtype, all);
    let product = beside::infer(cx, &px, &hidden)?;
    for i in 1..cx.output_count() - product {
        cx.set_tensor(i, dtype, state.clone());
    }
    Ok(())
}

/// The new state of a block.
type Cell = fn(&Layer, &mut FuncBuilder, &Direction, &Block) -> Value;

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let layer = Layer::new(cx);
    let attrs = cx.attrs();
    let reverse = attrs.str("direction") == Some("reverse");
    layer.check_lengths(cx.f);
    for d in 0..layer.directions {
        let functions = of_direction(attrs, d as usize, layer.kind.activations());
        layer.direction(cx.f, &Direction { d, reverse: reverse || d == 1, functions });
    }
    Ok(())
}

impl Layer {
    /// Lengths are within the steps; otherwise the run ends.
    fn check_lengths(&self, f: &mut FuncBuilder) {
        let Some(lengths) = &self.lengths else { return };
        each(f, "b", self.batch, |f, b| {
            let length = load(f, lengths, b, 1, None, DType::I64);
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

    /// How many steps a row of the batch has.
    pub(super) fn length(&self, f: &mut FuncBuilder, b: Value) -> Value {
        self.lengths.as_ref().map_or(self.steps, |t| load(f, t, b, 1, None, DType::I64))
    }

    fn direction(&self, f: &mut FuncBuilder, dir: &Direction) {
        each(f, "b", self.batch, |f, b| {
            let row = f.mul(b, self.units);
            self.blocks(f, |f, at| {
                let to = f.add(row, at.unit);
                for (buf, initial) in [(self.h, &self.initial[0]), (self.c, &self.initial[1])] {
                    if buf == self.c && self.kind != Kind::Lstm {
                        continue;
                    }
                    let none = f.scalar(Scalar::from_i64(self.acc, 0));
                    let v = match initial {
                        Some(t) => {
                            let from = self.state_offset(f, dir.d, b);
                            let from = f.add(from, at.unit);
                            load(f, t, from, self.lanes, at.mask, self.acc)
                        }
                        None => f.splat(none, self.lanes),
                    };
                    f.store(buf, to, v, None);
                }
            });
        });
        each(f, "step", self.steps, |f, s| {
            let two = f.int(2);
            let odd = f.binary(BinOp::FloorMod, s, two);
            let s = Step { number: s, odd };
            self.round_state(f, s.number, s.odd);
            if self.kind == Kind::Gru && !self.flag {
                self.each_tile(f, dir, s, &|f, tile| {
                    self.gates(f, dir.d, tile, 0..2, (self.h, |at| at.before));
                    tile.iter().for_each(|at| cell::gru_reset(self, f, dir, at));
                });
                self.each_tile(f, dir, s, &|f, tile| {
                    self.gates(f, dir.d, tile, 2..3, (self.rh, |at| at.row));
                    self.cells(f, dir, tile, cell::gru);
                });
                return;
            }
            let cell = match self.kind {
                Kind::Gru => cell::gru,
                Kind::Lstm => cell::lstm,
                Kind::Rnn => cell::rnn,
            };
            self.each_tile(f, dir, s, &|f, tile| {
                let state: (_, fn(&Block) -> Value) = match self.rounded {
                    Some(rounded) => (rounded, |at| at.row),
                    None => (self.h, |at| at.before),
                };
                self.gates(f, dir.d, tile, 0..self.kind.gates(), state);
                self.cells(f, dir, tile, cell);
            });
        });
        self.beside_end(f);
        self.finish(f, dir);
    }

    /// The new states of a tile.
    fn cells(&self, f: &mut FuncBuilder, dir: &Direction, tile: &[Block], cell: Cell) {
        for at in tile {
            let h = cell(self, f, dir, at);
            self.put(f, at, h);
        }
    }

    /// What is behind a row's last step is 0, and the last states are outputs.
    fn finish(&self, f: &mut FuncBuilder, dir: &Direction) {
        each(f, "b", self.batch, |f, b| {
            let length = self.length(f, b);
            if let (Some(y), Some(_)) = (self.outputs.first(), &self.lengths) {
                f.for_loop("t", length, self.steps, 1, LoopKind::Serial, |f, t| {
                    let at = self.output_offset(f, dir.d, t, b);
                    each(f, "j", self.hidden, |f, j| {
                        let at = f.add(at, j);
                        let zero = f.scalar(Scalar::from_i64(y.dtype, 0));
                        f.store(y.buf, at, zero, None);
                    });
                });
            }
            let (two, all) = (f.int(2), f.mul(self.batch, self.units));
            let odd = f.binary(BinOp::FloorMod, length, two);
            let row = f.mul(b, self.units);
            let last = mul_add(f, odd, all, row);
            let state = self.state_offset(f, dir.d, b);
            for (k, (buf, row)) in [(self.h, last), (self.c, row)].into_iter().enumerate() {
                let Some(out) = self.outputs.get(1 + k) else { continue };
                self.blocks(f, |f, at| {
                    let (from, to) = (f.add(row, at.unit), f.add(state, at.unit));
                    let v = f.load(buf, from, self.lanes, None);
                    let v = f.cast(v, out.dtype);
                    f.store(out.buf, to, v, at.mask);
                });
            }
        });
    }
}
