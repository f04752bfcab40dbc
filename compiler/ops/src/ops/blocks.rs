//! DepthToSpace and SpaceToDepth: channels that are blocks of pixels.
//!
//! DepthToSpace since 11: `mode`, DCR (blocks are the slow part of the channel, as before) or CRD (the fast one).

use super::movement::*;
use crate::prelude::*;

/// DepthToSpace.
pub static DEPTH_TO_SPACE: OpDef = OpDef {
    domain: "",
    name: "DepthToSpace",
    versions: &[(1, import), (11, import_mode), (13, import_mode), (28, import_mode)],
    infer: infer_depth,
    lower: Lower::View(view_depth),
    extents: None,
};

/// SpaceToDepth.
pub static SPACE_TO_DEPTH: OpDef = OpDef {
    domain: "",
    name: "SpaceToDepth",
    versions: &[(1, import), (13, import), (28, import_space)],
    infer: infer_space,
    lower: Lower::View(view_space),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let size = n.need_int("blocksize")?;
    if !(1..1 << 16).contains(&size) {
        return Err(n.error("E2011", format!("attribute 'blocksize' is {size}")).expected("a positive number"));
    }
    Ok(Attrs::default().with("blocksize", Attr::Int(size)).with("mode", Attr::Str("DCR".into())))
}

fn import_mode(n: &mut NodeReader) -> Result<Attrs> {
    let mode = n.choice("mode", &["DCR", "CRD"])?;
    Ok(import(n)?.with("mode", Attr::Str(mode)))
}

fn import_space(n: &mut NodeReader) -> Result<Attrs> {
    if n.has("mode") { import_mode(n) } else { import(n) }
}

fn block(attrs: &Attrs) -> Sym {
    Sym::int(attrs.int("blocksize").unwrap_or(1))
}

fn image(cx: &InferCx) -> Result<(DType, [Sym; 4])> {
    let x = any(cx, 0)?;
    let rank = x.rank();
    let shape = x.shape.try_into().ok();
    let shape = shape.ok_or_else(|| {
        cx.error("E2005", format!("input 0 has rank {rank}")).expected("images [batch, channels, height, width]")
    })?;
    Ok((x.dtype, shape))
}

/// `whole / part`, which must be exact.
fn divided(cx: &mut InferCx, whole: &Sym, part: &Sym, what: &str) -> Result<Sym> {
    let quotient = whole.floordiv(part);
    cx.unify(&(&quotient * part), whole, what)?;
    Ok(quotient)
}

fn infer_depth(cx: &mut InferCx) -> Result<()> {
    let (dtype, [n, c, h, w]) = image(cx)?;
    let b = block(cx.attrs());
    let c = divided(cx, &c, &(&b * &b), "the channels must be whole blocks")?;
    cx.set_tensor(0, dtype, vec![n, c, h * &b, w * &b]);
    Ok(())
}

fn infer_space(cx: &mut InferCx) -> Result<()> {
    let (dtype, [n, c, h, w]) = image(cx)?;
    let b = block(cx.attrs());
    let h = divided(cx, &h, &b, "the height must be whole blocks")?;
    let w = divided(cx, &w, &b, "the width must be whole blocks")?;
    cx.set_tensor(0, dtype, vec![n, c * &b * &b, h, w]);
    Ok(())
}

fn view_depth(cx: &ViewCx, i: &[Sym]) -> Result<Vec<Sym>> {
    let b = block(cx.attrs());
    let place = i[2].modulo(&b) * &b + i[3].modulo(&b);
    let channel = match cx.attrs().str("mode") {
        Some("CRD") => &i[1] * &b * &b + place,
        _ => place * &cx.out_shape()[1] + &i[1],
    };
    Ok(vec![i[0].clone(), channel, i[2].floordiv(&b), i[3].floordiv(&b)])
}

fn view_space(cx: &ViewCx, i: &[Sym]) -> Result<Vec<Sym>> {
    let b = block(cx.attrs());
    let (channel, place) = match cx.attrs().str("mode") {
        Some("CRD") => (i[1].floordiv(&(&b * &b)), i[1].modulo(&(&b * &b))),
        _ => (i[1].modulo(&cx.shape(0)[1]), i[1].floordiv(&cx.shape(0)[1])),
    };
    Ok(vec![i[0].clone(), channel, &i[2] * &b + place.floordiv(&b), &i[3] * &b + place.modulo(&b)])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("blocks");
    }
}
