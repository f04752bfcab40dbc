//! Attention: softmax of scaled and masked q * k, times v.
//!
//! Since 23; 24: input nonpad_kv_seqlen; 25: windows. On import the node becomes several: the scores (`scores`), the softmax,
//! its product with v (`values`), and the caches of keys and values (`cache`). So exported attention has the same
//! form as attention spelled out by MatMul and Softmax: a product, a softmax, a product.
//! FlexAttention (`flex`), and other domains' attentions, are put together from the same parts by [`Parts`].
//!
//! Tensors are [batch, heads, sequence, size] or [batch, sequence, heads * size]; the parts read both without a copy.
//!
//! Does NOT make one kernel of the three nodes (see `passes/assemble/attention`).

mod cache;
mod flex;
mod scores;
mod values;
mod weights;

pub use cache::CACHE;
pub use flex::FLEX;
pub use scores::SCORES;
pub use values::{MERGE, VALUES};
pub use weights::WEIGHTS;

use super::INNER;
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// Attention.
pub static ATTENTION: OpDef =
    OpDef::composed("", "Attention", &[(23, |n| import(n, 23)), (24, |n| import(n, 24)), (25, |n| import(n, 25))]);

/// What an attention is put together from.
pub(super) struct Parts {
    pub(super) q: ValueId,
    pub(super) k: ValueId,
    pub(super) v: ValueId,
    /// Of what may be attended to, or what is added to the scores: broadcast to [batch, heads, queries, keys], the last
    /// axis continued by what masks.
    pub(super) mask: Option<ValueId>,
    /// How many keys of each sample are real.
    pub(super) lengths: Option<ValueId>,
    /// Keys before `k`: [batch, heads, sequence, size]; they say where the queries are.
    pub(super) past: Option<ValueId>,
    /// Heads of q and of k and v, where tensors of three axes hide them.
    pub(super) heads: Option<(i64, i64)>,
    /// Of the scores; none: 1 / sqrt(size).
    pub(super) scale: Option<f32>,
    pub(super) softcap: f32,
    pub(super) causal: bool,
    /// How many keys to the left and right of its own position a query sees; none: all.
    pub(super) left: Option<i64>,
    pub(super) right: Option<i64>,
    /// The dtype of the softmax, as the standard numbers dtypes; none: that of q.
    pub(super) precision: Option<i64>,
    /// What takes its part of the weights and belongs to no key.
    pub(super) sink: Sink,
    /// Which of the steps on the way `Made::inside` is.
    pub(super) inside: Option<Inside>,
}

/// A score that belongs to no key.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sink {
    #[default]
    None,
    /// 0 for every head.
    Zero,
    /// One for each head.
    Heads(ValueId),
}

/// A step on the way from scores to weights.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Scaled products.
    Raw,
    /// After the soft cap.
    Capped,
    /// After masking.
    Masked,
    /// After the softmax.
    Weights,
}

/// The values of an emitted attention.
pub(super) struct Made {
    pub(super) y: ValueId,
    pub(super) inside: Option<ValueId>,
}

/// The name of an operator that only imports make.
pub(super) fn inner(name: &str) -> OpName {
    OpName { domain: INNER.into(), name: name.into() }
}

impl Parts {
    /// Attention of q to all of k, without masks: heads as the axes say, scores scaled by 1 / sqrt(size).
    pub(super) fn new(q: ValueId, k: ValueId, v: ValueId) -> Parts {
        Parts {
            q,
            k,
            v,
            mask: None,
            lengths: None,
            past: None,
            heads: None,
            scale: None,
            softcap: 0.0,
            causal: false,
            left: None,
            right: None,
            precision: None,
            sink: Sink::None,
            inside: None,
        }
    }

    /// Is there anything that can keep a query from every key?
    fn masks(&self) -> bool {
        self.mask.is_some() || self.lengths.is_some() || self.causal || self.left.is_some() || self.right.is_some()
    }

    /// Emits the nodes in place of the node that is read.
    pub(super) fn emit(&self, n: &mut NodeReader) -> Result<Made> {
        let (scores, inside) = self.scores(n)?;
        let (sink, smooth) = match self.sink {
            Sink::None => (None, None),
            Sink::Zero => (None, Some(("smooth", Attr::Int(1)))),
            Sink::Heads(v) => (Some(v), None),
        };
        let weights = match self.masks() || self.sink != Sink::None {
            true => n.emit(inner("AttentionWeights"), smooth.as_slice(), &[Some(scores), sink], 1)?[0],
            false => n.emit_one("Softmax", &[("axis", Attr::Int(-1))], &[Some(scores)])?,
        };
        let weights = match self.precision {
            Some(_) => n.emit_one("CastLike", &[], &[Some(weights), Some(self.q)])?,
            None => weights,
        };
        let heads = self.heads.map(|(_, k)| ("heads", Attr::Int(k)));
        let inputs = [Some(weights), Some(self.v), Some(self.q)];
        let y = n.emit(inner("AttentionValues"), heads.as_slice(), &inputs, 1)?[0];
        let y = n.emit(inner("MergeHeads"), &[], &[Some(y), Some(self.q)], 1)?[0];
        let inside = if self.inside == Some(Inside::Weights) { Some(weights) } else { inside };
        Ok(Made { y, inside })
    }

