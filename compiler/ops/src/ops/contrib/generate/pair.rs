//! A decoder behind an encoder, like T5's or Whisper's: it reads tokens, the encoder's mask (not Whisper's), in some models
//! the encoder's result, for each layer the keys and values so far [rows, heads, length, size] and, behind those of all
//! layers, the keys and values of the encoder's tokens; it gives numbers and the first kind of keys and values, longer.
//!
//! An encoder either runs the decoder's first token as well, or gives the second kind of keys and values only.

use super::model::{Empty, Form, Model, Run, graph, last_tokens, misfit, run, run_copy};
use crate::prelude::*;
use onnxc_ir::graph::{Region, ValueId};

/// What its runs read.
pub(super) struct Pair {
    /// The encoder's mask, if it reads that.
    pub mask: Option<ValueId>,
    /// What the encoder has made, the same in all runs.
    pub fixed: Vec<ValueId>,
    /// How many of these stand before the states.
    hidden: usize,
    /// It reads sequences instead of the last tokens.
    whole: bool,
}

const WANTED: &str = "as ONNX Runtime documents encoders and decoders of T5's and Whisper's form";

/// The model and its first run. `mask` is the encoder's, and there if the decoder reads one.
pub(super) fn start(n: &mut NodeReader, input: ValueId, mask: Option<ValueId>, ids: ValueId) -> Result<(Model, Run)> {
    let (encoder, decoder) = (graph(n, "encoder")?, graph(n, "decoder")?);
    let masks = usize::from(mask.is_some());
    let layers = decoder.results.len().saturating_sub(1) / 2;
    let hidden = decoder.params.len().checked_sub(1 + masks + 4 * layers);
    let Some(hidden @ 0..=1) = hidden.filter(|_| layers > 0 && decoder.results.len() % 2 == 1) else {
        let (inputs, outputs) = (decoder.params.len(), decoder.results.len());
        return Err(misfit(n, format!("the decoder has {inputs} inputs and {outputs} outputs"), WANTED));
    };
    let width = n.graph.tensor_type(decoder.params[0]).and_then(|t| t.shape.get(1)?.as_int());
    let mut pair = Pair { mask, fixed: vec![], hidden, whole: width != Some(1) };
    let mut args = vec![input];
    args.extend(mask);
    let (params, results) = (encoder.params.len(), encoder.results.len());
    let run = if (params, results) == (args.len() + 1, 2 + 4 * layers) {
        args.push(ids);
        let made = run_copy(n, &encoder, &args)?;
        pair.fixed.extend(&made[2 - hidden..2]);
        pair.fixed.extend(&made[2 + 2 * layers..]);
        run(n, &[&made[..1], &made[2..2 + 2 * layers]].concat())?
    } else if (params, results, hidden) == (args.len(), 2 * layers, 0) {
        pair.fixed = run_copy(n, &encoder, &args)?;
        let states = pair.empty(n, &decoder, ids, 2 * layers)?;
        let args = pair.args(n, ids, &states)?;
        let made = run_copy(n, &decoder, &args)?;
        run(n, &made)?
    } else {
        return Err(misfit(n, format!("the encoder has {params} inputs and {results} outputs"), WANTED));
    };
    Ok((Model { start: ids, form: Form::Pair(pair) }, run))
}

impl Pair {
    /// What the decoder reads.
    pub(super) fn args(&self, n: &mut NodeReader, sequences: ValueId, states: &[ValueId]) -> Result<Vec<ValueId>> {
        let mut args = vec![if self.whole { sequences } else { last_tokens(n, sequences)? }];
        args.extend(self.mask);
        args.extend(&self.fixed[..self.hidden]);
        args.extend(states);
        args.extend(&self.fixed[self.hidden..]);
        Ok(args)
    }

    /// The states before the first token.
    fn empty(&self, n: &mut NodeReader, decoder: &Region, ids: ValueId, count: usize) -> Result<Vec<ValueId>> {
        let first = 1 + usize::from(self.mask.is_some()) + self.hidden;
        let mut states = Vec::new();
        for &p in &decoder.params[first..first + count] {
            let state = Empty::of(n, p, 0).ok_or_else(|| {
                let found = format!("'{}' is declared as {}", n.graph.values[p].name, n.graph.values[p].ty);
                misfit(n, found, "[batch, heads, length, size] of known heads and size")
            })?;
            states.push(state.emit(n, ids)?);
        }
        Ok(states)
    }
}
