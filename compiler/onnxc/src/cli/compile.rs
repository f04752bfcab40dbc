//! `onnxc MODEL -o OUT`.

use super::args::{CompileArgs, Form, Level};
use super::exit::Failure;
use super::watch::Watch;
use super::{report, resolve, style, watch};
use crate::output::{self, Kind};
use crate::{Module, Options, Source};
use onnxc_codegen::Artefact;
use onnxc_passes::manager::{Stop, Timings};
use std::time::{Duration, Instant};

/// Compiles.
///
/// # Errors
/// Every problem of the arguments, the model or the machine.
pub fn run(args: &CompileArgs) -> Result<(), Failure> {
    let kind = args.output.as_deref().map(Kind::of).transpose()?;
    let mut options = resolve::options(&args.build, args.target.as_deref(), args.name.as_deref())?;
    if let (Some(backend), Some(out)) = (kind.and_then(Kind::source_backend), args.output.as_deref()) {
        resolve::source(&mut options, &args.source, backend, out)?;
    }
    resolve::note_threads(&options);
    args.output.as_deref().map_or(Ok(()), output::check_place)?;
    let names = args.print_after.iter().map(String::as_str).filter(|n| *n != "all");
    watch::check_names(names.chain(args.stop_after.as_deref()))?;
    // clap requires it unless a subcommand is given.
    let Some(model) = args.model.as_deref() else { return Ok(()) };
    let begun = Instant::now();
    let source = Source::open(model, &options)?;
    let opened = begun.elapsed();
    style::problems(&source.warnings);
    let mut watch = Watch {
        print_after: args.print_after.clone(),
        stop_after: args.stop_after.clone(),
        emit: args.emit,
        ..Watch::default()
    };
    let module = crate::lower(&source, &options, &mut watch);
    if let Some(e) = watch.broken.take() {
        return Err(e.into());
    }
    if let Some(text) = watch.graph.take() {
        style::out(&format!("{text}\n"))?;
    }
    let module = match module {
        Ok(m) => m,
        Err(Stop::Asked) => return Ok(()),
        Err(Stop::Failed(d)) => return Err(d.into()),
    };
    resolve::keep_tuned(&args.build, &options)?;
    style::problems(&module.lowered.warnings);
    emit(args.emit, &module)?;
    let done = finish(args, kind, &module, &options, &mut watch)?;
    if args.time_passes {
        let mut all = Timings::default();
        all.add("read and import", opened);
        all.0.extend(module.timings.0.iter().copied());
        all.0.extend(done);
        // Beside the results of --emit, not among them.
        let _ = std::io::Write::write_all(&mut anstream::stderr(), timings(&all).as_bytes());
    }
    Ok(())
}

/// Prints the IR that was asked for; the graph was printed before.
fn emit(level: Option<Level>, module: &Module) -> Result<(), Failure> {
    match level {
        Some(Level::Kernel) => {
            for (kernel, _) in &module.lowered.assembled.kernels {
                style::out(&format!("{kernel}\n"))?;
            }
        }
        Some(Level::Loops) => style::out(&format!("{}\n", module.program))?,
        Some(Level::Graph) | None => {}
    }
    Ok(())
}

/// One line of `--time-passes`.
type Timing = (&'static str, Duration, u32);

/// Machine code, files, report.
fn finish(
    args: &CompileArgs,
    kind: Option<Kind>,
    module: &Module,
    options: &Options,
    watch: &mut Watch,
) -> Result<Vec<Timing>, Failure> {
    let mut times = vec![];
    // Source text has no machine code to measure: the compiler of the target makes it.
    let measured = args.report.is_some() && kind.and_then(Kind::source_backend).is_none();
    let wants_code = measured || kind.is_some_and(Kind::needs_code);
    let code: Option<Artefact<'_>> = if wants_code {
        watch.progress.backend(options.backend.as_deref());
        let begun = Instant::now();
        let code = module.code(options)?;
        times.push(("backend", begun.elapsed(), 1));
        Some(code)
    } else {
        None
    };
    if let (Some(kind), Some(path)) = (kind, args.output.as_deref()) {
        let begun = Instant::now();
        output::write(module, code.as_ref(), kind, path, &args.build.link, options)?;
        times.push(("write", begun.elapsed(), 1));
    }
    // The bar goes before anything else is printed.
    watch.progress = watch::Progress::default();
    if let Some(form) = args.report {
        let report = report::Report::new(module, code.as_ref(), kind.and_then(Kind::source_backend));
        style::out(&match form {
            Form::Text => report.to_string(),
            Form::Json => report.json() + "\n",
        })?;
    }
    Ok(times)
}

fn timings(t: &Timings) -> String {
    let total: Duration = t.0.iter().map(|(_, d, _)| *d).sum();
    let line = |name: &str, d: Duration, runs: String| format!("{:>10.3} ms  {name}{runs}\n", d.as_secs_f64() * 1e3);
    let lines: String =
        t.0.iter()
            .map(|(name, d, n)| line(name, *d, if *n > 1 { format!(" ({n} runs)") } else { String::new() }))
            .collect();
    lines + &line("total", total, String::new())
}
