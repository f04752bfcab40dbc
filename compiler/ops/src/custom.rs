//! Operators that only the user knows: a C function that is linked in, or Rust code that uses onnxc as a library.

use crate::compute::ComputeCx;
use crate::infer::InferCx;
use onnxc_base::Diagnostic;
use onnxc_ir::graph::OpName;

/// An operator of the user.
pub trait CustomOp: Send + Sync {
    /// Domain and name in the model.
    fn op_name(&self) -> OpName;

    /// Sets the types of the outputs. By default each output has the type that the model declares for it, and where
    /// it declares none, the type of the first input.
    fn infer(&self, cx: &mut InferCx) -> Result<(), Diagnostic> {
        cx.infer_like_declared()
    }

    /// How it computes.
    fn body(&self) -> CustomBody<'_>;
}

/// How an operator of the user computes.
pub enum CustomBody<'a> {
    /// A C function of this symbol; its prototype is in the generated header.
    Symbol(&'a str),
    /// Kernel definitions, compiled and fused like a built-in operator's.
    Compute(&'a dyn ComputeFn),
}

/// Writes kernel definitions; implemented by every fitting closure.
pub trait ComputeFn {
    /// Adds definitions and sets the outputs.
    fn compute(&self, cx: &mut ComputeCx) -> Result<(), Diagnostic>;
}

impl<F: Fn(&mut ComputeCx) -> Result<(), Diagnostic>> ComputeFn for F {
    fn compute(&self, cx: &mut ComputeCx) -> Result<(), Diagnostic> {
        self(cx)
    }
}

/// `--custom my_domain.MyAdd=my_add`: an operator that is a C function.
pub struct CFunction {
    /// Domain and name in the model.
    pub name: OpName,
    /// Linker symbol.
    pub symbol: String,
}

impl CustomOp for CFunction {
    fn op_name(&self) -> OpName {
        self.name.clone()
    }
    fn body(&self) -> CustomBody<'_> {
        CustomBody::Symbol(&self.symbol)
    }
}
