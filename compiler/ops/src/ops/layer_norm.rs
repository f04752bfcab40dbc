//! Normalisation over the last axes: LayerNormalization (17), RMSNormalization (23); over given axes:
//! MeanVarianceNormalization (9, 13), LpNormalization (1, 22).
//!
//! The first two scale (and shift) by tensors that broadcast to x. `stash_type` is the dtype of the outputs Mean and
//! InvStdDev; the arithmetic is f32, or f64 for f64.
//! MeanVarianceNormalization adds 1e-9 to the deviation, as ONNX's definition of it does.
//!
//! Does NOT recognise what exporters write in their place (see `passes/graph/fuse_layer_norm`).

use super::axes::Axes;
use super::elementwise::*;
use super::moments::{mean, moments};
use crate::prelude::*;
use onnxc_onnx::dtype::from_onnx;

/// LayerNormalization.
pub static LAYER_NORM: OpDef = OpDef {
    domain: "",
    name: "LayerNormalization",
    versions: &[(17, import_layer)],
    infer: infer_layer,
    lower: Lower::Compute(lower_layer),
    extents: None,
};

/// RMSNormalization.
pub static RMS_NORM: OpDef = OpDef {
    domain: "",
    name: "RMSNormalization",
    versions: &[(23, import_layer)],
    infer: infer_rms,
    lower: Lower::Compute(lower_rms),
    extents: None,
};

/// MeanVarianceNormalization.
pub static MEAN_VARIANCE_NORM: OpDef = OpDef {
    domain: "",
    name: "MeanVarianceNormalization",
    versions: &[(9, import_mean_variance), (13, import_mean_variance)],
    infer: infer_mean_variance,
    lower: Lower::Compute(lower_mean_variance),
    extents: None,
};

/// LpNormalization: x divided by its norm of order `p` (1 or 2) along an axis; 0 where that is 0.
pub static LP_NORM: OpDef = OpDef {
    domain: "",
    name: "LpNormalization",
    versions: &[(1, import_lp), (22, import_lp)],
    infer: infer_lp,
    lower: Lower::Compute(lower_lp),
    extents: None,
};

fn import_layer(n: &mut NodeReader) -> Result<Attrs> {
    let stash = n.int("stash_type", 1)?;
    let dtype = i32::try_from(stash).ok().and_then(from_onnx).filter(|d| d.is_float() && Scalar::is_machine(*d));
    let dtype = dtype.ok_or_else(|| {
        n.error("E2011", format!("attribute 'stash_type' is {stash}")).expected("1 (float) or 16 (bfloat16)")
    })?;
    Ok(Attrs::default()
        .with("axis", Attr::Int(n.int("axis", -1)?))
        .with("epsilon", Attr::Float(n.float("epsilon", 1e-5)?))
        .with("stash", Attr::DType(dtype)))
}

fn import_mean_variance(n: &mut NodeReader) -> Result<Attrs> {
    let axes = n.opt_ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
    Ok(Attrs::default().with("axes", Attr::Ints(axes)))
}

fn import_lp(n: &mut NodeReader) -> Result<Attrs> {
    let p = n.int("p", 2)?;
    if p != 1 && p != 2 {
        return Err(n.error("E2011", format!("attribute 'p' is {p}")).expected("1 or 2"));
    }
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", -1)?)).with("p", Attr::Int(p)))
}

fn epsilon(cx: &ComputeCx, d: DType) -> Expr {
    number(d, f64::from(cx.attrs().float("epsilon").unwrap_or(1e-5)))
}

/// Requires that input `i` broadcasts to a shape without changing it.
fn must_broadcast_to(cx: &mut InferCx, i: usize, shape: &[Sym]) -> Result<()> {
    let own = tensor(cx, i, Class::Float)?.shape;
    if own.len() > shape.len() {
        return Err(cx.error("E2005", format!("input {i} doesn't broadcast to the shape of input 0")));
    }
    cx.fit_shape(&own, shape, &format!("an extent that input {i} broadcasts to"))
}

fn infer_layer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let axis = cx.axis(cx.attrs().int("axis").unwrap_or(-1), x.rank())?;
    must_broadcast_to(cx, 1, &x.shape)?;
    if cx.opt(2).is_some() {
        must_broadcast_to(cx, 2, &x.shape)?;
    }
    let stash = cx.attrs().dtype("stash").unwrap_or(DType::F32);
    let statistics = Axes::range(x.rank(), axis..x.rank()).result(&x.shape);
    cx.set_tensor(1, stash, statistics.clone());
    cx.set_tensor(2, stash, statistics);
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn infer_rms(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    cx.axis(cx.attrs().int("axis").unwrap_or(-1), x.rank())?;
    must_broadcast_to(cx, 1, &x.shape)?;
    let dtype = cx.dtype(1)?;
    cx.set_tensor(0, dtype, x.shape);
    Ok(())
}

