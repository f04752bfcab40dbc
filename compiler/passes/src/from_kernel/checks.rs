//! Checks: a kernel ends with a status where its data is none that it can work with.
//!
//! Does NOT say when they run: see `from_kernel`.

use super::Cx;
use super::eval::Eval;
use onnxc_base::{DType, Diagnostic};
use onnxc_ir::kernel::{Axis, Check};
use onnxc_ir::loops::{LoopKind, Stmt};
use onnxc_ir::scalar::Scalar;

impl Cx<'_> {
    /// A loop nest of step 1 over whole axes, outermost first, under their own variables.
    fn nest(
        &mut self,
        axes: &[Axis],
        body: &mut dyn FnMut(&mut Self) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let Some((axis, rest)) = axes.split_first() else { return body(self) };
        let (lo, hi) = (self.f.int(0), self.f.sym(&axis.extent));
        let index = self.f.open_loop(axis.var.as_str());
        self.f.bind(axis.var.clone(), index);
        let result = self.nest(rest, body);
        self.f.close_loop(index, lo, hi, 1, LoopKind::Serial);
        result
    }

    /// Leaves the function with the check's status at the first point where its condition doesn't hold.
    pub(super) fn check(&mut self, check: &Check) -> Result<(), Diagnostic> {
        self.nest(&check.axes, &mut |cx| {
            let ok = Eval::scalar(cx).expr(&check.cond)?;
            let (then, ()) = cx.f.block(|_| ());
            let (els, ()) = cx.f.block(|f| {
                let s = f.scalar(Scalar::from_i64(DType::I32, i64::from(check.status)));
                f.stmt(Stmt::Return(Some(s)));
            });
            cx.f.stmt(Stmt::If { cond: ok, then, els });
            Ok(())
        })
    }
}
