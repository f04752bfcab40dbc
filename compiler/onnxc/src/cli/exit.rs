//! How the program ends: exit codes, and which one a failure has.

use super::style;
use onnxc_base::{Diagnostic, Diagnostics};
use std::io;

/// Done.
pub const OK: u8 = 0;
/// The model or an input has errors.
pub const MODEL: u8 = 1;
/// The arguments make no sense.
pub const USAGE: u8 = 2;
/// The machine or this build lacks something.
pub const MACHINE: u8 = 3;
/// Our fault.
pub const DEFECT: u8 = 4;

/// Why a command ended early.
pub enum Failure {
    /// What clap says; also its help and version, which are no failures.
    Usage(clap::Error),
    /// Problems found.
    Problems(Diagnostics),
    /// The standard output can't be written.
    Output(io::Error),
}

impl From<Diagnostics> for Failure {
    fn from(d: Diagnostics) -> Self {
        Failure::Problems(d)
    }
}

impl From<Diagnostic> for Failure {
    fn from(d: Diagnostic) -> Self {
        Failure::Problems(d.into())
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Failure::Output(e)
    }
}

impl Failure {
    /// Tells the user; the exit code.
    pub fn report(self) -> u8 {
        match self {
            Failure::Usage(e) => {
                // If even this can't be printed, the code still says it.
                let _ = e.print();
                if e.use_stderr() { USAGE } else { OK }
            }
            // Whoever reads has seen enough.
            Failure::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => OK,
            Failure::Output(e) => {
                style::problems(&Diagnostic::error("E5012", format!("can't write the output: {e}")).into());
                MACHINE
            }
            Failure::Problems(d) => {
                style::problems(&d);
                code_of(&d)
            }
        }
    }
}

/// True if no model could be at fault: a pass broke a rule of its IR, or the text says so.
fn is_defect(d: &Diagnostic) -> bool {
    let help = d.help.as_deref().unwrap_or("");
    d.message.starts_with("after pass ") || ["this is a defect", "this is a bug"].iter().any(|t| help.starts_with(t))
}

/// The worst of all problems: a defect explains others, a poor machine or wrong usage doesn't.
fn code_of(d: &Diagnostics) -> u8 {
    let codes = d.0.iter().filter(|d| d.severity == onnxc_base::Severity::Error).map(|d| match d.code {
        _ if is_defect(d) => DEFECT,
        // `--dim` malformed; `--target`, `--target-cpu`, `--custom`, `--hot`, pass names, output suffixes.
        "E2028" | "E5001" | "E5002" | "E5003" | "E5011" | "E5013" | "E5014" | "E5015" | "E5019" | "E5021" | "E6104" => {
            USAGE
        }
        // No backend, no linker, no driver library.
        "E5010" | "E5016" | "E5204" => MACHINE,
        _ => MODEL,
    });
    codes.max_by_key(|c| (*c == DEFECT, *c == MODEL, *c)).unwrap_or(MODEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_problem_decides() {
        let of =
            |codes: &[&'static str]| code_of(&Diagnostics(codes.iter().map(|c| Diagnostic::error(c, "x")).collect()));
        assert_eq!(of(&["E1003"]), MODEL);
        assert_eq!(of(&["E5204"]), MACHINE);
        assert_eq!(of(&["E2028"]), USAGE);
        assert_eq!(of(&["E2028", "E1003"]), MODEL);
        let defect = Diagnostic::error("E4101", "after pass unroll: types");
        assert_eq!(code_of(&Diagnostics(vec![Diagnostic::error("E1003", "x"), defect])), DEFECT);
        assert_eq!(code_of(&Diagnostic::error("E5103", "x").help("this is a bug of onnxc").into()), DEFECT);
    }
}
