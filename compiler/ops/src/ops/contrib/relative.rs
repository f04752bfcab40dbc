//! Biases by relative position: RelativePositionBias (T5) and GatedRelativePositionBias (WavLM).
//!
//! RelativePositionBias: a table has a number for each head and each bucket of distances: the near ones have a bucket each,
//! farther ones share buckets that grow by a logarithm. <https://arxiv.org/abs/1910.10683>
//! The table's extents say [buckets, heads], but its elements lie head by head.

use super::super::elementwise::{Class, map_from, tensor, wide};
use super::super::movement::{from_values, not_negative};
use super::{DOMAIN, emit, ints, need, plus, reshape, unsupported};
use crate::prelude::*;
use onnxc_ir::graph::OpName;

/// RelativePositionBias.
pub static DEF: OpDef = OpDef {
    domain: DOMAIN,
    name: "RelativePositionBias",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

/// GatedRelativePositionBias.
pub static GATED: OpDef = OpDef::composed(DOMAIN, "GatedRelativePositionBias", &[(1, import_gated)]);

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let (far, both) = (n.need_int("max_distance")?, n.int("is_bidirectional", 0)?);
    Ok(Attrs::default().with("far", Attr::Int(far)).with("both", Attr::Int(both)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let table = tensor(cx, 0, Class::Float)?;
    if table.rank() != 2 {
        return Err(cx.error("E2005", format!("the table has rank {}", table.rank())).expected("2"));
    }
    let mut shape = vec![Sym::int(1), table.shape[1].clone()];
    for i in 1..3 {
        let length = cx.content(i).and_then(|c| c.first().cloned()).filter(|l| !from_values(cx.graph, l));
        let length = length.ok_or_else(|| {
            cx.error("E2040", format!("input {i}, a length, is computed from data"))
                .expected("one of a tensor's extents")
        })?;
        not_negative(cx, &length)?;
        shape.push(length);
    }
    cx.set_tensor(0, table.dtype, shape);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (table, dtype, shape, d) = (cx.input(0), cx.dtype(0), cx.shape(0), DType::F32);
    let both = cx.attrs().int("both") == Some(1);
    let far = cx.attrs().int("far").unwrap_or(1) as f64;
    let buckets = if both { shape[0].floordiv(&Sym::int(2)) } else { shape[0].clone() };
    let near = buckets.floordiv(&Sym::int(2));
    let real = |s: &Sym| cast(DType::I64, d, int(s.clone()));
    map_from(cx, wide(dtype), |i| {
        let ahead = int(&i[3] - &i[2]);
        let distance = match both {
            true => unary(UnOp::Abs, ahead.clone()),
            false => binary(BinOp::Max, int(&i[2] - &i[3]), int(0)),
        };
        let ratio = cast(DType::I64, d, binary(BinOp::Max, distance.clone(), int(1))) / real(&near);
        let scale = real(&(&buckets - &near)) / unary(UnOp::Log, number(d, far) / real(&near));
        let large = int(near.clone()) + cast(d, DType::I64, unary(UnOp::Log, ratio) * scale);
        let large = binary(BinOp::Min, large, int(&buckets - 1));
        let bucket = select(compare(CmpOp::Lt, distance.clone(), int(near.clone())), distance, large);
        let bucket = match both {
            true => select(compare(CmpOp::Gt, ahead, int(0)), bucket.clone() + int(buckets.clone()), bucket),
            false => bucket,
        };
        let at = int(&i[1] * &shape[0]) + bucket;
        let place = |op| binary(op, at.clone(), int(shape[1].clone()));
        let index = vec![place(BinOp::FloorDiv), place(BinOp::FloorMod)];
        let value = load_at(table, index, Some(Scalar::from_i64(dtype, 0)));
        cast(dtype, wide(dtype), value)
    });
    Ok(())
}

fn import_gated(n: &mut NodeReader) -> Result<Attrs> {
    unsupported(n, 6, "packed tokens")?;
    let heads = n.need_int("num_heads")?;
    let (query, query_bias, position) = (need(n, 0)?, need(n, 1)?, need(n, 2)?);
    let (weight, bias, eco) = (need(n, 3)?, need(n, 4)?, need(n, 5)?);
    let q = plus(n, query, Some(query_bias))?;
    let q = reshape(n, q, &[0, 0, heads, -1])?;
    let q = emit(n, "Transpose", &[("perm", Attr::Ints(vec![0, 2, 1, 3]))], &[q])?;
    let product = emit(n, "MatMul", &[], &[q, weight])?;
    let product = plus(n, product, Some(bias))?;
    // The gates' numbers are those of two halves.
    let halves = [("axis", Attr::Int(-1)), ("num_outputs", Attr::Int(2))];
    let halves = n.emit(OpName::onnx("Split"), &halves, &[Some(product)], 2)?;
    let last = ints(n, "last", &[-1]);
    let mut gates = Vec::new();
    for half in halves {
        let sum = emit(n, "ReduceSum", &[], &[half, last])?;
        gates.push(emit(n, "Sigmoid", &[], &[sum])?);
    }
    let [one, two] = [1f32, 2.0].map(|v| n.constant("number", Tensor::scalar(v)));
    let (one, two) = (emit(n, "CastLike", &[], &[one, query])?, emit(n, "CastLike", &[], &[two, query])?);
    let scaled = emit(n, "Mul", &[], &[gates[1], eco])?;
    let less = emit(n, "Sub", &[], &[scaled, one])?;
    let gate = emit(n, "Mul", &[], &[gates[0], less])?;
    let gate = emit(n, "Add", &[], &[gate, two])?;
    let y = emit(n, "Mul", &[], &[gate, position])?;
    n.become_values(vec![y])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_relative");
    }
}
