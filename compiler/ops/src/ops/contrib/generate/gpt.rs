//! A decoder of GPT-2's form.

use super::model::{Empty, Form, Model, Run, graph, last_tokens, misfit, run, run_copy};
use super::words::*;
use crate::prelude::*;
use onnxc_ir::graph::{Region, ValueId};

/// What its runs read.
pub(super) struct Gpt {
    /// The prompt's mask [rows, length].
    pub mask: ValueId,
    /// How many tokens of the prompt are no padding [rows, 1].
    pub lengths: ValueId,
}

/// The model and its first run.
pub(super) fn start(n: &mut NodeReader, ids: ValueId, mask: Option<ValueId>, pad: i64) -> Result<(Model, Run)> {
    let first = if n.has_graph("init_decoder") { "init_decoder" } else { "decoder" };
    let (first, decoder) = (graph(n, first)?, graph(n, "decoder")?);
    let past = states(n, &first)?;
    if states(n, &decoder)? != past {
        return Err(n.error("E2011", "'init_decoder' and 'decoder' have other states").expected("the same"));
    }
    let pad = scalar(n, pad as i32);
    let padding = op(n, "Equal", &[ids, pad])?;
    let tokens = op(n, "Not", &[padding])?;
    let tokens = as_type(n, tokens, DType::I32)?;
    let axis = scalar(n, 1i64);
    let positions = super::super::emit(n, "CumSum", &[("exclusive", Attr::Int(1))], &[tokens, axis])?;
    let positions = op(n, "Mul", &[positions, tokens])?;
    let lengths = at_axes(n, "ReduceSum", tokens, &[1])?;
    let mask = mask.unwrap_or(tokens);
    let mut args = vec![ids, positions, mask];
    for state in past {
        args.push(state.emit(n, ids)?);
    }
    let results = run_copy(n, &first, &args)?;
    Ok((Model { start: ids, form: Form::Gpt(Gpt { mask, lengths }) }, run(n, &results)?))
}

impl Gpt {
    /// What the decoder reads in iteration `number`: the last token, its position, a mask, states.
    pub(super) fn args(
        &self,
        n: &mut NodeReader,
        number: ValueId,
        sequences: ValueId,
        states: &[ValueId],
    ) -> Result<Vec<ValueId>> {
        let token = last_tokens(n, sequences)?;
        let number = as_type(n, number, DType::I32)?;
        let position = op(n, "Add", &[self.lengths, number])?;
        // As long as what the states hold, and this token: so no run has to compare them.
        let (rows, prompt) = (extent(n, self.mask, 0)?, extent(n, self.mask, 1)?);
        let (held, one) = (extent(n, states[0], 3)?, item(n, 1));
        let all = op(n, "Add", &[held, one])?;
        let made = op(n, "Sub", &[all, prompt])?;
        let made = filled(n, 1i32, &[rows, made])?;
        let mask = along(n, "Concat", 1, &[self.mask, made])?;
        let mut args = vec![token, position, mask];
        args.extend(states);
        Ok(args)
    }
}

/// The states of a decoder.
fn states(n: &NodeReader, decoder: &Region) -> Result<Vec<Empty>> {
    const WANTED: &str = "input_ids, position_ids, attention_mask, past_0 ... as inputs, logits, present_0 ... as outputs; \
                          a past [2, batch, heads, length, size] of known heads and size";
    let (inputs, outputs) = (decoder.params.len(), decoder.results.len());
    if outputs < 2 || inputs != outputs + 2 {
        return Err(misfit(n, format!("the decoder has {inputs} inputs and {outputs} outputs"), WANTED));
    }
    let state = |&p: &ValueId| {
        let found = || format!("'{}' is declared as {}", n.graph.values[p].name, n.graph.values[p].ty);
        Empty::of(n, p, 1).ok_or_else(|| misfit(n, found(), WANTED))
    };
    decoder.params[3..].iter().map(state).collect()
}
