//! Cast and CastLike: another dtype, by the rules of `ir::scalar` (floats to integers truncate and saturate).
//!
//! Cast since 1: `to` is a dtype's name; since 6: its number. CastLike: the dtype of input 1.
//! `saturate` and `round_mode` are about 8-bit floats, which are not supported yet, so they are accepted without
//! effect.
//! From here down: attribute `to`, a dtype (Cast only). Known contents of integers go through, so shape arithmetic
//! does.

use super::elementwise::*;
use crate::prelude::*;
use onnxc_onnx::dtype::{from_onnx, onnx_name};

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

fn import_like(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["saturate", "round_mode"]);
    Ok(Attrs::default())
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
    Ok(Attrs::default().with("to", Attr::DType(to)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Any)?;
    let to = match cx.attrs().dtype("to") {
        Some(d) => d,
        None => cx.dtype(1)?,
    };
    if !Scalar::holds(to) {
        return Err(cx
            .error("E2020", format!("the node casts to {to}, which is not supported yet"))
            .expected("bool, an integer of 8 to 64 bits, f16, bf16, f32 or f64"));
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
    cx.map_output(|_, i| cast(from, to, load(x, i)));
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
        assert_eq!([cast(8), cast(17), cast(99)], ["E2020", "E2020", "E2011"]);
    }
}
