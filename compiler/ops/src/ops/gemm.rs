//! Gemm: y = alpha * a' * b' + beta * c, where a' and b' are matrices, transposed where asked.
//!
//! Since 1, 6: `broadcast` says whether c broadcasts; without it c's extents are the output's, so nothing is lost by
//! always letting it. Since 7: it always does. 9, 13: more dtypes. 11: c is optional.
//! From here down: alpha, beta, transA, transB. f16 and bf16 are computed in f32; integers with factors in f64.

use super::conv::set_narrowed;
use super::elementwise::{Class, tensor, tensor_of, wide};
use crate::broadcast::{Along, index_of};
use crate::prelude::*;

/// Gemm.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Gemm",
    versions: &[(1, import_1), (6, import_1), (7, import), (9, import), (11, import), (13, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import_1(n: &mut NodeReader) -> Result<Attrs> {
    n.int("broadcast", 0)?;
    import(n)
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    for name in ["alpha", "beta"] {
        attrs.set(name, Attr::Float(n.float(name, 1.0)?));
    }
    for name in ["transA", "transB"] {
        attrs.set(name, Attr::Int(i64::from(n.int(name, 0)? != 0)));
    }
    Ok(attrs)
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let a = tensor(cx, 0, Class::Number)?;
    let dtype = a.dtype;
    let b = tensor_of(cx, 1, dtype)?.shape;
    for (i, s) in [&a.shape, &b].into_iter().enumerate() {
        if s.len() != 2 {
            return Err(cx.error("E2041", format!("input {i} has rank {}", s.len())).expected("2: a matrix"));
        }
    }
    let (ta, tb) = transposed(cx.attrs());
    cx.unify(&a.shape[1 - ta], &b[tb], "the extent that is summed over")?;
    let out = vec![a.shape[ta].clone(), b[1 - tb].clone()];
    if cx.opt(2).is_some() {
        let c = tensor_of(cx, 2, dtype)?.shape;
        if c.len() > 2
            || c.iter().rev().zip(out.iter().rev()).any(|(c, o)| o.is_one() && c.as_int().is_some_and(|n| n != 1))
        {
            return Err(cx
                .error("E2041", format!("input 2 has extents {c:?}"))
                .expected(format!("extents that broadcast to {out:?}")));
        }
        cx.fit_shape(&c, &out, "an extent that input 2 broadcasts to")?;
    }
    cx.set_tensor(0, dtype, out);
    Ok(())
}

/// Which axis of a and of b is the output's row, the sum's.
fn transposed(attrs: &Attrs) -> (usize, usize) {
    let flag = |name: &str| usize::from(attrs.int(name) == Some(1));
    (flag("transA"), flag("transB"))
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (a, b, dtype) = (cx.input(0), cx.input(1), cx.dtype(0));
    let factor = |name: &str| f64::from(cx.attrs().float(name).unwrap_or(1.0));
    let (alpha, beta) = (factor("alpha"), factor("beta"));
    let c = cx.opt(2).filter(|_| beta != 0.0).map(|c| (c, Along::last_axes(cx, &cx.shape(2), &cx.out_shape(0))));
    let plain = alpha == 1.0 && beta == 1.0;
    let acc = if dtype.is_int() && !plain { DType::F64 } else { wide(dtype) };
    let (ta, tb) = transposed(cx.attrs());
    let (sa, sb) = (cx.shape(0), cx.shape(1));
    let k = if sa[1 - ta].as_int().is_some() { sa[1 - ta].clone() } else { sb[tb].clone() };
    let pair = |x: &Sym, y: &Sym, swap: usize| if swap == 1 { [y.clone(), x.clone()] } else { [x.clone(), y.clone()] };
    let read = |src, x: &Sym, y: &Sym, swap| cast(dtype, acc, load(src, &pair(x, y, swap)));
    let scaled = |e: Expr, f: f64| if f == 1.0 { e } else { number(acc, f) * e };
    let addend = |i: &[Sym]| c.as_ref().map(|(c, along)| scaled(cast(dtype, acc, load(*c, &index_of(along, i))), beta));
    let start = |_: &mut KernelBuilder, i: &[Sym]| addend(i).unwrap_or(number(acc, 0.0));
    let (name, out) = (cx.node().name.clone(), cx.out_shape(0));
    let product = |i: &[Sym], r: &[Sym]| read(a, &i[0], &r[0], ta) * read(b, &r[0], &i[1], tb);
    let init = if alpha == 1.0 && c.is_some() { Some(&start as _) } else { None };
    let sum = cx.k.reduce(&name, acc, &out, ReduceOp::Add, &[k], init, |_, i, r| product(i, r));
    if alpha == 1.0 {
        set_narrowed(cx, sum, acc);
    } else {
        let whole = |i: &[Sym]| {
            let product = scaled(load(sum, i), alpha);
            addend(i).map_or(product.clone(), |c| product + c)
        };
        cx.map_output(|_, i| cast(acc, dtype, whole(i)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("gemm");
    }
}
