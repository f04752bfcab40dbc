//! NonMaxSuppression: of boxes that overlap, the one of the highest score, for each batch and class.
//!
//! Inputs: boxes [batch, n, 4], scores [batch, classes, n], and scalars that may be left out: most boxes for each class
//! (0), threshold of overlap (0), threshold of the score (none). Output: rows of batch, class, box; in each class by
//! falling score, equal ones by rising index (as ONNX Runtime has it). Boxes are two opposite corners y, x, y, x in any
//! order, or with `center_point_box` = 1 center and size x, y, width, height.

use super::elementwise::tensor_of;
use super::heap;
use crate::prelude::*;
use crate::routine::TensorBuf;
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Ty, Value, Var};

/// NonMaxSuppression.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "NonMaxSuppression",
    versions: &[(10, import), (11, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let center = n.int("center_point_box", 0)?;
    if !(0..=1).contains(&center) {
        return Err(n.error("E2011", format!("attribute 'center_point_box' is {center}")).expected("0 or 1"));
    }
    Ok(Attrs::default().with("center_point_box", Attr::Int(center)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    (2..=4).for_each(|i| super::lengths::expect_one(cx, i));
    let (boxes, scores) = (tensor_of(cx, 0, DType::F32)?, tensor_of(cx, 1, DType::F32)?);
    if (boxes.rank(), scores.rank()) != (3, 3) {
        return Err(cx
            .error("E2005", format!("boxes and scores have ranks {} and {}", boxes.rank(), scores.rank()))
            .expected("boxes [batch, n, 4] and scores [batch, classes, n]"));
    }
    cx.unify(&boxes.shape[2], &Sym::int(4), "the numbers of a box")?;
    let batch = cx.unify(&boxes.shape[0], &scores.shape[0], "the batch of boxes and scores")?;
    let n = cx.unify(&boxes.shape[1], &scores.shape[2], "the number of boxes and scores")?;
    for (i, dtype) in [(2, DType::I64), (3, DType::F32), (4, DType::F32)] {
        if cx.opt(i).is_some() && tensor_of(cx, i, dtype)?.count().as_int() != Some(1) {
            return Err(cx.error("E2005", format!("input {i} isn't one element")).expected("a scalar"));
        }
    }
    let zero = Sym::int(0);
    let most = match cx.opt(2) {
        Some(_) => cx.content(2).and_then(|c| c.first().map(|m| Sym::max(m, &zero))),
        None => Some(zero),
    };
    let each = most.map_or(n.clone(), |m| Sym::min(&n, &m));
    let hi = batch * &scores.shape[1] * each;
    let rows = cx.fresh_result(0, "selected", 0, Some(hi));
    cx.set_tensor(0, DType::I64, vec![rows, Sym::int(3)]);
    Ok(())
}

/// What the loops share.
struct Suppress {
    boxes: TensorBuf,
    scores: TensorBuf,
    out: Buf,
    /// For each box: least x and y, greatest x and y, area.
    corners: Buf,
    heap: Buf,
    n: Value,
    most: Value,
    overlap: Value,
    threshold: Option<Value>,
    center: bool,
    /// Rows written so far, candidates left, and whether one is suppressed.
    rows: Var,
    waiting: Var,
    hidden: Var,
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (boxes, scores) = (cx.input(0), cx.input(1));
    let extent = boxes.shape[1].clone();
    let corners = cx.scratch("corners", DType::F32, &extent * 5);
    let heap = cx.scratch("candidates", DType::I64, extent.clone());
    let most = scalar(cx, 2).unwrap_or_else(|| cx.f.int(0));
    let overlap = scalar(cx, 3).unwrap_or_else(|| cx.f.scalar(Scalar::f32(0.0)));
    let threshold = scalar(cx, 4);
    let center = cx.attrs().int("center_point_box") == Some(1);
    let out = cx.output(0).buf;
    let f = &mut *cx.f;
    let n = f.sym(&extent);
    let [rows, waiting] = ["rows", "waiting"].map(|name| f.var(Ty::I64, &[], name));
    let hidden = f.var(Ty::BOOL, &[], "hidden");
    let (zero, batches, classes) = (f.int(0), f.sym(&scores.shape[0]), f.sym(&scores.shape[1]));
    f.set(rows, &[], zero);
    let s = Suppress { boxes, scores, out, corners, heap, n, most, overlap, threshold, center, rows, waiting, hidden };
    f.for_loop("batch", zero, batches, 1, LoopKind::Serial, |f, b| {
        s.find_corners(f, b);
        f.for_loop("class", zero, classes, 1, LoopKind::Serial, |f, c| {
            let row = f.mul(b, classes);
            let row = f.add(row, c);
            let row = f.mul(row, s.n);
            s.class(f, b, c, row);
        });
    });
    let rows = f.get(rows, &[]);
    cx.define_result(0, rows);
    Ok(())
}

/// The element of input `i`, if it is there.
fn scalar(cx: &mut RoutineCx, i: usize) -> Option<Value> {
    let t = cx.opt(i)?;
    let zero = cx.f.int(0);
    Some(cx.f.load(t.buf, zero, 1, None))
}

impl Suppress {
    fn find_corners(&self, f: &mut FuncBuilder, batch: Value) {
        let zero = f.int(0);
        f.for_loop("i", zero, self.n, 1, LoopKind::Serial, |f, i| {
            let at = f.mul(batch, self.n);
            let at = f.add(at, i);
            let four = f.int(4);
            let at = f.mul(at, four);
            let [a, b, c, d] = [0, 1, 2, 3].map(|k| {
                let at = plus(f, at, k);
                f.load(self.boxes.buf, at, 1, None)
            });
            let [x0, y0, x1, y1] = if self.center { centered(f, [a, b, c, d]) } else { ordered(f, [a, b, c, d]) };
            let (w, h) = (f.sub(x1, x0), f.sub(y1, y0));
            let area = f.mul(w, h);
            let five = f.int(5);
            let at = f.mul(i, five);
            for (k, v) in [x0, y0, x1, y1, area].into_iter().enumerate() {
                let at = plus(f, at, k as i64);
                f.store(self.corners, at, v, None);
            }
        });
    }

    fn class(&self, f: &mut FuncBuilder, batch: Value, class: Value, row: Value) {
        self.collect(f, row);
        let before = |f: &mut FuncBuilder, a: Value, b: Value| {
            let [x, y] = [a, b].map(|i| {
                let at = f.add(row, i);
                f.load(self.scores.buf, at, 1, None)
            });
            let higher = f.compare(CmpOp::Gt, x, y);
            let equal = f.compare(CmpOp::Eq, x, y);
            let earlier = f.compare(CmpOp::Lt, a, b);
            let tie = f.binary(BinOp::And, equal, earlier);
            f.binary(BinOp::Or, higher, tie)
        };
        let count = f.get(self.waiting, &[]);
        heap::build(f, self.heap, count, &before);
        let start = f.get(self.rows, &[]);
        f.loop_forever(|f| {
            let (zero, one) = (f.int(0), f.int(1));
            let count = f.get(self.waiting, &[]);
            let empty = f.compare(CmpOp::Le, count, zero);
            let rows = f.get(self.rows, &[]);
            let taken = f.sub(rows, start);
            let full = f.compare(CmpOp::Ge, taken, self.most);
            let done = f.binary(BinOp::Or, empty, full);
            heap::stop_if(f, done);
            let top = heap::pop(f, self.heap, count, &before);
            let left = f.sub(count, one);
            f.set(self.waiting, &[], left);
            self.compare_with_taken(f, start, rows, top);
            let hidden = f.get(self.hidden, &[]);
            f.if_else(
                hidden,
                |_| {},
                |f| {
                    let three = f.int(3);
                    let at = f.mul(rows, three);
                    for (k, v) in [batch, class, top].into_iter().enumerate() {
                        let at = plus(f, at, k as i64);
                        f.store(self.out, at, v, None);
                    }
                    let one = f.int(1);
                    let next = f.add(rows, one);
                    f.set(self.rows, &[], next);
                },
            );
        });
    }

    /// Boxes whose score is above the threshold.
    fn collect(&self, f: &mut FuncBuilder, row: Value) {
        let zero = f.int(0);
        f.set(self.waiting, &[], zero);
        f.for_loop("i", zero, self.n, 1, LoopKind::Serial, |f, i| {
            let at = f.add(row, i);
            let score = f.load(self.scores.buf, at, 1, None);
            let above = match self.threshold {
                Some(t) => f.compare(CmpOp::Gt, score, t),
                None => f.scalar(Scalar::bool(true)),
            };
            f.if_else(
                above,
                |f| {
                    let count = f.get(self.waiting, &[]);
                    f.store(self.heap, count, i, None);
                    let one = f.int(1);
                    let next = f.add(count, one);
                    f.set(self.waiting, &[], next);
                },
                |_| {},
            );
        });
    }

    /// Sets `hidden` if a box overlaps one of the class that was taken before.
    fn compare_with_taken(&self, f: &mut FuncBuilder, first: Value, rows: Value, candidate: Value) {
        let no = f.scalar(Scalar::bool(false));
        f.set(self.hidden, &[], no);
        f.for_loop("row", first, rows, 1, LoopKind::Serial, |f, r| {
            let three = f.int(3);
            let at = f.mul(r, three);
            let at = plus(f, at, 2);
            let taken = f.load(self.out, at, 1, None);
            let over = self.overlap(f, taken, candidate);
            f.set(self.hidden, &[], over);
            heap::stop_if(f, over);
        });
    }

    /// Is intersection over union above the threshold? Boxes without area overlap nothing.
    fn overlap(&self, f: &mut FuncBuilder, a: Value, b: Value) -> Value {
        let five = f.int(5);
        let [a, b] = [a, b].map(|i| {
            let at = f.mul(i, five);
            [0, 1, 2, 3, 4].map(|k| {
                let at = plus(f, at, k);
                f.load(self.corners, at, 1, None)
            })
        });
        let (x0, y0) = (f.binary(BinOp::Max, a[0], b[0]), f.binary(BinOp::Max, a[1], b[1]));
        let (x1, y1) = (f.binary(BinOp::Min, a[2], b[2]), f.binary(BinOp::Min, a[3], b[3]));
        let (w, h) = (f.sub(x1, x0), f.sub(y1, y0));
        let area = f.mul(w, h);
        let both = f.add(a[4], b[4]);
        let union = f.sub(both, area);
        let share = f.binary(BinOp::Div, area, union);
        let zero = f.scalar(Scalar::f32(0.0));
        let mut yes = f.compare(CmpOp::Gt, share, self.overlap);
        for v in [w, h, a[4], b[4], union] {
            let positive = f.compare(CmpOp::Gt, v, zero);
            yes = f.binary(BinOp::And, yes, positive);
        }
        yes
    }
}

fn plus(f: &mut FuncBuilder, v: Value, k: i64) -> Value {
    let k = f.int(k);
    f.add(v, k)
}

/// Least x and y, greatest x and y, of two corners y, x, y, x.
fn ordered(f: &mut FuncBuilder, [ya, xa, yb, xb]: [Value; 4]) -> [Value; 4] {
    let (x0, y0) = (f.binary(BinOp::Min, xa, xb), f.binary(BinOp::Min, ya, yb));
    [x0, y0, f.binary(BinOp::Max, xa, xb), f.binary(BinOp::Max, ya, yb)]
}

/// The same of center and size.
fn centered(f: &mut FuncBuilder, [x, y, w, h]: [Value; 4]) -> [Value; 4] {
    let half = f.scalar(Scalar::f32(0.5));
    let (w, h) = (f.mul(w, half), f.mul(h, half));
    [f.sub(x, w), f.sub(y, h), f.add(x, w), f.add(y, h)]
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("nms");
    }
}
