//! Loops IR to Rust: one `no_std` module in safe code, without dependencies or allocation.
//!
//! - `lang`: how each operation is written; `helpers`: small functions for those that `core` has nothing for.
//! - `roots`: memory as safe Rust sees it: slices and offsets; `extents`: parameters that are arrays; `borrow`: arguments.
//! - `function`, `file`: signatures, weights, the typed entry; `package`: names of crates.
//!
//! What safe Rust can't say is refused: custom operators in C, memory whose size only the run knows, one buffer seen under
//! two types. Does NOT make machine code.

mod borrow;
mod dots;
mod extents;
mod file;
mod function;
mod helpers;
mod lang;
mod package;
mod places;
mod roots;
#[cfg(test)]
mod tests;

use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::{Backend, Code, CompileOptions, ModuleInfo, Target, Unit};
use onnxc_ir::loops::Program;
pub use package::{is_taken, package_name};

/// The Rust backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rust;

/// How a module is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Indices aren't checked again when the module runs: the compiler has proven them.
    pub unsafe_fast: bool,
    /// Begins with `#![no_std]`.
    pub no_std: bool,
    /// Begins with attributes and a comment of the module; without them the text can be included into one.
    pub attributes: bool,
    /// Keeps rustc from writing out loops, for the size of code.
    pub rolled: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { unsafe_fast: false, no_std: true, attributes: true, rolled: false }
    }
}

/// The sums of products of bytes that a module may have: one by one in safe Rust, which has no names for the instructions; by
/// SMLAD where indices are believed.
pub fn byte_products(target: &Target, options: &Options) -> Option<onnxc_ir::kernel::ByteProducts> {
    use onnxc_ir::kernel::{ByteProducts, ByteTile, Dots};
    let points = target.bytes.filter(|b| matches!(b.tile, ByteTile::Points { .. }))?;
    let pairs = points.dots.filter(|d| options.unsafe_fast && *d == Dots { most: 4, least: 4 });
    Some(ByteProducts { dots: pairs, ..points })
}

/// Writes a program as a module.
///
/// # Errors
/// What Rust can't say, of all functions.
pub fn source(program: &Program, info: &ModuleInfo, target: &Target, options: &Options) -> Result<String, Diagnostics> {
    file::write(program, info, target, options, &[])
}

impl Backend for Rust {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn writes_source(&self) -> bool {
        true
    }

    /// Lanes become statements: a few fill the registers of any machine.
    fn max_vector_bits(&self, target: &Target) -> u32 {
        target.vector_bits.min(if target.pointer_bits < 64 { 64 } else { 128 })
    }

    /// As for C: a product needs a register before it is added.
    fn usable_vector_registers(&self, target: &Target) -> u32 {
        onnxc_source::registers(target).saturating_sub(3).max(3)
    }

    fn has_fma(&self, _target: &Target) -> bool {
        false
    }

    /// Checks of indices that rustc can't prove, and what panics.
    fn code_percent(&self) -> u32 {
        125
    }

    fn bytes(&self, target: &Target) -> Option<onnxc_ir::kernel::ByteProducts> {
        byte_products(target, &Options::default())
    }

    /// A slice's type is that of its elements.
    fn typed_memory(&self) -> bool {
        true
    }

    fn compile(&self, _: &Unit<'_>, _: &Target, _: &CompileOptions) -> Result<Code, Diagnostics> {
        Err(Diagnostic::error("E5131", "backend rust makes no machine code")
            .help("write a module (-o model.rs) or a crate (-o model/), and give it to rustc")
            .into())
    }
}
