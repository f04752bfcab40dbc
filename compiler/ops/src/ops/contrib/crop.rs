//! CropAndResize: boxes of images, each resized to one size, corners on corners.
//!
//! Inputs: images [batch, channels, height, width], boxes [boxes, 4] as y1, x1, y2, x2 between 0 and 1, the image of each
//! box, and the size [2], which must be known to shape arithmetic. What lies outside the image is `extrapolation_value`.
//! Bilinear, or the nearest element (halves away from 0). Narrow floats are computed in f32.

use super::super::elementwise::{Class, map_from, tensor, tensor_of, wide};
use super::super::movement::{OUT_OF_RANGE, in_range, not_negative};
use super::DOMAIN;
use crate::prelude::*;

/// CropAndResize.
pub static DEF: OpDef = OpDef {
    domain: DOMAIN,
    name: "CropAndResize",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let nearest = n.choice("mode", &["bilinear", "nearest"])? == "nearest";
    let outside = n.float("extrapolation_value", 0.0)?;
    Ok(Attrs::default().with("nearest", Attr::Int(i64::from(nearest))).with("outside", Attr::Float(outside)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let (boxes, of) = (tensor_of(cx, 1, x.dtype)?.shape, tensor(cx, 2, Class::Int)?.shape);
    if x.rank() != 4 || boxes.len() != 2 || of.len() != 1 {
        let found = format!("ranks of images, boxes, their images: {}, {}, {}", x.rank(), boxes.len(), of.len());
        return Err(cx.error("E2005", found).expected("4, 2, 1"));
    }
    cx.unify(&boxes[1], &Sym::int(4), "a box has four numbers")?;
    let count = cx.unify(&boxes[0], &of[0], "an image for each box")?;
    let size = cx.content(3).filter(|c| c.len() == 2);
    let size = size.ok_or_else(|| {
        cx.error("E2040", "the size of the crops is computed when the model runs").expected("a constant size")
    })?;
    for d in &size {
        not_negative(cx, d)?;
    }
    cx.set_tensor(0, x.dtype, vec![count, x.shape[1].clone(), size[0].clone(), size[1].clone()]);
    Ok(())
}

/// Where a point of the crop lies along one axis of the image: the elements around it, the share of the second, and
/// whether it is inside.
struct Place {
    first: Expr,
    second: Expr,
    share: Expr,
    inside: Expr,
}

/// From corner `from` to corner `to` of an axis of `extent`, at point `at` of `count`.
fn place(d: DType, from: Expr, to: Expr, extent: &Sym, at: &Sym, count: &Sym) -> Place {
    let real = |s: &Sym| cast(DType::I64, d, int(s.clone()));
    let last = real(&(extent - 1));
    let step = (to.clone() - from.clone()) * last.clone() / real(&Sym::max(&(count - 1), &Sym::int(1)));
    let middle = number(d, 0.5) * (from.clone() + to) * last.clone();
    let several = compare(CmpOp::Gt, int(count.clone()), int(1));
    let y = select(several, from * last.clone() + real(at) * step, middle);
    let low = compare(CmpOp::Ge, y.clone(), number(d, 0.0));
    let inside = binary(BinOp::And, low, compare(CmpOp::Le, y.clone(), last));
    let floor = unary(UnOp::Floor, y.clone());
    let first = cast(d, DType::I64, floor.clone());
    let second = cast(d, DType::I64, unary(UnOp::Ceil, y.clone()));
    Place { first, second, share: y - floor, inside }
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, boxes, of, dtype) = (cx.input(0), cx.input(1), cx.input(2), cx.dtype(0));
    let (shape, out, d, index) = (cx.shape(0), cx.out_shape(0), wide(dtype), cx.dtype(2));
    let nearest = cx.attrs().int("nearest") == Some(1);
    let outside = number(d, f64::from(cx.attrs().float("outside").unwrap_or(0.0)));
    let image = |i: &Sym| cast(index, DType::I64, load(of, std::slice::from_ref(i)));
    cx.k.check(&out[..1], OUT_OF_RANGE, |_, i| in_range(&image(&i[0]), &shape[0]));
    map_from(cx, d, |i| {
        let corner = |k: i64| cast(dtype, d, load(boxes, &[i[0].clone(), Sym::int(k)]));
        let y = place(d, corner(0), corner(2), &shape[2], &i[2], &out[2]);
        let x_place = place(d, corner(1), corner(3), &shape[3], &i[3], &out[3]);
        let read = |row: &Expr, column: &Expr| {
            let at = vec![image(&i[0]), int(i[1].clone()), row.clone(), column.clone()];
            cast(dtype, d, load_at(x, at, Some(Scalar::from_i64(dtype, 0))))
        };
        let value = if nearest {
            let half = |p: &Place| {
                select(compare(CmpOp::Ge, p.share.clone(), number(d, 0.5)), p.second.clone(), p.first.clone())
            };
            read(&half(&y), &half(&x_place))
        } else {
            let along = |row: &Expr| {
                let (a, b) = (read(row, &x_place.first), read(row, &x_place.second));
                a.clone() + (b - a) * x_place.share.clone()
            };
            let (top, bottom) = (along(&y.first), along(&y.second));
            top.clone() + (bottom - top) * y.share.clone()
        };
        select(binary(BinOp::And, y.inside.clone(), x_place.inside.clone()), value, outside)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_crop");
    }
}
