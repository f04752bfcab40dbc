//! Sums, differences and products of two quantised tensors.

use super::super::patterns::input;
use super::find::{self, Target, magnitude};
use super::{Found, PASS, attrs, fixed, integer_node};
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Attr, Graph, Node, NodeId};

/// Bits of the greater multiplier of a sum: two products with 8 bits, their zero points and the rounding fit 32.
const BITS: i32 = 20;

/// Add, or Sub with a `sign` of -1.
pub(super) fn add(graph: &mut Graph, q: NodeId, node: &Node, target: &Target, sign: f64) -> Found {
    let (a, b) = (find::dequantised(graph, input(node, 0))?, find::dequantised(graph, input(node, 1))?);
    let (ra, rb) = (a.scale / target.scale, b.scale / target.scale);
    let shift = (BITS - ra.max(rb).log2().ceil() as i32).clamp(0, 30);
    let multiplier = |r: f64| (r * 2f64.powi(shift)).round();
    let (ma, mb) = (multiplier(ra), multiplier(rb) * sign);
    if shift == 0 || ma > f64::from(1 << BITS) || mb.abs() > f64::from(1 << BITS) {
        return Err("the scales are too far apart".into());
    }
    let (ma, mb) = (ma as i64, mb as i64);
    let c = -(a.zero * ma + b.zero * mb);
    debug_assert!(
        magnitude(a.dtype) * ma.abs() + magnitude(b.dtype) * mb.abs() + c.abs() + (1 << (shift - 1))
            <= i64::from(i32::MAX),
        "BITS leaves room"
    );
    let own = attrs(target)
        .with("ma", Attr::Int(ma))
        .with("mb", Attr::Int(mb))
        .with("c", Attr::Int(c))
        .with("shift", Attr::Int(i64::from(shift)));
    let patch = Patch::new(PASS.name, q);
    Ok(integer_node(graph, patch, q, "IntegerAdd", own, &[Some(a.value), Some(b.value)]))
}

/// Mul.
pub(super) fn mul(graph: &mut Graph, q: NodeId, node: &Node, target: &Target) -> Found {
    let (a, b) = (find::dequantised(graph, input(node, 0))?, find::dequantised(graph, input(node, 1))?);
    let bound = (magnitude(a.dtype) + a.zero.abs()) * (magnitude(b.dtype) + b.zero.abs());
    let fixed = fixed::choose(&[a.scale * b.scale / target.scale], bound)?;
    let mut own = attrs(target).with("a_zero", Attr::Int(a.zero)).with("b_zero", Attr::Int(b.zero));
    let mut patch = Patch::new(PASS.name, q);
    let [m, s] = fixed.put(graph, &mut patch, &mut own);
    Ok(integer_node(graph, patch, q, "IntegerMul", own, &[Some(a.value), Some(b.value), m, s]))
}
