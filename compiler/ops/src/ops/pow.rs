//! Pow: x to the power of y, in the dtype of x; y may be of another dtype since 12.
//!
//! Since 1: broadcasting by attribute, see `binary`. A constant exponent of 1, 2, 3 or 1/2 becomes multiplications or a
//! root (for 1/2: NaN instead of infinity at minus infinity).
//! Integers to integers wrap; an integer to a float goes through f64.

use super::binary::{import_legacy, infer_shapes, operands};
use super::elementwise::*;
use crate::prelude::*;

/// Pow.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Pow",
    versions: &[(1, import_legacy), (7, none), (12, none), (13, none), (15, none)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn none(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (x, y) = (tensor(cx, 0, Class::Number)?, tensor(cx, 1, Class::Number)?);
    infer_shapes(cx, x.dtype, x.shape, y.shape, |_, a, b| {
        let (a, b) = (a.as_int()?, u32::try_from(b.as_int()?).ok()?);
        a.checked_pow(b).map(Sym::int)
    })
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, y) = operands(cx);
    let d = arithmetic(x.wide(), y.wide());
    let exponent = cx.constant(1).filter(|t| t.len() == 1).and_then(|t| t.to_f64()).map(|v| v[0]);
    map_from(cx, d, |i| {
        let a = x.at_as(d, i);
        match exponent {
            Some(1.0) => a,
            Some(2.0) => a.clone() * a,
            Some(3.0) => a.clone() * a.clone() * a,
            Some(0.5) if d.is_float() => unary(UnOp::Sqrt, a),
            _ if d != x.wide() => nearly_whole(d, binary(BinOp::Pow, a, y.at_as(d, i))),
            _ => binary(BinOp::Pow, a, y.at_as(d, i)),
        }
    });
    Ok(())
}

/// A power that will be cut to an integer: one that misses a whole number by rounding only is that number.
fn nearly_whole(d: DType, p: Expr) -> Expr {
    if !d.is_float() {
        return p;
    }
    let whole = unary(UnOp::RoundEven, p.clone());
    let distance = unary(UnOp::Abs, p.clone() - whole.clone());
    // A few units in the last place of an f64.
    let near = compare(CmpOp::Le, distance, unary(UnOp::Abs, whole.clone()) * number(d, 1e-15));
    select(near, whole, p)
}

/// The dtype in which the power is computed.
fn arithmetic(x: DType, y: DType) -> DType {
    match (x.is_int(), y.is_int()) {
        _ if x == y => x,
        (true, true) => DType::I64,
        (true, false) => DType::F64,
        (false, _) => x,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("pow");
    }
}
