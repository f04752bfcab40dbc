//! What becomes of a decoder's numbers for the next token before one is chosen: penalties, masks, a temperature.

use super::words::*;
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// What rules a token out.
const NEVER: f32 = f32::MIN;

/// The rules, in the order of their use.
#[derive(Default)]
pub(super) struct Rules {
    /// A number of tokens: such as follow each other once aren't generated again. 0: any may be.
    pub ngram: usize,
    /// The end of a sequence.
    pub eos: i64,
    /// Divides positive numbers of tokens that were there before, and multiplies negative ones. Numbers here are lists of one.
    pub repetition: Option<ValueId>,
    /// 0 where a token is never allowed [vocabulary].
    pub mask: Option<ValueId>,
    /// 0 where the first token may not be [batch, vocabulary].
    pub first_mask: Option<ValueId>,
    /// Sequences don't end before.
    pub min_length: Option<ValueId>,
    /// Divides all numbers.
    pub temperature: Option<ValueId>,
    /// What is taken off the numbers [batch, vocabulary].
    pub presence: Option<ValueId>,
}

impl Rules {
    /// The numbers [rows, vocabulary] for what follows the sequences [rows, length].
    pub(super) fn apply(
        &self,
        n: &mut NodeReader,
        mut scores: ValueId,
        sequences: ValueId,
        first: bool,
    ) -> Result<ValueId> {
        if let Some(penalty) = self.repetition {
            scores = repetition(n, scores, sequences, penalty)?;
        }
        if self.ngram > 0 {
            scores = repeats(n, scores, sequences, self.ngram)?;
        }
        for mask in [self.mask, self.first_mask.filter(|_| first)].into_iter().flatten() {
            let allowed = as_type(n, mask, DType::Bool)?;
            let never = scalar(n, NEVER);
            scores = op(n, "Where", &[allowed, scores, never])?;
        }
        if let Some(least) = self.min_length {
            scores = self.unfinished(n, scores, sequences, least)?;
        }
        if let Some(t) = self.temperature {
            scores = op(n, "Div", &[scores, t])?;
        }
        match self.presence {
            Some(by) => op(n, "Sub", &[scores, by]),
            None => Ok(scores),
        }
    }

    /// The same of logarithms of probabilities.
    pub(super) fn apply_log(
        &self,
        n: &mut NodeReader,
        scores: ValueId,
        sequences: ValueId,
        first: bool,
    ) -> Result<ValueId> {
        let scores = along(n, "LogSoftmax", 1, &[scores])?;
        self.apply(n, scores, sequences, first)
    }

    /// No end before a length.
    fn unfinished(&self, n: &mut NodeReader, scores: ValueId, sequences: ValueId, least: ValueId) -> Result<ValueId> {
        let (length, tokens) = (extent(n, sequences, 1)?, extent(n, scores, 1)?);
        let tokens = counted(n, tokens)?;
        let (eos, never) = (scalar(n, self.eos), scalar(n, NEVER));
        let (ends, short) = (op(n, "Equal", &[tokens, eos])?, op(n, "Less", &[length, least])?);
        let forbidden = op(n, "And", &[ends, short])?;
        op(n, "Where", &[forbidden, never, scores])
    }
}

/// Each number of a token of the sequence, once.
fn repetition(n: &mut NodeReader, scores: ValueId, sequences: ValueId, penalty: ValueId) -> Result<ValueId> {
    let zero = scalar(n, 0f32);
    let old = along(n, "GatherElements", 1, &[scores, sequences])?;
    let negative = op(n, "Less", &[old, zero])?;
    let (more, less) = (op(n, "Mul", &[old, penalty])?, op(n, "Div", &[old, penalty])?);
    let new = op(n, "Where", &[negative, more, less])?;
    along(n, "ScatterElements", 1, &[scores, sequences, new])
}

/// Rules out what would make the last `size` tokens such as were there before.
fn repeats(n: &mut NodeReader, scores: ValueId, sequences: ValueId, size: usize) -> Result<ValueId> {
    // Before the sequence stands what is no token, so that there are as many windows as tokens.
    let before = [0, size as i64 - 1, 0, 0];
    let (pads, none) = (super::super::ints(n, "before", &before), scalar(n, -1i32));
    let padded = op(n, "Pad", &[sequences, pads, none])?;
    let length = extent(n, sequences, 1)?;
    let mut same: Option<ValueId> = None;
    for k in 0..size as i64 - 1 {
        let (from, last) = (item(n, k), item(n, k + 1 - size as i64));
        let to = op(n, "Add", &[from, length])?;
        let tokens = super::super::slice(n, padded, from, to, 1)?;
        let last = along(n, "Gather", 1, &[padded, last])?;
        let equal = op(n, "Equal", &[tokens, last])?;
        same = Some(same.map_or(Ok(equal), |s| op(n, "And", &[s, equal]))?);
    }
    let old = along(n, "GatherElements", 1, &[scores, sequences])?;
    let never = scalar(n, NEVER);
    let new = match same {
        Some(same) => op(n, "Where", &[same, never, old])?,
        None => {
            let rows = extent(n, sequences, 0)?;
            filled(n, NEVER, &[rows, length])?
        }
    };
    // A token may follow several windows, one of which rules it out.
    let how = [("axis", Attr::Int(1)), ("reduction", Attr::Str("min".into()))];
    super::super::emit(n, "ScatterElements", &how, &[scores, sequences, new])
}
