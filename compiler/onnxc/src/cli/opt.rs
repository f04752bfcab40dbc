//! `onnxc opt`: one pass over the text of an IR. The level is in the text's first word.

use super::args::OptArgs;
use super::exit::Failure;
use super::style;
use crate::{Options, Source};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_ir::graph::patch::Editor;
use onnxc_ir::{graph, kernel, loops};
use onnxc_ops::Registry;
use onnxc_passes::from_kernel::Machine;
use onnxc_passes::loops::plan_memory::plan_memory;
use onnxc_passes::manager::{GraphCx, LoopsCx};
use onnxc_passes::pipeline::{GRAPH, LOOPS};
use std::io::Read;
use std::path::Path;

/// Passes that aren't in a table.
const INFER: (&str, &str) = ("infer", "find the type of every value");
const SCHEDULE: (&str, &str) = ("schedule", "simplify a kernel and choose its schedule for this machine");
const PLAN: (&str, &str) = ("plan-memory", "give every buffer of the workspace its place");

/// Reads a text, runs passes over it, prints the result.
///
/// # Errors
/// A text that can't be read, an unknown pass, a pass that fails.
pub fn run(args: &OptArgs) -> Result<(), Failure> {
    if args.list {
        return Ok(style::out(&list())?);
    }
    // clap requires it unless the list is asked for.
    let Some(path) = args.file.as_deref() else { return Ok(()) };
    let text = read(path)?;
    let file = path.display().to_string();
    let first = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with(['#', '/']));
    let out = match first.and_then(|l| l.split_whitespace().next()) {
        Some("graph") => graph_text(&text, &file, args)?,
        Some("kernel") => kernel_text(&text, &file, &args.passes)?,
        Some("program") => loops_text(&text, &file, args)?,
        _ => {
            let d = Diagnostic::error("E7001", "the text is of no IR").file(file);
            return Err(d.expected("`graph`, `kernel` or `program` at the beginning").into());
        }
    };
    style::out(&out)?;
    Ok(())
}

fn read(path: &Path) -> Result<String, Diagnostic> {
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text),
        _ => std::fs::File::open(path).and_then(|mut f| f.read_to_string(&mut text)),
    };
    read.map_err(|e| Diagnostic::error("E7002", format!("can't read the text: {e}")).file(path.display().to_string()))?;
    Ok(text)
}

/// Names and meanings of a level's passes, each name once.
fn names(level: &str) -> Vec<(&'static str, &'static str)> {
    let mut all = match level {
        "graph" => vec![INFER],
        "kernel" => vec![SCHEDULE],
        _ => vec![],
    };
    match level {
        "graph" => all.extend(GRAPH.iter().map(|p| (p.name, p.about))),
        "loops" => all.extend(LOOPS.iter().map(|p| (p.name, p.about)).chain([PLAN])),
        _ => {}
    }
    let mut seen = Vec::new();
    all.retain(|(n, _)| {
        !seen.contains(n) && {
            seen.push(*n);
            true
        }
    });
    all
}

fn list() -> String {
    let mut text = String::new();
    for level in ["graph", "kernel", "loops"] {
        for (name, about) in names(level) {
            text += &format!("{level:<7} {name:<24} {about}\n");
        }
    }
    text
}

fn unknown(pass: &str, level: &str) -> Diagnostic {
    let known: Vec<&str> = names(level).iter().map(|(n, _)| *n).collect();
    Diagnostic::error("E5015", format!("there is no pass '{pass}' over {level} IR"))
        .expected(format!("one of: {}", known.join(", ")))
}

fn graph_text(text: &str, file: &str, args: &OptArgs) -> Result<String, Diagnostics> {
    let model = args.constants.as_deref().map(|m| Source::open(m, &Options::default())).transpose()?;
    let mut g = graph::parse::parse_graph(text, Some(file), model.as_ref().map(|m| &m.graph))?;
    let registry = Registry::new();
    for name in &args.passes {
        if name == INFER.0 {
            let found = onnxc_ops::infer::infer_graph(&mut g, &registry);
            found.into_result(())?;
            continue;
        }
        let pass = GRAPH.iter().find(|p| p.name == name).ok_or_else(|| unknown(name, "graph"))?;
        graph::verify::verify(&g, graph::verify::Stage::Typed)?;
        let (mut editor, mut notes) = (Editor::new(), vec![]);
        let mut cx = GraphCx { registry: &registry, machine: machine()?, editor: &mut editor, notes: &mut notes };
        (pass.run)(&mut g, &mut cx)?;
        graph::verify::verify(&g, graph::verify::Stage::Typed)?;
    }
    // What was elided before may be so again.
    Ok(graph::print::print_graph(&g, graph::print::PrintOptions { full: model.is_none() }))
}

fn kernel_text(text: &str, file: &str, passes: &[String]) -> Result<String, Diagnostics> {
    let mut k = kernel::parse::parse_kernel(text, Some(file), None)?;
    for name in passes {
        if name != SCHEDULE.0 {
            return Err(unknown(name, "kernel").into());
        }
        onnxc_passes::kernel::optimise(&mut k, machine()?)?;
        kernel::verify::verify(&k)?;
    }
    Ok(kernel::print::print_kernel(&k, kernel::print::PrintOptions { full: true }))
}

/// This machine, through the preferred backend.
fn machine() -> Result<Machine, Diagnostics> {
    Ok(crate::compile::machine(&Options::default(), crate::backends::find(None)?))
}

fn loops_text(text: &str, file: &str, args: &OptArgs) -> Result<String, Diagnostics> {
    let mut p = loops::parse::parse_program(text, Some(file))?;
    let mut ranges = onnxc_base::Ranges::new();
    for d in &p.interface.dims {
        ranges.set(d.name.as_str(), d.lo, d.hi.clone());
    }
    let cx = LoopsCx { ranges, machine: machine()?, threads: args.threads };
    for name in &args.passes {
        loops::verify::verify(&p, loops::verify::Stage::FRESH)?;
        match LOOPS.iter().find(|pass| pass.name == name) {
            Some(pass) => (pass.run)(&mut p, &cx)?,
            None if name == PLAN.0 => {
                plan_memory(&mut p, &cx)?;
            }
            None => return Err(unknown(name, "loops").into()),
        }
        loops::verify::verify(&p, loops::verify::Stage::FRESH)?;
    }
    Ok(loops::print::print_program(&p, loops::print::PrintOptions { full: true }))
}
