//! GroupQueryAttention: heads of queries share heads of keys, and the cache is part of the operator.
//!
//! The cache [batch, kv heads, capacity, size] may be longer than what it holds: `seqlens_k` + 1 is how many keys each
//! sample has with the new ones. Where the whole sequence is new (`total_sequence_length` is its length), there is no past.
//! The cache with the new keys in place (`GroupCache`), the new positions (`GroupPositions`) and who sees what
//! (`GroupMask`) are operators of their own; the rest is ONNX's Attention and RotaryEmbedding.
//! With `query_seqlens` a sample has fewer new keys than there are rows, and its others may hold anything.
//! Caches may hold integers (`cache_bytes`). Does NOT support windowed caches.

use super::super::attention::{Inside, Parts, Sink};
use super::super::elementwise::{Class, map_from, tensor, tensor_of, wide};
use super::cache_bytes::Stored;
use super::{DOMAIN, emit, inner, ints, last_extent, need, opt, reshape, slice};
use crate::broadcast::Along;
use crate::prelude::*;
use onnxc_ir::graph::{TensorType, ValueId};
use onnxc_ir::loops::Value;

/// GroupQueryAttention.
pub static DEF: OpDef = OpDef::composed(DOMAIN, "GroupQueryAttention", &[(1, import)]);

macro_rules! parts {
    ($($id:ident $name:literal $infer:ident $lower:ident $extents:expr;)*) => { $(
        #[doc = concat!($name, ", which only imports make.")]
        pub static $id: OpDef = OpDef {
            domain: super::super::INNER,
            name: $name,
            versions: &[(1, import_part)],
            infer: $infer,
            lower: Lower::Compute($lower),
            extents: $extents,
        };
    )* };
}

parts! {
    CACHE "GroupCache" infer_cache lower_cache Some(extents_of_cache);
    POSITIONS "GroupPositions" infer_positions lower_positions None;
    MASK "GroupMask" infer_mask lower_mask None;
}

fn import_part(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = Attrs::default().with("heads", Attr::Int(n.int("heads", 1)?));
    let attrs = attrs.with("window", Attr::Int(n.int("window", -1)?));
    let attrs = attrs.with("chunked", Attr::Int(n.int("chunked", 0)?));
    Ok(attrs.with("causal", Attr::Int(n.int("causal", 1)?)))
}

/// What the model can't have.
fn refuse(n: &mut NodeReader) -> Result<()> {
    match n.int("sliding_window_cache", 0)? {
        0 => Ok(()),
        _ => Err(n.error("E2020", "'sliding_window_cache' is not supported yet")),
    }
}

/// q, k and v as [batch, sequence, heads * size], also where they come in one tensor.
pub(super) fn queries_keys_values(n: &mut NodeReader, heads: i64, shared: i64) -> Result<[ValueId; 3]> {
    let q = need(n, 0)?;
    if let (Some(k), Some(v)) = (opt(n, 1), opt(n, 2)) {
        return Ok([q, k, v]);
    }
    let width = last_extent(n, q)?;
    let counts = [heads + 2 * shared, heads, heads + shared].map(|c| ints(n, "heads", &[c]));
    let size = emit(n, "Div", &[], &[width, counts[0]])?;
    let (zero, after_q) = (ints(n, "zero", &[0]), emit(n, "Mul", &[], &[size, counts[1]])?);
    let after_k = emit(n, "Mul", &[], &[size, counts[2]])?;
    Ok([slice(n, q, zero, after_q, 2)?, slice(n, q, after_q, after_k, 2)?, slice(n, q, after_k, width, 2)?])
}

