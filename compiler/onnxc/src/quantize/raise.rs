//! A model of an old opset in the one that has scales per channel, if all of it means the same there.
//!
//! Nobody says of every operator what a newer version changed for a model, so that is tried: the raised model has to be
//! valid, and to give the same bits on every sample. A Squeeze whose axes are an attribute isn't valid any more, a
//! Softmax over several axes gives other numbers; convolutions and activations stay what they were.

use super::Sample;
use super::run::Runner;
use crate::Options;
use onnxc_base::Diagnostics;
use onnxc_onnx::{Model, ModelProto};

/// The opset since which QuantizeLinear and DequantizeLinear have an axis.
pub const PER_CHANNEL: i64 = 13;

/// The model in that opset; `None` if it means something else there.
///
/// # Errors
/// A model that can't be compiled as it is; samples that don't fit.
pub fn raised(model: &Model, samples: &[Sample], options: &Options) -> Result<Option<Model>, Diagnostics> {
    let before = Runner::new(&model.proto, model.dir(), &[], options)?;
    let proto = in_opset(&model.proto);
    let Ok(after) = Runner::new(&proto, model.dir(), &[], options) else { return Ok(None) };
    for sample in samples {
        let (old, new) = (before.run(sample)?, after.run(sample));
        if new.ok().is_none_or(|new| new != old) {
            return Ok(None);
        }
    }
    onnxc_onnx::load_bytes(&onnxc_onnx::encode(&proto), model.dir(), &options.limits).map(Some)
}

fn in_opset(proto: &ModelProto) -> ModelProto {
    let mut proto = proto.clone();
    for o in proto.opset_import.iter_mut().filter(|o| matches!(o.domain.as_str(), "" | "ai.onnx")) {
        o.version = PER_CHANNEL;
    }
    // Functions of the model have opsets of their own.
    proto.ir_version = proto.ir_version.max(7);
    proto
}
