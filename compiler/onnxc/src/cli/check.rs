//! `onnxc check`: every problem of a model, without compiling it.

use super::args::CheckArgs;
use super::exit::Failure;
use super::{resolve, style};
use crate::{Options, Source};
use onnxc_base::Severity;

/// Reads, checks, imports and infers.
///
/// # Errors
/// Every problem.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let options = Options {
        import: resolve::import(&args.intake)?,
        registry: resolve::registry(&args.custom)?,
        ..Options::default()
    };
    let (graph, found) = Source::check(&args.model, &options)?;
    let warnings = found.0.iter().filter(|d| d.severity == Severity::Warning).count();
    if found.has_errors() {
        return Err(found.into());
    }
    style::problems(&found);
    style::out(&format!(
        "{}: no errors, {warnings} warning{}; {} nodes, {} inputs, {} outputs\n",
        args.model.display(),
        if warnings == 1 { "" } else { "s" },
        graph.nodes.len(),
        graph.body.params.len(),
        graph.body.results.len(),
    ))?;
    Ok(())
}
