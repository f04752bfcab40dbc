//! DeformConv: Conv whose taps read at positions that an input shifts, between elements linearly, and that another
//! weighs.
//!
//! Since 19, 22 (bf16). For any number of spatial axes. Input 2: shifts [n, groups * taps * axes, o..], input 3: bias,
//! input 4: weights of the taps [n, groups * taps, o..]. Outside of the input all is 0. What the taps read is a
//! definition of its own, so that the sum over channels and taps is a plain product.
//! <https://arxiv.org/abs/1811.11168>

use super::conv::{infer_group, infer_kernel, kernel, set_narrowed};
use super::elementwise::*;
use super::window::{Window, import_window, infer_window, spatial_input};
use crate::prelude::*;

/// DeformConv.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "DeformConv",
    versions: &[(19, import), (22, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = import_window(n, &["dilations", "kernel_shape"], false)?.with("group", Attr::Int(n.int("group", 1)?));
    let groups = n.int("offset_group", 1)?;
    if groups < 1 {
        return Err(n.error("E2011", format!("attribute 'offset_group' is {groups}")).expected("1 or more"));
    }
    Ok(attrs.with("offset_group", Attr::Int(groups)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (dtype, x) = spatial_input(cx, Class::Float, 3)?;
    let w = tensor_of(cx, 1, dtype)?.shape;
    if w.len() != x.len() {
        let found = format!("the weights have rank {}", w.len());
        return Err(cx.error("E2041", found).expected(format!("{}, as input 0 has", x.len())));
    }
    let kernel = infer_kernel(cx, &w[2..])?;
    let (group, offsets) = (infer_group(cx)?, cx.attrs().int("offset_group").unwrap_or(1));
    cx.unify(&(&w[1] * group), &x[1], "input channels, and the weights' times the groups")?;
    cx.unify(&w[0].modulo(&Sym::int(group)), &Sym::int(0), "output channels over the groups")?;
    cx.unify(&x[1].modulo(&Sym::int(offsets)), &Sym::int(0), "input channels over the groups of shifts")?;
    let window = infer_window(cx, &x[2..], kernel.clone())?;
    let taps = kernel.iter().product::<Sym>() * offsets;
    let axes = window.out.len() as i64;
    for (i, channels) in [(2, &taps * axes), (4, taps)] {
        if cx.opt(i).is_none() && i == 4 {
            continue;
        }
        let t = tensor_of(cx, i, dtype)?.shape;
        let wanted = [&[x[0].clone(), channels], &window.out[..]].concat();
        if t.len() != wanted.len() {
            return Err(cx
                .error("E2005", format!("input {i} has rank {}", t.len()))
                .expected(wanted.len().to_string()));
        }
        for (axis, (a, b)) in t.iter().zip(&wanted).enumerate() {
            cx.unify(a, b, &format!("axis {axis} of input {i}"))?;
        }
    }
    if cx.opt(3).is_some() {
        let b = tensor_of(cx, 3, dtype)?.shape;
        if b.len() != 1 {
            return Err(cx.error("E2041", format!("the bias has rank {}", b.len())).expected("1"));
        }
        cx.unify(&b[0], &w[0], "bias and output channels")?;
    }
    cx.set_tensor(0, dtype, [&[x[0].clone(), w[0].clone()], &window.out[..]].concat());
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (xs, ws, dtype, out) = (cx.shape(0), cx.shape(1), cx.dtype(0), cx.out_shape(0));
    let (d, taps) = (wide(dtype), kernel(cx.attrs(), &ws[2..]));
    let window = Window::new(cx.attrs(), &xs[2..], taps.clone()).expect("infer has accepted it");
    let group = cx.attrs().int("group").unwrap_or(1);
    let per_group = xs[1].floordiv(&Sym::int(group));
    let read = read(cx, &window, &taps, &out[2..]);
    let (w, bias) = (cx.input(1), cx.opt(3));
    let out_per_group = ws[0].floordiv(&Sym::int(group));
    let over = [std::slice::from_ref(&per_group), &taps[..]].concat();
    let init = |_: &mut KernelBuilder, i: &[Sym]| match bias {
        Some(b) => cast(dtype, d, load(b, &i[1..2])),
        None => number(d, 0.0),
    };
    let init: &dyn Fn(&mut KernelBuilder, &[Sym]) -> Expr = &init;
    let name = cx.node().name.clone();
    let sum = cx.k.reduce(&name, d, &out, ReduceOp::Add, &over, bias.map(|_| init), |_, i, r| {
        let g = if group == 1 { Sym::int(0) } else { i[1].floordiv(&out_per_group) };
        let channel = g * &per_group + &r[0];
        let value = load(read, &[&[i[0].clone(), channel], &r[1..], &i[2..]].concat());
        value * cast(dtype, d, load(w, &[&i[1..2], r].concat()))
    });
    set_narrowed(cx, sum, d);
    Ok(())
}

/// What each tap reads for each output point and channel, weighed: [n, channels, taps.., o..].
fn read(cx: &mut ComputeCx, window: &Window, taps: &[Sym], out: &[Sym]) -> Src {
    let (x, shifts, weights) = (cx.input(0), cx.input(2), cx.opt(4));
    let (xs, dtype, n) = (cx.shape(0), cx.dtype(0), taps.len());
    let d = wide(dtype);
    let per_shift = xs[1].floordiv(&Sym::int(cx.attrs().int("offset_group").unwrap_or(1)));
    let shape = [&xs[..2], taps, out].concat();
    cx.k.map("read", d, &shape, |_, i| {
        let (lead, rest) = i.split_at(2);
        let (tap, o) = rest.split_at(n);
        let count: Sym = taps.iter().product();
        let flat = tap.iter().zip(taps).fold(Sym::int(0), |at, (t, d)| at * d + t);
        let flat = lead[1].floordiv(&per_shift) * count + flat;
        let at = |src: Src, channel: Sym| cast(dtype, d, load(src, &[&lead[..1], &[channel], o].concat()));
        let positions: Vec<Expr> = window
            .source(o, tap)
            .into_iter()
            .enumerate()
            .map(|(axis, p)| cast(DType::I64, d, int(p)) + at(shifts, &flat * n as i64 + axis as i64))
            .collect();
        let start = vec![int(lead[0].clone()), int(lead[1].clone())];
        let element = |index| cast(dtype, d, load_at(x, index, Some(Scalar::from_i64(dtype, 0))));
        let value = between(d, &positions, start, &element);
        weights.map_or(value.clone(), |w| value * at(w, flat))
    })
}

/// The value at a position between elements, axis by axis.
fn between(d: DType, positions: &[Expr], index: Vec<Expr>, element: &dyn Fn(Vec<Expr>) -> Expr) -> Expr {
    let Some((at, rest)) = positions.split_first() else { return element(index) };
    let low = unary(UnOp::Floor, at.clone());
    let part = at.clone() - low.clone();
    let first = cast(d, DType::I64, low);
    let of = |k: Expr| between(d, rest, [index.clone(), vec![k]].concat(), element);
    of(first.clone()) * (number(d, 1.0) - part.clone()) + of(first + int(1)) * part
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("deform_conv");
    }
}
