//! MoE and QMoE: each row goes through the `k` experts that a router favours; and ExpertProduct, of which they are
//! made.
//!
//! y[t] = sum over the k experts e of row t of weight * (act(x[t] W1[e]' + b1[e]) W2[e]' + b2[e]). The weights are the
//! softmax of the router's numbers over all experts, or of those chosen if `normalize_routing_weights`; QMoE's are always
//! of those chosen, as in ONNX Runtime's CPU kernel, unless they are given. QMoE has integers of 2, 4 or 8 bits for W, low
//! bits first along the last axis, with a scale (and zero point, 2^(bits - 1) if absent) for each row, or each block of
//! `block_size` of it.
//! A third matrix multiplies what the first gives, activated, elementwise; ONNX Runtime's CPU kernels don't have it, nor
//! `swiglu_fusion` 2. Does NOT support sparse mixers, weights of floats of 4 or 8 bits, layouts of CUDA's kernels.

use super::nbits::field;
use super::{DOMAIN, emit, inner, ints, need, opt, reshape};
use crate::ops::conv::set_narrowed;
use crate::ops::elementwise::{Class, tensor, wide};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// MoE.
pub static MOE: OpDef = OpDef::composed(DOMAIN, "MoE", &[(1, |n| import(n, &FLOAT))]);

/// QMoE.
pub static QMOE: OpDef = OpDef::composed(DOMAIN, "QMoE", &[(1, |n| import(n, &QUANTISED))]);

