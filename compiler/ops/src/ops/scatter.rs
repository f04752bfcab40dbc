//! Scatter, ScatterElements, ScatterND: a copy of input 0 in which elements that indices pick are replaced by updates,
//! or combined with them.
//!
//! Scatter (9, 11) is the old name of ScatterElements (11). Since 16: attribute `reduction` (none, add, mul, max, min).
//! The standard lists max and min since 18 only, but PyTorch's TorchScript exporter writes them at 16 and 17, onnx's
//! checker lets them pass, and ONNX Runtime (1.32) computes them there as it does at 18.
//! Updates are applied in order, so of several for one element without reduction the last wins.
//! From here down: attributes `reduction`, and `axis` but for ScatterND; `pairs`, 1 where data and updates are complex numbers
//! as pairs of floats along one more axis (pass `complex-parts`).

use super::elementwise::{Class, tensor};
use super::lengths::expect_last;
use super::movement::*;
use super::routines::*;
use crate::prelude::*;
use crate::routine::TensorBuf;
use onnxc_ir::graph::TensorType;
use onnxc_ir::loops::{Buf, FuncBuilder, Value};

/// Scatter.
pub static SCATTER: OpDef = OpDef {
    domain: "",
    name: "Scatter",
    versions: &[(9, import_old), (11, import_old)],
    infer: infer_elements,
    lower: Lower::Routine(lower_elements),
    extents: None,
};

/// ScatterElements.
pub static SCATTER_ELEMENTS: OpDef = OpDef {
    domain: "",
    name: "ScatterElements",
    versions: &[(11, import_old), (13, import_old), (16, import_axis), (18, import_axis)],
    infer: infer_elements,
    lower: Lower::Routine(lower_elements),
    extents: None,
};

/// ScatterND.
pub static SCATTER_ND: OpDef = OpDef {
    domain: "",
    name: "ScatterND",
    versions: &[
        (11, |_| Ok(reduction("none".into()))),
        (13, |_| Ok(reduction("none".into()))),
        (16, import),
        (18, import),
    ],
    infer: infer_nd,
    lower: Lower::Routine(lower_nd),
    extents: None,
};

const REDUCTIONS: [&str; 5] = ["none", "add", "mul", "max", "min"];

fn reduction(word: String) -> Attrs {
    Attrs::default().with("reduction", Attr::Str(word))
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    Ok(reduction(n.choice("reduction", &REDUCTIONS)?))
}

fn import_axis(n: &mut NodeReader) -> Result<Attrs> {
    Ok(import(n)?.with("axis", Attr::Int(n.int("axis", 0)?)))
}

fn import_old(n: &mut NodeReader) -> Result<Attrs> {
    Ok(reduction("none".into()).with("axis", Attr::Int(n.int("axis", 0)?)))
}

/// Updates must have the data's dtype.
fn check_updates(cx: &InferCx) -> Result<()> {
    let moves = cx.attrs().str("reduction").is_none_or(|r| r == "none");
    let (x, u) = (tensor(cx, 0, if moves { Class::Any } else { Class::Linear })?, any(cx, 2)?);
    if x.dtype == u.dtype {
        return Ok(());
    }
    Err(cx.error("E2005", format!("the updates are {}, the data {}", u.dtype, x.dtype)).expected("one dtype"))
}

fn in_pairs(attrs: &Attrs) -> bool {
    attrs.int("pairs") == Some(1)
}

/// The type of input `i`, a pair being one element.
fn elements(cx: &InferCx, i: usize) -> Result<TensorType> {
    let mut t = any(cx, i)?;
    if in_pairs(cx.attrs()) && t.shape.pop().and_then(|d| d.as_int()) != Some(2) {
        return Err(cx.error("E2005", format!("input {i} isn't of pairs")).expected("a last axis of extent 2"));
    }
    Ok(t)
}

fn infer_elements(cx: &mut InferCx) -> Result<()> {
    check_updates(cx)?;
    let (x, at, updates) = (elements(cx, 0)?, tensor(cx, 1, Class::Int)?, elements(cx, 2)?);
    cx.axis(cx.attrs().int("axis").unwrap_or(0), x.rank())?;
    if (at.rank(), updates.rank()) != (x.rank(), x.rank()) {
        let found = format!("ranks of data, indices, updates: {}, {}, {}", x.rank(), at.rank(), updates.rank());
        return Err(cx.error("E2005", found).expected("equal ranks"));
    }
    for (a, (i, u)) in at.shape.iter().zip(&updates.shape).enumerate() {
        cx.unify(i, u, &format!("axis {a} of indices and updates"))?;
    }
    let whole = any(cx, 0)?;
    cx.set_output(0, Type::Tensor(whole));
    Ok(())
}

