//! From arguments to [`Options`]: every word gets its meaning here, or an error.

use super::args::{BuildArgs, IntakeArgs, SourceArgs, WeightsPlace};
use super::style;
use super::threads::Threads;
use crate::output::Kind;
use crate::tune::{Cache, Tuner};
use crate::{Options, backends};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::Target;
use onnxc_ir::graph::OpName;
use onnxc_ops::Registry;
use onnxc_ops::custom::CFunction;
use onnxc_ops::import::ImportOptions;
use std::sync::Arc;

/// Threads of C with `--openmp` that doesn't say how many.
const OPENMP_THREADS: u32 = 8;

/// Options from the arguments that all commands share.
///
/// # Errors
/// Every argument that makes no sense.
pub fn options(args: &BuildArgs, target: Option<&str>, name: Option<&str>) -> Result<Options, Diagnostics> {
    let mut problems = Diagnostics::new();
    let mut kept = |d: Diagnostics| problems.extend(d);
    let target = Target::parse(target, args.target_cpu.as_deref()).map_err(&mut kept).ok();
    if let Err(d) = backends::find(args.backend.as_deref()) {
        kept(d);
    }
    let import = import(&args.intake).map_err(&mut kept).ok();
    let registry = registry(&args.custom).map_err(&mut kept).ok();
    let hot = hot(&args.hot).map_err(&mut kept).ok();
    let mut problems = problems.into_result(Diagnostics::new())?;
    let (Some(target), Some(import), Some(registry), Some(hot)) = (target, import, registry, hot) else {
        problems.push(Diagnostic::error("E5013", "the arguments make no sense"));
        return Err(problems);
    };
    let tuner = tuner(args, &target)?;
    Ok(Options {
        opt_level: args.level,
        backend: args.backend.clone(),
        target,
        import,
        registry,
        hot,
        tuner,
        name: name.map(String::from),
        max_patches: args.max_patches,
        max_ram: args.max_ram,
        max_flash: args.max_flash,
        verify: args.verify || cfg!(debug_assertions),
        strict_fp: args.strict_fp,
        threads: args.threads.map_or(1, Threads::most),
        ..Options::default()
    })
}

/// Tells the user if there will be fewer threads than asked for.
pub fn note_threads(options: &Options) {
    let Ok(backend) = backends::find(options.backend.as_deref()) else { return };
    let why = match () {
        () if options.threads <= 1 => return,
        () if options.source.openmp.is_some() => return,
        () if !backend.forks() => format!("what backend {} writes runs on one thread", backend.name()),
        () if !options.target.has_threads() => format!("modules for {} run on one thread", options.target.triple),
        () => return,
    };
    style::note(&format!("--threads {}: {why}", options.threads));
}

/// What the flags of source text say, for the file `out`: the module has its name unless another is given.
///
/// # Errors
/// A backend that writes something else.
pub fn source(
    options: &mut Options,
    args: &SourceArgs,
    backend: &str,
    out: &std::path::Path,
) -> Result<(), Diagnostics> {
    if let Some(other) = options.backend.as_deref().filter(|b| *b != backend) {
        return Err(Diagnostic::error(
            "E5011",
            format!("'{}' is written by backend {backend}, not by {other}", out.display()),
        )
        .help("leave --backend out, or give another suffix")
        .into());
    }
    let stem = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    options.backend = Some(backend.into());
    options.rust.unsafe_fast = args.unsafe_fast;
    let id = onnxc_passes::assemble::c_identifier(&stem);
    // A folder that no crate can be called after leaves the model's own name.
    if Kind::of(out) != Ok(Kind::Crate) || !onnxc_rust::is_taken(&id) {
        options.name.get_or_insert(id);
    }
    options.source = onnxc_c::Options {
        weights: match args.weights {
            WeightsPlace::Embed => onnxc_c::Weights::Embed,
            WeightsPlace::Extern => onnxc_c::Weights::Extern,
            WeightsPlace::File => onnxc_c::Weights::File,
        },
        section: args.section.clone(),
        static_workspace: args.static_workspace,
        openmp: args.openmp.then_some(if options.threads > 1 { options.threads } else { OPENMP_THREADS }),
        header_file: Some(format!("{stem}.h")),
    };
    Ok(())
}

