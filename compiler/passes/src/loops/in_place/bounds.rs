//! The first and the last element that a loop could read, by interval arithmetic over what its addresses depend on.
//!
//! An interval holds every value of every lane at every iteration; what isn't known to have one has none. Conditions and masks
//! are taken to be true and false. Does NOT say which elements of the interval are read.

use super::trace::Step;
use onnxc_base::{DType, EntityRef};
use onnxc_ir::loops::{Func, Op, Value};
use onnxc_ir::scalar::BinOp;

type Interval = (i64, i64);

/// Intervals of the values inside of a loop.
pub(super) struct Bounds<'f> {
    f: &'f Func,
    /// By value, with the number of the question that it belongs to.
    found: Vec<(u64, Interval)>,
    question: u64,
}

impl<'f> Bounds<'f> {
    pub(super) fn new(f: &'f Func) -> Self {
        Bounds { f, found: vec![(0, (0, 0)); f.values.len()], question: 0 }
    }

    /// Of all that a step reads, given the values outside of it, as lanes; none if that isn't known.
    pub(super) fn of(&mut self, s: &Step, outside: &[Vec<i64>]) -> Option<Interval> {
        self.question += 1;
        let mut hull = (i64::MAX, i64::MIN);
        self.step(s, outside, &mut hull)?;
        Some(hull)
    }

    fn step(&mut self, s: &Step, outside: &[Vec<i64>], hull: &mut Interval) -> Option<()> {
        match s {
            Step::Let(v) => {
                let found = self.eval(*v, outside)?;
                self.set(*v, found);
            }
            Step::Access { write: false, offset, lanes, .. } => {
                let (lo, hi) = self.get(*offset, outside)?;
                let further = if self.f.values[*offset].ty.lanes == 1 { i64::from(*lanes) - 1 } else { 0 };
                *hull = (hull.0.min(lo), hull.1.max(hi.checked_add(further)?));
            }
            Step::For { index, lo, hi, body, .. } => {
                let (first, end) = (self.get(*lo, outside)?.0, self.get(*hi, outside)?.1);
                if first < end {
                    self.set(*index, (first, end - 1));
                    self.steps(body, outside, hull)?;
                }
            }
            Step::If { then, els, .. } => {
                self.steps(then, outside, hull)?;
                self.steps(els, outside, hull)?;
            }
            Step::Access { .. } | Step::Set(..) => return None,
        }
        Some(())
    }

    fn steps(&mut self, steps: &[Step], outside: &[Vec<i64>], hull: &mut Interval) -> Option<()> {
        steps.iter().try_for_each(|s| self.step(s, outside, hull))
    }

    fn set(&mut self, v: Value, interval: Interval) {
        self.found[v.index()] = (self.question, interval);
    }

    fn get(&self, v: Value, outside: &[Vec<i64>]) -> Option<Interval> {
        let (question, interval) = self.found[v.index()];
        if question == self.question {
            return Some(interval);
        }
        let lanes = &outside[v.index()];
        lanes.iter().min().copied().zip(lanes.iter().max().copied())
    }

    fn eval(&self, v: Value, outside: &[Vec<i64>]) -> Option<Interval> {
        let def = &self.f.values[v];
        let of = |v: &Value| self.get(*v, outside);
        let hull = |all: &[Option<i64>]| {
            all.iter().try_fold((i64::MAX, i64::MIN), |(lo, hi), n| Some((lo.min((*n)?), hi.max((*n)?))))
        };
        match &def.op {
            Op::Const(s) => Some((s.to_i64(), s.to_i64())),
            Op::Iota => Some((0, i64::from(def.ty.lanes) - 1)),
            Op::Splat(a) | Op::Extract(a, _) => of(a),
            // A condition is either.
            _ if def.ty.elem == DType::Bool => Some((0, 1)),
            Op::Select(_, a, b) => {
                let ((a, b), (c, d)) = (of(a)?, of(b)?);
                Some((a.min(c), b.max(d)))
            }
            Op::Binary(op, a, b) if def.ty.elem == DType::I64 => {
                let ((a, b), (c, d)) = (of(a)?, of(b)?);
                match op {
                    BinOp::Add => hull(&[a.checked_add(c), b.checked_add(d)]),
                    BinOp::Sub => hull(&[a.checked_sub(d), b.checked_sub(c)]),
                    BinOp::Mul => hull(&[a.checked_mul(c), a.checked_mul(d), b.checked_mul(c), b.checked_mul(d)]),
                    BinOp::Min => Some((a.min(c), b.min(d))),
                    BinOp::Max => Some((a.max(c), b.max(d))),
                    BinOp::FloorMod if c > 0 => Some((0, d - 1)),
                    BinOp::FloorDiv if c == d && c > 0 => Some((a.div_euclid(c), b.div_euclid(c))),
                    BinOp::Div if c == d && c > 0 && a >= 0 => Some((a / c, b / c)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
