//! ConvGradientInput, ConvGradientWeights, AveragePoolGradient: what operators that slide a window hand to their inputs.
//! They have the attributes of the operator that is derived, and only Gradient's rules make them.
//!
//! Output o of a window reads position `o * stride + r * dilation - begin` through tap r; so a position gets of tap r the
//! share of output `(position + begin - r * dilation) / stride`, where that has no rest. Narrow floats sum in f32.

use crate::ops::conv::{infer_extents, kernel, set_narrowed};
use crate::ops::elementwise::{Class, tensor, tensor_of, wide};
use crate::ops::pool::mean_count;
use crate::ops::window::{Window, infer_window};
use crate::prelude::*;

macro_rules! parts {
    ($($id:ident $name:literal $infer:ident $lower:ident;)*) => { $(
        #[doc = concat!($name, ", which only Gradient makes.")]
        pub static $id: OpDef = OpDef {
            domain: "onnxc",
            name: $name,
            versions: &[(1, |_| Ok(Attrs::default()))],
            infer: $infer,
            lower: Lower::Compute($lower),
            extents: None,
        };
    )* };
}

parts! {
    // The convolution's derivative, weights, and a tensor like its data.
    CONV_INPUT "ConvGradientInput" infer_conv_input lower_conv_input;
    // The convolution's derivative, data, and a tensor like its weights.
    CONV_WEIGHTS "ConvGradientWeights" infer_conv_weights lower_conv_weights;
    // The pool's derivative, and a tensor like its data.
    AVERAGE "AveragePoolGradient" infer_average lower_average;
}

/// The derivative must be like the output for data and weights of such extents.
fn check(cx: &mut InferCx, x: &[Sym], w: &[Sym]) -> Result<()> {
    let (g, out) = (cx.shape(0)?, infer_extents(cx, x, w)?);
    for (axis, (a, b)) in g.iter().zip(&out).enumerate() {
        cx.unify(a, b, &format!("axis {axis} of the derivative and the output"))?;
    }
    Ok(())
}

fn infer_conv_input(cx: &mut InferCx) -> Result<()> {
    let dtype = tensor(cx, 0, Class::Float)?.dtype;
    let (w, x) = (tensor_of(cx, 1, dtype)?.shape, tensor_of(cx, 2, dtype)?.shape);
    check(cx, &x, &w)?;
    cx.set_tensor(0, dtype, x);
    Ok(())
}

fn infer_conv_weights(cx: &mut InferCx) -> Result<()> {
    let dtype = tensor(cx, 0, Class::Float)?.dtype;
    let (x, w) = (tensor_of(cx, 1, dtype)?.shape, tensor_of(cx, 2, dtype)?.shape);
    check(cx, &x, &w)?;
    cx.set_tensor(0, dtype, w);
    Ok(())
}

fn infer_average(cx: &mut InferCx) -> Result<()> {
    let (g, x) = (tensor(cx, 0, Class::Float)?, cx.shape(1)?);
    let window = infer_window(cx, &x[2..], kernel(cx.attrs(), &[]))?;
    for (axis, (a, b)) in g.shape[2..].iter().zip(&window.out).enumerate() {
        cx.unify(a, b, &format!("spatial axis {axis} of the derivative and the output"))?;
    }
    cx.set_tensor(0, g.dtype, x);
    Ok(())
}

/// The output of which a position gets a share through each tap, and whether there is such a one.
fn from(window: &Window, position: &[Sym], taps: &[Sym]) -> (Vec<Sym>, Option<Expr>) {
    let (mut at, mut meets) = (vec![], None);
    for (a, p) in position.iter().enumerate() {
        let (reach, stride) = (p + &window.begin[a] - &taps[a] * window.dilation[a], Sym::int(window.stride[a]));
        at.push(reach.floordiv(&stride));
        if !stride.is_one() {
            let even = compare(CmpOp::Eq, int(reach.modulo(&stride)), int(0));
            meets = Some(meets.map_or(even.clone(), |m| binary(BinOp::And, m, even)));
        }
    }
    (at, meets)
}

