//! Interval arithmetic over whole numbers: between which values an operation's lanes lie, if those of its operands are known.
//!
//! Conditions are taken to be true and false. What isn't known to have an interval has none. Does NOT know loops or
//! memory: who walks a function says what its indices and parameters may be.

use onnxc_base::DType;
use onnxc_ir::loops::{Op, Value, ValueDef};
use onnxc_ir::scalar::BinOp;

/// The least and the greatest value.
pub type Interval = (i64, i64);

/// The interval of a definition; `of` knows those of its operands.
pub fn eval(def: &ValueDef, of: &dyn Fn(Value) -> Option<Interval>) -> Option<Interval> {
    let hull = |all: &[Option<i64>]| {
        all.iter().try_fold((i64::MAX, i64::MIN), |(lo, hi), n| Some((lo.min((*n)?), hi.max((*n)?))))
    };
    match &def.op {
        Op::Const(s) => Some((s.to_i64(), s.to_i64())),
        Op::Iota => Some((0, i64::from(def.ty.lanes) - 1)),
        Op::Splat(a) | Op::Extract(a, _) => of(*a),
        // A condition is either.
        _ if def.ty.elem == DType::Bool => Some((0, 1)),
        Op::Select(_, a, b) => {
            let ((a, b), (c, d)) = (of(*a)?, of(*b)?);
            Some((a.min(c), b.max(d)))
        }
        Op::Binary(op, a, b) if def.ty.elem == DType::I64 => {
            let ((a, b), (c, d)) = (of(*a)?, of(*b)?);
            match op {
                BinOp::Add => hull(&[a.checked_add(c), b.checked_add(d)]),
                BinOp::Sub => hull(&[a.checked_sub(d), b.checked_sub(c)]),
                BinOp::Mul => hull(&[a.checked_mul(c), a.checked_mul(d), b.checked_mul(c), b.checked_mul(d)]),
                BinOp::Min => Some((a.min(c), b.min(d))),
                BinOp::Max => Some((a.max(c), b.max(d))),
                BinOp::FloorMod if c == d && c > 0 && a.div_euclid(c) == b.div_euclid(c) => {
                    Some((a.rem_euclid(c), b.rem_euclid(c)))
                }
                BinOp::FloorMod if c > 0 => Some((0, d - 1)),
                BinOp::FloorDiv if c == d && c > 0 => Some((a.div_euclid(c), b.div_euclid(c))),
                BinOp::Div if c == d && c > 0 && a >= 0 => Some((a / c, b / c)),
                _ => None,
            }
        }
        _ => None,
    }
}