/// Copies input 0 to the output.
fn copy_data(cx: &mut RoutineCx) {
    let (x, y) = (cx.input(0), cx.output(0));
    let (zero, n) = (cx.f.int(0), cx.f.sym(&product(&x.shape)));
    copy(cx.f, (x.buf, zero), (y.buf, zero), n);
}

/// Puts an update into the output.
fn put(f: &mut FuncBuilder, word: &str, y: &TensorBuf, at: Value, update: Value) {
    let op = match (word, y.dtype) {
        ("add", DType::Bool) | ("max", DType::Bool) => BinOp::Or,
        ("mul", DType::Bool) | ("min", DType::Bool) => BinOp::And,
        ("add", _) => BinOp::Add,
        ("mul", _) => BinOp::Mul,
        ("max", _) => BinOp::Max,
        ("min", _) => BinOp::Min,
        _ => return f.store(y.buf, at, update, None),
    };
    let old = load_wide(f, y.buf, y.dtype, at);
    let dtype = f.ty(old).elem;
    let new = f.cast(update, dtype);
    let v = f.binary(op, old, new);
    let v = f.cast(v, y.dtype);
    f.store(y.buf, at, v, None);
}

/// Puts a complex update into the output: places of pairs.
fn put_pair(f: &mut FuncBuilder, word: &str, (y, to): (Buf, Value), (updates, from): (Buf, Value)) {
    let two = f.int(2);
    let read = |f: &mut FuncBuilder, buf, at| {
        let re = f.mul(at, two);
        let one = f.int(1);
        let im = f.add(re, one);
        ([re, im], [f.load(buf, re, 1, None), f.load(buf, im, 1, None)])
    };
    let (at, old) = read(f, y, to);
    let (_, new) = read(f, updates, from);
    let v = if word == "mul" { times(f, old, new) } else { extreme(f, word == "max", old, new) };
    f.store(y, at[0], v[0], None);
    f.store(y, at[1], v[1], None);
}

/// (a + bi)(c + di) = ac - bd + (ad + bc)i.
fn times(f: &mut FuncBuilder, [a, b]: [Value; 2], [c, d]: [Value; 2]) -> [Value; 2] {
    let [ac, bd, ad, bc] = [(a, c), (b, d), (a, d), (b, c)].map(|(x, y)| f.mul(x, y));
    [f.sub(ac, bd), f.add(ad, bc)]
}

/// By real parts, then by imaginary ones, as NumPy orders complex numbers; the first that has a part that is NaN, if any.
fn extreme(f: &mut FuncBuilder, most: bool, old: [Value; 2], new: [Value; 2]) -> [Value; 2] {
    let (strictly, or_equal) = if most { (CmpOp::Gt, CmpOp::Ge) } else { (CmpOp::Lt, CmpOp::Le) };
    let is_nan = |f: &mut FuncBuilder, v: [Value; 2]| {
        let [re, im] = v.map(|x| f.compare(CmpOp::Ne, x, x));
        f.binary(BinOp::Or, re, im)
    };
    let (stays, comes) = (is_nan(f, old), is_nan(f, new));
    let beyond = f.compare(strictly, old[0], new[0]);
    let same = f.compare(CmpOp::Eq, old[0], new[0]);
    let behind = f.compare(or_equal, old[1], new[1]);
    let tie = f.binary(BinOp::And, same, behind);
    let better = f.binary(BinOp::Or, beyond, tie);
    let number = f.unary(UnOp::Not, comes);
    let better = f.binary(BinOp::And, better, number);
    let keep = f.binary(BinOp::Or, stays, better);
    [0, 1].map(|k| f.select(keep, old[k], new[k]))
}

