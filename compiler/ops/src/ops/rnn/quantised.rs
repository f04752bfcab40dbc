//! DynamicQuantizeLSTM of com.microsoft: an LSTM whose weights are 8-bit integers, as ONNX Runtime's dynamic quantisation
//! writes it.
//!
//! The input (all of it at once) and the state before each step (all rows of the batch that have the step) are rounded to
//! 8 bits of their own range, as DynamicQuantizeLinear does. Their products with the weights are exact in integers; here
//! they are products of the rounded numbers in floating point, which differ by the rounding of the sums.
//!
//! Inputs: those of LSTM, W and R transposed ([directions, input or hidden, 4 * hidden]); then scale and zero point of W,
//! and of R: one for each direction, or each of its columns.

use super::layer::{Layer, each, load};
use super::{Kind, become_layer};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};
use onnxc_ir::loops::{FuncBuilder, Ty, Value, Var};

/// DynamicQuantizeLSTM.
pub static DYNAMIC_LSTM: OpDef = OpDef::composed("com.microsoft", "DynamicQuantizeLSTM", &[(1, import)]);

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mut inputs = [0, 1, 2, 3, 4, 5, 6, 7].map(|i| n.inputs.get(i).copied().flatten());
    let integers = n.emit(OpName::onnx("DynamicQuantizeLinear"), &[], &[inputs[0]], 3)?;
    inputs[0] =
        Some(n.emit_one("DequantizeLinear", &[], &[Some(integers[0]), Some(integers[1]), Some(integers[2])])?);
    inputs[1] = Some(weights(n, 1, 8)?);
    inputs[2] = Some(weights(n, 2, 10)?);
    become_layer(n, Kind::Lstm, Some("input_forget"), inputs, true)
}

/// The numbers that are behind input `i`, whose scale is input `scale`, as LSTM wants weights.
fn weights(n: &mut NodeReader, i: usize, scale: usize) -> Result<ValueId> {
    let to_float = [("to", Attr::Int(1))];
    let part = |n: &mut NodeReader, i: usize| {
        let input = n.inputs.get(i).copied().flatten();
        let v = input.ok_or_else(|| n.error("E2001", format!("input {i} is missing")).help("the operator needs it"))?;
        // [directions, 1, 1 or columns].
        let shape = n.constant("shape", Tensor::from_slice(&[3], &[0i64, 1, -1]));
        n.emit_one("Reshape", &[], &[Some(v), Some(shape)])
    };
    let (scale, zero) = (part(n, scale)?, part(n, scale + 1)?);
    let integers = n.inputs.get(i).copied().flatten();
    let [w, zero] = [integers, Some(zero)].map(|v| n.emit_one("Cast", &to_float, &[v]));
    let w = n.emit_one("Sub", &[], &[Some(w?), Some(zero?)])?;
    let w = n.emit_one("Mul", &[], &[Some(w), Some(scale)])?;
    n.emit_one("Transpose", &[("perm", Attr::Ints(vec![0, 2, 1]))], &[Some(w)])
}

impl Layer {
    /// Rounds the state before step `s`, of a quantised layer.
    pub(super) fn round_state(&self, f: &mut FuncBuilder, s: Value, odd: Value) {
        let Some(rounded) = self.rounded else { return };
        let all = f.mul(self.batch, self.units);
        let before = f.mul(odd, all);
        let (scale, zero) = self.range(f, s, before);
        let number = |f: &mut FuncBuilder, v: f64| {
            let v = f.scalar(Scalar::from_f64(self.acc, v));
            f.splat(v, self.lanes)
        };
        let [scale, zero] = [scale, zero].map(|v| f.splat(v, self.lanes));
        self.rows(f, s, |f, row, at, _| {
            let (to, from) = (f.add(row, at), f.add(row, before));
            let from = f.add(from, at);
            let h = f.load(self.h, from, self.lanes, None);
            let q = f.binary(BinOp::Div, h, scale);
            let q = f.unary(UnOp::RoundEven, q);
            let q = f.add(q, zero);
            let (low, high) = (number(f, 0.0), number(f, 255.0));
            let q = f.binary(BinOp::Max, q, low);
            let q = f.binary(BinOp::Min, q, high);
            let q = f.sub(q, zero);
            let h = f.mul(q, scale);
            f.store(rounded, to, h, None);
        });
    }

    /// Scale and zero point of the state, whose rows are from `before` on: its range with 0 in 256 steps.
    fn range(&self, f: &mut FuncBuilder, s: Value, before: Value) -> (Value, Value) {
        let ty = Ty::vector(self.acc, self.lanes);
        let bounds = [(BinOp::Min, f.var(ty, &[], "least")), (BinOp::Max, f.var(ty, &[], "most"))];
        let none = f.scalar(Scalar::from_i64(self.acc, 0));
        let zeros = f.splat(none, self.lanes);
        bounds.iter().for_each(|(_, var)| f.set(*var, &[], zeros));
        self.rows(f, s, |f, row, at, mask| {
            let from = f.add(row, before);
            let from = f.add(from, at);
            let h = f.load(self.h, from, self.lanes, None);
            let h = mask.map_or(h, |m| f.select(m, h, zeros));
            for (op, var) in bounds {
                let so_far = f.get(var, &[]);
                let v = f.binary(op, so_far, h);
                f.set(var, &[], v);
            }
        });
        let [low, high] = bounds.map(|(op, var)| self.across(f, op, var));
        let (width, steps) = (f.sub(high, low), f.scalar(Scalar::from_f64(self.acc, 255.0)));
        let scale = f.binary(BinOp::Div, width, steps);
        let (flat, one) = (f.compare(CmpOp::Eq, scale, none), f.scalar(Scalar::from_i64(self.acc, 1)));
        let scale = f.select(flat, one, scale);
        let below = f.sub(none, low);
        let zero = f.binary(BinOp::Div, below, scale);
        let zero = f.binary(BinOp::Min, zero, steps);
        (scale, f.unary(UnOp::RoundEven, zero))
    }

    /// The least or most of a vector's lanes; the buffer for rounded states holds them meanwhile.
    fn across(&self, f: &mut FuncBuilder, op: BinOp, var: Var) -> Value {
        let Some(rounded) = self.rounded else { return f.scalar(Scalar::from_i64(self.acc, 0)) };
        let (all, zero) = (f.get(var, &[]), f.int(0));
        f.store(rounded, zero, all, None);
        let mut best = f.load(rounded, zero, 1, None);
        for lane in 1..i64::from(self.lanes) {
            let at = f.int(lane);
            let v = f.load(rounded, at, 1, None);
            best = f.binary(op, best, v);
        }
        best
    }

    /// The vectors of units of rows that have step `s`: where the row is, the first unit, and which there are.
    fn rows(&self, f: &mut FuncBuilder, s: Value, body: impl Fn(&mut FuncBuilder, Value, Value, Option<Value>)) {
        each(f, "b", self.batch, |f, b| {
            let row = f.mul(b, self.units);
            let run = |f: &mut FuncBuilder| self.blocks(f, |f, at| body(f, row, at.unit, at.mask));
            match &self.lengths {
                Some(lengths) => {
                    let length = load(f, lengths, b, 1, None, DType::I64);
                    let there = f.compare(CmpOp::Lt, s, length);
                    f.if_else(there, run, |_| {});
                }
                None => run(f),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("rnn_quantised");
    }
}
