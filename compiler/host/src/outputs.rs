//! A module's outputs to files: every file whole, and none at all if one can't be made.

use crate::files::{Format, npy, npz, pb};
use crate::inputs::split;
use onnxc_base::{Diagnostic, Diagnostics, Tensor, Value};
use onnxc_codegen::files::write_whole;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file's place and what goes there.
enum Job {
    Bytes(PathBuf, Vec<u8>),
    Archive(PathBuf, Vec<(String, Vec<u8>)>),
}

/// Checks the names of files before anything is computed.
///
/// # Errors
/// A file name that says nothing, an output that doesn't exist, or several outputs for a file that holds one.
pub fn check(words: &[String], names: &[String]) -> Result<(), Diagnostics> {
    let mut problems = Diagnostics::new();
    for word in words {
        let (name, path) = split(word);
        let listed = || format!("one of: {}", names.join(", "));
        match (Format::of(path), name) {
            (Err(d), _) => problems.push(d),
            (Ok(_), Some(n)) if !names.iter().any(|have| have == n) => {
                problems.push(Diagnostic::error("E6113", format!("there is no output '{n}'")).expected(listed()));
            }
            (Ok(Format::Npy | Format::Pb), None) if names.len() != 1 => {
                let d = Diagnostic::error(
                    "E6114",
                    format!("'{}' holds one tensor; there are {} outputs", path.display(), names.len()),
                );
                problems.push(d.expected("a .npz file, or NAME=FILE for each output"));
            }
            _ => {}
        }
    }
    problems.into_result(())
}

/// Writes outputs to files: `OUT.npz`, `OUT.npy` (one output only), or `NAME=FILE`.
///
/// # Errors
/// As [`check`], or what can't be written.
pub fn write(words: &[String], tensors: &[(String, Value)]) -> Result<(), Diagnostics> {
    let names: Vec<String> = tensors.iter().map(|(n, _)| n.clone()).collect();
    check(words, &names)?;
    let jobs: Vec<Job> = words.iter().map(|w| job(w, tensors)).collect::<Result<_, _>>()?;
    jobs.iter().try_for_each(|j| match j {
        Job::Bytes(path, bytes) => write_whole(path, |out| out.write_all(bytes)),
        Job::Archive(path, members) => write_whole(path, |out: &mut dyn Write| npz::write(out, members)),
    })
}

fn job(word: &str, tensors: &[(String, Value)]) -> Result<Job, Diagnostic> {
    let (name, path) = split(word);
    let chosen: Vec<(String, Value)> =
        tensors.iter().filter(|(n, _)| name.is_none_or(|want| want == n)).cloned().collect();
    let one = chosen.first().ok_or_else(|| Diagnostic::error("E6113", "the module has no outputs"));
    let path = Path::new(path).to_path_buf();
    Ok(match Format::of(&path)? {
        Format::Npz => Job::Archive(path, npz::members(&chosen)?),
        Format::Npy => Job::Bytes(path, npy::write_value(&one?.1)?),
        Format::Pb => {
            let (name, tensor) = one?;
            Job::Bytes(path, pb::write(name, tensor))
        }
    })
}

/// How many elements or items are shown.
const SHOWN: usize = 8;

/// A few lines about values, for people.
pub fn summary(values: &[(String, Value)]) -> String {
    let mut out = String::new();
    for (name, v) in values {
        match v {
            Value::Tensor(t) => out += &format!("{name}: {}\n", tensor_summary(t)),
            other => out += &format!("{name}: {}\n", nested(other)),
        }
    }
    out
}

fn tensor_summary(t: &Tensor) -> String {
    let shape: Vec<String> = t.shape().iter().map(ToString::to_string).collect();
    let mut out = format!("{}[{}]", t.dtype(), shape.join(", "));
    let words: Option<Vec<String>> = match t.strings() {
        Some(s) => Some(s.iter().take(SHOWN).map(|s| format!("{:?}", String::from_utf8_lossy(s))).collect()),
        None => t.to_f64().map(|v| v.iter().take(SHOWN).map(|v| format!("{}", *v as f32)).collect()),
    };
    if let Some(words) = words {
        out += &format!(" = {}{}", words.join(" "), if t.len() > SHOWN { " ..." } else { "" });
    }
    out
}

fn nested(v: &Value) -> String {
    match v {
        Value::Tensor(t) => tensor_summary(t),
        Value::Optional(None) => "nothing".into(),
        Value::Optional(Some(v)) => nested(v),
        Value::Map(m) => format!("{{{}: {}}}", tensor_summary(&m.keys), tensor_summary(&m.values)),
        Value::Sequence(items) => {
            let shown: Vec<String> = items.iter().take(SHOWN).map(nested).collect();
            format!("[{}{}]", shown.join("; "), if items.len() > SHOWN { "; ..." } else { "" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::read;

    #[test]
    fn each_format_is_read_again() {
        let dir = tempfile::tempdir().expect("the temporary folder is writable");
        let at = |name: &str| dir.path().join(name).display().to_string();
        let tensors = [
            ("y".to_string(), Value::Tensor(Tensor::scalar(2.5f32))),
            ("z".to_string(), Tensor::from_slice(&[1], &[7i64]).into()),
        ];
        write(&[at("all.npz"), format!("y={}", at("y.npy")), format!("z={}", at("z.pb"))], &tensors)
            .expect("it is writable");
        assert_eq!(read(at("all.npz").as_ref()).expect("it is there").len(), 2);
        for (file, name, value) in [("y.npy", None, &tensors[0].1), ("z.pb", Some("z".to_string()), &tensors[1].1)] {
            let (found, content) = read(at(file).as_ref()).expect("it is there").remove(0);
            assert_eq!((found, content.value("tensor(int64)").as_ref()), (name, Ok(value)));
        }
    }

    #[test]
    fn nothing_is_written_if_one_file_is_wrong() {
        let dir = tempfile::tempdir().expect("the temporary folder is writable");
        let good = dir.path().join("all.npz");
        let tensors = ["y", "z"].map(|n| (n.to_string(), Value::Tensor(Tensor::scalar(1u8))));
        for bad in ["one.npy", "one.txt", "x=y.npz"] {
            assert!(write(&[good.display().to_string(), bad.into()], &tensors).is_err(), "{bad}");
            assert!(!good.exists());
        }
    }
}
