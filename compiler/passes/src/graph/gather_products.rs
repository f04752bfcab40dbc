//! gather-products: a product of rows picked from a constant is a row picked from a product of constants.
//!
//! gather(E, i) W = gather(E W, i). That is an embedding in front of a linear or a recurrent layer: of a small vocabulary
//! the whole layer's products are known at compile time. The picking may be transposed in between as long as rows stay
//! whole; indices are transposed then. Of a recurrent layer's input part, which adds a bias, the bias is its value at 0.
//!
//! Only f32; the table may take twice the bytes of the constants that it replaces, and no machine where flash is scarce
//! gets one. Products are summed in double precision. Does NOT look through a bias or a function of the rows.

use super::patterns::{input, made_by};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{DType, Diagnostics, Sym, Tensor};
use onnxc_ir::graph::patch::{Patch, Uses};
use onnxc_ir::graph::{Attr, Attrs, Graph, NodeId, OpName, TensorType, Type, ValueId};
use onnxc_ops::ops::INNER;

/// The pass.
pub const PASS: GraphPass = GraphPass {
    name: "gather-products",
    about: "multiply embeddings by the weights of the layer behind them at compile time",
    level: 2,
    run,
};

/// How many times the bytes of the constants that it replaces a table may take.
const GROWTH: usize = 2;
/// The most products: about a second of compiling.
const MOST: usize = 1 << 30;

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    if cx.machine.memory.scarce {
        return Ok(());
    }
    cx.patch_nodes(graph, |graph, _, n| {
        let found = found(graph, n)?;
        build(graph, n, &found)
    });
    Ok(())
}

/// A product of picked rows.
struct Found {
    /// The constant of rows [V, K], which of them are picked, and how the picks are transposed, innermost first.
    rows: ValueId,
    picks: ValueId,
    perms: Vec<Vec<i64>>,
    /// The weights, and how they are read as a matrix [K, N].
    weights: ValueId,
    layer: Layer,
}

/// What multiplies the rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// By weights [K, N].
    MatMul,
    /// By weights [directions * rows, K] of so many directions, and adds a bias.
    Recurrent(usize),
}

fn found(graph: &Graph, n: NodeId) -> Option<Found> {
    let node = &graph.nodes[n];
    let layer = match (node.op.domain.as_str(), node.op.name.as_str()) {
        ("", "MatMul") => Layer::MatMul,
        (INNER, "RecurrentInput") => Layer::Recurrent(usize::try_from(node.attrs.int("directions").unwrap_or(1)).ok()?),
        _ => return None,
    };
    let (mut x, weights, mut perms) = (input(node, 0)?, input(node, 1)?, vec![]);
    let recurrent = layer != Layer::MatMul;
    if recurrent && input(node, 2).is_some_and(|b| graph.constant(b).is_none()) {
        return None;
    }
    while let Some((_, transpose)) = made_by(graph, x, "Transpose") {
        let mut perm = transpose.attrs.ints("perm")?.to_vec();
        // Rows stay whole.
        let last = perm.pop()?;
        if last != perm.len() as i64 {
            return None;
        }
        perms.insert(0, perm);
        x = input(transpose, 0)?;
    }
    let (_, gather) = made_by(graph, x, "Gather")?;
    let (rows, picks) = (input(gather, 0)?, input(gather, 1)?);
    let (e, w) = (graph.constant(rows)?, graph.constant(weights)?);
    let f32 = e.dtype() == DType::F32 && w.dtype() == DType::F32;
    if !f32 || e.shape().len() != 2 || w.shape().len() != 2 || gather.attrs.int("axis").unwrap_or(0) != 0 {
        return None;
    }
    let (v, k) = (e.shape()[0], e.shape()[1]);
    let columns = (w.shape().iter().product::<usize>()).checked_div(k)?;
    // What others use, too, stays.
    let uses = Uses::new(graph);
    let replaced = |v: ValueId, t: &Tensor| if uses.single(v).is_some() { t.bytes().len() } else { 0 };
    let most = GROWTH * (replaced(rows, e) + replaced(weights, w));
    let table = v.checked_mul(columns)?.checked_mul(DType::F32.size())?;
    let fits = table <= most && v.checked_mul(columns)?.checked_mul(k)? <= MOST;
    fits.then_some(Found { rows, picks, perms, weights, layer })
}

