//! Identity, and Dropout, which is one when a model is not being trained.
//!
//! Dropout since 1, 6: attribute `is_test`; 7, 10: always inference; 12, 13, 22: input `training_mode`. Unless that is
//! known to be false it is another operator: `random::dropout`.
//! Its mask (all true) is bool since 10, of the data's dtype before: attribute `bool_mask`.

use super::elementwise::*;
use crate::prelude::*;
use onnxc_ir::graph::OpName;

/// Identity: of a tensor, a sequence or an optional.
pub static IDENTITY: OpDef = OpDef {
    domain: "",
    name: "Identity",
    versions: &[
        (1, none),
        (13, none),
        (14, none),
        (16, none),
        (19, none),
        (21, none),
        (23, none),
        (24, none),
        (25, none),
    ],
    infer: infer_identity,
    lower: Lower::Alias,
    extents: None,
};

/// Dropout.
pub static DROPOUT: OpDef = OpDef {
    domain: "",
    name: "Dropout",
    versions: &[
        (1, |n| import_dropout(n, false)),
        (6, |n| import_dropout(n, false)),
        (7, |n| import_dropout(n, false)),
        (10, |n| import_dropout(n, true)),
        (12, |n| import_dropout(n, true)),
        (13, |n| import_dropout(n, true)),
        (22, |n| import_dropout(n, true)),
    ],
    infer: infer_dropout,
    lower: Lower::Compute(lower_dropout),
    extents: None,
};

fn none(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

fn infer_identity(cx: &mut InferCx) -> Result<()> {
    let ty = cx.graph.values[cx.input(0)?].ty.clone();
    if let Some(c) = cx.content(0) {
        cx.set_content(0, c);
    }
    cx.set_output(0, ty);
    Ok(())
}

fn import_dropout(n: &mut NodeReader, bool_mask: bool) -> Result<Attrs> {
    // Models were saved with is_test = 0 and run for inference all the same; every runtime reads them so.
    n.ignore(&["consumed_inputs", "is_test", "ratio"]);
    let seed = n.opt_int("seed")?;
    let input = |n: &NodeReader, i: usize| n.inputs.get(i).copied().flatten();
    let zero = |n: &NodeReader, i: usize| {
        let known = input(n, i).and_then(|v| n.graph.constant(v)).and_then(Tensor::to_f64);
        known.is_some_and(|v| v == [0.0])
    };
    if n.opset >= 12 && input(n, 2).is_some() && !zero(n, 2) && !zero(n, 1) {
        let op = OpName { domain: super::INNER.into(), name: "DropoutTraining".into() };
        let key = seed.map(|s| ("key", Attr::Int(s)));
        return n.become_op(op, key.as_slice());
    }
    Ok(Attrs::default().with("bool_mask", Attr::Int(i64::from(bool_mask))))
}

fn infer_dropout(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::AnyFloat)?;
    let mask = if cx.attrs().int("bool_mask") == Some(1) { DType::Bool } else { x.dtype };
    cx.set_tensor(1, mask, x.shape.clone());
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn lower_dropout(cx: &mut ComputeCx) -> Result<()> {
    let x = cx.input(0);
    cx.map_output(|_, i| load(x, i));
    if cx.node().outputs.len() > 1 {
        let (dtype, shape) = (cx.output_type(1).dtype, cx.out_shape(1));
        let mask = cx.k.map("mask", dtype, &shape, |_, _| constant(Scalar::from_i64(dtype, 1)));
        cx.set_output(1, mask);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("identity");
    }
}
