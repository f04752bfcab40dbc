//! Recurrent layers: RNN, GRU, LSTM; forward, reverse or both.
//!
//! All since 1; GRU 3: `linear_before_reset`; 7: `output_sequence` goes (it only said whether Y is wanted); 14: `layout`;
//! 22: bf16.
//! From here down: `activations` are there for each direction, in lower case, with `alpha` and `beta` for each of them.
//! f16 and bf16 are computed in f32. A length in `sequence_lens` that is out of range ends the run with status 2; steps
//! behind a length are 0 in Y. `clip` bounds what goes into the gates' activations, not what goes into LSTM's last one
//! (as ONNX Runtime has it).
//!
//! On import a layer becomes its input's part of the gates, one product over all time steps; its recurrent weights in the
//! order that steps read; and the steps.
//!
//! - `activation`: the functions. - `parts`: what is done before the first step. - `layer`, `blocks`, `gates`, `steps`:
//!   what all three kinds share. - `cell`: what differs. - `beside`: a product of what the layer gives. - `quantised`: an
//!   LSTM of 8-bit weights.
//!
//! Does NOT run batches or directions in parallel.

mod activation;
mod beside;
mod blocks;
mod cell;
mod gates;
mod layer;
mod parts;
mod quantised;
mod steps;
mod tiles;

pub use beside::{TILE, rows_beside};
pub use parts::{BIAS, COLUMNS, INPUT, WEIGHTS};
pub use quantised::DYNAMIC_LSTM;
pub use steps::DEF as STEPS;

use super::INNER;
use super::elementwise::{Class, tensor, tensor_of};
use crate::prelude::*;
use activation::import_activations;
use onnxc_ir::graph::{OpName, ValueId};

/// Hidden units of a block of weights: a vector of the widest machines, several of others.
const BLOCK: i64 = 16;

/// RNN.
pub static RNN: OpDef =
    OpDef::composed("", "RNN", &[(1, import_rnn), (7, import_rnn), (14, import_rnn), (22, import_rnn)]);

/// GRU.
pub static GRU: OpDef = OpDef::composed(
    "",
    "GRU",
    &[(1, import_gru), (3, import_gru), (7, import_gru), (14, import_gru), (22, import_gru)],
);

/// LSTM.
pub static LSTM: OpDef =
    OpDef::composed("", "LSTM", &[(1, import_lstm), (7, import_lstm), (14, import_lstm), (22, import_lstm)]);

/// Which layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rnn,
    Gru,
    Lstm,
}

impl Kind {
    /// By the name in an attribute.
    fn of(name: Option<&str>) -> Kind {
        match name {
            Some("LSTM") => Kind::Lstm,
            Some("GRU") => Kind::Gru,
            _ => Kind::Rnn,
        }
    }
    fn name(self) -> &'static str {
        match self {
            Kind::Rnn => "RNN",
            Kind::Gru => "GRU",
            Kind::Lstm => "LSTM",
        }
    }
    fn gates(self) -> i64 {
        match self {
            Kind::Rnn => 1,
            Kind::Gru => 3,
            Kind::Lstm => 4,
        }
    }
    /// The default functions.
    fn functions(self) -> &'static [&'static str] {
        match self {
            Kind::Rnn => &["tanh"],
            Kind::Gru => &["sigmoid", "tanh"],
            Kind::Lstm => &["sigmoid", "tanh", "tanh"],
        }
    }
    fn activations(self) -> usize {
        self.functions().len()
    }
}

fn import_rnn(n: &mut NodeReader) -> Result<Attrs> {
    import(n, Kind::Rnn, None)
}

fn import_gru(n: &mut NodeReader) -> Result<Attrs> {
    import(n, Kind::Gru, Some("linear_before_reset"))
}

fn import_lstm(n: &mut NodeReader) -> Result<Attrs> {
    import(n, Kind::Lstm, Some("input_forget"))
}

fn import(n: &mut NodeReader, kind: Kind, flag: Option<&str>) -> Result<Attrs> {
    let inputs = [0, 1, 2, 3, 4, 5, 6, 7].map(|i| n.inputs.get(i).copied().flatten());
    become_layer(n, kind, flag, inputs, false)
}

