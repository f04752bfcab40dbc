//! Normalisations: SkipLayerNormalization, SkipSimplifiedLayerNormalization, SimplifiedLayerNormalization,
//! EmbedLayerNormalization, GroupNorm, SkipGroupNorm.
//!
//! Simplified means: by the root of the mean of squares. ONNX Runtime writes SimplifiedLayerNormalization into ONNX's own
//! domain, where the standard doesn't have it. What Skip adds up comes out, too, as the last output.

use super::{DOMAIN, emit, ints, need, opt, plus, rank};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// SkipLayerNormalization.
pub static SKIP_LAYER: OpDef = OpDef::composed(DOMAIN, "SkipLayerNormalization", &[(1, import_skip_layer)]);

/// SkipSimplifiedLayerNormalization.
pub static SKIP_SIMPLIFIED: OpDef =
    OpDef::composed(DOMAIN, "SkipSimplifiedLayerNormalization", &[(1, import_skip_simplified)]);

/// SimplifiedLayerNormalization.
pub static SIMPLIFIED: OpDef = OpDef::composed("", "SimplifiedLayerNormalization", &[(1, import_simplified)]);

/// EmbedLayerNormalization.
pub static EMBED_LAYER: OpDef = OpDef::composed(DOMAIN, "EmbedLayerNormalization", &[(1, import_embed)]);

/// GroupNorm.
pub static GROUP: OpDef = OpDef::composed(DOMAIN, "GroupNorm", &[(1, import_group)]);

/// SkipGroupNorm.
pub static SKIP_GROUP: OpDef = OpDef::composed(DOMAIN, "SkipGroupNorm", &[(1, import_skip_group)]);

/// Layer normalisation of the last axis.
fn layer(n: &mut NodeReader, x: ValueId, gamma: ValueId, beta: Option<ValueId>, epsilon: f32) -> Result<ValueId> {
    let attrs = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(epsilon))];
    n.emit_one("LayerNormalization", &attrs, &[Some(x), Some(gamma), beta])
}

/// The mean over the axes from `axis` on, in f32.
fn mean(n: &mut NodeReader, x: ValueId, axis: i64) -> Result<ValueId> {
    let axes = ints(n, "axes", &[axis]);
    emit(n, "ReduceMean", &[], &[x, axes])
}

/// 1 / sqrt(mean of squares + epsilon).
fn inverse_root(n: &mut NodeReader, x: ValueId, epsilon: f32, axis: i64) -> Result<ValueId> {
    let squares = emit(n, "Mul", &[], &[x, x])?;
    let mean = mean(n, squares, axis)?;
    let epsilon = n.constant("epsilon", Tensor::scalar(epsilon));
    let sum = emit(n, "Add", &[], &[mean, epsilon])?;
    let root = emit(n, "Sqrt", &[], &[sum])?;
    emit(n, "Reciprocal", &[], &[root])
}

/// What was divided by and subtracted, for models that ask for it: few do, and then nothing of this is left.
fn statistics(n: &mut NodeReader, x: ValueId, epsilon: f32) -> Result<[ValueId; 2]> {
    let wide = emit(n, "Cast", &[("to", Attr::Int(1))], &[x])?;
    let mean = mean(n, wide, -1)?;
    let centred = emit(n, "Sub", &[], &[wide, mean])?;
    Ok([mean, inverse_root(n, centred, epsilon, -1)?])
}

/// Result, inverse root of the mean of squares over the axes from `axis` on.
fn root_mean_square(n: &mut NodeReader, x: ValueId, gamma: ValueId, epsilon: f32, axis: i64) -> Result<[ValueId; 2]> {
    let attrs = [("axis", Attr::Int(axis)), ("epsilon", Attr::Float(epsilon))];
    let y = emit(n, "RMSNormalization", &attrs, &[x, gamma])?;
    let wide = emit(n, "Cast", &[("to", Attr::Int(1))], &[x])?;
    Ok([y, inverse_root(n, wide, epsilon, axis)?])
}

fn import_skip_layer(n: &mut NodeReader) -> Result<Attrs> {
    let epsilon = n.float("epsilon", 1e-12)?;
    let (x, skip, gamma, beta, bias) = (need(n, 0)?, need(n, 1)?, need(n, 2)?, opt(n, 3), opt(n, 4));
    let sum = plus(n, x, Some(skip))?;
    let sum = plus(n, sum, bias)?;
    let y = layer(n, sum, gamma, beta, epsilon)?;
    let [mean, inverse] = statistics(n, sum, epsilon)?;
    n.become_values(vec![y, mean, inverse, sum])
}

