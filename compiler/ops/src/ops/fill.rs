//! ConstantOfShape, EyeLike, Range: tensors computed from little.
//!
//! Versions differ in dtypes; Range since 27 has `stash_type`, the dtype of the arithmetic of narrow floats. Does NOT
//! follow it: that is f32 always. Extents follow symbolically from known contents; else `extents` computes them.

use super::elementwise::wide;
use super::lengths::{declared_rank, expect_length};
use super::movement::*;
use crate::prelude::*;
use onnxc_ir::loops::Value;
use onnxc_onnx::dtype::from_onnx;

/// ConstantOfShape.
pub static CONSTANT_OF_SHAPE: OpDef = OpDef {
    domain: "",
    name: "ConstantOfShape",
    versions: &[
        (9, import_value),
        (20, import_value),
        (21, import_value),
        (23, import_value),
        (24, import_value),
        (25, import_value),
    ],
    infer: infer_constant,
    lower: Lower::Compute(lower_constant),
    extents: Some(constant_extents),
};

/// EyeLike.
pub static EYE_LIKE: OpDef = OpDef {
    domain: "",
    name: "EyeLike",
    versions: &[(9, import_eye), (22, import_eye)],
    infer: infer_eye,
    lower: Lower::Compute(lower_eye),
    extents: None,
};

/// Range.
pub static RANGE: OpDef = OpDef {
    domain: "",
    name: "Range",
    versions: &[(11, none), (27, import_range)],
    infer: infer_range,
    lower: Lower::Compute(lower_range),
    extents: Some(range_extents),
};

fn import_value(n: &mut NodeReader) -> Result<Attrs> {
    let value = n.opt_tensor("value")?.unwrap_or_else(|| Tensor::from_slice(&[1], &[0f32]));
    if value.len() != 1 {
        return Err(n
            .error("E2011", format!("attribute 'value' has {} elements", value.len()))
            .expected("one element"));
    }
    Ok(Attrs::default().with("value", Attr::Tensor(value)))
}

fn value(attrs: &Attrs) -> Option<&Tensor> {
    attrs.tensor("value").filter(|t| Scalar::holds(t.dtype()))
}

fn infer_constant(cx: &mut InferCx) -> Result<()> {
    let value = value(cx.attrs()).cloned().ok_or_else(|| {
        cx.error("E2020", "the value is of a dtype that is not supported yet").expected("a type of numbers, or bool")
    })?;
    if let Some(rank) = declared_rank(cx) {
        expect_length(cx, 0, rank);
    }
    let rank = list_length(cx, 0)?;
    let shape = match cx.content(0) {
        Some(dims) => {
            for d in &dims {
                not_negative(cx, d)?;
            }
            dims
        }
        None => (0..rank).map(|k| cx.fresh_extent(k as u32, "filled", 0, None)).collect(),
    };
    if let Some([v]) = value.to_i64().as_deref() {
        set_moved(cx, &shape, |_| Some(Sym::int(*v)));
    }
    cx.set_tensor(0, value.dtype(), shape);
    Ok(())
}

fn constant_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let dims = run_time_list(cx, 0)?;
    let zero = cx.f.int(0);
    for &d in &dims {
        let negative = cx.f.compare(CmpOp::Lt, d, zero);
        cx.fail_if(negative, OUT_OF_RANGE);
    }
    Ok(dims)
}

fn lower_constant(cx: &mut ComputeCx) -> Result<()> {
    let value = value(cx.attrs()).expect("infer has checked it");
    let v = Scalar::read(value.dtype(), value.bytes());
    cx.map_output(|_, _| constant(v));
    Ok(())
}

fn import_eye(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = Attrs::default().with("k", Attr::Int(n.int("k", 0)?));
    let Some(number) = n.opt_int("dtype")? else { return Ok(attrs) };
    match i32::try_from(number).ok().and_then(from_onnx) {
        Some(dtype) => Ok(attrs.with("dtype", Attr::DType(dtype))),
        None => Err(n.error("E2011", format!("attribute 'dtype' is {number}")).expected("the number of a dtype")),
    }
}

fn infer_eye(cx: &mut InferCx) -> Result<()> {
    let x = any(cx, 0)?;
    if x.rank() != 2 {
        return Err(cx.error("E2005", format!("input 0 has rank {}", x.rank())).expected("a matrix (rank 2)"));
    }
    let dtype = cx.attrs().dtype("dtype").unwrap_or(x.dtype);
    if !Scalar::is_machine(dtype) {
        return Err(cx.error("E2020", format!("the output is of dtype {dtype}, which is not supported yet")));
    }
    cx.set_tensor(0, dtype, x.shape);
    Ok(())
}

fn lower_eye(cx: &mut ComputeCx) -> Result<()> {
    let (k, dtype) = (cx.attrs().int("k").unwrap_or(0), cx.output_type(0).dtype);
    cx.map_output(|_, i| {
        let on = compare(CmpOp::Eq, int(&i[0] + k), int(i[1].clone()));
        select(on, constant(Scalar::from_i64(dtype, 1)), constant(Scalar::from_i64(dtype, 0)))
    });
    Ok(())
}

fn import_range(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["stash_type"]);
    Ok(Attrs::default())
}

