//! Loops IR to C99: one file and one header that any C or C++ compiler builds into firmware.
//!
//! - `lang`: how each operation is written; `helpers`: small functions for those that C has no operator for; `dots`: sums of
//!   products of packed integers; `lanes`: arithmetic of four integers; `floats`: of four floats.
//! - `function`, `file`: signatures, weights, the order of things.
//! - `object`: the file through the machine's C compiler, so that this is a backend like the others.
//!
//! The text needs nothing but `<stdint.h>` and `<stddef.h>`: no libc, no libm, no allocation, no recursion. It is the
//! scalar program of `onnxc_source`: what a compiler makes of it has the bits of every other backend.
//! Does NOT have vectors of integers but on small cores, whose instructions compilers don't find by themselves: elsewhere they
//! find them in plain statements.

mod dots;
mod file;
mod floats;
mod function;
mod helpers;
mod lanes;
mod lang;
mod object;
#[cfg(test)]
mod tests;

use floats::Extension;
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::{Backend, Code, CompileOptions, ConstLayout, Emit, ModuleInfo, Target, Unit};
use onnxc_ir::kernel::{ByteProducts, ByteTile};
use onnxc_ir::loops::Program;

/// The C backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct C;

/// Where weights are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Weights {
    /// Arrays in the C file.
    #[default]
    Embed,
    /// Behind a symbol, `NAME_constants`, that another file defines; the bytes are beside the C file.
    Extern,
    /// Behind a pointer, `NAME_weights`, that the caller sets to the bytes of the file beside the C file.
    File,
}

/// How a C file is written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Where weights are.
    pub weights: Weights,
    /// The linker section of embedded weights.
    pub section: Option<String>,
    /// The module owns its workspace.
    pub static_workspace: bool,
    /// `#pragma omp parallel for` before loops whose iterations are independent, for so many threads: those that the
    /// program was scheduled for, as each has scratch memory of its own.
    pub openmp: Option<u32>,
    /// What the C file includes; `NAME.h` if nothing is said.
    pub header_file: Option<String>,
}

/// A program as C.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// `NAME.c`.
    pub code: String,
    /// `NAME.h`.
    pub header: String,
    /// Constants, if they aren't in the code.
    pub layout: Option<ConstLayout>,
}

/// Writes a program as a C file and its header.
///
/// # Errors
/// What C can't say, of all functions.
pub fn source(program: &Program, info: &ModuleInfo, target: &Target, options: &Options) -> Result<Source, Diagnostics> {
    let mut program = program.clone();
    onnxc_codegen::artefact::for_firmware(&mut program);
    let layout = ConstLayout::new(&program);
    let job = file::Job {
        program: &program,
        info,
        options,
        constants: if options.weights == Weights::Embed { file::Place::Here } else { file::Place::Blob(&layout) },
        pointer_bits: target.pointer_bits,
        vectors: Extension::of(target),
        public: true,
        address_functions: &[],
    };
    if options.static_workspace && program.interface.workspace.as_ref().and_then(|w| w.as_int()).is_none() {
        return Err(Diagnostic::error("E5122", "the workspace has no fixed size, so the module can't contain it")
            .help("leave --static-workspace out, or fix the dims (--dim NAME=EXTENT)")
            .into());
    }
    let code = file::write(&job)?;
    let style = onnxc_codegen::header::Style {
        own_workspace: options.static_workspace,
        remarks: remarks(&program, options),
        declarations: declarations(&program, options),
    };
    let header = onnxc_codegen::header::header_in(&program, info, &style);
    Ok(Source { code, header, layout: (options.weights != Weights::Embed).then_some(layout) })
}

/// What a reader of the header should know of linking.
fn remarks(program: &Program, options: &Options) -> Vec<String> {
    let mut needed: Vec<String> = program.externs.values().map(|x| x.symbol.clone()).collect();
    if options.weights == Weights::Extern {
        needed.push(format!("{}_constants", program.name));
    }
    let needed = if needed.is_empty() { "none".to_string() } else { needed.join(", ") };
    let mut out = vec![format!(
        "Symbols needed from elsewhere: {needed}; what compilers themselves call (soft float, 64-bit division, memcpy) apart."
    )];
    if options.static_workspace {
        out.push("The module has its workspace in itself: one run at a time.".into());
    }
    out
}