fn import_skip_simplified(n: &mut NodeReader) -> Result<Attrs> {
    let epsilon = n.float("epsilon", 1e-12)?;
    let (x, skip, gamma, bias) = (need(n, 0)?, need(n, 1)?, need(n, 2)?, opt(n, 3));
    let sum = plus(n, x, Some(skip))?;
    let sum = plus(n, sum, bias)?;
    let [y, inverse] = root_mean_square(n, sum, gamma, epsilon, -1)?;
    // There is no mean; nothing reads it.
    n.become_values(vec![y, inverse, inverse, sum])
}

fn import_simplified(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["stash_type"]);
    let (axis, epsilon) = (n.int("axis", -1)?, n.float("epsilon", 1e-5)?);
    let (x, gamma) = (need(n, 0)?, need(n, 1)?);
    let [y, inverse] = root_mean_square(n, x, gamma, epsilon, axis)?;
    n.become_values(vec![y, inverse])
}

fn import_embed(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["mask_index_type"]);
    let epsilon = n.float("epsilon", 1e-12)?;
    let (words, segments, mask, positions) = (need(n, 0)?, opt(n, 1), opt(n, 7), opt(n, 8));
    let (word_table, position_table, segment_table) = (need(n, 2)?, need(n, 3)?, opt(n, 4));
    let (gamma, beta) = (need(n, 5)?, opt(n, 6));
    let word = emit(n, "Gather", &[], &[word_table, words])?;
    let position = match positions {
        Some(p) => emit(n, "Gather", &[], &[position_table, p])?,
        None => {
            // The positions are those of the sequence.
            let zero = ints(n, "zero", &[0]);
            let length = emit(n, "Shape", &[("start", Attr::Int(1)), ("end", Attr::Int(2))], &[words])?;
            super::slice(n, position_table, zero, length, 0)?
        }
    };
    let mut sum = plus(n, word, Some(position))?;
    if let Some((ids, table)) = segments.zip(segment_table) {
        let segment = emit(n, "Gather", &[], &[table, ids])?;
        sum = plus(n, sum, Some(segment))?;
    }
    let y = layer(n, sum, gamma, beta, epsilon)?;
    // How many words of each sequence are real; 0 for all without a mask.
    let counted = match mask {
        Some(m) => m,
        None => emit(n, "Sub", &[], &[words, words])?,
    };
    let axis = ints(n, "axis", &[1]);
    let lengths = emit(n, "ReduceSum", &[("keepdims", Attr::Int(0))], &[counted, axis])?;
    let lengths = emit(n, "Cast", &[("to", Attr::Int(6))], &[lengths])?;
    n.become_values(vec![y, lengths, sum])
}

/// Group normalisation of a value in the layout that the attributes say, and its activation.
fn group(n: &mut NodeReader, x: ValueId, gamma: ValueId, beta: ValueId) -> Result<ValueId> {
    let (last, groups) = (n.int("channels_last", 1)? != 0, n.need_int("groups")?);
    let (epsilon, activation) = (n.float("epsilon", 1e-5)?, n.int("activation", 0)?);
    let order = |n: &mut NodeReader, v, perm: [i64; 4]| {
        if last { emit(n, "Transpose", &[("perm", Attr::Ints(perm.to_vec()))], &[v]) } else { Ok(v) }
    };
    let first = order(n, x, [0, 3, 1, 2])?;
    // The factors are f32 even where x is f16.
    let (gamma, beta) = (emit(n, "CastLike", &[], &[gamma, x])?, emit(n, "CastLike", &[], &[beta, x])?);
    let attrs = [("num_groups", Attr::Int(groups)), ("epsilon", Attr::Float(epsilon))];
    let y = emit(n, "GroupNormalization", &attrs, &[first, gamma, beta])?;
    let y = order(n, y, [0, 2, 3, 1])?;
    match activation {
        0 => Ok(y),
        1 => emit(n, "Swish", &[], &[y]),
        a => Err(n.error("E2011", format!("attribute 'activation' is {a}")).expected("0 (none) or 1 (SiLU)")),
    }
}

fn import_group(n: &mut NodeReader) -> Result<Attrs> {
    let (x, gamma, beta) = (need(n, 0)?, need(n, 1)?, need(n, 2)?);
    let y = group(n, x, gamma, beta)?;
    n.become_values(vec![y])
}

fn import_skip_group(n: &mut NodeReader) -> Result<Attrs> {
    let (x, gamma, beta, mut skip, bias) = (need(n, 0)?, need(n, 1)?, need(n, 2)?, need(n, 3)?, opt(n, 4));
    if rank(n, skip) == Some(2) {
        let axes = ints(n, "axes", &[1, 2]);
        skip = emit(n, "Unsqueeze", &[], &[skip, axes])?;
    }
    let sum = plus(n, x, Some(skip))?;
    let sum = plus(n, sum, bias)?;
    let y = group(n, sum, gamma, beta)?;
    n.become_values(vec![y, sum])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_norm");
    }
}