/// Each head normalised by the root of the mean of its squares.
fn normalised(n: &mut NodeReader, x: ValueId, weight: ValueId, heads: i64, epsilon: f32) -> Result<ValueId> {
    let x = reshape(n, x, &[0, 0, heads, -1])?;
    let attrs = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(epsilon))];
    let y = emit(n, "RMSNormalization", &attrs, &[x, weight])?;
    reshape(n, y, &[0, 0, -1])
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    refuse(n)?;
    let (heads, shared) = (n.need_int("num_heads")?, n.need_int("kv_num_heads")?);
    if heads < 1 || shared < 1 || heads % shared != 0 {
        return Err(n.error("E2011", format!("{heads} heads share {shared}")).expected("a multiple, at least 1"));
    }
    let [mut q, mut k, v] = queries_keys_values(n, heads, shared)?;
    let epsilon = n.float("qk_norm_epsilon", 1e-6)?;
    let (of_q, of_k) = (n.float("q_norm_epsilon", epsilon)?, n.float("k_norm_epsilon", epsilon)?);
    if let (Some(weight_of_q), Some(weight_of_k)) = (opt(n, 14), opt(n, 15)) {
        q = normalised(n, q, weight_of_q, heads, of_q)?;
        k = normalised(n, k, weight_of_k, shared, of_k)?;
    }
    let (lengths, total) = (need(n, 5)?, need(n, 6)?);
    let (lengths, chunked) = match opt(n, 16) {
        Some(real) => (padded_lengths(n, q, lengths, real)?, ("chunked", Attr::Int(1))),
        None => (lengths, ("chunked", Attr::Int(0))),
    };
    let interleaved = n.int("rotary_interleaved", 0)?;
    if n.int("do_rotary", 0)? != 0 {
        let positions = match opt(n, 9) {
            Some(p) => p,
            None => n.emit(
                inner("GroupPositions"),
                std::slice::from_ref(&chunked),
                &[Some(q), Some(lengths), Some(total)],
                1,
            )?[0],
        };
        let tables = [need(n, 7)?, need(n, 8)?];
        q = super::position::turn(n, q, tables, positions, heads, interleaved)?;
        k = super::position::turn(n, k, tables, positions, shared, interleaved)?;
    }
    let attrs = [("heads", Attr::Int(shared)), chunked.clone()];
    let stored = Stored::read(n, "k_quant_type", 12, shared)?;
    let (k, present_k) = cached(n, q, [Some(k), opt(n, 3), Some(lengths), Some(total)], &attrs, stored)?;
    let stored = Stored::read(n, "v_quant_type", 13, shared)?;
    let (v, present_v) = cached(n, q, [Some(v), opt(n, 4), Some(lengths), Some(total)], &attrs, stored)?;
    let (window, causal) = (n.int("local_window_size", -1)?, n.int("causal", 1)?);
    let attrs = [("window", Attr::Int(window)), ("causal", Attr::Int(causal)), chunked];
    let mask = n.emit(inner("GroupMask"), &attrs, &[Some(q), Some(k), Some(lengths), Some(total), opt(n, 10)], 1)?[0];
    let parts = Parts {
        mask: Some(mask),
        heads: Some((heads, shared)),
        scale: n.opt_float("scale")?.filter(|s| *s != 0.0),
        softcap: n.float("softcap", 0.0)?,
        sink: match (opt(n, 11), n.int("smooth_softmax", -1)?) {
            (Some(sinks), _) => Sink::Heads(sinks),
            (None, s) if s > 0 => Sink::Zero,
            _ => Sink::None,
        },
        inside: match n.int("qk_output", 0)? {
            0 => None,
            1 => Some(Inside::Masked),
            2 => Some(Inside::Weights),
            m => return Err(n.error("E2011", format!("attribute 'qk_output' is {m}")).expected("0, 1 or 2")),
        },
        ..Parts::new(q, k, v)
    };
    let made = parts.emit(n)?;
    n.become_values([made.y, present_k, present_v].into_iter().chain(made.inside).collect())
}

/// Keys or values with those of the past, as `q`'s numbers and as they are given back. `inputs`: of GroupCache.
fn cached(
    n: &mut NodeReader,
    q: ValueId,
    [new, past, lengths, total]: [Option<ValueId>; 4],
    attrs: &[(&str, Attr)],
    stored: Option<Stored>,
) -> Result<(ValueId, ValueId)> {
    let held = |n: &mut NodeReader, new, past| {
        n.emit(inner("GroupCache"), attrs, &[new, past, lengths, total], 1).map(|made| made[0])
    };
    let Some(s) = stored else { return held(n, new, past).map(|held| (held, held)) };
    let new = new.map(|new| s.rounded(n, new)).transpose()?;
    let past = past.map(|p| s.unpacked(n, p)).transpose()?;
    let held = held(n, new, past)?;
    Ok((s.numbers(n, held, q)?, s.packed(n, held)?))
}

