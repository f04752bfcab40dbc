//! Tiles that change the order of memory: instead of one gather per row of a tile, vectors along the rows are loaded
//! and transposed in registers.
//!
//! Used where lanes step through memory and the rows of the tile are neighbours, as in copies from row-major order to
//! channels last and back.

use super::eval::Eval;
use onnxc_base::Sym;
use onnxc_ir::loops::{Buf, Op, Value};

/// Rows that are transposed within vectors; more of them swap whole groups of so many.
const GROUP: u16 = 4;

impl Eval<'_, '_> {
    /// The elements at an offset that is a gather, if the rows of the tile beside this one lie beside it: then what
    /// those load is computed, too, and remembered. `None` for any other.
    pub(super) fn transposed(&mut self, buf: Buf, offset: &Sym) -> Option<Value> {
        let l = self.lane.clone()?;
        let n = i64::from(l.lanes);
        if l.lanes < GROUP || self.vector_mask().is_some() || offset.split_linear(&l.axis).is_none() {
            return None;
        }
        let beside = |s: &onnxc_base::Symbol| offset.split_linear(s).is_some_and(|(c, _)| c.is_one());
        let (row, at) = self.shift.iter().find(|(s, _)| beside(s)).cloned()?;
        let first = at / n * n;
        let last = self.cx.ranges.upper_bound(&Sym::var(row.clone()), &|s| *s == row)?.as_int()?;
        if first + n - 1 > last {
            return None;
        }
        let place = |row_at: i64, lane: Option<i64>, e: &Self| {
            let s = offset.subst(&|v| match lane {
                _ if *v == row => Some(Sym::int(row_at)),
                Some(k) if *v == l.axis => Some(Sym::int(k)),
                _ => None,
            });
            e.shifted(&s)
        };
        let mut columns = Vec::new();
        for k in 0..n {
            let at = self.uniform(&place(first, Some(k), self));
            columns.push(self.cx.f.load(buf, at, l.lanes, None));
        }
        let rows = self.transpose(columns, l.lanes);
        for (k, &v) in (0..n).zip(&rows) {
            self.memo.loads.insert((buf, place(first + k, None, self), false), v);
        }
        Some(rows[(at - first) as usize])
    }

    /// Vector i of the result holds element i of every vector.
    fn transpose(&mut self, v: Vec<Value>, lanes: u16) -> Vec<Value> {
        let groups = lanes / GROUP;
        // Four vectors at a time, each group of four elements for itself: pairs, then pairs of pairs.
        let mut quads: Vec<Vec<Value>> = Vec::new();
        for q in v.chunks(usize::from(GROUP)) {
            let low = [self.zip(q[0], q[1], lanes, 1, 0), self.zip(q[2], q[3], lanes, 1, 0)];
            let high = [self.zip(q[0], q[1], lanes, 1, 2), self.zip(q[2], q[3], lanes, 1, 2)];
            quads.push(vec![
                self.zip(low[0], low[1], lanes, 2, 0),
                self.zip(low[0], low[1], lanes, 2, 2),
                self.zip(high[0], high[1], lanes, 2, 0),
                self.zip(high[0], high[1], lanes, 2, 2),
            ]);
        }
        // Then the groups: rounds of a perfect shuffle.
        let mut out = vec![v[0]; v.len()];
        for i in 0..usize::from(GROUP) {
            let mut column: Vec<Value> = quads.iter().map(|q| q[i]).collect();
            let mut rounds = groups;
            while rounds > 1 {
                let half = column.len() / 2;
                column = (0..column.len())
                    .map(|k| self.groups(column[k / 2], column[k / 2 + half], lanes, k % 2 == 1))
                    .collect();
                rounds /= 2;
            }
            for (g, v) in column.into_iter().enumerate() {
                out[g * usize::from(GROUP) + i] = v;
            }
        }
        out
    }

    /// In each group, `run` elements of `a` from `from` on and as many of `b`, in turn.
    fn zip(&mut self, a: Value, b: Value, lanes: u16, run: u16, from: u16) -> Value {
        let pick = (0..lanes).map(|k| {
            let (group, within) = (k / GROUP * GROUP, k % GROUP);
            let (turn, part) = (within / run, within % run);
            group + from + turn / 2 * run + part + if turn % 2 == 1 { lanes } else { 0 }
        });
        let (ty, pick) = (self.cx.f.ty(a), pick.collect());
        self.cx.f.op(ty, Op::Shuffle(a, b, pick))
    }

    /// The lower (or upper) half of the groups of `a` and of `b`, in turn.
    fn groups(&mut self, a: Value, b: Value, lanes: u16, upper: bool) -> Value {
        let start = if upper { lanes / GROUP / 2 } else { 0 };
        let pick = (0..lanes).map(|k| {
            let (group, within) = (k / GROUP, k % GROUP);
            (start + group / 2) * GROUP + within + if group % 2 == 1 { lanes } else { 0 }
        });
        let (ty, pick) = (self.cx.f.ty(a), pick.collect());
        self.cx.f.op(ty, Op::Shuffle(a, b, pick))
    }
}
