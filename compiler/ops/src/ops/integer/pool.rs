//! IntegerAverage: the sum of the elements of each window (all spatial axes without `kernel_shape`), plus `bias`, requantised.
//!
//! The multiplier has the window's size in it, the bias -zero times it. Padding is the zero point (attribute `pad`).

use super::*;
use crate::ops::pool::{element, infer_pool, window_of};
use crate::ops::window::import_window;

/// IntegerAverage.
pub static AVERAGE: OpDef = OpDef {
    domain: DOMAIN,
    name: "IntegerAverage",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = import_window(n, &["dilations", "kernel_shape"], true)?;
    attrs.0.extend(import_ints(n, &["pad", "bias"])?.0);
    Ok(attrs)
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = integers(cx, 0)?;
    let to = output_dtype(cx);
    if cx.attrs().ints("kernel_shape").is_none() {
        let mut out = x.shape;
        out.iter_mut().skip(2).for_each(|d| *d = Sym::int(1));
        cx.set_tensor(0, to, out);
        return Ok(());
    }
    infer_pool(cx, crate::ops::elementwise::Class::Int)?;
    let out = cx.graph.tensor_type(cx.node().outputs[0]).map(|t| t.shape.clone()).unwrap_or_default();
    cx.set_tensor(0, to, out);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, dtype, out, shape, attrs) = (cx.input(0), cx.dtype(0), cx.out_shape(0), cx.shape(0), cx.attrs());
    let bias = int_attr(attrs, "bias");
    let start = |_: &mut KernelBuilder, _: &[Sym]| i32_const(bias);
    let sum = if attrs.ints("kernel_shape").is_some() {
        let (window, pad) = (window_of(cx), Scalar::from_i64(dtype, int_attr(attrs, "pad")));
        cx.k.reduce("sum", I32, &out, ReduceOp::Add, &window.kernel, Some(&start), |_, i, r| {
            cast(dtype, I32, element(x, &window, i, r, pad))
        })
    } else {
        cx.k.reduce("sum", I32, &out, ReduceOp::Add, &shape[2..], Some(&start), |_, i, r| {
            cast(dtype, I32, load(x, &[&i[..2], r].concat()))
        })
    };
    let r = Requantise::new(cx, 1);
    cx.map_output(|_, i| r.apply(attrs, load(sum, i), &Sym::int(0)));
    Ok(())
}
