//! Shared libraries: by the system's linker, or, where there is none, by an embedded one.
//!
//! Only the symbols asked for are exported (a version script), and only what they need is kept. Nothing is linked
//! in but what the caller names: a module needs no C library unless a custom operator does.

use crate::Target;
use crate::files::{Temporary, beside, cannot_write};
use onnxc_base::{Diagnostic, Diagnostics};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to link.
#[derive(Clone, Debug)]
pub struct LinkJob<'a> {
    /// Object files and archives: the module and what its custom operators need.
    pub inputs: &'a [PathBuf],
    /// Where the library goes.
    pub output: &'a Path,
    /// Its `DT_SONAME`.
    pub soname: &'a str,
    /// Symbols that are visible.
    pub exports: &'a [String],
    /// True if symbols may stay undefined: the program that loads the library has them.
    pub allow_undefined: bool,
}

impl LinkJob<'_> {
    /// The same, where what is linked beside the module needs a C library that isn't at hand.
    fn lenient(&self) -> Self {
        LinkJob { allow_undefined: self.allow_undefined || self.inputs.len() > 1, ..self.clone() }
    }
}

/// A linker that can be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Linker {
    /// A C compiler driver: it knows its target's linker.
    Driver(PathBuf),
    /// A linker itself.
    Direct(PathBuf),
    /// The one inside this program.
    Embedded,
}

impl Linker {
    /// The linker of this machine: `$CC`, `cc`, `gcc`, `clang`, then `ld`, `ld.lld`, `mold`, `wild`, then the embedded one.
    pub fn find() -> Result<Linker, Diagnostics> {
        let driver = std::env::var_os("CC").filter(|cc| !cc.is_empty()).and_then(|cc| on_path(&cc));
        let drivers = driver.into_iter().chain(["cc", "gcc", "clang"].iter().filter_map(|n| on_path(n.as_ref())));
        if let Some(p) = drivers.into_iter().next() {
            return Ok(Linker::Driver(p));
        }
        if let Some(p) = ["ld", "ld.lld", "mold", "wild"].iter().find_map(|n| on_path(n.as_ref())) {
            return Ok(Linker::Direct(p));
        }
        if cfg!(feature = "embedded-linker") {
            return Ok(Linker::Embedded);
        }
        Err(Diagnostic::error("E5204", "no linker was found to make a shared library")
            .expected("one of cc, gcc, clang, ld, ld.lld, mold or wild on PATH, or $CC")
            .help("install one (Debian: apt install binutils), or write an object file (-o model.o) and link it elsewhere")
            .into())
    }

    /// A linker for a target: this machine's own, or one that knows the other architecture.
    pub fn find_for(target: &Target) -> Result<Linker, Diagnostics> {
        if !target.is_elf() {
            let d = Diagnostic::error("E5206", format!("shared libraries for {} can't be linked here", target.triple));
            return Err(d
                .expected("a target with ELF files")
                .help("write an object file (-o model.o) and link it there")
                .into());
        }
        if !target.is_hosted() {
            let what = format!("{} names no operating system that loads shared libraries", target.triple);
            let named = format!("{}-unknown-linux-gnu", target.triple.architecture);
            return Err(Diagnostic::error("E5206", what)
                .expected(format!("a target such as {named}"))
                .help(format!("give --target {named}, or write an object file (-o model.o) for firmware"))
                .into());
        }
        let arch = target.triple.architecture;
        if arch == target_lexicon::Triple::host().architecture {
            return Linker::find();
        }
        let short = arch.to_string().replace("riscv64gc", "riscv64");
        if let Some(p) = on_path(format!("{short}-linux-gnu-gcc").as_ref()) {
            return Ok(Linker::Driver(p));
        }
        if let Some(p) = ["ld.lld", "mold"].iter().find_map(|n| on_path(n.as_ref())) {
            return Ok(Linker::Direct(p));
        }
        Err(Diagnostic::error("E5204", format!("no linker was found for {}", target.triple))
            .expected(format!("{short}-linux-gnu-gcc, ld.lld or mold on PATH"))
            .help("install one (Debian: apt install lld), or write an object file (-o model.o) and link it there")
            .into())
    }

    /// Links a shared library.
    pub fn link(&self, job: &LinkJob<'_>) -> Result<(), Diagnostics> {
        let script = Temporary(beside(job.output).with_extension("map"));
        std::fs::write(&script.0, version_script(job.exports)).map_err(|e| cannot_write(&script.0, &e))?;
        match self {
            Linker::Driver(p) => run(p, driver_arguments(job, &script.0)),
            // Without a driver nobody says where the C library is; the program that loads the module has it.
            Linker::Direct(p) => run(p, linker_arguments(&job.lenient(), &script.0)),
            Linker::Embedded => embedded(linker_arguments(&job.lenient(), &script.0)),
        }
    }
}