    fn scores(&self, n: &mut NodeReader) -> Result<(ValueId, Option<ValueId>)> {
        let mut attrs = vec![("causal", Attr::Int(i64::from(self.causal))), ("softcap", Attr::Float(self.softcap))];
        attrs.extend(self.scale.map(|s| ("scale", Attr::Float(s))));
        attrs.extend(self.left.map(|w| ("left", Attr::Int(w))));
        attrs.extend(self.right.map(|w| ("right", Attr::Int(w))));
        attrs.extend(self.precision.map(|p| ("precision", Attr::Int(p))));
        if let Some((q, k)) = self.heads {
            attrs.extend([("heads", Attr::Int(q)), ("kv_heads", Attr::Int(k))]);
        }
        let inside = match self.inside {
            Some(Inside::Raw) => Some("raw"),
            Some(Inside::Capped) => Some("capped"),
            Some(Inside::Masked) => Some("masked"),
            _ => None,
        };
        attrs.extend(inside.map(|w| ("inside", Attr::Str(w.into()))));
        let inputs = [Some(self.q), Some(self.k), self.mask, self.lengths, self.past];
        let made = n.emit(inner("AttentionScores"), &attrs, &inputs, 1 + usize::from(inside.is_some()))?;
        Ok((made[0], made.get(1).copied()))
    }
}

/// Input `i`, if it is there.
fn opt(n: &NodeReader, i: usize) -> Option<ValueId> {
    n.inputs.get(i).copied().flatten()
}

/// Input `i`; an error if it is absent.
fn need(n: &NodeReader, i: usize) -> Result<ValueId> {
    opt(n, i).ok_or_else(|| n.error("E2001", format!("input {i} is missing")).help("the operator needs it"))
}

fn import(n: &mut NodeReader, version: i64) -> Result<Attrs> {
    let parts = read(n, version)?;
    let (past_key, past_value) = (opt(n, 4), opt(n, 5));
    let presents = n.output_count > 1;
    let mut parts = Parts { past: past_key, ..parts };
    if past_key.is_some() != past_value.is_some() {
        return Err(n.error("E2001", "only one of past_key and past_value is there").expected("both or none"));
    }
    if past_key.is_some() && parts.lengths.is_some() {
        return Err(n.error("E2011", "there are both past keys and nonpad_kv_seqlen").expected("one of them"));
    }
    if past_key.is_some() || presents {
        let heads = parts.heads.map(|(_, k)| ("heads", Attr::Int(k)));
        for (tensor, past) in [(&mut parts.k, past_key), (&mut parts.v, past_value)] {
            *tensor = n.emit(inner("AttentionCache"), heads.as_slice(), &[Some(*tensor), past], 1)?[0];
        }
    }
    let made = parts.emit(n)?;
    let mut results = vec![made.y];
    if presents {
        results.extend([parts.k, parts.v]);
        results.extend(made.inside);
    }
    n.become_values(results)
}

/// The inputs and attributes but for the caches.
fn read(n: &mut NodeReader, version: i64) -> Result<Parts> {
    let count = |v: Option<i64>, name: &str, n: &NodeReader| match v {
        Some(h) if h < 1 => Err(n.error("E2011", format!("attribute '{name}' is {h}")).expected("at least 1")),
        v => Ok(v),
    };
    let (q, k) = (n.opt_int("q_num_heads")?, n.opt_int("kv_num_heads")?);
    let heads = count(q, "q_num_heads", n)?.zip(count(k, "kv_num_heads", n)?);
    let mut windows = [None, None];
    if version >= 25 {
        for (w, name) in windows.iter_mut().zip(["left_window_size", "right_window_size"]) {
            let v = n.int(name, -1)?;
            if v < -1 {
                return Err(n.error("E2011", format!("attribute '{name}' is {v}")).expected("-1 or more"));
            }
            *w = Some(v).filter(|v| *v >= 0);
        }
    }
    let inside = match n.int("qk_matmul_output_mode", 0)? {
        0 => Inside::Raw,
        1 => Inside::Capped,
        2 => Inside::Masked,
        3 => Inside::Weights,
        m => return Err(n.error("E2011", format!("attribute 'qk_matmul_output_mode' is {m}")).expected("0 to 3")),
    };
    Ok(Parts {
        mask: opt(n, 3),
        lengths: if version >= 24 { opt(n, 6) } else { None },
        heads,
        scale: n.opt_float("scale")?,
        softcap: n.float("softcap", 0.0)?,
        causal: n.int("is_causal", 0)? != 0,
        left: windows[0],
        right: windows[1],
        precision: n.opt_int("softmax_precision")?,
        inside: Some(inside).filter(|_| n.output_count > 3),
        ..Parts::new(need(n, 0)?, need(n, 1)?, need(n, 2)?)
    })
}

