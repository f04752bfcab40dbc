//! A whole program around one module: reads inputs, runs once, writes outputs. Standalone executables are this.
//!
//! Exit codes are those of onnxc: 0 done, 1 inputs that don't fit or a run that failed, 2 wrong usage, 4 a defect.

use crate::{inputs, outputs};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::loader::{Module, PortInfo};
use onnxc_runtime::module::ModuleV1;
use std::ffi::OsString;
use std::io::{self, Write};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Help,
    Run { inputs: Vec<String>, outputs: Vec<String>, threads: Option<u32> },
}

/// Runs the module behind a description with a command line; the exit code.
///
/// `description` is what the `onnxc_module_v1` of a module returned that is linked into this program.
pub fn main(description: *const ModuleV1, args: &[OsString]) -> u8 {
    std::panic::catch_unwind(|| whole(description, args)).unwrap_or(4)
}

fn whole(description: *const ModuleV1, args: &[OsString]) -> u8 {
    let name = args.first().map_or("program".into(), |a| a.to_string_lossy());
    let words: Vec<String> = args.iter().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    // The caller says that it is a linked module's.
    let module = match unsafe { Module::linked(description) } {
        Ok(m) => m,
        Err(d) => return complain(&d, 4),
    };
    match parse(&words) {
        Err(why) => {
            eprintln!("error: {why}\n\n{}", help(&name, &module));
            2
        }
        Ok(Wish::Help) => print(&help(&name, &module)),
        Ok(Wish::Run { inputs, outputs, threads }) => {
            if threads.is_some_and(|n| !module.set_threads(n) && n > 1) {
                eprintln!("note: this program runs on one thread");
            }
            match run(&module, &inputs, &outputs) {
                Ok(text) => print(&text),
                Err(d) => complain(&d, 1),
            }
        }
    }
}

fn complain(d: &Diagnostics, code: u8) -> u8 {
    eprintln!("{d}");
    code
}

/// A closed pipe is not an error: the reader has seen enough.
fn print(text: &str) -> u8 {
    match io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => 1,
        _ => 0,
    }
}

fn parse(words: &[String]) -> Result<Wish, String> {
    let (mut inputs, mut outputs, mut threads) = (vec![], vec![], None);
    let mut into_outputs = false;
    let mut words = words.iter();
    let number = |w: Option<&str>| {
        let n = w.and_then(|w| w.parse().ok()).filter(|n| *n >= 1);
        n.ok_or_else(|| "--threads takes a number of at least 1".to_string())
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "-h" | "--help" => return Ok(Wish::Help),
            "-i" | "--inputs" => into_outputs = false,
            "-o" | "--outputs" => into_outputs = true,
            "--threads" => threads = Some(number(words.next().map(String::as_str))?),
            w if w.starts_with("--threads=") => threads = Some(number(w.strip_prefix("--threads="))?),
            w if w.starts_with("--inputs=") => inputs.push(w["--inputs=".len()..].to_string()),
            w if w.starts_with("--outputs=") => outputs.push(w["--outputs=".len()..].to_string()),
            w if w.starts_with('-') => return Err(format!("unknown option '{w}'")),
            w if into_outputs => outputs.push(w.to_string()),
            w => inputs.push(w.to_string()),
        }
    }
    Ok(Wish::Run { inputs, outputs, threads })
}

fn help(name: &str, module: &Module) -> String {
    let description = module.description();
    let ports = |ports: Vec<PortInfo>| -> String {
        ports.iter().map(|p| format!("  {}: {}\n", p.name, inputs::signature(p))).collect()
    };
    format!(
        "Runs the model '{}' once (compiled by {}).\n\nUsage: {name} [--inputs] FILE|NAME=FILE... [--outputs FILE|NAME=FILE...] [--threads N]\n\n\
         Files are .npz, .npy or ONNX .pb. Without --outputs a summary is printed. Without --threads a program compiled for\n\
         several uses as many as it may.\n\nInputs:\n{}\nOutputs:\n{}\n\
         Exit codes: 0 done, 1 inputs that don't fit or a run that failed, 2 wrong usage, 4 a defect of the compiler.\n",
        description.name(),
        description.compiler(),
        ports(module.inputs()),
        ports(module.outputs()),
    )
}

/// Runs a module on files; what to print.
///
/// # Errors
/// Files that can't be read or written, inputs that don't fit, a run that failed. Nothing is written then.
pub fn run(module: &Module, from: &[String], to: &[String]) -> Result<String, Diagnostics> {
    let names: Vec<String> = module.outputs().into_iter().map(|p| p.name).collect();
    outputs::check(to, &names)?;
    let given = inputs::read_all(from)?;
    let tensors = inputs::arrange(&module.inputs(), given)?;
    let results = module.run_values(&tensors)?;
    if results.len() != names.len() {
        return Err(Diagnostic::error("E6021", "the module returned another number of outputs than it says").into());
    }
    let named: Vec<_> = names.into_iter().zip(results).collect();
    outputs::write(to, &named)?;
    Ok(if to.is_empty() { outputs::summary(&named) } else { String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn options_may_stand_anywhere() {
        let want = Wish::Run { inputs: words("a.npz b=c.npy"), outputs: words("o.npz"), threads: None };
        assert_eq!(parse(&words("a.npz b=c.npy --outputs o.npz")), Ok(want));
        let want = Wish::Run { inputs: words("a.npz"), outputs: words("o.npz"), threads: Some(3) };
        assert_eq!(parse(&words("-o o.npz --threads 3 -i a.npz")), Ok(want));
        assert_eq!(parse(&words("x --help")), Ok(Wish::Help));
        for bad in ["--fast", "--threads", "--threads 0", "--threads=many"] {
            assert!(parse(&words(bad)).is_err(), "{bad}");
        }
    }
}
