//! `onnxc list-ops`: operators and versions from the registry, with the results of ONNX's official suite if given.
//!
//! The results are a JSON file that `compiler/python/tests/conformance.py --coverage` writes: for each operator and run
//! (a backend and a mode), how many cases that use the operator pass, and how many there are.

use super::args::ListOpsArgs;
use super::exit::Failure;
use super::style;
use onnxc_base::Diagnostic;
use onnxc_ops::registry::OPS;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Results of the official suite.
#[derive(Deserialize)]
struct Results {
    /// What ran, as columns.
    runs: Vec<String>,
    /// By `domain.Operator`, then by run: cases that pass, cases.
    operators: BTreeMap<String, BTreeMap<String, (u32, u32)>>,
}

/// Lists every operator with the versions that changed it.
///
/// # Errors
/// If the results can't be read, or the list can't be printed.
pub fn run(args: &ListOpsArgs) -> Result<(), Failure> {
    let results = args.results.as_deref().map(read).transpose()?;
    let text = if args.markdown || results.is_some() { table(results.as_ref()) } else { lines() };
    style::out(&text)?;
    Ok(())
}

fn read(path: &Path) -> Result<Results, Diagnostic> {
    let wrong = |what: String| {
        Diagnostic::error("E5034", format!("the results can't be read: {what}"))
            .file(path.display().to_string())
            .expected("a file that compiler/python/tests/conformance.py --coverage wrote")
    };
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))
}

/// An operator's domain as people write it, its name, and its versions.
fn operators() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    OPS.iter().map(|op| {
        let domain = if op.domain.is_empty() { "ai.onnx" } else { op.domain };
        let versions: Vec<String> = op.versions.iter().map(|(since, _)| since.to_string()).collect();
        (domain, op.name, versions.join(", "))
    })
}

fn lines() -> String {
    operators().map(|(domain, name, versions)| format!("{domain}.{name}  {versions}\n")).collect()
}

fn table(results: Option<&Results>) -> String {
    let runs = results.map_or(&[][..], |r| &r.runs);
    let heads: String = runs.iter().map(|r| format!(" {r} |")).collect();
    let mut text = format!("| Domain | Operator | Versions |{heads}\n|---|---|---|{}\n", "---|".repeat(runs.len()));
    for (domain, name, versions) in operators() {
        let own = results.and_then(|r| r.operators.get(&format!("{domain}.{name}")));
        let cell = |run: &String| match own.and_then(|o| o.get(run)) {
            Some((passed, cases)) => format!(" {passed}/{cases} |"),
            None => " |".into(),
        };
        let cells: String = runs.iter().map(cell).collect();
        text += &format!("| {domain} | {name} | {versions} |{cells}\n");
    }
    text
}
