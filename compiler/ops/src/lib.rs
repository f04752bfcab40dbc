//! ONNX operators: one file per operator or family, each saying how it is imported (every opset version), what it
//! infers (types, shapes, small contents) and what it computes. There is one definition of an operator's meaning.
//!
//! - [`OpDef`]: an operator as data; [`registry`] lists them all, one line each.
//! - [`import`]: an ONNX model to graph IR; nothing below it knows an opset.
//! - [`infer`], [`compute`], [`routine`]: what an operator's functions are given to work with.
//! - [`broadcast`]: the one rule of repeating extents of 1, of inference and of reading.
//! - [`code`]: routines of many branches, as formulas.
//! - [`custom`]: operators that only the user knows.
//! - [`handles`]: strings, sequences, optionals and maps become integers that the runtime knows.
//! - [`eval`]: single nodes run on host tensors, by what they lower to.
//!
//! Absent here: schedules, fusion, memory, backends.

pub mod broadcast;
pub mod code;
pub mod compute;
pub mod custom;
pub mod eval;
pub mod handles;
pub mod import;
pub mod infer;
pub mod ops;
pub mod registry;
pub mod routine;
#[cfg(test)]
#[allow(dead_code, reason = "each operator's tests use a part")]
mod testing;

pub use compute::{ComputeCx, ViewCx};
pub use custom::CustomOp;
pub use eval::Evaluator;
pub use import::NodeReader;
pub use infer::InferCx;
pub use registry::{OpRef, Registry};
pub use routine::RoutineCx;

use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::graph::Attrs;
use onnxc_ir::loops::Value;

/// What the files of operators use.
pub mod prelude {
    pub use crate::compute::{ComputeCx, ViewCx};
    pub use crate::handles::RuntimeCx;
    pub use crate::import::NodeReader;
    pub use crate::infer::InferCx;
    pub use crate::routine::RoutineCx;
    pub use crate::{Lower, OpDef};
    pub use onnxc_base::{DType, Diagnostic, Sym, Tensor};
    pub use onnxc_ir::graph::{Attr, Attrs, Type};
    pub use onnxc_ir::kernel::build::{
        as_const, binary, cast, compare, constant, int, load, load_at, load_padded, number, select, unary,
    };
    pub use onnxc_ir::kernel::{Expr, KernelBuilder, Src};
    pub use onnxc_ir::scalar::{BinOp, CmpOp, ReduceOp, Scalar, UnOp};
    /// What an operator's functions return.
    pub type Result<T> = std::result::Result<T, Diagnostic>;
}

/// Reads a node of one opset version into the newest, canonical attributes. It may also rewrite the reader's inputs.
pub type Import = fn(&mut NodeReader) -> Result<Attrs, Diagnostic>;

/// An operator.
pub struct OpDef {
    /// Domain; empty for ONNX's own.
    pub domain: &'static str,
    /// Name.
    pub name: &'static str,
    /// For each version that changed anything: since when, and how to read it. Ascending.
    pub versions: &'static [(i64, Import)],
    /// Sets the types of the outputs, and contents where small and known.
    pub infer: fn(&mut InferCx) -> Result<(), Diagnostic>,
    /// What it computes.
    pub lower: Lower,
    /// Computes the values of the extents that `infer` asked for by [`InferCx::fresh_extent`], from the values of the
    /// inputs, before the node runs. Must not write memory.
    pub extents: Option<fn(&mut RoutineCx) -> Result<Vec<Value>, Diagnostic>>,
}

impl OpDef {
    /// An operator that `import` always replaces by others, see [`NodeReader::become_values`].
    pub const fn composed(domain: &'static str, name: &'static str, versions: &'static [(i64, Import)]) -> OpDef {
        let infer = |cx: &mut InferCx| Err(cx.error("E2026", "the node stands for others and can't be by itself"));
        let lower = |cx: &mut RoutineCx| Err(cx.error("E2026", "the node stands for others and can't be by itself"));
        OpDef { domain, name, versions, infer, lower: Lower::Routine(lower), extents: None }
    }
}

/// The ways to define what an operator computes.
#[derive(Clone, Copy)]
pub enum Lower {
    /// Kernel definitions; may be fused with its neighbours.
    Compute(fn(&mut ComputeCx) -> Result<(), Diagnostic>),
    /// Output elements are input 0's elements elsewhere: the index of the input for an index of the output.
    View(fn(&ViewCx, &[Sym]) -> Result<Vec<Sym>, Diagnostic>),
    /// The output is input 0 with the same bytes in the same order under another shape, or another dtype of the same size:
    /// nothing is computed.
    Alias,
    /// Loops IR, written with the builder: what is no pure formula (sorting, suppression, scattering).
    Routine(fn(&mut RoutineCx) -> Result<(), Diagnostic>),
    /// Calls of the runtime on strings, sequences, optionals and maps: [`handles`] puts other nodes in its place.
    Runtime(fn(&mut handles::RuntimeCx) -> Result<(), Diagnostic>),
    /// Regions run by the assembler.
    Control(Control),
}

/// Control flow operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Input 0: condition. Regions: then, else.
    If,
    /// Inputs: trip count, condition, carried values. Region: body.
    Loop,
    /// Carried values, then scanned inputs. Region: body.
    Scan,
}
