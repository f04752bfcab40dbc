//! Loops IR to machine code with LLVM.
//!
//! The way of a unit: `module` declares everything, `func` / `control` / `fork` / `value` / `buffer` build each function
//! with the instruction helpers of `emit`, `arith`, `divide`, `dot`, `round`, `cast` and `memory`; LLVM verifies the module; `optimize`
//! runs a short list of passes; [`Llvm`] emits the object or text. `machine` knows targets, `raw` the few calls that
//! inkwell doesn't wrap.
//!
//! The result is a function of the program, target and options alone. Does NOT choose tiles, vector widths or unrolling
//! (the schedule has), does not link, and never sees the bytes of constants.

mod arith;
mod buffer;
mod cast;
mod control;
mod divide;
mod dot;
mod emit;
mod error;
mod fork;
mod func;
mod machine;
mod memory;
mod module;
mod optimize;
mod raw;
mod reports;
mod round;
mod value;

#[cfg(test)]
mod tests;

use emit::Emit;
use inkwell::context::Context;
use inkwell::targets::FileType;
use onnxc_base::Diagnostics;
use onnxc_codegen::{Backend, Code, CompileOptions, Emit as Form, Target, Unit};

/// The LLVM backend: the fastest code, for every target that LLVM knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Llvm;

impl Backend for Llvm {
    fn name(&self) -> &'static str {
        "llvm"
    }

    /// LLVM 22 takes the lanes of a comparison for registers of Xtensa, and then has no instructions for them.
    fn max_vector_bits(&self, target: &Target) -> u32 {
        if target.triple.architecture == target_lexicon::Architecture::XTensa { 32 } else { target.vector_bits }
    }

    fn bytes(&self, target: &Target) -> Option<onnxc_ir::kernel::ByteProducts> {
        target.bytes
    }

    fn compile(&self, unit: &Unit<'_>, target: &Target, options: &CompileOptions) -> Result<Code, Diagnostics> {
        let machine = machine::machine(target, options.opt_level, unit.constants.size())?;
        let cx = Context::create();
        let heard = reports::Reports::listen(&cx);
        let module = cx.create_module(&unit.program.name);
        module.set_triple(&machine.triple);
        module.set_data_layout(&machine.machine.get_target_data().get_data_layout());
        if let Some(text) = machine::module_assembly(target) {
            module.set_inline_assembly(text);
        }
        let e = Emit { cx: &cx, module, b: cx.create_builder(), abilities: machine.abilities };
        let e = module::ModuleGen::build(e, unit, target, &machine)?;
        // Always, also in release builds: LLVM's behaviour on a malformed module is undefined.
        e.module.verify().map_err(|m| error::llvm("E5305", "LLVM finds the module malformed", &m.to_string_lossy()))?;
        optimize::optimize(&e.module, &machine, options.opt_level)?;
        let form = match options.emit {
            Form::BackendIr => return Ok(e.module.print_to_string().to_bytes().to_vec().into()),
            Form::Object => FileType::Object,
            Form::Assembly => FileType::Assembly,
        };
        let out = machine.machine.write_to_memory_buffer(&e.module, form);
        let out = out.map_err(|m| error::llvm("E5307", "LLVM can't write the code", &m.to_string_lossy()))?;
        let frames = heard.frames()?;
        Ok(Code { bytes: out.as_slice().to_vec(), frames: Some(frames) })
    }
}
