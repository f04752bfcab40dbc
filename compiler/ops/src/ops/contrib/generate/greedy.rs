//! GreedySearch and Sampling: one sequence for each sample, of the tokens with the greatest numbers, or of drawn ones.
//!
//! Inputs: the prompts [samples, length], the length of the output, the least length, a penalty for repetition, a mask of
//! the vocabulary, another one for the first token, a mask of attention; Sampling's also a mask of tokens that lose
//! `presence_penalty`, and a seed. Output: the sequences [samples, length of the output]. Behind the end of a sequence is
//! padding, the end itself included, as ONNX Runtime has it; where that stops since all sequences have ended, its output is
//! undefined, and padding here.

use super::draw::Draw;
use super::logits::Rules;
use super::model::{Model, Run};
use super::words::*;
use super::{Common, Inputs, any_left, body, common, given, gpt, only_gpt, padded};
use crate::ops::contrib::{emit, opt};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, Region, ValueId};

/// How tokens are chosen.
struct Search {
    rules: Rules,
    /// None: the one with the greatest number.
    draw: Option<Draw>,
    max_length: ValueId,
    pad: i64,
}

pub(super) fn import(n: &mut NodeReader) -> Result<Attrs> {
    let common = common(n, Inputs { repetition: 3, masks: 4 })?;
    search(n, common, None)
}

pub(super) fn import_sampling(n: &mut NodeReader) -> Result<Attrs> {
    let mut common = common(n, Inputs { repetition: 3, masks: 4 })?;
    let temperature = n.float("temperature", 1.0)?;
    if temperature > 0.0 && temperature != 1.0 {
        common.rules.temperature = Some(scalar(n, temperature));
    }
    let penalty = n.float("presence_penalty", 0.0)?;
    if let Some(mask) = opt(n, 7).filter(|_| penalty != 0.0) {
        let (mask, penalty) = (as_type(n, mask, DType::F32)?, scalar(n, penalty));
        common.rules.presence = Some(op(n, "Mul", &[mask, penalty])?);
    }
    let seed = match opt(n, 8) {
        Some(seed) => given(n, seed, DType::I64)?,
        None => item(n, 0),
    };
    let draw = Draw::read(n, seed)?;
    search(n, common, Some(draw))
}

fn search(n: &mut NodeReader, common: Common, draw: Option<Draw>) -> Result<Attrs> {
    only_gpt(n)?;
    let Common { ids, mask, max_length, rules, pad } = common;
    let (model, run) = gpt::start(n, ids, mask, pad)?;
    let sequences = Search { rules, draw, max_length, pad }.run(n, &model, run)?;
    n.become_values(vec![sequences])
}

impl Search {
    /// All tokens, from what the first run gave on.
    fn run(&self, n: &mut NodeReader, model: &Model, run: Run) -> Result<ValueId> {
        let scores = self.rules.apply(n, run.scores, model.start, true)?;
        let first = scalar(n, 0i64);
        let (sequences, ended) = self.step(n, scores, model.start, first, None)?;
        let goes_on = any_left(n, ended)?;
        let length = extent(n, sequences, 1)?;
        let trips = op(n, "Sub", &[self.max_length, length])?;
        let mut carried = vec![Some(trips), Some(goes_on), Some(sequences), Some(ended)];
        carried.extend(run.states.iter().copied().map(Some));
        let region = self.iteration(n, model, run.states.len())?;
        let outputs = carried.len() - 2;
        let all = n.emit_regions(OpName::onnx("Loop"), Attrs::default(), &carried, outputs, vec![region])[0];
        padded(n, all, self.max_length, self.pad)
    }

    /// The loop's body.
    fn iteration(&self, n: &mut NodeReader, model: &Model, states: usize) -> Result<Region> {
        let mut region = body(n, &["sequences", "ended"], states);
        let [number, _, sequences, ended] = region.params[..4] else { unreachable!("just made") };
        let states = region.params[4..].to_vec();
        region.results = n.inside(&mut region, |n| {
            let run = model.next(n, number, sequences, &states)?;
            let scores = self.rules.apply(n, run.scores, sequences, false)?;
            let one = scalar(n, 1i64);
            let step = op(n, "Add", &[number, one])?;
            let (sequences, ended) = self.step(n, scores, sequences, step, Some(ended))?;
            let mut results = vec![any_left(n, ended)?, sequences, ended];
            results.extend(run.states);
            Ok(results)
        })?;
        Ok(region)
    }

    /// The sequences with a token more, and which of them have ended.
    fn step(
        &self,
        n: &mut NodeReader,
        scores: ValueId,
        sequences: ValueId,
        step: ValueId,
        ended: Option<ValueId>,
    ) -> Result<(ValueId, ValueId)> {
        let best = match &self.draw {
            Some(draw) => draw.tokens(n, scores, step)?,
            None => emit(n, "ArgMax", &[("axis", Attr::Int(1)), ("keepdims", Attr::Int(0))], &[scores])?,
        };
        let eos = scalar(n, self.rules.eos);
        let mut ends = op(n, "Equal", &[best, eos])?;
        if let Some(ended) = ended {
            ends = op(n, "Or", &[ends, ended])?;
        }
        let (pad, best) = (scalar(n, self.pad as i32), as_type(n, best, DType::I32)?);
        let tokens = op(n, "Where", &[ends, pad, best])?;
        let tokens = at_axes(n, "Unsqueeze", tokens, &[1])?;
        Ok((along(n, "Concat", 1, &[sequences, tokens])?, ends))
    }
}
