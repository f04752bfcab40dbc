//! Sums of products of 8-bit integers: ConvInteger and MatMulInteger give the i32 sums; QLinearConv and QLinearMatMul
//! scale them to 8 bits again.
//!
//! Since 10; QLinearMatMul also since 21: more dtypes of scales, and 8-bit floats, whose products are summed in f32.
//! From here down: inputs and attributes as the newest version has them.
//!
//! Does NOT choose instructions that sum products of bytes (see `passes/kernel/dot`).

use super::super::conv::{self, infer_bias};
use super::super::lengths::expect_one;
use super::super::matmul;
use super::super::window::import_window;
use super::*;

macro_rules! operators {
    ($($id:ident $name:literal [$($since:literal),*] $import:ident $infer:ident $lower:ident;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: "",
            name: $name,
            versions: &[$(($since, $import)),*],
            infer: $infer,
            lower: Lower::Compute($lower),
            extents: None,
        };
    )* };
}

operators! {
    CONV_INTEGER "ConvInteger" [10] import_conv infer_conv_integer lower_conv_integer;
    MATMUL_INTEGER "MatMulInteger" [10] import_none infer_matmul_integer lower_matmul_integer;
    QLINEAR_CONV "QLinearConv" [10] import_conv infer_qlinear_conv lower_qlinear_conv;
    QLINEAR_MATMUL "QLinearMatMul" [10, 21] import_none infer_qlinear_matmul lower_qlinear_matmul;
}

