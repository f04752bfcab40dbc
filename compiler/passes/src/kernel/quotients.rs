//! quotients: where only erf or tanh sees a quotient by a constant, it is a product with the constant's reciprocal. These
//! change by no greater part of their value than their argument does, so the result is off by a rounding more; a division
//! takes as long as half of such a function (GELU, as it is mostly spelled, has `erf(x / sqrt 2)`).
//!
//! Does NOT touch other quotients: rounded or compared, one that isn't exact may be another number.

use super::expr::{map_parts, rewrite};
use onnxc_base::DType;
use onnxc_ir::kernel::build::binary;
use onnxc_ir::kernel::{BinOp, Expr, ExprKind, Kernel, UnOp};
use onnxc_ir::scalar::Scalar;

/// Multiplies where that is as good.
pub fn quotients(kernel: &mut Kernel) {
    for def in kernel.defs.values_mut() {
        map_parts(def, &mut |e| rewrite(e, &mut multiplied));
    }
}

/// The function of a product, for one of a quotient.
fn multiplied(e: &Expr) -> Option<Expr> {
    let ExprKind::Unary(op @ (UnOp::Erf | UnOp::Tanh), of) = e.kind() else { return None };
    let ExprKind::Binary(BinOp::Div, x, by) = of.kind() else { return None };
    let ExprKind::Const(c) = by.kind() else { return None };
    let reciprocal = match c.dtype {
        DType::F32 => Scalar::f32((1.0 / c.to_f64()) as f32),
        DType::F64 => Scalar::f64(1.0 / c.to_f64()),
        _ => return None,
    };
    let normal = |s: Scalar| s.to_f64().is_finite() && s.to_f64().abs() >= f64::from(f32::MIN_POSITIVE);
    let factor = Expr::new(ExprKind::Const(reciprocal));
    (normal(*c) && normal(reciprocal)).then(|| Expr::new(ExprKind::Unary(*op, binary(BinOp::Mul, x.clone(), factor))))
}

#[cfg(test)]
mod tests {
    use crate::from_kernel::Machine;
    use crate::kernel::optimise;
    use onnxc_ir::kernel::parse::parse_kernel;

    fn optimised(value: &str, machine: Machine) -> String {
        let text = format!("kernel @k {{ in x: f32[9]  y[i in 9]: f32 = {value}  out y }}");
        let mut k = parse_kernel(&text, None, None).expect("the text is right");
        optimise(&mut k, machine).expect("no constants");
        k.to_string()
    }

    #[test]
    fn only_what_erf_and_tanh_see_is_multiplied() {
        let strict = Machine { strict: true, ..Machine::USUAL };
        assert!(optimised("erf(x[i] / 4.0)", Machine::USUAL).contains("* 0.25"));
        assert!(optimised("tanh(x[i] / 3.0)", Machine::USUAL).contains("* 0.33333334"));
        assert!(optimised("erf(x[i] / 4.0)", strict).contains("/ 4.0"), "as it is spelled");
        assert!(optimised("floor(x[i] / 49.0)", Machine::USUAL).contains("/ 49.0"), "49 / 49 is 1");
        assert!(optimised("erf(x[i] / 0.0)", Machine::USUAL).contains("/ 0.0"), "no number");
    }
}