/// Links an object of WebAssembly to a module without an entry.
pub fn link_wasm(object: &Path, output: &Path, exports: &[String]) -> Result<(), Diagnostics> {
    let names = ["wasm-ld", "wasm-ld-22", "wasm-ld-21", "wasm-ld-20", "wasm-ld-19"];
    let Some(linker) = names.iter().find_map(|n| on_path(n.as_ref())) else {
        return Err(Diagnostic::error("E5204", "no linker was found for WebAssembly")
            .expected("wasm-ld on PATH")
            .help("install one (Debian: apt install lld), or write an object file (-o model.o) and link it elsewhere")
            .into());
    };
    let mut args: Vec<OsString> = vec!["--no-entry".into(), "--strip-all".into(), "-o".into(), output.into()];
    // Users put tensors and the workspace behind the module's own data.
    args.push("--export=__heap_base".into());
    args.extend(exports.iter().map(|e| format!("--export={e}").into()));
    args.push(object.into());
    run(&linker, args)
}

/// A program by path or by name.
fn on_path(name: &std::ffi::OsStr) -> Option<PathBuf> {
    let name = Path::new(name);
    if name.components().count() > 1 {
        return name.is_file().then(|| name.to_path_buf());
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|dir| dir.join(name)).find(|p| p.is_file())
}

fn version_script(exports: &[String]) -> String {
    let globals: String = exports.iter().map(|e| format!(" {e};")).collect();
    let globals = if exports.is_empty() { String::new() } else { format!(" global:{globals}") };
    format!("{{{globals} local: *; }};\n")
}

/// Options that the linker itself understands.
fn linker_options(job: &LinkJob<'_>, script: &Path) -> Vec<OsString> {
    let mut soname = OsString::from("-soname=");
    soname.push(job.soname);
    let mut version = OsString::from("--version-script=");
    version.push(script);
    let mut out: Vec<OsString> =
        vec![soname, version, "--gc-sections".into(), "--build-id=none".into(), "--strip-debug".into()];
    for keyword in ["noexecstack", "relro", "now"] {
        out.extend(["-z".into(), keyword.into()]);
    }
    if !job.allow_undefined {
        out.push("--no-undefined".into());
    }
    out
}

fn linker_arguments(job: &LinkJob<'_>, script: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["-shared".into(), "-o".into(), job.output.into()];
    args.extend(linker_options(job, script));
    args.extend(job.inputs.iter().map(|i| i.clone().into_os_string()));
    args
}

fn driver_arguments(job: &LinkJob<'_>, script: &Path) -> Vec<OsString> {
    // No start files: a module has nothing to set up. Libraries are only searched for what is missing.
    let mut args: Vec<OsString> = vec!["-shared".into(), "-nostartfiles".into(), "-o".into(), job.output.into()];
    for option in linker_options(job, script) {
        args.extend(["-Xlinker".into(), option]);
    }
    args.extend(job.inputs.iter().map(|i| i.clone().into_os_string()));
    args.push("-nostdlib".into());
    if job.inputs.len() > 1 {
        args.extend(["-Wl,--as-needed".into(), "-lm".into(), "-lc".into()]);
    }
    args
}

fn run(program: &Path, args: Vec<OsString>) -> Result<(), Diagnostics> {
    let failed =
        |what: String| Diagnostic::error("E5205", format!("linking with {} failed: {what}", program.display()));
    let output = Command::new(program).args(&args).output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let first: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).take(8).collect();
    let mut d = failed(if first.is_empty() { output.status.to_string() } else { first.join("\n    ") });
    if text.contains("undefined") {
        d = d.help("give the object file or library that defines the custom operator, or let the program that loads the module define it");
    }
    Err(d.into())
}

#[cfg(feature = "embedded-linker")]
fn embedded(args: Vec<OsString>) -> Result<(), Diagnostics> {
    let failed = |e: String| Diagnostics::from(Diagnostic::error("E5205", format!("linking failed: {e}")));
    let args: Vec<String> = args.into_iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let input = || std::iter::once("ld").chain(args.iter().map(String::as_str));
    let mut parsed = libwild::Args::new(input).map_err(|e| failed(e.to_string()))?;
    parsed.parse(input).map_err(|e| failed(e.to_string()))?;
    libwild::run(parsed).map_err(|e| failed(e.to_string()))
}

#[cfg(not(feature = "embedded-linker"))]
fn embedded(_: Vec<OsString>) -> Result<(), Diagnostics> {
    Err(Diagnostic::error("E5204", "this onnxc was built without the embedded linker").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_formats_are_refused_with_a_way_out() {
        let target = Target::parse(Some("aarch64-apple-darwin"), None).expect("the processor is known");
        let e = Linker::find_for(&target).expect_err("no Mach-O linker is used");
        assert!(e.to_string().contains("-o model.o"), "{e}");
        let target = Target::parse(Some("x86_64"), None).expect("the processor is known");
        let e = Linker::find_for(&target).expect_err("nothing loads a library there").to_string();
        assert!(e.contains("--target x86_64-unknown-linux-gnu"), "{e}");
    }

    #[test]
    fn scripts_export_what_is_asked_for_and_hide_the_rest() {
        assert_eq!(version_script(&["a".into(), "b".into()]), "{ global: a; b; local: *; };\n");
        assert_eq!(version_script(&[]), "{ local: *; };\n");
    }
}
