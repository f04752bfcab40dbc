//! AttentionCache: keys (or values) after those of the past, as [batch, heads, sequence, size].

use super::{Heads, INNER, passed_on};
use crate::ops::elementwise::tensor_of;
use crate::prelude::*;

/// AttentionCache, which only imports make.
pub static CACHE: OpDef = OpDef {
    domain: INNER,
    name: "AttentionCache",
    versions: &[(1, |n| Ok(passed_on(n, &["heads"])))],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = Heads::infer(cx, 0, cx.attrs().int("heads"))?;
    let dtype = cx.dtype(0)?;
    let mut shape = vec![x.shape[0].clone(), x.count(), x.sequence(), x.size()];
    if cx.opt(1).is_some() {
        let past = tensor_of(cx, 1, dtype)?.shape;
        if past.len() != 4 {
            return Err(cx.error("E2005", format!("the past has rank {}", past.len())).expected("4"));
        }
        for (axis, what) in [(0, "samples"), (1, "heads"), (3, "sizes of heads")] {
            shape[axis] = cx.unify(&shape[axis].clone(), &past[axis], &format!("{what} of past and present"))?;
        }
        shape[2] = &past[2] + &shape[2];
    }
    cx.set_tensor(0, dtype, shape);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, dtype) = (cx.input(0), cx.dtype(0));
    let of = Heads::of(cx.shape(0), cx.attrs().int("heads"));
    let zero = Scalar::from_i64(dtype, 0);
    let Some(past) = cx.opt(1) else {
        cx.map_output(|_, i| load(x, &of.index(&i[0], &i[1], &i[2], &i[3])));
        return Ok(());
    };
    let before = cx.shape(1)[2].clone();
    cx.map_output(|_, i| {
        let old = compare(CmpOp::Lt, int(i[2].clone()), int(before.clone()));
        let new = load_padded(x, &of.index(&i[0], &i[1], &(&i[2] - &before), &i[3]), zero);
        select(old, load_padded(past, i, zero), new)
    });
    Ok(())
}
