//! Pools that combine a window by a sum: AveragePool and LpPool.
//!
//! AveragePool: since 1; 7: `count_include_pad`; 10: `ceil_mode`; 11; 19: `dilations`; 22: bf16.
//! LpPool: since 1 (`p` is a float, `kernel_shape` may be absent in its schema but has no default); 2: `p` is an integer;
//! 11; 18: `ceil_mode`, `dilations`; 22: bf16.
//! From here down: `kernel_shape` is there, `p` is a float. f16 and bf16 sum in f32.
//!
//! A mean divides by the number of taps within the input, or, with `count_include_pad`, within the padded input: a window
//! that sticks out by `ceil_mode` has less.
//!
//! Does NOT take the greatest element of a window (see `max_pool`).

use super::conv::set_narrowed;
use super::elementwise::{Class, wide};
use super::window::{Window, import_window, infer_window, spatial_input};
use crate::prelude::*;

/// AveragePool.
pub static AVERAGE: OpDef = OpDef {
    domain: "",
    name: "AveragePool",
    versions: &[
        (1, |n| import_window(n, &["kernel_shape"], false)),
        (7, |n| import_average(n, &["kernel_shape"], false)),
        (10, |n| import_average(n, &["kernel_shape"], true)),
        (11, |n| import_average(n, &["kernel_shape"], true)),
        (19, |n| import_average(n, &["kernel_shape", "dilations"], true)),
        (22, |n| import_average(n, &["kernel_shape", "dilations"], true)),
    ],
    infer: |cx| infer_pool(cx, Class::Float),
    lower: Lower::Compute(lower_average),
    extents: None,
};

/// LpPool.
pub static LP: OpDef = OpDef {
    domain: "",
    name: "LpPool",
    versions: &[
        (1, import_lp_1),
        (2, |n| import_lp(n, &["kernel_shape"], false)),
        (11, |n| import_lp(n, &["kernel_shape"], false)),
        (18, |n| import_lp(n, &["kernel_shape", "dilations"], true)),
        (22, |n| import_lp(n, &["kernel_shape", "dilations"], true)),
    ],
    infer: |cx| infer_pool(cx, Class::Float),
    lower: Lower::Compute(lower_lp),
    extents: None,
};

fn import_average(n: &mut NodeReader, lists: &[&str], ceil: bool) -> Result<Attrs> {
    let include = n.int("count_include_pad", 0)?;
    Ok(import_window(n, lists, ceil)?.with("count_include_pad", Attr::Int(include)))
}

fn import_lp(n: &mut NodeReader, lists: &[&str], ceil: bool) -> Result<Attrs> {
    let p = n.int("p", 2)? as f32;
    Ok(import_window(n, lists, ceil)?.with("p", Attr::Float(p)))
}

fn import_lp_1(n: &mut NodeReader) -> Result<Attrs> {
    let p = n.float("p", 2.0)?;
    Ok(import_window(n, &["kernel_shape"], false)?.with("p", Attr::Float(p)))
}

/// Output 0 of a pool, like input 0 but for the spatial extents.
pub(super) fn infer_pool(cx: &mut InferCx, class: Class) -> Result<()> {
    let (dtype, x) = spatial_input(cx, class, 3)?;
    let kernel = super::window::list(cx.attrs(), "kernel_shape", x.len() - 2, 0, 1)
        .map_err(|d| super::window::at_node(cx, d))?;
    if cx.attrs().ints("kernel_shape").is_none() {
        return Err(cx
            .error("E2012", "attribute 'kernel_shape' is missing")
            .help("a pool needs it; check the exporter"));
    }
    let window = infer_window(cx, &x[2..], kernel.into_iter().map(Sym::int).collect())?;
    let out = [&x[..2], &window.out[..]].concat();
    for i in 0..cx.output_count() {
        cx.set_tensor(i, if i == 0 { dtype } else { DType::I64 }, out.clone());
    }
    Ok(())
}

/// The window of a pool that `infer_pool` has accepted.
pub(super) fn window_of(cx: &ComputeCx) -> Window {
    let kernel = super::conv::kernel(cx.attrs(), &[]);
    Window::new(cx.attrs(), &cx.shape(0)[2..], kernel).expect("infer has accepted it")
}

/// An element of input 0 in the window of output `i`, `pad` outside of the input.
pub(super) fn element(x: Src, window: &Window, i: &[Sym], taps: &[Sym], pad: Scalar) -> Expr {
    let from = [&i[..2], &window.source(&i[2..], taps)[..]].concat();
    if window.pads() { load_padded(x, &from, pad) } else { load(x, &from) }
}

