//! Operators that ONNX itself has today, under the same or another name: Gelu, QuickGelu, Trilu, GatherND, Range, Pad,
//! ExpandDims, Unique, GridSample.
//!
//! Pad takes its mode from an attribute and everything else from inputs, like ONNX's since 11. GridSample spells its
//! modes as ONNX's did before 20. Unique has ONNX's first three outputs but for the indices of first elements in another
//! place: values, first indices, inverse, counts are ONNX's; here values, inverse, counts. It doesn't sort.

use super::DOMAIN;
use crate::prelude::*;
use onnxc_ir::graph::OpName;

/// Gelu.
pub static GELU: OpDef = OpDef::composed(DOMAIN, "Gelu", &[(1, |n| n.become_op(OpName::onnx("Gelu"), &[]))]);

/// GatherND.
pub static GATHER_ND: OpDef =
    OpDef::composed(DOMAIN, "GatherND", &[(1, |n| n.become_op(OpName::onnx("GatherND"), &[]))]);

/// Trilu.
pub static TRILU: OpDef = OpDef::composed(DOMAIN, "Trilu", &[(1, import_trilu)]);

/// Range.
pub static RANGE: OpDef = OpDef::composed(DOMAIN, "Range", &[(1, import_range)]);

/// Pad.
pub static PAD: OpDef = OpDef::composed(DOMAIN, "Pad", &[(1, import_pad)]);

/// ExpandDims: Unsqueeze of one axis.
pub static EXPAND_DIMS: OpDef = OpDef::composed(DOMAIN, "ExpandDims", &[(1, import_expand_dims)]);

/// GridSample.
pub static GRID_SAMPLE: OpDef = OpDef::composed(DOMAIN, "GridSample", &[(1, import_grid_sample)]);

/// QuickGelu: x * sigmoid(alpha * x).
pub static QUICK_GELU: OpDef = OpDef::composed(DOMAIN, "QuickGelu", &[(1, import_quick_gelu)]);

fn import_trilu(n: &mut NodeReader) -> Result<Attrs> {
    let upper = n.int("upper", 1)?;
    n.become_op(OpName::onnx("Trilu"), &[("upper", Attr::Int(upper))])
}

fn import_range(n: &mut NodeReader) -> Result<Attrs> {
    if n.inputs.get(2).copied().flatten().is_none() {
        let one = n.constant("one", Tensor::scalar(1i64));
        let delta = n.emit_one("CastLike", &[], &[Some(one), n.inputs[0]])?;
        n.inputs.resize(2, None);
        n.inputs.push(Some(delta));
    }
    n.become_op(OpName::onnx("Range"), &[])
}

fn import_pad(n: &mut NodeReader) -> Result<Attrs> {
    let mode = n.choice("mode", &["constant", "reflect", "edge"])?;
    n.become_op(OpName::onnx("Pad"), &[("mode", Attr::Str(mode))])
}

fn import_expand_dims(n: &mut NodeReader) -> Result<Attrs> {
    let one = n.constant("one", Tensor::from_slice(&[1], &[1i64]));
    let (x, axis) = (n.inputs[0], n.inputs.get(1).copied().flatten());
    let axis = n.emit_one("Cast", &[("to", Attr::Int(7))], &[axis])?;
    let axis = n.emit_one("Reshape", &[], &[Some(axis), Some(one)])?;
    let y = n.emit_one("Unsqueeze", &[], &[x, Some(axis)])?;
    n.become_values(vec![y])
}

fn import_grid_sample(n: &mut NodeReader) -> Result<Attrs> {
    let mode = match n.choice("mode", &["bilinear", "nearest", "bicubic"])?.as_str() {
        "bilinear" => "linear",
        "bicubic" => "cubic",
        _ => "nearest",
    };
    let padding = n.choice("padding_mode", &["zeros", "border", "reflection"])?;
    let align = n.int("align_corners", 0)?;
    let attrs =
        [("mode", Attr::Str(mode.into())), ("padding_mode", Attr::Str(padding)), ("align_corners", Attr::Int(align))];
    n.become_op(OpName::onnx("GridSample"), &attrs)
}

fn import_quick_gelu(n: &mut NodeReader) -> Result<Attrs> {
    let alpha = n.float("alpha", 1.702)?;
    n.become_op(OpName::onnx("Swish"), &[("alpha", Attr::Float(alpha))])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_renamed");
    }
}
