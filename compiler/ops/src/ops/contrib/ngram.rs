//! NGramRepeatBlock of com.microsoft: scores of tokens that would repeat an n-gram become minus infinity.
//!
//! Inputs: sequences of tokens [batch, length] and scores of what may come next [batch, vocabulary]. Attribute
//! `ngram_size`. A token that would be blocked but isn't of the vocabulary ends the run.

use super::super::elementwise::tensor_of;
use super::super::movement::product;
use super::super::routines::*;
use super::DOMAIN;
use crate::prelude::*;
use onnxc_ir::loops::{FuncBuilder, Ty, Value};

/// NGramRepeatBlock.
pub static DEF: OpDef = OpDef {
    domain: DOMAIN,
    name: "NGramRepeatBlock",
    versions: &[(1, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let size = n.need_int("ngram_size")?;
    if size < 1 {
        return Err(n.error("E2011", format!("attribute 'ngram_size' is {size}")).expected("1 or more"));
    }
    Ok(Attrs::default().with("ngram_size", Attr::Int(size)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (ids, scores) = (tensor_of(cx, 0, DType::I64)?, tensor_of(cx, 1, DType::F32)?);
    if (ids.rank(), scores.rank()) != (2, 2) {
        let found = format!("tokens of rank {}, scores of rank {}", ids.rank(), scores.rank());
        return Err(cx.error("E2005", found).expected("rank 2 of both"));
    }
    let batch = cx.unify(&ids.shape[0], &scores.shape[0], "sequences of the tokens and the scores")?;
    cx.set_tensor(0, DType::F32, vec![batch, scores.shape[1].clone()]);
    Ok(())
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (ids, scores, y) = (cx.input(0), cx.input(1), cx.output(0));
    let size = cx.attrs().int("ngram_size").unwrap_or(1);
    let f = &mut *cx.f;
    let (zero, all) = (f.int(0), f.sym(&product(&y.shape)));
    copy(f, (scores.buf, zero), (y.buf, zero), all);
    let (rows, words) = (extents(f, &ids.shape), extents(f, &y.shape)[1]);
    // The sequence's last `size - 1` tokens are compared with those from each place on that has a token behind them.
    let (before, length) = (f.int(size - 1), rows[1]);
    let places = f.sub(length, before);
    let places = f.binary(BinOp::Max, places, zero);
    nest(f, &[rows[0], places], &mut |f, i| {
        let (start, at) = (f.mul(i[0], length), f.add(i[1], before));
        let token = |f: &mut FuncBuilder, at: Value| {
            let at = f.add(start, at);
            f.load(ids.buf, at, 1, None)
        };
        let same = f.var(Ty::BOOL, &[], "same");
        let yes = f.scalar(Scalar::bool(true));
        f.set(same, &[], yes);
        nest(f, &[before], &mut |f, j| {
            let (here, there) = (f.add(i[1], j[0]), f.add(places, j[0]));
            let (a, b) = (token(f, here), token(f, there));
            let (equal, so_far) = (f.compare(CmpOp::Eq, a, b), f.get(same, &[]));
            let both = f.binary(BinOp::And, so_far, equal);
            f.set(same, &[], both);
        });
        let blocked = f.get(same, &[]);
        f.if_else(
            blocked,
            |f| {
                let next = token(f, at);
                let (low, high) = (f.compare(CmpOp::Lt, next, zero), f.compare(CmpOp::Ge, next, words));
                let unknown = f.binary(BinOp::Or, low, high);
                leave_if(f, unknown);
                let place = offset(f, &[rows[0], words], &[i[0], next]);
                let never = f.scalar(Scalar::from_f64(DType::F32, f64::NEG_INFINITY));
                f.store(y.buf, place, never, None);
            },
            |_| {},
        );
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_ngram");
    }

    #[test]
    fn tokens_that_do_not_exist_are_a_status() {
        let case = |ids: [i64; 3], size: i64| {
            let case = Case::new("com.microsoft.NGramRepeatBlock", 1).attr("ngram_size", Attr::Int(size));
            case.input(Tensor::from_slice(&[1, 3], &ids)).input(Tensor::from_slice(&[1, 4], &[0f32; 4])).error()
        };
        assert_eq!(case([1, 4, 1], 2), "E6000");
        assert_eq!(case([-1, 2, 3], 1), "E6000");
        assert_eq!(case([1, 2, 3], 0), "E2011");
    }
}
