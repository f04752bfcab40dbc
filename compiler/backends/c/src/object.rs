//! C text to an object file with the machine's own C compiler: `$CC`, or `cc`; flags of the user in `$ONNXC_CFLAGS`.

use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::{CompileOptions, Emit, Target};
use std::path::Path;
use std::process::Command;

/// Compiles for the host; other machines have compilers of their own, to which the user gives the text.
pub(crate) fn compile(text: &str, target: &Target, options: &CompileOptions) -> Result<Vec<u8>, Diagnostics> {
    if target.triple.architecture != Target::host().triple.architecture {
        return Err(Diagnostic::error("E5121", format!("backend c makes no machine code for {}", target.triple))
            .help("write C text (-o model.c) and give it to that machine's compiler")
            .into());
    }
    let io = |e: std::io::Error| Diagnostic::error("E5203", format!("can't make a temporary file: {e}"));
    let folder = tempfile::tempdir().map_err(io)?;
    std::fs::write(folder.path().join("module.c"), text).map_err(io)?;
    let (flag, out) = if options.emit == Emit::Assembly { ("-S", "module.s") } else { ("-c", "module.o") };
    run(folder.path(), flag, out, options.opt_level)?;
    Ok(std::fs::read(folder.path().join(out)).map_err(io)?)
}

fn run(folder: &Path, flag: &str, out: &str, level: u8) -> Result<(), Diagnostic> {
    let cc = std::env::var("CC").ok().filter(|c| !c.is_empty()).unwrap_or_else(|| "cc".into());
    let mut command = Command::new(&cc);
    command.current_dir(folder).args(["-std=c99", "-fPIC", "-ffunction-sections", "-fno-strict-aliasing", "-w"]);
    command.arg(format!("-O{level}")).args([flag, "module.c", "-o", out]);
    if let Ok(flags) = std::env::var("ONNXC_CFLAGS") {
        command.args(flags.split_whitespace());
    }
    let failed = |what: String| Diagnostic::error("E5205", format!("compiling C with {cc} failed: {what}"));
    let output = command.output().map_err(|e| {
        Diagnostic::error("E5204", format!("no C compiler: {cc}: {e}"))
            .help("install one (Debian: apt install gcc), or set $CC")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).take(12).collect();
    Err(failed(lines.join("\n    ")))
}
