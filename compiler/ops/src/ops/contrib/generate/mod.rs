//! ONNX Runtime's operators that generate text: the node has a decoder as a graph, and runs it once for each token.
//!
//! They become graphs of other operators on import, around a Loop in whose body the decoder is; so all that holds for those
//! holds for these. Tokens are 32-bit integers, numbers of tokens are computed with as 32-bit floats.
//!
//! Does NOT support decoders for CUDA's kernels, which share buffers of past and present; Whisper's rules for timestamps, its
//! results about attention and silence.

mod beams;
mod draw;
mod gpt;
mod greedy;
mod logits;
mod model;
mod pair;
#[cfg(test)]
mod tests;
mod words;

use super::{DOMAIN, need, opt};
use crate::infer::unknown_type;
use crate::prelude::*;
use logits::Rules;
use onnxc_ir::graph::{Region, ValueId};
use words::*;

/// BeamSearch.
pub static BEAM: OpDef = OpDef::composed(DOMAIN, "BeamSearch", &[(1, import_beams)]);

/// GreedySearch.
pub static GREEDY: OpDef = OpDef::composed(DOMAIN, "GreedySearch", &[(1, greedy::import)]);

/// Sampling.
pub static SAMPLING: OpDef = OpDef::composed(DOMAIN, "Sampling", &[(1, greedy::import_sampling)]);

/// WhisperBeamSearch.
pub static WHISPER: OpDef = OpDef::composed(DOMAIN, "WhisperBeamSearch", &[(1, import_whisper)]);

/// The most beams, as in ONNX Runtime.
const MAX_BEAMS: usize = 128;

/// Where inputs are that all operators have.
struct Inputs {
    repetition: usize,
    /// Of the vocabulary, of the first token, of attention.
    masks: usize,
}

/// What all operators have.
struct Common {
    /// Input 0, and the mask of attention.
    ids: ValueId,
    mask: Option<ValueId>,
    max_length: ValueId,
    rules: Rules,
    pad: i64,
}

fn common(n: &mut NodeReader, inputs: Inputs) -> Result<Common> {
    let (eos, pad) = (n.need_int("eos_token_id")?, n.need_int("pad_token_id")?);
    for (name, token) in [("eos_token_id", eos), ("pad_token_id", pad)] {
        if i32::try_from(token).is_err() || token < 0 {
            return Err(n.error("E2011", format!("attribute '{name}' is {token}")).expected("a token's number"));
        }
    }
    model::check_vocabulary(n)?;
    let ngram = n.int("no_repeat_ngram_size", 0)?;
    let ngram = usize::try_from(ngram.max(0))
        .ok()
        .filter(|s| *s <= 64)
        .ok_or_else(|| n.error("E2020", format!("'no_repeat_ngram_size' is {ngram}")).expected("at most 64"))?;
    let (ids, max_length) = (need(n, 0)?, need(n, 1)?);
    let max_length = given(n, max_length, DType::I64)?;
    let min_length = opt(n, 2).map(|v| given(n, v, DType::I64)).transpose()?;
    let repetition = opt(n, inputs.repetition).filter(|v| !is_one(n, *v));
    let repetition = repetition.map(|v| given(n, v, DType::F32)).transpose()?;
    let [mask, first_mask, attention] = [0, 1, 2].map(|k| opt(n, inputs.masks + k));
    let rules = Rules { ngram, eos, repetition, mask, first_mask, min_length, ..Rules::default() };
    Ok(Common { ids, mask: attention, max_length, rules, pad })
}

/// Refuses models that only BeamSearch knows, as ONNX Runtime does.
fn only_gpt(n: &mut NodeReader) -> Result<()> {
    n.ignore(&["decoder_start_token_id"]);
    match n.int("model_type", 0)? {
        0 => Ok(()),
        other => Err(n.error("E2020", format!("'model_type' is {other}")).expected("0, a decoder like GPT-2's")),
    }
}

fn import_beams(n: &mut NodeReader) -> Result<Attrs> {
    let kind = n.int("model_type", 0)?;
    let common = common(n, Inputs { repetition: 6, masks: 7 })?;
    search(n, common, kind)
}

fn import_whisper(n: &mut NodeReader) -> Result<Attrs> {
    if n.int("model_type", 2)? != 2 || n.int("decoder_output_cross_qk", 0)? != 0 {
        return Err(n.error("E2020", "what the decoder gives of its attention is not supported"));
    }
    // Tokens that only a kind of logits_processor looks at, and results that a node doesn't list.
    let tokens = ["beginning_timestamp", "no_speech", "no_timestamps", "start_of_lm", "transcribe", "translate"];
    tokens.iter().for_each(|t| n.ignore(&[&format!("{t}_token_id")]));
    for (i, what) in [(12, "cross_qk_layer_head"), (13, "extra_decoding_ids")] {
        super::unsupported(n, i, what)?;
    }
    let mut common = common(n, Inputs { repetition: 6, masks: 7 })?;
    common.rules.temperature = opt(n, 14).map(|v| given(n, v, DType::F32)).transpose()?;
    search(n, common, 2)
}

