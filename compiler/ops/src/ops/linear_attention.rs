//! LinearAttention: attention without a softmax, as a recurrence over a state [size of k, size of v] per head.
//!
//! Since 27. At each step the state decays (gated), is corrected by what it says of the key (delta), and takes up the
//! outer product of key and value; the output is scale * query * state. Inputs are [batch, steps, heads * size]; groups of
//! queries' heads share a state. Computed in f32. Does NOT take steps in chunks, for which
//! `chunk_size` is a hint.
//! <https://arxiv.org/abs/2412.06464>

use super::elementwise::*;
use super::movement::product;
use super::routines::*;
use crate::prelude::*;
use crate::routine::TensorBuf;
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Value};

/// LinearAttention.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "LinearAttention",
    versions: &[(27, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: None,
};

const D: DType = DType::F32;

fn import(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["chunk_size"]);
    let rule = n.choice("update_rule", &["gated_delta", "linear", "gated", "delta"])?;
    let (q, kv) = (n.need_int("q_num_heads")?, n.need_int("kv_num_heads")?);
    if kv < 1 || q < 1 || q % kv != 0 {
        return Err(n
            .error("E2011", format!("{q} heads of queries, {kv} of keys"))
            .expected("a multiple of kv_num_heads"));
    }
    let attrs = Attrs::default().with("heads", Attr::Int(q)).with("kv_heads", Attr::Int(kv));
    let attrs = attrs.with("gated", Attr::Int(i64::from(rule.starts_with("gated"))));
    let attrs = attrs.with("delta", Attr::Int(i64::from(rule.ends_with("delta"))));
    Ok(attrs.with("scale", Attr::Float(n.float("scale", 0.0)?)))
}

/// The parts of the extents.
struct Sizes {
    heads: i64,
    kv_heads: i64,
    /// Elements of a key and of a value.
    k: Sym,
    v: Sym,
}

fn sizes(attrs: &Attrs, q: &[Sym], v: &[Sym]) -> Sizes {
    let (heads, kv_heads) = (attrs.int("heads").unwrap_or(1), attrs.int("kv_heads").unwrap_or(1));
    let (k, v) = (q[2].floordiv(&Sym::int(heads)), v[2].floordiv(&Sym::int(kv_heads)));
    Sizes { heads, kv_heads, k, v }
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let q = tensor(cx, 0, Class::Float)?;
    let (k, v) = (tensor_of(cx, 1, q.dtype)?.shape, tensor_of(cx, 2, q.dtype)?.shape);
    if (q.rank(), k.len(), v.len()) != (3, 3, 3) {
        let found = format!("ranks of query, key, value: {}, {}, {}", q.rank(), k.len(), v.len());
        return Err(cx.error("E2005", found).expected("3 for each"));
    }
    let s = sizes(cx.attrs(), &q.shape, &v);
    let (heads, kv_heads) = (Sym::int(s.heads), Sym::int(s.kv_heads));
    cx.unify(&(&s.k * &heads), &q.shape[2], "hidden elements of the query, over heads")?;
    cx.unify(&(&s.v * &kv_heads), &v[2], "hidden elements of the value, over heads")?;
    cx.unify(&(&s.k * &kv_heads), &k[2], "hidden elements of the key, over heads")?;
    for t in [&k, &v] {
        cx.unify(&t[0], &q.shape[0], "samples of query, key and value")?;
        cx.unify(&t[1], &q.shape[1], "steps of query, key and value")?;
    }
    let state = vec![q.shape[0].clone(), kv_heads, s.k.clone(), s.v.clone()];
    let mut of_state = q.dtype;
    if cx.opt(3).is_some() {
        let past = tensor(cx, 3, Class::Float)?;
        of_state = past.dtype;
        if past.rank() != 4 {
            return Err(cx.error("E2005", format!("the past state has rank {}", past.rank())).expected("4"));
        }
        for (axis, (a, b)) in past.shape.iter().zip(&state).enumerate() {
            cx.unify(a, b, &format!("axis {axis} of the past state"))?;
        }
    }
    infer_gates(cx, &q.shape, &s)?;
    cx.set_tensor(0, q.dtype, vec![q.shape[0].clone(), q.shape[1].clone(), &s.v * s.heads]);
    cx.set_tensor(1, of_state, state);
    Ok(())
}

