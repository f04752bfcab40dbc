//! The command line as a user sees it: texts, exit codes, files.

mod errors;
mod examples;
mod executable;
mod files;
mod hot;
mod numbers;
mod quantize;
mod source;
mod stored;
mod texts;
mod toolchains;
mod tune;
mod values;

use onnxc_base::Tensor;
use onnxc_host::files::npy;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a command did.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Everything that a user sees, without the temporary folder's name.
    fn seen(&self, folder: &Path) -> String {
        let text = format!("exit code {}\n-- stdout\n{}-- stderr\n{}", self.code, self.out, self.err);
        text.replace(&folder.display().to_string(), "TMP").replace(&models().display().to_string(), "MODELS")
    }

    /// Fails with what was printed unless the command succeeded.
    #[track_caller]
    fn ok(self) -> Ran {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }
}

/// Runs a program in a folder.
fn run_in(folder: &Path, program: &Path, args: &[&str]) -> Ran {
    let output = Command::new(program)
        .args(args)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("we print UTF-8");
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs onnxc in a folder.
fn onnxc(folder: &Path, args: &[&str]) -> Ran {
    run_in(folder, Path::new(env!("CARGO_BIN_EXE_onnxc-tested")), args)
}

/// The folder of the models that the repository holds.
fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// A model of that folder.
fn model(name: &str) -> String {
    models().join(format!("{name}.onnx")).display().to_string()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the temporary folder is writable")
}

/// Writes a tensor as `.npy` into a folder.
fn put(folder: &Path, name: &str, tensor: &Tensor) {
    std::fs::write(folder.join(name), npy::write(tensor).expect("NumPy has the type")).expect("the folder is writable");
}

/// Compares a text with the one that is kept.
#[track_caller]
fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../snapshots/cli");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
