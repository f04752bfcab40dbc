//! What is short: Unique, CDist, ComplexMul, ComplexMulConj, ConvTransposeWithDynamicPads.

use super::{DOMAIN, emit, fused, ints, need, opt};
use crate::prelude::*;
use onnxc_ir::graph::OpName;

/// Unique: values in the order in which they first come, where each element's value is, how often each comes.
pub static UNIQUE: OpDef = OpDef::composed(DOMAIN, "Unique", &[(1, import_unique)]);

/// CDist: distances between the rows of two matrices.
pub static DISTANCES: OpDef = OpDef::composed(DOMAIN, "CDist", &[(1, import_distances)]);

/// ComplexMul: products of complex numbers, pairs on the last axis.
pub static COMPLEX_MUL: OpDef = OpDef::composed(DOMAIN, "ComplexMul", &[(1, |n| import_complex(n, false))]);

/// ComplexMulConj: a times the conjugate of b.
pub static COMPLEX_MUL_CONJ: OpDef = OpDef::composed(DOMAIN, "ComplexMulConj", &[(1, |n| import_complex(n, true))]);

/// ConvTransposeWithDynamicPads: ConvTranspose whose pads are an input.
pub static CONV_TRANSPOSE: OpDef =
    OpDef::composed(DOMAIN, "ConvTransposeWithDynamicPads", &[(1, import_conv_transpose)]);

fn import_unique(n: &mut NodeReader) -> Result<Attrs> {
    let x = need(n, 0)?;
    let all = n.emit(OpName::onnx("Unique"), &[("sorted", Attr::Int(0))], &[Some(x)], 4)?;
    n.become_values(vec![all[0], all[2], all[3]])
}

fn import_distances(n: &mut NodeReader) -> Result<Attrs> {
    let metric = n.str("metric", "sqeuclidean")?;
    if metric != "sqeuclidean" && metric != "euclidean" {
        return Err(n
            .error("E2020", format!("metric '{metric}' is not supported"))
            .expected("euclidean or sqeuclidean"));
    }
    let (first, second, last) = (ints(n, "first", &[0]), ints(n, "second", &[1]), ints(n, "last", &[2]));
    let (a, b) = (need(n, 0)?, need(n, 1)?);
    let (a, b) = (emit(n, "Unsqueeze", &[], &[a, second])?, emit(n, "Unsqueeze", &[], &[b, first])?);
    let d = emit(n, "Sub", &[], &[a, b])?;
    let mut y = emit(n, "ReduceSumSquare", &[("keepdims", Attr::Int(0))], &[d, last])?;
    if metric == "euclidean" {
        y = emit(n, "Sqrt", &[], &[y])?;
    }
    n.become_values(vec![y])
}

fn import_complex(n: &mut NodeReader, conjugate: bool) -> Result<Attrs> {
    let (a, b) = (need(n, 0)?, need(n, 1)?);
    let places = [0i64, 1].map(|i| n.constant("part", Tensor::from_slice(&[1], &[i])));
    let last = [("axis", Attr::Int(-1))];
    let mut parts = Vec::new();
    for v in [a, b] {
        for p in places {
            parts.push(emit(n, "Gather", &last, &[v, p])?);
        }
    }
    let mut product = |i: usize, j: usize| emit(n, "Mul", &[], &[parts[i], parts[j]]);
    let (rr, ii, ri, ir) = (product(0, 2)?, product(1, 3)?, product(0, 3)?, product(1, 2)?);
    let (re, im) = match conjugate {
        true => (emit(n, "Add", &[], &[rr, ii])?, emit(n, "Sub", &[], &[ir, ri])?),
        false => (emit(n, "Sub", &[], &[rr, ii])?, emit(n, "Add", &[], &[ri, ir])?),
    };
    let y = emit(n, "Concat", &last, &[re, im])?;
    n.become_values(vec![y])
}

fn import_conv_transpose(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = fused::window(n, &["auto_pad", "dilations", "group", "kernel_shape", "output_padding", "strides"]);
    if let Some(pads) = opt(n, 2) {
        let known = n.graph.constant(pads).and_then(Tensor::to_i64);
        let known = known
            .ok_or_else(|| n.error("E2040", "the pads are computed when the model runs").expected("constant pads"))?;
        attrs.push(("pads", Attr::Ints(known)));
    }
    let (x, w, bias) = (need(n, 0)?, need(n, 1)?, opt(n, 3));
    let y = n.emit_one("ConvTranspose", &attrs, &[Some(x), Some(w), bias])?;
    n.become_values(vec![y])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_misc");
    }
}
