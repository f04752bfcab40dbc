//! AttentionWeights: the softmax of masked scores over the last axis; a row of nothing but masked ones is zeros.
//!
//! Input 1, if it is there, is a score for each head (axis 1) that takes its part of the sum of weights and belongs to no
//! key: a sink. `smooth` is such a score of 0 for all heads.

use super::INNER;
use crate::ops::axes::Axes;
use crate::ops::elementwise::*;
use crate::prelude::*;

/// AttentionWeights, which only imports make.
pub static WEIGHTS: OpDef = OpDef {
    domain: INNER,
    name: "AttentionWeights",
    versions: &[(1, |n| Ok(super::passed_on(n, &["smooth"])))],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn infer(cx: &mut InferCx) -> Result<()> {
    if cx.opt(1).is_some() {
        let (scores, sinks) = (tensor(cx, 0, Class::Float)?, tensor(cx, 1, Class::Float)?);
        if scores.rank() != 4 || sinks.rank() != 1 {
            let found = format!("scores of rank {}, sinks of rank {}", scores.rank(), sinks.rank());
            return Err(cx.error("E2005", found).expected("4 and 1"));
        }
        cx.unify(&sinks.shape[0], &scores.shape[1], "sinks and heads")?;
    }
    infer_unary(cx, Class::Float, None)
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape) = (Operand::new(cx, 0), cx.shape(0));
    let (d, last) = (x.wide(), shape.len() - 1);
    let axes = Axes::range(shape.len(), last..shape.len()).keeping(false);
    let (kept, over) = (axes.result(&shape), axes.reduced(&shape));
    let max = cx.k.reduce("max", d, &kept, ReduceOp::Max, &over, None, |_, i, r| x.at(&axes.index(i, r)));
    // Without a key to attend to, any finite number keeps the differences -inf, and so their exponentials 0.
    let from = cx.k.map("from", d, &kept, |_, i| {
        let none = compare(CmpOp::Eq, load(max, i), number(d, f64::NEG_INFINITY));
        select(none, number(d, 0.0), load(max, i))
    });
    let e = cx.k.map("e", d, &shape, |_, i| unary(UnOp::Decay, x.at(i) - load(from, &axes.result_index(i))));
    let sum = cx.k.reduce("sum", d, &kept, ReduceOp::Add, &over, None, |_, i, r| load(e, &axes.index(i, r)));
    let (sinks, smooth) = (cx.opt(1).map(|s| (s, cx.dtype(1))), cx.attrs().int("smooth") == Some(1));
    map_from(cx, d, |i| {
        let row = axes.result_index(i);
        // Relative to the row's maximum, as the other weights are; a far larger sink leaves them nothing.
        let of_sink = |sink: Expr| unary(UnOp::Exp, sink - load(from, &row));
        let total = match sinks {
            Some((s, dtype)) => load(sum, &row) + of_sink(cast(dtype, d, load(s, &i[1..2]))),
            None if smooth => load(sum, &row) + of_sink(number(d, 0.0)),
            None => load(sum, &row),
        };
        let none = compare(CmpOp::Eq, total.clone(), number(d, 0.0));
        load(e, i) / select(none, number(d, 1.0), total)
    });
    Ok(())
}
