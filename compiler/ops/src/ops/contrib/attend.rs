//! MultiHeadAttention, Attention, DecoderMaskedMultiHeadAttention, DecoderMaskedSelfAttention: put together from the parts
//! of ONNX's own Attention.
//!
//! They differ in where q, k and v come from: given, packed into one tensor, or a product of the input and weights.
//! What they have in common is [`Call`]. A cache that is longer than what it holds (`past_present_share_buffer`) stays as
//! long as it is: new keys and values are written behind those it holds. Does NOT support beams.

use super::super::attention::{Inside, Parts, inner as attention_part};
use super::{DOMAIN, emit, inner, ints, last_extent, need, opt, plus, rank, reshape, slice};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// MultiHeadAttention.
pub static MULTI_HEAD: OpDef = OpDef::composed(DOMAIN, "MultiHeadAttention", &[(1, import_multi_head)]);

/// Attention: q, k and v are one product of the input.
pub static ATTENTION: OpDef = OpDef::composed(DOMAIN, "Attention", &[(1, import_attention)]);

/// DecoderMaskedMultiHeadAttention: MultiHeadAttention of one query.
pub static DECODER_MULTI_HEAD: OpDef =
    OpDef::composed(DOMAIN, "DecoderMaskedMultiHeadAttention", &[(1, import_decoder_multi_head)]);

/// DecoderMaskedSelfAttention: Attention of one query.
pub static DECODER_SELF: OpDef = OpDef::composed(DOMAIN, "DecoderMaskedSelfAttention", &[(1, import_decoder_self)]);

/// An attention whose q, k and v are at hand.
struct Call {
    q: ValueId,
    k: ValueId,
    v: ValueId,
    heads: i64,
    /// Integers that say which keys are real.
    mask: Option<ValueId>,
    /// What is added to the scores.
    bias: Option<ValueId>,
    past: Option<[ValueId; 2]>,
    /// How many keys the past holds, where it has room for more.
    held: Option<ValueId>,
    /// In which beam's cache each key is.
    beams: Option<ValueId>,
    scale: Option<f32>,
    causal: bool,
    filter: f32,
    /// Are the scores an output?
    scores: bool,
}

impl Call {
    /// The result, then keys and values as [batch, heads, sequence, size] where they are asked for, then the scores.
    fn emit(mut self, n: &mut NodeReader, presents: bool) -> Result<Vec<ValueId>> {
        let lengths = match (self.past, self.held) {
            (Some(past), Some(held)) => Some(self.write(n, past, held)?),
            _ => None,
        };
        if lengths.is_none() && (self.past.is_some() || presents) {
            let heads = [("heads", Attr::Int(self.heads))];
            let past = self.past.map_or([None, None], |p| p.map(Some));
            for (tensor, past) in [(&mut self.k, past[0]), (&mut self.v, past[1])] {
                *tensor = n.emit(attention_part("AttentionCache"), &heads, &[Some(*tensor), past], 1)?[0];
            }
        }
        let [mut k, mut v] = [self.k, self.v];
        if let (Some(table), Some(held)) = (self.beams, self.held) {
            for tensor in [&mut k, &mut v] {
                *tensor = n.emit(inner("BeamCache"), &[], &[Some(*tensor), Some(table), Some(held)], 1)?[0];
            }
        }
        let seen = match lengths {
            Some(lengths) if self.mask.is_some() => first(n, k, lengths)?,
            _ => k,
        };
        let mask = match self.mask {
            Some(m) => {
                let filter = [("filter", Attr::Float(self.filter))];
                Some(n.emit(inner("AttentionMask"), &filter, &[Some(m), Some(seen)], 1)?[0])
            }
            None => None,
        };
        let mask = match (mask, self.bias) {
            (Some(m), Some(b)) => Some(emit(n, "Add", &[], &[m, b])?),
            (m, b) => m.or(b),
        };
        let parts = Parts {
            mask,
            lengths,
            past: self.past.map(|p| p[0]).filter(|_| lengths.is_none()),
            heads: Some((self.heads, self.heads)),
            scale: self.scale,
            causal: self.causal,
            inside: self.scores.then_some(Inside::Masked),
            ..Parts::new(self.q, k, v)
        };
        let made = parts.emit(n)?;
        Ok([made.y, self.k, self.v].into_iter().chain(made.inside).collect())
    }