fn infer_range(cx: &mut InferCx) -> Result<()> {
    let dtype = super::elementwise::tensor(cx, 0, super::elementwise::Class::Machine)?.dtype;
    for i in 0..3 {
        let t = any(cx, i)?;
        if t.dtype != dtype || t.count().as_int() != Some(1) {
            let found = format!("input {i} is a {} tensor of {} elements", t.dtype, t.count());
            return Err(cx.error("E2005", found).expected(format!("a scalar of {dtype}")));
        }
    }
    let parts = [0, 1, 2].map(|i| whole(cx, i));
    let count = match &parts {
        [Some(start), Some(limit), Some(delta)] => steps(start, limit, delta),
        _ => constant_steps(cx),
    };
    let count = match count {
        Some(n) => cx.ranges().simplify(&n),
        None => cx.fresh_extent(0, "range", 0, None),
    };
    if let ([Some(start), _, Some(delta)], false) = (&parts, dtype.is_float()) {
        set_moved(cx, std::slice::from_ref(&count), |i| Some(start + delta * i[0] as i64));
    }
    cx.set_tensor(0, dtype, vec![count]);
    Ok(())
}

/// The element of an input, if it is known to be whole: an integer's content, such a one cast to float, or a constant.
fn whole(cx: &InferCx, i: usize) -> Option<Sym> {
    let mut v = cx.opt(i)?;
    loop {
        if let Some(content) = crate::infer::content_of(cx.graph, v) {
            return content.first().cloned();
        }
        if let Some(t) = cx.graph.constant(v) {
            // Extents are far below what an f32 counts exactly.
            let x = t.to_f64()?.first().copied()?;
            return (x.fract() == 0.0 && x.abs() < (1i64 << 24) as f64).then(|| Sym::int(x as i64));
        }
        let node = &cx.graph.nodes[cx.graph.producer(v)?];
        let same = matches!((&*node.op.domain, &*node.op.name), ("", "Cast" | "CastLike" | "Identity" | "Squeeze"));
        v = node.inputs.first().copied().flatten().filter(|_| same)?;
    }
}

/// The number of steps, if the direction is known.
fn steps(start: &Sym, limit: &Sym, delta: &Sym) -> Option<Sym> {
    let delta = delta.as_int().filter(|&d| d != 0)?;
    let span = if delta > 0 { limit - start } else { start - limit };
    Some(Sym::max(&span.ceildiv(&Sym::int(delta.saturating_abs())), &Sym::int(0)))
}

/// The number of steps between constants, as ONNX Runtime counts: the span in the dtype, the division in f64.
fn constant_steps(cx: &InferCx) -> Option<Sym> {
    let [start, limit, delta] = [0, 1, 2].map(|i| cx.constant(i).map(|t| (t.dtype(), t.to_f64())));
    let (dtype, start) = start?;
    let at = |v: Option<(DType, Option<Vec<f64>>)>| v?.1?.first().copied();
    let (start, limit, delta) = (start?.first().copied()?, at(limit)?, at(delta)?);
    let span = if dtype == DType::F64 { limit - start } else { f64::from((limit - start) as f32) };
    let n = (span / delta).ceil();
    (delta != 0.0 && n.is_finite()).then(|| Sym::int((n as i64).max(0)))
}

fn range_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let dtype = cx.input_type(0).dtype;
    let zero = cx.f.int(0);
    let mut parts = Vec::new();
    for i in 0..3 {
        let t = cx.opt(i).ok_or_else(|| cx.error("E2043", format!("the element of input {i} isn't at hand")))?;
        let v = cx.f.load(t.buf, zero, 1, None);
        parts.push(cx.f.cast(v, if dtype.is_float() { wide(dtype) } else { DType::I64 }));
    }
    let (start, limit, delta) = (parts[0], parts[1], parts[2]);
    let span = cx.f.sub(limit, start);
    let count = if dtype.is_float() {
        let (span, delta) = (cx.f.cast(span, DType::F64), cx.f.cast(delta, DType::F64));
        let none = cx.f.scalar(Scalar::f64(0.0));
        let still = cx.f.compare(CmpOp::Eq, delta, none);
        cx.fail_if(still, OUT_OF_RANGE);
        let n = cx.f.binary(BinOp::Div, span, delta);
        let n = cx.f.unary(UnOp::Ceil, n);
        cx.f.cast(n, DType::I64)
    } else {
        let still = cx.f.compare(CmpOp::Eq, delta, zero);
        cx.fail_if(still, OUT_OF_RANGE);
        let (one, minus) = (cx.f.int(1), cx.f.int(-1));
        let back = cx.f.compare(CmpOp::Lt, delta, zero);
        let sign = cx.f.select(back, minus, one);
        let up = cx.f.sub(delta, sign);
        let span = cx.f.add(span, up);
        cx.f.binary(BinOp::FloorDiv, span, delta)
    };
    Ok(vec![cx.f.binary(BinOp::Max, count, zero)])
}

fn lower_range(cx: &mut ComputeCx) -> Result<()> {
    let dtype = cx.dtype(0);
    let w = wide(dtype);
    let [start, delta] = [0, 2].map(|i| {
        let at = vec![Sym::int(0); cx.shape(i).len()];
        cast(dtype, w, load(cx.input(i), &at))
    });
    cx.map_output(|_, i| {
        let steps = cast(DType::I64, w, int(i[0].clone()));
        cast(w, dtype, start + steps * delta)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("fill");
    }
}
