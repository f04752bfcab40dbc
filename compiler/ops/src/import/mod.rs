//! An ONNX model to graph IR: opsets, model-local functions, sloppy names and orders end here.
//!
//! Holds afterwards:
//! - Each node holds its operator's newest, canonical attributes, made by the newest `import` function that isn't newer
//!   than the model's opset. An attribute that nobody asked for is an error.
//! - Initializers and `Constant` nodes are constants, sharing the file's bytes. So are inputs with initializers.
//! - Functions are inlined (at any depth, each with its own opset); subgraphs are regions, whose captured values are
//!   resolved lexically.
//! - Value names, node names and symbols are unique; the model's inputs and outputs keep their names.
//! - Inputs have types; small integer inputs have symbolic contents. A declared type of any other value is only a hint,
//!   kept as its first type; without one it is [`crate::infer::unknown_type`].
//!
//! All problems of a model are found in one run. Does NOT infer types, and relies on `onnxc_onnx::check` only for good
//! messages, not for safety.
//!
//! Codes: `E2013` attribute not asked for · `E2014` unknown operator · `E2015` operator not in that opset · `E2016`
//! domain without opset · `E2017` undefined value · `E2018` value defined twice · `E2019` attribute or Constant in a
//! form that isn't supported · `E2027` input without a usable type · `E2028` `--dim` · `E2035` `--branch` · `E2023` functions too deep or
//! too many nodes · [`E2024`] an extent below 1 of an input.

mod attrs;
mod call;
mod constants;
mod inputs;
mod known;
mod names;
mod nodes;
mod options;
mod order;
mod reader;
#[cfg(test)]
mod tests;
mod types;

pub use known::Known;
pub use options::{DimRange, ImportOptions};
pub use reader::{Composed, NodeReader, place};

use crate::Registry;
use crate::infer::{assume, unknown_type};
use names::Names;
use onnxc_base::{Diagnostic, Diagnostics, IndexMap, Sym};
use onnxc_ir::graph::{Graph, Node, NodeId, OpName, Region, Type, ValueData, ValueDef, ValueId};
use onnxc_onnx::{AttributeProto, GraphProto, Model, NodeProto, OperatorSetIdProto, TypeProto};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Imports a model; with warnings if it worked, with all problems if it didn't.
pub fn import(
    model: &Model,
    registry: &Registry,
    options: &ImportOptions,
) -> Result<(Graph, Diagnostics), Diagnostics> {
    let (graph, problems) = import_what_is_right(model, registry, options);
    if problems.has_errors() { Err(problems) } else { Ok((graph, problems)) }
}

/// Imports a model as far as it is right, with all problems: what a wrong node would have made is of unknown type, so that
/// inference finds further problems, and none that only follow from these.
pub fn import_what_is_right(model: &Model, registry: &Registry, options: &ImportOptions) -> (Graph, Diagnostics) {
    let mut importer = Importer::new(model, registry, options);
    importer.run(model.graph());
    let Importer { graph, problems, .. } = importer;
    (graph, problems)
}

/// The import of one model.
struct Importer<'m> {
    model: &'m Model,
    registry: &'m Registry,
    options: &'m ImportOptions,
    graph: Graph,
    problems: Diagnostics,
    value_names: Names,
    node_names: Names,
    symbol_names: Names,
    /// Dims by their names in the file.
    dims: IndexMap<&'m str, Sym>,
    /// Every dim of the inputs as the user may name it.
    dim_names: Vec<String>,
    /// The options that named a dim.
    overrides: BTreeSet<String>,
    /// The main graph and the functions being inlined, innermost last.
    frames: Vec<Frame<'m>>,
    /// Nodes that are to stand in front of others, which are in graphs around.
    before: Vec<(NodeId, NodeId)>,
    /// Enclosing nodes and their attributes, for diagnostics.
    path: Vec<String>,
}

/// What names mean inside one graph with its subgraphs, or inside one function.
struct Frame<'m> {
    imports: &'m [OperatorSetIdProto],
    /// Values of the function's attributes.
    attrs: BTreeMap<&'m str, &'m AttributeProto>,
    /// What made-up and inner names start with.
    prefix: String,
    /// The names that values leaving the function get, by their names inside; true: a name of the main graph.
    leaving: HashMap<&'m str, (String, bool)>,
    scopes: Vec<Scope<'m>>,
}

/// One graph's names.
#[derive(Default)]
struct Scope<'m> {
    /// Values; `None` for a function's input that the caller left out.
    values: HashMap<&'m str, Option<ValueId>>,
    declared: HashMap<&'m str, &'m TypeProto>,
}

/// The value of a name, from the inside out; `None` in it: a function's input that the caller left out.
fn visible(frame: &Frame, name: &str) -> Option<Option<ValueId>> {
    frame.scopes.iter().rev().find_map(|s| s.values.get(name).copied())
}

impl<'m> Importer<'m> {
    fn new(model: &'m Model, registry: &'m Registry, options: &'m ImportOptions) -> Self {
        let main = Frame {
            imports: &model.proto.opset_import,
            attrs: BTreeMap::new(),
            prefix: String::new(),
            leaving: HashMap::new(),
            scopes: vec![],
        };
        Self {
            model,
            registry,
            options,
            graph: Graph { name: model.graph().name.clone(), ..Graph::default() },
            problems: Diagnostics::new(),
            value_names: Names::default(),
            node_names: Names::default(),
            symbol_names: Names::default(),
            dims: IndexMap::new(),
            dim_names: vec![],
            overrides: BTreeSet::new(),
            frames: vec![main],
            before: vec![],
            path: vec![],
        }
    }

