//! AttentionScores: scaled products of queries and keys, capped and masked, [batch, heads, queries, keys].
//!
//! Inputs: q, k, mask, real lengths, past keys (for their number alone). A masked score is -inf, whatever the product is.
//! Query i stands at position i + offset: after the past, or at the end of the real keys, or, with neither, at i. It sees
//! the keys up to its own position (`causal`), at most `left` before and `right` after it.
//!
//! Does NOT put past keys in front of the new ones (see `cache`), nor take the softmax.

use super::{Heads, INNER, passed_on};
use crate::broadcast::{Along, index_of};
use crate::ops::conv::set_narrowed;
use crate::ops::elementwise::*;
use crate::prelude::*;

/// AttentionScores, which only imports make. Of dtype `precision`, or q's (`wide`: the one of its arithmetic). A second output is the value at the step that `inside` names.
pub static SCORES: OpDef = OpDef {
    domain: INNER,
    name: "AttentionScores",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let names = ["causal", "heads", "inside", "kv_heads", "left", "right", "scale", "softcap", "wide"];
    let mut attrs = passed_on(n, &names);
    if let Some(number) = n.opt_int("precision")? {
        let dtype = i32::try_from(number).ok().and_then(onnxc_onnx::dtype::from_onnx);
        match dtype.filter(|d| d.is_float() && Scalar::holds(*d)) {
            Some(d) => attrs.set("precision", Attr::DType(d)),
            None => {
                let found = format!("attribute 'softmax_precision' is {number}");
                return Err(n.error("E2011", found).expected("1 (float), 10 (float16), 11 (double) or 16 (bfloat16)"));
            }
        }
    }
    Ok(attrs)
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let dtype = cx.dtype(0)?;
    tensor_of(cx, 1, dtype)?;
    let (q, k) = (Heads::infer(cx, 0, cx.attrs().int("heads"))?, Heads::infer(cx, 1, cx.attrs().int("kv_heads"))?);
    let batch = cx.unify(&q.shape[0], &k.shape[0], "samples of q and k")?;
    cx.unify(&q.size(), &k.size(), "sizes of the heads of q and k")?;
    if q.count() != k.count() {
        let rest = q.count().modulo(&k.count());
        cx.unify(&rest, &Sym::int(0), "heads of q over those of k")?;
    }
    let shape = vec![batch, q.count(), q.sequence(), k.sequence()];
    infer_masks(cx, &shape)?;
    let least = if cx.attrs().int("wide") == Some(1) { wide(dtype) } else { dtype };
    let precision = cx.attrs().dtype("precision").unwrap_or(least);
    cx.set_tensor(0, precision, shape.clone());
    cx.set_tensor(1, dtype, shape);
    Ok(())
}

fn infer_masks(cx: &mut InferCx, shape: &[Sym]) -> Result<()> {
    if cx.opt(2).is_some() {
        let mask = tensor(cx, 2, Class::Any)?.shape;
        if mask.len() > 4 || mask.is_empty() {
            return Err(cx.error("E2005", format!("the mask has rank {}", mask.len())).expected("1 to 4"));
        }
        let last = mask.len() - 1;
        for (axis, d) in mask[..last].iter().enumerate().filter(|(_, d)| !d.is_one()) {
            cx.fit_extent(d, &shape[axis + 3 - last], &format!("axis {axis} of the mask"))?;
        }
        let longest = Sym::max(&mask[last], &shape[3]);
        cx.unify(&longest, &shape[3], "the mask is no longer than the keys")?;
    }
    if cx.opt(3).is_some() {
        let lengths = tensor(cx, 3, Class::Int)?.shape;
        if lengths.len() != 1 {
            return Err(cx.error("E2005", format!("the lengths have rank {}", lengths.len())).expected("1"));
        }
        cx.unify(&lengths[0], &shape[0], "samples of q and the lengths")?;
    }
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (q, k, dtype) = (cx.input(0), cx.input(1), cx.dtype(0));
    let attrs = cx.attrs();
    let (of_q, of_k) = (Heads::of(cx.shape(0), attrs.int("heads")), Heads::of(cx.shape(1), attrs.int("kv_heads")));
    let (d, shape, size) = (wide(dtype), cx.out_shape(0), known(of_q.size(), of_k.size()));
    let name = cx.node().name.clone();
    let products = cx.k.reduce(&name, d, &shape, ReduceOp::Add, std::slice::from_ref(&size), None, |_, i, r| {
        let a = load(q, &of_q.index(&i[0], &i[1], &i[2], &r[0]));
        let b = load(k, &of_k.index(&i[0], &of_k.shared(&i[1], &of_q.count()), &i[3], &r[0]));
        cast(dtype, d, a) * cast(dtype, d, b)
    });
    let scale = match attrs.float("scale") {
        Some(s) => number(d, f64::from(s)),
        None => match size.as_int() {
            Some(n) => number(d, 1.0 / (n as f64).sqrt()),
            None => number(d, 1.0) / unary(UnOp::Sqrt, cast(DType::I64, d, int(size))),
        },
    };
    let softcap = f64::from(attrs.float("softcap").unwrap_or(0.0));
    let raw = |i: &[Sym]| load(products, i) * scale.clone();
    let capped = |i: &[Sym]| match softcap > 0.0 {
        true => unary(UnOp::Tanh, raw(i) / number(d, softcap)) * number(d, softcap),
        false => raw(i),
    };
    let mask = Mask::new(cx, d, &shape);
    let masked = |i: &[Sym]| mask.apply(i, capped(i));
    if let Some(inside) = attrs.str("inside") {
        let of = |i: &[Sym]| match inside {
            "raw" => raw(i),
            "capped" => capped(i),
            _ => masked(i),
        };
        let def = cx.k.map("inside", dtype, &shape, |_, i| cast(d, dtype, of(i)));
        cx.set_output(1, def);
    }
    if scale_is_all(&mask, softcap, &scale) {
        set_narrowed(cx, products, d);
    } else {
        map_from(cx, d, masked);
    }
    Ok(())
}

