//! What onnxc says about itself.

use super::*;

#[test]
fn help() {
    let dir = folder();
    assert_snapshot("help", &onnxc(dir.path(), &["--help"]).ok().out);
    for command in ["check", "run", "bench", "opt"] {
        assert_snapshot(&format!("help-{command}"), &onnxc(dir.path(), &[command, "--help"]).ok().out);
    }
}

#[test]
fn operators_are_listed() {
    let dir = folder();
    let head: Vec<String> = onnxc(dir.path(), &["list-ops"]).ok().out.lines().take(5).map(String::from).collect();
    assert_snapshot("list-ops-head", &head.join("\n"));
    let table = onnxc(dir.path(), &["list-ops", "--markdown"]).ok().out;
    assert!(
        table.starts_with("| Domain | Operator | Versions |\n|---|---|---|\n| ai.onnx | Abs | 1, 6, 13 |\n"),
        "{table}"
    );
}

#[test]
fn operators_are_listed_with_results() {
    let dir = folder();
    let results = r#"{"runs": ["a", "b"], "operators": {"ai.onnx.Abs": {"b": [1, 2]}}}"#;
    std::fs::write(dir.path().join("r.json"), results).expect("written");
    let table = onnxc(dir.path(), &["list-ops", "--results", "r.json"]).ok().out;
    assert!(table.starts_with("| Domain | Operator | Versions | a | b |\n|---|---|---|---|---|\n"), "{table}");
    assert!(table.contains("\n| ai.onnx | Abs | 1, 6, 13 | | 1/2 |\n"), "{table}");
    std::fs::write(dir.path().join("r.json"), "{}").expect("written");
    let refused = onnxc(dir.path(), &["list-ops", "--results", "r.json"]);
    assert!(refused.code == 1 && refused.err.contains("E5034"), "{}", refused.err);
}

#[test]
fn passes_are_listed() {
    let dir = folder();
    let list = onnxc(dir.path(), &["opt", "--list"]).ok().out;
    for pass in ["graph   infer", "kernel  schedule", "loops   plan-memory"] {
        assert!(list.contains(pass), "{pass} is not in:\n{list}");
    }
}

#[test]
fn shells_and_the_manual_know_every_command() {
    let dir = folder();
    for shell in ["bash", "zsh", "fish"] {
        let script = onnxc(dir.path(), &["completions", shell]).ok().out;
        assert!(script.contains("list-ops"), "{shell}");
    }
    assert!(onnxc(dir.path(), &["man"]).ok().out.contains("print\\-after"));
    assert!(
        onnxc(dir.path(), &["man", "bench"]).ok().out.contains(".B onnxc bench")
            || onnxc(dir.path(), &["man", "bench"]).out.contains("seconds")
    );
    assert_eq!(onnxc(dir.path(), &["man", "cook"]).code, 2);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = folder();
    let script = format!("{} list-ops; echo code $? >&2", env!("CARGO_BIN_EXE_onnxc-tested"));
    // The reader is gone before anything is written.
    let shell = run_in(dir.path(), Path::new("/bin/sh"), &["-c", &format!("({script}) | true")]);
    assert_eq!(shell.err, "code 0\n");
}
