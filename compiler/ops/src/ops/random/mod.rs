//! Random numbers: RandomUniform, RandomNormal and their -Like forms, Bernoulli, Multinomial; Dropout while training.
//!
//! The numbers are a function of a key and of the element's position alone (see `generator`), so a module gives the same
//! ones at each run, on every machine and for any number of threads. The key is made of the attribute `seed`, or of the
//! node's name where there is none: nodes of equal seeds give equal numbers. Does NOT give the numbers of
//! any other runtime.
//! From here down: the -Like forms have their dtype in `dtype`, if it isn't the input's.

mod dropout;
mod generator;
pub mod minstd;

pub use dropout::DROPOUT_TRAINING;

use super::elementwise::*;
use super::movement::*;
use crate::prelude::*;
use generator::{Generator, position};

macro_rules! operators {
    ($($id:ident $name:literal [$($version:literal),*] $import:ident $infer:ident $lower:ident;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: "",
            name: $name,
            versions: &[$(($version, $import)),*],
            infer: $infer,
            lower: Lower::Compute($lower),
            extents: None,
        };
    )* };
}

operators! {
    BERNOULLI "Bernoulli" [15, 22] import_like infer_like lower_bernoulli;
    MULTINOMIAL "Multinomial" [7, 22] import_multinomial infer_multinomial lower_multinomial;
    NORMAL "RandomNormal" [1, 22] import_normal infer_shape lower_normal;
    NORMAL_LIKE "RandomNormalLike" [1, 22] import_normal_like infer_like lower_normal;
    UNIFORM "RandomUniform" [1, 22] import_uniform infer_shape lower_uniform;
    UNIFORM_LIKE "RandomUniformLike" [1, 22] import_uniform_like infer_like lower_uniform;
}

/// The key of the node's numbers, as an attribute.
fn keyed(n: &mut NodeReader, attrs: Attrs) -> Result<Attrs> {
    let key = match n.opt_float("seed")? {
        Some(seed) => u64::from(seed.to_bits()),
        None => generator::hash(&n.name),
    };
    Ok(attrs.with("key", Attr::Int(key as i64)))
}

fn import_like(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    if let Some(d) = dtype_attr(n, "dtype")? {
        attrs.set("dtype", Attr::DType(d));
    }
    keyed(n, attrs)
}

fn import_multinomial(n: &mut NodeReader) -> Result<Attrs> {
    let count = n.int("sample_size", 1)?;
    if count < 0 {
        return Err(n.error("E2011", format!("attribute 'sample_size' is {count}")).expected("0 or more"));
    }
    let dtype = dtype_attr(n, "dtype")?.unwrap_or(DType::I32);
    keyed(n, Attrs::default().with("count", Attr::Int(count)).with("dtype", Attr::DType(dtype)))
}

/// Adds float attributes to those of the form.
fn with_floats(n: &mut NodeReader, mut attrs: Attrs, floats: &[(&str, f32)]) -> Result<Attrs> {
    for (name, value) in import_floats(n, floats)?.0 {
        attrs.set(&name, value);
    }
    Ok(attrs)
}

const NORMAL_FLOATS: &[(&str, f32)] = &[("mean", 0.0), ("scale", 1.0)];
const UNIFORM_FLOATS: &[(&str, f32)] = &[("low", 0.0), ("high", 1.0)];

fn import_shape(n: &mut NodeReader, floats: &[(&str, f32)]) -> Result<Attrs> {
    let shape = n.need_ints("shape")?;
    if shape.iter().any(|d| *d < 0) {
        return Err(n.error("E2011", format!("attribute 'shape' is {shape:?}")).expected("extents from 0 on"));
    }
    let dtype = dtype_attr(n, "dtype")?.unwrap_or(DType::F32);
    let attrs = keyed(n, Attrs::default().with("shape", Attr::Ints(shape)).with("dtype", Attr::DType(dtype)))?;
    with_floats(n, attrs, floats)
}

fn import_normal(n: &mut NodeReader) -> Result<Attrs> {
    import_shape(n, NORMAL_FLOATS)
}
fn import_uniform(n: &mut NodeReader) -> Result<Attrs> {
    import_shape(n, UNIFORM_FLOATS)
}
fn import_normal_like(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = import_like(n)?;
    with_floats(n, attrs, NORMAL_FLOATS)
}
fn import_uniform_like(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = import_like(n)?;
    with_floats(n, attrs, UNIFORM_FLOATS)
}

