//! IntegerConv and IntegerMatMul: sums of products of 8-bit integers (weights: or 16), requantised.
//!
//! Inputs: data, weights, bias (i32 for each channel, or none), multipliers, shifts (or none).
//! The data's zero point is not subtracted here: the pass has put -zero * sum(weights) into the bias, and padding is the
//! zero point (attribute `pad`), so the sums are of plain products and dot-product instructions fit. Two matrices that
//! are both computed have their zero points as attributes `a_zero`, `b_zero`; `transB` as Gemm has it.

use super::*;
use crate::ops::conv::{self, infer_bias};
use crate::ops::matmul;
use crate::ops::window::import_window;

/// IntegerConv.
pub static CONV: OpDef = OpDef {
    domain: DOMAIN,
    name: "IntegerConv",
    versions: &[(1, import_conv)],
    infer: infer_conv,
    lower: Lower::Compute(lower_conv),
    extents: None,
};

/// IntegerMatMul.
pub static MATMUL: OpDef = OpDef {
    domain: DOMAIN,
    name: "IntegerMatMul",
    versions: &[(1, |n| import_ints(n, &["a_zero", "b_zero", "transB"]))],
    infer: infer_matmul,
    lower: Lower::Compute(lower_matmul),
    extents: None,
};

fn import_conv(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = import_window(n, &["dilations", "kernel_shape"], false)?;
    attrs.0.extend(import_ints(n, &["pad"])?.0);
    Ok(attrs.with("group", Attr::Int(n.int("group", 1)?)))
}

fn infer_conv(cx: &mut InferCx) -> Result<()> {
    let (x, w) = (integers(cx, 0)?.shape, integers(cx, 1)?.shape);
    if x.len() < 3 {
        return Err(cx.error("E2041", format!("input 0 has rank {}", x.len())).expected("at least 3"));
    }
    let out = conv::infer_extents(cx, &x, &w)?;
    if cx.opt(2).is_some() {
        let channels = out[1].clone();
        infer_bias(cx, 2, I32, &channels)?;
    }
    let to = output_dtype(cx);
    cx.set_tensor(0, to, out);
    Ok(())
}

fn lower_conv(cx: &mut ComputeCx) -> Result<()> {
    let (x, w, b, xt, wt) = (cx.input(0), cx.input(1), cx.opt(2), cx.dtype(0), cx.dtype(1));
    let form = conv::Form::new(cx.attrs(), &cx.shape(0), &cx.shape(1));
    let pad = Scalar::from_i64(xt, int_attr(cx.attrs(), "pad"));
    let start = |_: &mut KernelBuilder, i: &[Sym]| match b {
        Some(b) => load(b, &i[1..2]),
        None => i32_const(0),
    };
    let init: &dyn Fn(&mut KernelBuilder, &[Sym]) -> Expr = &start;
    let (out, over) = (cx.out_shape(0), form.over());
    let sum = cx.k.reduce("sum", I32, &out, ReduceOp::Add, &over, b.map(|_| init), |_, i, r| {
        let (from, at) = form.indices(i, r);
        let value = if form.pads() { load_padded(x, &from, pad) } else { load(x, &from) };
        cast(xt, I32, value) * cast(wt, I32, load(w, &at))
    });
    let (r, attrs) = (Requantise::new(cx, 3), cx.attrs());
    cx.map_output(|_, i| r.apply(attrs, load(sum, i), &i[1]));
    Ok(())
}

/// The extents of the right matrix as MatMul has them.
fn right_shape(attrs: &Attrs, shape: Vec<Sym>) -> Vec<Sym> {
    if int_attr(attrs, "transB") == 0 || shape.len() != 2 {
        return shape;
    }
    shape.into_iter().rev().collect()
}

fn infer_matmul(cx: &mut InferCx) -> Result<()> {
    let (a, b) = (integers(cx, 0)?.shape, integers(cx, 1)?.shape);
    let b = right_shape(cx.attrs(), b);
    let out = matmul::infer_extents(cx, &a, &b)?;
    if cx.opt(2).is_some() {
        let channels = out.last().cloned().unwrap_or(Sym::int(1));
        infer_bias(cx, 2, I32, &channels)?;
    }
    let to = output_dtype(cx);
    cx.set_tensor(0, to, out);
    Ok(())
}

fn lower_matmul(cx: &mut ComputeCx) -> Result<()> {
    let (a, b, bias, at, bt) = (cx.input(0), cx.input(1), cx.opt(2), cx.dtype(0), cx.dtype(1));
    let attrs = cx.attrs();
    let swap = int_attr(attrs, "transB") != 0;
    let form = matmul::Form::new(cx, cx.shape(0), right_shape(attrs, cx.shape(1)));
    let shifted = |v: Expr, name: &str| match int_attr(attrs, name) {
        0 => v,
        z => v - i32_const(z),
    };
    let start = |_: &mut KernelBuilder, i: &[Sym]| match (bias, i.last()) {
        (Some(b), Some(column)) => load(b, std::slice::from_ref(column)),
        _ => i32_const(0),
    };
    let init: &dyn Fn(&mut KernelBuilder, &[Sym]) -> Expr = &start;
    let (out, over) = (cx.out_shape(0), [form.over()]);
    let sum = cx.k.reduce("sum", I32, &out, ReduceOp::Add, &over, bias.map(|_| init), |_, i, r| {
        let (ai, mut bi) = form.indices(i, &r[0]);
        if swap {
            bi.reverse();
        }
        let left = shifted(cast(at, I32, load(a, &ai)), "a_zero");
        left * shifted(cast(bt, I32, load(b, &bi)), "b_zero")
    });
    let r = Requantise::new(cx, 3);
    cx.map_output(|_, i| r.apply(attrs, load(sum, i), i.last().unwrap_or(&Sym::int(0))));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("integer");
    }
}
