//! AttentionMask: the masks of com.microsoft's attentions as what is added to scores.
//!
//! Inputs: the mask, integers, and the keys. A mask says which keys of a sample are real: 1 or 0 for each [batch, keys] or
//! [batch, queries, keys]; how many, from the first on [batch]; or where they end, then where they begin [2 * batch].
//! What isn't real gets `filter`, which a softmax all but ignores; so do ONNX Runtime's.

use super::super::elementwise::{Class, tensor, wide};
use crate::prelude::*;

/// The operator, which only imports make.
pub static DEF: OpDef = OpDef {
    domain: super::super::INNER,
    name: "AttentionMask",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("filter", Attr::Float(n.float("filter", -10000.0)?)))
}

/// Batch and number of keys of [batch, heads, keys, size] or [batch, keys, hidden].
fn keys(shape: &[Sym]) -> [Sym; 2] {
    [shape[0].clone(), shape[shape.len() - 2].clone()]
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (mask, k) = (tensor(cx, 0, Class::Any)?, tensor(cx, 1, Class::Float)?);
    if !(3..=4).contains(&k.rank()) {
        return Err(cx.error("E2005", format!("the keys have rank {}", k.rank())).expected("3 or 4"));
    }
    let [batch, count] = keys(&k.shape);
    let one = Sym::int(1);
    let queries = match &mask.shape[..] {
        [n] => {
            // Which of the two forms it is may be known only when the model runs.
            let is = |m: &Sym| cx.ranges().prove_eq(n, m) != Some(false);
            if !is(&batch) && !is(&(&batch * 2)) {
                let found = format!("{n} lengths for {batch} samples");
                return Err(cx.error("E2003", found).expected("one for each, or an end and a start"));
            }
            one.clone()
        }
        [b, t] | [b, _, t] => {
            cx.unify(b, &batch, "samples of the mask and the keys")?;
            cx.unify(t, &count, "keys and the mask's last axis")?;
            if mask.rank() == 3 { mask.shape[1].clone() } else { one.clone() }
        }
        s => {
            return Err(cx
                .error("E2020", format!("a mask of rank {} is not supported yet", s.len()))
                .expected("1 to 3"));
        }
    };
    cx.set_tensor(0, k.dtype, vec![batch, one, queries, count]);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (mask, dtype, shape, out) = (cx.input(0), cx.dtype(0), cx.shape(0), cx.output_type(0).dtype);
    let d = wide(out);
    let batch = cx.out_shape(0)[0].clone();
    let filter = number(d, f64::from(cx.attrs().float("filter").unwrap_or(-10000.0)));
    cx.map_output(|_, i| {
        let at = |index: &[Sym]| cast(dtype, DType::I64, load(mask, index));
        let real = match shape.len() {
            1 => {
                // Without starts, each is 0: what is read beyond the end.
                let read = |at: Sym| cast(dtype, DType::I64, load_padded(mask, &[at], Scalar::from_i64(dtype, 0)));
                let before = compare(CmpOp::Lt, int(i[3].clone()), read(i[0].clone()));
                binary(BinOp::And, before, compare(CmpOp::Ge, int(i[3].clone()), read(&i[0] + &batch)))
            }
            2 => compare(CmpOp::Gt, at(&[i[0].clone(), i[3].clone()]), int(0)),
            _ => compare(CmpOp::Gt, at(&[i[0].clone(), i[2].clone(), i[3].clone()]), int(0)),
        };
        cast(d, out, select(real, number(d, 0.0), filter))
    });
    Ok(())
}
