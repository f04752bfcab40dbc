//! A bias, and what follows: FastGelu, BiasGelu, BiasSplitGelu, BiasAdd, BiasSoftmax.

use super::{DOMAIN, emit, need, opt, plus};
use crate::prelude::*;

/// FastGelu: Gelu by its approximation with tanh, of x plus a bias.
pub static FAST_GELU: OpDef = OpDef::composed(DOMAIN, "FastGelu", &[(1, import_fast_gelu)]);

/// BiasGelu: Gelu of a + b.
pub static BIAS_GELU: OpDef = OpDef::composed(DOMAIN, "BiasGelu", &[(1, import_bias_gelu)]);

/// BiasSplitGelu: of x plus a bias, the left half times Gelu of the right half.
pub static BIAS_SPLIT_GELU: OpDef = OpDef::composed(DOMAIN, "BiasSplitGelu", &[(1, import_bias_split_gelu)]);

/// BiasAdd: x + bias + skip.
pub static BIAS_ADD: OpDef = OpDef::composed(DOMAIN, "BiasAdd", &[(1, import_bias_add)]);

fn import_fast_gelu(n: &mut NodeReader) -> Result<Attrs> {
    let (x, bias) = (need(n, 0)?, opt(n, 1));
    let x = plus(n, x, bias)?;
    let y = emit(n, "Gelu", &[("approximate", Attr::Str("tanh".into()))], &[x])?;
    n.become_values(vec![y])
}

fn import_bias_gelu(n: &mut NodeReader) -> Result<Attrs> {
    let (a, b) = (need(n, 0)?, need(n, 1)?);
    let x = plus(n, a, Some(b))?;
    let y = emit(n, "Gelu", &[], &[x])?;
    n.become_values(vec![y])
}

fn import_bias_split_gelu(n: &mut NodeReader) -> Result<Attrs> {
    let (x, bias) = (need(n, 0)?, need(n, 1)?);
    let x = plus(n, x, Some(bias))?;
    let attrs = [("axis", Attr::Int(-1)), ("num_outputs", Attr::Int(2))];
    let halves = n.emit(onnxc_ir::graph::OpName::onnx("Split"), &attrs, &[Some(x)], 2)?;
    let right = emit(n, "Gelu", &[], &[halves[1]])?;
    let y = emit(n, "Mul", &[], &[halves[0], right])?;
    n.become_values(vec![y])
}

fn import_bias_add(n: &mut NodeReader) -> Result<Attrs> {
    let (x, bias, skip) = (need(n, 0)?, need(n, 1)?, need(n, 2)?);
    let y = plus(n, x, Some(bias))?;
    let y = plus(n, y, Some(skip))?;
    n.become_values(vec![y])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_bias");
    }
}
