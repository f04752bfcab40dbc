//! Loops IR to machine code with Cranelift: quick compiles, vectors of 128 bits.
//!
//! - `isa`: Cranelift's settings for a target.
//! - `module`: one object file from one program.
//! - `func`: one function and its statements; `control` its loops and calls, `fork` what threads run, `vars` its variables, `memory` its accesses,
//!   `value` its operations.
//! - `rep`, `lanes`: how a loops value of any width is held in CLIF values.
//! - `arith`, `compare`, `cast`, `half`, `iterate`: the operations themselves.
//!
//! Wider vectors are lists of 128-bit ones, narrower ones lists of scalars; all semantics are those of loops IR.
//! Does NOT gather threads, expand math functions or see constants.

mod arith;
mod cast;
mod compare;
mod control;
mod fork;
mod func;
mod half;
mod isa;
mod iterate;
mod lanes;
mod memory;
mod module;
mod rep;
#[cfg(test)]
mod tests;
mod value;
mod vars;

use onnxc_base::Diagnostics;
use onnxc_codegen::{Backend, Code, CompileOptions, Target, Unit};

/// The Cranelift backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cranelift;

impl Backend for Cranelift {
    fn name(&self) -> &'static str {
        "cranelift"
    }

    fn max_vector_bits(&self, target: &Target) -> u32 {
        // RISC-V's vectors are not enabled here.
        let riscv = matches!(target.triple.architecture, target_lexicon::Architecture::Riscv64(_));
        target.vector_bits.min(if riscv { 64 } else { 128 })
    }

    /// A fused multiply-add overwrites a factor, not the sum, so every accumulator needs another register for a moment: a
    /// tile of 4 x 2 is as large as stays without spills on 16 registers.
    fn usable_vector_registers(&self, target: &Target) -> u32 {
        // AVX-512's upper half is out of Cranelift's reach.
        let all = if target.triple.architecture == target_lexicon::Architecture::X86_64 {
            16
        } else {
            target.vector_registers
        };
        all * 3 / 4
    }

    fn compile(&self, unit: &Unit<'_>, target: &Target, options: &CompileOptions) -> Result<Code, Diagnostics> {
        module::compile(unit, target, options).map(Code::from)
    }
}