fn search(n: &mut NodeReader, common: Common, kind: i64) -> Result<Attrs> {
    let early = n.int("early_stopping", 0)? == 1;
    let start = n.int("decoder_start_token_id", -1)?;
    let Common { ids, mask, max_length, rules, pad } = common;
    let (beams, returned) = (need(n, 3)?, need(n, 4)?);
    let single = is_one(n, beams);
    let most = n.constant("most", Tensor::from_slice(&[MAX_BEAMS], &[0f32; MAX_BEAMS]));
    let beams = marks(n, beams, most)?;
    let returned = marks(n, returned, beams)?;
    let (beams, returned) = (extent(n, beams, 0)?, extent(n, returned, 0)?);
    let length_penalty = opt(n, 5).filter(|v| !is_one(n, *v));
    let length_penalty = length_penalty.map(|v| given(n, v, DType::F32)).transpose()?;
    if let Some(v) = opt(n, 11)
        && n.graph.constant(v).and_then(Tensor::to_i64) != Some(vec![0])
    {
        return Err(n.error("E2020", "input 11, logits_processor, is not supported yet").expected("0, or none"));
    }
    let (model, run) = match kind {
        0 => gpt::start(n, ids, mask, pad)?,
        1 | 2 => {
            let ids = decoder_start(n, kind, ids, start)?;
            let mask = if kind == 1 { Some(mask.map_or_else(|| encoder_mask(n, need(n, 0)?, pad), Ok)?) } else { None };
            pair::start(n, need(n, 0)?, mask, ids)?
        }
        _ => return Err(n.error("E2011", format!("'model_type' is {kind}")).expected("0, 1 or 2")),
    };
    let samples = extent(n, ids, 0)?;
    let rows = op(n, "Mul", &[samples, beams])?;
    let search =
        beams::Search { beams, single, samples, rows, max_length, length_penalty, returned, early, rules, pad };
    let results = search.run(n, model, run)?;
    n.become_values(results.to_vec())
}

/// The decoder's first tokens [samples, length]: those of input 10 (Whisper's), or one of an attribute.
fn decoder_start(n: &mut NodeReader, kind: i64, input: ValueId, start: i64) -> Result<ValueId> {
    if let Some(ids) = opt(n, 10).filter(|_| kind == 2) {
        return Ok(ids);
    }
    let Some(start) = i32::try_from(start).ok().filter(|s| *s >= 0) else {
        return Err(n.error("E2012", "attribute 'decoder_start_token_id' is missing").expected("a token's number"));
    };
    let (samples, one) = (extent(n, input, 0)?, item(n, 1));
    filled(n, start, &[samples, one])
}

/// The encoder's mask: only padding before the first token counts as such.
fn encoder_mask(n: &mut NodeReader, ids: ValueId, pad: i64) -> Result<ValueId> {
    let (pad, axis, zero) = (scalar(n, pad as i32), scalar(n, 1i64), scalar(n, 0i32));
    let padding = op(n, "Equal", &[ids, pad])?;
    let tokens = op(n, "Not", &[padding])?;
    let tokens = as_type(n, tokens, DType::I32)?;
    let before = op(n, "CumSum", &[tokens, axis])?;
    let begun = op(n, "Greater", &[before, zero])?;
    as_type(n, begun, DType::I32)
}

/// Is it a constant 1?
fn is_one(n: &NodeReader, v: ValueId) -> bool {
    n.graph.constant(v).and_then(Tensor::to_f64).is_some_and(|v| v == [1.0])
}

/// Has a row not ended?
fn any_left(n: &mut NodeReader, ended: ValueId) -> Result<ValueId> {
    let ended = as_type(n, ended, DType::I32)?;
    let all = super::emit(n, "ReduceMin", &[("keepdims", Attr::Int(0))], &[ended])?;
    let zero = scalar(n, 0i32);
    op(n, "Equal", &[all, zero])
}

/// A body with parameters for the iteration's number, the condition, values and states.
fn body(n: &mut NodeReader, values: &[&str], states: usize) -> Region {
    let one = |dtype| Type::tensor(dtype, vec![]);
    let mut params = vec![n.param("number", one(DType::I64)), n.param("holds", one(DType::Bool))];
    params.extend(values.iter().map(|v| n.param(v, unknown_type())));
    params.extend((0..states).map(|_| n.param("state", unknown_type())));
    Region { params, nodes: vec![], results: vec![] }
}

/// Tokens [rows, length] with padding up to a length.
fn padded(n: &mut NodeReader, tokens: ValueId, length: ValueId, pad: i64) -> Result<ValueId> {
    let (rows, held) = (extent(n, tokens, 0)?, extent(n, tokens, 1)?);
    let left = op(n, "Sub", &[length, held])?;
    let rest = filled(n, pad as i32, &[rows, left])?;
    along(n, "Concat", 1, &[tokens, rest])
}
