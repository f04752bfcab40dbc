//! Files of a module: what a suffix means, and writing each kind.
//!
//! Every file is written whole or not at all. A header stands beside everything that is linked by hand.

use crate::{Module, Options, backends, refusals};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::artefact::{runtime_of, uses_objects};
use onnxc_codegen::files::{replace, write_whole};
use onnxc_codegen::{Artefact, Backend, CompileOptions, Emit, Linker, Target};
use onnxc_passes::from_kernel::Memory;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `.so`
    Shared,
    /// `.a`
    Archive,
    /// `.o`
    Object,
    /// `.s`
    Assembly,
    /// `.ll`
    LlvmIr,
    /// `.clif`
    CraneliftIr,
    /// `.c`, with a `.h` beside it.
    C,
    /// `.rs`
    Rust,
    /// `NAME/`: a folder with a Rust crate.
    Crate,
    /// `.wasm`
    Wasm,
    /// `.h`
    Header,
    /// No suffix: a program.
    Executable,
}

impl Kind {
    /// By suffix.
    ///
    /// # Errors
    /// A suffix that means nothing.
    pub fn of(path: &Path) -> Result<Kind, Diagnostic> {
        if path.as_os_str().to_string_lossy().ends_with('/') {
            return Ok(Kind::Crate);
        }
        Ok(match path.extension().map(|e| e.to_string_lossy()).as_deref() {
            Some("so") => Kind::Shared,
            Some("a") => Kind::Archive,
            Some("o") => Kind::Object,
            Some("s") => Kind::Assembly,
            Some("ll") => Kind::LlvmIr,
            Some("clif") => Kind::CraneliftIr,
            Some("c") => Kind::C,
            Some("rs") => Kind::Rust,
            Some("wasm") => Kind::Wasm,
            Some("h") => Kind::Header,
            None if path.as_os_str() == "-" => {
                return Err(Diagnostic::error("E5011", "a module isn't written to the standard output")
                    .expected("the name of a file"));
            }
            None => Kind::Executable,
            Some(other) => {
                return Err(Diagnostic::error("E5011", format!("don't know how to write '{}'", path.display()))
                    .expected("a file name that ends in .so, .a, .o, .s, .ll, .clif, .c, .rs, .wasm or .h, in / for a Rust crate, or has no suffix for an executable")
                    .help(format!("the suffix '.{other}' says nothing")));
            }
        })
    }

    /// The backend that alone writes this, if it is source text.
    pub fn source_backend(self) -> Option<&'static str> {
        match self {
            Kind::C => Some("c"),
            Kind::Rust | Kind::Crate => Some("rust"),
            _ => None,
        }
    }

    /// True if machine code goes in.
    pub fn needs_code(self) -> bool {
        matches!(self, Kind::Shared | Kind::Archive | Kind::Object | Kind::Wasm | Kind::Executable)
    }
}

/// Writes a file and, beside a library or object, its header.
///
/// # Errors
/// What can't be compiled, linked or written.
pub fn write(
    module: &Module,
    code: Option<&Artefact<'_>>,
    kind: Kind,
    path: &Path,
    link: &[PathBuf],
    options: &Options,
) -> Result<(), Diagnostics> {
    write_one(module, code, kind, path, link, options)?;
    if matches!(kind, Kind::Shared | Kind::Archive | Kind::Object | Kind::Wasm) {
        write_header(module, &path.with_extension("h"))?;
    }
    if matches!(kind, Kind::Archive | Kind::Object) {
        // What the module calls, for whoever links it.
        if let Some((word, bytes)) = runtime_of(&module.program) {
            write_whole(&path.with_extension(format!("{word}.o")), |out| out.write_all(bytes))?;
        }
    }
    Ok(())
}

/// Makes what goes into a file of a kind, and writes nothing.
///
/// # Errors
/// What keeps it from being made.
pub fn make(module: &Module, kind: Kind, options: &Options) -> Result<(), Diagnostics> {
    match kind {
        Kind::C => onnxc_c::source(&module.program, &module.info, &options.target, &options.source).map(drop),
        Kind::Rust | Kind::Crate => rust_text(module, options).map(drop),
        Kind::Header => Ok(()),
        Kind::Assembly | Kind::LlvmIr | Kind::CraneliftIr => {
            text_backend(kind, options).and_then(|b| text(module, b, kind, options)).map(drop)
        }
        Kind::Executable => driver_for(options).map_err(Into::into).and_then(|_| module.code(options).map(drop)),
        Kind::Shared | Kind::Archive | Kind::Object | Kind::Wasm => module.code(options).map(drop),
    }
}

