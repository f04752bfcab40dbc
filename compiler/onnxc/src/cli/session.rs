//! A module to run: opened, or compiled from a model first.

use super::args::BuildArgs;
use super::exit::Failure;
use super::watch::Watch;
use super::{resolve, style};
use crate::Source;
use crate::output::{self, Kind};
use onnxc_base::Diagnostic;
use onnxc_codegen::loader::Module;
use onnxc_passes::manager::Stop;
use std::path::Path;
use std::time::{Duration, Instant};

/// A module in this process.
pub struct Loaded {
    /// The module.
    pub module: Module,
    /// How long the system took to load it.
    pub opened: Duration,
    /// What it was made of, unless a module was given.
    pub compiled: Option<crate::Module>,
    /// The library's folder, gone with this value.
    _folder: Option<tempfile::TempDir>,
}

/// Opens a module, or compiles a model to a temporary one; with `profile`, to one that counts the time of its steps.
///
/// # Errors
/// Every problem of the file.
pub fn load(path: &Path, build: &BuildArgs, profile: bool) -> Result<Loaded, Failure> {
    if path.extension().is_some_and(|e| e == "so") {
        let (module, opened) = open(path)?;
        set_threads(&module, build);
        return Ok(Loaded { module, opened, compiled: None, _folder: None });
    }
    let options = crate::Options { profile, ..resolve::options(build, None, None)? };
    resolve::note_threads(&options);
    let source = Source::open(path, &options)?;
    style::problems(&source.warnings);
    let mut watch = Watch::default();
    let compiled = match crate::lower(&source, &options, &mut watch) {
        Ok(m) => m,
        Err(Stop::Failed(d)) => return Err(d.into()),
        Err(Stop::Asked) => return Err(Diagnostic::error("E5017", "the compilation ended early").into()),
    };
    resolve::keep_tuned(build, &options)?;
    style::problems(&compiled.lowered.warnings);
    watch.progress.backend(options.backend.as_deref());
    let code = compiled.code(&options)?;
    let folder =
        tempfile::tempdir().map_err(|e| Diagnostic::error("E5203", format!("can't make a temporary folder: {e}")))?;
    let library = folder.path().join(format!("{}.so", compiled.program.name));
    output::write_one(&compiled, Some(&code), Kind::Shared, &library, &build.link, &options)?;
    let (module, opened) = open(&library)?;
    drop(code);
    set_threads(&module, build);
    Ok(Loaded { module, opened, compiled: Some(compiled), _folder: Some(folder) })
}

fn open(path: &Path) -> Result<(Module, Duration), Failure> {
    let begun = Instant::now();
    Ok((Module::open(path)?, begun.elapsed()))
}

/// As many threads as asked for, if the module has more than one.
fn set_threads(module: &Module, build: &BuildArgs) {
    let Some(threads) = build.threads else { return };
    if !module.set_threads(threads.wanted()) && threads.most() > 1 {
        style::note("the module runs on one thread: no loop in it is worth more, or it was compiled for one");
    }
}
