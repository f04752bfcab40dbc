//! Dropout while training: which elements are kept is drawn, and they are scaled by 1 / (1 - ratio).
//!
//! Inputs: data, ratio (0.5 where it is left out), training mode, both read at run time. Import makes this of a Dropout
//! whose training mode isn't known to be off.

use super::generator::{Generator, position};
use crate::ops::INNER;
use crate::ops::elementwise::*;
use crate::prelude::*;

/// DropoutTraining, which only imports make.
pub static DROPOUT_TRAINING: OpDef = OpDef {
    domain: INNER,
    name: "DropoutTraining",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let key = n.opt_int("key")?.map_or_else(|| super::generator::hash(&n.name), |k| k as u64);
    Ok(Attrs::default().with("key", Attr::Int(key as i64)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    for (i, class) in [(1, Class::Float), (2, Class::Bool)] {
        if cx.opt(i).is_some() && tensor(cx, i, class)?.count().as_int() != Some(1) {
            return Err(cx.error("E2005", format!("input {i} has more than one element")).expected("a scalar"));
        }
    }
    cx.set_tensor(1, DType::Bool, x.shape.clone());
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, g, shape) = (Operand::new(cx, 0), Generator::new(cx.attrs()), cx.shape(0));
    let d = x.wide();
    let scalar = |cx: &ComputeCx, i: usize| cx.opt(i).map(|s| load(s, &vec![Sym::int(0); cx.shape(i).len()]));
    let ratio = scalar(cx, 1).map_or(number(d, 0.5), |r| cast(cx.dtype(1), d, r));
    let training = scalar(cx, 2).unwrap_or(constant(Scalar::bool(false)));
    let rest = unary(UnOp::Not, training.clone());
    let kept = |i: &[Sym]| {
        let drawn = compare(CmpOp::Ge, g.uniform(d, position(&shape, i)), ratio.clone());
        binary(BinOp::Or, rest.clone(), drawn)
    };
    let scale = select(training, number(d, 1.0) / (number(d, 1.0) - ratio.clone()), number(d, 1.0));
    map_from(cx, d, |i| select(kept(i), x.at(i) * scale, number(d, 0.0)));
    if cx.node().outputs.len() > 1 {
        let mask = cx.k.map("mask", DType::Bool, &shape, |_, i| kept(i));
        cx.set_output(1, mask);
    }
    Ok(())
}
