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

use super::patterns::input;
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
    let (mut nodes, size) = independent::nodes(graph, cx.registry)?;
    loop {
        let best = cost::best(graph, cx.registry, cx.machine, &nodes, &size)?;
        let Some(&first) = best.first() else { return Ok(()) };
        match split(graph, cx.registry, best, &size) {
            Ok(split) => {
                let name = graph.nodes[first].name.clone();
                if cx.editor.note(PASS.name, &name) {
                    *graph = split;
                }
                return Ok(());
            }
            Err(fit) => nodes.truncate(fit),
        }
    }
}

/// Values of the nodes that others use, in order.
fn leaving(graph: &Graph, nodes: &[NodeId]) -> Vec<ValueId> {
    let (uses, inside) = (Uses::new(graph), nodes.iter().collect::<BTreeSet<_>>());
    let outside = |u: &Use| !matches!(u, Use::Input(n, _) if inside.contains(n));
    let outputs = nodes.iter().flat_map(|n| &graph.nodes[*n].outputs);
    outputs.filter(|v| uses.of(**v).iter().any(outside)).copied().collect()
}

/// The graph with nodes in a Scan over their samples; if one of them doesn't take a single sample, how many do before it.
fn split(graph: &Graph, registry: &Registry, nodes: &[NodeId], size: &Sym) -> Result<Graph, usize> {
    let before = graph;
    let mut graph = graph.clone();
    let leaving = leaving(&graph, nodes);
    let patch = Patch::new(PASS.name, nodes[0]);
    let mut body = Body { graph: &mut graph, patch, size: size.as_int(), inner: BTreeMap::new() };
    let made: BTreeSet<ValueId> = nodes.iter().flat_map(|n| body.graph.nodes[*n].outputs.clone()).collect();
    let given = nodes.iter().flat_map(|n| body.graph.nodes[*n].inputs.iter().flatten());
    let batch = |v: &&ValueId| !made.contains(v) && body.graph.constant(**v).is_none();
    let given: BTreeSet<ValueId> = given.filter(batch).copied().collect();
    let params: Option<Vec<ValueId>> = given.iter().map(|&v| body.param(v)).collect();
    let mut region = Region { params: params.ok_or(0usize)?, nodes: body.patch.nodes().to_vec(), results: vec![] };
    for (i, &n) in nodes.iter().enumerate() {
        body.take(n, &leaving).ok_or(i)?;
        region.nodes.push(n);
    }
    let wrapped = body.patch.nodes().len();
    let images = images(before, nodes, &leaving);
    region.results = images.iter().map(|&(v, image)| body.result(v, image)).collect::<Option<_>>().ok_or(0usize)?;
    region.nodes.extend(&body.patch.nodes()[wrapped..]);
    scan(&mut graph, nodes, &given, region, &images).ok_or(0usize)?;
    let wanted = graph.clone();
    let failed = infer_graph(&mut graph, registry).has_errors();
    let fits = |n: &NodeId| graph.nodes[*n].outputs.iter().all(|v| graph.tensor_type(*v) == wanted.tensor_type(*v));
    let same = |v: &ValueId| graph.tensor_type(*v) == before.tensor_type(*v);
    match nodes.iter().position(|n| !fits(n)) {
        Some(i) => Err(i),
        None if !failed && leaving.iter().all(same) => Ok(graph),
        None => Err(0),
    }
}

/// Channels from which on images are stored channels last.
const CHANNELS: i64 = 16;

/// What leaves nodes, and whether convolutions may read it, which want it channels last: then it leaves like that.
fn images(graph: &Graph, nodes: &[NodeId], leaving: &[ValueId]) -> Vec<(ValueId, bool)> {
    let uses = Uses::new(graph);
    let image = |v: ValueId| {
        let shape = graph.tensor_type(v).map_or(&[][..], |t| &t.shape);
        let read = uses.of(v).iter().any(|u| matches!(u, Use::Input(n, _) if !nodes.contains(n)));
        let wide = shape.get(1).and_then(Sym::as_int).is_some_and(|c| c >= CHANNELS);
        read && wide && shape[2..].iter().any(|d| !d.is_one())
    };
    leaving.iter().map(|&v| (v, image(v))).collect()
}

