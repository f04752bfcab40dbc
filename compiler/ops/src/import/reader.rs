//! What an operator's `import` reads: one node's attributes as the file has them, its inputs, and its regions.
//!
//! Each getter takes the default that the standard gives. A wrong kind is an error; so is, when the operator is done,
//! an attribute that nobody asked for.
//!
//! An operator that is others put together (a fused form, another domain's spelling) says so here:
//! [`NodeReader::emit`] and [`NodeReader::become_values`]. Nothing below import sees it then.

use super::Known;
use crate::infer::unknown_type;
use crate::registry::built_in;
use onnxc_base::{Diagnostic, Tensor};
use onnxc_ir::graph::{Attr, Attrs, Graph, Node, NodeId, OpName, Region, Type, ValueData, ValueDef, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// A node of the file, being read.
pub struct NodeReader<'a> {
    /// The graph to which constants can be added.
    pub graph: &'a mut Graph,
    /// The node's name.
    pub name: String,
    /// Its operator.
    pub op: OpName,
    /// The version of its operator set in the model.
    pub opset: i64,
    /// Its inputs; `import` may rewrite them.
    pub inputs: Vec<Option<ValueId>>,
    /// How many outputs it lists; `import` may add some that the file omits.
    pub output_count: usize,
    /// The node's regions, in the operator's canonical order; `import` fills them by [`NodeReader::region`].
    pub regions: Vec<Region>,
    /// What is known of types; nothing, unless `import` asks.
    pub known: Known,
    attrs: BTreeMap<String, Attr>,
    graphs: BTreeMap<String, Region>,
    read: BTreeSet<String>,
    composed: Composed,
    scope: Option<&'a dyn Fn(&str) -> Option<ValueId>>,
}

/// What stands in a node's place.
#[derive(Default)]
pub struct Composed {
    /// The nodes, in order; their names aren't unique yet.
    pub nodes: Vec<NodeId>,
    /// Nodes that are to stand in front of others, which were there already.
    pub before: Vec<(NodeId, NodeId)>,
    /// The node's outputs: all different, each one of an output of `nodes`. `None`: the node stays.
    pub results: Option<Vec<ValueId>>,
}

impl<'a> NodeReader<'a> {
    /// Starts reading a node whose subgraphs are imported already.
    #[allow(clippy::too_many_arguments, reason = "the parts of a node")]
    pub fn new(
        graph: &'a mut Graph,
        name: String,
        op: OpName,
        opset: i64,
        inputs: Vec<Option<ValueId>>,
        output_count: usize,
        attrs: BTreeMap<String, Attr>,
        graphs: BTreeMap<String, Region>,
    ) -> Self {
        let (read, composed) = (BTreeSet::new(), Composed::default());
        Self {
            graph,
            name,
            op,
            opset,
            inputs,
            output_count,
            regions: vec![],
            known: Known::default(),
            attrs,
            graphs,
            read,
            composed,
            scope: None,
        }
    }

