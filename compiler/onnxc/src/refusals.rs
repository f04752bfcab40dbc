//! What a file or a machine can't have of a model: asked by `check` and before anything is written, so that both say the same.
//!
//! Does NOT find what is wrong with the model itself: reading, inference and lowering do.

use crate::Module;
use crate::options::Options;
use crate::output::{self, Kind};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::artefact::uses_objects;
use onnxc_ir::graph::Graph;
use std::collections::BTreeSet;

/// A node by its name and its operator.
pub(crate) type Named = (String, String);

/// The nodes that need the runtime's strings, sequences, optionals and maps.
pub(crate) fn objects(graph: &Graph) -> Vec<Named> {
    let named = |n| (graph.nodes[n].name.clone(), graph.nodes[n].op.to_string());
    onnxc_ops::handles::users(graph).into_iter().map(named).collect()
}

/// Where a kind of file is made that can have no strings, sequences, optionals and maps, and what to do.
pub(crate) fn without_objects(kind: Option<Kind>, options: &Options) -> Option<(String, &'static str)> {
    match kind.and_then(Kind::source_backend) {
        Some(_) => Some(("in source".into(), "write an object file (-o model.o) or a library instead")),
        None if !options.target.has_objects() => {
            Some((format!("on {}", options.target.triple), "compile on the machine that the module is for"))
        }
        None => None,
    }
}

/// An error for each of the nodes, or for the outputs that nothing bounds if there are none.
pub(crate) fn refuse_objects(nodes: &[Named], (place, help): &(String, &'static str)) -> Diagnostics {
    let d = |what: &str| {
        Diagnostic::error("E5018", format!("{what} can't be had {place}"))
            .expected("tensors of numbers, of sizes that the inputs bound")
            .help(*help)
    };
    let mut found = Diagnostics::new();
    for (node, op) in nodes {
        found.push(d("strings, sequences, optionals or maps").node(node.clone(), op.clone()));
    }
    if nodes.is_empty() {
        found.push(d("strings, sequences, optionals, maps, or outputs whose size nothing bounds,"));
    }
    found
}

/// Everything that keeps a module from becoming a file of a kind; nothing is written.
///
/// # Errors
/// All of it.
pub(crate) fn check(module: &Module, kind: Option<Kind>, options: &Options) -> Result<(), Diagnostics> {
    let mut found = Diagnostics::new();
    if let Some(place) = without_objects(kind, options).filter(|_| uses_objects(&module.program)) {
        found.extend(refuse_objects(&module.objects, &place));
    }
    let named: BTreeSet<String> = found.0.iter().filter_map(|d| d.place.node.clone()).collect();
    let made = kind.map_or(Ok(()), |kind| output::make(module, kind, options));
    // What is refused of a node above is why its functions can't be written.
    let more = made.err().unwrap_or_default().into_iter().map(|d| of_nodes(module, d));
    found.extend(more.filter(|d| found_anew(d, &named)));
    found.into_result(())
}

fn found_anew(d: &Diagnostic, named: &BTreeSet<String>) -> bool {
    let calls = d.code == "E5120" && !named.is_empty();
    !calls && d.place.node.as_ref().is_none_or(|n| !named.contains(n))
}

/// What is said of a function, said of the nodes that it computes.
pub(crate) fn of_nodes(module: &Module, mut d: Diagnostic) -> Diagnostic {
    if d.place.op.as_deref() != Some("function") {
        return d;
    }
    let steps = &module.lowered.assembled.steps;
    if let Some(step) = steps.iter().find(|s| s.function.is_some() && s.function == d.place.node) {
        d.place.node = Some(step.nodes.join(", "));
        d.place.op = Some(step.ops.join(", "));
    }
    d
}
