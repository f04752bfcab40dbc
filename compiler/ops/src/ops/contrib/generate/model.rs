//! The decoders that ONNX Runtime's operators of generation run, as graphs of the node: which values they read and give.
//!
//! - GPT-2's (`gpt`): tokens, positions, a mask of attention, and for each layer the keys and values so far
//!   [2, rows, heads, length, size], which the decoder makes longer. The first run reads the prompt.
//! - A decoder behind an encoder (`pair`), like T5's or Whisper's.
//!
//! The first run has a row for each sample, and is apart from the loop, in which all runs read one token: so inference knows
//! that extent, and `init_decoder` is nothing special. Behind it there may be several rows for each sample.

use super::gpt::Gpt;
use super::pair::Pair;
use super::words::*;
use crate::ops::regions::{Now, copy_nodes};
use crate::prelude::*;
use onnxc_ir::graph::{Region, ValueId};

/// What a run of a decoder gives.
pub(super) struct Run {
    /// Numbers for the next token [rows, vocabulary], 32-bit floats.
    pub scores: ValueId,
    /// What the next run reads of this one.
    pub states: Vec<ValueId>,
}

/// The decoder in the loop.
pub(super) struct Model {
    /// What sequences start with [samples, length].
    pub start: ValueId,
    pub form: Form,
}

/// What its runs read besides sequences and states.
pub(super) enum Form {
    Gpt(Gpt),
    Pair(Pair),
}

impl Model {
    /// The axis of the states that is rows.
    pub(super) fn rows(&self) -> i64 {
        if matches!(self.form, Form::Gpt(_)) { 1 } else { 0 }
    }

    /// Gives each sample several rows: `rows` says whose each is.
    pub(super) fn spread(&mut self, n: &mut NodeReader, rows: ValueId) -> Result<()> {
        let values: Vec<&mut ValueId> = match &mut self.form {
            Form::Gpt(gpt) => vec![&mut gpt.mask, &mut gpt.lengths],
            Form::Pair(pair) => pair.fixed.iter_mut().chain(&mut pair.mask).collect(),
        };
        for v in values {
            *v = along(n, "Gather", 0, &[*v, rows])?;
        }
        Ok(())
    }

    /// The run in iteration `number` of the loop, for the sequences so far.
    pub(super) fn next(
        &self,
        n: &mut NodeReader,
        number: ValueId,
        sequences: ValueId,
        states: &[ValueId],
    ) -> Result<Run> {
        let axis = self.rows() + 2;
        let length = extent(n, states[0], axis)?;
        let mut alike = vec![states[0]];
        for &state in &states[1..] {
            alike.push(with_length(n, state, axis, length)?);
        }
        let args = match &self.form {
            Form::Gpt(gpt) => gpt.args(n, number, sequences, &alike)?,
            Form::Pair(pair) => pair.args(n, sequences, &alike)?,
        };
        let results = n.inline_graph("decoder", &args)?.expect("its form was looked at");
        let mut run = run(n, &results)?;
        for (new, &old) in run.states.iter_mut().zip(states).skip(1) {
            let (own, one) = (extent(n, old, axis)?, item(n, 1));
            let longer = op(n, "Add", &[own, one])?;
            *new = with_length(n, *new, axis, longer)?;
        }
        Ok(run)
    }
}

/// A state under the length of another one, which it has: each changes in the loop by itself as far as inference knows, and
/// what a decoder makes of several would have to be compared in every run. Behind the decoder each has its own again.
fn with_length(n: &mut NodeReader, state: ValueId, axis: i64, length: ValueId) -> Result<ValueId> {
    let before = super::super::emit(n, "Shape", &[("end", Attr::Int(axis))], &[state])?;
    let after = super::super::emit(n, "Shape", &[("start", Attr::Int(axis + 1))], &[state])?;
    shaped(n, state, &[before, length, after])
}

/// Takes the graph of an attribute; it stays there for `inline_graph`.
pub(super) fn graph(n: &mut NodeReader, name: &str) -> Result<Region> {
    n.region(name)?;
    Ok(n.regions.pop().expect("just taken"))
}

/// Refuses a number of tokens that isn't the decoder's: ONNX Runtime takes rows of that length out of any others.
pub(super) fn check_vocabulary(n: &mut NodeReader) -> Result<()> {
    let size = n.int("vocab_size", 0)?;
    let logits = graph(n, "decoder")?.results.first().copied();
    let own = logits.and_then(|v| n.graph.tensor_type(v)?.shape.last()?.as_int());
    match own.filter(|own| size > 0 && *own != size) {
        Some(own) => Err(n.error("E2020", format!("'vocab_size' is {size}, the decoder has numbers for {own} tokens"))),
        None => Ok(()),
    }
}

/// Nodes like a graph's, that read `args`; gives its results.
pub(super) fn run_copy(n: &mut NodeReader, region: &Region, args: &[ValueId]) -> Result<Vec<ValueId>> {
    let mut now: Now = region.params.iter().copied().zip(args.iter().copied()).collect();
    Ok(copy_nodes(n, region, &mut now)?.1)
}

/// A run by its results: the numbers behind the last token, and states.
pub(super) fn run(n: &mut NodeReader, results: &[ValueId]) -> Result<Run> {
    let last = place(n, results[0], 1, -1)?;
    Ok(Run { scores: as_type(n, last, DType::F32)?, states: results[1..].to_vec() })
}

/// The last token of each sequence [rows, 1].
pub(super) fn last_tokens(n: &mut NodeReader, sequences: ValueId) -> Result<ValueId> {
    let last = item(n, -1);
    along(n, "Gather", 1, &[sequences, last])
}

/// A decoder that can't be run.
pub(super) fn misfit(n: &NodeReader, found: String, wanted: &str) -> Diagnostic {
    n.error("E2020", found)
        .expected(wanted)
        .help("decoders for CUDA's kernels, which share buffers of past and present, are not supported")
}

/// A state without a length yet: dtype, and what extents stand around rows and length.
#[derive(PartialEq)]
pub(super) struct Empty {
    pub dtype: DType,
    pub before: Vec<i64>,
    pub heads: i64,
    pub size: i64,
}

impl Empty {
    /// By the type that a decoder declares, whose rows are at an axis.
    pub(super) fn of(n: &NodeReader, v: ValueId, rows: usize) -> Option<Empty> {
        let t = n.graph.tensor_type(v).filter(|t| t.rank() == rows + 4)?;
        let before: Option<Vec<i64>> = t.shape[..rows].iter().map(Sym::as_int).collect();
        let (heads, size) = (t.shape[rows + 1].as_int()?, t.shape[rows + 3].as_int()?);
        Some(Empty { dtype: t.dtype, before: before?, heads, size })
    }

    /// The state for as many rows as `like` has.
    pub(super) fn emit(&self, n: &mut NodeReader, like: ValueId) -> Result<ValueId> {
        let before = super::super::ints(n, "before", &self.before);
        let rows = extent(n, like, 0)?;
        let rest = super::super::ints(n, "rest", &[self.heads, 0, self.size]);
        let shape = list(n, &[before, rows, rest])?;
        let zero = Tensor::zeros(self.dtype, &[1]).expect("a small tensor");
        super::super::emit(n, "ConstantOfShape", &[("value", Attr::Tensor(zero))], &[shape])
    }
}
