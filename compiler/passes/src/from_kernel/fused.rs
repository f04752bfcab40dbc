//! Two operands: where a stage says so, a product by a constant is rounded together with the sum that it is a part of.
//!
//! The transforms of Winograd's convolutions are such sums; a multiply-add is one operation where the machine has it. Does
//! NOT fuse products of data: what those are rounded to may be meant.

use super::eval::Eval;
use onnxc_base::{DType, Diagnostic};
use onnxc_ir::kernel::{BinOp, Expr, ExprKind};
use onnxc_ir::loops::Value;

impl Eval<'_, '_> {
    /// The value of an operation of two operands.
    pub(super) fn binary(&mut self, op: BinOp, a: &Expr, b: &Expr) -> Result<Value, Diagnostic> {
        if op == BinOp::Add && self.cx.fused {
            for (product, other) in [(b, a), (a, b)] {
                if let Some((x, c)) = self.by_constant(product) {
                    let (x, c, other) = (self.expr(x)?, self.expr(c)?, self.expr(other)?);
                    return Ok(self.cx.f.fma(x, c, other));
                }
            }
        }
        let (a, b) = (self.expr(a)?, self.expr(b)?);
        Ok(self.cx.f.binary(op, a, b))
    }

    /// The factors of a product of floats by a constant.
    fn by_constant<'e>(&self, e: &'e Expr) -> Option<(&'e Expr, &'e Expr)> {
        let ExprKind::Binary(BinOp::Mul, x, c) = e.kind() else { return None };
        let float = matches!(self.cx.kernel.dtype_of(e), DType::F32 | DType::F64);
        (float && matches!(c.kind(), ExprKind::Const(_))).then_some((x, c))
    }
}
