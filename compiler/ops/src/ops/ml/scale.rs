//! Scaler, Normalizer, Imputer, Binarizer: features changed one by one, or one row by its norm.
//!
//! From here down: lists (offsets, scales, imputed values) are inputs; they have one element for all features or one
//! for each. What is missing is 0 (offset) or 1 (scale). Scaler and Normalizer give f32.
//! Normalizer: MAX divides by the greatest element, signs and all, as ONNX Runtime does; a row whose norm is 0 stays.

use super::super::elementwise::*;
use super::DOMAIN;
use crate::prelude::*;

macro_rules! operators {
    ($($id:ident $name:literal $import:ident $infer:ident $lower:ident;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: DOMAIN,
            name: $name,
            versions: &[(1, $import)],
            infer: $infer,
            lower: Lower::Compute($lower),
            extents: None,
        };
    )* };
}

operators! {
    SCALER "Scaler" import_scaler infer_scaler lower_scaler;
    NORMALIZER "Normalizer" import_normalizer infer_normalizer lower_normalizer;
    IMPUTER "Imputer" import_imputer infer_imputer lower_imputer;
    BINARIZER "Binarizer" import_binarizer infer_binarizer lower_binarizer;
}

fn import_scaler(n: &mut NodeReader) -> Result<Attrs> {
    n.inputs.truncate(1);
    for (i, name) in [(1, "offset"), (2, "scale")] {
        if let Some(v) = n.opt_floats(name)?.filter(|v| !v.is_empty()) {
            n.set_input(i, name, Tensor::from_slice(&[v.len()], &v));
        }
    }
    Ok(Attrs::default())
}

/// Input `i`, a list, has one element or one for each feature: along the last axis.
fn one_or_each(cx: &mut InferCx, i: usize, shape: &[Sym]) -> Result<()> {
    let count = cx.shape(i)?[0].clone();
    let last = shape.last().cloned().unwrap_or(Sym::int(1));
    if !count.is_one() {
        cx.unify(&last, &count, "a number for each feature")?;
    }
    Ok(())
}

fn infer_scaler(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Number)?;
    for i in 1..3 {
        if cx.opt(i).is_some() {
            one_or_each(cx, i, &x.shape)?;
        }
    }
    cx.set_tensor(0, DType::F32, x.shape);
    Ok(())
}

/// The dtype in which features are computed with.
fn arithmetic(d: DType) -> DType {
    if d == DType::F64 { d } else { DType::F32 }
}

fn lower_scaler(cx: &mut ComputeCx) -> Result<()> {
    let (x, d) = (Operand::new(cx, 0), arithmetic(cx.dtype(0)));
    let (offset, scale) = (Operand::opt(cx, 1), Operand::opt(cx, 2));
    map_from(cx, d, |i| {
        let y = offset.iter().fold(x.at_as(d, i), |y, o| y - o.at_as(d, i));
        scale.iter().fold(y, |y, s| y * s.at_as(d, i))
    });
    Ok(())
}

fn import_normalizer(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("norm", Attr::Str(n.choice("norm", &["MAX", "L1", "L2"])?)))
}

fn infer_normalizer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Number)?;
    if x.rank() == 0 {
        return Err(cx.error("E2041", "input 0 is a scalar").expected("a list of features, or rows of them"));
    }
    cx.set_tensor(0, DType::F32, x.shape);
    Ok(())
}

fn lower_normalizer(cx: &mut ComputeCx) -> Result<()> {
    let (x, d, shape) = (Operand::new(cx, 0), DType::F32, cx.shape(0));
    let (rows, features) = shape.split_at(shape.len() - 1);
    let norm = cx.attrs().str("norm").unwrap_or("MAX");
    let op = if norm == "MAX" { ReduceOp::Max } else { ReduceOp::Add };
    let size = cx.k.reduce("size", d, rows, op, features, None, |_, i, r| {
        let v = x.at_as(d, &[i, r].concat());
        match norm {
            "MAX" => v,
            "L1" => unary(UnOp::Abs, v),
            _ => v.clone() * v,
        }
    });
    map_from(cx, d, |i| {
        let (v, size) = (x.at_as(d, i), load(size, &i[..i.len() - 1]));
        let divisor = if norm == "L2" { unary(UnOp::Sqrt, size.clone()) } else { size.clone() };
        select(compare(CmpOp::Eq, size, number(d, 0.0)), v.clone(), v / divisor)
    });
    Ok(())
}

fn import_imputer(n: &mut NodeReader) -> Result<Attrs> {
    let replaced = (n.float("replaced_value_float", 0.0)?, n.int("replaced_value_int64", 0)?);
    let floats = n.opt_floats("imputed_value_floats")?.unwrap_or_default();
    let ints = n.opt_ints("imputed_value_int64s")?.unwrap_or_default();
    n.inputs.truncate(1);
    match (floats.is_empty(), ints.is_empty()) {
        (false, _) => n.set_input(1, "imputed", Tensor::from_slice(&[floats.len()], &floats)),
        (_, false) => n.set_input(1, "imputed", Tensor::from_slice(&[ints.len()], &ints)),
        _ => {
            return Err(n
                .error("E2012", "no attribute lists imputed values")
                .expected("'imputed_value_floats' or 'imputed_value_int64s'"));
        }
    }
    Ok(Attrs::default().with("float", Attr::Float(replaced.0)).with("int", Attr::Int(replaced.1)))
}

fn infer_imputer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Number)?;
    if x.dtype.is_float() != cx.dtype(1)?.is_float() {
        let found = format!("the features are {}, the imputed values {}", x.dtype, cx.dtype(1)?);
        return Err(cx.error("E2022", found).expected("floats for floats, integers for integers"));
    }
    one_or_each(cx, 1, &x.shape)?;
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn lower_imputer(cx: &mut ComputeCx) -> Result<()> {
    let (x, new, attrs) = (Operand::new(cx, 0), Operand::new(cx, 1), cx.attrs());
    let d = x.wide();
    let replaced = attrs.float("float").unwrap_or(0.0);
    map_from(cx, d, |i| {
        let v = x.at(i);
        let missing = match d.is_float() {
            true if replaced.is_nan() => compare(CmpOp::Ne, v.clone(), v.clone()),
            true => compare(CmpOp::Eq, v.clone(), number(d, f64::from(replaced))),
            false => compare(CmpOp::Eq, v.clone(), constant(Scalar::from_i64(d, attrs.int("int").unwrap_or(0)))),
        };
        select(missing, new.at_as(d, i), v)
    });
    Ok(())
}

fn import_binarizer(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("threshold", Attr::Float(n.float("threshold", 0.0)?)))
}

fn infer_binarizer(cx: &mut InferCx) -> Result<()> {
    infer_unary(cx, Class::Number, None)
}

fn lower_binarizer(cx: &mut ComputeCx) -> Result<()> {
    let (x, threshold) = (Operand::new(cx, 0), f64::from(cx.attrs().float("threshold").unwrap_or(0.0)));
    let to = x.wide();
    // An integer is above a threshold between two as a float is.
    let d = if to.is_float() { to } else { DType::F64 };
    map_from(cx, to, |i| {
        let above = compare(CmpOp::Gt, x.at_as(d, i), number(d, threshold));
        select(above, constant(Scalar::from_i64(to, 1)), constant(Scalar::from_i64(to, 0)))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("ml_scale");
    }
}
