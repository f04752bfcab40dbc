//! Operators of this compiler's own about complex numbers: their parts as one more axis of floats, and back. No model has
//! them; the pass `complex-parts` puts them in. A complex64 is two f32, a complex128 two f64: the real part, then the
//! imaginary one.
//!
//! - `Parts`: complex `[s]` as floats `[s, 2]`, the same memory; `Complex` is the way back.
//! - `Part`: one of the two, `[s]`; attribute `part`: 0 or 1. `Pair` puts two such tensors side by side.
//! - `Rows`: of a tensor of pairs `[s, 2]`, the numbers of its rows `[s]`, from attribute `first` on.

use super::movement::none;
use crate::prelude::*;
use onnxc_ir::graph::TensorType;

macro_rules! operators {
    ($($id:ident $name:literal $infer:ident $lower:expr;)*) => { $(
        #[doc = concat!("onnxc.", $name, ".")]
        pub static $id: OpDef = OpDef {
            domain: "onnxc",
            name: $name,
            versions: &[(1, none)],
            infer: $infer,
            lower: $lower,
            extents: None,
        };
    )* };
}

operators! {
    COMPLEX "Complex" infer_complex Lower::Alias;
    PAIR "Pair" infer_pair Lower::Compute(lower_pair);
    PART "Part" infer_part Lower::View(view_part);
    PARTS "Parts" infer_parts Lower::Alias;
    ROWS "Rows" infer_rows Lower::Compute(lower_rows);
}

/// The floats that a complex number is two of.
pub fn part_of(complex: DType) -> Option<DType> {
    match complex {
        DType::C64 => Some(DType::F32),
        DType::C128 => Some(DType::F64),
        _ => None,
    }
}

fn complex_of(part: DType) -> Option<DType> {
    [DType::C64, DType::C128].into_iter().find(|&c| part_of(c) == Some(part))
}

/// Input 0, which must be pairs: its type without the last axis.
fn pairs(cx: &InferCx) -> Result<TensorType> {
    let TensorType { dtype, mut shape } = cx.input_type(0)?;
    match shape.pop().and_then(|d| d.as_int()) {
        Some(2) if complex_of(dtype).is_some() => Ok(TensorType { dtype, shape }),
        _ => Err(cx.error("E2005", format!("input 0 is of {dtype}")).expected("pairs of f32 or f64")),
    }
}

fn with_two(shape: &[Sym]) -> Vec<Sym> {
    [shape, &[Sym::int(2)]].concat()
}

fn infer_parts(cx: &mut InferCx) -> Result<()> {
    let x = cx.input_type(0)?;
    let part = part_of(x.dtype).ok_or_else(|| cx.error("E2021", format!("input 0 is of dtype {}", x.dtype)))?;
    cx.set_tensor(0, part, with_two(&x.shape));
    Ok(())
}

fn infer_complex(cx: &mut InferCx) -> Result<()> {
    let x = pairs(cx)?;
    let complex = complex_of(x.dtype).ok_or_else(|| cx.error("E2021", format!("input 0 is of dtype {}", x.dtype)))?;
    cx.set_tensor(0, complex, x.shape);
    Ok(())
}

fn infer_part(cx: &mut InferCx) -> Result<()> {
    let x = pairs(cx)?;
    cx.set_tensor(0, x.dtype, x.shape);
    Ok(())
}

fn view_part(cx: &ViewCx, index: &[Sym]) -> Result<Vec<Sym>> {
    Ok([index, &[Sym::int(cx.attrs().int("part").unwrap_or(0))]].concat())
}

fn infer_pair(cx: &mut InferCx) -> Result<()> {
    let x = cx.input_type(0)?;
    cx.set_tensor(0, x.dtype, with_two(&x.shape));
    Ok(())
}

fn lower_pair(cx: &mut ComputeCx) -> Result<()> {
    let (re, im) = (cx.input(0), cx.input(1));
    cx.map_output(|_, i| {
        let (part, at) = i.split_last().expect("the last axis is that of parts");
        let real = compare(CmpOp::Eq, int(part.clone()), int(0));
        select(real, load(re, at), load(im, at))
    });
    Ok(())
}

fn infer_rows(cx: &mut InferCx) -> Result<()> {
    let x = pairs(cx)?;
    cx.set_tensor(0, DType::I64, x.shape);
    Ok(())
}

fn lower_rows(cx: &mut ComputeCx) -> Result<()> {
    let first = cx.attrs().syms("first").and_then(|s| s.first().cloned()).unwrap_or(Sym::int(0));
    let shape = cx.out_shape(0);
    cx.map_output(|_, i| int(i.iter().zip(&shape).fold(Sym::int(0), |n, (i, d)| n * d + i) + first));
    Ok(())
}