/// Puts a layer of such inputs, in the standard's order, in the node's place; `quantised`: steps round the state to 8 bits
/// before they multiply it.
fn become_layer(
    n: &mut NodeReader,
    kind: Kind,
    flag: Option<&str>,
    [x, w, r, b, lengths, h, c, peepholes]: [Option<ValueId>; 8],
    quantised: bool,
) -> Result<Attrs> {
    n.ignore(&["output_sequence"]);
    let direction = n.choice("direction", &["forward", "reverse", "bidirectional"])?;
    let directions = if direction == "bidirectional" { 2 } else { 1 };
    let functions = import_activations(n, kind.functions(), directions)?;
    let mut attrs: Vec<(&str, Attr)> =
        vec![("kind", Attr::Str(kind.name().into())), ("direction", Attr::Str(direction))];
    attrs.extend(["activations", "alpha", "beta"].into_iter().filter_map(|a| Some((a, functions.0.get(a)?.clone()))));
    attrs.push(("layout", Attr::Int(n.int("layout", 0)?)));
    let flag = match flag {
        Some(name) => i64::from(n.int(name, 0)? != 0),
        None => 0,
    };
    attrs.push(("flag", Attr::Int(flag)));
    attrs.extend(n.opt_float("clip")?.map(|c| ("clip", Attr::Float(c))));
    attrs.extend(n.opt_int("hidden_size")?.map(|h| ("hidden_size", Attr::Int(h))));

    attrs.extend(quantised.then_some(("quantised", Attr::Int(1))));
    let [c, peepholes] = [c, peepholes].map(|v| v.filter(|_| kind == Kind::Lstm));
    let linear = kind == Kind::Gru && flag == 1;
    let gates = ("gates", Attr::Int(kind.gates()));
    let of_bias = [gates.clone(), ("linear", Attr::Int(linear.into()))];
    let sum = match b {
        Some(b) => Some(n.emit(inner("RecurrentBias"), &of_bias, &[Some(b)], 1)?[0]),
        None => None,
    };
    let px = input_part(n, x, w, sum, directions as i64)?;
    let weights = n.emit(inner("RecurrentWeights"), &[gates], &[r], 1)?[0];
    let bias = b.filter(|_| linear);
    let inputs = [Some(px), Some(weights), bias, lengths, h, c, peepholes];
    let results = n.emit(inner("RecurrentSteps"), &attrs, &inputs, n.output_count)?;
    n.become_values(results)
}

/// The input's part of the gates: [.., .., directions, gates * hidden]. One product serves all directions.
fn input_part(
    n: &mut NodeReader,
    x: Option<ValueId>,
    w: Option<ValueId>,
    bias: Option<ValueId>,
    directions: i64,
) -> Result<ValueId> {
    let w = n.emit_one("Flatten", &[("axis", Attr::Int(2))], &[w])?;
    let attrs = [("directions", Attr::Int(directions))];
    Ok(n.emit(inner("RecurrentInput"), &attrs, &[x, Some(w), bias], 1)?[0])
}

fn inner(name: &str) -> OpName {
    OpName { domain: INNER.into(), name: name.into() }
}

/// Passes attributes on as they are.
fn passed_on(n: &mut NodeReader, names: &[&str]) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    for name in names {
        if let Some(a) = n.attr(name) {
            attrs.set(name, a);
        }
    }
    Ok(attrs)
}

fn ranked(cx: &InferCx, i: usize, dtype: DType, rank: usize) -> Result<Vec<Sym>> {
    let t = tensor_of(cx, i, dtype)?;
    if t.rank() != rank {
        return Err(cx.error("E2041", format!("input {i} has rank {}", t.rank())).expected(rank.to_string()));
    }
    Ok(t.shape)
}

fn same(cx: &mut InferCx, given: &[Sym], wanted: &[Sym], what: &str) -> Result<()> {
    for (axis, (g, w)) in given.iter().zip(wanted).enumerate() {
        cx.unify(g, w, &format!("axis {axis} of {what}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::testing::Case;

    #[test]
    fn stored() {
        crate::testing::check_stored("rnn");
    }

    fn rnn() -> Case {
        let ones = |s: &[usize]| Tensor::from_slice(s, &vec![1f32; s.iter().product()]);
        Case::new("RNN", 22).input(ones(&[2, 1, 3])).input(ones(&[1, 4, 3])).input(ones(&[1, 4, 4]))
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(rnn().attr("hidden_size", Attr::Int(5)).error(), "E2003");
        assert_eq!(rnn().attr("direction", Attr::Str("bidirectional".into())).error(), "E2003", "one set of weights");
        assert_eq!(rnn().attr("activations", Attr::Strs(vec!["Cosine".into()])).error(), "E2011");
        assert_eq!(rnn().attr("activations", Attr::Strs(vec![])).error(), "E2040");
        let lengths = |n: i32| rnn().absent().input(Tensor::from_slice(&[1], &[n]));
        assert!(lengths(2).run().is_ok());
        assert_eq!(lengths(3).error(), lengths(-1).error(), "a length that is out of range");
    }
}
