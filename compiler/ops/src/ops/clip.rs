//! Clip: min(max(x, low), high), so `high` wins where the bounds cross, and a NaN stays.
//!
//! Since 1, 6: bounds are attributes, floats whatever the dtype of x. Since 11: inputs. A bound left out bounds
//! nothing.
//! From here down: inputs 1 and 2, optional scalars.

use super::elementwise::*;
use crate::prelude::*;

/// Clip.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Clip",
    versions: &[(1, import_attrs), (6, import_attrs), (11, none), (12, none), (13, none)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import_attrs(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["consumed_inputs"]);
    for (i, name) in [(1, "min"), (2, "max")] {
        if let Some(v) = n.opt_float(name)? {
            n.set_input(i, name, Tensor::from_slice(&[], &[v]));
        }
    }
    Ok(Attrs::default())
}

fn none(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Number)?;
    for i in 1..3 {
        if cx.opt(i).is_some() {
            let bound = tensor(cx, i, Class::Number)?;
            if bound.fixed().is_none_or(|s| s.iter().any(|&d| d != 1)) {
                return Err(cx.error("E2005", format!("bound {i} has {} axes", bound.rank())).expected("a scalar"));
            }
        }
    }
    if let Some(c) = clipped_content(cx) {
        cx.set_content(0, c);
    }
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn clipped_content(cx: &InferCx) -> Option<Vec<Sym>> {
    let bound = |i: usize| if cx.opt(i).is_some() { cx.content(i).map(|c| c.first().cloned()) } else { Some(None) };
    let (low, high) = (bound(1)?, bound(2)?);
    let raise = |x: &Sym| low.as_ref().map_or(x.clone(), |l| Sym::max(x, l));
    let lower = |x: &Sym| high.as_ref().map_or(x.clone(), |h| Sym::min(x, h));
    Some(cx.content(0)?.iter().map(|x| lower(&raise(x))).collect())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let x = Operand::new(cx, 0);
    let bounds = [(1, BinOp::Max), (2, BinOp::Min)].map(|(i, op)| (bound(cx, i), op));
    let d = x.wide();
    map_from(cx, d, |i| {
        bounds.iter().fold(x.at(i), |v, (b, op)| match b {
            Some(b) => binary(*op, v, b.clone()),
            None => v,
        })
    });
    Ok(())
}

/// The element of a bound, in the dtype of the arithmetic.
fn bound(cx: &ComputeCx, i: usize) -> Option<Expr> {
    let b = Operand::opt(cx, i)?;
    Some(b.at_as(wide(cx.dtype(0)), &vec![Sym::int(0); cx.shape(i).len()]))
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("clip");
    }
}
