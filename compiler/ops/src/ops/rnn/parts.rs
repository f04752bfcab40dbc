//! What a recurrent layer needs of its tensors before the first time step.
//!
//! RecurrentInput: the input's part of every gate at every time step, as one product: X W + b. RecurrentBias: that b.
//! RecurrentWeights: the recurrent weights in the order in which a step reads them. Of constants both are done at compile
//! time.

use super::beside::TILE;
use super::{BLOCK, Class, INNER, ranked, same, tensor};
use crate::ops::elementwise::wide;
use crate::prelude::*;
use onnxc_ir::kernel::build::load_padded;

/// RecurrentInput(X, W, b), which only imports make: [.., .., directions, gates * hidden], the first two axes as X has
/// them. W and b, which is RecurrentBias(B), have the directions behind each other on their first axis, so that this is one
/// product of matrices.
pub static INPUT: OpDef = OpDef {
    domain: INNER,
    name: "RecurrentInput",
    versions: &[(1, |n| super::passed_on(n, &["directions"]))],
    infer: infer_input,
    lower: Lower::Compute(lower_input),
    extents: None,
};

/// RecurrentBias(B), which only imports make: both halves of B summed, but for the recurrent half of the last gate where
/// `linear` is 1: [directions * gates * hidden].
pub static BIAS: OpDef = OpDef {
    domain: INNER,
    name: "RecurrentBias",
    versions: &[(1, |n| super::passed_on(n, &["gates", "linear"]))],
    infer: infer_bias,
    lower: Lower::Compute(lower_bias),
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

/// RecurrentColumns(W), which only passes make: [tiles, hidden, TILE]: the weights of a product of a layer's Y, which are
/// [hidden, columns], or [columns, hidden] if `transposed` is 1. What a last tile lacks is 0.
pub static COLUMNS: OpDef = OpDef {
    domain: INNER,
    name: "RecurrentColumns",
    versions: &[(1, |n| super::passed_on(n, &["transposed"]))],
    infer: infer_columns,
    lower: Lower::Compute(lower_columns),
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
    let w = ranked(cx, 1, x.dtype, 2)?;
    cx.unify(&w[1], &x.shape[2], "the extent of the input and of its weights")?;
    if cx.opt(2).is_some() {
        let b = ranked(cx, 2, wide(x.dtype), 1)?;
        same(cx, &b, &w[..1], "the bias")?;
    }
    let directions = Sym::int(cx.attrs().int("directions").unwrap_or(1));
    let rows = w[0].floordiv(&directions);
    cx.unify(&w[0], &(&rows * &directions), "rows of the input's weights and all directions'")?;
    let shape = vec![x.shape[0].clone(), x.shape[1].clone(), directions, rows];
    cx.set_tensor(0, wide(x.dtype), shape);
    Ok(())
}

fn infer_bias(cx: &mut InferCx) -> Result<()> {
    let dtype = tensor(cx, 0, Class::Float)?.dtype;
    let b = ranked(cx, 0, dtype, 2)?;
    let half = b[1].floordiv(&Sym::int(2));
    cx.unify(&b[1], &(&half * 2), "both halves of the bias")?;
    cx.set_tensor(0, wide(dtype), vec![&b[0] * &half]);
    Ok(())
}

fn lower_input(cx: &mut ComputeCx) -> Result<()> {
    let (x, w, dtype) = (cx.input(0), cx.input(1), cx.dtype(0));
    let (acc, out, over) = (wide(dtype), cx.out_shape(0), cx.shape(1)[1].clone());
    let (name, rows) = (cx.node().name.clone(), out[3].clone());
    let row = move |i: &[Sym]| &i[2] * &rows + &i[3];
    let product = cx.k.reduce(&name, acc, &out, ReduceOp::Add, &[over], None, |_, i, k| {
        let of_x = load(x, &[i[0].clone(), i[1].clone(), k[0].clone()]);
        let of_w = load(w, &[row(i), k[0].clone()]);
        cast(dtype, acc, of_x) * cast(dtype, acc, of_w)
    });
    match cx.opt(2) {
        Some(b) => cx.map_output(|_, i| load(product, i) + load(b, &[row(i)])),
        None => cx.set_output(0, product),
    }
    Ok(())
}

fn lower_bias(cx: &mut ComputeCx) -> Result<()> {
    let (b, dtype, rows) = (cx.input(0), cx.dtype(0), cx.shape(0)[1].floordiv(&Sym::int(2)));
    let acc = wide(dtype);
    // The gates whose recurrent bias is added here: all, or all but the last.
    let whole = match cx.attrs().int("linear") {
        Some(1) => rows.floordiv(&Sym::int(gates(cx.attrs()))) * (gates(cx.attrs()) - 1),
        _ => rows.clone(),
    };
    cx.map_output(|_, i| {
        let (direction, own) = (i[0].floordiv(&rows), i[0].modulo(&rows));
        let at = |row: Sym| cast(dtype, acc, load(b, &[direction.clone(), row]));
        let both = at(own.clone()) + at(&own + &rows);
        if whole == rows {
            both
        } else {
            select(compare(CmpOp::Lt, int(own.clone()), int(whole.clone())), both, at(own))
        }
    });
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

fn infer_columns(cx: &mut InferCx) -> Result<()> {
    let mut w = ranked(cx, 0, DType::F32, 2)?;
    if cx.attrs().int("transposed") == Some(1) {
        w.reverse();
    }
    let tiles = w[1].ceildiv(&Sym::int(TILE));
    cx.set_tensor(0, DType::F32, vec![tiles, w[0].clone(), Sym::int(TILE)]);
    Ok(())
}

fn lower_columns(cx: &mut ComputeCx) -> Result<()> {
    let (w, transposed) = (cx.input(0), cx.attrs().int("transposed") == Some(1));
    cx.map_output(|_, i| {
        let column = &i[0] * TILE + &i[2];
        let mut at = [i[1].clone(), column];
        if transposed {
            at.reverse();
        }
        load_padded(w, &at, Scalar::from_i64(DType::F32, 0))
    });
    Ok(())
}
