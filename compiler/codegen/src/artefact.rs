//! From a program to files: compile with a backend, merge, and write `.o`, `.a`, `.so` or text.
//!
//! Files are written whole or not at all; weights are streamed, so that memory holds the code only.

use crate::abi::{Abi, ModuleInfo, add_plan_call, add_thread_settings, plan_call, uses_threads};
use crate::archive;
use crate::backend::{AddressFunction, Backend, Code, CompileOptions, Emit, Frames, Unit};
use crate::constants::ConstLayout;
use crate::files::{Temporary, beside, cannot_write, replace, write_whole};
use crate::link::{LinkJob, Linker};
use crate::object_file::{Head, Parts};
use crate::split::split;
use crate::target::Target;
use onnxc_base::Diagnostics;
use onnxc_ir::loops::{Linkage, Program};
use onnxc_runtime::{module, profile};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A compiled program, ready to be written.
pub struct Artefact<'a> {
    program: &'a Program,
    constants: ConstLayout,
    /// Objects that refer to each other.
    code: Vec<Vec<u8>>,
    frames: Option<Frames>,
    abi: Abi,
    head: Head,
}

/// Adds to a program what every module exports and isn't there yet. Before any backend sees it.
pub fn complete(program: &mut Program) {
    if plan_call(program).is_none() {
        add_plan_call(program);
    }
    add_thread_settings(program);
}

/// Takes the entries away that only loaders call.
pub fn for_firmware(p: &mut Program) {
    let e = &mut p.interface.entries;
    e.call = None;
    if p.interface.dims.is_empty() {
        e.workspace_bytes = None;
    }
    let keep = [e.run, e.plan, e.workspace_bytes];
    for (id, f) in p.funcs.iter_mut() {
        if !keep.contains(&Some(id)) {
            f.linkage = Linkage::Local;
        }
    }
}

/// Compiles a completed program.
pub fn compile<'a>(
    backend: &dyn Backend,
    program: &'a Program,
    info: &ModuleInfo,
    target: &Target,
    options: &CompileOptions,
) -> Result<Artefact<'a>, Diagnostics> {
    let constants = ConstLayout::new(program);
    let abi = Abi::new(program, info, target)?;
    let options = CompileOptions { emit: Emit::Object, ..options.clone() };
    let data = (!target.is_elf()).then_some(abi.data.as_slice());
    let code = in_parallel(&pieces(program, &abi, target), &|(program, address_functions)| {
        backend.compile(&Unit { program, constants: &constants, address_functions, data }, target, &options)
    });
    let code = code.into_iter().collect::<Result<Vec<Code>, _>>()?;
    let frames = code.iter().map(|c| c.frames.clone()).collect::<Option<Vec<_>>>();
    let frames = frames.map(|all| all.into_iter().flatten().collect());
    let code: Vec<Vec<u8>> = code.into_iter().map(|c| c.bytes).collect();
    let parts = Parts { code: &code, data: &abi.data, program, constants: &constants, weak: &[module::SYMBOL] };
    let head = Head::new(&parts)?;
    Ok(Artefact { program, constants, code, frames, abi, head })
}

/// What is compiled at once.
type Piece<'a> = (Program, &'a [AddressFunction]);

/// A program's pieces. The module's own functions are in the first one, or each in one of its own.
fn pieces<'a>(program: &Program, abi: &'a Abi, target: &Target) -> Vec<Piece<'a>> {
    // Only parts in ELF can be put together here.
    let parts = if target.is_elf() { split(program, target.functions_apart) } else { vec![program.clone()] };
    let own = if target.functions_apart { 1 } else { abi.functions.len().max(1) };
    let mut own = abi.functions.chunks(own);
    let mut all: Vec<Piece<'a>> = vec![];
    if target.functions_apart {
        let none = Program { name: program.name.clone(), consts: program.consts.clone(), ..Program::default() };
        all.extend(own.by_ref().map(|f| (none.clone(), f)));
    }
    all.extend(parts.into_iter().map(|p| (p, own.next().unwrap_or_default())));
    all
}

/// Results of `f` for each piece, in order, from as many threads as the machine gives us.
fn in_parallel<R: Send>(parts: &[Piece<'_>], f: &(dyn Fn(&Piece<'_>) -> R + Sync)) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(parts.len());
    if threads < 2 {
        return parts.iter().map(f).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = vec![];
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            match parts.get(i) {
                Some(p) => done.push((i, f(p))),
                None => return done,
            }
        }
    };
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        // A panic in a thread is one of ours.
        let theirs = others.into_iter().flat_map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p)));
        mine.into_iter().chain(theirs).collect()
    });
    all.sort_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, r)| r).collect()
}

