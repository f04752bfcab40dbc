//! The rows of a batch in tiles: rows that use a vector of weights at once.
//!
//! Of a known batch there are as few tiles as registers allow, as even as they can be, so that no row is left to read all
//! weights for itself. Otherwise the rows that whole tiles leave are shared among smaller ones. Where rows have lengths, a
//! tile of which some row has ended goes row by row. Does NOT say how many hidden units a vector has (`layer`).

use super::blocks::Units;
use super::layer::{Block, Direction, Layer, mul_add};
use crate::prelude::*;
use onnxc_ir::loops::{FuncBuilder, LoopKind, Value};

/// Rows of a tile, and how many rows of the batch go in such tiles: all that are left where that isn't known.
type Tiles = (i64, Option<i64>);

/// The tiles of a batch, in order, of at most so many rows. Of an unknown batch with `little` code: whole ones and single
/// rows.
pub(super) fn tiles(batch: Option<i64>, most: i64, little: bool) -> Vec<Tiles> {
    let Some(rows) = batch else {
        let next = |&size: &i64| (size > 1).then(|| if little { 1 } else { (size + 1) / 2 });
        return std::iter::successors(Some(most), next).map(|size| (size, None)).collect();
    };
    let count = ((rows + most - 1) / most).max(1);
    let (size, larger) = (rows / count, rows % count);
    let all = [(size + 1, larger * (size + 1)), (size, (count - larger) * size)];
    all.into_iter().filter(|&(_, rows)| rows > 0).map(|(size, rows)| (size, Some(rows))).collect()
}

/// A step: its number, and whether it is odd.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) number: Value,
    pub(super) odd: Value,
}

/// What is done with the rows of a tile for a vector of units.
type Body<'a> = &'a dyn Fn(&mut FuncBuilder, &[Block]);

impl Layer {
    /// Every vector of units, for tiles of the rows that have a step `s`.
    pub(super) fn each_tile(&self, f: &mut FuncBuilder, dir: &Direction, s: Step, body: Body) {
        self.blocks_of_step(f, s.odd, |f, units| {
            let mut from = f.int(0);
            let mut known = 0;
            for &(size, rows) in &self.tiles {
                let to = match rows {
                    Some(rows) => {
                        known += rows;
                        f.int(known)
                    }
                    None => {
                        let (left, size) = (f.sub(self.batch, from), f.int(size));
                        let tiles = f.binary(BinOp::FloorDiv, left, size);
                        mul_add(f, tiles, size, from)
                    }
                };
                f.for_loop("b", from, to, size, LoopKind::Serial, |f, b| {
                    self.tile(f, dir, s, units, (b, size), body);
                });
                from = to;
            }
        });
    }

    /// A tile of so many rows from `b` on: together if each has the step, otherwise those that have it.
    fn tile(&self, f: &mut FuncBuilder, dir: &Direction, s: Step, units: &Units, (b, rows): (Value, i64), body: Body) {
        let numbers: Vec<Value> = (0..rows)
            .map(|r| {
                let ahead = f.int(r);
                f.add(b, ahead)
            })
            .collect();
        let lengths: Vec<Value> = numbers.iter().map(|&b| self.length(f, b)).collect();
        let run = |f: &mut FuncBuilder| {
            let rows = numbers.iter().zip(&lengths).zip(0..);
            let blocks: Vec<Block> =
                rows.map(|((&b, &length), r)| self.block(f, dir, s, (b, length), units, r)).collect();
            body(f, &blocks);
        };
        if self.lengths.is_none() {
            return run(f);
        }
        let there: Vec<Value> = lengths.iter().map(|&length| f.compare(CmpOp::Lt, s.number, length)).collect();
        let all = there.into_iter().reduce(|a, b| f.binary(BinOp::And, a, b)).expect("a tile has rows");
        f.if_else(all, run, |f| {
            if rows > 1 {
                let size = f.int(rows);
                let to = f.add(b, size);
                f.for_loop("row", b, to, 1, LoopKind::Serial, |f, b| self.tile(f, dir, s, units, (b, 1), body));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Case;

    const STEPS: usize = 3;
    const HIDDEN: usize = 18;

    fn numbers(shape: &[usize], seed: usize) -> Tensor {
        let n: usize = shape.iter().product();
        let v: Vec<f32> = (0..n).map(|i| ((i * 7919 + seed) % 101) as f32 / 200.0 - 0.25).collect();
        Tensor::from_slice(shape, &v)
    }

    /// A layer of so many rows of a batch, of which `x` are the inputs.
    fn layer(x: Tensor, lengths: Option<&[i32]>) -> Case {
        let case = Case::new("LSTM", 22).input(x).constant(numbers(&[1, 4 * HIDDEN, 2], 3));
        let case = case.constant(numbers(&[1, 4 * HIDDEN, HIDDEN], 5)).attr("hidden_size", Attr::Int(HIDDEN as i64));
        match lengths {
            Some(l) => case.absent().input(Tensor::from_slice(&[l.len()], l)).outputs(2),
            None => case.outputs(2),
        }
    }

    #[test]
    fn rows_of_tiles_are_what_each_is_alone() {
        for batch in [2, 4, 5, 7, 8] {
            let x = numbers(&[STEPS, batch, 2], batch);
            let all = x.to_f64().expect("numbers");
            let lengths: Vec<i32> = (0..batch).map(|b| [3, 3, 3, 1, 2, 0, 3, 3][b]).collect();
            for lengths in [None, Some(&lengths[..])] {
                let mut y = vec![0.0; STEPS * batch * HIDDEN];
                let mut h = vec![];
                for b in 0..batch {
                    let of_step = |s: usize| all[(s * batch + b) * 2..][..2].iter().map(|&v| v as f32);
                    let x = Tensor::from_slice(&[STEPS, 1, 2], &(0..STEPS).flat_map(of_step).collect::<Vec<_>>());
                    let got = layer(x, lengths.map(|l| &l[b..=b])).run().expect("a row");
                    let [of_row, last] = [0, 1].map(|i| got[i].to_f64().expect("numbers"));
                    for s in 0..STEPS {
                        let to = (s * batch + b) * HIDDEN;
                        for (y, &v) in y[to..to + HIDDEN].iter_mut().zip(&of_row[s * HIDDEN..]) {
                            *y = v as f32;
                        }
                    }
                    h.extend(last.iter().map(|&v| v as f32));
                }
                let y = Tensor::from_slice(&[STEPS, 1, batch, HIDDEN], &y);
                layer(x.clone(), lengths).expect(&[y, Tensor::from_slice(&[1, batch, HIDDEN], &h)], 1e-6);
            }
        }
    }

    #[test]
    fn known_rows_are_shared_evenly() {
        let sizes = |rows| tiles(Some(rows), 6, false);
        assert_eq!(sizes(0), []);
        assert_eq!(sizes(4), [(4, Some(4))]);
        assert_eq!(sizes(7), [(4, Some(4)), (3, Some(3))]);
        assert_eq!(sizes(16), [(6, Some(6)), (5, Some(10))]);
        assert_eq!(tiles(Some(3), 1, true), [(1, Some(3))]);
    }

    #[test]
    fn what_whole_tiles_leave_goes_in_smaller_ones() {
        let sizes = |most, little| tiles(None, most, little).into_iter().map(|(size, _)| size).collect::<Vec<_>>();
        assert_eq!(sizes(6, false), [6, 3, 2, 1]);
        assert_eq!(sizes(6, true), [6, 1]);
        assert_eq!(sizes(1, false), [1]);
    }
}
