//! Softmax by a table of the exponential and one division per element, all of 32 bits.

use super::super::patterns::input;
use super::find::{self, Target};
use super::{Found, PASS, attrs, integer_node};
use onnxc_base::Tensor;
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Attr, Graph, Node, NodeId};

/// Bits of the table's greatest entry, exp(0).
const BITS: i32 = 16;

pub(super) fn build(graph: &mut Graph, q: NodeId, node: &Node, target: &Target) -> Found {
    let x = find::dequantised(graph, input(node, 0))?;
    let shape = graph.tensor_type(x.value).map(|t| t.shape.clone()).unwrap_or_default();
    let axis = node.attrs.int("axis").unwrap_or(-1).rem_euclid(shape.len().max(1) as i64);
    if node.attrs.int("flattened") == Some(1) && axis + 1 != shape.len() as i64 {
        return Err("it is over several axes together".into());
    }
    let n = shape.get(axis as usize).and_then(|d| d.as_int()).filter(|n| *n > 0).ok_or("its extent isn't known")?;
    // sum(e) << shift and e * factor must fit 31 bits.
    let wide = 64 - (n as u64).leading_zeros() as i32;
    let inverse = 1.0 / target.scale;
    let room = 30 - BITS;
    let shift = (room - wide).min(room - inverse.log2().ceil() as i32 - 1).min(6);
    if shift < 0 {
        return Err("it is over too many elements, or the output's steps are too small".into());
    }
    let factor = (inverse * 2f64.powi(shift)).round() as i64;
    let entry = |d: i32| ((-f64::from(d) * x.scale).exp() * 2f64.powi(BITS)).round() as i32;
    let table: Vec<i32> = (0..256).map(entry).collect();
    let own = attrs(target)
        .with("axis", Attr::Int(axis))
        .with("factor", Attr::Int(factor))
        .with("shift", Attr::Int(i64::from(shift)));
    let mut patch = Patch::new(PASS.name, q);
    let table = patch.constant(graph, "exponentials", Tensor::from_slice(&[256], &table));
    Ok(integer_node(graph, patch, q, "IntegerSoftmax", own, &[Some(x.value), Some(table)]))
}