/// Inputs 4 and 5: there if the rule wants them, else not.
fn infer_gates(cx: &mut InferCx, q: &[Sym], s: &Sizes) -> Result<()> {
    for (i, rule) in [(4, "gated"), (5, "delta")] {
        if cx.opt(i).is_some() != (cx.attrs().int(rule) == Some(1)) {
            let found = if cx.opt(i).is_some() { "there" } else { "missing" };
            return Err(cx.error("E2001", format!("input {i} is {found}")).expected(
                "decay for the rules gated and gated_delta, beta for delta and gated_delta, and only there",
            ));
        }
        if cx.opt(i).is_none() {
            continue;
        }
        let t = tensor(cx, i, Class::Float)?.shape;
        if t.len() != 3 {
            return Err(cx.error("E2005", format!("input {i} has rank {}", t.len())).expected("3"));
        }
        cx.unify(&t[0], &q[0], &format!("samples of input {i}"))?;
        cx.unify(&t[1], &q[1], &format!("steps of input {i}"))?;
        let heads = Sym::int(s.kv_heads);
        let others = if i == 4 { &heads * &s.k } else { Sym::int(1) };
        if t[2] != heads && t[2] != others {
            let either = (&t[2] - &heads) * (&t[2] - &others);
            cx.unify(&either, &Sym::int(0), &format!("the last axis of input {i} is {heads} or {others}"))?;
        }
    }
    Ok(())
}

/// A gate: where its element for a head (and an element of the key) is.
#[derive(Clone)]
struct Gate {
    t: TensorBuf,
    /// A bool: is there one element for each head? Else there is one for each element of the key, or one for all.
    per_head: Value,
}

/// What the loops over one head's steps work with.
struct Cx {
    state: Buf,
    update: Buf,
    sum: Buf,
    k: Value,
    v: Value,
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (q, key, value, y) = (cx.input(0), cx.input(1), cx.input(2), cx.output(0));
    let present = (cx.node().outputs.len() > 1).then(|| cx.output(1));
    let (past, s) = (cx.opt(3), sizes(cx.attrs(), &q.shape, &value.shape));
    let [decay, beta] = [4, 5].map(|i| {
        let t = cx.opt(i)?;
        let (last, heads) = (cx.f.sym(&t.shape[2]), cx.f.int(s.kv_heads));
        Some(Gate { per_head: cx.f.compare(CmpOp::Eq, last, heads), t })
    });
    let state = cx.scratch("state", D, &s.k * &s.v);
    let (update, sum) = (cx.scratch("update", D, s.v.clone()), cx.scratch("sum", D, s.v.clone()));
    let scale = cx.attrs().float("scale").unwrap_or(0.0);
    let f = &mut *cx.f;
    let (samples, steps) = (f.sym(&q.shape[0]), f.sym(&q.shape[1]));
    let c = Cx { state, update, sum, k: f.sym(&s.k), v: f.sym(&s.v) };
    let size = f.sym(&product(&[s.k.clone(), s.v.clone()]));
    let scale = scale_of(f, &c, scale);
    let (kv, group) = (f.int(s.kv_heads), s.heads / s.kv_heads);
    nest(f, &[samples, kv], &mut |f, i| {
        let whole = f.mul(i[0], kv);
        let whole = f.add(whole, i[1]);
        let whole = f.mul(whole, size);
        begin(f, &c, past.as_ref(), whole, size);
        nest(f, &[steps], &mut |f, t| {
            let row = f.mul(i[0], steps);
            let row = f.add(row, t[0]);
            let at = |f: &mut FuncBuilder, heads: i64, head: Value, size: Value| {
                let heads = f.int(heads);
                let at = f.mul(row, heads);
                let at = f.add(at, head);
                f.mul(at, size)
            };
            if let Some(g) = &decay {
                decay_state(f, &c, g, row, kv, i[1]);
            }
            let (k_at, v_at) = (at(f, s.kv_heads, i[1], c.k), at(f, s.kv_heads, i[1], c.v));
            take_up(f, &c, &key, &value, k_at, v_at, beta.as_ref().map(|b| (b, row, kv, i[1])));
            for g in 0..group {
                let (group, g) = (f.int(group), f.int(g));
                let head = f.mul(i[1], group);
                let head = f.add(head, g);
                let (q_at, y_at) = (at(f, s.heads, head, c.k), at(f, s.heads, head, c.v));
                times_state(f, &c, &q, q_at);
                answer(f, &c, &y, y_at, scale);
            }
        });
        if let Some(p) = &present {
            keep(f, &c, p, whole, size);
        }
    });
    Ok(())
}

/// What answers are multiplied by: 1 / sqrt(k) where the attribute says nothing.
fn scale_of(f: &mut FuncBuilder, c: &Cx, scale: f32) -> Value {
    if scale != 0.0 {
        return f.scalar(Scalar::f32(scale));
    }
    let k = f.cast(c.k, D);
    let (root, one) = (f.unary(UnOp::Sqrt, k), f.scalar(Scalar::f32(1.0)));
    f.binary(BinOp::Div, one, root)
}

/// The state before the first step: `size` elements of the past one from `whole` on, or zeros.
fn begin(f: &mut FuncBuilder, c: &Cx, past: Option<&TensorBuf>, whole: Value, size: Value) {
    let zero = f.scalar(Scalar::f32(0.0));
    nest(f, &[size], &mut |f, e| {
        let v = match past {
            Some(p) => {
                let at = f.add(whole, e[0]);
                let v = f.load(p.buf, at, 1, None);
                f.cast(v, D)
            }
            None => zero,
        };
        f.store(c.state, e[0], v, None);
    });
}

