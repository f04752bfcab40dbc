//! AttentionWeights: the softmax of masked scores over the last axis; a row of nothing but masked ones is zeros.

use super::INNER;
use crate::ops::axes::Axes;
use crate::ops::elementwise::*;
use crate::prelude::*;

/// AttentionWeights, which only imports make.
pub static WEIGHTS: OpDef = OpDef {
    domain: INNER,
    name: "AttentionWeights",
    versions: &[(1, |_| Ok(Attrs::default()))],
    infer: |cx| infer_unary(cx, Class::Float, None),
    lower: Lower::Compute(lower),
    extents: None,
};

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
    let e = cx.k.map("e", d, &shape, |_, i| unary(UnOp::Exp, x.at(i) - load(from, &axes.result_index(i))));
    let sum = cx.k.reduce("sum", d, &kept, ReduceOp::Add, &over, None, |_, i, r| load(e, &axes.index(i, r)));
    map_from(cx, d, |i| {
        let total = load(sum, &axes.result_index(i));
        let none = compare(CmpOp::Eq, total.clone(), number(d, 0.0));
        load(e, i) / select(none, number(d, 1.0), total)
    });
    Ok(())
}
