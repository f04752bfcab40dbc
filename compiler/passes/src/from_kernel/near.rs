//! Lanes that read elements of one vector, several of them the same: a plain load and a shuffle instead of a gather.
//!
//! Convolutions of groups of few channels read so, and depthwise ones that make several channels of each. Nothing outside
//! of the tensor is read: either all that the load spans is needed, or the vector is one of those that the whole tensor
//! consists of.

use super::eval::{Eval, Lane};
use super::{Storage, row_major};
use crate::kernel::lanes::is_near;
use onnxc_base::Sym;
use onnxc_ir::loops::{Buf, Op, Ty, Value};

impl Eval<'_, '_> {
    /// The elements at an offset that differs from lane to lane by less than there are lanes; `None` for any other, or
    /// where not all lanes are on.
    pub(super) fn near(&mut self, storage: &Storage, offset: &Sym) -> Option<Value> {
        let l = self.lane.clone()?;
        // Small types are moved one by one, and converted.
        let small = self.cx.f.func.bufs[storage.buf].dtype.is_small();
        if small || !offset.contains(&l.axis) || offset.split_linear(&l.axis).is_some() || self.vector_mask().is_some()
        {
            return None;
        }
        let offset = self.shifted(offset);
        let at = self.cx.ranges.simplify(&self.lane_zero(&offset));
        let lane = |k: i64| self.cx.ranges.simplify(&(offset.subst(&|v| (*v == l.axis).then(|| Sym::int(k))) - &at));
        let apart: Vec<i64> = (0..i64::from(l.lanes)).map(|k| lane(k).as_int()).collect::<Option<_>>()?;
        let (&last, true) = (apart.iter().max()?, is_near(&apart)) else { return None };
        if last == 0 {
            let at = self.uniform(&at);
            return Some(self.cx.f.load(storage.buf, at, 1, None));
        }
        let enough = u16::try_from(last + 1).ok()?.checked_next_power_of_two()?;
        let sizes = std::iter::successors(Some(enough), |n| n.checked_mul(2)).take_while(|n| *n <= l.lanes);
        let places: Vec<(u16, i64)> = sizes.filter_map(|n| Some((n, self.before(storage, &at, last, n)?))).collect();
        let (vector, before) = match places.first() {
            Some(&(n, before)) => (self.vector(storage.buf, &(&at - before), n, &l), before),
            None if i64::from(enough) == last + 1 => (self.vector(storage.buf, &at, enough, &l), 0),
            None => return None,
        };
        let pick = apart.iter().map(|d| (d + before) as u16).collect();
        let ty = Ty::vector(self.cx.f.ty(vector).elem, l.lanes);
        Some(self.cx.f.op(ty, Op::Shuffle(vector, vector, pick)))
    }

    /// How far into a vector of so many elements an offset is, where the whole tensor consists of such, and all up to so many
    /// elements behind is in the same one.
    fn before(&self, storage: &Storage, at: &Sym, last: i64, lanes: u16) -> Option<i64> {
        let ranges = &self.cx.ranges;
        let rest = |s: &Sym| ranges.simplify(&s.modulo(&Sym::int(i64::from(lanes)))).as_int();
        let as_it_is = storage.base.is_zero() && storage.strides == row_major(&storage.shape);
        let count = storage.shape.iter().fold(Sym::int(1), |n, e| n * e);
        let before = rest(at).filter(|before| before + last < i64::from(lanes))?;
        (as_it_is && rest(&count) == Some(0)).then_some(before)
    }

    /// So many elements from an offset on; a whole vector is loaded once for all that take lanes of it.
    fn vector(&mut self, buf: Buf, at: &Sym, n: u16, l: &Lane) -> Value {
        let key = (buf, at + &Sym::var(l.axis.clone()), false);
        if let Some(&v) = self.memo.loads.get(&key).filter(|_| n == l.lanes) {
            return v;
        }
        let at = self.uniform(at);
        let v = self.cx.f.load(buf, at, n, None);
        if n == l.lanes {
            self.memo.loads.insert(key, v);
        }
        v
    }
}