/// From the attribute `axis` to the last; statistics are defined without these axes.
fn last_axes(cx: &ComputeCx) -> Axes {
    let rank = cx.shape(0).len();
    let axis = cx.attrs().int("axis").unwrap_or(-1).rem_euclid(rank as i64) as usize;
    Axes::range(rank, axis..rank).keeping(false)
}

fn bias(cx: &ComputeCx) -> Option<Operand> {
    cx.opt(2).map(|_| Operand::broadcast(cx, 2, None))
}

fn lower_layer(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape, axes) = (Operand::new(cx, 0), cx.shape(0), last_axes(cx));
    let (scale, bias, d, eps) = (Operand::broadcast(cx, 1, None), bias(cx), x.wide(), epsilon(cx, x.wide()));
    let m = moments(cx.k, d, &shape, &axes, |i| x.at(i));
    let kept = axes.result(&shape);
    let inverse = cx.k.map("inverse", d, &kept, |_, i| number(d, 1.0) / unary(UnOp::Sqrt, load(m.variance, i) + eps));
    map_from(cx, d, |i| {
        let at = axes.result_index(i);
        let y = (x.at(i) - load(m.mean, &at)) * load(inverse, &at) * scale.at_as(d, i);
        bias.iter().fold(y, |y, b| y + b.at_as(d, i))
    });
    for (output, name, src) in [(1, "mean_out", m.mean), (2, "inverse_out", inverse)] {
        if output < cx.node().outputs.len() {
            let (to, out) = (cx.output_type(output).dtype, cx.out_shape(output));
            let def = cx.k.map(name, to, &out, |_, i| cast(d, to, load(src, &axes.result_index(i))));
            cx.set_output(output, def);
        }
    }
    Ok(())
}

fn lower_rms(cx: &mut ComputeCx) -> Result<()> {
    let (x, scale) = (Operand::new(cx, 0), Operand::broadcast(cx, 1, None));
    let (shape, axes) = (cx.shape(0), last_axes(cx));
    let (d, eps) = (x.wide(), epsilon(cx, x.wide()));
    let squares = mean(cx.k, "mean_square", d, &shape, &axes, |i| x.at(i) * x.at(i));
    let rms = cx.k.map("rms", d, &axes.result(&shape), |_, i| unary(UnOp::Sqrt, load(squares, i) + eps));
    map_from(cx, d, |i| x.at(i) / load(rms, &axes.result_index(i)) * scale.at_as(d, i));
    Ok(())
}

fn infer_mean_variance(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    for &a in cx.attrs().ints("axes").unwrap_or_default() {
        cx.axis(a, x.rank())?;
    }
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn lower_mean_variance(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape) = (Operand::new(cx, 0), cx.shape(0));
    let axes = Axes::from_list(shape.len(), cx.attrs().ints("axes").unwrap_or_default());
    let axes = axes.expect("infer has checked the axes").keeping(false);
    let d = x.wide();
    let m = moments(cx.k, d, &shape, &axes, |i| x.at(i));
    let deviation =
        cx.k.map("deviation", d, &axes.result(&shape), |_, i| unary(UnOp::Sqrt, load(m.variance, i)) + number(d, 1e-9));
    map_from(cx, d, |i| {
        let at = axes.result_index(i);
        (x.at(i) - load(m.mean, &at)) / load(deviation, &at)
    });
    Ok(())
}

fn infer_lp(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    cx.axis(cx.attrs().int("axis").unwrap_or(-1), x.rank())?;
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn lower_lp(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape) = (Operand::new(cx, 0), cx.shape(0));
    let axes = Axes::from_list(shape.len(), &[cx.attrs().int("axis").unwrap_or(-1)]);
    let axes = axes.expect("infer has checked the axis").keeping(false);
    let (d, root) = (x.wide(), cx.attrs().int("p") != Some(1));
    let power = |v: Expr| if root { v.clone() * v } else { unary(UnOp::Abs, v) };
    let (kept, reduced) = (axes.result(&shape), axes.reduced(&shape));
    let sum = cx.k.reduce("sum", d, &kept, ReduceOp::Add, &reduced, None, |_, i, r| power(x.at(&axes.index(i, r))));
    let norm = cx.k.map("norm", d, &kept, |_, i| if root { unary(UnOp::Sqrt, load(sum, i)) } else { load(sum, i) });
    map_from(cx, d, |i| {
        let n = load(norm, &axes.result_index(i));
        select(compare(CmpOp::Eq, n.clone(), number(d, 0.0)), number(d, 0.0), x.at(i) / n)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("layer_norm");
    }

    #[test]
    fn a_scale_must_broadcast() {
        let x = Tensor::from_slice(&[2, 2], &[1.0f32, 2.0, 3.0, 4.0]);
        let scale = Tensor::from_slice(&[1, 2, 2], &[1.0f32, 2.0, 3.0, 4.0]);
        assert_eq!(Case::new("LayerNormalization", 17).input(x).input(scale).error(), "E2005");
    }
}