/// `v` where `meets` holds, otherwise 0.
fn only(meets: Option<Expr>, v: Expr, d: DType) -> Expr {
    meets.map_or(v.clone(), |m| select(m, v, number(d, 0.0)))
}

/// Channels of a group: of the data, of the output.
fn groups(attrs: &Attrs, w: &[Sym]) -> (Sym, Sym) {
    (w[1].clone(), w[0].floordiv(&Sym::int(attrs.int("group").unwrap_or(1))))
}

fn lower_conv_input(cx: &mut ComputeCx) -> Result<()> {
    let (g, w, dtype, ws, out) = (cx.input(0), cx.input(1), cx.dtype(0), cx.shape(1), cx.out_shape(0));
    let d = wide(dtype);
    let taps = kernel(cx.attrs(), &ws[2..]);
    let window = Window::new(cx.attrs(), &out[2..], taps.clone())?;
    let (channels, outputs) = groups(cx.attrs(), &ws);
    let over = [std::slice::from_ref(&outputs), &taps[..]].concat();
    let sum = cx.k.reduce("shares", d, &out, ReduceOp::Add, &over, None, |_, i, r| {
        let (at, meets) = from(&window, &i[2..], &r[1..]);
        let o = i[1].floordiv(&channels) * &outputs + &r[0];
        let share = load_padded(g, &[&[i[0].clone(), o.clone()], &at[..]].concat(), Scalar::from_i64(dtype, 0));
        let weight = load(w, &[&[o, i[1].modulo(&channels)], &r[1..]].concat());
        only(meets, cast(dtype, d, share) * cast(dtype, d, weight), d)
    });
    set_narrowed(cx, sum, d);
    Ok(())
}

fn lower_conv_weights(cx: &mut ComputeCx) -> Result<()> {
    let (g, x, dtype, gs, xs, ws) = (cx.input(0), cx.input(1), cx.dtype(0), cx.shape(0), cx.shape(1), cx.out_shape(0));
    let d = wide(dtype);
    let window = Window::new(cx.attrs(), &xs[2..], kernel(cx.attrs(), &ws[2..]))?;
    let (channels, outputs) = groups(cx.attrs(), &ws);
    let over = [&gs[..1], &gs[2..]].concat();
    let sum = cx.k.reduce("shares", d, &ws, ReduceOp::Add, &over, None, |_, i, r| {
        let c = i[0].floordiv(&outputs) * &channels + &i[1];
        let at = [&[r[0].clone(), c], &window.source(&r[1..], &i[2..])[..]].concat();
        let value = load_padded(x, &at, Scalar::from_i64(dtype, 0));
        let share = load(g, &[&[r[0].clone(), i[0].clone()], &r[1..]].concat());
        cast(dtype, d, value) * cast(dtype, d, share)
    });
    set_narrowed(cx, sum, d);
    Ok(())
}

fn lower_average(cx: &mut ComputeCx) -> Result<()> {
    let (g, dtype, gs, xs) = (cx.input(0), cx.dtype(0), cx.shape(0), cx.out_shape(0));
    let (d, include) = (wide(dtype), cx.attrs().int("count_include_pad") == Some(1));
    let window = Window::new(cx.attrs(), &xs[2..], kernel(cx.attrs(), &[]))?;
    let scaled = cx
        .k
        .map("scaled", d, &gs, |_, i| cast(dtype, d, load(g, i)) / mean_count(&window, &xs[2..], &i[2..], include, d));
    let sum = cx.k.reduce("shares", d, &xs, ReduceOp::Add, &window.kernel, None, |_, i, r| {
        let (at, meets) = from(&window, &i[2..], r);
        only(meets, load_padded(scaled, &[&i[..2], &at[..]].concat(), Scalar::from_i64(d, 0)), d)
    });
    set_narrowed(cx, sum, d);
    Ok(())
}