/// A tensor of four axes or three, as [batch, heads, sequence, size].
struct Heads {
    shape: Vec<Sym>,
    /// How many heads the last of three axes holds.
    packed: Option<i64>,
}

impl Heads {
    /// The type of input `i`; `heads` counts where it has three axes.
    fn infer(cx: &mut InferCx, i: usize, heads: Option<i64>) -> Result<Heads> {
        let shape = super::elementwise::tensor(cx, i, super::elementwise::Class::Float)?.shape;
        match (shape.len(), heads) {
            (4, _) => Ok(Heads { shape, packed: None }),
            (3, Some(h)) => {
                cx.unify(
                    &shape[2].modulo(&Sym::int(h)),
                    &Sym::int(0),
                    &format!("hidden elements of input {i}, over heads"),
                )?;
                Ok(Heads { shape, packed: Some(h) })
            }
            (3, None) => Err(cx
                .error("E2012", format!("input {i} has three axes, but the numbers of heads aren't given"))
                .expected("the attributes q_num_heads and kv_num_heads")),
            (r, _) => Err(cx.error("E2005", format!("input {i} has rank {r}")).expected("3 or 4")),
        }
    }

    /// The same, when it has been inferred.
    fn of(shape: Vec<Sym>, heads: Option<i64>) -> Heads {
        let packed = heads.filter(|_| shape.len() == 3);
        Heads { shape, packed }
    }

    fn count(&self) -> Sym {
        self.packed.map_or_else(|| self.shape[1].clone(), Sym::int)
    }
    fn sequence(&self) -> Sym {
        if self.packed.is_some() { self.shape[1].clone() } else { self.shape[2].clone() }
    }
    fn size(&self) -> Sym {
        self.packed.map_or_else(|| self.shape[3].clone(), |h| self.shape[2].floordiv(&Sym::int(h)))
    }

    /// The index of an element.
    fn index(&self, batch: &Sym, head: &Sym, at: &Sym, element: &Sym) -> Vec<Sym> {
        match self.packed {
            Some(_) => vec![batch.clone(), at.clone(), head * self.size() + element],
            None => vec![batch.clone(), head.clone(), at.clone(), element.clone()],
        }
    }

    /// The head of this tensor that head `h` of `heads` shares: groups of neighbours share one.
    fn shared(&self, h: &Sym, heads: &Sym) -> Sym {
        let own = self.count();
        if own == *heads {
            h.clone()
        } else if own.is_one() {
            Sym::int(0)
        } else {
            h.floordiv(&heads.floordiv(&own))
        }
    }
}

/// Passes attributes on as they are, for operators that only imports make.
fn passed_on(n: &mut NodeReader, names: &[&str]) -> Attrs {
    let mut attrs = Attrs::default();
    for name in names {
        if let Some(a) = n.attr(name) {
            attrs.set(name, a);
        }
    }
    attrs
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("attention");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let zeros = |s: &[usize]| Tensor::from_slice(s, &vec![0f32; s.iter().product()]);
        let case = |q: &[usize], k: &[usize], v: &[usize]| {
            Case::new("Attention", 25).input(zeros(q)).input(zeros(k)).input(zeros(v))
        };
        assert_eq!(case(&[1, 2, 3, 4], &[1, 2, 3, 5], &[1, 2, 3, 4]).error(), "E2003", "sizes of heads");
        assert_eq!(case(&[1, 3, 3, 4], &[1, 2, 3, 4], &[1, 2, 3, 4]).error(), "E2003", "3 heads share 2");
        assert_eq!(case(&[1, 2, 8], &[1, 2, 8], &[1, 2, 8]).error(), "E2012", "heads aren't given");
        assert_eq!(case(&[1, 2], &[1, 2], &[1, 2]).error(), "E2005", "rank 2");
        let mask = case(&[1, 1, 2, 4], &[1, 1, 3, 4], &[1, 1, 3, 4]).input(zeros(&[3, 3]));
        assert_eq!(mask.error(), "E2003", "3 rows for 2 queries");
        let wrong = case(&[1, 1, 2, 4], &[1, 1, 2, 4], &[1, 1, 2, 4]).attr("left_window_size", Attr::Int(-2));
        assert_eq!(wrong.error(), "E2011");
    }
}
