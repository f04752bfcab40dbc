//! Batches without their padding: PackedAttention, PackedMultiHeadAttention, RemovePadding, RestorePadding.
//!
//! The real tokens of all samples stand behind each other; `cumulative_sequence_length` [batch + 1] says where each sample
//! begins. An attention over them is one of a single sample, in which tokens of others are masked. ONNX Runtime has these
//! operators on CUDA only; what they compute is as its documentation says.

use super::super::attention::Parts;
use super::super::elementwise::{Class, map_from, tensor, wide};
use super::attend::{add_bias, heads, thirds};
use super::{DOMAIN, emit, inner, ints, need, opt, plus, reshape};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// PackedAttention.
pub static ATTENTION: OpDef = OpDef::composed(DOMAIN, "PackedAttention", &[(1, import_attention)]);

/// PackedMultiHeadAttention.
pub static MULTI_HEAD: OpDef = OpDef::composed(DOMAIN, "PackedMultiHeadAttention", &[(1, import_multi_head)]);

/// RemovePadding.
pub static REMOVE: OpDef = OpDef::composed(DOMAIN, "RemovePadding", &[(1, import_remove)]);

/// RestorePadding.
pub static RESTORE: OpDef = OpDef::composed(DOMAIN, "RestorePadding", &[(1, import_restore)]);

/// PackedMask(q, starts, bias), which only imports make: what is added to the scores of tokens
/// [1, heads or 1, tokens, tokens]; the bias, if there is one, is [batch or 1, heads or 1, length, length] of positions
/// within the samples.
pub static MASK: OpDef = OpDef {
    domain: super::super::INNER,
    name: "PackedMask",
    versions: &[(1, |_| Ok(Attrs::default()))],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import_attention(n: &mut NodeReader) -> Result<Attrs> {
    let (x, weights, bias) = (need(n, 0)?, need(n, 1)?, need(n, 2)?);
    let sizes = n.opt_ints("qkv_hidden_sizes")?.filter(|s| s.len() == 3);
    let product = emit(n, "MatMul", &[], &[x, weights])?;
    let product = plus(n, product, Some(bias))?;
    let qkv = thirds(n, product, sizes)?;
    attention(n, qkv, 4, 5)
}

fn import_multi_head(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["mask_filter_value"]);
    let q = need(n, 0)?;
    let mut qkv = match (opt(n, 1), opt(n, 2)) {
        (Some(k), Some(v)) => [q, k, v],
        _ => {
            // [tokens, heads, 3, size].
            let parts = [0i64, 1, 2].map(|i| n.constant("part", Tensor::scalar(i)));
            let parts = parts.map(|i| {
                let part = emit(n, "Gather", &[("axis", Attr::Int(2))], &[q, i])?;
                reshape(n, part, &[0, -1])
            });
            let [q, k, v] = parts;
            [q?, k?, v?]
        }
    };
    if let Some(bias) = opt(n, 3) {
        add_bias(n, &mut qkv, bias)?;
    }
    attention(n, qkv, 5, 6)
}

/// The attention of tokens, where inputs `starts` and `bias` say what they see.
fn attention(n: &mut NodeReader, qkv: [ValueId; 3], starts: usize, bias: usize) -> Result<Attrs> {
    let (starts, bias, first) = (need(n, starts)?, opt(n, bias), ints(n, "first", &[0]));
    let [q, k, v] = qkv.map(|t| emit(n, "Unsqueeze", &[], &[t, first]));
    let (q, k, v) = (q?, k?, v?);
    let mask = n.emit(inner("PackedMask"), &[], &[Some(q), Some(starts), bias], 1)?[0];
    let heads = heads(n)?;
    let parts = Parts {
        mask: Some(mask),
        heads: Some((heads, heads)),
        scale: n.opt_float("scale")?.filter(|s| *s != 0.0),
        ..Parts::new(q, k, v)
    };
    let y = parts.emit(n)?.y;
    let y = emit(n, "Squeeze", &[], &[y, first])?;
    n.become_values(vec![y])
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (q, starts) = (tensor(cx, 0, Class::Float)?, tensor(cx, 1, Class::Int)?);
    if q.rank() != 3 || starts.rank() != 1 {
        let found = format!("tokens and starts of ranks {} and {}", q.rank() - 1, starts.rank());
        return Err(cx.error("E2005", found).expected("2 and 1"));
    }
    let mut heads = Sym::int(1);
    if cx.opt(2).is_some() {
        let bias = tensor(cx, 2, Class::Float)?;
        if bias.rank() != 4 {
            return Err(cx.error("E2005", format!("the bias has rank {}", bias.rank())).expected("4"));
        }
        heads = bias.shape[1].clone();
    }
    let tokens = q.shape[1].clone();
    cx.set_tensor(0, q.dtype, vec![Sym::int(1), heads, tokens.clone(), tokens]);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (starts, of_starts, count) = (cx.input(1), cx.dtype(1), cx.shape(1)[0].clone());
    let (d, tokens) = (wide(cx.dtype(0)), cx.shape(0)[1].clone());
    let start =
        move |at: Expr| cast(of_starts, DType::I64, load_at(starts, vec![at], Some(Scalar::from_i64(of_starts, 0))));
    // How many samples begin at a token or before it.
    let begun = cx.k.reduce("begun", DType::I64, &[tokens], ReduceOp::Add, &[count], None, |_, i, r| {
        let begins = compare(CmpOp::Le, start(int(r[0].clone())), int(i[0].clone()));
        cast(DType::Bool, DType::I64, begins)
    });
    let bias = cx.opt(2).map(|b| (b, cx.dtype(2), cx.shape(2)));
    map_from(cx, d, |i| {
        let [own, other] = [2, 3].map(|a: usize| load(begun, &i[a..a + 1]));
        let value = match &bias {
            None => number(d, 0.0),
            Some((src, dtype, shape)) => {
                let sample = own.clone() - int(1);
                let first = start(sample.clone());
                let [q, k] = [2, 3].map(|a: usize| int(i[a].clone()) - first.clone());
                let head = if shape[1].is_one() { int(0) } else { int(i[1].clone()) };
                // One for all samples, or one for each: only the run may know.
                let sample = match shape[0].as_int() {
                    Some(1) => int(0),
                    Some(_) => sample,
                    None => binary(BinOp::Min, sample, int(&shape[0] - 1)),
                };
                cast(*dtype, d, load_at(*src, vec![sample, head, q, k], Some(Scalar::from_i64(*dtype, 0))))
            }
        };
        select(compare(CmpOp::Eq, own, other), value, number(d, f64::NEG_INFINITY))
    });
    Ok(())
}

