//! Every other element of a row as a vector: two plain loads and a shuffle instead of a gather.
//!
//! Pools and convolutions of stride 2 over row-major images read so. Only what the gather would read is read.

use super::eval::Eval;
use onnxc_base::Sym;
use onnxc_ir::loops::{Buf, Op, Value};

impl Eval<'_, '_> {
    /// The elements at an offset that advances by two from lane to lane, plus `extra`; `None` where the offset doesn't,
    /// or not all lanes are on.
    pub(super) fn every_other(&mut self, buf: Buf, offset: &Sym, extra: Option<Value>) -> Option<Value> {
        let l = self.lane.clone()?;
        let (step, _) = offset.split_linear(&l.axis)?;
        if step.as_int() != Some(2) || l.lanes < 4 || self.vector_mask().is_some() {
            return None;
        }
        if extra.is_some_and(|v| self.cx.f.ty(v).lanes > 1) {
            return None;
        }
        let mut at = self.uniform(&self.lane_zero(&self.shifted(offset)));
        if let Some(e) = extra {
            at = self.cx.f.add(at, e);
        }
        // The second load begins one element early, so that it ends with the last lane's.
        let n = i64::from(l.lanes);
        let behind = self.cx.f.int(n - 1);
        let behind = self.cx.f.add(at, behind);
        let (low, high) = (self.cx.f.load(buf, at, l.lanes, None), self.cx.f.load(buf, behind, l.lanes, None));
        let pick = (0..l.lanes).map(|k| if 2 * k < l.lanes { 2 * k } else { 2 * k + 1 }).collect();
        let ty = self.cx.f.ty(low);
        Some(self.cx.f.op(ty, Op::Shuffle(low, high, pick)))
    }
}
