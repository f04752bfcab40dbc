//! What models with linear attention are exported with: GatedRMSNorm, LinearAttentionGate, ScaledSiLU, GatedAdd; and
//! LinearAttention and CausalConvWithState of com.microsoft, where they are ONNX's.
//!
//! Not supported: windows of states, other channel layouts and dilations, state updates on the side.

use super::{DOMAIN, emit, ints, need, opt};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

macro_rules! operators {
    ($($id:ident $name:literal $import:ident;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef::composed(DOMAIN, $name, &[(1, $import)]);
    )* };
}

operators! {
    CAUSAL_CONV "CausalConvWithState" import_causal_conv;
    GATED_ADD "GatedAdd" import_gated_add;
    GATED_NORM "GatedRMSNorm" import_gated_norm;
    LINEAR_ATTENTION "LinearAttention" import_linear_attention;
    LINEAR_GATE "LinearAttentionGate" import_linear_gate;
    SCALED_SILU "ScaledSiLU" import_scaled_silu;
}

fn to_f32(n: &mut NodeReader, v: ValueId) -> Result<ValueId> {
    emit(n, "Cast", &[("to", Attr::Int(1))], &[v])
}

/// x, normalised by the root mean square of groups as long as `scale`, times the activated gate; all in f32.
fn import_gated_norm(n: &mut NodeReader) -> Result<Attrs> {
    let (word, epsilon) = (n.choice("activation", &["silu", "swish", "sigmoid"])?, n.float("epsilon", 1e-5)?);
    let (x, scale, gate) = (need(n, 0)?, need(n, 1)?, need(n, 2)?);
    let (rows, size, shape) = (ints(n, "rows", &[-1]), emit(n, "Shape", &[], &[scale])?, emit(n, "Shape", &[], &[x])?);
    let groups = emit(n, "Concat", &[("axis", Attr::Int(0))], &[rows, size])?;
    let (wide, scale, gate) = (to_f32(n, x)?, to_f32(n, scale)?, to_f32(n, gate)?);
    let wide = emit(n, "Reshape", &[], &[wide, groups])?;
    let attrs = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(epsilon))];
    let y = emit(n, "RMSNormalization", &attrs, &[wide, scale])?;
    let y = emit(n, "Reshape", &[("allowzero", Attr::Int(1))], &[y, shape])?;
    let gate = emit(n, if word == "sigmoid" { "Sigmoid" } else { "Swish" }, &[], &[gate])?;
    let y = emit(n, "Mul", &[], &[y, gate])?;
    let y = emit(n, "CastLike", &[], &[y, x])?;
    n.become_values(vec![y])
}

/// decay_scale * softplus(a + dt_bias), in f32; sigmoid(b) where there is a b.
fn import_linear_gate(n: &mut NodeReader) -> Result<Attrs> {
    let (a, bias, scale) = (need(n, 0)?, need(n, 1)?, need(n, 2)?);
    let wide = to_f32(n, a)?;
    let sum = emit(n, "Add", &[], &[wide, bias])?;
    let soft = emit(n, "Softplus", &[], &[sum])?;
    let decay = emit(n, "Mul", &[], &[soft, scale])?;
    let mut results = vec![emit(n, "CastLike", &[], &[decay, a])?];
    if let Some(b) = opt(n, 3) {
        results.push(emit(n, "Sigmoid", &[], &[b])?);
    }
    n.become_values(results)
}

/// z * sigmoid(z) of z = scale * x.
fn import_scaled_silu(n: &mut NodeReader) -> Result<Attrs> {
    let (alpha, x) = (n.float("alpha", 1.0)?, need(n, 0)?);
    let alpha = n.constant("alpha", Tensor::scalar(alpha));
    let scale = opt(n, 1).unwrap_or(alpha);
    let scale = emit(n, "CastLike", &[], &[scale, x])?;
    let z = emit(n, "Mul", &[], &[x, scale])?;
    let y = emit(n, "Swish", &[], &[z])?;
    n.become_values(vec![y])
}

/// x + y * gate; the gate is the sigmoid of a product where there are weights.
fn import_gated_add(n: &mut NodeReader) -> Result<Attrs> {
    let (x, y, mut gate) = (need(n, 0)?, need(n, 1)?, need(n, 2)?);
    if let Some(weights) = opt(n, 3) {
        let product = emit(n, "MatMul", &[], &[gate, weights])?;
        gate = emit(n, "Sigmoid", &[], &[product])?;
    }
    let part = emit(n, "Mul", &[], &[y, gate])?;
    let sum = emit(n, "Add", &[], &[x, part])?;
    n.become_values(vec![sum])
}

/// Attributes that may only say what is supported.
fn only(n: &mut NodeReader, wanted: &[(&str, i64)]) -> Result<()> {
    for &(name, value) in wanted {
        let found = n.int(name, value)?;
        if found != value {
            return Err(n
                .error("E2020", format!("'{name}' is {found}"))
                .expected(format!("{value}: others aren't supported yet")));
        }
    }
    Ok(())
}

fn import_linear_attention(n: &mut NodeReader) -> Result<Attrs> {
    only(n, &[("state_window", 0)])?;
    let mut attrs = vec![];
    for name in ["chunk_size", "kv_num_heads", "q_num_heads", "scale", "update_rule"] {
        attrs.extend(n.attr(name).map(|a| (name, a)));
    }
    as_standard(n, "LinearAttention", &attrs)
}

fn import_causal_conv(n: &mut NodeReader) -> Result<Attrs> {
    let zeros = [
        "state_update_capacity",
        "state_window",
        "state_length",
        "input_channel_offset",
        "channels_last",
        "input_channels",
    ];
    only(n, &zeros.map(|name| (name, 0)))?;
    only(n, &[("dilation", 1), ("ndim", 1), ("state_channels_last", -1)])?;
    let attrs: Vec<_> = n.attr("activation").map(|a| ("activation", a)).into_iter().collect();
    as_standard(n, "CausalConvWithState", &attrs)
}

/// The operator of ONNX on the same inputs, with both its results.
fn as_standard(n: &mut NodeReader, op: &str, attrs: &[(&str, Attr)]) -> Result<Attrs> {
    let inputs = n.inputs.clone();
    let results = n.emit(onnxc_ir::graph::OpName::onnx(op), attrs, &inputs, 2)?;
    n.become_values(results)
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_gated");
    }
}
