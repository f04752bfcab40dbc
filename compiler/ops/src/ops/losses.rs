//! Losses of classifiers: NegativeLogLikelihoodLoss of log-probabilities, SoftmaxCrossEntropyLoss of scores.
//!
//! NegativeLogLikelihoodLoss since 12, 13, 22; SoftmaxCrossEntropyLoss since 12, 13. Input [n, classes, d..], labels
//! [n, d..], weights [classes]. The loss of a label is -weight * input at its class; 0 for a label of `ignore_index`,
//! which may be outside of the classes; any other label outside of them is an error. `mean` divides by the sum of the
//! weights of what isn't ignored. Narrow floats are computed in f32.

use super::elementwise::*;
use super::movement::OUT_OF_RANGE;
use crate::prelude::*;

/// NegativeLogLikelihoodLoss.
pub static NEGATIVE_LOG_LIKELIHOOD: OpDef = OpDef {
    domain: "",
    name: "NegativeLogLikelihoodLoss",
    versions: &[(12, import), (13, import), (22, import)],
    infer,
    lower: Lower::Compute(lower_likelihood),
    extents: None,
};

/// SoftmaxCrossEntropyLoss; its second output is the logarithm of the probabilities.
pub static SOFTMAX_CROSS_ENTROPY: OpDef = OpDef {
    domain: "",
    name: "SoftmaxCrossEntropyLoss",
    versions: &[(12, import), (13, import)],
    infer,
    lower: Lower::Compute(lower_cross_entropy),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = Attrs::default().with("reduction", Attr::Str(n.choice("reduction", &["mean", "none", "sum"])?));
    Ok(match n.opt_int("ignore_index")? {
        Some(i) => attrs.with("ignore_index", Attr::Int(i)),
        None => attrs,
    })
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (x, labels) = (tensor(cx, 0, Class::Float)?, tensor(cx, 1, Class::Int)?.shape);
    if x.rank() < 2 || labels.len() + 1 != x.rank() {
        let found = format!("input 0 of rank {}, labels of rank {}", x.rank(), labels.len());
        return Err(cx.error("E2005", found).expected("an axis of classes after the first of the labels"));
    }
    let of_labels = [&x.shape[..1], &x.shape[2..]].concat();
    let mut shape = vec![];
    for (axis, (a, b)) in labels.iter().zip(&of_labels).enumerate() {
        shape.push(cx.unify(a, b, &format!("axis {axis} of the labels"))?);
    }
    if cx.opt(2).is_some() {
        let w = tensor_of(cx, 2, x.dtype)?.shape;
        if w.len() != 1 {
            return Err(cx.error("E2005", format!("the weights have rank {}", w.len())).expected("1"));
        }
        cx.unify(&w[0], &x.shape[1], "classes and weights")?;
    }
    let none = cx.attrs().str("reduction") == Some("none");
    cx.set_tensor(0, x.dtype, if none { shape } else { vec![] });
    cx.set_output(1, Type::Tensor(x));
    Ok(())
}

fn lower_likelihood(cx: &mut ComputeCx) -> Result<()> {
    let (x, dtype) = (cx.input(0), cx.dtype(0));
    let d = wide(dtype);
    loss(cx, |index| cast(dtype, d, load_at(x, index, Some(Scalar::from_i64(dtype, 0)))));
    Ok(())
}

