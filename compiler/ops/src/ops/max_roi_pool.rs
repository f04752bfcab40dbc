//! MaxRoiPool: regions of images, each divided into cells, and the greatest element of each cell.
//!
//! Since 1, 22. Input: images [n, c, h, w], regions [r, 5] as number of the image, x, y, x, y. Corners are scaled, then
//! rounded (halves away from 0); a region has one pixel at least, and a cell all pixels that it touches, clipped to the
//! image; 0 if there are none. As in Fast R-CNN <https://arxiv.org/abs/1504.08083>.

use super::elementwise::*;
use super::routines::*;
use crate::prelude::*;
use crate::routine::TensorBuf;
use onnxc_ir::loops::{FuncBuilder, LoopKind, Ty, Value};

/// MaxRoiPool.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "MaxRoiPool",
    versions: &[(1, import), (22, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let shape = n.need_ints("pooled_shape")?;
    if shape.len() != 2 || shape.iter().any(|d| *d < 1) {
        return Err(n
            .error("E2011", format!("attribute 'pooled_shape' is {shape:?}"))
            .expected("two extents from 1 on"));
    }
    Ok(import_floats(n, &[("spatial_scale", 1.0)])?.with("pooled_shape", Attr::Ints(shape)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let rois = tensor_of(cx, 1, x.dtype)?.shape;
    if (x.rank(), rois.len()) != (4, 2) {
        let found = format!("images of rank {}, regions of rank {}", x.rank(), rois.len());
        return Err(cx.error("E2005", found).expected("ranks 4 and 2"));
    }
    cx.unify(&rois[1], &Sym::int(5), "the numbers of a region")?;
    let cells: Vec<Sym> = cx.attrs().ints("pooled_shape").unwrap_or_default().iter().map(|&d| Sym::int(d)).collect();
    let shape = [&rois[..1], &x.shape[1..2], &cells].concat();
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

/// A region along one axis: where it begins, its cells' length, the image's extent.
#[derive(Clone, Copy)]
struct Span {
    start: Value,
    cell: Value,
    extent: Value,
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (x, rois, y) = (cx.input(0), cx.input(1), cx.output(0));
    let scale = cx.attrs().float("spatial_scale").unwrap_or(1.0);
    let f = &mut *cx.f;
    let d = wide(x.dtype);
    let (dims, cells) = (extents(f, &x.shape), extents(f, &y.shape));
    let best = f.var(Ty::scalar(d), &[], "best");
    let (least, zero) = (f.scalar(Scalar::least(d)), f.scalar(Scalar::from_i64(d, 0)));
    nest(f, &cells[..1], &mut |f, r| {
        let image = number_of(f, &rois, r[0], dims[0]);
        let rows = span(f, &rois, r[0], scale, 2, dims[2], cells[2]);
        let columns = span(f, &rois, r[0], scale, 1, dims[3], cells[3]);
        nest(f, &cells[1..], &mut |f, i| {
            f.set(best, &[], least);
            let plane = f.mul(image, dims[1]);
            let plane = f.add(plane, i[0]);
            let ((top, bottom), (left, right)) = (pixels(f, rows, i[1]), pixels(f, columns, i[2]));
            f.for_loop("row", top, bottom, 1, LoopKind::Serial, |f, row| {
                let start = f.mul(plane, dims[2]);
                let start = f.add(start, row);
                let start = f.mul(start, dims[3]);
                f.for_loop("column", left, right, 1, LoopKind::Serial, |f, column| {
                    let at = f.add(start, column);
                    let v = load_wide(f, x.buf, x.dtype, at);
                    let old = f.get(best, &[]);
                    let new = f.binary(BinOp::Max, old, v);
                    f.set(best, &[], new);
                });
            });
            let (tall, long) = (f.compare(CmpOp::Lt, top, bottom), f.compare(CmpOp::Lt, left, right));
            let any = f.binary(BinOp::And, tall, long);
            let v = f.get(best, &[]);
            let v = f.select(any, v, zero);
            let v = f.cast(v, y.dtype);
            let at = offset(f, &cells, &[r[0], i[0], i[1], i[2]]);
            f.store(y.buf, at, v, None);
        });
    });
    Ok(())
}

/// Number `k` of a region, as f32 or f64.
fn part(f: &mut FuncBuilder, rois: &TensorBuf, region: Value, k: i64) -> Value {
    let (five, k) = (f.int(5), f.int(k));
    let at = f.mul(region, five);
    let at = f.add(at, k);
    load_wide(f, rois.buf, rois.dtype, at)
}

/// The image that a region is of; one that isn't there ends the module with a status.
fn number_of(f: &mut FuncBuilder, rois: &TensorBuf, region: Value, images: Value) -> Value {
    let v = part(f, rois, region, 0);
    let image = f.cast(v, DType::I64);
    let zero = f.int(0);
    let (low, high) = (f.compare(CmpOp::Lt, image, zero), f.compare(CmpOp::Ge, image, images));
    let bad = f.binary(BinOp::Or, low, high);
    leave_if(f, bad);
    image
}

/// A region along the axis whose coordinates are its numbers `corner` and `corner + 2`.
fn span(
    f: &mut FuncBuilder,
    rois: &TensorBuf,
    region: Value,
    scale: f32,
    corner: i64,
    extent: Value,
    cells: Value,
) -> Span {
    let d = wide(rois.dtype);
    let (scale, half) = (f.scalar(Scalar::from_f64(d, f64::from(scale))), f.scalar(Scalar::from_f64(d, 0.5)));
    let [start, end] = [corner, corner + 2].map(|k| {
        let v = part(f, rois, region, k);
        let v = f.mul(v, scale);
        let (up, down) = (f.add(v, half), f.sub(v, half));
        let (up, down) = (f.unary(UnOp::Floor, up), f.unary(UnOp::Ceil, down));
        let zero = f.scalar(Scalar::from_f64(d, 0.0));
        let negative = f.compare(CmpOp::Lt, v, zero);
        let rounded = f.select(negative, down, up);
        // Far outside of any image, where sums can't overflow.
        let (least, most) = (f.int(-(1 << 40)), f.int(1 << 40));
        let v = f.cast(rounded, DType::I64);
        let v = f.binary(BinOp::Max, v, least);
        f.binary(BinOp::Min, v, most)
    });
    let one = f.int(1);
    let length = f.sub(end, start);
    let length = f.add(length, one);
    let length = f.binary(BinOp::Max, length, one);
    let (length, cells) = (f.cast(length, d), f.cast(cells, d));
    let cell = f.binary(BinOp::Div, length, cells);
    Span { start, cell, extent }
}

/// First pixel of cell `i`, and the one after its last.
fn pixels(f: &mut FuncBuilder, s: Span, i: Value) -> (Value, Value) {
    let d = f.ty(s.cell).elem;
    let (one, zero) = (f.int(1), f.int(0));
    let next = f.add(i, one);
    let [first, end] = [(i, UnOp::Floor), (next, UnOp::Ceil)].map(|(k, round)| {
        let k = f.cast(k, d);
        let v = f.mul(k, s.cell);
        let v = f.unary(round, v);
        let v = f.cast(v, DType::I64);
        let v = f.add(v, s.start);
        let v = f.binary(BinOp::Max, v, zero);
        f.binary(BinOp::Min, v, s.extent)
    });
    (first, end)
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("max_roi_pool");
    }
}
