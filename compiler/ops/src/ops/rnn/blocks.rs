//! The hidden units of a recurrent layer, vector by vector, in blocks: of which the weights are one after the other.
//!
//! In a step, threads share the blocks if their weights are many; each thread has the same blocks at every step. Does NOT
//! share the rows of a batch.

use super::BLOCK;
use super::layer::{Layer, mul_add};
use crate::prelude::*;
use crate::routine::Cores;
use onnxc_ir::loops::{FuncBuilder, LoopKind, Op, Ty, Value};

/// Bytes of weights that a thread must read in each step: about 4 us at the speed of the second-level cache. A fork and a
/// join are a tenth of that, and the next step reads what the others have written.
const BYTES_PER_THREAD: i64 = 256 << 10;

/// A vector of hidden units: its block and where it is in it, its first unit, and which of them there are (all when absent).
pub(super) struct Units {
    pub(super) number: Value,
    /// The block after it in this step, or itself.
    pub(super) next: Value,
    pub(super) within: i64,
    pub(super) unit: Value,
    pub(super) mask: Option<Value>,
}

/// Threads that are worth it for weights of so many bytes.
pub(super) fn shares(machine: Cores, bytes: i64) -> i64 {
    (bytes / BYTES_PER_THREAD).clamp(1, i64::from(machine.threads.max(1)))
}

impl Layer {
    /// Vectors of hidden units, block by block, with a mask where the last block isn't whole.
    pub(super) fn blocks(&self, f: &mut FuncBuilder, body: impl Fn(&mut FuncBuilder, &Units)) {
        let zero = f.int(0);
        let whole = self.whole_blocks(f);
        f.for_loop("block", zero, whole, 1, LoopKind::Serial, |f, i| self.vectors(f, [i, i], false, &body));
        self.rest(f, whole, &body);
    }

    /// The same for a step: threads share the blocks, each goes through its own, always the same, backwards if `back` is 1.
    pub(super) fn blocks_of_step(&self, f: &mut FuncBuilder, back: Value, body: impl Fn(&mut FuncBuilder, &Units)) {
        let (zero, one, shares) = (f.int(0), f.int(1), f.int(self.shares));
        let whole = self.whole_blocks(f);
        let of_share = |f: &mut FuncBuilder, share: Value| {
            let next = f.add(share, one);
            let [first, end] = [share, next].map(|n| {
                let blocks = f.mul(n, whole);
                f.binary(BinOp::FloorDiv, blocks, shares)
            });
            let count = f.sub(end, first);
            f.for_loop("block", zero, count, 1, LoopKind::Serial, |f, i| {
                let last = f.sub(count, one);
                let next = f.add(i, one);
                let next = f.binary(BinOp::Min, next, last);
                // first + i, or end - 1 - i.
                let numbers = [i, next].map(|i| {
                    let twice = f.add(i, i);
                    let far = f.sub(last, twice);
                    let within = mul_add(f, back, far, i);
                    f.add(first, within)
                });
                self.vectors(f, numbers, false, &body);
            });
        };
        if self.shares > 1 {
            f.for_loop("share", zero, shares, 1, LoopKind::Parallel, of_share);
        } else {
            of_share(f, zero);
        }
        self.rest(f, whole, &body);
    }

    fn whole_blocks(&self, f: &mut FuncBuilder) -> Value {
        let size = f.int(BLOCK);
        f.binary(BinOp::FloorDiv, self.hidden, size)
    }

    /// The block that isn't whole, if there is one.
    fn rest(&self, f: &mut FuncBuilder, whole: Value, body: &impl Fn(&mut FuncBuilder, &Units)) {
        if self.known_hidden.is_some_and(|h| h % BLOCK == 0) {
            return;
        }
        let size = f.int(BLOCK);
        let blocks = f.binary(BinOp::FloorDiv, self.units, size);
        f.for_loop("block", whole, blocks, 1, LoopKind::Serial, |f, i| self.vectors(f, [i, i], true, body));
    }

    /// The vectors of a block, which another one follows.
    fn vectors(
        &self,
        f: &mut FuncBuilder,
        [number, next]: [Value; 2],
        masked: bool,
        body: &impl Fn(&mut FuncBuilder, &Units),
    ) {
        let size = f.int(BLOCK);
        for within in (0..BLOCK).step_by(usize::from(self.lanes)) {
            let (first, ahead) = (f.mul(number, size), f.int(within));
            let unit = f.add(first, ahead);
            let mask = masked.then(|| self.mask(f, unit));
            body(f, &Units { number, next, within, unit, mask });
        }
    }

    /// The hidden units that there are, of a vector from `unit` on.
    fn mask(&self, f: &mut FuncBuilder, unit: Value) -> Value {
        let left = f.sub(self.hidden, unit);
        let left = f.cast(left, DType::I32);
        let lane = f.op(Ty::vector(DType::I32, self.lanes), Op::Iota);
        f.compare(CmpOp::Lt, lane, left)
    }
}
