//! Shape and Size: what is known of a tensor without its elements.
//!
//! Shape since 15: attributes `start` and `end` cut a range out of the extents; counted from the end if negative, and
//! clamped. From here down they are always there.

use super::movement::*;
use crate::prelude::*;

/// Shape.
pub static SHAPE: OpDef = OpDef {
    domain: "",
    name: "Shape",
    versions: &[
        (1, import_all),
        (13, import_all),
        (15, import_range),
        (19, import_range),
        (21, import_range),
        (23, import_range),
        (24, import_range),
        (25, import_range),
    ],
    infer: infer_shape,
    lower: Lower::Compute(lower_shape),
    extents: None,
};

/// Size.
pub static SIZE: OpDef = OpDef {
    domain: "",
    name: "Size",
    versions: &[(1, none), (13, none), (19, none), (21, none), (23, none), (24, none), (25, none)],
    infer: infer_size,
    lower: Lower::Compute(lower_size),
    extents: None,
};

fn import_all(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("start", Attr::Int(0)).with("end", Attr::Int(i64::MAX)))
}

fn import_range(n: &mut NodeReader) -> Result<Attrs> {
    let (start, end) = (n.int("start", 0)?, n.int("end", i64::MAX)?);
    Ok(Attrs::default().with("start", Attr::Int(start)).with("end", Attr::Int(end)))
}

/// The extents that the attributes pick.
fn picked(attrs: &Attrs, shape: &[Sym]) -> Vec<Sym> {
    let rank = shape.len() as i64;
    let at = |name, default| {
        let v = attrs.int(name).unwrap_or(default);
        (if v < 0 { v + rank } else { v }).clamp(0, rank) as usize
    };
    let (start, end) = (at("start", 0), at("end", rank));
    shape[start..end.max(start)].to_vec()
}

fn infer_shape(cx: &mut InferCx) -> Result<()> {
    let dims = picked(cx.attrs(), &cx.shape(0)?);
    cx.set_tensor(0, DType::I64, vec![Sym::int(dims.len() as i64)]);
    cx.set_content(0, dims);
    Ok(())
}

fn lower_shape(cx: &mut ComputeCx) -> Result<()> {
    let dims = picked(cx.attrs(), &cx.shape(0));
    cx.map_output(|_, i| pick(&i[0], &dims));
    Ok(())
}

fn infer_size(cx: &mut InferCx) -> Result<()> {
    let count = product(&cx.shape(0)?);
    cx.set_tensor(0, DType::I64, vec![]);
    cx.set_content(0, vec![count]);
    Ok(())
}

fn lower_size(cx: &mut ComputeCx) -> Result<()> {
    let count = product(&cx.shape(0));
    cx.map_output(|_, _| int(count));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("shape");
    }
}
