//! Compiles a program, links it into a shared library and loads that, as a user of a module would.

use crate::Llvm;
use onnxc_codegen::{AddressFunction, Backend, CompileOptions, ConstLayout, Emit, Target, Unit};
use onnxc_ir::loops::Program;
use std::process::Command;

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
    compile_with(program, &[], target, opt_level, emit)
}

fn compile_with(p: &Program, addresses: &[AddressFunction], target: &Target, opt_level: u8, emit: Emit) -> Vec<u8> {
    let constants = ConstLayout::new(p);
    let unit = Unit { program: p, constants: &constants, address_functions: addresses };
    match Llvm.compile(&unit, target, &CompileOptions { opt_level, emit }) {
        Ok(bytes) => bytes,
        Err(e) => panic!("{e}"),
    }
}

/// A loaded program with its constants.
pub fn load(program: &Program, target: &Target, opt_level: u8) -> Loaded {
    load_all(&[program], &[], target, opt_level)
}

/// Several programs with their constants in one library; the last has address functions too.
pub fn load_all(programs: &[&Program], addresses: &[AddressFunction], target: &Target, opt_level: u8) -> Loaded {
    let dir = tempfile::tempdir().expect("there is room for temporary files");
    let path = |name: &str| dir.path().join(name);
    let mut files = vec![];
    for (i, p) in programs.iter().enumerate() {
        let addresses = if i + 1 == programs.len() { addresses } else { &[] };
        let (object, blob, data) = (path(&format!("{i}.o")), path(&format!("{i}.bin")), path(&format!("{i}.s")));
        std::fs::write(&object, compile_with(p, addresses, target, opt_level, Emit::Object)).expect("room");
        let constants = ConstLayout::new(p);
        let mut bytes = vec![];
        constants.write(p, &mut bytes).expect("memory takes it");
        std::fs::write(&blob, bytes).expect("room");
        let symbol = &constants.symbol;
        let asm = format!(
            ".section .rodata\n.balign 64\n.globl {symbol}\n.hidden {symbol}\n{symbol}:\n.incbin \"{}\"\n\
             .section .note.GNU-stack,\"\",%progbits\n",
            blob.display()
        );
        std::fs::write(&data, asm).expect("room");
        files.extend([object, data]);
    }
    // No library at all: what an object needs beyond its constants and externs would show up as an undefined symbol.
    let out = Command::new("cc")
        .args(["-shared", "-nostdlib", "-Wl,-z,defs", "-o"])
        .arg(path("m.so"))
        .args(files)
        .output()
        .expect("a C compiler links, as it does for Rust");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    // SAFETY: the library has no initialisers.
    let lib = unsafe { libloading::Library::new(path("m.so")).expect("the loader takes it") };
    Loaded { lib, _dir: dir }
}
