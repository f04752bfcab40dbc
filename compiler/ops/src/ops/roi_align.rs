//! RoiAlign: regions of images, each resampled to one size by averaging (or taking the greatest of) points in each
//! cell.
//!
//! Since 10: coordinates as they are, and regions of at least one pixel; since 16: `coordinate_transformation_mode`, of
//! which `output_half_pixel` is that and `half_pixel`, the default, moves by half a pixel. Input: images [n, c, h, w],
//! regions [r, 4] as x, y, x, y, and for each the number of its image. `sampling_ratio` 0: as many points as a cell has
//! pixels. `max` takes the greatest of the four weighted neighbours, as ONNX Runtime does. Images without pixels are an
//! error. Narrow floats are computed with as f32.

use super::elementwise::{Class, tensor, tensor_of, wide};
use super::routines::*;
use crate::prelude::*;
use crate::routine::TensorBuf;
use onnxc_ir::loops::{FuncBuilder, Ty, Value};

/// RoiAlign.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "RoiAlign",
    versions: &[(10, import_10), (16, import), (22, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: None,
};

fn import_10(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default().with("half_pixel", Attr::Int(0));
    for (name, default) in [("output_height", 1), ("output_width", 1), ("sampling_ratio", 0)] {
        let v = n.int(name, default)?;
        if !(default..1 << 16).contains(&v) {
            return Err(n.error("E2011", format!("attribute '{name}' is {v}")).expected(format!("{default} or more")));
        }
        attrs.set(name, Attr::Int(v));
    }
    let max = n.choice("mode", &["avg", "max"])? == "max";
    let scale = n.float("spatial_scale", 1.0)?;
    Ok(attrs.with("max", Attr::Int(i64::from(max))).with("spatial_scale", Attr::Float(scale)))
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mode = n.choice("coordinate_transformation_mode", &["half_pixel", "output_half_pixel"])?;
    Ok(import_10(n)?.with("half_pixel", Attr::Int(i64::from(mode == "half_pixel"))))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let (rois, batch) = (tensor_of(cx, 1, x.dtype)?, tensor(cx, 2, Class::Int)?);
    if (x.rank(), rois.rank(), batch.rank()) != (4, 2, 1) {
        let found = format!("images, regions, numbers of rank {}, {}, {}", x.rank(), rois.rank(), batch.rank());
        return Err(cx.error("E2005", found).expected("ranks 4, 2, 1"));
    }
    cx.unify(&rois.shape[1], &Sym::int(4), "the numbers of a region")?;
    let rows = cx.unify(&rois.shape[0], &batch.shape[0], "there is one image for each region")?;
    let [h, w] = ["output_height", "output_width"].map(|n| Sym::int(cx.attrs().int(n).unwrap_or(1)));
    cx.set_tensor(0, x.dtype, vec![rows, x.shape[1].clone(), h, w]);
    Ok(())
}

/// A region along one axis.
#[derive(Clone, Copy)]
struct Span {
    start: Value,
    /// Length of a cell, and how many points it has.
    cell: Value,
    points: Value,
    /// The image's extent.
    extent: Value,
    /// Of `start`, `cell` and the weights.
    dtype: DType,
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (x, rois, batch, y) = (cx.input(0), cx.input(1), cx.input(2), cx.output(0));
    let (attrs, d) = (cx.attrs(), wide(x.dtype));
    let f = &mut *cx.f;
    let (dims, cells) = (extents(f, &x.shape), extents(f, &y.shape));
    let sum = f.var(Ty::scalar(d), &[], "sum");
    let pixels = f.mul(dims[2], dims[3]);
    let zero = f.int(0);
    let empty = f.compare(CmpOp::Le, pixels, zero);
    leave_if(f, empty);
    nest(f, &cells[..1], &mut |f, r| {
        let image = index_at(f, &batch, r[0], dims[0]);
        let [rows, columns] = [(1, dims[2], cells[2]), (0, dims[3], cells[3])]
            .map(|(corner, extent, cells)| span(f, attrs, &rois, r[0], corner, extent, cells));
        let count = f.mul(rows.points, columns.points);
        let one = f.int(1);
        let count = f.binary(BinOp::Max, count, one);
        let count = f.cast(count, d);
        nest(f, &cells[1..], &mut |f, i| {
            let max = attrs.int("max") == Some(1);
            let start = f.scalar(if max { Scalar::least(d) } else { Scalar::from_f64(d, 0.0) });
            f.set(sum, &[], start);
            let plane = f.mul(image, dims[1]);
            let plane = f.add(plane, i[0]);
            nest(f, &[rows.points, columns.points], &mut |f, p| {
                let (v, u) = (neighbours(f, rows, i[1], p[0]), neighbours(f, columns, i[2], p[1]));
                let old = f.get(sum, &[]);
                let mut new = old;
                for (row, wr) in v {
                    for (column, wc) in u {
                        let at = offset(f, &dims[2..], &[row, column]);
                        let start = f.mul(plane, pixels);
                        let at = f.add(start, at);
                        let e = load_wide(f, x.buf, x.dtype, at);
                        let weight = f.mul(wr, wc);
                        let e = f.mul(e, weight);
                        new = f.binary(if max { BinOp::Max } else { BinOp::Add }, new, e);
                    }
                }
                f.set(sum, &[], new);
            });
            let total = f.get(sum, &[]);
            let value = if max {
                let least = f.scalar(Scalar::least(d));
                let none = f.compare(CmpOp::Eq, total, least);
                let zero = f.scalar(Scalar::from_f64(d, 0.0));
                f.select(none, zero, total)
            } else {
                f.binary(BinOp::Div, total, count)
            };
            let at = offset(f, &cells, &[r[0], i[0], i[1], i[2]]);
            let value = f.cast(value, y.dtype);
            f.store(y.buf, at, value, None);
        });
    });
    Ok(())
}

/// Region `row` along the axis whose coordinates are at `corner` and `corner + 2`.
fn span(
    f: &mut FuncBuilder,
    attrs: &Attrs,
    rois: &TensorBuf,
    row: Value,
    corner: i64,
    extent: Value,
    cells: Value,
) -> Span {
    let (half_pixel, d) = (attrs.int("half_pixel") == Some(1), wide(rois.dtype));
    let scale = f.scalar(Scalar::from_f64(d, f64::from(attrs.float("spatial_scale").unwrap_or(1.0))));
    let half = f.scalar(Scalar::from_f64(d, if half_pixel { 0.5 } else { 0.0 }));
    let four = f.int(4);
    let base = f.mul(row, four);
    let [start, end] = [corner, corner + 2].map(|k| {
        let k = f.int(k);
        let at = f.add(base, k);
        let v = load_wide(f, rois.buf, rois.dtype, at);
        let v = f.mul(v, scale);
        f.sub(v, half)
    });
    let mut length = f.sub(end, start);
    if !half_pixel {
        let one = f.scalar(Scalar::from_f64(d, 1.0));
        length = f.binary(BinOp::Max, length, one);
    }
    let cells = f.cast(cells, d);
    let cell = f.binary(BinOp::Div, length, cells);
    let points = match attrs.int("sampling_ratio") {
        Some(n) if n > 0 => f.int(n),
        _ => {
            let n = f.unary(UnOp::Ceil, cell);
            let n = f.cast(n, DType::I64);
            // A region far beyond its image would take forever to average over nothing.
            let most = f.int(1 << 16);
            f.binary(BinOp::Min, n, most)
        }
    };
    Span { start, cell, points, extent, dtype: d }
}

/// The two elements around point `k` of a cell, with weights; 0 where the point is more than one element outside.
fn neighbours(f: &mut FuncBuilder, s: Span, cell: Value, k: Value) -> [(Value, Value); 2] {
    let d = s.dtype;
    let [zero, half, one, minus] = [0.0, 0.5, 1.0, -1.0].map(|v| f.scalar(Scalar::from_f64(d, v)));
    let (cell, k, points) = (f.cast(cell, d), f.cast(k, d), f.cast(s.points, d));
    let from = f.mul(cell, s.cell);
    let from = f.add(s.start, from);
    let k = f.add(k, half);
    let step = f.mul(k, s.cell);
    let step = f.binary(BinOp::Div, step, points);
    let at = f.add(from, step);
    let extent = f.cast(s.extent, d);
    let (low, high) = (f.compare(CmpOp::Ge, at, minus), f.compare(CmpOp::Le, at, extent));
    let near = f.binary(BinOp::And, low, high);
    let at = f.binary(BinOp::Max, at, zero);
    let (first, next, none) = (f.cast(at, DType::I64), f.int(1), f.int(0));
    let last = f.sub(s.extent, next);
    let edge = f.compare(CmpOp::Ge, first, last);
    let first = f.binary(BinOp::Min, first, last);
    let first = f.binary(BinOp::Max, first, none);
    let after = f.add(first, next);
    let second = f.select(edge, first, after);
    let whole = f.cast(first, d);
    let part = f.sub(at, whole);
    let part = f.select(edge, zero, part);
    let rest = f.sub(one, part);
    [(first, rest), (second, part)].map(|(i, w)| (i, f.select(near, w, zero)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("roi_align");
    }
}
