//! The checker: everything that is wrong with a model as a model, in one run.
//!
//! The rules, by code (warnings in brackets):
//! - `E1001` the IR version is known · `E1002` each operator domain is imported once, ONNX's own among them · `E1003`
//!   at a known version · `E1004` every node's domain is imported.
//! - `E1010` every value used is defined · `E1011` defined once per scope (outer scopes are visible inside) · `E1012`
//!   nodes form no cycle · `E1013` producers stand before consumers · `E1014` graph outputs are defined · `E1015` what
//!   needs a name has one · [`E1016`] node names are unique · [`E1017`] no outer value is shadowed · [`E1018`] a
//!   subgraph's outputs are its own values.
//! - `E1020` operators of ONNX's domains exist · `E1021` at the imported version · `E1022` are not taken out of it ·
//!   `E1023` inputs and `E1024` outputs are as many as allowed · `E1025` no required one is omitted.
//! - `E1030` attributes are known · `E1031` of the operator's kind · `E1032` present where required · `E1033` given once
//!   · `E1034` filled as their kind says · `E1035` references name an attribute of the function.
//! - `E1040` functions are unique · `E1041` not recursive · `E1042` called with what they take · `E1043` of bounded size
//!   when expanded.
//! - `E1050` graph inputs have types · `E1051` types are complete and known · `E1052` extents are possible.
//! - `E1099` counts problems beyond `Limits::max_problems`. Stored tensors report their own `E001x` and `E002x` codes.
//!
//! Does NOT infer types or shapes, and does not judge values of attributes: the operators do. Operators of domains that
//! aren't ONNX's are let through; [`custom_ops`] lists them.

mod attributes;
mod custom;
mod functions;
mod graph;
mod header;
mod node;
mod order;
pub mod schemas;
mod suggest;
mod values;

pub use custom::{CustomOp, custom_ops};

use crate::load::Model;
use crate::messages::FunctionProto;
use functions::Functions;
use onnxc_base::{Diagnostic, Diagnostics, Severity};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is wrong with a model; empty for a well-formed one.
pub fn check(model: &Model) -> Diagnostics {
    let mut cx = Checker::new(model);
    header::check(&mut cx);
    functions::check(&mut cx);
    let imports = header::imports(&model.proto);
    let body = Context { imports: &imports, missing: RefCell::default(), function: None };
    graph::check_main(&mut cx, &body, model.graph());
    cx.finish()
}

/// What a body of nodes may rely on.
struct Context<'a> {
    /// Full domain to opset version.
    imports: &'a BTreeMap<String, i64>,
    /// Domains without an import that have been reported: once is enough.
    missing: RefCell<BTreeSet<String>>,
    /// The function whose body it is.
    function: Option<&'a FunctionProto>,
}

/// The problems so far, and where the walk is.
struct Checker<'a> {
    model: &'a Model,
    functions: Functions<'a>,
    found: Diagnostics,
    /// Problems beyond the limit.
    dropped: usize,
    /// Enclosing functions, nodes and attributes, outermost first.
    scope: Vec<String>,
    /// The node being looked at: its label and operator.
    node: Option<(String, String)>,
}

impl<'a> Checker<'a> {
    fn new(model: &'a Model) -> Self {
        let functions = Functions::new(&model.proto);
        Self { model, functions, found: Diagnostics::new(), dropped: 0, scope: vec![], node: None }
    }

    /// Adds a problem at the present place.
    fn report(&mut self, mut d: Diagnostic) {
        if self.is_full() {
            self.dropped += 1;
            return;
        }
        d.place.file = self.model.path.as_ref().map(|p| p.display().to_string());
        d.place.scope.clone_from(&self.scope);
        d.place.tensor = d.place.tensor.filter(|t| !t.is_empty());
        if let (None, Some((name, op))) = (&d.place.node, &self.node) {
            d = d.node(name, op);
        }
        self.found.push(d);
    }

    /// True when further problems are only counted: no need to work out their texts.
    fn is_full(&self) -> bool {
        self.found.0.len() >= self.model.limits.max_problems
    }

    /// Runs `f` one scope further in.
    fn within<T>(&mut self, names: &[&str], f: impl FnOnce(&mut Self) -> T) -> T {
        let node = self.node.take();
        let depth = self.scope.len();
        self.scope.extend(names.iter().map(|s| s.to_string()));
        let result = f(self);
        self.scope.truncate(depth);
        self.node = node;
        result
    }

    fn finish(mut self) -> Diagnostics {
        if self.dropped > 0 {
            let more = format!("{} more problems are not listed", self.dropped);
            let mut d = Diagnostic::error("E1099", more).help("mend the first ones, or raise `Limits::max_problems`");
            // Only warnings may have been left out after errors were seen, or the other way round: stay on the safe side.
            d.severity = Severity::Error;
            self.found.push(d);
        }
        self.found
    }
}
