//! The program `onnxc`; everything is in [`onnxc::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    onnxc::cli::main(std::env::args_os())
}
