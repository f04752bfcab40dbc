//! AttentionValues: weights * v, with heads where v has them; MergeHeads: the last two of four axes as one, where the
//! attention's inputs have three.

use super::{Heads, INNER, passed_on};
use crate::ops::conv::set_narrowed;
use crate::ops::elementwise::*;
use crate::prelude::*;

/// AttentionValues, which only imports make: [batch, heads, sequence, size], or [batch, sequence, heads, size] if input 2,
/// the attention's q, has three axes. `heads` counts those of v, where it has three axes.
pub static VALUES: OpDef = OpDef {
    domain: INNER,
    name: "AttentionValues",
    versions: &[(1, |n| Ok(passed_on(n, &["heads"])))],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

/// MergeHeads, which only imports make: input 0 with the number of axes that input 1 has.
pub static MERGE: OpDef = OpDef {
    domain: INNER,
    name: "MergeHeads",
    versions: &[(1, |_| Ok(Attrs::default()))],
    infer: infer_merge,
    lower: Lower::Alias,
    extents: None,
};

fn infer(cx: &mut InferCx) -> Result<()> {
    let weights = tensor(cx, 0, Class::Float)?;
    let v = Heads::infer(cx, 1, cx.attrs().int("heads"))?;
    let packed = cx.input_type(2)?.rank() == 3;
    let [batch, heads, queries, keys] = &weights.shape[..] else {
        return Err(cx.error("E2005", format!("the weights have rank {}", weights.rank())).expected("4"));
    };
    let batch = cx.unify(batch, &v.shape[0], "samples of q and v")?;
    cx.unify(keys, &v.sequence(), "lengths of k and v")?;
    if *heads != v.count() {
        cx.unify(&heads.modulo(&v.count()), &Sym::int(0), "heads of q over those of v")?;
    }
    let (heads, queries) = (heads.clone(), queries.clone());
    let shape = if packed { [batch, queries, heads, v.size()] } else { [batch, heads, queries, v.size()] };
    cx.set_tensor(0, weights.dtype, shape.into());
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (weights, v, out) = (Operand::new(cx, 0), cx.input(1), cx.out_shape(0));
    let (of, dtype, shape) = (Heads::of(cx.shape(1), cx.attrs().int("heads")), cx.dtype(1), cx.shape(0));
    let (d, packed) = (weights.wide(), cx.shape(2).len() == 3);
    let name = cx.node().name.clone();
    // Of the two lengths, which are equal, the constant.
    let keys = if shape[3].as_int().is_some() { shape[3].clone() } else { of.sequence() };
    let sum = cx.k.reduce(&name, d, &out, ReduceOp::Add, &[keys], None, |_, i, r| {
        let (head, query) = if packed { (&i[2], &i[1]) } else { (&i[1], &i[2]) };
        let weight = weights.at(&[i[0].clone(), head.clone(), query.clone(), r[0].clone()]);
        let value = load(v, &of.index(&i[0], &of.shared(head, &shape[1]), &r[0], &i[3]));
        weight * cast(dtype, d, value)
    });
    set_narrowed(cx, sum, d);
    Ok(())
}

fn infer_merge(cx: &mut InferCx) -> Result<()> {
    let mut y = tensor(cx, 0, Class::Float)?;
    if cx.input_type(1)?.rank() == 3 {
        let size = y.shape.pop().unwrap_or(Sym::int(1));
        let heads = y.shape.pop().unwrap_or(Sym::int(1));
        y.shape.push(heads * size);
    }
    cx.set_output(0, Type::Tensor(y));
    Ok(())
}
