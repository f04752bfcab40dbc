//! Identity, and Dropout, which is one when a model is not being trained.
//!
//! Dropout since 1, 6: attribute `is_test`; 7, 10: always inference; 12, 13, 22: input `training_mode`. Training is an
//! error, but at ratio 0.
//! Its mask (all true) is bool since 10, of the data's dtype before: attribute `bool_mask`.

use super::elementwise::*;
use crate::prelude::*;

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
    n.ignore(&["consumed_inputs", "is_test", "ratio", "seed"]);
    Ok(Attrs::default().with("bool_mask", Attr::Int(i64::from(bool_mask))))
}

fn infer_dropout(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let never = |i: usize| cx.constant(i).and_then(Tensor::to_f64).is_some_and(|v| v == [0.0]);
    if cx.opt(2).is_some() && !never(2) && !never(1) {
        return Err(cx
            .error("E2030", "the node drops values at random: training mode is, or may be, on")
            .expected("training_mode left out, or the constant false (or a ratio of 0)")
            .help("export the model for inference (PyTorch: model.eval())"));
    }
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
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("identity");
    }

    #[test]
    fn training_is_refused() {
        let [x, ratio] = [1.0f32, 0.5].map(|v| Tensor::from_slice(&[], &[v]));
        let case = Case::new("Dropout", 13).input(x).constant(ratio);
        assert_eq!(case.clone().constant(Tensor::from_bools(&[], &[true])).error(), "E2030");
        assert!(case.constant(Tensor::from_bools(&[], &[false])).run().is_ok());
    }
}
