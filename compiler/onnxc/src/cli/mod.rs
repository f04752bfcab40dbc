//! The command line: arguments are parsed ([`args`]), resolved to options ([`resolve`]), then one file per command.
//!
//! Afterwards the process's exit code is one of [`exit`]. Nothing here knows how to compile: the library does.

mod args;
mod bench;
mod check;
mod compile;
mod docs;
mod exit;
mod inputs;
mod ops;
mod opt;
mod profile;
mod quantize;
mod report;
mod resolve;
mod run;
mod session;
mod style;
mod threads;
mod watch;

use args::{Cli, Command};
use clap::Parser;
use exit::Failure;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command line `args`, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // The hook has printed what happened; a panic is a defect of ours, never the user's fault.
    let done = std::panic::catch_unwind(|| match Cli::try_parse_from(&args) {
        // A list needs no model, which any other use of the flag does.
        _ if docs::wants_processors(&args) => docs::processors(),
        Ok(cli) => dispatch(cli),
        Err(e) => Err(Failure::Usage(e)),
    });
    match done {
        Ok(Ok(())) => ExitCode::from(exit::OK),
        Ok(Err(failure)) => ExitCode::from(failure.report()),
        Err(_) => {
            style::note("this is a defect of onnxc; please report it with the model");
            ExitCode::from(exit::DEFECT)
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        None => compile::run(&cli.compile),
        Some(Command::Check(a)) => check::run(&a),
        Some(Command::Run(a)) => run::run(&a),
        Some(Command::Bench(a)) => bench::run(&a),
        Some(Command::Quantize(a)) => quantize::run(&a),
        Some(Command::Opt(a)) => opt::run(&a),
        Some(Command::ListOps(a)) => ops::run(&a),
        Some(Command::Completions(a)) => docs::completions(a.shell),
        Some(Command::Man(a)) => docs::man(a.command.as_deref()),
    }
}
