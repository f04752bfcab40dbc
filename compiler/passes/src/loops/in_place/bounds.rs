//! The first and the last element that a loop could read, by interval arithmetic over what its addresses depend on.
//!
//! An interval holds every value of every lane at every iteration; masks are taken to be true. Does NOT say which elements of the interval are read.

use super::trace::Step;
use crate::loops::intervals::{Interval, eval};
use onnxc_base::EntityRef;
use onnxc_ir::loops::{Func, Value};

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
                let found = eval(&self.f.values[*v], &|v| self.get(v, outside))?;
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
}