fn import_none(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

pub(super) fn import_conv(n: &mut NodeReader) -> Result<Attrs> {
    Ok(import_window(n, &["dilations", "kernel_shape"], false)?.with("group", Attr::Int(n.int("group", 1)?)))
}

/// The extents of the output of a convolution of inputs `x` and `w`.
fn infer_conv(cx: &mut InferCx, x: usize, w: usize) -> Result<Vec<Sym>> {
    let (x, w) = (bytes_input(cx, x)?.shape, bytes_input(cx, w)?.shape);
    if x.len() < 3 {
        return Err(cx.error("E2041", format!("input 0 has rank {}", x.len())).expected("at least 3"));
    }
    conv::infer_extents(cx, &x, &w)
}

fn infer_conv_integer(cx: &mut InferCx) -> Result<()> {
    let out = infer_conv(cx, 0, 1)?;
    expect_one(cx, 2);
    let w = cx.shape(1)?;
    check_spread(cx, 3, &w, 0)?;
    cx.set_tensor(0, DType::I32, out);
    Ok(())
}

fn infer_qlinear_conv(cx: &mut InferCx) -> Result<()> {
    let out = infer_conv(cx, 0, 3)?;
    [1, 2, 6, 7].into_iter().for_each(|i| expect_one(cx, i));
    let w = cx.shape(3)?;
    check_spread(cx, 4, &w, 0)?;
    check_spread(cx, 5, &w, 0)?;
    if cx.opt(8).is_some() {
        let channels = out[1].clone();
        infer_bias(cx, 8, DType::I32, &channels)?;
    }
    let to = bytes_input(cx, 7)?.dtype;
    cx.set_tensor(0, to, out);
    Ok(())
}

fn infer_matmul_integer(cx: &mut InferCx) -> Result<()> {
    let (a, b) = (bytes_input(cx, 0)?.shape, bytes_input(cx, 1)?.shape);
    let out = matmul::infer_extents(cx, &a, &b)?;
    check_spread(cx, 2, &a, rows(&a))?;
    check_spread(cx, 3, &b, b.len() - 1)?;
    cx.set_tensor(0, DType::I32, out);
    Ok(())
}

fn infer_qlinear_matmul(cx: &mut InferCx) -> Result<()> {
    let (a, b) = (byte_input(cx, 0)?.shape, byte_input(cx, 3)?.shape);
    let out = matmul::infer_extents(cx, &a, &b)?;
    for i in [1, 2] {
        check_spread(cx, i, &a, rows(&a))?;
        check_spread(cx, i + 3, &b, b.len() - 1)?;
        expect_one(cx, i + 5);
    }
    let to = byte_input(cx, 7)?.dtype;
    cx.set_tensor(0, to, out);
    Ok(())
}

/// The axis of a left operand's rows; beyond its rank if it is one row.
fn rows(a: &[Sym]) -> usize {
    if a.len() > 1 { a.len() - 2 } else { a.len() }
}

/// The sums of a convolution; inputs by number: data, its zero point, weights, theirs, bias.
pub(super) fn conv_sum(cx: &mut ComputeCx, [x, xz, w, wz]: [usize; 4], bias: Option<usize>) -> Src {
    let form = conv::Form::new(cx.attrs(), &cx.shape(x), &cx.shape(w));
    let data = Shifted::new(cx, x, xz, DType::I32, |_, s| vec![Sym::int(0); s.len()]);
    let weights = Shifted::new(cx, w, wz, DType::I32, |i, s| along(&i[0], s));
    let b = bias.and_then(|b| cx.opt(b));
    let start = |_: &mut KernelBuilder, i: &[Sym]| match b {
        Some(b) => load(b, &i[1..2]),
        None => number(DType::I32, 0.0),
    };
    let init: &dyn Fn(&mut KernelBuilder, &[Sym]) -> Expr = &start;
    let (out, over) = (cx.out_shape(0), form.over());
    cx.k.reduce("sum", DType::I32, &out, ReduceOp::Add, &over, b.map(|_| init), |_, i, r| {
        let (from, at) = form.indices(i, r);
        data.at(&from, form.pads()) * weights.at(&at, false)
    })
}

/// The sums of a product of matrices; inputs by number: left, its zero point, right, its.
pub(super) fn matmul_sum(cx: &mut ComputeCx, [a, az, b, bz]: [usize; 4]) -> Src {
    let form = matmul::Form::new(cx, cx.shape(a), cx.shape(b));
    let sum = sum_of([cx.dtype(a), cx.dtype(b)]);
    let left = Shifted::new(cx, a, az, sum, row_index);
    let right = Shifted::new(cx, b, bz, sum, column_index);
    let (out, over) = (cx.out_shape(0), [form.over()]);
    cx.k.reduce("sum", sum, &out, ReduceOp::Add, &over, None, |_, i, r| {
        let (ai, bi) = form.indices(i, &r[0]);
        left.at(&ai, false) * right.at(&bi, false)
    })
}

/// Zero points and scales of the left matrix: one for all, a list for its rows, or of its rank with one column.
fn row_index(i: &[Sym], shape: &[Sym]) -> Vec<Sym> {
    match shape.len() {
        1 => along(&i[i.len().saturating_sub(2)], shape),
        _ => beside(i, shape),
    }
}

/// Those of the right one: one for all, a list for its columns, or of its rank with one row.
fn column_index(i: &[Sym], shape: &[Sym]) -> Vec<Sym> {
    beside(i, shape)
}

/// Broadcasting.
fn beside(i: &[Sym], shape: &[Sym]) -> Vec<Sym> {
    let at = &i[i.len() - shape.len().min(i.len())..];
    shape.iter().zip(at).map(|(d, i)| spread(i, d)).collect()
}

fn lower_conv_integer(cx: &mut ComputeCx) -> Result<()> {
    let sum = conv_sum(cx, [0, 2, 1, 3], None);
    cx.set_output(0, sum);
    Ok(())
}

fn lower_matmul_integer(cx: &mut ComputeCx) -> Result<()> {
    let sum = matmul_sum(cx, [0, 2, 1, 3]);
    cx.set_output(0, sum);
    Ok(())
}

/// Input `i`, a scale, as f32 at the index that `at` makes for its extents.
fn scale(cx: &ComputeCx, i: usize, at: &dyn Fn(&[Sym]) -> Vec<Sym>) -> Expr {
    let (src, dtype, shape) = (cx.input(i), cx.dtype(i), cx.shape(i));
    match single(cx, i, DType::F32).filter(|_| shape.iter().all(Sym::is_one)) {
        Some(e) => e,
        None => cast(dtype, DType::F32, load(src, &at(&shape))),
    }
}

fn lower_qlinear_conv(cx: &mut ComputeCx) -> Result<()> {
    let sum = conv_sum(cx, [0, 2, 3, 5], Some(8));
    let to = cx.output_type(0).dtype;
    let first = |s: &[Sym]| vec![Sym::int(0); s.len()];
    let (xs, ys, zero) = (scale(cx, 1, &first), scale(cx, 6, &first), single(cx, 7, DType::F32));
    // Made beforehand, as the closure below has the builder.
    let (w, wtype, wshape) = (cx.input(4), cx.dtype(4), cx.shape(4));
    let one = single(cx, 4, DType::F32).filter(|_| wshape.iter().all(Sym::is_one));
    cx.map_output(|_, i| {
        let ws = one.clone().unwrap_or_else(|| cast(wtype, DType::F32, load(w, &along(&i[1], &wshape))));
        let v = cast(DType::I32, DType::F32, load(sum, i)) * (xs * ws / ys);
        quantised(v, zero, to)
    });
    Ok(())
}

fn lower_qlinear_matmul(cx: &mut ComputeCx) -> Result<()> {
    let sum = matmul_sum(cx, [0, 2, 3, 5]);
    let summed = sum_of([cx.dtype(0), cx.dtype(3)]);
    let to = cx.output_type(0).dtype;
    let first = |s: &[Sym]| vec![Sym::int(0); s.len()];
    let (ys, zero) = (scale(cx, 6, &first), single(cx, 7, DType::F32));
    let operand = |i: usize| {
        let one = single(cx, i, DType::F32).filter(|_| cx.shape(i).iter().all(Sym::is_one));
        (cx.input(i), cx.dtype(i), one)
    };
    let (a, b, ashape, bshape, rank) = (operand(1), operand(4), cx.shape(1), cx.shape(4), cx.shape(0).len());
    let columns = usize::from(cx.shape(3).len() > 1);
    cx.map_output(|_, i| {
        let at = |(src, dtype, one): &(Src, DType, Option<Expr>), index: Vec<Sym>| match one {
            Some(e) => e.clone(),
            None => cast(*dtype, DType::F32, load(*src, &index)),
        };
        // The row of the left operand is the output's last axis but one, or the last where the right one is a column.
        let with_column = [i, &vec![Sym::int(0); 1 - columns][..]].concat();
        let rows = if rank > 1 { row_index(&with_column, &ashape) } else { beside(i, &ashape) };
        let v = cast(summed, DType::F32, load(sum, i)) * (at(&a, rows) * at(&b, column_index(i, &bshape)) / ys);
        quantised(v, zero, to)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("quant_contract");
    }
}
