//! Means: AveragePool, GlobalAveragePool, and ReduceMean over all spatial axes.

use super::super::patterns::input;
use super::find::{self, Target, magnitude};
use super::{Found, PASS, attrs, fixed, integer_node};
use onnxc_base::Tensor;
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Attr, Graph, Node, NodeId};

pub(super) fn build(graph: &mut Graph, q: NodeId, node: &Node, target: &Target) -> Found {
    let x = find::dequantised(graph, input(node, 0))?;
    let count = count(graph, node)?;
    let bound = count.checked_mul(2 * magnitude(x.dtype)).ok_or("the window is too large")?;
    let fixed = fixed::choose(&[x.scale / target.scale / count as f64], bound)?;
    let mut own = attrs(target).with("pad", Attr::Int(x.zero)).with("bias", Attr::Int(-x.zero * count));
    if node.op.name == "AveragePool" {
        own.0.extend(node.attrs.0.clone());
        own.0.remove("count_include_pad");
    }
    let mut patch = Patch::new(PASS.name, q);
    let [m, _] = fixed.put(graph, &mut patch, &mut own);
    Ok(integer_node(graph, patch, q, "IntegerAverage", own, &[Some(x.value), m]))
}

/// How many elements each mean is of.
fn count(graph: &Graph, node: &Node) -> Result<i64, String> {
    let shape = input(node, 0).and_then(|x| graph.tensor_type(x)).map(|t| t.shape.clone()).unwrap_or_default();
    if node.op.name != "AveragePool" {
        if node.op.name == "ReduceMean" {
            let axes = input(node, 1).and_then(|a| graph.constant(a)).and_then(Tensor::to_i64).unwrap_or_default();
            let mut axes: Vec<i64> = axes.iter().map(|a| a.rem_euclid(shape.len().max(1) as i64)).collect();
            axes.sort_unstable();
            if !axes.iter().copied().eq(2..shape.len() as i64)
                || shape.len() < 3
                || node.attrs.int("keepdims") == Some(0)
            {
                return Err("the mean isn't over the spatial axes, kept as extents of 1".into());
            }
        }
        let count = shape.iter().skip(2).try_fold(1i64, |n, d| n.checked_mul(d.as_int()?));
        return count.filter(|n| *n > 0).ok_or_else(|| "the spatial extents aren't known".into());
    }
    let pads = node.attrs.ints("pads").is_some_and(|p| p.iter().any(|v| *v != 0));
    let auto = node.attrs.str("auto_pad").is_some_and(|a| a.starts_with("SAME"));
    let partial = auto || pads && node.attrs.int("count_include_pad") != Some(1);
    if partial || node.attrs.int("ceil_mode") == Some(1) {
        return Err("windows at the border are of fewer elements".into());
    }
    node.attrs.ints("kernel_shape").map(|k| k.iter().product()).ok_or_else(|| "the window isn't known".into())
}
