//! SwiGLU: a * sigmoid(alpha * a) * b, of two tensors of one shape.
//!
//! Since 28. Narrow floats are computed in f32.

use super::elementwise::*;
use crate::prelude::*;

/// SwiGLU.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "SwiGLU",
    versions: &[(28, |n| import_floats(n, &[("alpha", 1.0)]))],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn infer(cx: &mut InferCx) -> Result<()> {
    let mut a = tensor(cx, 0, Class::Float)?;
    let b = tensor_of(cx, 1, a.dtype)?;
    if a.rank() != b.rank() {
        let found = format!("the inputs have the ranks {} and {}", a.rank(), b.rank());
        return Err(cx.error("E2005", found).expected("equal shapes: nothing is broadcast"));
    }
    for (axis, d) in b.shape.iter().enumerate() {
        a.shape[axis] = cx.unify(&a.shape[axis].clone(), d, &format!("axis {axis} of both inputs"))?;
    }
    cx.set_output(0, Type::Tensor(a));
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (a, b) = (Operand::new(cx, 0), Operand::new(cx, 1));
    let d = a.wide();
    let alpha = number(d, f64::from(cx.attrs().float("alpha").unwrap_or(1.0)));
    let one = number(d, 1.0);
    map_from(cx, d, |i| {
        let gate = a.at(i);
        let sigmoid = one.clone() / (one.clone() + unary(UnOp::Exp, -(alpha * gate.clone())));
        gate * sigmoid * b.at(i)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("swiglu");
    }
}