    /// Makes k and v those of the past, with the new ones behind the `held` ones. Gives how many each sample has then.
    fn write(&mut self, n: &mut NodeReader, past: [ValueId; 2], held: ValueId) -> Result<ValueId> {
        let held = emit(n, "Cast", &[("to", Attr::Int(7))], &[held])?;
        let held = reshape(n, held, &[1])?;
        let samples = emit(n, "Shape", &[("start", Attr::Int(0)), ("end", Attr::Int(1))], &[past[0]])?;
        let at = emit(n, "Expand", &[], &[held, samples])?;
        let heads = [("heads", Attr::Int(self.heads))];
        for (tensor, past) in [&mut self.k, &mut self.v].into_iter().zip(past) {
            let new = n.emit(attention_part("AttentionCache"), &heads, &[Some(*tensor), None], 1)?[0];
            *tensor = emit(n, "TensorScatter", &[("axis", Attr::Int(2))], &[past, new, at])?;
        }
        let new = emit(n, "Shape", &[("start", Attr::Int(1)), ("end", Attr::Int(2))], &[self.q])?;
        emit(n, "Add", &[], &[at, new])
    }
}

/// The keys of [batch, heads, sequence, size] that every sample has: all have equally many.
fn first(n: &mut NodeReader, keys: ValueId, lengths: ValueId) -> Result<ValueId> {
    let zero = ints(n, "zero", &[0]);
    let count = emit(n, "Gather", &[("axis", Attr::Int(0))], &[lengths, zero])?;
    slice(n, keys, zero, count, 2)
}

/// The number of heads.
pub(super) fn heads(n: &mut NodeReader) -> Result<i64> {
    let heads = n.need_int("num_heads")?;
    if heads < 1 {
        return Err(n.error("E2011", format!("attribute 'num_heads' is {heads}")).expected("at least 1"));
    }
    Ok(heads)
}

/// The scale of the scores, if the model gives one: 0 means none.
fn scale(n: &mut NodeReader) -> Result<Option<f32>> {
    Ok(n.opt_float("scale")?.filter(|s| *s != 0.0))
}

/// The tensors packed into axis 3 of [batch, sequence, heads, count, size], as [batch, sequence, hidden].
fn unpack(n: &mut NodeReader, v: ValueId, count: i64) -> Result<Vec<ValueId>> {
    let mut parts = Vec::new();
    for i in 0..count {
        let at = n.constant("part", Tensor::scalar(i));
        let part = emit(n, "Gather", &[("axis", Attr::Int(3))], &[v, at])?;
        parts.push(reshape(n, part, &[0, 0, -1])?);
    }
    Ok(parts)
}

/// Adds the three parts of a bias; k and v of four axes, which come from a cache, have theirs already.
pub(super) fn add_bias(n: &mut NodeReader, qkv: &mut [ValueId; 3], bias: ValueId) -> Result<()> {
    let (zero, end) = (ints(n, "zero", &[0]), ints(n, "end", &[i64::MAX]));
    let one = last_extent(n, qkv[0])?;
    let two = emit(n, "Add", &[], &[one, one])?;
    for (i, (from, to)) in [(zero, one), (one, two), (two, end)].into_iter().enumerate() {
        if i == 0 || rank(n, qkv[i]) != Some(4) {
            let part = slice(n, bias, from, to, 0)?;
            qkv[i] = plus(n, qkv[i], Some(part))?;
        }
    }
    Ok(())
}

/// q, k and v from inputs 0 to 2, packed or not, with the bias of input `bias`.
fn queries_keys_values(n: &mut NodeReader, bias: usize) -> Result<[ValueId; 3]> {
    let q = need(n, 0)?;
    let mut qkv = match (opt(n, 1), opt(n, 2)) {
        (Some(k), Some(v)) => [q, k, v],
        (Some(kv), None) => {
            let kv = unpack(n, kv, 2)?;
            [q, kv[0], kv[1]]
        }
        _ => {
            let qkv = unpack(n, q, 3)?;
            [qkv[0], qkv[1], qkv[2]]
        }
    };
    if let Some(bias) = opt(n, bias) {
        add_bias(n, &mut qkv, bias)?;
    }
    Ok(qkv)
}

fn import_multi_head(n: &mut NodeReader) -> Result<Attrs> {
    let [q, k, v] = queries_keys_values(n, 3)?;
    let call = Call {
        q,
        k,
        v,
        heads: heads(n)?,
        mask: opt(n, 4),
        bias: opt(n, 5),
        past: opt(n, 6).zip(opt(n, 7)).map(|(k, v)| [k, v]),
        held: opt(n, 8),
        beams: opt(n, 9),
        scale: scale(n)?,
        causal: n.int("unidirectional", 0)? != 0,
        filter: n.float("mask_filter_value", -10000.0)?,
        scores: n.output_count > 3,
    };
    let presents = n.output_count > 1;
    let results = call.emit(n, presents)?;
    n.become_values(results)
}

/// Input `i`, how many keys the past holds, where that is longer.
fn held(n: &mut NodeReader, i: usize) -> Result<Option<ValueId>> {
    match n.int("past_present_share_buffer", 0)? {
        0 => Ok(None),
        _ => need(n, i).map(Some),
    }
}

