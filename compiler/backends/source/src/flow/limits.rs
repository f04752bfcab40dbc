//! Values kept within the limits of a number of bits: `min(max(x, -128), 127)`, one instruction on many machines.

use super::{Flow, Known, Language, lanes};
use crate::expr::Expr;
use crate::flow::ops::Deps;
use onnxc_base::{DType, SecondaryMap};
use onnxc_ir::loops::{BinOp, Func, Op, Scalar, Value};

/// The maxima inside, if nothing else reads them.
pub(super) fn inner(f: &Func, uses: &SecondaryMap<Value, u32>) -> SecondaryMap<Value, bool> {
    let mut out = SecondaryMap::new();
    for (v, _) in &f.values {
        if let Some(l) = limits(f, v).filter(|l| uses[l.max] == 1) {
            out[l.max] = true;
        }
    }
    out
}

struct Limits {
    max: Value,
    x: Value,
    low: Value,
    top: Value,
    bits: u32,
    signed: bool,
}

/// The limits that a value is kept within, if they are those of an integer of fewer bits.
fn limits(f: &Func, v: Value) -> Option<Limits> {
    let constant = |v: Value| lanes::constant(f, v).map(Scalar::to_i64);
    if f.values[v].ty.elem != DType::I32 {
        return None;
    }
    let Op::Binary(BinOp::Min, max, top) = f.values[v].op else { return None };
    let Op::Binary(BinOp::Max, x, low) = f.values[max].op else { return None };
    let (a, b) = (constant(low)?, constant(top)?);
    let all = u64::try_from(b.checked_sub(a)?.checked_add(1)?).ok()?;
    let signed = a == -(b + 1);
    let fits = all.is_power_of_two() && (2..=1 << 16).contains(&all) && (signed || a == 0);
    fits.then_some(Limits { max, x, low, top, bits: all.trailing_zeros(), signed })
}

impl<L: Language> Flow<'_, L> {
    /// A value within limits, if it is one whose inner part hasn't been written.
    pub(super) fn within_limits(&mut self, v: Value, known: Known, deps: &mut Deps) -> Option<Expr> {
        let l = limits(self.func, v).filter(|l| self.limited[l.max])?;
        let x = self.operand_as(l.x, DType::I32, deps);
        if let Some(e) = self.lang.saturate(&x, l.bits, l.signed) {
            return Some(e);
        }
        let [low, top] = [l.low, l.top].map(|v| {
            let s = lanes::constant(self.func, v).unwrap_or(Scalar::i64(0));
            self.lang.literal(s, DType::I32)
        });
        if x.lanes > 1 {
            let max = self.lang.binary_lanes(BinOp::Max, x, low)?;
            return self.lang.binary_lanes(BinOp::Min, max, top);
        }
        let max = self.lang.binary(BinOp::Max, x, low, known);
        Some(self.lang.binary(BinOp::Min, max, top, known))
    }
}
