//! A product and its activation: FusedGemm, FusedConv, FusedMatMulActivation.

use super::{DOMAIN, emit, opt, plus};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// FusedGemm.
pub static GEMM: OpDef = OpDef::composed(DOMAIN, "FusedGemm", &[(1, import_gemm)]);

/// FusedConv: a convolution, plus a tensor of the output's extents, then an activation.
pub static CONV: OpDef = OpDef::composed(DOMAIN, "FusedConv", &[(1, import_conv)]);

/// FusedMatMulActivation.
pub static MATMUL: OpDef = OpDef::composed(DOMAIN, "FusedMatMulActivation", &[(1, import_matmul)]);

/// The activation of a name, with its parameters in the order in which ONNX lists its attributes.
pub(super) fn activation(n: &mut NodeReader, x: ValueId, name: &str, params: &[f32]) -> Result<ValueId> {
    let attr = |name: &'static str, i: usize| params.get(i).map(|p| (name, Attr::Float(*p)));
    let attrs: Vec<_> = match name {
        "" => return Ok(x),
        "Relu" | "Tanh" | "Sigmoid" | "Softplus" | "Softsign" => vec![],
        "LeakyRelu" | "Elu" | "ThresholdedRelu" => attr("alpha", 0).into_iter().collect(),
        "HardSigmoid" => attr("alpha", 0).into_iter().chain(attr("beta", 1)).collect(),
        "HardSwish" => vec![],
        "Clip" => {
            let limits = [(0, f32::MIN), (1, f32::MAX)].map(|(i, d)| params.get(i).copied().unwrap_or(d));
            let limits = limits.map(|v| n.constant("limit", Tensor::scalar(v)));
            let low = emit(n, "CastLike", &[], &[limits[0], x])?;
            let high = emit(n, "CastLike", &[], &[limits[1], x])?;
            return emit(n, "Clip", &[], &[x, low, high]);
        }
        _ => {
            return Err(n
                .error("E2011", format!("attribute 'activation' is '{name}'"))
                .expected("Relu, Tanh, Sigmoid, LeakyRelu, Elu, Clip, HardSigmoid, HardSwish, Softplus or Softsign"));
        }
    };
    emit(n, name, &attrs, &[x])
}

/// The parameters of an activation from attributes of their own.
fn parameters(n: &mut NodeReader) -> Result<Vec<f32>> {
    let mut params = Vec::new();
    for name in ["activation_alpha", "activation_beta", "activation_gamma"] {
        params.extend(n.opt_float(name)?);
    }
    Ok(params)
}

fn import_gemm(n: &mut NodeReader) -> Result<Attrs> {
    let word = n.str("activation", "")?;
    let params = parameters(n)?;
    let mut attrs = vec![];
    for name in ["alpha", "beta"] {
        attrs.push((name, Attr::Float(n.float(name, 1.0)?)));
    }
    for name in ["transA", "transB"] {
        attrs.push((name, Attr::Int(n.int(name, 0)?)));
    }
    let inputs = n.inputs.clone();
    let y = n.emit_one("Gemm", &attrs, &inputs)?;
    let y = activation(n, y, &word, &params)?;
    n.become_values(vec![y])
}

/// The attributes of a convolution or a window, as they stand.
pub(super) fn window(n: &mut NodeReader, names: &[&'static str]) -> Vec<(&'static str, Attr)> {
    names.iter().filter_map(|&name| n.attr(name).map(|a| (name, a))).collect()
}

/// What Conv has.
pub(super) const CONV_ATTRS: [&str; 6] = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];

fn import_conv(n: &mut NodeReader) -> Result<Attrs> {
    let (word, params) = (n.str("activation", "")?, n.opt_floats("activation_params")?.unwrap_or_default());
    let attrs = window(n, &CONV_ATTRS);
    let (inputs, z) = (n.inputs[..n.inputs.len().min(3)].to_vec(), opt(n, 3));
    let y = n.emit_one("Conv", &attrs, &inputs)?;
    let y = plus(n, y, z)?;
    let y = activation(n, y, &word, &params)?;
    n.become_values(vec![y])
}

fn import_matmul(n: &mut NodeReader) -> Result<Attrs> {
    let word = n.str("activation", "")?;
    let params = parameters(n)?;
    n.ignore(&["activation_axis"]);
    let attrs = window(n, &["alpha", "transA", "transB", "transBatchA", "transBatchB"]);
    let op = OpName { domain: DOMAIN.into(), name: "FusedMatMul".into() };
    let inputs = n.inputs.clone();
    let y = n.emit(op, &attrs, &inputs, 1)?[0];
    let y = activation(n, y, &word, &params)?;
    n.become_values(vec![y])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_fused");
    }
}
