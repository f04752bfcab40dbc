//! Recurrent layers: RNN, GRU, LSTM; forward, reverse or both.
//!
//! All since 1; GRU 3: `linear_before_reset`; 7: `output_sequence` goes (it only said whether Y is wanted); 14: `layout`;
//! 22: bf16.
//! From here down: `activations` are there for each direction, in lower case, with `alpha` and `beta` for each of them.
//! f16 and bf16 are computed in f32. A length in `sequence_lens` that is out of range ends the run with status 2; steps
//! behind a length are 0 in Y. `clip` bounds what goes into the gates' activations, not what goes into LSTM's last one
//! (as ONNX Runtime has it).
//!
//! - `activation`: the functions. - `layer`: the steps that all three share. - `cell`: what differs.
//!
//! Does NOT run batches or directions in parallel.

mod activation;
mod cell;
mod layer;

use super::elementwise::{Class, tensor, tensor_of};
use crate::prelude::*;
use activation::import_activations;

/// RNN.
pub static RNN: OpDef = OpDef {
    domain: "",
    name: "RNN",
    versions: &[(1, import_rnn), (7, import_rnn), (14, import_rnn), (22, import_rnn)],
    infer: |cx| infer(cx, 1),
    lower: Lower::Routine(|cx| layer::lower(cx, layer::Kind::Rnn)),
    extents: None,
};

/// GRU.
pub static GRU: OpDef = OpDef {
    domain: "",
    name: "GRU",
    versions: &[(1, import_gru), (3, import_gru), (7, import_gru), (14, import_gru), (22, import_gru)],
    infer: |cx| infer(cx, 3),
    lower: Lower::Routine(|cx| layer::lower(cx, layer::Kind::Gru)),
    extents: None,
};

/// LSTM.
pub static LSTM: OpDef = OpDef {
    domain: "",
    name: "LSTM",
    versions: &[(1, import_lstm), (7, import_lstm), (14, import_lstm), (22, import_lstm)],
    infer: |cx| infer(cx, 4),
    lower: Lower::Routine(|cx| layer::lower(cx, layer::Kind::Lstm)),
    extents: None,
};

fn import_rnn(n: &mut NodeReader) -> Result<Attrs> {
    import(n, &["tanh"], None)
}

fn import_gru(n: &mut NodeReader) -> Result<Attrs> {
    import(n, &["sigmoid", "tanh"], Some("linear_before_reset"))
}

fn import_lstm(n: &mut NodeReader) -> Result<Attrs> {
    import(n, &["sigmoid", "tanh", "tanh"], Some("input_forget"))
}

fn import(n: &mut NodeReader, defaults: &[&str], flag: Option<&str>) -> Result<Attrs> {
    n.ignore(&["output_sequence"]);
    let direction = n.choice("direction", &["forward", "reverse", "bidirectional"])?;
    let directions = if direction == "bidirectional" { 2 } else { 1 };
    let mut attrs = import_activations(n, defaults, directions)?.with("direction", Attr::Str(direction));
    attrs.set("layout", Attr::Int(n.int("layout", 0)?));
    if let Some(flag) = flag {
        attrs.set(flag, Attr::Int(i64::from(n.int(flag, 0)? != 0)));
    }
    if let Some(clip) = n.opt_float("clip")? {
        attrs.set("clip", Attr::Float(clip));
    }
    if let Some(size) = n.opt_int("hidden_size")? {
        attrs.set("hidden_size", Attr::Int(size));
    }
    Ok(attrs)
}

/// The types of the outputs of a layer whose weights hold `gates` gates.
fn infer(cx: &mut InferCx, gates: i64) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let dtype = x.dtype;
    let directions = Sym::int(if cx.attrs().str("direction") == Some("bidirectional") { 2 } else { 1 });
    let (w, r) = (ranked(cx, 1, dtype, 3)?, ranked(cx, 2, dtype, 3)?);
    if x.rank() != 3 {
        return Err(cx.error("E2041", format!("input 0 has rank {}", x.rank())).expected("3"));
    }
    let layout = cx.attrs().int("layout") == Some(1);
    let (steps, batch) = if layout { (&x.shape[1], &x.shape[0]) } else { (&x.shape[0], &x.shape[1]) };
    let mut hidden = r[2].clone();
    if let Some(size) = cx.attrs().int("hidden_size") {
        hidden = cx.unify(&hidden, &Sym::int(size), "hidden_size and the recurrent weights")?;
    }
    cx.unify(&w[2], &x.shape[2], "the extent of the input and of its weights")?;
    let state = if layout {
        vec![batch.clone(), directions.clone(), hidden.clone()]
    } else {
        vec![directions.clone(), batch.clone(), hidden.clone()]
    };
    let rows = |n: i64| vec![directions.clone(), &hidden * n];
    let weights = vec![directions.clone(), &hidden * gates];
    same(cx, &w[..2], &weights, "the input's weights")?;
    same(cx, &r[..2], &weights, "the recurrent weights")?;
    let mut optional = vec![(3, rows(2 * gates), "the bias"), (5, state.clone(), "the initial state")];
    if gates == 4 {
        optional.extend([(6, state.clone(), "the initial cell state"), (7, rows(3), "the peephole weights")]);
    }
    for (i, shape, what) in optional {
        if cx.opt(i).is_some() {
            let given = ranked(cx, i, dtype, shape.len())?;
            same(cx, &given, &shape, what)?;
        }
    }
    if cx.opt(4).is_some() {
        let given = ranked(cx, 4, DType::I32, 1)?;
        same(cx, &given, std::slice::from_ref(batch), "sequence_lens")?;
    }
    let mut all = vec![steps.clone(), directions, batch.clone(), hidden];
    if layout {
        all[..3].rotate_right(1);
    }
    cx.set_tensor(0, dtype, all);
    for i in 1..cx.output_count() {
        cx.set_tensor(i, dtype, state.clone());
    }
    Ok(())
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
