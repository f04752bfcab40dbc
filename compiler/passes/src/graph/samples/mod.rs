//! samples: the first layers of a batch of images run sample by sample.
//!
//! What the first convolutions make of many images doesn't fit into the caches, so that each layer reads from memory what
//! the one before has written; what they make of one image fits. Further on images are small and weights many, which a batch
//! shares. So a run of nodes from the inputs on becomes the body of a Scan over the samples, up to where less is moved than
//! without. Which nodes can: see [`independent`]; how many of them do: see [`cost`].
//!
//! Holds: a result is the same but for the order of sums. Only the inputs' first extent is split; where nobody knows it, as
//! if there were a few. Does NOT run samples in parallel, nor anything where RAM is scarce.

mod cost;
mod independent;
#[cfg(test)]
mod tests;

use crate::from_kernel::Machine;
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{Diagnostics, Sym, Tensor};
use onnxc_ir::graph::patch::{Patch, Use, Uses, new_value};
use onnxc_ir::graph::{Attr, Attrs, Graph, Node, NodeId, OpName, Region, TensorType, Type, ValueDef, ValueId};
use onnxc_ops::Registry;
use onnxc_ops::infer::infer_graph;
use std::collections::{BTreeMap, BTreeSet};

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "samples", about: "run the first layers of a batch sample by sample", level: 2, run };

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    if cx.machine.memory.scarce || cx.machine.memory.thrift >= Machine::JOINING {
        return Ok(());
    }
    let (nodes, size) = independent::nodes(graph, cx.registry)?;
    let nodes = cost::best(graph, cx.registry, cx.machine, &nodes, &size)?;
    let Some(&first) = nodes.first() else { return Ok(()) };
    let Some(split) = split(graph, cx.registry, nodes) else { return Ok(()) };
    let name = graph.nodes[first].name.clone();
    if cx.editor.note(PASS.name, &name) {
        *graph = split;
    }
    Ok(())
}

/// Values of the nodes that others use, in order.
fn leaving(graph: &Graph, nodes: &[NodeId]) -> Vec<ValueId> {
    let (uses, inside) = (Uses::new(graph), nodes.iter().collect::<BTreeSet<_>>());
    let outside = |u: &Use| !matches!(u, Use::Input(n, _) if inside.contains(n));
    let outputs = nodes.iter().flat_map(|n| &graph.nodes[*n].outputs);
    outputs.filter(|v| uses.of(**v).iter().any(outside)).copied().collect()
}

/// The graph with nodes in a Scan over their samples, unless one of them doesn't take a single sample.
fn split(graph: &Graph, registry: &Registry, nodes: &[NodeId]) -> Option<Graph> {
    let before = graph;
    let mut graph = graph.clone();
    let leaving = leaving(&graph, nodes);
    let mut body = Body { graph: &mut graph, patch: Patch::new(PASS.name, nodes[0]), inner: BTreeMap::new() };
    let made: BTreeSet<ValueId> = nodes.iter().flat_map(|n| body.graph.nodes[*n].outputs.clone()).collect();
    let given = nodes.iter().flat_map(|n| body.graph.nodes[*n].inputs.iter().flatten());
    let batch = |v: &&ValueId| !made.contains(v) && body.graph.constant(**v).is_none();
    let mut given: Vec<ValueId> = given.filter(batch).copied().collect();
    let mut once = BTreeSet::new();
    given.retain(|v| once.insert(*v));
    let params: Option<Vec<ValueId>> = given.iter().map(|&v| body.param(v)).collect();
    let mut region = Region { params: params?, nodes: body.patch.nodes().to_vec(), results: vec![] };
    for &n in nodes {
        body.take(n, &leaving)?;
        region.nodes.push(n);
    }
    let wrapped = body.patch.nodes().len();
    region.results = leaving.iter().map(|&v| body.result(v)).collect::<Option<_>>()?;
    region.nodes.extend(&body.patch.nodes()[wrapped..]);
    scan(&mut graph, nodes, &given, region, &leaving);
    let fits = !infer_graph(&mut graph, registry).has_errors();
    let same = |v: &ValueId| graph.tensor_type(*v).is_some_and(|t| Some(t) == before.tensor_type(*v));
    let single = |v: &ValueId| leaving.contains(v) || graph.tensor_type(*v).is_some_and(|t| t.shape[0].is_one());
    (fits && leaving.iter().all(same) && made.iter().all(single)).then_some(graph)
}

