//! Cast and CastLike: another dtype, by the rules of `ir::scalar` (floats to integers truncate and saturate).
//!
//! Cast since 1: `to` is a dtype's name; since 6: its number. CastLike: the dtype of input 1.
//! `saturate` is about floats of 8 bits: what is too large becomes the greatest number, or infinity or NaN as the format
//! has it. `round_mode` is about the exponents of e8m0: up, down or nearest.
//! BitCast: the same bits as another dtype of as many bits.
//! From here down: attribute `to`, a dtype (Cast only), `saturate` if it is 0, `round_mode` if it isn't up. Known contents of integers go through,
//! so shape arithmetic does.

use super::elementwise::*;
use crate::handles::{Operand, leaf};
use crate::prelude::*;
use onnxc_base::small_float::{Format, Special};
use onnxc_onnx::dtype::{from_onnx, onnx_name, to_onnx};

/// Cast.
pub static CAST: OpDef = OpDef {
    domain: "",
    name: "Cast",
    versions: &[
        (1, import_name),
        (6, import_number),
        (9, import_number),
        (13, import_number),
        (19, import_number),
        (21, import_number),
        (23, import_number),
        (24, import_number),
        (25, import_number),
        (28, import_number),
    ],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

/// CastLike.
pub static CAST_LIKE: OpDef = OpDef {
    domain: "",
    name: "CastLike",
    versions: &[
        (15, import_like),
        (19, import_like),
        (21, import_like),
        (23, import_like),
        (24, import_like),
        (25, import_like),
    ],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

/// BitCast.
pub static BIT_CAST: OpDef = OpDef {
    domain: "",
    name: "BitCast",
    versions: &[(26, import_bit_cast)],
    infer: infer_bit_cast,
    lower: Lower::Alias,
    extents: None,
};

fn import_like(n: &mut NodeReader) -> Result<Attrs> {
    let saturate = n.int("saturate", 1)?;
    let mode = n.choice("round_mode", &["up", "down", "nearest"])?;
    let mut attrs = Attrs::default();
    if saturate == 0 {
        attrs.set("saturate", Attr::Int(0));
    }
    if mode != "up" {
        attrs.set("round_mode", Attr::Str(mode));
    }
    Ok(attrs)
}

fn import_number(n: &mut NodeReader) -> Result<Attrs> {
    let number = n.need_int("to")?;
    let to = i32::try_from(number).ok().and_then(from_onnx);
    let to =
        to.ok_or_else(|| n.error("E2011", format!("attribute 'to' is {number}")).expected("the number of a dtype"))?;
    Ok(import_like(n)?.with("to", Attr::DType(to)))
}

fn import_name(n: &mut NodeReader) -> Result<Attrs> {
    let name = n.opt_str("to")?.unwrap_or_default();
    let to = DType::all().find(|&d| onnx_name(d) == name);
    let to =
        to.ok_or_else(|| n.error("E2011", format!("attribute 'to' is '{name}'")).expected("the name of a dtype"))?;
    Ok(import_like(n)?.with("to", Attr::DType(to)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Any)?;
    let to = match cx.attrs().dtype("to") {
        Some(d) => d,
        None => cx.dtype(1)?,
    };
    for (d, what) in [(x.dtype, "from"), (to, "to")] {
        if (!Scalar::holds(d) && d != DType::String) || d == DType::C64 {
            return Err(cx
                .error("E2020", format!("the node casts {what} {d}"))
                .expected("a type of numbers, bool or string"));
        }
    }
    if let Some(c) = cast_content(cx, x.dtype, to) {
        cx.set_content(0, c);
    }
    cx.set_tensor(0, to, x.shape);
    Ok(())
}

/// Symbols keep their value in wide integers; to bool they must be known.
fn cast_content(cx: &InferCx, from: DType, to: DType) -> Option<Vec<Sym>> {
    let content = cx.content(0)?;
    match to {
        DType::I64 => Some(content),
        // An extent that doesn't fit an i32 doesn't fit memory either.
        DType::I32 if from != DType::U64 && from != DType::U32 => Some(content),
        DType::Bool => content.iter().map(|s| s.as_int().map(|v| Sym::int(i64::from(v != 0)))).collect(),
        _ => None,
    }
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, from, to) = (cx.input(0), cx.dtype(0), cx.output_type(0).dtype);
    let saturate = cx.attrs().int("saturate") != Some(0);
    let mode = cx.attrs().str("round_mode").unwrap_or("up").to_owned();
    cx.map_output(|_, i| converted(from, to, load(x, i), saturate, &mode));
    Ok(())
}

/// A conversion with what only small floats ask for.
pub(super) fn converted(from: DType, to: DType, x: Expr, saturate: bool, mode: &str) -> Expr {
    let Some(format) = Format::of(to) else { return cast(from, to, x) };
    let f = DType::F32;
    let x = cast(from, f, x);
    if format.special == Special::Power {
        return cast(f, to, power_of_two(x, format, saturate, mode));
    }
    // The second operand of `min` and `max` must be the limit: a NaN in the first one stays.
    let max = f64::from(format.max());
    let clamped = |x: Expr| binary(BinOp::Max, binary(BinOp::Min, x, number(f, max)), number(f, -max));
    cast(f, to, if saturate { clamped(x) } else { x })
}

/// The power of two beside the magnitude of an f32.
fn power_of_two(x: Expr, format: Format, saturate: bool, mode: &str) -> Expr {
    let (f, to) = (DType::F32, DType::F8E8M0);
    let a = unary(UnOp::Abs, x);
    let down = cast(to, f, cast(f, to, a.clone()));
    let up = match mode {
        "down" => return down,
        "nearest" => compare(CmpOp::Ge, a.clone(), down.clone() * number(f, 1.5)),
        // Zero has the least exponent, but no fraction.
        _ => {
            let some = compare(CmpOp::Ne, a.clone(), number(f, 0.0));
            binary(BinOp::And, compare(CmpOp::Ne, a, down.clone()), some)
        }
    };
    let next = down.clone() * number(f, 2.0);
    let next = if saturate { binary(BinOp::Min, next, number(f, f64::from(format.max()))) } else { next };
    select(up, next, down)
}

fn import_bit_cast(n: &mut NodeReader) -> Result<Attrs> {
    let number = n.need_int("to")?;
    let to = i32::try_from(number).ok().and_then(from_onnx);
    let to =
        to.ok_or_else(|| n.error("E2011", format!("attribute 'to' is {number}")).expected("the number of a dtype"))?;
    Ok(Attrs::default().with("to", Attr::DType(to)))
}

fn infer_bit_cast(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Any)?;
    let to = cx.attrs().dtype("to").unwrap_or(x.dtype);
    if to.bits() != x.dtype.bits() || !Scalar::holds(to) {
        let found = format!("elements of {} are to be seen as {to}", x.dtype);
        return Err(cx.error("E2020", found).expected("types of as many bits"));
    }
    cx.set_tensor(0, to, x.shape);
    Ok(())
}

/// The way to and from strings, which is the runtime's.
pub(crate) fn expand(cx: &mut RuntimeCx) -> Result<()> {
    let (from, to) = (cx.input_type(0).dtype, leaf(&cx.output_type(0)));
    if from == to {
        let x = cx.opt(0).expect("infer has required this input");
        cx.same(0, x);
        return Ok(());
    }
    let x = cx.handle(0);
    let y = match to {
        DType::String => cx.call("string_of_number", &[x]),
        _ => cx.call("string_to_number", &[x, Operand::Int(i64::from(to_onnx(to)))]),
    };
    cx.set(0, y);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("cast");
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        let cast =
            |to| Case::new("Cast", 25).input(Tensor::from_slice(&[1], &[1.0f32])).attr("to", Attr::Int(to)).error();
        assert_eq!([cast(15), cast(99)], ["E2020", "E2011"]);
    }
}
