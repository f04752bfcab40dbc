//! What a recurrent layer needs of its tensors before the first time step.
//!
//! RecurrentInput: the input's part of every gate at every time step, as one product: X W + b. RecurrentWeights: the
//! recurrent weights in the order in which a step reads them; of constants that is done at compile time.

use super::{BLOCK, Class, INNER, ranked, same, tensor};
use crate::ops::elementwise::wide;
use crate::prelude::*;
use onnxc_ir::kernel::build::load_padded;

/// RecurrentInput(X, W, B), which only imports make: [.., .., directions, gates * hidden], the first two axes as X has
/// them. Adds both halves of B, but for the recurrent half of the last gate where `linear` is 1.
pub static INPUT: OpDef = OpDef {
    domain: INNER,
    name: "RecurrentInput",
    versions: &[(1, |n| super::passed_on(n, &["directions", "gates", "linear"]))],
    infer: infer_input,
    lower: Lower::Compute(lower_input),
    extents: None,
};

/// RecurrentWeights(R), which only imports make: [directions, blocks, hidden, gates, BLOCK]: for each block of hidden
/// units the weights of one element of the state after those of another. What a last block lacks is 0.
pub static WEIGHTS: OpDef = OpDef {
    domain: INNER,
    name: "RecurrentWeights",
    versions: &[(1, |n| super::passed_on(n, &["gates"]))],
    infer: infer_weights,
    lower: Lower::Compute(lower_weights),
    extents: None,
};

fn gates(attrs: &Attrs) -> i64 {
    attrs.int("gates").unwrap_or(1)
}

fn infer_input(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    if x.rank() != 3 {
        return Err(cx.error("E2041", format!("input 0 has rank {}", x.rank())).expected("3"));
    }
    let w = ranked(cx, 1, x.dtype, 3)?;
    let directions = Sym::int(cx.attrs().int("directions").unwrap_or(1));
    cx.unify(&w[0], &directions, "directions of the input's weights")?;
    cx.unify(&w[2], &x.shape[2], "the extent of the input and of its weights")?;
    if cx.opt(2).is_some() {
        let b = ranked(cx, 2, x.dtype, 2)?;
        same(cx, &b, &[directions.clone(), &w[1] * 2], "the bias")?;
    }
    let shape = vec![x.shape[0].clone(), x.shape[1].clone(), directions, w[1].clone()];
    cx.set_tensor(0, wide(x.dtype), shape);
    Ok(())
}

fn lower_input(cx: &mut ComputeCx) -> Result<()> {
    let (x, w, dtype) = (cx.input(0), cx.input(1), cx.dtype(0));
    let (acc, out, over) = (wide(dtype), cx.out_shape(0), cx.shape(1)[2].clone());
    let name = cx.node().name.clone();
    let product = cx.k.reduce(&name, acc, &out, ReduceOp::Add, &[over], None, |_, i, k| {
        let of_x = load(x, &[i[0].clone(), i[1].clone(), k[0].clone()]);
        let of_w = load(w, &[i[2].clone(), i[3].clone(), k[0].clone()]);
        cast(dtype, acc, of_x) * cast(dtype, acc, of_w)
    });
    let Some(b) = cx.opt(2) else {
        cx.set_output(0, product);
        return Ok(());
    };
    let rows = out[3].clone();
    // The gates whose recurrent bias is added here: all, or all but the last.
    let whole = match cx.attrs().int("linear") {
        Some(1) => rows.floordiv(&Sym::int(gates(cx.attrs()))) * (gates(cx.attrs()) - 1),
        _ => rows.clone(),
    };
    let bias = cx.k.map("bias", acc, &out[2..], |_, i| {
        let at = |row: Sym| cast(dtype, acc, load(b, &[i[0].clone(), row]));
        let both = at(i[1].clone()) + at(&i[1] + &rows);
        if whole == rows {
            both
        } else {
            select(compare(CmpOp::Lt, int(i[1].clone()), int(whole)), both, at(i[1].clone()))
        }
    });
    cx.map_output(|_, i| load(product, i) + load(bias, &i[2..]));
    Ok(())
}

fn infer_weights(cx: &mut InferCx) -> Result<()> {
    let dtype = tensor(cx, 0, Class::Float)?.dtype;
    let r = ranked(cx, 0, dtype, 3)?;
    let gates = gates(cx.attrs());
    cx.unify(&r[1], &(&r[2] * gates), "axis 1 of the recurrent weights")?;
    let blocks = r[2].ceildiv(&Sym::int(BLOCK));
    cx.set_tensor(0, dtype, vec![r[0].clone(), blocks, r[2].clone(), Sym::int(gates), Sym::int(BLOCK)]);
    Ok(())
}

fn lower_weights(cx: &mut ComputeCx) -> Result<()> {
    let (r, dtype, shape) = (cx.input(0), cx.dtype(0), cx.shape(0));
    let hidden = shape[2].clone();
    let by_gate = [shape[0].clone(), Sym::int(gates(cx.attrs())), hidden.clone(), hidden.clone()];
    let by_gate =
        cx.k.map("by_gate", dtype, &by_gate, |_, i| load(r, &[i[0].clone(), &i[1] * &hidden + &i[2], i[3].clone()]));
    cx.map_output(|_, i| {
        let unit = &i[1] * BLOCK + &i[4];
        load_padded(by_gate, &[i[0].clone(), i[3].clone(), unit, i[2].clone()], Scalar::from_i64(dtype, 0))
    });
    Ok(())
}
