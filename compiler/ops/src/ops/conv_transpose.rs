//! ConvTranspose: what Conv's gradient does, read from the output's side: y[n, o, i..] = b[o] + sum over q, r.. of
//! x[n, g*Q + q, j..] * w[g*Q + q, o mod P, r..] where i + begin = j*stride + r*dilation, g = o / P is the group of
//! output channel o, Q the input channels and P the output channels of a group.
//!
//! Since 1, 11, 22: the same attributes; 22 adds bf16.
//! From here down: `group` is there, `kernel_shape` is only compared with w's extents. f16 and bf16 sum in f32.
//!
//! Of the taps of an axis, only each stride-th meets an input element. Without dilation those are r = (i + begin) mod
//! stride + t*stride, so the sum is over t; with it, the sum is over all taps and the others count as 0.

use super::conv::{infer_bias, infer_group, infer_kernel, kernel, set_narrowed};
use super::elementwise::{Class, tensor_of, wide};
use super::window::{at_node, import_window, list, not_negative, spatial_input};
use crate::prelude::*;

/// ConvTranspose.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "ConvTranspose",
    versions: &[(1, import), (11, import), (22, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let lists = ["dilations", "kernel_shape", "output_padding", "output_shape"];
    Ok(import_window(n, &lists, false)?.with("group", Attr::Int(n.int("group", 1)?)))
}

/// One spatial axis.
pub struct Axis {
    /// Outputs from one input position to the next, at least 1.
    pub stride: i64,
    /// Outputs from one tap to the next, at least 1.
    pub dilation: i64,
    /// Taps.
    pub kernel: Sym,
    /// Padding before the output: what is cut off there.
    pub begin: Sym,
    /// Extent of the output.
    pub out: Sym,
}

impl Axis {
    /// How many taps are summed over.
    fn taps(&self) -> Sym {
        if self.dilation == 1 { self.kernel.ceildiv(&Sym::int(self.stride)) } else { self.kernel.clone() }
    }

    /// For output `i` and summand `t`: the input's position, the tap, and what must be 0 for them to meet.
    fn meet(&self, i: &Sym, t: &Sym) -> (Sym, Sym, Sym) {
        let (at, stride) = (i + &self.begin, Sym::int(self.stride));
        if self.dilation == 1 {
            return (at.floordiv(&stride) - t, at.modulo(&stride) + t * &stride, Sym::int(0));
        }
        let from = at - t * self.dilation;
        (from.floordiv(&stride), t.clone(), from.modulo(&stride))
    }

    /// True if a tap of `meet` may be one too many.
    fn overshoots(&self) -> bool {
        self.dilation == 1 && !self.kernel.modulo(&Sym::int(self.stride)).is_zero()
    }
}

/// The spatial axes of a node with these attributes over an input of spatial extents `x`.
///
/// # Errors
/// Attributes that don't fit. Errors name no node.
pub fn axes(attrs: &Attrs, x: &[Sym], kernel: &[Sym]) -> Result<Vec<Axis>> {
    let n = x.len();
    let stride = list(attrs, "strides", n, 1, 1)?;
    let dilation = list(attrs, "dilations", n, 1, 1)?;
    let pads = list(attrs, "pads", 2 * n, 0, i64::MIN)?;
    let extra = list(attrs, "output_padding", n, 0, 0)?;
    let wanted = match attrs.ints("output_shape") {
        // Some exporters put batch and channels in front.
        Some(s) if s.len() == n || s.len() == n + 2 => Some(s[s.len() - n..].to_vec()),
        Some(_) => Some(list(attrs, "output_shape", n, 0, 0)?),
        None => None,
    };
    let auto = attrs.str("auto_pad").unwrap_or("NOTSET");
    let mut axes = vec![];
    for a in 0..n {
        let span = (&kernel[a] - 1) * dilation[a] + 1;
        let full = (&x[a] - 1) * stride[a] + extra[a] + span;
        let out = match (&wanted, auto) {
            (Some(s), _) => Some(Sym::int(s[a])),
            (None, "SAME_UPPER" | "SAME_LOWER") => Some(&x[a] * stride[a]),
            _ => None,
        };
        let (begin, out) = match out {
            Some(out) => {
                let pad = Sym::max(&(full - &out), &Sym::int(0));
                let half = pad.floordiv(&Sym::int(2));
                (if auto == "SAME_UPPER" { half } else { pad - half }, out)
            }
            None if auto == "VALID" => (Sym::int(0), full),
            None => (Sym::int(pads[a]), full - Sym::int(pads[a]) - Sym::int(pads[n + a])),
        };
        axes.push(Axis { stride: stride[a], dilation: dilation[a], kernel: kernel[a].clone(), begin, out });
    }
    Ok(axes)
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (dtype, x) = spatial_input(cx, Class::Float, 3)?;
    let w = tensor_of(cx, 1, dtype)?.shape;
    if w.len() != x.len() {
        return Err(cx
            .error("E2041", format!("the weights have rank {}", w.len()))
            .expected(format!("{}, as input 0 has", x.len())));
    }
    let kernel = infer_kernel(cx, &w[2..])?;
    let group = infer_group(cx)?;
    cx.unify(&w[0], &x[1], "input channels")?;
    cx.unify(&x[1].modulo(&Sym::int(group)), &Sym::int(0), "input channels over the groups")?;
    let channels = &w[1] * group;
    if cx.opt(2).is_some() {
        infer_bias(cx, 2, dtype, &channels)?;
    }
    let mut out = vec![x[0].clone(), channels];
    for axis in axes(cx.attrs(), &x[2..], &kernel).map_err(|d| at_node(cx, d))? {
        not_negative(cx, &axis.out, "the padding is larger than the output")?;
        out.push(axis.out);
    }
    cx.set_tensor(0, dtype, out);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, w, b, dtype) = (cx.input(0), cx.input(1), cx.opt(2), cx.dtype(0));
    let (xs, ws) = (cx.shape(0), cx.shape(1));
    let acc = wide(dtype);
    let group = cx.attrs().int("group").unwrap_or(1);
    let axes = axes(cx.attrs(), &xs[2..], &kernel(cx.attrs(), &ws[2..])).expect("infer has accepted it");
    // Of what must be equal, the constant.
    let channels = if xs[1].as_int().is_some() { &xs[1] } else { &ws[0] };
    let per_group = channels.floordiv(&Sym::int(group));
    let zero = Scalar::from_i64(dtype, 0);
    let overshoots = axes.iter().any(Axis::overshoots);
    let read = |i: &[Sym], r: &[Sym]| {
        let (g, p) = match group {
            1 => (Sym::int(0), i[1].clone()),
            _ => (i[1].floordiv(&ws[1]), i[1].modulo(&ws[1])),
        };
        let channel = g * &per_group + &r[0];
        let (mut from, mut tap) = (vec![i[0].clone(), channel.clone()], vec![channel, p]);
        let mut meets: Option<Expr> = None;
        for (a, (i, t)) in axes.iter().zip(i[2..].iter().zip(&r[1..])) {
            let (at, own, zero) = a.meet(i, t);
            from.push(at);
            tap.push(own);
            if !zero.is_zero() {
                let meet = compare(CmpOp::Eq, int(zero), int(0));
                meets = Some(meets.map_or(meet.clone(), |m| binary(BinOp::And, m, meet)));
            }
        }
        let weight = if overshoots { load_padded(w, &tap, zero) } else { load(w, &tap) };
        let product = cast(dtype, acc, load_padded(x, &from, zero)) * cast(dtype, acc, weight);
        meets.map_or(product.clone(), |m| select(m, product, number(acc, 0.0)))
    };
    let bias = |_: &mut KernelBuilder, i: &[Sym]| b.map_or(number(acc, 0.0), |b| cast(dtype, acc, load(b, &i[1..2])));
    let init: &dyn Fn(&mut KernelBuilder, &[Sym]) -> Expr = &bias;
    let over: Vec<Sym> = std::iter::once(per_group.clone()).chain(axes.iter().map(Axis::taps)).collect();
    let (name, out) = (cx.node().name.clone(), cx.out_shape(0));
    let sum = cx.k.reduce(&name, acc, &out, ReduceOp::Add, &over, b.map(|_| init), |_, i, r| read(i, r));
    set_narrowed(cx, sum, acc);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::testing::Case;

    #[test]
    fn stored() {
        crate::testing::check_stored("conv_transpose");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let ones = |s: &[usize]| Tensor::from_slice(s, &vec![1f32; s.iter().product()]);
        let case = |w: &[usize]| Case::new("ConvTranspose", 22).input(ones(&[1, 2, 3])).input(ones(w));
        assert_eq!(case(&[3, 1, 2]).error(), "E2003", "channels");
        assert_eq!(case(&[2, 1, 2, 2]).error(), "E2041", "ranks");
        assert_eq!(case(&[2, 1, 2]).attr("pads", Attr::Ints(vec![3, 3])).error(), "E2042");
        assert_eq!(case(&[2, 1, 2]).attr("output_padding", Attr::Ints(vec![-1])).error(), "E2040");
        assert_eq!(case(&[2, 1, 2]).attr("output_shape", Attr::Ints(vec![1, 2])).error(), "E2040");
    }
}