/// Stores the state after the last step.
fn keep(f: &mut FuncBuilder, c: &Cx, present: &TensorBuf, whole: Value, size: Value) {
    nest(f, &[size], &mut |f, e| {
        let v = f.load(c.state, e[0], 1, None);
        let v = f.cast(v, present.dtype);
        let at = f.add(whole, e[0]);
        f.store(present.buf, at, v, None);
    });
}

/// Stores what a query finds in the state, scaled.
fn answer(f: &mut FuncBuilder, c: &Cx, y: &TensorBuf, y_at: Value, scale: Value) {
    lanes(f, c.v, &mut |f, m, n| {
        let v = f.load(c.sum, m, n, None);
        let by = f.splat(scale, n);
        let v = f.mul(v, by);
        let v = f.cast(v, y.dtype);
        let at = f.add(y_at, m);
        f.store(y.buf, at, v, None);
    });
}

/// Runs `body` for vectors of elements, then for the rest one by one: position and lanes.
fn lanes(f: &mut FuncBuilder, n: Value, body: &mut dyn FnMut(&mut FuncBuilder, Value, u16)) {
    const LANES: u16 = 8;
    let (zero, width) = (f.int(0), f.int(i64::from(LANES)));
    let chunks = f.binary(BinOp::Div, n, width);
    let whole = f.mul(chunks, width);
    for (lo, hi, lanes) in [(zero, whole, LANES), (whole, n, 1)] {
        f.for_loop("m", lo, hi, i64::from(lanes), LoopKind::Serial, |f, m| body(f, m, lanes));
    }
}

/// An element of an input, as f32.
fn element(f: &mut FuncBuilder, t: &TensorBuf, start: Value, i: Value) -> Value {
    let at = f.add(start, i);
    load_wide(f, t.buf, t.dtype, at)
}

/// state[d, m] *= exp(decay of d).
fn decay_state(f: &mut FuncBuilder, c: &Cx, g: &Gate, row: Value, heads: Value, head: Value) {
    let at = f.mul(row, heads);
    let at = f.add(at, head);
    nest(f, &[c.k], &mut |f, d| {
        let each = f.mul(at, c.k);
        let each = f.add(each, d[0]);
        let at = f.select(g.per_head, at, each);
        let v = load_wide(f, g.t.buf, g.t.dtype, at);
        let factor = f.unary(UnOp::Exp, v);
        let start = f.mul(d[0], c.v);
        lanes(f, c.v, &mut |f, m, n| {
            let at = f.add(start, m);
            let (old, factor) = (f.load(c.state, at, n, None), f.splat(factor, n));
            let new = f.mul(old, factor);
            f.store(c.state, at, new, None);
        });
    });
}

/// sum[m] = sum over d of t[d] * state[d, m].
fn times_state(f: &mut FuncBuilder, c: &Cx, t: &TensorBuf, start: Value) {
    lanes(f, c.v, &mut |f, m, n| {
        let zero = f.scalar(Scalar::f32(0.0));
        let zero = f.splat(zero, n);
        f.store(c.sum, m, zero, None);
    });
    nest(f, &[c.k], &mut |f, d| {
        let x = element(f, t, start, d[0]);
        let row = f.mul(d[0], c.v);
        lanes(f, c.v, &mut |f, m, n| {
            let at = f.add(row, m);
            let (s, x, old) = (f.load(c.state, at, n, None), f.splat(x, n), f.load(c.sum, m, n, None));
            let part = f.mul(x, s);
            let new = f.add(old, part);
            f.store(c.sum, m, new, None);
        });
    });
}

/// state[d, m] += k[d] * u[m], where u is the value, or beta times what the state misses of it.
fn take_up(
    f: &mut FuncBuilder,
    c: &Cx,
    key: &TensorBuf,
    value: &TensorBuf,
    k_at: Value,
    v_at: Value,
    beta: Option<(&Gate, Value, Value, Value)>,
) {
    let weight = beta.map(|(g, row, heads, head)| {
        times_state(f, c, key, k_at);
        let at = f.mul(row, heads);
        let at = f.add(at, head);
        let at = f.select(g.per_head, at, row);
        load_wide(f, g.t.buf, g.t.dtype, at)
    });
    nest(f, &[c.v], &mut |f, m| {
        let mut v = element(f, value, v_at, m[0]);
        if let Some(w) = weight {
            let known = f.load(c.sum, m[0], 1, None);
            let missing = f.sub(v, known);
            v = f.mul(w, missing);
        }
        f.store(c.update, m[0], v, None);
    });
    nest(f, &[c.k], &mut |f, d| {
        let x = element(f, key, k_at, d[0]);
        let row = f.mul(d[0], c.v);
        lanes(f, c.v, &mut |f, m, n| {
            let at = f.add(row, m);
            let (u, x, old) = (f.load(c.update, m, n, None), f.splat(x, n), f.load(c.state, at, n, None));
            let part = f.mul(x, u);
            let new = f.add(old, part);
            f.store(c.state, at, new, None);
        });
    });
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("linear_attention");
    }
}