fn import_decoder_multi_head(n: &mut NodeReader) -> Result<Attrs> {
    let held = held(n, 7)?;
    n.ignore(&["output_qk"]);
    let q = need(n, 0)?;
    let qkv = match (opt(n, 1), opt(n, 2)) {
        (Some(_), Some(_)) => queries_keys_values(n, 10)?,
        _ => {
            let mut qkv = thirds(n, q, None)?;
            if let Some(bias) = opt(n, 10) {
                add_bias(n, &mut qkv, bias)?;
            }
            qkv
        }
    };
    let call = Call {
        q: qkv[0],
        k: qkv[1],
        v: qkv[2],
        heads: heads(n)?,
        mask: opt(n, 3),
        bias: opt(n, 4),
        past: opt(n, 5).zip(opt(n, 6)).map(|(k, v)| [k, v]),
        held,
        beams: opt(n, 9),
        scale: scale(n)?,
        causal: false,
        filter: n.float("mask_filter_value", -10000.0)?,
        scores: n.output_count > 3,
    };
    let presents = n.output_count > 1;
    let results = call.emit(n, presents)?;
    n.become_values(results)
}

/// The last axis in three: of the sizes given, or equal ones.
pub(super) fn thirds(n: &mut NodeReader, x: ValueId, sizes: Option<Vec<i64>>) -> Result<[ValueId; 3]> {
    let axis = ("axis", Attr::Int(-1));
    let sizes = sizes.map(|s| ints(n, "sizes", &s));
    let parts = match sizes {
        Some(s) => n.emit(OpName::onnx("Split"), &[axis], &[Some(x), Some(s)], 3)?,
        None => n.emit(OpName::onnx("Split"), &[axis, ("num_outputs", Attr::Int(3))], &[Some(x)], 3)?,
    };
    Ok([parts[0], parts[1], parts[2]])
}

/// Keys and values from one tensor [2, batch, heads, sequence, size].
fn halves(n: &mut NodeReader, past: ValueId) -> Result<[ValueId; 2]> {
    let [k, v] = [0i64, 1].map(|i| n.constant("half", Tensor::scalar(i)));
    Ok([emit(n, "Gather", &[], &[past, k])?, emit(n, "Gather", &[], &[past, v])?])
}

/// And back into one.
fn stacked(n: &mut NodeReader, parts: [ValueId; 2]) -> Result<ValueId> {
    let first = ints(n, "first", &[0]);
    let k = emit(n, "Unsqueeze", &[], &[parts[0], first])?;
    let v = emit(n, "Unsqueeze", &[], &[parts[1], first])?;
    emit(n, "Concat", &[("axis", Attr::Int(0))], &[k, v])
}

/// Where the inputs of an attention are that makes q, k and v itself.
struct Places {
    mask: usize,
    past: usize,
    bias: usize,
    beams: usize,
}

fn import_attention(n: &mut NodeReader) -> Result<Attrs> {
    self_attention(n, &Places { mask: 3, past: 4, bias: 5, beams: usize::MAX })
}

fn import_decoder_self(n: &mut NodeReader) -> Result<Attrs> {
    self_attention(n, &Places { mask: 3, past: 4, bias: 5, beams: 8 })
}

fn self_attention(n: &mut NodeReader, at: &Places) -> Result<Attrs> {
    let held = held(n, 6)?;
    n.ignore(&["rotary_embedding_dim"]);
    if n.int("do_rotary", 0)? != 0 {
        return Err(n.error("E2020", "'do_rotary' is not supported yet").help("export with RotaryEmbedding nodes"));
    }
    let (x, weights, bias) = (need(n, 0)?, need(n, 1)?, opt(n, 2));
    let sizes = n.opt_ints("qkv_hidden_sizes")?.filter(|s| s.len() == 3);
    let product = emit(n, "MatMul", &[], &[x, weights])?;
    let product = plus(n, product, bias)?;
    let [q, k, v] = thirds(n, product, sizes)?;
    let past = match opt(n, at.past) {
        Some(p) => Some(halves(n, p)?),
        None => None,
    };
    let call = Call {
        q,
        k,
        v,
        heads: heads(n)?,
        mask: opt(n, at.mask),
        bias: opt(n, at.bias),
        past,
        held,
        beams: opt(n, at.beams),
        scale: scale(n)?,
        causal: n.int("unidirectional", 0)? != 0,
        filter: n.float("mask_filter_value", -10000.0)?,
        scores: false,
    };
    let presents = n.output_count > 1;
    let made = call.emit(n, presents)?;
    let present = if presents { stacked(n, [made[1], made[2]])? } else { made[0] };
    n.become_values(vec![made[0], present])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_attention");
    }
}
