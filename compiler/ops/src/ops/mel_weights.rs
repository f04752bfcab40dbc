//! MelWeightMatrix: triangular filters that turn a spectrum into mel bands, [bins of the spectrum, bands].
//!
//! Since 17. The edges of the bands are evenly spaced in mel = 2595 * log10(1 + hz / 700), and stand at the whole bin
//! floor((dft_length + 1) * hz / sample_rate). Band b rises from edge b to edge b + 1 and falls to edge b + 2.
//! Computed in f64.

use super::movement::*;
use crate::prelude::*;
use onnxc_ir::loops::Value;

/// MelWeightMatrix.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "MelWeightMatrix",
    versions: &[(17, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: Some(extents),
};

const D: DType = DType::F64;

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let dtype = dtype_attr(n, "output_datatype")?.unwrap_or(DType::F32);
    Ok(Attrs::default().with("dtype", Attr::DType(dtype)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let bands = scalar_extent(cx, 0, 0, "bands")?;
    let length = scalar_extent(cx, 1, 1, "dft")?;
    for i in 2..5 {
        if any(cx, i)?.count().as_int() != Some(1) {
            return Err(cx.error("E2005", format!("input {i} is no scalar")).expected("one number"));
        }
    }
    let bins = length.floordiv(&Sym::int(2)) + 1;
    cx.set_tensor(0, cx.attrs().dtype("dtype").unwrap_or(DType::F32), vec![bins, bands]);
    Ok(())
}

fn extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    Ok(vec![run_time_extent(cx, 0)?, run_time_extent(cx, 1)?])
}

/// 2595 / ln(10): mel for each unit of a natural logarithm.
const SCALE: f64 = 2595.0 / std::f64::consts::LN_10;

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let read = |cx: &ComputeCx, i: usize| {
        let at = vec![Sym::int(0); cx.shape(i).len()];
        cast(cx.dtype(i), D, load(cx.input(i), &at))
    };
    let [length, rate] = [1, 2].map(|i| read(cx, i));
    let f = |v: f64| number(D, v);
    let mel = |hz: Expr| f(SCALE) * unary(UnOp::Log, f(1.0) + hz / f(700.0));
    let [low, high] = [3, 4].map(|i| mel(read(cx, i)));
    let edges = cx.out_shape(0)[1].clone() + 2;
    let step = (high - low.clone()) / cast(DType::I64, D, int(edges.clone()));
    let edge = cx.k.map("edge", DType::I64, std::slice::from_ref(&edges), |_, i| {
        let at = cast(DType::I64, D, int(i[0].clone())) * step + low;
        let hz = f(700.0) * (unary(UnOp::Exp, at / f(SCALE)) - f(1.0));
        cast(D, DType::I64, unary(UnOp::Floor, (length + f(1.0)) * hz / rate))
    });
    let to = cx.output_type(0).dtype;
    cx.map_output(|_, i| {
        let [left, center, right] = [0, 1, 2].map(|k| load(edge, &[&i[1] + k]));
        let bin = int(i[0].clone());
        let float = |e: Expr| cast(DType::I64, D, e);
        let and = |a, b| binary(BinOp::And, a, b);
        let rise = float(bin.clone() - left.clone()) / float(center.clone() - left.clone());
        let fall = float(right.clone() - bin.clone()) / float(right.clone() - center.clone());
        let rising = and(compare(CmpOp::Le, left, bin.clone()), compare(CmpOp::Lt, bin.clone(), center.clone()));
        let falling = and(compare(CmpOp::Lt, center.clone(), bin.clone()), compare(CmpOp::Lt, bin.clone(), right));
        let top = compare(CmpOp::Eq, bin, center);
        let weight = select(top, f(1.0), select(rising, rise, select(falling, fall, f(0.0))));
        cast(D, to, weight)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("mel_weights");
    }
}