/// Compiles a completed program to text.
pub fn compile_text(
    backend: &dyn Backend,
    program: &Program,
    info: &ModuleInfo,
    target: &Target,
    options: &CompileOptions,
) -> Result<String, Diagnostics> {
    let constants = ConstLayout::new(program);
    let abi = Abi::new(program, info, target)?;
    let data = (!target.is_elf()).then_some(abi.data.as_slice());
    let unit = Unit { program, constants: &constants, address_functions: &abi.functions, data };
    let text = backend.compile(&unit, target, options)?.bytes;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The runtime's functions on strings, sequences, optionals and maps, as an object file of this machine.
pub static OBJECTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/objects.o"));

/// The runtime's threads, as an object file of this machine.
pub static THREADS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/threads.o"));

/// Both: the two have parts in common, so that no module is linked with two.
pub static BOTH: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runtime.o"));

/// True for the symbol of a function of the runtime on strings, sequences, optionals and maps.
fn is_object_call(symbol: &str) -> bool {
    symbol.starts_with("onnxc_rt_")
}

/// True for the symbol of a function of the runtime.
pub fn is_runtime_call(symbol: &str) -> bool {
    is_object_call(symbol) || symbol.starts_with("onnxc_threads_")
}

/// True if a program needs the runtime's functions on strings, sequences, optionals and maps.
pub fn uses_objects(program: &Program) -> bool {
    program.externs.values().any(|x| is_object_call(&x.symbol))
}

/// What of the runtime a program is linked with: a word for the file's name, and an object file.
pub fn runtime_of(program: &Program) -> Option<(&'static str, &'static [u8])> {
    match (uses_objects(program), uses_threads(program)) {
        (false, false) => None,
        (true, false) => Some(("objects", OBJECTS)),
        (false, true) => Some(("threads", THREADS)),
        (true, true) => Some(("runtime", BOTH)),
    }
}

impl Artefact<'_> {
    /// Bytes of machine code and read-only tables, without constants and object-file headers.
    pub fn code_bytes(&self) -> u64 {
        use object::{Object, ObjectSection, SectionKind};
        let kinds = [SectionKind::Text, SectionKind::ReadOnlyData];
        let bytes = |code: &Vec<u8>| -> u64 {
            let Ok(file) = object::File::parse(code.as_slice()) else { return 0 };
            file.sections().filter(|s| kinds.contains(&s.kind())).map(|s| s.size()).sum()
        };
        self.code.iter().map(bytes).sum()
    }

    /// Bytes of the functions whose names begin so.
    pub fn function_bytes(&self, prefix: &str) -> u64 {
        use object::{Object, ObjectSymbol, SymbolKind};
        let of = |code: &Vec<u8>| -> u64 {
            let Ok(file) = object::File::parse(code.as_slice()) else { return 0 };
            let functions = file.symbols().filter(|s| s.kind() == SymbolKind::Text && s.is_definition());
            functions.filter(|s| s.name().is_ok_and(|n| n.starts_with(prefix))).map(|s| s.size()).sum()
        };
        self.code.iter().map(of).sum()
    }

    /// Bytes of stack that each function's frame takes, by symbol, if the backend has said so.
    pub fn frames(&self) -> Option<&Frames> {
        self.frames.as_ref()
    }

    /// Bytes of constants, with padding.
    pub fn constant_bytes(&self) -> u64 {
        self.constants.size()
    }

    /// Every symbol that users of the module may see.
    pub fn exports(&self) -> Vec<String> {
        let functions = self.program.funcs.values().filter(|f| f.linkage == Linkage::Export).map(|f| f.name.clone());
        let marked = self.program.externs.values().any(|x| x.symbol == profile::MARK);
        let counters = marked.then(|| profile::SYMBOL.to_string());
        functions.chain(self.abi.functions.iter().map(|f| f.symbol.clone())).chain(counters).collect()
    }

    fn parts(&self) -> Parts<'_> {
        let weak = &[module::SYMBOL];
        Parts { code: &self.code, data: &self.abi.data, program: self.program, constants: &self.constants, weak }
    }

    /// Writes a relocatable object.
    pub fn write_object(&self, path: &Path) -> Result<(), Diagnostics> {
        write_whole(path, |out| self.head.write(&self.parts(), out))
    }

    /// Links a WebAssembly module that exports its memory and what a user of the model calls.
    pub fn write_wasm(&self, path: &Path) -> Result<(), Diagnostics> {
        let object = Temporary(beside(path).with_extension("o"));
        self.write_object(&object.0)?;
        let exports = self.exports();
        replace(path, |output| crate::link::link_wasm(&object.0, output, &exports))
    }

    /// Writes a static library with the object as its member.
    pub fn write_archive(&self, path: &Path) -> Result<(), Diagnostics> {
        let (name, exports) = (format!("{}.o", self.program.name), self.exports());
        let size = self.head.total_size(&self.constants);
        write_whole(path, |out| {
            archive::write_header(out, &name, size, &exports)?;
            self.head.write(&self.parts(), out)?;
            archive::write_padding(out, size)
        })
    }

    /// Links a shared library, with `extra` objects and archives for what the program leaves undefined. Without those,
    /// undefined symbols are left to the program that loads the library if the module has externs.
    pub fn write_shared(&self, path: &Path, extra: &[PathBuf], linker: &Linker) -> Result<(), Diagnostics> {
        let soname = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let object = Temporary(beside(path).with_extension("o"));
        self.write_object(&object.0)?;
        let mut inputs: Vec<PathBuf> = std::iter::once(object.0.clone()).chain(extra.iter().cloned()).collect();
        let part = runtime_of(self.program);
        let file = part.map(|(word, _)| Temporary(beside(path).with_extension(format!("{word}.o"))));
        if let (Some((_, bytes)), Some(file)) = (part, &file) {
            std::fs::write(&file.0, bytes).map_err(|e| cannot_write(&file.0, &e))?;
            inputs.push(file.0.clone());
        }
        let exports = self.exports();
        let custom = self.program.externs.values().any(|x| !is_runtime_call(&x.symbol));
        let allow_undefined = extra.is_empty() && custom;
        replace(path, |output| {
            linker.link(&LinkJob { inputs: &inputs, output, soname: &soname, exports: &exports, allow_undefined })
        })
    }
}
