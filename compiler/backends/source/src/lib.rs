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

use onnxc_codegen::Target;

/// Registers for a tile of scalars, in pairs where the processor's vectors are out of reach: those of the vector extension
/// of small Arm cores are four registers for floats each.
pub fn registers(target: &Target) -> u32 {
    if target.pointer_bits < 64 && target.vector_bits > 64 {
        target.vector_registers * 2
    } else {
        target.vector_registers
    }
}
