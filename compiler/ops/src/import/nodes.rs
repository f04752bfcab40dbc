//! Nodes and their subgraphs.

use super::attrs::kind_of;
use super::{Composed, Importer, Known, NodeReader, names::Names, order, place, visible};
use crate::infer::unknown_type;
use crate::registry::OpRef;
use crate::{Import, OpDef};
use onnxc_base::{Diagnostic, EntityRef};
use onnxc_ir::graph::{Attr, Attrs, Graph, Node, NodeId, OpName, Region, ValueDef, ValueId};
use onnxc_onnx::{AttributeKind, GraphProto, NodeProto, opset_in};
use std::collections::BTreeMap;

/// A node's attributes and subgraphs, imported.
type Parts = (BTreeMap<String, Attr>, BTreeMap<String, Region>);

/// What an operator's `import` made of a node.
struct Read {
    attrs: Attrs,
    inputs: Vec<Option<ValueId>>,
    outputs: usize,
    regions: Vec<Region>,
    composed: Composed,
    problems: Vec<Diagnostic>,
}

impl<'m> Importer<'m> {
    /// Imports nodes, producers before consumers.
    pub(super) fn nodes(&mut self, protos: &'m [NodeProto]) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        let order = {
            let frame = self.frame();
            order::computable(protos, &|name| visible(frame, name).is_some())
        };
        for i in order {
            let proto = &protos[i];
            if self.graph.nodes.len() >= self.model.limits.max_nodes {
                self.report(
                    Diagnostic::error("E2023", "the model has too many nodes when its functions are inlined")
                        .expected(format!("at most {}", self.model.limits.max_nodes))
                        .help("raise `Limits::max_nodes`"),
                );
                break;
            }
            self.node(proto, i, &mut nodes);
        }
        nodes
    }

    fn node(&mut self, proto: &'m NodeProto, index: usize, nodes: &mut Vec<NodeId>) {
        let op = OpName {
            domain: if proto.domain == "ai.onnx" { String::new() } else { proto.domain.clone() },
            name: proto.op_type.clone(),
        };
        if op == OpName::onnx("Constant") {
            let label = proto.label(index);
            return self.constant_node(proto, &label);
        }
        let name = self.node_name(proto, index);
        let before = self.problems.0.len();
        let mut inputs: Vec<_> =
            proto.input.iter().map(|n| if n.is_empty() { None } else { self.look_up(n) }).collect();
        for d in &mut self.problems.0[before..] {
            d.place.node.get_or_insert_with(|| name.clone());
            d.place.op.get_or_insert_with(|| op.to_string());
        }
        // An omitted input or output at the end is the same as a shorter list.
        while inputs.last() == Some(&None) {
            inputs.pop();
        }
        let found = self.registry.find(&op);
        let function = self.model.function(proto);
        match (found, function) {
            (Some(OpRef::Custom(_)), _) => self.custom(proto, name, op, inputs, nodes),
            (_, Some(f)) => self.call(f, proto, name, inputs, nodes),
            (Some(OpRef::Builtin(def)), None) => self.builtin(proto, def, name, op, inputs, nodes),
            (None, None) => {
                self.report(unknown_operator(&name, &op));
                let attrs = Attrs::default();
                self.finish_node(proto, name, op, attrs, inputs, listed_outputs(proto), vec![], nodes);
            }
        }
    }

    fn builtin(
        &mut self,
        proto: &'m NodeProto,
        def: &OpDef,
        name: String,
        op: OpName,
        inputs: Vec<Option<ValueId>>,
        nodes: &mut Vec<NodeId>,
    ) {
        let (attrs, graphs) = self.parts(proto, &name, &op);
        let outputs = listed_outputs(proto);
        let (opset, import) = match self.version(def, &op) {
            Ok(found) => found,
            Err(d) => {
                self.report(d.node(name.clone(), op.to_string()));
                return self.finish_node(proto, name, op, Attrs::default(), inputs, outputs, vec![], nodes);
            }
        };
        let first = self.graph.nodes.next_key();
        let frame = self.frames.last();
        let scope = |name: &str| frame.and_then(|f| visible(f, name)).flatten();
        let mut reader =
            NodeReader::new(&mut self.graph, name.clone(), op.clone(), opset, inputs, outputs, attrs, graphs)
                .with_scope(&scope);
        reader.known = Known::new(self.registry);
        let read = read_node(reader, import, &mut self.value_names);
        read.problems.into_iter().for_each(|d| self.report(d));
        // What the operator made, in regions too; nodes of an inlined graph are older and have names already.
        for n in (first.index()..self.graph.nodes.len()).map(NodeId::new) {
            self.graph.nodes[n].name = self.node_names.unique(&self.graph.nodes[n].name, false);
        }
        nodes.extend(read.composed.nodes);
        self.before.extend(read.composed.before);
        place(&mut self.before, nodes);
        match read.composed.results {
            Some(results) => self.composed_outputs(proto, &results),
            None => {
                self.finish_node(proto, name, op, read.attrs, read.inputs, read.outputs, read.regions, nodes);
            }
        }
    }

    /// Values of other nodes become the outputs of a node that is gone.
    fn composed_outputs(&mut self, proto: &'m NodeProto, results: &[ValueId]) {
        for (i, &v) in results.iter().enumerate() {
            if let Some(output) = proto.output_name(i) {
                self.graph.values[v].ty = self.hint(output);
                self.define_as(output, v);
            }
        }
    }

    /// The newest import function that isn't newer than the opset in force here.
    fn version(&self, def: &OpDef, op: &OpName) -> Result<(i64, Import), Diagnostic> {
        let opset = opset_in(self.frame().imports, &op.domain).ok_or_else(|| {
            Diagnostic::error("E2016", format!("no opset is imported for the domain '{}'", op.domain))
                .help("the model's opset_import must list every domain that it uses; export the model again")
        })?;
        let version = def.versions.iter().rev().find(|(since, _)| *since <= opset);
        version.map(|(_, import)| (opset, *import)).ok_or_else(|| {
            let first = def.versions.first().map_or(1, |(since, _)| *since);
            Diagnostic::error("E2015", format!("{op} doesn't exist in opset {opset}"))
                .expected(format!("opset {first} or newer"))
                .help("convert the model with onnx.version_converter, or export it for a newer opset")
        })
    }

    fn custom(
        &mut self,
        proto: &'m NodeProto,
        name: String,
        op: OpName,
        inputs: Vec<Option<ValueId>>,
        nodes: &mut Vec<NodeId>,
    ) {
        let (attrs, graphs) = self.parts(proto, &name, &op);
        let regions = graphs.into_values().collect();
        self.finish_node(proto, name, op, Attrs(attrs), inputs, listed_outputs(proto), regions, nodes);
    }

    /// A node's attributes; those that are graphs become regions.
    fn parts(&mut self, proto: &'m NodeProto, name: &str, op: &OpName) -> Parts {
        let (mut attrs, mut graphs) = (BTreeMap::new(), BTreeMap::new());
        for a in &proto.attribute {
            let Some(value) = self.resolve(a) else { continue };
            match (kind_of(value), &value.g) {
                // A graph handed to a function would have to see the caller's values; no exporter writes that.
                (AttributeKind::Graph, Some(g)) if a.ref_attr_name.is_empty() => {
                    let region = self.subgraph(g, format!("{name}/{}", a.name));
                    graphs.insert(a.name.clone(), region);
                }
                (AttributeKind::Graph, Some(_)) => self.report(
                    Diagnostic::error("E2019", format!("attribute '{}' is a graph handed to a function", a.name))
                        .node(name, op.to_string())
                        .help("inline the function when exporting: onnx.inliner.inline_local_functions"),
                ),
                _ => match self.attr_value(&a.name, value) {
                    Ok(v) => _ = attrs.insert(a.name.clone(), v),
                    Err(d) => self.report(d.node(name, op.to_string())),
                },
            }
        }
        (attrs, graphs)
    }

    /// A subgraph as a region. It sees the values around it.
    fn subgraph(&mut self, g: &'m GraphProto, path: String) -> Region {
        self.path.push(path);
        self.open_scope(g);
        let params = g.input.iter().map(|v| self.define(&v.name, self.hint(&v.name), ValueDef::Param)).collect();
        self.initializers(g);
        let nodes = self.nodes(&g.node);
        let results = g.output.iter().filter_map(|v| self.look_up(&v.name)).collect();
        self.frame_mut().scopes.pop();
        self.path.pop();
        Region { params, nodes, results }
    }

    /// Adds the node and defines its outputs.
    #[allow(clippy::too_many_arguments, reason = "the parts of a node")]
    fn finish_node(
        &mut self,
        proto: &'m NodeProto,
        name: String,
        op: OpName,
        attrs: Attrs,
        inputs: Vec<Option<ValueId>>,
        outputs: usize,
        regions: Vec<Region>,
        nodes: &mut Vec<NodeId>,
    ) {
        let id = self.graph.nodes.next_key();
        let node = Node { name: name.clone(), op, attrs, inputs, outputs: vec![], regions };
        self.graph.nodes.push(node);
        for i in 0..outputs {
            let def = ValueDef::Node(id, i as u32);
            let v = match proto.output_name(i) {
                Some(output) => self.define(output, self.hint(output), def),
                None => {
                    let unused = self.value_names.unique(&format!("{name}/unused_{i}"), false);
                    let data = onnxc_ir::graph::ValueData { name: unused, ty: unknown_type(), def, content: None };
                    self.graph.values.push(data)
                }
            };
            self.graph.nodes[id].outputs.push(v);
        }
        nodes.push(id);
    }
}

