//! Where: X where the condition holds, Y elsewhere, all three broadcast.
//!
//! Versions (9, 16) differ in dtypes.

use super::elementwise::*;
use crate::prelude::*;

/// Where.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Where",
    versions: &[(9, none), (16, none)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn none(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (c, x) = (tensor(cx, 0, Class::Bool)?, tensor(cx, 1, Class::Any)?);
    let y = tensor_of(cx, 2, x.dtype)?;
    let shape = cx.broadcast(&[c.shape.clone(), x.shape.clone(), y.shape.clone()])?;
    let operands: [(usize, &[Sym]); 3] = [(0, &c.shape), (1, &x.shape), (2, &y.shape)];
    let pick = |v: &[&Sym]| v[0].as_int().map(|c| v[if c != 0 { 1 } else { 2 }].clone());
    if let Some(c) = content(cx, &operands, &shape, pick) {
        cx.set_content(0, c);
    }
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let [c, x, y] = [0, 1, 2].map(|i| Operand::broadcast(cx, i, None));
    map_from(cx, x.wide(), |i| select(c.at(i), x.at(i), y.at(i)));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("select");
    }
}
