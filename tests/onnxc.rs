//! The command line, built for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    onnxc::cli::main(std::env::args_os())
}