fn lower_elements(cx: &mut RoutineCx) -> Result<()> {
    copy_data(cx);
    let (at, updates, y, pairs) = (cx.input(1), cx.input(2), cx.output(0), in_pairs(cx.attrs()));
    let axis = cx.attrs().int("axis").unwrap_or(0).rem_euclid(at.shape.len().max(1) as i64) as usize;
    let word = cx.attrs().str("reduction").unwrap_or("none");
    let f = &mut *cx.f;
    let (outer, dims) = (extents(f, &at.shape), extents(f, &y.shape[..at.shape.len()]));
    nest(f, &outer.clone(), &mut |f, i| {
        let from = offset(f, &outer, i);
        let mut index = i.to_vec();
        index[axis] = index_at(f, &at, from, dims[axis]);
        // Along other axes there may be fewer indices than elements, but not more.
        for a in (0..index.len()).filter(|&a| a != axis && y.shape[a] != at.shape[a]) {
            let beyond = f.compare(CmpOp::Ge, index[a], dims[a]);
            leave_if(f, beyond);
        }
        let to = offset(f, &dims, &index);
        if pairs {
            return put_pair(f, word, (y.buf, to), (updates.buf, from));
        }
        let update = f.load(updates.buf, from, 1, None);
        put(f, word, &y, to, update);
    });
    Ok(())
}

fn infer_nd(cx: &mut InferCx) -> Result<()> {
    check_updates(cx)?;
    let both = cx.shape(0)?.len() + cx.shape(1)?.len();
    expect_last(cx, 1, both.checked_sub(1 + cx.shape(2)?.len()));
    let (x, at, updates) = (elements(cx, 0)?, tensor(cx, 1, Class::Int)?, elements(cx, 2)?);
    let length = at.shape.last().and_then(Sym::as_int).and_then(|k| usize::try_from(k).ok());
    let length = length.ok_or_else(|| {
        cx.error("E2041", "the length of an index tuple isn't known").expected("indices with a constant last extent")
    })?;
    if length > x.rank() {
        let found = format!("tuples of {length} indices for a tensor of rank {}", x.rank());
        return Err(cx.error("E2005", found).expected("no more than its rank"));
    }
    let wanted = [&at.shape[..at.rank() - 1], &x.shape[length..]].concat();
    if updates.rank() != wanted.len() {
        let found = format!("the updates have rank {}", updates.rank());
        return Err(cx.error("E2005", found).expected(format!("rank {}", wanted.len())));
    }
    for (a, (w, u)) in wanted.iter().zip(&updates.shape).enumerate() {
        cx.unify(w, u, &format!("axis {a} of the updates"))?;
    }
    let whole = any(cx, 0)?;
    cx.set_output(0, Type::Tensor(whole));
    Ok(())
}

fn lower_nd(cx: &mut RoutineCx) -> Result<()> {
    copy_data(cx);
    let (at, updates, y, pairs) = (cx.input(1), cx.input(2), cx.output(0), in_pairs(cx.attrs()));
    let word = cx.attrs().str("reduction").unwrap_or("none");
    let own = &y.shape[..y.shape.len() - usize::from(pairs)];
    let (outer, tuple) = at.shape.split_at(at.shape.len() - 1);
    let length = tuple[0].as_int().unwrap_or(0) as usize;
    let f = &mut *cx.f;
    let (rows, dims) = (f.sym(&product(outer)), extents(f, &y.shape[..length]));
    let (size, width) = (f.sym(&product(&own[length..])), f.int(length as i64));
    nest(f, &[rows], &mut |f, i| {
        let row = f.mul(i[0], width);
        let mut index = Vec::new();
        for (k, &d) in dims.iter().enumerate() {
            let k = f.int(k as i64);
            let from = f.add(row, k);
            index.push(index_at(f, &at, from, d));
        }
        let to = offset(f, &dims, &index);
        let (to, from) = (f.mul(to, size), f.mul(i[0], size));
        if word == "none" {
            copy(f, (updates.buf, from), (y.buf, to), size);
            return;
        }
        nest(f, &[size], &mut |f, j| {
            let (to, from) = (f.add(to, j[0]), f.add(from, j[0]));
            if pairs {
                return put_pair(f, word, (y.buf, to), (updates.buf, from));
            }
            let update = f.load(updates.buf, from, 1, None);
            put(f, word, &y, to, update);
        });
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("scatter");
    }

    #[test]
    fn indices_out_of_range_are_a_status() {
        let (x, u) = (Tensor::from_slice(&[3], &[1f32, 2.0, 3.0]), Tensor::from_slice(&[1], &[0f32]));
        for i in [3i64, -4] {
            let one = Case::new("ScatterElements", 18).input(x.clone()).input(Tensor::from_slice(&[1], &[i]));
            assert_eq!(one.input(u.clone()).error(), "E6000");
            let nd = Case::new("ScatterND", 18).input(x.clone()).input(Tensor::from_slice(&[1, 1], &[i]));
            assert_eq!(nd.input(u.clone()).error(), "E6000");
        }
    }
}