/// Writes a file alone. `code` spares compiling again where there is code already.
///
/// # Errors
/// What can't be compiled, linked or written.
pub fn write_one(
    module: &Module,
    code: Option<&Artefact<'_>>,
    kind: Kind,
    path: &Path,
    link: &[PathBuf],
    options: &Options,
) -> Result<(), Diagnostics> {
    if kind.source_backend().is_some() && uses_objects(&module.program) {
        return refusals::check(module, Some(kind), options);
    }
    let fresh = if kind.needs_code() && code.is_none() { Some(module.code(options)?) } else { None };
    let written = match (kind, code.or(fresh.as_ref())) {
        (Kind::Shared, Some(c)) => c.write_shared(path, link, &Linker::find_for(&options.target)?),
        (Kind::Archive, Some(c)) => c.write_archive(path),
        (Kind::Object, Some(c)) => c.write_object(path),
        (Kind::Wasm, Some(c)) => c.write_wasm(path),
        (Kind::Executable, Some(c)) => write_executable(c, path, link, options),
        (Kind::Header, _) => write_header(module, path),
        (Kind::C, _) => write_c(module, path, options),
        (Kind::Rust, _) => write_rust(module, path, options),
        (Kind::Crate, _) => write_crate(module, path, options),
        (Kind::Assembly | Kind::LlvmIr | Kind::CraneliftIr, _) => {
            let of_file = |d: Diagnostic| d.file(path.display().to_string());
            let backend =
                text_backend(kind, options).map_err(|found| Diagnostics(found.into_iter().map(of_file).collect()))?;
            text(module, backend, kind, options)
                .and_then(|text| write_whole(path, |out| out.write_all(text.as_bytes())))
        }
        (_, None) => Ok(()),
    };
    written.map_err(|found| Diagnostics(found.into_iter().map(|d| refusals::of_nodes(module, d)).collect()))
}

/// Refuses a place where no file can be, before anything is compiled for it.
///
/// # Errors
/// If the file's folder isn't there.
pub fn check_place(path: &Path) -> Result<(), Diagnostic> {
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => {
            let why = format!("cannot write the output: there is no folder '{}'", folder.display());
            Err(Diagnostic::error("E5203", why).file(path.display().to_string()))
        }
        _ => Ok(()),
    }
}

fn write_header(module: &Module, path: &Path) -> Result<(), Diagnostics> {
    let text = onnxc_codegen::header(&module.program, &module.info);
    write_whole(path, |out| out.write_all(text.as_bytes()))
}

/// A C file, its header and, if they aren't in it, its weights.
fn write_c(module: &Module, path: &Path, options: &Options) -> Result<(), Diagnostics> {
    let source = onnxc_c::source(&module.program, &module.info, &options.target, &options.source)?;
    write_whole(path, |out| out.write_all(source.code.as_bytes()))?;
    write_whole(&path.with_extension("h"), |out| out.write_all(source.header.as_bytes()))?;
    match &source.layout {
        Some(layout) => write_whole(&path.with_extension("weights"), |out| layout.write(&module.program, out)),
        None => Ok(()),
    }
}

fn write_rust(module: &Module, path: &Path, options: &Options) -> Result<(), Diagnostics> {
    let text = rust_text(module, options)?;
    write_whole(path, |out| out.write_all(text.as_bytes()))
}

fn rust_text(module: &Module, options: &Options) -> Result<String, Diagnostics> {
    // rustc writes out loops for small cores and makes up to twice the code of it.
    let most = u64::from(Memory::SCARCE.code_bytes);
    let rolled = options.target.small && 2 * module.lowered.code_bytes > most;
    let rust = onnxc_rust::Options { rolled, ..options.rust.clone() };
    onnxc_rust::source(&module.program, &module.info, &options.target, &rust)
}

/// A folder with `Cargo.toml` and `src/lib.rs`.
fn write_crate(module: &Module, path: &Path, options: &Options) -> Result<(), Diagnostics> {
    let text = rust_text(module, options)?;
    let src = path.join("src");
    std::fs::create_dir_all(&src).map_err(|e| {
        Diagnostic::error("E5203", format!("can't make the folder: {e}")).file(path.display().to_string())
    })?;
    let manifest = format!(
        "[package]\nname = \"{}\"\nversion = \"0.1.0\"\nedition = \"2021\"\ndescription = \"A model, compiled by {}.\"\n\n[dependencies]\n",
        onnxc_rust::package_name(&module.program.name),
        module.info.compiler
    );
    write_whole(&path.join("Cargo.toml"), |out| out.write_all(manifest.as_bytes()))?;
    write_whole(&src.join("lib.rs"), |out| out.write_all(text.as_bytes()))
}