/// What `--dim`, `--input` and `--branch` say.
///
/// # Errors
/// Every one that is malformed.
pub fn import(args: &IntakeArgs) -> Result<ImportOptions, Diagnostics> {
    let mut import = ImportOptions::default();
    let mut problems = Diagnostics::new();
    problems.extend(args.dims.iter().filter_map(|d| import.add_dim(d).err()));
    problems.extend(args.given.iter().filter_map(|i| import.add_input(i).err()));
    problems.extend(args.branches.iter().filter_map(|b| import.add_branch(b).err()));
    problems.into_result(import)
}

/// What `--tune` and `--tune-cache` say.
///
/// # Errors
/// A file that is no cache, or a target that can't be measured here.
fn tuner(args: &BuildArgs, target: &Target) -> Result<Option<Arc<Tuner>>, Diagnostics> {
    if !args.tune && args.tune_cache.is_none() {
        return Ok(None);
    }
    let cache = args.tune_cache.as_deref().map_or(Ok(Cache::default()), Cache::read)?;
    let backend = backends::find(args.backend.as_deref())?;
    Ok(Some(Arc::new(Tuner::new(cache, backend, target, args.level, args.tune)?)))
}

/// Tells what was measured, and keeps it where `--tune-cache` says.
///
/// # Errors
/// A file that can't be written.
pub fn keep_tuned(args: &BuildArgs, options: &Options) -> Result<(), Diagnostics> {
    let Some(tuner) = options.tuner.as_deref().filter(|_| args.tune) else { return Ok(()) };
    let counts = tuner.counts();
    let skipped = if counts.skipped > 0 { format!(", {} left out: no time", counts.skipped) } else { String::new() };
    style::note(&format!("tuned {} kernels, {} were known{skipped}", counts.measured, counts.known));
    args.tune_cache.as_deref().map_or(Ok(()), |file| tuner.save(file))
}

/// What `--hot` says: for each, dims and their extents.
///
/// # Errors
/// Every one that is malformed.
pub fn hot(words: &[String]) -> Result<Vec<Vec<(String, i64)>>, Diagnostics> {
    let mut problems = Diagnostics::new();
    let mut all: Vec<Vec<(String, i64)>> = vec![];
    for word in words {
        let extents =
            import(&IntakeArgs { dims: word.split(',').map(String::from).collect(), ..IntakeArgs::default() });
        let fixed = extents.ok().and_then(|e| e.dims.into_iter().map(|(n, r)| Some((n, r.fixed()?))).collect());
        match fixed {
            Some(list) if all.contains(&list) => {
                problems.push(Diagnostic::error("E5019", format!("--hot {word}: it is given twice")));
            }
            Some(list) => all.push(list),
            None => problems.push(
                Diagnostic::error("E5019", format!("--hot {word}: not dims with their extents"))
                    .expected("NAME=EXTENT,NAME=EXTENT.., such as --hot h=256,w=256"),
            ),
        }
    }
    problems.into_result(all)
}

/// Operators with what `--custom` adds.
///
/// # Errors
/// Every one that is malformed.
pub fn registry(words: &[String]) -> Result<Registry, Diagnostics> {
    let mut registry = Registry::new();
    let mut problems = Diagnostics::new();
    for word in words {
        match custom(word) {
            Some(op) => registry.add(Arc::new(op)),
            None => problems.push(
                Diagnostic::error("E5014", format!("--custom {word}: not an operator and a symbol"))
                    .expected("DOMAIN.OP=SYMBOL, such as my_domain.MyAdd=my_add"),
            ),
        }
    }
    problems.into_result(registry)
}

fn custom(word: &str) -> Option<CFunction> {
    let (op, symbol) = word.split_once('=')?;
    // Domains have dots themselves (com.microsoft.Gelu); names of operators don't.
    let (domain, name) = op.rsplit_once('.')?;
    let good = !name.is_empty() && !symbol.is_empty() && onnxc_passes::assemble::c_identifier(symbol) == symbol;
    good.then(|| CFunction { name: OpName { domain: domain.into(), name: name.into() }, symbol: symbol.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_may_have_dots() {
        let op = custom("com.microsoft.Gelu=my_gelu").expect("it is well-formed");
        assert_eq!((op.name.domain.as_str(), op.name.name.as_str()), ("com.microsoft", "Gelu"));
        for bad in ["Gelu=f", "a.b", "a.b=", "a.=f", "a.b=two words"] {
            assert!(custom(bad).is_none(), "{bad}");
        }
    }
}