/// How many outputs a node has, without omitted ones at the end.
fn listed_outputs(proto: &NodeProto) -> usize {
    proto.output.iter().rposition(|n| !n.is_empty()).map_or(0, |i| i + 1)
}

/// Runs an operator's `import`. Names of constants that it adds are made unique.
fn read_node(mut reader: NodeReader, import: Import, names: &mut Names) -> Read {
    let first = reader.graph.values.len();
    let mut problems = Vec::new();
    let attrs = import(&mut reader).unwrap_or_else(|d| {
        problems.push(d);
        Attrs::default()
    });
    let (unread, composed) = (reader.unread(), reader.composed());
    if problems.is_empty() && !unread.is_empty() {
        let list = unread.iter().map(|a| format!("'{a}'")).collect::<Vec<_>>().join(", ");
        let message = format!("{} has no attribute {list} in opset {}", reader.op, reader.opset);
        problems.push(reader.error("E2013", message).help(
            "the model says more than the operator can; export it again, or remove the attribute if it has no effect",
        ));
    }
    let Graph { values, .. } = reader.graph;
    for i in first..values.len() {
        let value = &mut values[ValueId::new(i)];
        value.name = names.unique(&value.name, false);
    }
    Read { attrs, inputs: reader.inputs, outputs: reader.output_count, regions: reader.regions, composed, problems }
}

fn unknown_operator(node: &str, op: &OpName) -> Diagnostic {
    let standard = op.domain.is_empty() || op.domain.starts_with("ai.onnx");
    let domain = if op.domain.is_empty() { "ai.onnx" } else { &op.domain };
    let what = if standard { "isn't supported yet" } else { "is unknown" };
    let own = format!(
        "supply it as a C function: --custom {domain}.{}=C_SYMBOL, or in Rust through `Registry::add`",
        op.name
    );
    // ONNX Runtime writes these for the processor at hand, in a layout whose blocks the file doesn't say.
    let help = match domain {
        "com.microsoft.nchwc" => {
            "save the model at ONNX Runtime's optimisation level ORT_ENABLE_EXTENDED: what it adds \
                                  above that is for one processor"
                .into()
        }
        _ => own,
    };
    Diagnostic::error("E2014", format!("operator {op} {what}"))
        .node(node, op.to_string())
        .expected("a built-in operator (`onnxc list-ops`), a function of the model, or a custom operator")
        .help(help)
}