    /// Lets the node see values by their names in the file.
    pub fn with_scope(self, scope: &'a dyn Fn(&str) -> Option<ValueId>) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// The value of a name where the node stands: some attributes name values.
    pub fn visible(&self, name: &str) -> Option<ValueId> {
        self.scope.and_then(|find| find(name))
    }

    /// Attributes (and subgraphs) that no getter has asked for.
    pub fn unread(&self) -> Vec<String> {
        self.attrs.keys().chain(self.graphs.keys()).filter(|k| !self.read.contains(*k)).cloned().collect()
    }

    /// Any attribute, if present.
    pub fn attr(&mut self, name: &str) -> Option<Attr> {
        self.read.insert(name.into());
        self.attrs.get(name).cloned()
    }

    /// True if the attribute is present.
    pub fn has(&self, name: &str) -> bool {
        self.attrs.contains_key(name)
    }

    /// True if the attribute is present and a graph.
    pub fn has_graph(&self, name: &str) -> bool {
        self.graphs.contains_key(name)
    }

    /// Accepts an attribute without using it (it has no effect on inference).
    pub fn ignore(&mut self, names: &[&str]) {
        self.read.extend(names.iter().map(|n| n.to_string()));
    }

    fn kind<T>(&mut self, name: &str, kind: &str, f: impl Fn(Attr) -> Option<T>) -> Result<Option<T>, Diagnostic> {
        match self.attr(name) {
            None => Ok(None),
            Some(a) => match f(a) {
                Some(v) => Ok(Some(v)),
                None => Err(self.error("E2010", format!("attribute '{name}' is of another kind")).expected(kind)),
            },
        }
    }

    /// An integer.
    pub fn opt_int(&mut self, name: &str) -> Result<Option<i64>, Diagnostic> {
        self.kind(name, "an integer", |a| if let Attr::Int(v) = a { Some(v) } else { None })
    }
    /// An integer with a default.
    pub fn int(&mut self, name: &str, default: i64) -> Result<i64, Diagnostic> {
        Ok(self.opt_int(name)?.unwrap_or(default))
    }
    /// An integer that must be there.
    pub fn need_int(&mut self, name: &str) -> Result<i64, Diagnostic> {
        let v = self.opt_int(name)?;
        v.ok_or_else(|| self.missing(name))
    }
    /// A float.
    pub fn opt_float(&mut self, name: &str) -> Result<Option<f32>, Diagnostic> {
        self.kind(name, "a float", |a| if let Attr::Float(v) = a { Some(v) } else { None })
    }
    /// A float with a default.
    pub fn float(&mut self, name: &str, default: f32) -> Result<f32, Diagnostic> {
        Ok(self.opt_float(name)?.unwrap_or(default))
    }
    /// A word.
    pub fn opt_str(&mut self, name: &str) -> Result<Option<String>, Diagnostic> {
        self.kind(name, "a string", |a| if let Attr::Str(v) = a { Some(v) } else { None })
    }
    /// A word with a default.
    pub fn str(&mut self, name: &str, default: &str) -> Result<String, Diagnostic> {
        Ok(self.opt_str(name)?.unwrap_or_else(|| default.into()))
    }
    /// One of several words; the first is the default.
    pub fn choice(&mut self, name: &str, words: &[&str]) -> Result<String, Diagnostic> {
        let v = self.str(name, words[0])?;
        if words.contains(&v.as_str()) {
            Ok(v)
        } else {
            Err(self
                .error("E2011", format!("attribute '{name}' is '{v}'"))
                .expected(format!("one of {}", words.join(", "))))
        }
    }
    /// Integers.
    pub fn opt_ints(&mut self, name: &str) -> Result<Option<Vec<i64>>, Diagnostic> {
        self.kind(name, "integers", |a| if let Attr::Ints(v) = a { Some(v) } else { None })
    }
    /// Integers that must be there.
    pub fn need_ints(&mut self, name: &str) -> Result<Vec<i64>, Diagnostic> {
        let v = self.opt_ints(name)?;
        v.ok_or_else(|| self.missing(name))
    }
    /// Floats.
    pub fn opt_floats(&mut self, name: &str) -> Result<Option<Vec<f32>>, Diagnostic> {
        self.kind(name, "floats", |a| if let Attr::Floats(v) = a { Some(v) } else { None })
    }
    /// Words.
    pub fn opt_strs(&mut self, name: &str) -> Result<Option<Vec<String>>, Diagnostic> {
        self.kind(name, "strings", |a| if let Attr::Strs(v) = a { Some(v) } else { None })
    }
    /// A tensor.
    pub fn opt_tensor(&mut self, name: &str) -> Result<Option<Tensor>, Diagnostic> {
        self.kind(name, "a tensor", |a| if let Attr::Tensor(v) = a { Some(v) } else { None })
    }

    /// Takes the subgraph of an attribute as the node's next region.
    pub fn region(&mut self, name: &str) -> Result<(), Diagnostic> {
        self.read.insert(name.into());
        let r = self.graphs.get(name).cloned().ok_or_else(|| self.missing(name))?;
        self.regions.push(r);
        Ok(())
    }

    /// Adds a constant to the graph, for use as an input.
    pub fn constant(&mut self, hint: &str, t: Tensor) -> ValueId {
        let ty = Type::tensor(t.dtype(), t.shape().iter().map(|&d| (d as i64).into()).collect());
        let name = format!("{}/{hint}", self.name);
        self.graph.values.push(ValueData { name, ty, def: ValueDef::Const(t), content: None })
    }

    /// Puts a constant into input `i`, extending the list: how an attribute of an old version becomes the input that
    /// replaced it.
    pub fn set_input(&mut self, i: usize, hint: &str, t: Tensor) {
        let v = self.constant(hint, t);
        if self.inputs.len() <= i {
            self.inputs.resize(i + 1, None);
        }
        self.inputs[i] = Some(v);
    }

    /// Adds a parameter for a region to come.
    pub fn param(&mut self, hint: &str, ty: Type) -> ValueId {
        let name = format!("{}/{hint}", self.name);
        self.graph.values.push(ValueData { name, ty, def: ValueDef::Param, content: None })
    }

    /// Adds a node that helps to stand in this one's place, of an operator at its newest version with attributes as a
    /// file has them; gives its outputs.
    pub fn emit(
        &mut self,
        op: OpName,
        attrs: &[(&str, Attr)],
        inputs: &[Option<ValueId>],
        outputs: usize,
    ) -> Result<Vec<ValueId>, Diagnostic> {
        let unknown = || Diagnostic::error("E2014", format!("{} needs {op}, which isn't supported yet", self.op));
        let def = built_in(&op).ok_or_else(unknown)?;
        let (opset, import) = *def.versions.last().expect("every operator has a version");
        let attrs = attrs.iter().map(|(n, a)| (n.to_string(), a.clone())).collect();
        let (name, inputs) = (format!("{}/{}", self.name, op.name), inputs.to_vec());
        let graph = &mut *self.graph;
        let mut inner = NodeReader::new(graph, name, op, opset, inputs, outputs, attrs, BTreeMap::new());
        let attrs = import(&mut inner)?;
        debug_assert_eq!(inner.unread(), Vec::<String>::new(), "attributes of an emitted node");
        let NodeReader { name, op, inputs, regions, composed, .. } = inner;
        self.composed.nodes.extend(composed.nodes);
        if let Some(results) = composed.results {
            return Ok(results);
        }
        let id = self.graph.nodes.next_key();
        let data = |i| (format!("{name}_{i}"), ValueDef::Node(id, i as u32));
        let values =
            (0..outputs).map(data).map(|(name, def)| ValueData { name, ty: unknown_type(), def, content: None });
        let outputs: Vec<ValueId> = values.map(|v| self.graph.values.push(v)).collect();
        self.graph.nodes.push(Node { name, op, attrs, inputs, outputs: outputs.clone(), regions });
        self.composed.nodes.push(id);
        Ok(outputs)
    }

    /// Adds a node like another one, without regions, that reads other values; gives it and its outputs.
    pub fn emit_copy(&mut self, node: NodeId, inputs: Vec<Option<ValueId>>) -> (NodeId, Vec<ValueId>) {
        let Node { op, attrs, outputs, .. } = self.graph.nodes[node].clone();
        let id = self.graph.nodes.next_key();
        (id, self.emit_regions(op, attrs, &inputs, outputs.len(), vec![]))
    }

    /// Adds a node with regions; its attributes are canonical.
    pub fn emit_regions(
        &mut self,
        op: OpName,
        attrs: Attrs,
        inputs: &[Option<ValueId>],
        outputs: usize,
        regions: Vec<Region>,
    ) -> Vec<ValueId> {
        let (name, id) = (format!("{}/{}", self.name, op.name), self.graph.nodes.next_key());
        let data = |i| (format!("{name}_{i}"), ValueDef::Node(id, i as u32));
        let values =
            (0..outputs).map(data).map(|(name, def)| ValueData { name, ty: unknown_type(), def, content: None });
        let outputs: Vec<ValueId> = values.map(|v| self.graph.values.push(v)).collect();
        let inputs = inputs.to_vec();
        self.graph.nodes.push(Node { name, op, attrs, inputs, outputs: outputs.clone(), regions });
        self.composed.nodes.push(id);
        outputs
    }

    /// The first output of an emitted node of ONNX's own domain.
    pub fn emit_one(
        &mut self,
        op: &str,
        attrs: &[(&str, Attr)],
        inputs: &[Option<ValueId>],
    ) -> Result<ValueId, Diagnostic> {
        Ok(self.emit(OpName::onnx(op), attrs, inputs, 1)?[0])
    }

    /// The nodes emitted so far.
    pub fn emitted(&self) -> &[NodeId] {
        &self.composed.nodes
    }

    /// Lets this node's outputs be values of emitted nodes; the node itself is gone. What `import` returns is then of
    /// no matter.
    pub fn become_values(&mut self, mut results: Vec<ValueId>) -> Result<Attrs, Diagnostic> {
        for i in 0..results.len() {
            let own = self.graph.producer(results[i]).is_some_and(|n| self.composed.nodes.contains(&n));
            if !own || results[..i].contains(&results[i]) {
                results[i] = self.emit_one("Identity", &[], &[Some(results[i])])?;
            }
        }
        if results.len() < self.output_count {
            return Err(self.error("E2011", format!("output {} isn't supported", results.len())));
        }
        results.truncate(self.output_count);
        self.composed.results = Some(results);
        Ok(Attrs::default())
    }

    /// Lets the nodes of an attribute's graph help to stand in this one's place, its inputs being `args`; gives its
    /// outputs, or `None` without such an attribute.
    pub fn inline_graph(&mut self, name: &str, args: &[ValueId]) -> Result<Option<Vec<ValueId>>, Diagnostic> {
        self.read.insert(name.into());
        let Some(mut region) = self.graphs.remove(name) else { return Ok(None) };
        if region.params.len() != args.len() {
            let found = format!("graph '{name}' has {} inputs", region.params.len());
            return Err(self.error("E2011", found).expected(args.len().to_string()));
        }
        let params = std::mem::take(&mut region.params);
        let stands_for = |v: ValueId| params.iter().position(|&p| p == v).map_or(v, |i| args[i]);
        substitute(self.graph, &mut region, &stands_for);
        self.composed.nodes.extend(region.nodes);
        Ok(Some(region.results))
    }

    /// Makes this node one of another operator, with the same inputs and outputs.
    pub fn become_op(&mut self, op: OpName, attrs: &[(&str, Attr)]) -> Result<Attrs, Diagnostic> {
        let (inputs, outputs) = (self.inputs.clone(), self.output_count);
        let results = self.emit(op, attrs, &inputs, outputs)?;
        self.become_values(results)
    }

    /// Nodes that are emitted into a region instead: adds them to `region`.
    pub fn inside<T>(
        &mut self,
        region: &mut Region,
        emit: impl FnOnce(&mut Self) -> Result<T, Diagnostic>,
    ) -> Result<T, Diagnostic> {
        let before = self.composed.nodes.len();
        let made = emit(self)?;
        region.nodes.extend(self.take_emitted(before));
        Ok(made)
    }

    /// Lets a node that was emitted stand in front of another one, which may be older than this node.
    pub fn emit_before(&mut self, node: NodeId, other: NodeId) {
        self.composed.nodes.retain(|&n| n != node);
        self.composed.before.push((node, other));
        place(&mut self.composed.before, &mut self.composed.nodes);
    }

    /// Takes the nodes emitted since there were `before`, to put them into a region.
    pub fn take_emitted(&mut self, before: usize) -> Vec<NodeId> {
        self.composed.nodes.split_off(before)
    }

    /// What stands in the node's place.
    pub fn composed(&mut self) -> Composed {
        std::mem::take(&mut self.composed)
    }

    fn missing(&self, name: &str) -> Diagnostic {
        self.error("E2012", format!("attribute '{name}' is missing")).help("the operator needs it; check the exporter")
    }

    /// An error at this node.
    pub fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, message).node(self.name.clone(), format!("{} (opset {})", self.op, self.opset))
    }
}

/// Puts nodes in front of those of the others that are in the list; what is left of `before`, belongs elsewhere.
pub fn place(before: &mut Vec<(NodeId, NodeId)>, nodes: &mut Vec<NodeId>) {
    before.retain(|(node, other)| match nodes.iter().position(|n| n == other) {
        Some(at) => {
            nodes.insert(at, *node);
            false
        }
        None => true,
    });
}

/// Replaces values in a region and those inside of it.
fn substitute(graph: &mut Graph, region: &mut Region, stands_for: &dyn Fn(ValueId) -> ValueId) {
    for &n in &region.nodes {
        let mut regions = std::mem::take(&mut graph.nodes[n].regions);
        regions.iter_mut().for_each(|r| substitute(graph, r, stands_for));
        let node = &mut graph.nodes[n];
        node.regions = regions;
        node.inputs.iter_mut().flatten().for_each(|v| *v = stands_for(*v));
    }
    region.results.iter_mut().for_each(|v| *v = stands_for(*v));
}
