//! BeamSearch: the sequences of the greatest sums of logarithms of probabilities, as far as so many beams find them.
//!
//! In each step the best tokens of all beams of a sample, twice as many as beams, are candidates. Those among the first half
//! that end a sequence make it a finished one, with its sum divided by a power of its length; the first others are the
//! beams' next tokens. Of the finished ones a sample keeps as many as it has beams. It has ended when it has these, and stops
//! early or can find no better ones.
//!
//! As ONNX Runtime has it: whether a sample can find better ones is asked of `beams * 2` sums from place `sample * beams` of
//! all samples' candidates on, so of others' too. The beams of a sample that has ended go on with padding, behind the first
//! row of all.

use super::logits::Rules;
use super::model::{Model, Run};
use super::words::*;
use super::{any_left, body};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, Region, ValueId};

/// The score of a beam that hasn't begun, and of no sequence.
const LATER: f32 = -1e9;
const NONE: f32 = f32::NEG_INFINITY;

/// What is the same in all steps. Numbers are lists of one.
pub(super) struct Search {
    pub beams: ValueId,
    /// There is one beam in all runs.
    pub single: bool,
    pub samples: ValueId,
    /// Their product.
    pub rows: ValueId,
    pub max_length: ValueId,
    pub length_penalty: Option<ValueId>,
    pub returned: ValueId,
    pub early: bool,
    pub rules: Rules,
    pub pad: i64,
}

/// What is found so far.
#[derive(Clone, Copy)]
struct Found {
    /// [samples, beams], falling; nothing: minus infinity.
    scores: ValueId,
    /// [samples, beams, length of the output].
    tokens: ValueId,
    /// How many there are [samples].
    count: ValueId,
    /// Which samples have ended [samples].
    ended: ValueId,
}

/// The beams.
#[derive(Clone, Copy)]
struct Beams {
    /// [rows, length].
    sequences: ValueId,
    /// [samples, beams].
    scores: ValueId,
}

/// What a step gives.
struct Step {
    beams: Beams,
    found: Found,
    /// The row that each row goes on from.
    rows: ValueId,
}

impl Search {
    /// Everything; gives sequences, their scores and the steps' scores.
    pub(super) fn run(&self, n: &mut NodeReader, mut model: Model, run: Run) -> Result<[ValueId; 3]> {
        let first = self.rules.apply_log(n, run.scores, model.start, true)?;
        let scores = self.first_scores(n, first)?;
        let rows = counted(n, self.rows)?;
        let owners = op(n, "Div", &[rows, self.beams])?;
        let sequences = along(n, "Gather", 0, &[model.start, owners])?;
        let beams = Beams { sequences, scores };
        let found = self.nothing(n)?;
        let step = self.step(n, scores, beams, found, true)?;
        let mut states = run.states;
        if !self.single {
            let from = op(n, "Div", &[step.rows, self.beams])?;
            for state in &mut states {
                *state = along(n, "Gather", model.rows(), &[*state, from])?;
            }
            model.spread(n, owners)?;
        }
        let (beams, found, more) = self.steps(n, &model, &step, &states)?;
        let [tokens, values] = self.finish(n, beams, found)?;
        let steps = self.all_scores(n, scores, more, model.start)?;
        Ok([tokens, values, steps])
    }

    /// The loop; gives the last beams, what is found, and the steps' scores.
    fn steps(
        &self,
        n: &mut NodeReader,
        model: &Model,
        step: &Step,
        states: &[ValueId],
    ) -> Result<(Beams, Found, ValueId)> {
        let goes_on = any_left(n, step.found.ended)?;
        let length = extent(n, step.beams.sequences, 1)?;
        let trips = op(n, "Sub", &[self.max_length, length])?;
        let Found { scores, tokens, count, ended } = step.found;
        let mut inputs = vec![trips, goes_on, step.beams.sequences, step.beams.scores, scores, tokens, count, ended];
        inputs.extend(states);
        let outputs = inputs.len() - 1;
        let inputs: Vec<_> = inputs.into_iter().map(Some).collect();
        let region = self.iteration(n, model, states.len())?;
        let all = n.emit_regions(OpName::onnx("Loop"), Attrs::default(), &inputs, outputs, vec![region]);
        let beams = Beams { sequences: all[0], scores: all[1] };
        let found = Found { scores: all[2], tokens: all[3], count: all[4], ended: all[5] };
        Ok((beams, found, *all.last().expect("the steps' scores")))
    }