/// Of two extents that must be equal, the constant.
fn known(a: Sym, b: Sym) -> Sym {
    if a.as_int().is_some() { a } else { b }
}

/// Are the scores the products themselves?
fn scale_is_all(mask: &Mask, softcap: f64, scale: &Expr) -> bool {
    let one = as_const(scale).is_some_and(|s| s.to_f64() == 1.0);
    one && softcap <= 0.0 && mask.is_empty()
}

/// What keeps queries from keys.
struct Mask {
    d: DType,
    given: Option<Given>,
    lengths: Option<(Src, DType)>,
    past: Option<Sym>,
    queries: Sym,
    causal: bool,
    left: Option<i64>,
    right: Option<i64>,
}

/// A mask that is an input.
struct Given {
    src: Src,
    dtype: DType,
    /// How all axes but its last are read.
    along: Vec<Along>,
    /// It ends before the keys do.
    short: bool,
}

impl Mask {
    fn new(cx: &ComputeCx, d: DType, shape: &[Sym]) -> Mask {
        let given = cx.opt(2).map(|src| {
            let own = cx.shape(2);
            let last = own.last().cloned().unwrap_or(Sym::int(1));
            let short = cx.ranges().prove_eq(&last, &shape[3]) != Some(true);
            let along = Along::last_axes(cx, &own[..own.len() - 1], &shape[..3]);
            Given { src, dtype: cx.dtype(2), along, short }
        });
        let attrs = cx.attrs();
        Mask {
            d,
            given,
            lengths: cx.opt(3).map(|l| (l, cx.dtype(3))),
            past: cx.opt(4).map(|_| cx.shape(4)[2].clone()),
            queries: shape[2].clone(),
            causal: attrs.int("causal") == Some(1),
            left: attrs.int("left"),
            right: attrs.int("right"),
        }
    }

    fn is_empty(&self) -> bool {
        self.given.is_none() && self.allowed(&vec![Sym::int(0); 4]).is_none()
    }

    /// A score, masked.
    fn apply(&self, i: &[Sym], score: Expr) -> Expr {
        let never = number(self.d, f64::NEG_INFINITY);
        let score = match &self.given {
            Some(g) if g.dtype == DType::Bool => select(g.at(i), score, never.clone()),
            Some(g) => {
                let bias = cast(g.dtype, self.d, g.at(i));
                // Added to NaN or infinity, -inf would not mask.
                select(compare(CmpOp::Eq, bias.clone(), never.clone()), never.clone(), score + bias)
            }
            None => score,
        };
        match self.allowed(i) {
            Some(allowed) => select(allowed, score, never),
            None => score,
        }
    }

    /// May a query see a key, as far as positions say?
    fn allowed(&self, i: &[Sym]) -> Option<Expr> {
        let key = int(i[3].clone());
        let length = self.lengths.map(|(l, dtype)| cast(dtype, DType::I64, load(l, &i[..1])));
        let position = match (&self.past, &length) {
            (Some(past), _) => int(&i[2] + past),
            (None, Some(n)) => n.clone() + int(&i[2] - &self.queries),
            (None, None) => int(i[2].clone()),
        };
        let mut all = vec![];
        if self.causal {
            all.push(compare(CmpOp::Le, key.clone(), position.clone()));
        }
        if let Some(w) = self.left {
            all.push(compare(CmpOp::Le, position.clone() - int(w), key.clone()));
        }
        if let Some(w) = self.right {
            all.push(compare(CmpOp::Le, key.clone(), position + int(w)));
        }
        if let Some(n) = length {
            all.push(compare(CmpOp::Lt, key, n));
        }
        all.into_iter().reduce(|a, b| binary(BinOp::And, a, b))
    }
}

impl Given {
    /// The mask's element for a score; beyond its end, one that masks.
    fn at(&self, i: &[Sym]) -> Expr {
        let mut index = index_of(&self.along, &i[..3]);
        index.push(i[3].clone());
        match self.short {
            true if self.dtype.is_float() || self.dtype == DType::Bool => {
                load_padded(self.src, &index, Scalar::least(self.dtype))
            }
            true => load_padded(self.src, &index, Scalar::from_i64(self.dtype, 0)),
            false => load(self.src, &index),
        }
    }
}
