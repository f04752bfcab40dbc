//! `onnxc list-ops`.

use super::args::ListOpsArgs;
use super::exit::Failure;
use super::style;
use onnxc_ops::registry::OPS;

/// Lists every operator with the versions that changed it.
///
/// # Errors
/// If it can't be printed.
pub fn run(args: &ListOpsArgs) -> Result<(), Failure> {
    let mut text = String::new();
    if args.markdown {
        text += "| Domain | Operator | Versions |\n|---|---|---|\n";
    }
    // What only passes make is no operator of a model.
    for op in OPS.iter().filter(|op| op.domain != "onnxc") {
        let domain = if op.domain.is_empty() { "ai.onnx" } else { op.domain };
        let versions: Vec<String> = op.versions.iter().map(|(since, _)| since.to_string()).collect();
        let versions = versions.join(", ");
        text += &match args.markdown {
            true => format!("| {domain} | {} | {versions} |\n", op.name),
            false => format!("{domain}.{}  {versions}\n", op.name),
        };
    }
    style::out(&text)?;
    Ok(())
}
