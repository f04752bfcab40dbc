//! Conv: y[n, o, i..] = b[o] + sum over q, r.. of x[n, g*Q + q, i*stride + r*dilation - begin..] * w[o, q, r..], where
//! g is the group of output channel o and Q the channels of a group.
//!
//! Since 1, 11, 22: the same attributes; 22 adds bf16.
//! From here down: `group` is there, `kernel_shape` is only compared with w's extents. f16 and bf16 sum in f32.
//!
//! Does NOT choose how it is computed: copies of windows, Winograd's transforms and tiles are passes over these definitions
//! (`passes/kernel`).

use super::elementwise::{Class, tensor_of, wide};
use super::window::{Window, import_window, infer_window, spatial_input};
use crate::prelude::*;

/// Conv.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Conv",
    versions: &[(1, import), (11, import), (22, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    Ok(import_window(n, &["dilations", "kernel_shape"], false)?.with("group", Attr::Int(n.int("group", 1)?)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (dtype, x) = spatial_input(cx, Class::Float, 3)?;
    let w = tensor_of(cx, 1, dtype)?.shape;
    let out = infer_extents(cx, &x, &w)?;
    if cx.opt(2).is_some() {
        infer_bias(cx, 2, dtype, &w[0])?;
    }
    cx.set_tensor(0, dtype, out);
    Ok(())
}

/// The extents of the output, of those of data and weights.
pub(super) fn infer_extents(cx: &mut InferCx, x: &[Sym], w: &[Sym]) -> Result<Vec<Sym>> {
    if w.len() != x.len() {
        return Err(cx
            .error("E2041", format!("the weights have rank {}", w.len()))
            .expected(format!("{}, as input 0 has", x.len())));
    }
    let kernel = infer_kernel(cx, &w[2..])?;
    let group = infer_group(cx)?;
    cx.unify(&(&w[1] * group), &x[1], "input channels, and the weights' times the groups")?;
    cx.unify(&w[0].modulo(&Sym::int(group)), &Sym::int(0), "output channels over the groups")?;
    let window = infer_window(cx, &x[2..], kernel)?;
    Ok([&[x[0].clone(), w[0].clone()], &window.out[..]].concat())
}

/// The weights' spatial extents, which `kernel_shape` repeats.
pub(super) fn infer_kernel(cx: &mut InferCx, of_weights: &[Sym]) -> Result<Vec<Sym>> {
    let Some(given) = cx.attrs().ints("kernel_shape").map(<[i64]>::to_vec) else { return Ok(of_weights.to_vec()) };
    if given.len() != of_weights.len() {
        return Err(cx
            .error("E2040", format!("attribute 'kernel_shape' has {} elements", given.len()))
            .expected(format!("{}, for the spatial axes of the weights", of_weights.len())));
    }
    of_weights.iter().zip(given).map(|(w, k)| cx.unify(w, &Sym::int(k), "kernel_shape and the weights")).collect()
}

/// How many groups there are.
pub(super) fn infer_group(cx: &InferCx) -> Result<i64> {
    match cx.attrs().int("group").unwrap_or(1) {
        g if g >= 1 => Ok(g),
        g => Err(cx.error("E2040", format!("attribute 'group' is {g}")).expected("at least 1")),
    }
}

/// Input `i`: one element per output channel.
pub(super) fn infer_bias(cx: &mut InferCx, i: usize, dtype: DType, channels: &Sym) -> Result<()> {
    let b = tensor_of(cx, i, dtype)?.shape;
    if b.len() != 1 {
        return Err(cx.error("E2041", format!("the bias has rank {}", b.len())).expected("1"));
    }
    cx.unify(&b[0], channels, "bias and output channels").map(|_| ())
}

/// What an element of the output reads.
pub(super) struct Form {
    window: Window,
    kernel: Vec<Sym>,
    group: i64,
    /// Input channels of a group: none to sum over if there is one.
    channels: Vec<Sym>,
    per_group: Sym,
    out_per_group: Sym,
}

impl Form {
    /// The form of a node that [`infer_extents`] has accepted.
    pub(super) fn new(attrs: &Attrs, xs: &[Sym], ws: &[Sym]) -> Form {
        let group = attrs.int("group").unwrap_or(1);
        let kernel = kernel(attrs, &ws[2..]);
        let window = Window::new(attrs, &xs[2..], kernel.clone()).expect("infer has accepted it");
        // Of what must be equal, the constant.
        let per_group = if xs[1].as_int().is_some() { xs[1].floordiv(&Sym::int(group)) } else { ws[1].clone() };
        // One channel per group: the reduction is over the taps alone.
        let single = group > 1 && ws[1].is_one();
        let channels = if single { vec![] } else { vec![per_group.clone()] };
        Form { window, kernel, group, channels, per_group, out_per_group: ws[0].floordiv(&Sym::int(group)) }
    }

    /// What is summed over.
    pub(super) fn over(&self) -> Vec<Sym> {
        [&self.channels[..], &self.kernel[..]].concat()
    }

    /// True if the data is read outside of its extents.
    pub(super) fn pads(&self) -> bool {
        self.window.pads()
    }

    /// The indices of data and weights for an element and a point of the sum.
    pub(super) fn indices(&self, i: &[Sym], r: &[Sym]) -> (Vec<Sym>, Vec<Sym>) {
        let (q, taps) = if self.channels.is_empty() { (Sym::int(0), r) } else { (r[0].clone(), &r[1..]) };
        let g = if self.group == 1 { Sym::int(0) } else { i[1].floordiv(&self.out_per_group) };
        let from = [&[i[0].clone(), g * &self.per_group + &q], &self.window.source(&i[2..], taps)[..]].concat();
        (from, [&[i[1].clone(), q], taps].concat())
    }
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, w, b, dtype) = (cx.input(0), cx.input(1), cx.opt(2), cx.dtype(0));
    let acc = wide(dtype);
    let form = Form::new(cx.attrs(), &cx.shape(0), &cx.shape(1));
    let read = |i: &[Sym], r: &[Sym]| {
        let (from, at) = form.indices(i, r);
        let value = if form.pads() { load_padded(x, &from, Scalar::from_i64(dtype, 0)) } else { load(x, &from) };
        cast(dtype, acc, value) * cast(dtype, acc, load(w, &at))
    };
    let bias = |_: &mut KernelBuilder, i: &[Sym]| match b {
        Some(b) => cast(dtype, acc, load(b, &i[1..2])),
        None => constant(Scalar::from_i64(acc, 0)),
    };
    let init: &dyn Fn(&mut KernelBuilder, &[Sym]) -> Expr = &bias;
    let (name, out) = (cx.node().name.clone(), cx.out_shape(0));
    let sum = cx.k.reduce(&name, acc, &out, ReduceOp::Add, &form.over(), b.map(|_| init), |_, i, r| read(i, r));
    set_narrowed(cx, sum, acc);
    Ok(())
}

/// The extents of the taps: constants where `kernel_shape` says so.
pub(super) fn kernel(attrs: &Attrs, of_weights: &[Sym]) -> Vec<Sym> {
    match attrs.ints("kernel_shape") {
        Some(k) => k.iter().map(|&k| Sym::int(k)).collect(),
        None => of_weights.to_vec(),
    }
}

/// Output 0 from a definition of its extents, whose dtype may be wider.
pub(super) fn set_narrowed(cx: &mut ComputeCx, src: Src, from: DType) {
    let to = cx.output_type(0).dtype;
    if from == to {
        cx.set_output(0, src);
    } else {
        cx.map_output(|_, i| cast(from, to, load(src, i)));
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::testing::Case;

    #[test]
    fn stored() {
        crate::testing::check_stored("conv");
    }

    fn conv(x: &[usize], w: &[usize]) -> Case {
        let ones = |s: &[usize]| Tensor::from_slice(s, &vec![1f32; s.iter().product()]);
        Case::new("Conv", 22).input(ones(x)).input(ones(w))
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let ints = |v: &[i64]| Attr::Ints(v.to_vec());
        assert_eq!(conv(&[1, 2, 4], &[3, 3, 2]).error(), "E2003", "channels");
        assert_eq!(conv(&[1, 2, 4], &[3, 2, 2, 2]).error(), "E2041", "ranks");
        assert_eq!(conv(&[1, 2], &[3, 2]).error(), "E2041", "no spatial axis");
        assert_eq!(conv(&[1, 2, 2], &[3, 2, 4]).error(), "E2042", "the window is larger than the input");
        assert_eq!(conv(&[1, 2, 4], &[3, 2, 2]).attr("pads", ints(&[1])).error(), "E2040");
        assert_eq!(conv(&[1, 2, 4], &[3, 2, 2]).attr("strides", ints(&[0])).error(), "E2040");
        assert_eq!(conv(&[1, 2, 4], &[3, 2, 2]).attr("kernel_shape", ints(&[3])).error(), "E2003");
        assert_eq!(conv(&[1, 2, 4], &[3, 1, 2]).attr("group", Attr::Int(2)).error(), "E2003", "3 outputs in 2 groups");
        assert_eq!(conv(&[1, 2, 4], &[3, 2, 2]).attr("group", Attr::Int(0)).error(), "E2040");
        assert_eq!(conv(&[1, 2, 4], &[3, 2, 2]).attr("auto_pad", Attr::Str("SAME".into())).error(), "E2011");
    }
}
