//! SumTo: input 0 summed over the axes that broadcasting to its shape gave input 1, so that the result has the shape of
//! input 1. Axes of input 1 that aren't known to be 1 are taken to be equal. Narrow floats are summed in f32.

use crate::ops::elementwise::*;
use crate::prelude::*;

/// SumTo.
pub static DEF: OpDef = OpDef {
    domain: "onnxc",
    name: "SumTo",
    versions: &[(1, |_| Ok(Attrs::default()))],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn infer(cx: &mut InferCx) -> Result<()> {
    let (x, like) = (tensor(cx, 0, Class::Number)?, tensor(cx, 1, Class::Number)?);
    if like.rank() > x.rank() {
        return Err(cx.error("E2005", format!("input 1 has rank {}, input 0 {}", like.rank(), x.rank())));
    }
    let skip = x.rank() - like.rank();
    for (axis, d) in like.shape.iter().enumerate().filter(|(_, d)| !d.is_one()) {
        cx.unify(&x.shape[skip + axis], d, &format!("axis {axis} of input 1"))?;
    }
    cx.set_tensor(0, x.dtype, like.shape);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, from, out) = (Operand::new(cx, 0), cx.shape(0), cx.out_shape(0));
    let (d, skip) = (x.wide(), from.len() - out.len());
    let summed: Vec<bool> =
        (0..from.len()).map(|a| a < skip || (out[a - skip].is_one() && !from[a].is_one())).collect();
    let over: Vec<Sym> = from.iter().zip(&summed).filter(|(_, s)| **s).map(|(d, _)| d.clone()).collect();
    let index = move |i: &[Sym], r: &[Sym]| -> Vec<Sym> {
        let mut r = r.iter();
        let own = |a: usize| i[a - skip].clone();
        summed
            .iter()
            .enumerate()
            .map(|(a, s)| s.then(|| r.next().cloned()).flatten().unwrap_or_else(|| own(a)))
            .collect()
    };
    if over.is_empty() {
        map_from(cx, d, |i| x.at_as(d, &index(i, &[])));
        return Ok(());
    }
    let acc = cx.k.reduce("acc", d, &out, ReduceOp::Add, &over, None, |_, i, r| x.at_as(d, &index(i, r)));
    map_from(cx, d, |i| load(acc, i));
    Ok(())
}
