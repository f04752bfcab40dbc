//! gemm-axes: a Gemm between reshapes that only fold leading axes together and take them apart again is a MatMul of the
//! tensor as it is.
//!
//! That is how exporters spell a linear layer of a tensor of more than two axes. Without the reshapes in between, what
//! comes after the layer (bias, activation, residual sum) has the shape of its result and becomes part of its kernel.
//!
//! Only Gemms of f32 whose factors are 1, whose left operand isn't transposed and whose bias is a row.

use super::patterns::{input, reshapes};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{DType, Diagnostics, Sym};
use onnxc_ir::graph::patch::{Patch, Uses};
use onnxc_ir::graph::{Attr, Attrs, Graph, NodeId, OpName, Type, ValueId};
use onnxc_ops::Registry;

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "gemm-axes", about: "multiply tensors of more axes without reshaping them", level: 1, run };

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    cx.patch_nodes(graph, |graph, registry, n| {
        if graph.nodes[n].op != OpName::onnx("Gemm") {
            return None;
        }
        let found = found(graph, &Uses::new(graph), registry, n)?;
        Some(build(graph, n, &found))
    });
    Ok(())
}

/// A Gemm, and what is around it.
struct Found {
    /// The tensor before it was reshaped, and the value that the result becomes.
    x: ValueId,
    y: ValueId,
    weights: ValueId,
    transposed: bool,
    bias: Option<ValueId>,
}

fn found(graph: &Graph, uses: &Uses, registry: &Registry, n: NodeId) -> Option<Found> {
    let gemm = &graph.nodes[n];
    let one = |name: &str| gemm.attrs.float(name).unwrap_or(1.0) == 1.0;
    if !one("alpha") || !one("beta") || gemm.attrs.int("transA") == Some(1) {
        return None;
    }
    let before = graph.producer(input(gemm, 0)?).filter(|&b| reshapes(graph, registry, b))?;
    let after = uses.single(gemm.outputs[0]).filter(|&a| reshapes(graph, registry, a))?;
    if input(&graph.nodes[after], 0) != Some(gemm.outputs[0]) {
        return None;
    }
    let (x, y) = (input(&graph.nodes[before], 0)?, graph.nodes[after].outputs[0]);
    let shape = |v: ValueId| graph.tensor_type(v).map(|t| t.shape.clone());
    let f32 = graph.tensor_type(x)?.dtype == DType::F32;
    let (from, to, ranges) = (shape(x)?, shape(y)?, graph.ranges());
    let same = |a: &Sym, b: &Sym| ranges.prove_eq(a, b) == Some(true);
    let (folded, result) = (shape(input(gemm, 0)?)?, shape(gemm.outputs[0])?);
    let fits = f32
        && from.len() >= 3
        && from.len() == to.len()
        && from.iter().zip(&to).take(from.len() - 1).all(|(a, b)| same(a, b))
        && same(from.last()?, &folded[1])
        && same(to.last()?, &result[1]);
    let bias = input(gemm, 2);
    let row = match bias {
        Some(b) => matches!(&shape(b)?[..], [d] if same(d, &result[1])),
        None => true,
    };
    let transposed = gemm.attrs.int("transB") == Some(1);
    (fits && row).then_some(Found { x, y, weights: input(gemm, 1)?, transposed, bias })
}

fn build(graph: &mut Graph, n: NodeId, f: &Found) -> Patch {
    let mut patch = Patch::new(PASS.name, n);
    let ty = graph.values[f.y].ty.clone();
    let mut weights = f.weights;
    if f.transposed {
        let mut t = graph.tensor_type(weights).cloned();
        if let Some(t) = &mut t {
            t.shape.reverse();
        }
        let attrs = Attrs::default().with("perm", Attr::Ints(vec![1, 0]));
        let ty = t.map_or_else(Type::unknown, Type::Tensor);
        weights = patch.node(graph, OpName::onnx("Transpose"), attrs, &[Some(weights)], vec![ty])[0];
    }
    let product = [Some(f.x), Some(weights)];
    let mut y = patch.node(graph, OpName::onnx("MatMul"), Attrs::default(), &product, vec![ty.clone()])[0];
    if let Some(b) = f.bias {
        y = patch.node(graph, OpName::onnx("Add"), Attrs::default(), &[Some(y), Some(b)], vec![ty])[0];
    }
    patch.replace(f.y, y);
    patch
}
