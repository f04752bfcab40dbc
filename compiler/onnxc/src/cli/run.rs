//! `onnxc run`.

use super::args::RunArgs;
use super::exit::Failure;
use super::{session, style};

/// Runs a model or module once, on tensors in files.
///
/// # Errors
/// Every problem of the files; nothing is written then.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let loaded = session::load(&args.module, &args.build, false)?;
    style::out(&onnxc_host::program::run(&loaded.module, &args.inputs, &args.outputs)?)?;
    Ok(())
}