/// ExpertProduct(x, weights, experts, scales, zero points, bias), which only imports make: of x [rows, 1 or k, in],
/// weights [all experts, out, in] and the rows' experts [rows, k] the products [rows, k, out]. `bits`: of the elements of
/// bytes, along the last axis; 0: each is an element. `block`: elements that share a scale; 0: a row's.
pub static PRODUCT: OpDef = OpDef {
    domain: crate::ops::INNER,
    name: "ExpertProduct",
    versions: &[(1, import_product)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

/// Where the inputs of the three products are: weights, scales, bias, zero points; `None`: there is none.
struct Places {
    layers: [[Option<usize>; 4]; 3],
    router: Option<usize>,
}

const FLOAT: Places = Places {
    layers: [[Some(2), None, Some(3), None], [Some(4), None, Some(5), None], [Some(6), None, Some(7), None]],
    router: None,
};

const QUANTISED: Places = Places {
    layers: [
        [Some(2), Some(3), Some(4), Some(11)],
        [Some(5), Some(6), Some(7), Some(12)],
        [Some(8), Some(9), Some(10), Some(13)],
    ],
    router: Some(14),
};

fn import_product(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = Attrs::default().with("bits", Attr::Int(n.int("bits", 0)?));
    Ok(attrs.with("block", Attr::Int(n.int("block", 0)?)))
}

/// What the model can't have.
fn refuse(n: &mut NodeReader, quantised: bool) -> Result<()> {
    for name in ["use_sparse_mixer", "swiglu_limit_after_activation"] {
        if n.int(name, 0)? != 0 {
            return Err(n.error("E2020", format!("'{name}' is not supported yet")));
        }
    }
    if quantised {
        n.ignore(&["accuracy_level"]);
        n.choice("quant_type", &["int"])?;
        if n.int("weights_prepacked", -1)? > 0 {
            return Err(n
                .error("E2020", "weights in the layout of other kernels are not supported")
                .expected("'weights_prepacked' 0, or left out"));
        }
    }
    Ok(())
}

fn import(n: &mut NodeReader, at: &Places) -> Result<Attrs> {
    let quantised = at.router.is_some();
    refuse(n, quantised)?;
    let (x, logits) = (need(n, 0)?, need(n, 1)?);
    let rows = emit(n, "Flatten", &[("axis", Attr::Int(-1))], &[x])?;
    let second = ints(n, "axis", &[1]);
    let rows = emit(n, "Unsqueeze", &[], &[rows, second])?;
    let (experts, weights) = route(n, logits, quantised, at.router.and_then(|i| opt(n, i)))?;
    let fused = n.int("swiglu_fusion", 0)?;
    let first = product(n, at, 0, rows, experts)?;
    let gate = at.layers[2][0].and_then(|i| opt(n, i));
    let other = match gate {
        Some(_) => Some(product(n, at, 2, rows, experts)?),
        None => None,
    };
    let hidden = activated(n, first, other, fused)?;
    let y = product(n, at, 1, hidden, experts)?;
    let last = ints(n, "axis", &[2]);
    let weights = emit(n, "Unsqueeze", &[], &[weights, last])?;
    let y = emit(n, "Mul", &[], &[y, weights])?;
    let y = emit(n, "ReduceSum", &[("keepdims", Attr::Int(0))], &[y, second])?;
    let shape = emit(n, "Shape", &[], &[x])?;
    let y = emit(n, "Reshape", &[("allowzero", Attr::Int(1))], &[y, shape])?;
    n.become_values(vec![y])
}

/// The experts of each row and their weights: [rows, k] both.
fn route(n: &mut NodeReader, logits: ValueId, quantised: bool, given: Option<ValueId>) -> Result<(ValueId, ValueId)> {
    let (k, normalised) = (n.int("k", 1)?, n.int("normalize_routing_weights", 0)? != 0);
    let k = ints(n, "k", &[k]);
    let best = n.emit(OpName::onnx("TopK"), &[("axis", Attr::Int(-1))], &[Some(logits), Some(k)], 2)?;
    let along = [("axis", Attr::Int(-1))];
    let weights = match given {
        Some(all) => {
            let weights = emit(n, "GatherElements", &along, &[all, best[1]])?;
            if normalised {
                let last = ints(n, "axis", &[-1]);
                let sum = emit(n, "ReduceSum", &[], &[weights, last])?;
                emit(n, "Div", &[], &[weights, sum])?
            } else {
                weights
            }
        }
        None if normalised || quantised => emit(n, "Softmax", &along, &[best[0]])?,
        None => {
            let all = emit(n, "Softmax", &along, &[logits])?;
            emit(n, "GatherElements", &along, &[all, best[1]])?
        }
    };
    Ok((best[1], weights))
}

/// The product of layer `i`.
fn product(n: &mut NodeReader, at: &Places, i: usize, x: ValueId, experts: ValueId) -> Result<ValueId> {
    let [weights, scales, bias, zeros] = at.layers[i].map(|p| p.and_then(|p| opt(n, p)));
    let weights = weights.ok_or_else(|| n.error("E2001", format!("the weights of layer {} are missing", i + 1)))?;
    let (mut bits, mut block) = (0, 0);
    if at.router.is_some() {
        let all = n.int("expert_weight_bits", 4)?;
        bits = n.int(&format!("fc{}_expert_weight_bits", i + 1), all)?;
        block = n.int("block_size", 0)?.max(0);
        if !matches!(bits, 2 | 4 | 8) {
            return Err(n
                .error("E2011", format!("the weights of layer {} have {bits} bits", i + 1))
                .expected("2, 4 or 8"));
        }
        if scales.is_none() {
            return Err(n.error("E2001", format!("the scales of layer {} are missing", i + 1)));
        }
    }
    let attrs = [("bits", Attr::Int(bits)), ("block", Attr::Int(block))];
    let inputs = [Some(x), Some(weights), Some(experts), scales, zeros, bias];
    Ok(n.emit(inner("ExpertProduct"), &attrs, &inputs, 1)?[0])
}

/// What the second product is of; `other`: the third one's.
fn activated(n: &mut NodeReader, x: ValueId, other: Option<ValueId>, fused: i64) -> Result<ValueId> {
    let (alpha, beta) = (n.float("activation_alpha", 1.0)?, n.float("activation_beta", 0.0)?);
    let limit = n.opt_float("swiglu_limit")?;
    let word = n.choice("activation_type", &["relu", "gelu", "silu", "swiglu", "identity"])?;
    if word == "swiglu" {
        let [gate, linear] = match (fused, other) {
            (0, Some(l)) => [x, l],
            (1, None) => halves(n, x, [0, 0, -1, 2], 3)?,
            (2, None) => halves(n, x, [0, 0, 2, -1], 2)?,
            (f, _) => {
                let found = format!(
                    "'swiglu_fusion' is {f}, and a third matrix is {}",
                    if other.is_some() { "there" } else { "absent" }
                );
                return Err(n.error("E2011", found).expected("0 with a third matrix, or 1 or 2 without one"));
            }
        };
        return swiglu(n, [gate, linear], alpha, beta, limit);
    }
    let y = match word.as_str() {
        "relu" => emit(n, "Relu", &[], &[x])?,
        "gelu" => emit(n, "Gelu", &[("approximate", Attr::Str("tanh".into()))], &[x])?,
        "silu" => emit(n, "Swish", &[], &[x])?,
        _ => x,
    };
    match other {
        Some(l) => emit(n, "Mul", &[], &[y, l]),
        None => Ok(y),
    }
}

/// Elements 0 and 1 along an axis of a value in another shape.
fn halves(n: &mut NodeReader, x: ValueId, shape: [i64; 4], axis: i64) -> Result<[ValueId; 2]> {
    let x = reshape(n, x, &shape)?;
    let [a, b] = [0i64, 1].map(|i| n.constant("half", Tensor::scalar(i)));
    let axis = [("axis", Attr::Int(axis))];
    Ok([emit(n, "Gather", &axis, &[x, a])?, emit(n, "Gather", &axis, &[x, b])?])
}

/// g * sigmoid(alpha g) * (l + beta), of g at most `limit` and l within it.
fn swiglu(
    n: &mut NodeReader,
    [gate, linear]: [ValueId; 2],
    alpha: f32,
    beta: f32,
    limit: Option<f32>,
) -> Result<ValueId> {
    let number = |n: &mut NodeReader, v: f32| {
        let v = n.constant("number", Tensor::scalar(v));
        emit(n, "CastLike", &[], &[v, gate])
    };
    let (mut g, mut l) = (gate, linear);
    if let Some(limit) = limit {
        let (low, high) = (number(n, -limit)?, number(n, limit)?);
        g = emit(n, "Min", &[], &[g, high])?;
        l = emit(n, "Clip", &[], &[l, low, high])?;
    }
    let (alpha, beta) = (number(n, alpha)?, number(n, beta)?);
    let scaled = emit(n, "Mul", &[], &[g, alpha])?;
    let sigmoid = emit(n, "Sigmoid", &[], &[scaled])?;
    let g = emit(n, "Mul", &[], &[g, sigmoid])?;
    let l = emit(n, "Add", &[], &[l, beta])?;
    emit(n, "Mul", &[], &[g, l])
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (x, w, e) = (tensor(cx, 0, Class::Float)?, tensor(cx, 1, Class::Any)?, tensor(cx, 2, Class::Int)?);
    if (x.rank(), w.rank(), e.rank()) != (3, 3, 2) {
        let found = format!("ranks of rows, weights and experts: {}, {}, {}", x.rank(), w.rank(), e.rank());
        return Err(cx.error("E2005", found).expected("3, 3 and 2"));
    }
    let per = elements(cx.attrs());
    cx.unify(&x.shape[0], &e.shape[0], "rows and rows of the router")?;
    cx.unify(&(&w.shape[2] * per), &x.shape[2], "elements of a row, and of a row of the weights")?;
    if cx.opt(5).is_some() {
        let bias = tensor(cx, 5, Class::Float)?.shape;
        for (a, what) in [(0, "experts"), (1, "elements")].into_iter().filter(|_| bias.len() == 2) {
            cx.unify(&bias[a], &w.shape[a], &format!("{what} of bias and weights"))?;
        }
    }
    for i in [3, 4, 5] {
        let rank = if cx.opt(i).is_some() { cx.shape(i)?.len() } else { 2 };
        let want = if i < 5 && block(cx.attrs()).is_some() { 3 } else { 2 };
        if cx.opt(i).is_some() && rank != want {
            return Err(cx.error("E2005", format!("input {i} has rank {rank}")).expected(want.to_string()));
        }
    }
    cx.set_tensor(0, x.dtype, vec![e.shape[0].clone(), e.shape[1].clone(), w.shape[1].clone()]);
    Ok(())
}

/// Elements of a byte.
fn elements(attrs: &Attrs) -> i64 {
    attrs.int("bits").filter(|b| *b > 0).map_or(1, |b| 8 / b)
}

fn block(attrs: &Attrs) -> Option<Sym> {
    attrs.int("block").filter(|b| *b > 0).map(Sym::int)
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, w, experts, dtype) = (cx.input(0), cx.input(1), cx.input(2), cx.dtype(0));
    let part = |i: usize| cx.opt(i).map(|s| (s, cx.dtype(i)));
    let (scales, zeros, bias, of_w, index) = (part(3), part(4), part(5), cx.dtype(1), cx.dtype(2));
    let (attrs, d, out, xs) = (cx.attrs(), wide(dtype), cx.out_shape(0), cx.shape(0));
    let (bits, per, block) = (attrs.int("bits").unwrap_or(0), elements(attrs), block(attrs));
    let at = |t: (Src, DType), index: Vec<Expr>| load_at(t.0, index, Some(Scalar::from_i64(t.1, 0)));
    let expert = |i: &[Sym]| cast(index, DType::I64, load(experts, &i[..2]));
    // An element of bytes that hold several along the last axis.
    let packed = |t: (Src, DType), mut head: Vec<Expr>, last: &Sym| {
        head.push(int(last.floordiv(&Sym::int(per))));
        cast(DType::I32, d, field(at(t, head), &last.modulo(&Sym::int(per)), bits))
    };
    let weight = |i: &[Sym], r: &Sym| {
        let (e, o) = (expert(i), int(i[2].clone()));
        let Some(scale) = scales.filter(|_| bits > 0) else {
            return cast(of_w, d, at((w, of_w), vec![e, o, int(r.clone())]));
        };
        let q = packed((w, of_w), vec![e.clone(), o.clone()], r);
        let group = block.as_ref().map(|b| r.floordiv(b));
        let zero = match (zeros, &group) {
            (None, _) => number(d, f64::from(1 << (bits - 1))),
            (Some(z), Some(group)) => packed(z, vec![e.clone(), o.clone()], group),
            (Some(z), None) => packed(z, vec![e.clone()], &i[2]),
        };
        let place = [e, o].into_iter().chain(group.map(int)).collect();
        (q - zero) * cast(scale.1, d, at(scale, place))
    };
    let start = |_: &mut KernelBuilder, i: &[Sym]| match bias {
        Some(b) => cast(b.1, d, at(b, vec![expert(i), int(i[2].clone())])),
        None => number(d, 0.0),
    };
    let init: &dyn Fn(&mut KernelBuilder, &[Sym]) -> Expr = &start;
    let name = cx.node().name.clone();
    let over = [xs[2].clone()];
    let sum = cx.k.reduce(&name, d, &out, ReduceOp::Add, &over, bias.map(|_| init), |_, i, r| {
        let k = if xs[1].is_one() { Sym::int(0) } else { i[1].clone() };
        cast(dtype, d, load(x, &[i[0].clone(), k, r[0].clone()])) * weight(i, &r[0])
    });
    set_narrowed(cx, sum, d);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_experts");
    }
}