    fn run(&mut self, g: &'m GraphProto) {
        for v in g.input.iter().chain(&g.output) {
            self.value_names.reserve(&v.name);
        }
        self.open_scope(g);
        let params = self.inputs(g);
        self.initializers(g);
        let mut nodes = self.nodes(&g.node);
        let mut results = Vec::new();
        for output in &g.output {
            if let Some(v) = self.look_up(&output.name) {
                results.push(self.named_output(v, &output.name, &mut nodes));
            }
        }
        self.graph.body = Region { params, nodes, results };
        self.assume_branches();
    }

    /// Takes for granted that branches run where the user says so.
    fn assume_branches(&mut self) {
        let options = self.options;
        for (name, &which) in &options.branches {
            let conditional = |n: &Node| n.name == *name && n.op == OpName::onnx("If");
            match self.graph.nodes.keys().find(|&n| conditional(&self.graph.nodes[n])) {
                Some(n) => assume(&mut self.graph, n, which),
                None => self.report(
                    Diagnostic::error("E2035", format!("--branch {name}: the model has no If of that name"))
                        .help("warnings about branches (E2053) say the names"),
                ),
            }
        }
    }

    /// A value of an output's name: the value itself, or a copy where a function hands back what it got.
    fn named_output(&mut self, v: ValueId, name: &'m str, nodes: &mut Vec<NodeId>) -> ValueId {
        if self.graph.values[v].name == name {
            return v;
        }
        let id = self.graph.nodes.next_key();
        let ty = self.graph.values[v].ty.clone();
        let name = self.value_names.unique(name, true);
        let out = ValueData { name, ty, def: ValueDef::Node(id, 0), content: None };
        let out = self.graph.values.push(out);
        self.graph.nodes.push(Node {
            name: self.node_names.unique("Identity_output", false),
            op: OpName::onnx("Identity"),
            attrs: Default::default(),
            inputs: vec![Some(v)],
            outputs: vec![out],
            regions: vec![],
        });
        nodes.push(id);
        out
    }

    fn frame(&self) -> &Frame<'m> {
        self.frames.last().expect("the main graph's frame stays")
    }

    fn frame_mut(&mut self) -> &mut Frame<'m> {
        self.frames.last_mut().expect("the main graph's frame stays")
    }

    fn scope_mut(&mut self) -> &mut Scope<'m> {
        self.frame_mut().scopes.last_mut().expect("every frame opens a scope before it defines values")
    }

    /// Opens the scope of a graph, with the types that it declares.
    fn open_scope(&mut self, g: &'m GraphProto) {
        let infos = g.value_info.iter().chain(&g.output).chain(&g.input);
        let declared = infos.filter_map(|v| Some((v.name.as_str(), v.ty.as_ref()?))).collect();
        self.frame_mut().scopes.push(Scope { values: HashMap::new(), declared });
    }

    /// Adds a problem of the place where we are.
    fn report(&mut self, mut d: Diagnostic) {
        if d.place.scope.is_empty() {
            d.place.scope.clone_from(&self.path);
        }
        self.problems.push(d);
    }

    /// The value of a name, from the inside out; reports one that isn't defined.
    fn look_up(&mut self, name: &str) -> Option<ValueId> {
        let found = visible(self.frame(), name);
        if found.is_none() {
            self.report(
                Diagnostic::error("E2017", "the value is used but nothing before it defines it")
                    .tensor(name)
                    .help("order the nodes so that producers come first; `onnxc check` lists such problems"),
            );
        }
        found.flatten()
    }

    /// Defines a value in the innermost scope.
    fn define(&mut self, name: &'m str, ty: Type, def: ValueDef) -> ValueId {
        let v = self.graph.values.push(ValueData { name: String::new(), ty, def, content: None });
        self.define_as(name, v);
        v
    }

    /// Defines a name of the innermost scope as a value, which gets the name that it deserves.
    fn define_as(&mut self, name: &'m str, v: ValueId) {
        let frame = self.frame();
        let outermost = frame.scopes.len() == 1;
        let (full, right) = match frame.leaving.get(name).filter(|_| outermost) {
            Some((full, right)) => (full.clone(), *right),
            // Nobody can mention a value without a name, but readers want one.
            None if name.is_empty() => (format!("{}unnamed", frame.prefix), false),
            None => (format!("{}{name}", frame.prefix), outermost && self.frames.len() == 1),
        };
        self.graph.values[v].name = self.value_names.unique(&full, right);
        if !name.is_empty() && self.scope_mut().values.insert(name, Some(v)).is_some() {
            self.report(
                Diagnostic::error("E2018", "the value is defined twice")
                    .tensor(name)
                    .help("names of values must be unique in a graph; export the model again"),
            );
        }
    }

    /// Reports why a value can't be had, and defines it all the same, so that its users aren't reported, too.
    fn failed_value(&mut self, name: &'m str, d: Diagnostic) -> ValueId {
        self.report(d);
        self.define(name, unknown_type(), ValueDef::Param)
    }

    /// The first type of a value: what the file declares.
    fn hint(&self, name: &str) -> Type {
        let declared = self.frame().scopes.last().and_then(|s| s.declared.get(name));
        declared.and_then(|t| self.declared_type(t)).unwrap_or_else(unknown_type)
    }

    /// A name for a node: its own, or its operator and place.
    fn node_name(&mut self, node: &NodeProto, index: usize) -> String {
        let inner = self.frame().scopes.len() > 1;
        let prefix = &self.frame().prefix;
        let name = match (node.name.as_str(), inner, self.path.last()) {
            ("", true, Some(p)) => format!("{p}/{}_{index}", node.op_type),
            ("", ..) => format!("{prefix}{}_{index}", node.op_type),
            (name, ..) => format!("{prefix}{name}"),
        };
        self.node_names.unique(&name, false)
    }
}
