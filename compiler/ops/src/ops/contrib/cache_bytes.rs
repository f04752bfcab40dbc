//! Caches of keys and values that hold integers: 8 bits, or two of 4 bits in a byte, plus 8, the first one in the low half.
//! An element is an integer times a scale: one for all, or one for each channel of each head.
//!
//! What is new is rounded to integers and goes into the cache; attention sees what the cache then holds.

use super::{emit, ints, need, opt, reshape};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// How a cache holds its elements.
pub(super) struct Stored {
    scale: ValueId,
    bits: i64,
    /// Heads that have a scale for each of their channels.
    heads: Option<i64>,
}

impl Stored {
    /// Reads `attr` (a kind of scale) and input `scale`; `None` for a cache of floats.
    pub(super) fn read(n: &mut NodeReader, attr: &str, scale: usize, heads: i64) -> Result<Option<Stored>> {
        let bits = n.int("kv_cache_bit_width", 8)?;
        let kind = n.choice(attr, &["NONE", "PER_TENSOR", "PER_CHANNEL"])?;
        if kind == "NONE" {
            return match opt(n, scale) {
                None => Ok(None),
                Some(_) => Err(n.error("E2011", format!("input {scale} is there, but '{attr}' is NONE"))),
            };
        }
        if bits != 8 && bits != 4 {
            let found = format!("attribute 'kv_cache_bit_width' is {bits}");
            return Err(n.error("E2011", found).expected("8 or 4"));
        }
        Ok(Some(Stored { scale: need(n, scale)?, bits, heads: (kind == "PER_CHANNEL").then_some(heads) }))
    }

    /// The scale as f32, of a shape that broadcasts to [batch, sequence, heads, size], or [batch, heads, sequence, size]
    /// where `by_heads`.
    fn factor(&self, n: &mut NodeReader, by_heads: bool) -> Result<ValueId> {
        let scale = emit(n, "Cast", &[("to", Attr::Int(1))], &[self.scale])?;
        match (self.heads, by_heads) {
            (None, _) => reshape(n, scale, &[1]),
            (Some(heads), true) => reshape(n, scale, &[1, heads, 1, -1]),
            (Some(_), false) => reshape(n, scale, &[1, 1, -1]),
        }
    }

    /// [batch, sequence, heads * size] as integers.
    pub(super) fn rounded(&self, n: &mut NodeReader, x: ValueId) -> Result<ValueId> {
        let (low, high) = if self.bits == 8 { (-128, 127) } else { (-8, 7) };
        let [low, high] = [low, high].map(|v| n.constant("limit", Tensor::scalar(v as f32)));
        let factor = self.factor(n, false)?;
        let x = emit(n, "Cast", &[("to", Attr::Int(1))], &[x])?;
        let x = emit(n, "Div", &[], &[x, factor])?;
        let x = emit(n, "Round", &[], &[x])?;
        let x = emit(n, "Clip", &[], &[x, low, high])?;
        emit(n, "Cast", &[("to", Attr::Int(3))], &[x])
    }

    /// The numbers that integers [batch, heads, sequence, size] stand for, in the type of `like`.
    pub(super) fn numbers(&self, n: &mut NodeReader, x: ValueId, like: ValueId) -> Result<ValueId> {
        let factor = self.factor(n, true)?;
        let x = emit(n, "Cast", &[("to", Attr::Int(1))], &[x])?;
        let x = emit(n, "Mul", &[], &[x, factor])?;
        emit(n, "CastLike", &[], &[x, like])
    }

    /// The integers in a cache of the model.
    pub(super) fn unpacked(&self, n: &mut NodeReader, past: ValueId) -> Result<ValueId> {
        if self.bits == 8 {
            return Ok(past);
        }
        let [mask, four] = [15u8, 4].map(|v| n.constant("half", Tensor::scalar(v)));
        let low = emit(n, "BitwiseAnd", &[], &[past, mask])?;
        let high = emit(n, "BitShift", &[("direction", Attr::Str("RIGHT".into()))], &[past, four])?;
        let last = ints(n, "last", &[-1]);
        let [low, high] = [low, high].map(|half| emit(n, "Unsqueeze", &[], &[half, last]));
        let both = emit(n, "Concat", &[("axis", Attr::Int(-1))], &[low?, high?])?;
        let both = reshape(n, both, &[0, 0, 0, -1])?;
        let both = emit(n, "Cast", &[("to", Attr::Int(3))], &[both])?;
        let eight = n.constant("eight", Tensor::scalar(8i8));
        emit(n, "Sub", &[], &[both, eight])
    }

    /// And back.
    pub(super) fn packed(&self, n: &mut NodeReader, x: ValueId) -> Result<ValueId> {
        if self.bits == 8 {
            return Ok(x);
        }
        let (eight, four) = (n.constant("eight", Tensor::scalar(8i8)), n.constant("four", Tensor::scalar(4u8)));
        let x = emit(n, "Add", &[], &[x, eight])?;
        let x = emit(n, "Cast", &[("to", Attr::Int(2))], &[x])?;
        let pairs = reshape(n, x, &[0, 0, 0, -1, 2])?;
        let halves =
            n.emit(OpName::onnx("Split"), &[("axis", Attr::Int(4)), ("num_outputs", Attr::Int(2))], &[Some(pairs)], 2)?;
        let high = emit(n, "BitShift", &[("direction", Attr::Str("LEFT".into()))], &[halves[1], four])?;
        let byte = emit(n, "BitwiseOr", &[], &[halves[0], high])?;
        let last = ints(n, "last", &[4]);
        emit(n, "Squeeze", &[], &[byte, last])
    }
}