    /// The loop's body.
    fn iteration(&self, n: &mut NodeReader, model: &Model, states: usize) -> Result<Region> {
        let mut region = body(n, &["sequences", "scores", "found", "tokens", "count", "ended"], states);
        let [number, _, sequences, scores, found, tokens, count, ended] = region.params[..8] else {
            unreachable!("just made")
        };
        let states = region.params[8..].to_vec();
        region.results = n.inside(&mut region, |n| {
            let beams = Beams { sequences, scores };
            let run = model.next(n, number, sequences, &states)?;
            let scores = self.next_scores(n, run.scores, beams)?;
            let step = self.step(n, scores, beams, Found { scores: found, tokens, count, ended }, false)?;
            let Found { scores: found, tokens, count, ended } = step.found;
            let goes_on = any_left(n, ended)?;
            let mut results = vec![goes_on, step.beams.sequences, step.beams.scores, found, tokens, count, ended];
            for state in run.states {
                results.push(match self.single {
                    true => state,
                    false => along(n, "Gather", model.rows(), &[state, step.rows])?,
                });
            }
            results.push(scores);
            Ok(results)
        })?;
        Ok(region)
    }

    /// The scores [samples, beams, vocabulary] of all tokens behind the prompts: those of one beam count.
    fn first_scores(&self, n: &mut NodeReader, scores: ValueId) -> Result<ValueId> {
        let (beams, zero) = (counted(n, self.beams)?, scalar(n, 0i64));
        let first = op(n, "Equal", &[beams, zero])?;
        let (none, later) = (scalar(n, 0f32), scalar(n, LATER));
        let start = op(n, "Where", &[first, none, later])?;
        let start = at_axes(n, "Unsqueeze", start, &[1])?;
        let scores = at_axes(n, "Unsqueeze", scores, &[1])?;
        op(n, "Add", &[scores, start])
    }

    /// The same behind the beams.
    fn next_scores(&self, n: &mut NodeReader, scores: ValueId, beams: Beams) -> Result<ValueId> {
        let scores = self.rules.apply_log(n, scores, beams.sequences, false)?;
        let tokens = extent(n, scores, 1)?;
        let scores = shaped(n, scores, &[self.samples, self.beams, tokens])?;
        let before = at_axes(n, "Unsqueeze", beams.scores, &[2])?;
        op(n, "Add", &[scores, before])
    }

    /// Nothing found.
    fn nothing(&self, n: &mut NodeReader) -> Result<Found> {
        let (samples, beams, length) = (self.samples, self.beams, self.max_length);
        let scores = filled(n, NONE, &[samples, beams])?;
        let tokens = filled(n, self.pad as i32, &[samples, beams, length])?;
        let (count, zero) = (filled(n, 0i64, &[samples])?, scalar(n, 0i64));
        let ended = op(n, "Less", &[count, zero])?;
        Ok(Found { scores, tokens, count, ended })
    }