/// The rows that are real, in order; their places, those of others behind them; where samples begin; the longest one.
fn import_remove(n: &mut NodeReader) -> Result<Attrs> {
    let (x, lengths) = (need(n, 0)?, need(n, 1)?);
    let (first, second, flat) = (ints(n, "first", &[0]), ints(n, "second", &[1]), ints(n, "flat", &[-1]));
    let [zero, one] = [0i64, 1].map(|v| n.constant("number", Tensor::scalar(v)));
    let shape = emit(n, "Shape", &[("end", Attr::Int(2))], &[x])?;
    let length = emit(n, "Gather", &[], &[shape, one])?;
    let positions = emit(n, "Range", &[], &[zero, length, one])?;
    let wide = emit(n, "Cast", &[("to", Attr::Int(7))], &[lengths])?;
    let ends = emit(n, "Unsqueeze", &[], &[wide, second])?;
    let real = emit(n, "Less", &[], &[positions, ends])?;
    let real = emit(n, "Reshape", &[], &[real, flat])?;
    let padding = emit(n, "Not", &[], &[real])?;
    let [kept, rest] = [real, padding].map(|mask| {
        let places = emit(n, "NonZero", &[], &[mask])?;
        emit(n, "Squeeze", &[], &[places, first])
    });
    let (kept, rest) = (kept?, rest?);
    let rows = emit(n, "Flatten", &[("axis", Attr::Int(-1))], &[x])?;
    let y = emit(n, "Gather", &[], &[rows, kept])?;
    let along = [("axis", Attr::Int(0))];
    let places = emit(n, "Concat", &along, &[kept, rest])?;
    let places = emit(n, "Reshape", &[], &[places, shape])?;
    let sums = emit(n, "CumSum", &[], &[wide, zero])?;
    let starts = emit(n, "Concat", &along, &[first, sums])?;
    let longest = emit(n, "ReduceMax", &[], &[wide, first])?;
    let mut results = vec![y];
    for v in [places, starts, longest] {
        results.push(emit(n, "CastLike", &[], &[v, lengths])?);
    }
    n.become_values(results)
}

/// The rows at their places, zeros between.
fn import_restore(n: &mut NodeReader) -> Result<Attrs> {
    let (x, places) = (need(n, 0)?, need(n, 1)?);
    let (first, second, flat) = (ints(n, "first", &[0]), ints(n, "second", &[1]), ints(n, "flat", &[-1]));
    let shape = emit(n, "Shape", &[], &[places])?;
    let all = emit(n, "Size", &[], &[places])?;
    let all = emit(n, "Reshape", &[], &[all, flat])?;
    let size = super::last_extent(n, x)?;
    let extents = emit(n, "Concat", &[("axis", Attr::Int(0))], &[all, size])?;
    let zero = n.constant("zero", Tensor::scalar(0f32));
    let zero = emit(n, "CastLike", &[], &[zero, x])?;
    let zeros = emit(n, "Expand", &[], &[zero, extents])?;
    let count = emit(n, "Shape", &[("end", Attr::Int(1))], &[x])?;
    let places = emit(n, "Reshape", &[], &[places, flat])?;
    let places = emit(n, "Slice", &[], &[places, first, count])?;
    let places = emit(n, "Cast", &[("to", Attr::Int(7))], &[places])?;
    let places = emit(n, "Unsqueeze", &[], &[places, second])?;
    let rows = n.emit(OpName::onnx("ScatterND"), &[], &[Some(zeros), Some(places), Some(x)], 1)?[0];
    let shape = emit(n, "Concat", &[("axis", Attr::Int(0))], &[shape, size])?;
    let y = emit(n, "Reshape", &[], &[rows, shape])?;
    n.become_values(vec![y])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_packed");
    }
}
