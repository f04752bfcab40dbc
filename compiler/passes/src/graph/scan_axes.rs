//! scan-axes: what a Scan scans, and what it gives, goes along axis 0, by transposes around it.

use crate::manager::{GraphCx, GraphPass};
use onnxc_base::Diagnostics;
use onnxc_ir::graph::{
    Attr, Attrs, Graph, Node, NodeId, OpName, Region, TensorType, Type, ValueData, ValueDef, ValueId,
};

/// The pass.
pub const PASS: GraphPass = GraphPass { name: "scan-axes", about: "let every Scan go along axis 0", level: 0, run };

fn run(graph: &mut Graph, _: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    let mut body = std::mem::take(&mut graph.body);
    region(graph, &mut body);
    graph.body = body;
    Ok(())
}

fn region(graph: &mut Graph, r: &mut Region) {
    for n in std::mem::take(&mut r.nodes) {
        let mut inner = std::mem::take(&mut graph.nodes[n].regions);
        inner.iter_mut().for_each(|r| region(graph, r));
        graph.nodes[n].regions = inner;
        if graph.nodes[n].op == OpName::onnx("Scan") {
            scan(graph, n, &mut r.nodes);
        } else {
            r.nodes.push(n);
        }
    }
}

/// Puts transposes before and behind a Scan, where its axes aren't 0.
fn scan(graph: &mut Graph, n: NodeId, nodes: &mut Vec<NodeId>) {
    let attrs = graph.nodes[n].attrs.clone();
    let scanned = attrs.int("num_scan_inputs").unwrap_or(0).max(0) as usize;
    let states = graph.nodes[n].inputs.len().saturating_sub(scanned);
    let axes = |name: &str, k: usize| attrs.ints(name).and_then(|l| l.get(k).copied()).unwrap_or(0);
    for k in 0..scanned {
        let Some(x) = graph.nodes[n].inputs[states + k] else { continue };
        let Some((t, axis)) = tensor_and_axis(graph, x, axes("scan_input_axes", k)) else { continue };
        let mut perm: Vec<usize> = (0..t.rank()).filter(|a| *a != axis).collect();
        perm.insert(0, axis);
        let shape = perm.iter().map(|&a| t.shape[a].clone()).collect();
        let name = format!("{}/scanned_{k}", graph.nodes[n].name);
        let y = new_value(graph, &name, Type::tensor(t.dtype, shape));
        nodes.push(transpose(graph, &name, &perm, x, y));
        graph.nodes[n].inputs[states + k] = Some(y);
    }
    nodes.push(n);
    for i in states..graph.nodes[n].outputs.len() {
        let y = graph.nodes[n].outputs[i];
        let Some((t, axis)) = tensor_and_axis(graph, y, axes("scan_output_axes", i - states)) else { continue };
        let mut shape = t.shape.clone();
        let length = shape.remove(axis);
        shape.insert(0, length);
        let name = format!("{}/stacked_{i}", graph.nodes[n].name);
        let x = new_value(graph, &name, Type::tensor(t.dtype, shape));
        graph.values[x].def = ValueDef::Node(n, i as u32);
        graph.nodes[n].outputs[i] = x;
        let mut perm: Vec<usize> = (1..t.rank()).collect();
        perm.insert(axis, 0);
        nodes.push(transpose(graph, &name, &perm, x, y));
    }
    for name in ["scan_input_axes", "scan_output_axes"] {
        graph.nodes[n].attrs.0.remove(name);
    }
}

/// A tensor's type and an axis of it that isn't 0.
fn tensor_and_axis(graph: &Graph, v: ValueId, axis: i64) -> Option<(TensorType, usize)> {
    let t = graph.tensor_type(v)?.clone();
    let axis = if axis < 0 { axis + t.rank() as i64 } else { axis };
    usize::try_from(axis).ok().filter(|a| *a > 0 && *a < t.rank()).map(|a| (t, a))
}

fn new_value(graph: &mut Graph, name: &str, ty: Type) -> ValueId {
    graph.values.push(ValueData { name: name.into(), ty, def: ValueDef::Param, content: None })
}

fn transpose(graph: &mut Graph, name: &str, perm: &[usize], x: ValueId, y: ValueId) -> NodeId {
    let attrs = Attrs::default().with("perm", Attr::Ints(perm.iter().map(|&a| a as i64).collect()));
    let name = format!("{name}/transpose");
    let node =
        Node { name, op: OpName::onnx("Transpose"), attrs, inputs: vec![Some(x)], outputs: vec![y], regions: vec![] };
    let id = graph.nodes.push(node);
    graph.values[y].def = ValueDef::Node(id, 0);
    id
}
