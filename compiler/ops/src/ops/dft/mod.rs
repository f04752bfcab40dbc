//! DFT and STFT (`stft`): sums of elements times roots of unity, as products with a matrix of cosines and sines.
//!
//! DFT since 17 (attribute `axis`), 20 (input 2); STFT since 17. The last axis holds real and imaginary parts, or real
//! ones alone. The matrix is constant where the length is, so it is computed at compile time; a long one is read from a
//! table of one turn instead. Known lengths that are composite take two steps (`fast`). Inverse and one-sided: from half a
//! spectrum to real elements. From here down: DFT's axis is input 2.

mod axis;
mod fast;
mod roots;
mod stft;

pub use stft::STFT;

use super::elementwise::*;
use super::movement::*;
use crate::prelude::*;
use axis::Layout;
use fast::Fast;
use roots::Roots;

/// DFT.
pub static DFT: OpDef = OpDef {
    domain: "",
    name: "DFT",
    versions: &[(17, import_17), (20, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: Some(axis::extents),
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let inverse = n.int("inverse", 0)?;
    Ok(Attrs::default().with("inverse", Attr::Int(inverse)).with("onesided", Attr::Int(n.int("onesided", 0)?)))
}

fn import_17(n: &mut NodeReader) -> Result<Attrs> {
    let axis = n.int("axis", 1)?;
    n.set_input(2, "axis", Tensor::from_slice(&[], &[axis]));
    import(n)
}

fn flag(attrs: &Attrs, name: &str) -> bool {
    attrs.int(name).unwrap_or(0) != 0
}

/// The last axis: 1 or 2 parts.
fn parts(cx: &mut InferCx, shape: &[Sym]) -> Result<()> {
    cx.fit_extent(&shape[shape.len() - 1], &Sym::int(2), "parts of an element")
}

/// Part `p` of the element at an index, whose last is that of the part. Of parts that only a run counts there may be one.
fn part_at(x: &Operand, parts: &Sym, mut index: Vec<Sym>, p: usize) -> Expr {
    let last = index.len() - 1;
    if p == 0 || parts.as_int().is_some() {
        index[last] = Sym::int(p as i64);
        return x.at(&index);
    }
    index[last] = parts - 1;
    select(compare(CmpOp::Gt, int(parts.clone()), int(1)), x.at(&index), number(x.wide(), 0.0))
}

fn half(n: &Sym) -> Sym {
    n.floordiv(&Sym::int(2)) + 1
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    if x.rank() < 2 {
        return Err(cx.error("E2005", format!("input 0 has rank {}", x.rank())).expected("2 or more"));
    }
    parts(cx, &x.shape)?;
    let real = flag(cx.attrs(), "inverse") && flag(cx.attrs(), "onesided");
    if cx.opt(2).is_some() && tensor(cx, 2, Class::Int)?.count().as_int() != Some(1) {
        return Err(cx.error("E2005", "the axis has several elements").expected("a scalar as input 2"));
    }
    let axis = match (cx.opt(2), cx.const_ints(2).as_deref()) {
        (None, _) => -2,
        (_, Some([axis])) => *axis,
        _ => {
            if cx.opt(1).is_some() && tensor(cx, 1, Class::Int)?.count().as_int() != Some(1) {
                return Err(cx.error("E2005", "the length has several elements").expected("a scalar as input 1"));
            }
            let mut shape = axis::infer_later(cx, &x.shape)?;
            shape.push(Sym::int(if real { 1 } else { 2 }));
            cx.set_tensor(0, x.dtype, shape);
            return Ok(());
        }
    };
    let axis = cx.axis(axis, x.rank())?;
    if axis + 1 == x.rank() {
        return Err(cx.error("E2004", "the axis is the one of real and imaginary parts").expected("another axis"));
    }
    let length = match cx.opt(1) {
        Some(_) => scalar_extent(cx, 1, 0, "dft")?,
        None if real => (&x.shape[axis] - 1) * 2,
        None => x.shape[axis].clone(),
    };
    not_negative(cx, &length)?;
    let mut shape = x.shape;
    shape[axis] = if flag(cx.attrs(), "onesided") && !real { half(&length) } else { length };
    *shape.last_mut().expect("there are two axes") = Sym::int(if real { 1 } else { 2 });
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape, out) = (Operand::new(cx, 0), cx.shape(0), cx.out_shape(0));
    let last = shape.len() - 1;
    let real = flag(cx.attrs(), "inverse") && flag(cx.attrs(), "onesided");
    let l = Layout::new(cx)?;
    let (complex, parts) = (!shape[last].is_one(), shape[last].clone());
    if let Some(fast) = (!real).then(|| Fast::new(cx, &x, &l)).flatten() {
        let divisor = flag(cx.attrs(), "inverse").then(|| cast(DType::I64, x.wide(), int(l.length.clone())));
        map_from(cx, x.wide(), |i| divisor.map_or(fast.at(i), |n| fast.at(i) / n));
        return Ok(());
    }
    let (d, whole) = (x.wide(), l.length.clone());
    // Of half a spectrum, what is between its ends stands for two.
    let twice = move |n: &Sym| {
        real.then(|| {
            let first = compare(CmpOp::Eq, int(n.clone()), int(0));
            let end = binary(BinOp::Or, first, compare(CmpOp::Eq, int(n * 2), int(whole.clone())));
            select(end, number(d, 1.0), number(d, 2.0))
        })
    };
    let roots = Roots::new(cx, d, (l.length.clone(), &l.most), (&l.terms, &l.sums, &out[last]), &twice);
    let name = cx.node().name.clone();
    let stored = roots.matrix.is_some();
    let sum = cx.k.reduce(&name, d, &out, ReduceOp::Add, std::slice::from_ref(&l.terms), None, |_, i, r| {
        let part = |p: usize| part_at(&x, &parts, l.element(i, &r[0]), p) * roots.at(p, &r[0], &l.sum(i), &i[last]);
        let term = if complex { part(0) + part(1) } else { part(0) };
        match twice(&r[0]) {
            Some(w) if !stored => term * w,
            _ => term,
        }
    });
    let divisor = roots.divisor();
    map_from(cx, d, |i| divisor.map_or(load(sum, i), |n| load(sum, i) / n));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("dft");
    }
}
