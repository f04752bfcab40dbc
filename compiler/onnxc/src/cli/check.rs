//! `onnxc check`: every problem of a model, and nothing is written.
//!
//! With `-o OUT`, `--target` or `--backend` also what that file or machine can't have: the arguments are those of compiling,
//! and the model is compiled as far as it takes to know.

use super::args::CheckArgs;
use super::exit::Failure;
use super::{resolve, style};
use crate::output::Kind;
use crate::{Options, Source, refusals};
use onnxc_base::{Diagnostics, Severity};
use onnxc_ir::graph::Graph;

/// Reads, checks, imports and infers.
///
/// # Errors
/// Every problem.
pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let kind = args.output.as_deref().map(Kind::of).transpose()?;
    let mut options = resolve::options(&args.build, args.target.as_deref(), None)?;
    if let (Some(backend), Some(out)) = (kind.and_then(Kind::source_backend), args.output.as_deref()) {
        resolve::source(&mut options, &args.source, backend, out)?;
    }
    let (graph, mut found) = Source::check(&args.model, &options)?;
    if kind.is_some() || args.target.is_some() || args.build.backend.is_some() {
        found.extend(refused(args, kind, &options, &graph, found.has_errors()));
    }
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

/// What the file or machine can't have; of a graph with errors as much as it says by itself.
fn refused(args: &CheckArgs, kind: Option<Kind>, options: &Options, graph: &Graph, errors: bool) -> Diagnostics {
    if errors {
        let users = refusals::objects(graph);
        let place = refusals::without_objects(kind, options).filter(|_| !users.is_empty());
        return place.map(|place| refusals::refuse_objects(&users, &place)).unwrap_or_default();
    }
    let compiled = Source::open(&args.model, options).and_then(|source| crate::compile(&source, options));
    compiled.and_then(|module| refusals::check(&module, kind, options)).err().unwrap_or_default()
}