/// The sum over each window of `f` of the elements, in the dtype of the arithmetic; padding is 0.
fn window_sum(cx: &mut ComputeCx, name: &str, window: &Window, f: impl Fn(Expr) -> Expr) -> (Src, DType) {
    let (x, dtype, out) = (cx.input(0), cx.dtype(0), cx.out_shape(0));
    let acc = wide(dtype);
    let sum = cx.k.reduce(name, acc, &out, ReduceOp::Add, &window.kernel, None, |_, i, r| {
        f(cast(dtype, acc, element(x, window, i, r, Scalar::from_i64(dtype, 0))))
    });
    (sum, acc)
}

fn lower_average(cx: &mut ComputeCx) -> Result<()> {
    let window = window_of(cx);
    let spatial = cx.shape(0)[2..].to_vec();
    let include = cx.attrs().int("count_include_pad") == Some(1);
    let (sum, acc) = window_sum(cx, "sum", &window, |e| e);
    let dtype = cx.output_type(0).dtype;
    cx.map_output(|_, i| cast(acc, dtype, load(sum, i) / mean_count(&window, &spatial, &i[2..], include, acc)));
    Ok(())
}

/// How many taps of the window of output `o` a mean is taken over.
pub(super) fn mean_count(window: &Window, spatial: &[Sym], o: &[Sym], include: bool, acc: DType) -> Expr {
    // Factors that are constant are one; the others are multiplied as they stand: a product of sums would be expanded.
    let mut fixed = Sym::int(1);
    let mut product: Option<Expr> = None;
    for a in 0..spatial.len() {
        let c = count(window, a, &spatial[a], &o[a], include);
        if c.as_int().is_some() {
            fixed *= c;
        } else {
            let c = cast(DType::I64, acc, int(c));
            product = Some(product.map_or(c.clone(), |n| n * c));
        }
    }
    let fixed_count = cast(DType::I64, acc, int(fixed.clone()));
    match product {
        Some(n) if fixed.is_one() => n,
        Some(n) => n * fixed_count,
        None => fixed_count,
    }
}

/// How many taps of the window of output `o` count along an axis.
fn count(w: &Window, axis: usize, extent: &Sym, o: &Sym, include: bool) -> Sym {
    let (begin, end) = (&w.begin[axis], &w.end[axis]);
    let first = o * w.stride[axis] - begin;
    let dilation = Sym::int(w.dilation[axis]);
    // Taps before position p.
    let before = |p: &Sym| (p - &first).ceildiv(&dilation);
    if include {
        return if w.ceil { Sym::min(&w.kernel[axis], &before(&(extent + end))) } else { w.kernel[axis].clone() };
    }
    let hi = if w.ceil || !end.is_zero() { Sym::min(&w.kernel[axis], &before(extent)) } else { w.kernel[axis].clone() };
    if begin.is_zero() { hi } else { hi - Sym::max(&before(&Sym::int(0)), &Sym::int(0)) }
}

fn lower_lp(cx: &mut ComputeCx) -> Result<()> {
    let window = window_of(cx);
    let p = cx.attrs().float("p").unwrap_or(2.0);
    let acc = wide(cx.dtype(0));
    let (sum, _) = window_sum(cx, "sum", &window, |e| power(acc, e, p));
    set_root(cx, sum, acc, p);
    Ok(())
}

/// |x|^p.
pub(super) fn power(dtype: DType, x: Expr, p: f32) -> Expr {
    match p {
        1.0 => unary(UnOp::Abs, x),
        2.0 => x.clone() * x,
        _ => binary(BinOp::Pow, unary(UnOp::Abs, x), number(dtype, f64::from(p))),
    }
}

/// Output 0 as the p-th root of a definition of its extents.
pub(super) fn set_root(cx: &mut ComputeCx, sum: Src, acc: DType, p: f32) {
    let dtype = cx.output_type(0).dtype;
    match p {
        1.0 => set_narrowed(cx, sum, acc),
        2.0 => cx.map_output(|_, i| cast(acc, dtype, unary(UnOp::Sqrt, load(sum, i)))),
        _ => {
            let root = number(acc, 1.0 / f64::from(p));
            cx.map_output(|_, i| cast(acc, dtype, binary(BinOp::Pow, load(sum, i), root)));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("pool");
    }
}