/// Lengths as if all rows of a chunk were new keys, of which only `real` ones are: so the first one is where it is.
fn padded_lengths(n: &mut NodeReader, q: ValueId, lengths: ValueId, real: ValueId) -> Result<ValueId> {
    let rows = emit(n, "Shape", &[("start", Attr::Int(1)), ("end", Attr::Int(2))], &[q])?;
    let rows = emit(n, "CastLike", &[], &[rows, lengths])?;
    let padding = emit(n, "Sub", &[], &[rows, real])?;
    emit(n, "Add", &[], &[lengths, padding])
}

/// How many keys a sample had before: inputs `lengths` and `lengths + 1` say how many it has, and the most of any.
pub(super) fn before(cx: &ComputeCx, lengths: usize, sequence: &Sym) -> impl Fn(&Sym) -> Expr + use<> {
    let (own, total) = (cx.input(lengths), cx.input(lengths + 1));
    let (d, e) = (cx.dtype(lengths), cx.dtype(lengths + 1));
    let scalar = vec![Sym::int(0); cx.shape(lengths + 1).len()];
    let (rank, sequence, chunked) = (cx.shape(lengths).len(), sequence.clone(), cx.attrs().int("chunked") == Some(1));
    move |b: &Sym| {
        let whole = compare(CmpOp::Eq, cast(e, DType::I64, load(total, &scalar)), int(sequence.clone()));
        let index: Vec<Sym> = (0..rank).map(|a| if a == 0 { b.clone() } else { Sym::int(0) }).collect();
        let past = cast(d, DType::I64, load(own, &index)) + int(Sym::int(1) - &sequence);
        let past = binary(BinOp::Max, past, int(0));
        if chunked { past } else { select(whole, int(0), past) }
    }
}

/// Inputs `i` and `i + 1` are a length for each sample and one number.
pub(super) fn check_lengths(cx: &mut InferCx, i: usize, batch: &Sym) -> Result<()> {
    let (lengths, total) = (tensor(cx, i, Class::Int)?, tensor(cx, i + 1, Class::Int)?);
    cx.unify(&lengths.count(), batch, "a length for each sample")?;
    if !lengths.shape.is_empty() {
        cx.unify(&lengths.shape[0], batch, "a length for each sample")?;
    }
    cx.unify(&total.count(), &Sym::int(1), "total_sequence_length is one number").map(|_| ())
}

/// Input 0, which must be [batch, sequence, hidden].
pub(super) fn sequences(cx: &InferCx) -> Result<TensorType> {
    sequences_of(cx, Class::Float)
}

fn sequences_of(cx: &InferCx, class: Class) -> Result<TensorType> {
    let x = tensor(cx, 0, class)?;
    match x.rank() {
        3 => Ok(x),
        r => Err(cx.error("E2005", format!("queries, keys or values have rank {r}")).expected("3")),
    }
}

