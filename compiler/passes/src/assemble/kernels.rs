//! The nodes of one step to one kernel: each node's definitions, one after the other, in one builder.

use super::arrange::{Before, arrange};
use crate::from_kernel::row_major;
use onnxc_base::{Diagnostic, Ranges, Sym};
use onnxc_ir::graph::{Graph, NodeId, TensorType, ValueId};
use onnxc_ir::kernel::build::load;
use onnxc_ir::kernel::{Kernel, KernelBuilder, Placed, Src};
use onnxc_ops::custom::CustomBody;
use onnxc_ops::{ComputeCx, Lower, OpRef, Registry, ViewCx};
use std::collections::BTreeMap;

/// Nodes of an extent's formula that a comment has.
const LONG_EXTENT: u32 = 12;

/// A kernel with the values behind its parameters and outputs.
#[derive(Clone, Debug)]
pub struct StepKernel {
    /// The kernel.
    pub kernel: Kernel,
    /// For each parameter, the value that it is; constants too.
    pub inputs: Vec<ValueId>,
    /// For each output, the value that it is.
    pub outputs: Vec<ValueId>,
}

/// Lowers a node as a kernel of its own.
///
/// # Errors
/// What the operator reports.
pub fn lower_alone(graph: &Graph, registry: &Registry, node: NodeId) -> Result<Kernel, Diagnostic> {
    lower_nodes(graph, registry, &[node], &graph.nodes[node].outputs, &graph.ranges()).map(|k| k.kernel)
}

/// Lowers nodes to one kernel out of which the given values leave.
///
/// # Errors
/// What an operator reports.
pub fn lower_nodes(
    graph: &Graph,
    registry: &Registry,
    nodes: &[NodeId],
    outputs: &[ValueId],
    ranges: &Ranges,
) -> Result<StepKernel, Diagnostic> {
    let mut k = KernelBuilder::new(kernel_name(graph, nodes), ranges.clone());
    let mut srcs: BTreeMap<ValueId, Src> = BTreeMap::new();
    let mut inputs = Vec::new();
    for &node in nodes {
        let mut args = Vec::new();
        for v in &graph.nodes[node].inputs {
            args.push(match v {
                None => None,
                Some(v) => source(graph, &mut k, &mut srcs, &mut inputs, *v),
            });
        }
        let before = Before::new(&k.kernel);
        let mut outs = lower_node(graph, registry, &mut k, node, args.clone())?;
        arrange(graph, &mut k, node, &args, &mut outs, before);
        for (v, src) in graph.nodes[node].outputs.iter().zip(outs) {
            srcs.insert(*v, src);
        }
    }
    for (i, v) in outputs.iter().enumerate() {
        k.output(srcs[v]);
        if let Some(frame) = graph.frame(*v) {
            let strides = row_major(&frame.extents);
            let offset = strides.iter().zip(&frame.start).map(|(stride, start)| stride * start).sum();
            k.kernel.place(i, Placed { strides, offset });
        }
    }
    k.kernel.doc = doc(graph, nodes, &inputs, outputs);
    Ok(StepKernel { kernel: k.kernel, inputs, outputs: outputs.to_vec() })
}

/// The definition or parameter that a value is; values that are no tensors have none.
fn source(
    graph: &Graph,
    k: &mut KernelBuilder,
    srcs: &mut BTreeMap<ValueId, Src>,
    inputs: &mut Vec<ValueId>,
    v: ValueId,
) -> Option<Src> {
    if let Some(s) = srcs.get(&v) {
        return Some(*s);
    }
    let (name, dtype, shape) = (&graph.values[v].name, graph.tensor_type(v)?.dtype, graph.stored_shape(v)?);
    inputs.push(v);
    let s = match graph.frame(v) {
        None => k.param(name, dtype, shape, graph.constant(v).cloned()),
        Some(frame) => {
            // The parameter is all of the memory, the tensor a view of it.
            let whole = k.param(name, dtype, frame.extents, None);
            k.map(name, dtype, &shape, |_, i| {
                load(whole, &i.iter().zip(&frame.start).map(|(i, s)| i + s).collect::<Vec<_>>())
            })
        }
    };
    srcs.insert(v, s);
    Some(s)
}

fn lower_node(
    graph: &Graph,
    registry: &Registry,
    k: &mut KernelBuilder,
    node: NodeId,
    args: Vec<Option<Src>>,
) -> Result<Vec<Src>, Diagnostic> {
    let n = &graph.nodes[node];
    let error = |message: String| Diagnostic::error("E4003", message).node(n.name.clone(), n.op.to_string());
    let op = registry.find(&n.op).ok_or_else(|| error("no such operator".into()))?;
    let cx = match &op {
        OpRef::Builtin(d) => match d.lower {
            Lower::Compute(f) => {
                let mut cx = ComputeCx::new(k, graph, node, args);
                f(&mut cx)?;
                cx
            }
            Lower::View(f) => {
                let x = args[0].ok_or_else(|| error("a view without an input".into()))?;
                let view = ViewCx { graph, node };
                let mut failed = None;
                let mut cx = ComputeCx::new(k, graph, node, args);
                cx.map_output(|_, i| match f(&view, i) {
                    Ok(index) => load(x, &index),
                    Err(e) => {
                        failed = Some(e);
                        onnxc_ir::kernel::build::int(0)
                    }
                });
                match failed {
                    Some(e) => return Err(e),
                    None => cx,
                }
            }
            _ => return Err(error("the operator is no formula".into())),
        },
        OpRef::Custom(c) => match c.body() {
            CustomBody::Compute(f) => {
                let mut cx = ComputeCx::new(k, graph, node, args);
                f.compute(&mut cx)?;
                cx
            }
            CustomBody::Symbol(_) => return Err(error("the operator is a linked function".into())),
        },
    };
    cx.finish().map_err(|i| error(format!("the operator defines no output {i}")))
}

/// `Conv_Relu`: the operators in order, without their domains.
fn kernel_name(graph: &Graph, nodes: &[NodeId]) -> String {
    let mut names: Vec<&str> = nodes.iter().map(|&n| graph.nodes[n].op.name.as_str()).collect();
    names.dedup();
    names.truncate(4);
    names.join("_").to_lowercase()
}

fn doc(graph: &Graph, nodes: &[NodeId], inputs: &[ValueId], outputs: &[ValueId]) -> String {
    let names: Vec<String> =
        nodes.iter().map(|&n| format!("{} ({})", graph.nodes[n].name, graph.nodes[n].op)).collect();
    let shapes = |values: &[ValueId]| {
        let computed = values.iter().filter(|v| graph.constant(**v).is_none());
        computed.filter_map(|v| graph.tensor_type(*v)).map(shape_text).collect::<Vec<_>>().join(", ")
    };
    let (read, written) = (shapes(inputs), shapes(outputs));
    let arrow = if read.is_empty() { String::new() } else { format!("{read} ") };
    format!("{}: {arrow}-> {written}", names.join(", "))
}

/// A type for readers: an extent that takes long to say is left out.
fn shape_text(t: &TensorType) -> String {
    let extent = |e: &Sym| if e.size() > LONG_EXTENT { "..".into() } else { e.to_string() };
    format!("{}[{}]", t.dtype, t.shape.iter().map(extent).collect::<Vec<_>>().join(", "))
}
