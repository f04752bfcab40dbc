//! Trilu, OneHot, ReverseSequence: elements chosen by comparing indices.
//!
//! Trilu since 14. OneHot since 9; since 11 a negative index counts from the end, and so it is read in 9, too (ONNX
//! Runtime does so). ReverseSequence since 10. Newer versions differ in dtypes.

use super::elementwise::{Class, tensor};
use super::lengths::expect_one;
use super::movement::*;
use crate::prelude::*;
use onnxc_ir::loops::Value;

/// Trilu.
pub static TRILU: OpDef = OpDef {
    domain: "",
    name: "Trilu",
    versions: &[(14, import_trilu)],
    infer: infer_trilu,
    lower: Lower::Compute(lower_trilu),
    extents: None,
};

/// OneHot.
pub static ONE_HOT: OpDef = OpDef {
    domain: "",
    name: "OneHot",
    versions: &[(9, import_one_hot), (11, import_one_hot), (28, import_one_hot)],
    infer: infer_one_hot,
    lower: Lower::Compute(lower_one_hot),
    extents: Some(one_hot_extents),
};

/// ReverseSequence.
pub static REVERSE_SEQUENCE: OpDef = OpDef {
    domain: "",
    name: "ReverseSequence",
    versions: &[(10, import_reverse), (28, import_reverse)],
    infer: infer_reverse,
    lower: Lower::Compute(lower_reverse),
    extents: None,
};

fn import_trilu(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("upper", Attr::Int(n.int("upper", 1)?)))
}

fn infer_trilu(cx: &mut InferCx) -> Result<()> {
    expect_one(cx, 1);
    let x = any(cx, 0)?;
    if x.rank() < 2 {
        return Err(cx.error("E2005", format!("input 0 has rank {}", x.rank())).expected("matrices (rank 2 or more)"));
    }
    if cx.opt(1).is_some() && tensor(cx, 1, Class::Int)?.count().as_int() != Some(1) {
        return Err(cx.error("E2005", "input 1, the diagonal, isn't one element").expected("a scalar"));
    }
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn lower_trilu(cx: &mut ComputeCx) -> Result<()> {
    let (x, dtype) = (cx.input(0), cx.dtype(0));
    let upper = cx.attrs().int("upper") != Some(0);
    let k = match (cx.opt(1), cx.content(1)) {
        (None, _) => int(0),
        (_, Some(k)) => int(k[0].clone()),
        (Some(k), None) => cast(cx.dtype(1), DType::I64, load(k, &vec![Sym::int(0); cx.shape(1).len()])),
    };
    cx.map_output(|_, i| {
        let diagonal = int(&i[i.len() - 1] - &i[i.len() - 2]);
        let kept = compare(if upper { CmpOp::Ge } else { CmpOp::Le }, diagonal, k);
        select(kept, load(x, i), constant(Scalar::from_i64(dtype, 0)))
    });
    Ok(())
}

fn import_one_hot(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", -1)?)))
}

fn infer_one_hot(cx: &mut InferCx) -> Result<()> {
    expect_one(cx, 1);
    let at = tensor(cx, 0, Class::Number)?;
    let values = any(cx, 2)?;
    if tensor(cx, 1, Class::Number)?.count().as_int() != Some(1) {
        return Err(cx.error("E2005", "input 1, the depth, isn't one element").expected("a scalar"));
    }
    cx.unify(&product(&values.shape), &Sym::int(2), "the values are off and on")?;
    let axis = cx.axis(cx.attrs().int("axis").unwrap_or(-1), at.rank() + 1)?;
    let float = cx.constant(1).and_then(Tensor::to_f64).and_then(|d| Some(Sym::int(*d.first()? as i64)));
    let depth = match cx.content(1).and_then(|c| c.first().cloned()).or(float) {
        Some(d) => {
            not_negative(cx, &d)?;
            d
        }
        None => cx.fresh_extent(0, "depth", 0, None),
    };
    let mut shape = at.shape;
    shape.insert(axis, depth);
    cx.set_tensor(0, values.dtype, shape);
    Ok(())
}

fn one_hot_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let depth = run_time_list(cx, 1)?;
    let zero = cx.f.int(0);
    for &d in &depth {
        let negative = cx.f.compare(CmpOp::Lt, d, zero);
        cx.fail_if(negative, OUT_OF_RANGE);
    }
    Ok(depth)
}

fn lower_one_hot(cx: &mut ComputeCx) -> Result<()> {
    let (at, dtype, values, rank) = (cx.input(0), cx.dtype(0), cx.input(2), cx.shape(0).len());
    let axis = cx.attrs().int("axis").unwrap_or(-1).rem_euclid(rank as i64 + 1) as usize;
    let depth = cx.out_shape(0)[axis].clone();
    cx.map_output(|_, i| {
        let rest = [&i[..axis], &i[axis + 1..]].concat();
        let index = wrapped(cast(dtype, DType::I64, load(at, &rest)), &depth);
        let on = compare(CmpOp::Eq, index, int(i[axis].clone()));
        select(on, load(values, &[Sym::int(1)]), load(values, &[Sym::int(0)]))
    });
    Ok(())
}

fn import_reverse(n: &mut NodeReader) -> Result<Attrs> {
    let (batch, time) = (n.int("batch_axis", 1)?, n.int("time_axis", 0)?);
    if !matches!((batch, time), (0, 1) | (1, 0)) {
        return Err(n
            .error("E2011", format!("batch_axis is {batch}, time_axis {time}"))
            .expected("0 and 1, or 1 and 0"));
    }
    Ok(Attrs::default().with("batch_axis", Attr::Int(batch)).with("time_axis", Attr::Int(time)))
}

fn infer_reverse(cx: &mut InferCx) -> Result<()> {
    let (x, lengths) = (any(cx, 0)?, tensor(cx, 1, Class::Int)?);
    if x.rank() < 2 || lengths.rank() != 1 {
        let found = format!("data and lengths have ranks {} and {}", x.rank(), lengths.rank());
        return Err(cx.error("E2005", found).expected("at least 2, and 1"));
    }
    let batch = cx.attrs().int("batch_axis").unwrap_or(1) as usize;
    cx.unify(&x.shape[batch], &lengths.shape[0], "there is one length for each sequence")?;
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn lower_reverse(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape, lengths, dtype) = (cx.input(0), cx.shape(0), cx.input(1), cx.dtype(1));
    let [batch, time] = ["batch_axis", "time_axis"].map(|a| cx.attrs().int(a).unwrap_or(0) as usize);
    let length = |b: &Sym| cast(dtype, DType::I64, load(lengths, std::slice::from_ref(b)));
    cx.k.check(&shape[batch..=batch], OUT_OF_RANGE, |_, i| {
        let enough = compare(CmpOp::Le, length(&i[0]), int(shape[time].clone()));
        binary(BinOp::And, compare(CmpOp::Ge, length(&i[0]), int(0)), enough)
    });
    let zero = Scalar::from_i64(cx.dtype(0), 0);
    cx.map_output(|_, i| {
        let (t, n) = (int(i[time].clone()), length(&i[batch]));
        let mut index: Vec<Expr> = i.iter().cloned().map(int).collect();
        let mirrored = n.clone() - int(&i[time] + 1);
        index[time] = select(compare(CmpOp::Lt, t.clone(), n), mirrored, t);
        load_at(x, index, Some(zero))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("trilu");
    }
}