    /// What comes of the scores of all tokens.
    fn step(&self, n: &mut NodeReader, scores: ValueId, beams: Beams, found: Found, first: bool) -> Result<Step> {
        let (tokens, two) = (extent(n, scores, 2)?, item(n, 2));
        let (all, twice) = (op(n, "Mul", &[self.beams, tokens])?, op(n, "Mul", &[self.beams, two])?);
        let flat = shaped(n, scores, &[self.samples, all])?;
        let (best, at) = top(n, flat, twice)?;
        let (beam, token) = (op(n, "Div", &[at, tokens])?, op(n, "Mod", &[at, tokens])?);
        let eos = scalar(n, self.rules.eos);
        let ends = op(n, "Equal", &[token, eos])?;
        let rows = self.rows_of(n, beam)?;
        let after = self.finished(n, best, ends, rows, beams, found)?;
        // The first that don't end, in their order.
        let places = counted(n, twice)?;
        let late = op(n, "Add", &[places, twice])?;
        let order = op(n, "Where", &[ends, late, places])?;
        let least = [("axis", Attr::Int(1)), ("largest", Attr::Int(0))];
        let go_on = n.emit(OpName::onnx("TopK"), &least, &[Some(order), Some(self.beams)], 2)?[1];
        let mut picked = [best, token, rows];
        for v in &mut picked {
            *v = along(n, "GatherElements", 1, &[*v, go_on])?;
        }
        if !first {
            let ended = at_axes(n, "Unsqueeze", found.ended, &[1])?;
            let none = [scalar(n, 0f32), scalar(n, self.pad), scalar(n, 0i64)];
            for (v, none) in picked.iter_mut().zip(none) {
                *v = op(n, "Where", &[ended, none, *v])?;
            }
        }
        let [scores, token, rows] = picked;
        let (rows, one) = (shaped(n, rows, &[self.rows])?, item(n, 1));
        let token = shaped(n, token, &[self.rows, one])?;
        let token = as_type(n, token, DType::I32)?;
        let sequences = along(n, "Gather", 0, &[beams.sequences, rows])?;
        let sequences = along(n, "Concat", 1, &[sequences, token])?;
        Ok(Step { beams: Beams { sequences, scores }, found: after, rows })
    }

    /// The rows of beams that samples count by themselves.
    fn rows_of(&self, n: &mut NodeReader, beam: ValueId) -> Result<ValueId> {
        let samples = counted(n, self.samples)?;
        let first = op(n, "Mul", &[samples, self.beams])?;
        let first = at_axes(n, "Unsqueeze", first, &[1])?;
        op(n, "Add", &[first, beam])
    }

    /// Takes in the sequences that end, by the candidates' sums, whether they end, and their rows.
    fn finished(
        &self,
        n: &mut NodeReader,
        best: ValueId,
        ends: ValueId,
        rows: ValueId,
        beams: Beams,
        found: Found,
    ) -> Result<Found> {
        let zero = item(n, 0);
        let mut half = [best, ends, rows];
        for v in &mut half {
            *v = super::super::slice(n, *v, zero, self.beams, 1)?;
        }
        let [sums, ends, rows] = half;
        let going = op(n, "Not", &[found.ended])?;
        let column = at_axes(n, "Unsqueeze", going, &[1])?;
        let new = op(n, "And", &[ends, column])?;
        let length = extent(n, beams.sequences, 1)?;
        let values = self.values(n, sums, length)?;
        let none = scalar(n, NONE);
        let values = op(n, "Where", &[new, values, none])?;
        let tokens = along(n, "Gather", 0, &[beams.sequences, rows])?;
        let [tokens, scores] = self.merged(n, found, tokens, values, self.beams)?;
        let new = as_type(n, new, DType::I64)?;
        let axis = item(n, 1);
        let more = super::super::emit(n, "ReduceSum", &[("keepdims", Attr::Int(0))], &[new, axis])?;
        let count = op(n, "Add", &[found.count, more])?;
        let mut ends = op(n, "GreaterOrEqual", &[count, self.beams])?;
        if !self.early {
            let best = self.best_sums(n, best)?;
            let best = self.divided(n, best, length)?;
            let worst = place(n, scores, 1, -1)?;
            let done = op(n, "GreaterOrEqual", &[worst, best])?;
            ends = op(n, "And", &[ends, done])?;
        }
        let ended = op(n, "Or", &[found.ended, ends])?;
        Ok(Found { scores, tokens, count, ended })
    }