fn lower_cross_entropy(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape) = (Operand::new(cx, 0), cx.shape(0));
    let d = x.wide();
    let (kept, classes) = ([&shape[..1], &shape[2..]].concat(), &shape[1..2]);
    let element = |i: &[Sym], c: &Sym| x.at(&[&i[..1], std::slice::from_ref(c), &i[1..]].concat());
    let max = cx.k.reduce("max", d, &kept, ReduceOp::Max, classes, None, |_, i, r| element(i, &r[0]));
    let sum = cx.k.reduce("sum", d, &kept, ReduceOp::Add, classes, None, |_, i, r| {
        unary(UnOp::Exp, element(i, &r[0]) - load(max, i))
    });
    let log_sum = cx.k.map("log_sum", d, &kept, |_, i| unary(UnOp::Log, load(sum, i)));
    let log = cx.k.map("log", d, &shape, |_, i| {
        let at = [&i[..1], &i[2..]].concat();
        x.at(i) - load(max, &at) - load(log_sum, &at)
    });
    loss(cx, |index| load_at(log, index, Some(Scalar::from_i64(d, 0))));
    if cx.node().outputs.len() > 1 {
        let to = cx.output_type(1).dtype;
        let out = cx.k.map("log_prob", to, &shape, |_, i| cast(d, to, load(log, i)));
        cx.set_output(1, out);
    }
    Ok(())
}

/// Output 0 from the log-probabilities, of which `at` gives the one at an index in range.
fn loss(cx: &mut ComputeCx, at: impl Fn(Vec<Expr>) -> Expr) {
    let (labels, of_labels, classes) = (cx.input(1), cx.dtype(1), cx.shape(0)[1].clone());
    let (d, shape) = (wide(cx.dtype(0)), cx.shape(1));
    let (ignored, weights) = (cx.attrs().int("ignore_index"), Operand::opt(cx, 2));
    let weights = weights.map(|_| (cx.input(2), cx.dtype(2)));
    let label = |i: &[Sym]| cast(of_labels, DType::I64, load(labels, i));
    let counts = |i: &[Sym]| ignored.map(|k| compare(CmpOp::Ne, label(i), int(k)));
    cx.k.check(&shape, OUT_OF_RANGE, |_, i| {
        let low = compare(CmpOp::Ge, label(i), int(0));
        let inside = binary(BinOp::And, low, compare(CmpOp::Lt, label(i), int(classes.clone())));
        match ignored {
            Some(k) => binary(BinOp::Or, inside, compare(CmpOp::Eq, label(i), int(k))),
            None => inside,
        }
    });
    let guarded = |i: &[Sym], e: Expr| match counts(i) {
        Some(c) => select(c, e, number(d, 0.0)),
        None => e,
    };
    let weight = |i: &[Sym]| {
        let w = match weights {
            Some((w, dtype)) => cast(dtype, d, load_at(w, vec![label(i)], Some(Scalar::from_i64(dtype, 0)))),
            None => number(d, 1.0),
        };
        guarded(i, w)
    };
    let each = |i: &[Sym]| {
        let mut index: Vec<Expr> = i.iter().cloned().map(int).collect();
        index.insert(1, label(i));
        let own = -at(index);
        guarded(i, if weights.is_some() { own * weight(i) } else { own })
    };
    let reduction = cx.attrs().str("reduction").unwrap_or("mean").to_string();
    if reduction == "none" {
        return map_from(cx, d, each);
    }
    let total = cx.k.reduce("total", d, &[], ReduceOp::Add, &shape, None, |_, _, r| each(r));
    let over = (reduction == "mean").then(|| match (weights, ignored) {
        (None, None) => cast(DType::I64, d, int(shape.iter().product::<Sym>())),
        _ => load(cx.k.reduce("weight", d, &[], ReduceOp::Add, &shape, None, |_, _, r| weight(r)), &[]),
    });
    map_from(cx, d, |_| match over {
        Some(n) => load(total, &[]) / n,
        None => load(total, &[]),
    });
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("losses");
    }

    #[test]
    fn labels_are_classes_or_ignored() {
        let x = Tensor::from_slice(&[1, 2], &[0.5f32, 1.0]);
        let case =
            |l: i64| Case::new("NegativeLogLikelihoodLoss", 13).input(x.clone()).input(Tensor::from_slice(&[1], &[l]));
        assert_eq!(case(2).error(), "E6000");
        assert_eq!(case(-1).error(), "E6000");
        assert!(case(-1).attr("ignore_index", Attr::Int(-1)).run().is_ok());
    }
}