/// The backend that writes assembly or its own IR, which only that backend has.
fn text_backend(kind: Kind, options: &Options) -> Result<&'static dyn Backend, Diagnostics> {
    let only = match kind {
        Kind::LlvmIr => Some("llvm"),
        Kind::CraneliftIr => Some("cranelift"),
        _ => None,
    };
    let backend = backends::find(options.backend.as_deref().or(only))?;
    if let Some(only) = only.filter(|n| *n != backend.name()) {
        let found = format!("this is the IR of backend {only}, not of {}", backend.name());
        return Err(Diagnostic::error("E5011", found).help(format!("give --backend {only}, or another suffix")).into());
    }
    Ok(backend)
}

/// Assembly or a backend's own IR.
fn text(module: &Module, backend: &dyn Backend, kind: Kind, options: &Options) -> Result<String, Diagnostics> {
    let emit = if kind == Kind::Assembly { Emit::Assembly } else { Emit::BackendIr };
    let how = CompileOptions { opt_level: options.opt_level, emit };
    onnxc_codegen::compile_text(backend, &module.program, &module.info, &options.target, &how)
}

/// The library with the `main` of executables: `$ONNXC_DRIVER`, beside this program, or where it is installed.
///
/// # Errors
/// If it is nowhere.
pub fn driver() -> Result<PathBuf, Diagnostic> {
    const NAME: &str = "libonnxc_driver.a";
    if let Some(path) = std::env::var_os("ONNXC_DRIVER").filter(|p| !p.is_empty()) {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Diagnostic::error("E5016", format!("ONNXC_DRIVER says '{}', which isn't there", path.display())))
        };
    }
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new(""));
    let places = [folder.join(NAME), folder.join("../lib/onnxc").join(NAME)];
    places.iter().find(|p| p.is_file()).cloned().ok_or_else(|| {
        Diagnostic::error("E5016", format!("the library of executables, {NAME}, isn't there"))
            .expected(format!("{} or {}", places[0].display(), places[1].display()))
            .help("build it (cargo build -p onnxc-driver), or say where it is in ONNXC_DRIVER; a .so needs none")
    })
}

/// The driver of executables for a target.
fn driver_for(options: &Options) -> Result<PathBuf, Diagnostic> {
    let (target, host) = (&options.target.triple, Target::host().triple);
    if (target.architecture, target.operating_system) != (host.architecture, host.operating_system) {
        return Err(Diagnostic::error("E5016", format!("there is no library of executables for {target}"))
            .help("write an object file (-o model.o) and link it there"));
    }
    driver()
}

/// Links a program: the module, the driver, the user's files and the C library.
fn write_executable(code: &Artefact<'_>, path: &Path, link: &[PathBuf], options: &Options) -> Result<(), Diagnostics> {
    let driver = driver_for(options)?;
    let Linker::Driver(cc) = Linker::find()? else {
        return Err(Diagnostic::error("E5204", "no C compiler was found to link an executable")
            .expected("cc, gcc or clang on PATH, or $CC")
            .help("install one (Debian: apt install gcc), or write a shared library (-o model.so)")
            .into());
    };
    let folder =
        tempfile::tempdir().map_err(|e| Diagnostic::error("E5203", format!("can't make a temporary folder: {e}")))?;
    let object = folder.path().join("module.o");
    code.write_object(&object)?;
    replace(path, |out| {
        let mut command = Command::new(&cc);
        command.arg("-o").arg(out).arg(&object).arg(&driver).args(link);
        // What Rust's standard library asks for on Linux; the rest of the archive is dropped.
        command.args(["-Wl,--gc-sections", "-Wl,--as-needed", "-s", "-lm", "-lpthread", "-ldl", "-lgcc_s", "-lc"]);
        let failed = |what: String| Diagnostic::error("E5205", format!("linking with {} failed: {what}", cc.display()));
        let output = command.output().map_err(|e| failed(e.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).take(8).collect();
        Err(failed(lines.join("\n    ")).help("custom operators of an executable need --link FILE").into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_says_the_kind() {
        assert_eq!(Kind::of("a/b.so".as_ref()), Ok(Kind::Shared));
        assert_eq!(Kind::of("a.b/c".as_ref()), Ok(Kind::Executable));
        for bad in ["x.exe", "-"] {
            assert_eq!(Kind::of(bad.as_ref()).map_err(|d| d.code), Err("E5011"));
        }
    }
}