/// Puts a Scan of a region in the place of the first of the nodes that it has taken.
fn scan(graph: &mut Graph, nodes: &[NodeId], given: &[ValueId], region: Region, leaving: &[ValueId]) {
    let id = graph.nodes.next_key();
    let attrs = Attrs::default().with("num_scan_inputs", Attr::Int(given.len() as i64));
    let inputs = given.iter().map(|&v| Some(v)).collect();
    let name = format!("{}/samples", graph.nodes[nodes[0]].name);
    for (k, &v) in leaving.iter().enumerate() {
        graph.values[v].def = ValueDef::Node(id, k as u32);
    }
    let (op, outputs) = (OpName::onnx("Scan"), leaving.to_vec());
    graph.nodes.push(Node { name, op, attrs, inputs, outputs, regions: vec![region] });
    let taken: BTreeSet<&NodeId> = nodes[1..].iter().collect();
    graph.body.nodes.retain(|n| !taken.contains(n));
    graph.body.nodes.iter_mut().filter(|n| **n == nodes[0]).for_each(|n| *n = id);
}

/// The body of the Scan under construction.
struct Body<'a> {
    graph: &'a mut Graph,
    patch: Patch,
    /// What values of all samples are of one.
    inner: BTreeMap<ValueId, ValueId>,
}

impl Body<'_> {
    /// A tensor of one sample, with or without its first axis.
    fn single(&self, v: ValueId, axis: bool) -> Option<Type> {
        let t = self.graph.tensor_type(v)?;
        let shape = axis.then(|| Sym::int(1)).into_iter().chain(t.shape[1..].iter().cloned()).collect();
        Some(Type::Tensor(TensorType { shape, ..t.clone() }))
    }

    /// The parameter for a value of all samples; inside it has its first axis again.
    fn param(&mut self, v: ValueId) -> Option<ValueId> {
        let (slice, whole) = (self.single(v, false)?, self.single(v, true)?);
        let name = format!("{}/sample", self.graph.values[v].name);
        let param = new_value(self.graph, &name, slice, ValueDef::Param);
        let inner = self.axis("Unsqueeze", param, whole);
        self.inner.insert(v, inner);
        Some(param)
    }

    /// What is stacked for a value that others use.
    fn result(&mut self, v: ValueId) -> Option<ValueId> {
        let ty = self.single(v, false)?;
        Some(self.axis("Squeeze", self.inner[&v], ty))
    }

    /// Adds or takes away the first axis.
    fn axis(&mut self, op: &str, v: ValueId, ty: Type) -> ValueId {
        let axes = self.patch.constant(self.graph, "axes", Tensor::from_slice(&[1], &[0i64]));
        self.patch.node(self.graph, OpName::onnx(op), Attrs::default(), &[Some(v), Some(axes)], vec![ty])[0]
    }

    /// Lets a node work on one sample. Outputs that others use stay theirs; it gets new ones.
    fn take(&mut self, n: NodeId, leaving: &[ValueId]) -> Option<()> {
        for i in 0..self.graph.nodes[n].inputs.len() {
            let v = self.graph.nodes[n].inputs[i];
            self.graph.nodes[n].inputs[i] = v.map(|v| self.inner.get(&v).copied().unwrap_or(v));
        }
        for k in 0..self.graph.nodes[n].outputs.len() {
            let v = self.graph.nodes[n].outputs[k];
            let ty = self.single(v, true)?;
            if leaving.contains(&v) {
                let name = format!("{}/sample", self.graph.values[v].name);
                let inner = new_value(self.graph, &name, ty, ValueDef::Node(n, k as u32));
                self.inner.insert(v, inner);
                self.graph.nodes[n].outputs[k] = inner;
            } else {
                self.graph.values[v].ty = ty;
                self.graph.values[v].content = None;
            }
        }
        if self.graph.nodes[n].op == OpName::onnx("Reshape") {
            let shape = &self.graph.tensor_type(self.graph.nodes[n].outputs[0])?.shape;
            let shape: Vec<i64> = shape.iter().map(Sym::as_int).collect::<Option<_>>()?;
            let shape = self.patch.constant(self.graph, "shape", Tensor::from_slice(&[shape.len()], &shape));
            self.graph.nodes[n].inputs[1] = Some(shape);
        }
        Some(())
    }
}