fn declarations(program: &Program, options: &Options) -> String {
    let name = &program.name;
    match options.weights {
        Weights::Embed => String::new(),
        Weights::Extern => {
            format!("/* To be linked in: {name}_constants, the bytes of {name}.weights, aligned to 64. */\n\n")
        }
        Weights::File => format!(
            "/* The bytes of {name}.weights, aligned to 64. To be set before the first run. */\n\
             extern const uint8_t *{name}_weights;\n\n"
        ),
    }
}

impl Backend for C {
    fn name(&self) -> &'static str {
        "c"
    }

    fn writes_source(&self) -> bool {
        true
    }

    /// Lanes become statements, where they don't stay: a few fill the registers of any machine.
    fn max_vector_bits(&self, target: &Target) -> u32 {
        let small = target.pointer_bits < 64;
        target.vector_bits.min(if small && Extension::of(target).is_none() { 64 } else { 128 })
    }

    /// A product needs a register before it is added, and compilers keep one or two for addresses of their own: a tile that
    /// counts on all of them spills.
    fn usable_vector_registers(&self, target: &Target) -> u32 {
        let all =
            if Extension::of(target).is_some() { target.vector_registers } else { onnxc_source::registers(target) };
        let alone = self.max_vector_bits(target) <= 64 && !target.has_fma;
        if alone { all.saturating_sub(3).max(3) } else { all }
    }

    /// Who compiles the text decides what the processor has: a fused multiply-add only where a processor was named.
    fn has_fma(&self, target: &Target) -> bool {
        target.has_fma && target.cpu != "native" && target.triple.architecture != target_lexicon::Architecture::X86_64
    }

    fn bytes(&self, target: &Target) -> Option<ByteProducts> {
        // Compilers of C have no common names for the operations with lanes.
        let points = target.bytes.filter(|b| matches!(b.tile, ByteTile::Points { .. }));
        // Of many plain lanes compilers make vectors on x86-64 and AArch64; here they would be code and spills.
        let riscv = matches!(target.triple.architecture, target_lexicon::Architecture::Riscv64(_));
        let plain = ByteProducts { dots: None, tile: ByteTile::Points { rows: 4, columns: 4 }, unroll: 2 };
        points.or(riscv.then_some(plain))
    }

    fn compile(&self, unit: &Unit<'_>, target: &Target, options: &CompileOptions) -> Result<Code, Diagnostics> {
        let job = file::Job {
            program: unit.program,
            info: &ModuleInfo { compiler: "onnxc".into(), ..ModuleInfo::default() },
            options: &Options::default(),
            constants: file::Place::Blob(unit.constants),
            pointer_bits: target.pointer_bits,
            vectors: Extension::of(target),
            public: false,
            address_functions: unit.address_functions,
        };
        let text = file::write(&job)?;
        match options.emit {
            Emit::BackendIr => Ok(text.into_bytes().into()),
            Emit::Object | Emit::Assembly => object::compile(&text, target, options).map(Code::from),
        }
    }
}

/// The backend without the processor's square root.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default)]
struct SoftwareRoots;

#[cfg(test)]
impl Backend for SoftwareRoots {
    fn name(&self) -> &'static str {
        "c"
    }

    fn compile(&self, unit: &Unit<'_>, target: &Target, options: &CompileOptions) -> Result<Code, Diagnostics> {
        let text = C.compile(unit, target, &CompileOptions { emit: Emit::BackendIr, ..options.clone() })?;
        let text =
            String::from_utf8_lossy(&text.bytes).replace("__SSE2__", "NO_ROOT_A").replace("__aarch64__", "NO_ROOT_B");
        object::compile(&text, target, options).map(Code::from)
    }
}