fn infer_shape(cx: &mut InferCx) -> Result<()> {
    let shape = cx.attrs().ints("shape").unwrap_or_default().iter().map(|&d| Sym::int(d)).collect();
    cx.set_tensor(0, cx.attrs().dtype("dtype").unwrap_or(DType::F32), shape);
    Ok(())
}

fn infer_like(cx: &mut InferCx) -> Result<()> {
    let class = if cx.node().op.name == "Bernoulli" { Class::Float } else { Class::Any };
    let x = tensor(cx, 0, class)?;
    cx.set_tensor(0, cx.attrs().dtype("dtype").unwrap_or(x.dtype), x.shape);
    Ok(())
}

fn attr(cx: &ComputeCx, name: &str, d: DType) -> Expr {
    number(d, f64::from(cx.attrs().float(name).unwrap_or(0.0)))
}

/// The dtype of the arithmetic for an output of a dtype.
fn arithmetic(d: DType) -> DType {
    if d == DType::F64 { DType::F64 } else { DType::F32 }
}

fn lower_uniform(cx: &mut ComputeCx) -> Result<()> {
    let (g, shape) = (Generator::new(cx.attrs()), cx.out_shape(0));
    let d = arithmetic(cx.output_type(0).dtype);
    let (low, high) = (attr(cx, "low", d), attr(cx, "high", d));
    map_from(cx, d, |i| low.clone() + g.uniform(d, position(&shape, i)) * (high - low));
    Ok(())
}

fn lower_normal(cx: &mut ComputeCx) -> Result<()> {
    let (g, shape) = (Generator::new(cx.attrs()), cx.out_shape(0));
    let d = arithmetic(cx.output_type(0).dtype);
    let (mean, scale) = (attr(cx, "mean", d), attr(cx, "scale", d));
    map_from(cx, d, |i| mean + g.normal(d, position(&shape, i)) * scale);
    Ok(())
}

fn lower_bernoulli(cx: &mut ComputeCx) -> Result<()> {
    let (g, shape, p) = (Generator::new(cx.attrs()), cx.out_shape(0), Operand::new(cx, 0));
    let (d, to) = (p.wide(), cx.output_type(0).dtype);
    let [zero, one] = [0, 1].map(|v| constant(Scalar::from_i64(to, v)));
    cx.map_output(|_, i| select(compare(CmpOp::Lt, g.uniform(d, position(&shape, i)), p.at(i)), one, zero));
    Ok(())
}

fn infer_multinomial(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    if x.rank() != 2 {
        return Err(cx.error("E2005", format!("input 0 has rank {}", x.rank())).expected("2"));
    }
    let shape = vec![x.shape[0].clone(), Sym::int(cx.attrs().int("count").unwrap_or(1))];
    cx.set_tensor(0, cx.attrs().dtype("dtype").unwrap_or(DType::I32), shape);
    Ok(())
}

/// The class of the greatest logarithm + Gumbel noise, whose probability is the class's.
fn lower_multinomial(cx: &mut ComputeCx) -> Result<()> {
    let (g, x, out) = (Generator::new(cx.attrs()), Operand::new(cx, 0), cx.out_shape(0));
    let (d, classes) = (x.wide(), cx.shape(0)[1].clone());
    let shape = [&out[..], std::slice::from_ref(&classes)].concat();
    let noisy = cx.k.map("noisy", d, &shape, |_, i| {
        let u = g.open(d, position(&shape, i));
        x.at(&[i[0].clone(), i[2].clone()]) - unary(UnOp::Log, -unary(UnOp::Log, u))
    });
    let over = std::slice::from_ref(&classes);
    let at = |i: &[Sym], r: &[Sym]| load(noisy, &[i, r].concat());
    let best = cx.k.reduce("best", d, &out, ReduceOp::Max, over, None, |_, i, r| at(i, r));
    let class = cx.k.reduce("class", DType::I64, &out, ReduceOp::Min, over, None, |_, i, r| {
        let here = compare(CmpOp::Eq, at(i, r), load(best, i));
        select(here, int(r[0].clone()), int(&classes - 1))
    });
    map_from(cx, DType::I64, |i| load(class, i));
    Ok(())
}

#[cfg(test)]
mod tests;