fn infer_cache(cx: &mut InferCx) -> Result<()> {
    let x = sequences_of(cx, Class::Number)?;
    check_lengths(cx, 2, &x.shape[0])?;
    let heads = Sym::int(cx.attrs().int("heads").unwrap_or(1));
    let size = x.shape[2].floordiv(&heads);
    let mut shape = vec![x.shape[0].clone(), heads, x.shape[1].clone(), size];
    if cx.opt(1).is_some() {
        let past = tensor_of(cx, 1, x.dtype)?.shape;
        if past.len() != 4 {
            return Err(cx.error("E2005", format!("the past has rank {}", past.len())).expected("4"));
        }
        for (axis, what) in [(0, "samples"), (1, "heads"), (3, "sizes of heads")] {
            shape[axis] = cx.unify(&shape[axis].clone(), &past[axis], &format!("{what} of past and present"))?;
        }
        let total = cx.content(3).and_then(|c| c.first().cloned());
        shape[2] = match total.filter(|t| !super::super::movement::from_values(cx.graph, t)) {
            Some(t) => Sym::max(&past[2], &t),
            None => cx.fresh_extent(0, "capacity", 0, Some(&past[2] + &shape[2])),
        };
    }
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

fn extents_of_cache(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let past = cx.input_type(1).shape[2].clone();
    let new = cx.input_type(0).shape[1].clone();
    let total = super::super::movement::run_time_list(cx, 3)?;
    let (past, new) = (cx.f.sym(&past), cx.f.sym(&new));
    let most = cx.f.add(past, new);
    let zero = cx.f.int(0);
    let total = total.first().copied().unwrap_or(zero);
    let beyond = cx.f.compare(CmpOp::Gt, total, most);
    cx.fail_if(beyond, super::super::movement::OUT_OF_RANGE);
    Ok(vec![cx.f.binary(BinOp::Max, past, total)])
}

fn lower_cache(cx: &mut ComputeCx) -> Result<()> {
    let (x, dtype, shape) = (cx.input(0), cx.dtype(0), cx.shape(0));
    let (zero, size) = (Scalar::from_i64(dtype, 0), cx.out_shape(0)[3].clone());
    let Some(past) = cx.opt(1) else {
        cx.map_output(|_, i| load(x, &[i[0].clone(), i[2].clone(), &i[1] * &size + &i[3]]));
        return Ok(());
    };
    let before = before(cx, 2, &shape[1]);
    cx.map_output(|_, i| {
        let at = int(i[2].clone()) - before(&i[0]);
        let new = load_at(x, vec![int(i[0].clone()), at.clone(), int(&i[1] * &size + &i[3])], Some(zero));
        let low = compare(CmpOp::Ge, at.clone(), int(0));
        let inside = binary(BinOp::And, low, compare(CmpOp::Lt, at, int(shape[1].clone())));
        select(inside, new, load_padded(past, i, zero))
    });
    Ok(())
}

fn infer_positions(cx: &mut InferCx) -> Result<()> {
    let q = sequences(cx)?;
    check_lengths(cx, 1, &q.shape[0])?;
    cx.set_tensor(0, DType::I64, q.shape[..2].to_vec());
    Ok(())
}

fn lower_positions(cx: &mut ComputeCx) -> Result<()> {
    let sequence = cx.shape(0)[1].clone();
    let before = before(cx, 1, &sequence);
    cx.map_output(|_, i| before(&i[0]) + int(i[1].clone()));
    Ok(())
}

fn infer_mask(cx: &mut InferCx) -> Result<()> {
    let (q, k) = (sequences(cx)?, tensor(cx, 1, Class::Float)?);
    check_lengths(cx, 2, &q.shape[0])?;
    let mut heads = Sym::int(1);
    if cx.opt(4).is_some() {
        let bias = tensor_of(cx, 4, q.dtype)?.shape;
        if bias.len() != 4 {
            return Err(cx.error("E2005", format!("attention_bias has rank {}", bias.len())).expected("4"));
        }
        cx.unify(&bias[2], &q.shape[1], "queries and attention_bias")?;
        cx.fit_extent(&bias[0], &q.shape[0], "samples and attention_bias")?;
        heads = bias[1].clone();
    }
    cx.set_tensor(0, q.dtype, vec![q.shape[0].clone(), heads, q.shape[1].clone(), k.shape[2].clone()]);
    Ok(())
}

fn lower_mask(cx: &mut ComputeCx) -> Result<()> {
    let (dtype, sequence) = (cx.dtype(0), cx.shape(0)[1].clone());
    let (d, window) = (wide(dtype), cx.attrs().int("window").unwrap_or(-1));
    let causal = cx.attrs().int("causal") != Some(0);
    let bias = cx.opt(4).map(|b| (b, Along::last_axes(cx, &cx.shape(4)[..2], &cx.out_shape(0)[..2])));
    let before = before(cx, 2, &sequence);
    map_from(cx, d, |i| {
        let key = int(i[3].clone());
        let own = before(&i[0]) + int(if causal { i[2].clone() } else { &sequence - 1 });
        let mut sees = compare(CmpOp::Le, key.clone(), own.clone());
        if window > 0 {
            sees = binary(BinOp::And, sees, compare(CmpOp::Gt, key, own - int(window)));
        }
        let value = match &bias {
            Some((b, along)) => {
                let at = [along[0].at(&i[0]), along[1].at(&i[1]), i[2].clone(), i[3].clone()];
                cast(dtype, d, load_padded(*b, &at, Scalar::from_i64(dtype, 0)))
            }
            None => number(d, 0.0),
        };
        select(sees, value, number(d, f64::NEG_INFINITY))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_grouped");
    }
}
