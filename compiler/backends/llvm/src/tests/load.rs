//! Compiles a program, links it into a shared library and loads that, as a user of a module would.

use crate::Llvm;
use onnxc_base::Diagnostics;
use onnxc_codegen::{Backend, CompileOptions, ConstLayout, Emit, Linker, ModuleInfo, Target, Unit};
use onnxc_ir::loops::Program;

/// A loaded module; its file lives as long.
pub struct Loaded {
    lib: libloading::Library,
    _dir: tempfile::TempDir,
}

impl Loaded {
    /// A function, by its symbol. The caller says its type.
    pub fn get<F: Copy>(&self, symbol: &str) -> F {
        // SAFETY: the tests name the type that they declared the function with.
        unsafe { *self.lib.get::<F>(symbol.as_bytes()).expect("the test exports it") }
    }
}

/// Text or object of a program.
pub fn compile(program: &Program, target: &Target, opt_level: u8, emit: Emit) -> Vec<u8> {
    let constants = ConstLayout::new(program);
    let unit = Unit { program, constants: &constants, address_functions: &[], data: None };
    match Llvm.compile(&unit, target, &CompileOptions { opt_level, emit }) {
        Ok(code) => code.bytes,
        Err(e) => panic!("{e}"),
    }
}

/// A loaded program.
pub fn load(program: &Program, target: &Target, opt_level: u8) -> Loaded {
    match try_load(program, None, target, opt_level) {
        Ok(lib) => lib,
        Err(e) => panic!("{e}"),
    }
}

/// A loaded program, together with one that defines its externs. No library is linked in but that, so what an object
/// needs beyond its externs shows up as an undefined symbol.
pub fn try_load(p: &Program, linked: Option<&Program>, target: &Target, opt_level: u8) -> Result<Loaded, Diagnostics> {
    let dir = tempfile::tempdir().expect("there is room for temporary files");
    let options = CompileOptions { opt_level, ..CompileOptions::default() };
    let artefact = |p| onnxc_codegen::compile(&Llvm, p, &ModuleInfo::default(), target, &options);
    let mut extra = vec![];
    if let Some(p) = linked {
        extra.push(dir.path().join("linked.o"));
        artefact(p)?.write_object(&extra[0])?;
    }
    let path = dir.path().join("m.so");
    artefact(p)?.write_shared(&path, &extra, &Linker::find()?)?;
    // SAFETY: the library has no initialisers.
    let lib = unsafe { libloading::Library::new(path).expect("the loader takes it") };
    Ok(Loaded { lib, _dir: dir })
}