/// Which axes a Transpose takes where: channels last, and back.
fn turns(rank: usize) -> [Vec<i64>; 2] {
    let last = rank as i64 - 1;
    [[0].into_iter().chain(2..=last).chain([1]).collect(), [0, last].into_iter().chain(1..last).collect()]
}

/// Puts a Scan of a region in the place of the first of the nodes that it has taken. What leaves it channels last is turned
/// back behind it, which moves nothing where it is stored channels last.
fn scan(
    graph: &mut Graph,
    nodes: &[NodeId],
    given: &BTreeSet<ValueId>,
    region: Region,
    leaving: &[(ValueId, bool)],
) -> Option<()> {
    let id = graph.nodes.next_key();
    let attrs = Attrs::default().with("num_scan_inputs", Attr::Int(given.len() as i64));
    let inputs = given.iter().map(|&v| Some(v)).collect();
    let name = format!("{}/samples", graph.nodes[nodes[0]].name);
    graph.nodes.push(Node { name, op: OpName::onnx("Scan"), attrs, inputs, outputs: vec![], regions: vec![region] });
    let mut behind = Patch::new(PASS.name, id);
    for (k, &(v, image)) in leaving.iter().enumerate() {
        let def = ValueDef::Node(id, k as u32);
        if !image {
            graph.values[v].def = def;
            graph.nodes[id].outputs.push(v);
            continue;
        }
        let t = graph.tensor_type(v)?.clone();
        let [there, back] = turns(t.rank());
        let shape = there.iter().map(|&a| t.shape[a as usize].clone()).collect();
        let name = format!("{}/channels_last", graph.values[v].name);
        let turned = new_value(graph, &name, Type::Tensor(TensorType { shape, ..t }), def);
        graph.nodes[id].outputs.push(turned);
        let attrs = Attrs::default().with("perm", Attr::Ints(back));
        behind.node(graph, OpName::onnx("Transpose"), attrs, &[Some(turned)], vec![]);
        let turn = *behind.nodes().last()?;
        graph.nodes[turn].outputs = vec![v];
        graph.values[v].def = ValueDef::Node(turn, 0);
    }
    let at = graph.body.nodes.iter().position(|n| *n == nodes[0])?;
    graph.body.nodes.splice(at..=at, [id].into_iter().chain(behind.nodes().iter().copied()));
    let taken: BTreeSet<&NodeId> = nodes[1..].iter().collect();
    graph.body.nodes.retain(|n| !taken.contains(n));
    Some(())
}

/// The body of the Scan under construction.
struct Body<'a> {
    graph: &'a mut Graph,
    patch: Patch,
    /// How many samples there are, if that is known.
    size: Option<i64>,
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

    /// What is stacked for a value that others use, `image`s channels last.
    fn result(&mut self, v: ValueId, image: bool) -> Option<ValueId> {
        let (mut inner, ty) = (self.inner[&v], self.graph.tensor_type(v)?.clone());
        let mut shape = ty.shape.clone();
        shape[0] = Sym::int(1);
        if image {
            let [there, _] = turns(shape.len());
            shape = there.iter().map(|&a| shape[a as usize].clone()).collect();
            let attrs = Attrs::default().with("perm", Attr::Ints(there));
            let turned = Type::Tensor(TensorType { shape: shape.clone(), ..ty.clone() });
            inner = self.patch.node(self.graph, OpName::onnx("Transpose"), attrs, &[Some(inner)], vec![turned])[0];
        }
        Some(self.axis("Squeeze", inner, Type::Tensor(TensorType { shape: shape.split_off(1), ..ty })))
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
        self.cut_shape(n);
        Some(())
    }

    /// Of a target shape that begins with the number of samples, the one for a single sample.
    fn cut_shape(&mut self, n: NodeId) {
        let place = match (&*self.graph.nodes[n].op.domain, &*self.graph.nodes[n].op.name) {
            ("", "Reshape" | "Expand") => 1,
            ("", "Resize") => 3,
            _ => return,
        };
        let shape = input(&self.graph.nodes[n], place).and_then(|v| self.graph.constant(v)?.to_i64());
        let Some(mut shape) = shape.filter(|s| s.first().copied() == self.size && !s.is_empty()) else { return };
        shape[0] = 1;
        let shape = self.patch.constant(self.graph, "shape", Tensor::from_slice(&[shape.len()], &shape));
        self.graph.nodes[n].inputs[place] = Some(shape);
    }
}