fn build(graph: &mut Graph, n: NodeId, f: &Found) -> Option<Patch> {
    let node = graph.nodes[n].clone();
    let mut patch = Patch::new(PASS.name, n);
    let mut picks = f.picks;
    for perm in &f.perms {
        let t = graph.tensor_type(picks)?.clone();
        let shape = perm.iter().map(|&p| t.shape.get(p as usize).cloned()).collect::<Option<Vec<Sym>>>()?;
        let ty = Type::Tensor(TensorType { shape, ..t });
        let attrs = Attrs::default().with("perm", Attr::Ints(perm.clone()));
        picks = patch.node(graph, OpName::onnx("Transpose"), attrs, &[Some(picks)], vec![ty])[0];
    }
    let table = table(graph.constant(f.rows)?, graph.constant(f.weights)?, f.layer)?;
    let table = patch.constant(graph, "products", table);
    let ty = graph.values[node.outputs[0]].ty.clone();
    let attrs = Attrs::default().with("axis", Attr::Int(0));
    let mut y = patch.node(graph, OpName::onnx("Gather"), attrs, &[Some(table), Some(picks)], vec![ty.clone()])[0];
    if f.layer != Layer::MatMul && input(&node, 2).is_some() {
        let k = graph.constant(f.rows)?.shape()[1];
        let zero = patch.constant(graph, "zero", Tensor::from_slice(&[1, 1, k], &vec![0f32; k]));
        let inputs: Vec<Option<ValueId>> = [Some(zero)].into_iter().chain(node.inputs[1..].iter().copied()).collect();
        let mut bias = graph.tensor_type(node.outputs[0])?.clone();
        bias.shape[..2].fill(Sym::int(1));
        let bias = patch.node(graph, node.op.clone(), node.attrs.clone(), &inputs, vec![Type::Tensor(bias)])[0];
        y = patch.node(graph, OpName::onnx("Add"), Attrs::default(), &[Some(y), Some(bias)], vec![ty])[0];
    }
    patch.replace(node.outputs[0], y);
    Some(patch)
}

/// The products of all rows [V, K]: [V, N], or [V, directions, rows].
fn table(rows: &Tensor, weights: &Tensor, layer: Layer) -> Option<Tensor> {
    let k = rows.shape()[1];
    let (e, w) = (rows.to_f64()?, weights.to_f64()?);
    let (columns, (across, down), tail) = match layer {
        Layer::MatMul => (weights.shape()[1], (1, weights.shape()[1]), vec![weights.shape()[1]]),
        Layer::Recurrent(d) => (weights.shape()[0], (k, 1), vec![d, weights.shape()[0].checked_div(d)?]),
    };
    // [K, N]: whole rows are added, which vectors do.
    let w: Vec<f64> = (0..k * columns).map(|i| w[i / columns * down + i % columns * across]).collect();
    let mut sums = vec![0f64; columns];
    let mut out = Vec::with_capacity(rows.shape()[0] * columns);
    for row in e.chunks_exact(k) {
        sums.fill(0.0);
        for (factor, weights) in row.iter().zip(w.chunks_exact(columns)) {
            sums.iter_mut().zip(weights).for_each(|(sum, w)| *sum += factor * w);
        }
        out.extend(sums.iter().map(|&s| s as f32));
    }
    let shape: Vec<usize> = rows.shape()[..1].iter().copied().chain(tail).collect();
    Some(Tensor::from_slice(&shape, &out))
}