    /// The best sum for each sample, of as many candidates as one has.
    fn best_sums(&self, n: &mut NodeReader, sums: ValueId) -> Result<ValueId> {
        let (two, axis) = (item(n, 2), item(n, 1));
        let halves = op(n, "Mul", &[self.samples, two])?;
        let halves = shaped(n, sums, &[halves, self.beams])?;
        let best = super::super::emit(n, "ReduceMax", &[("keepdims", Attr::Int(0))], &[halves, axis])?;
        let (zero, one) = (item(n, 0), item(n, 1));
        let end = op(n, "Add", &[self.samples, one])?;
        let first = super::super::slice(n, best, zero, self.samples, 0)?;
        let second = super::super::slice(n, best, one, end, 0)?;
        op(n, "Max", &[first, second])
    }

    /// Sums over a power of the length.
    fn divided(&self, n: &mut NodeReader, sums: ValueId, length: ValueId) -> Result<ValueId> {
        let length = as_type(n, length, DType::F32)?;
        let by = self.length_penalty.map_or(Ok(length), |p| op(n, "Pow", &[length, p]))?;
        op(n, "Div", &[sums, by])
    }

    /// Scores of sequences of a length: such as any of `NONE` is less than.
    fn values(&self, n: &mut NodeReader, sums: ValueId, length: ValueId) -> Result<ValueId> {
        let (values, least) = (self.divided(n, sums, length)?, scalar(n, f32::MIN));
        op(n, "Max", &[values, least])
    }

    /// The best `take` of what is found and others [samples, beams, length]; of equal ones those that were there before.
    fn merged(
        &self,
        n: &mut NodeReader,
        found: Found,
        tokens: ValueId,
        values: ValueId,
        take: ValueId,
    ) -> Result<[ValueId; 2]> {
        let held = extent(n, tokens, 2)?;
        let left = op(n, "Sub", &[self.max_length, held])?;
        let rest = filled(n, self.pad as i32, &[self.samples, self.beams, left])?;
        let all = along(n, "Concat", 2, &[tokens, rest])?;
        let all = along(n, "Concat", 1, &[found.tokens, all])?;
        let values = along(n, "Concat", 1, &[found.scores, values])?;
        let (values, at) = top(n, values, take)?;
        // As wide as the sequences, without a Reshape: that wouldn't know how long they are.
        let (zeros, column) = (filled(n, 0i64, &[self.max_length])?, at_axes(n, "Unsqueeze", at, &[2])?);
        let at = op(n, "Add", &[column, zeros])?;
        Ok([along(n, "GatherElements", 1, &[all, at])?, values])
    }

    /// The sequences to give and their scores: beams of samples that haven't ended count as finished.
    fn finish(&self, n: &mut NodeReader, beams: Beams, found: Found) -> Result<[ValueId; 2]> {
        let length = extent(n, beams.sequences, 1)?;
        let values = self.values(n, beams.scores, length)?;
        let (ended, none) = (at_axes(n, "Unsqueeze", found.ended, &[1])?, scalar(n, NONE));
        let values = op(n, "Where", &[ended, none, values])?;
        let tokens = shaped(n, beams.sequences, &[self.samples, self.beams, length])?;
        self.merged(n, found, tokens, values, self.returned)
    }

    /// The scores of all steps [steps, samples, beams, vocabulary]; zero where no step was.
    fn all_scores(&self, n: &mut NodeReader, first: ValueId, more: ValueId, start: ValueId) -> Result<ValueId> {
        let (tokens, one) = (extent(n, first, 2)?, item(n, 1));
        let first = at_axes(n, "Unsqueeze", first, &[0])?;
        let (prompt, made) = (extent(n, start, 1)?, extent(n, more, 0)?);
        let steps = op(n, "Sub", &[self.max_length, prompt])?;
        let left = op(n, "Sub", &[steps, made])?;
        let left = op(n, "Sub", &[left, one])?;
        let rest = filled(n, 0f32, &[left, self.samples, self.beams, tokens])?;
        along(n, "Concat", 0, &[first, more, rest])
    }
}

/// The greatest elements along the last axis, and where they are.
fn top(n: &mut NodeReader, v: ValueId, count: ValueId) -> Result<(ValueId, ValueId)> {
    let found = n.emit(OpName::onnx("TopK"), &[("axis", Attr::Int(-1))], &[Some(v), Some(count)], 2)?;
    Ok((found[0], found[1]))
}
