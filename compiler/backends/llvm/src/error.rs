//! What can go wrong while LLVM IR is built or compiled, as diagnostics of stage 5 (backends).
//!
//! None of these is the user's fault but an unusable target: a message about the program names the function of the
//! program it came from, and asks for a report.

use inkwell::builder::BuilderError;
use onnxc_base::{Diagnostic, Diagnostics};

/// The result of a step that can fail.
pub(crate) type Res<T> = Result<T, Error>;

/// A step that failed; becomes a [`Diagnostic`] where the function's name is known.
#[derive(Debug)]
pub(crate) enum Error {
    /// LLVM refused an instruction: the program isn't what the verifier lets through.
    Builder(BuilderError),
    /// The program holds what this backend can't compile.
    Program(String),
    /// The target lacks something that the program needs.
    Target(String),
}

impl From<BuilderError> for Error {
    fn from(e: BuilderError) -> Self {
        Error::Builder(e)
    }
}

/// A program that shouldn't have come this far.
pub(crate) fn program<T>(message: impl Into<String>) -> Res<T> {
    Err(Error::Program(message.into()))
}

impl Error {
    /// The error as it is reported, with the loops function it belongs to.
    pub(crate) fn report(self, func: &str) -> Diagnostic {
        match self {
            Error::Builder(e) => internal("E5302", format!("LLVM refused an instruction of function '{func}': {e}")),
            Error::Program(m) => internal("E5303", format!("function '{func}' can't be compiled: {m}")),
            Error::Target(m) => Diagnostic::error("E5304", format!("function '{func}' can't be compiled: {m}"))
                .help("choose a processor that has it with --target-cpu, or write C (-o model.c)"),
        }
    }
}

/// An error of ours: the program is at fault, not the user.
pub(crate) fn internal(code: &'static str, message: String) -> Diagnostic {
    Diagnostic::error(code, message).help("this is a bug of onnxc; please report it with the model")
}

/// LLVM found the module malformed, or could not compile it.
pub(crate) fn llvm(code: &'static str, what: &str, message: &str) -> Diagnostics {
    internal(code, format!("{what}: {}", message.trim())).into()
}
