//! What the backends that write source text (C, Rust) share.
//!
//! - [`scalar`]: the program without vectors.
//! - [`range`]: what is known of integers.
//! - [`flow`]: the walk over a function: which values get names, which stand inside of others.
//! - [`expr`], [`names`], [`homes`]: expressions, names, places of declarations.
//! - [`helpers`]: which small functions a file needs.
//!
//! Nothing here knows a language.

pub mod expr;
pub mod flow;
pub mod helpers;
pub mod homes;
pub mod names;
pub mod range;
pub mod scalar;

use onnxc_base::DType;
use onnxc_codegen::Target;
use onnxc_ir::scalar::Scalar;

/// Registers for a tile of scalars, in pairs where the processor's vectors are out of reach: those of the vector extension
/// of small Arm cores are four registers for floats each.
pub fn registers(target: &Target) -> u32 {
    if target.pointer_bits < 64 && target.vector_bits > 64 {
        target.vector_registers * 2
    } else {
        target.vector_registers
    }
}

/// The elements of a constant as a language writes them, each with a comma behind it, as many as fit into a line.
pub fn elements(dtype: DType, data: &[u8], literal: impl Fn(Scalar) -> String) -> String {
    let (mut out, mut column) = (String::new(), usize::MAX / 2);
    for bytes in data.chunks_exact(dtype.size().max(1)) {
        let text = literal(Scalar::read(dtype, bytes));
        if column + text.len() > 112 {
            out.push_str("\n    ");
            column = 4;
        } else {
            out.push(' ');
        }
        column += text.len() + 2;
        out.push_str(&text);
        out.push(',');
    }
    out
}
