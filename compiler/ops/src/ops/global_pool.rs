//! Pools over all spatial axes: GlobalAveragePool, GlobalLpPool, GlobalMaxPool. The spatial extents become 1.
//!
//! Since 1, 22: 22 adds bf16. GlobalLpPool also since 2: `p` is an integer, not a float.
//! From here down: `p` is a float. f16 and bf16 sum in f32.

use super::conv::set_narrowed;
use super::elementwise::{Class, wide};
use super::pool::{power, set_root};
use super::window::spatial_input;
use crate::prelude::*;

/// GlobalAveragePool.
pub static AVERAGE: OpDef = OpDef {
    domain: "",
    name: "GlobalAveragePool",
    versions: &[(1, |_| Ok(Attrs::default())), (22, |_| Ok(Attrs::default()))],
    infer,
    lower: Lower::Compute(lower_average),
    extents: None,
};

/// GlobalLpPool.
pub static LP: OpDef = OpDef {
    domain: "",
    name: "GlobalLpPool",
    versions: &[(1, import_lp_1), (2, import_lp), (22, import_lp)],
    infer,
    lower: Lower::Compute(lower_lp),
    extents: None,
};

/// GlobalMaxPool.
pub static MAX: OpDef = OpDef {
    domain: "",
    name: "GlobalMaxPool",
    versions: &[(1, |_| Ok(Attrs::default())), (22, |_| Ok(Attrs::default()))],
    infer,
    lower: Lower::Compute(lower_max),
    extents: None,
};

fn import_lp_1(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("p", Attr::Float(n.float("p", 2.0)?)))
}

fn import_lp(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("p", Attr::Float(n.int("p", 2)? as f32)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (dtype, mut x) = spatial_input(cx, Class::Float, 2)?;
    x[2..].fill(Sym::int(1));
    cx.set_tensor(0, dtype, x);
    Ok(())
}

/// All elements of a plane combined.
fn combine(cx: &mut ComputeCx, op: ReduceOp, f: impl Fn(DType, Expr) -> Expr) -> (Src, DType) {
    let (x, dtype, shape, out) = (cx.input(0), cx.dtype(0), cx.shape(0), cx.out_shape(0));
    let acc = wide(dtype);
    let src = cx.k.reduce("all", acc, &out, op, &shape[2..], None, |_, i, r| {
        f(acc, cast(dtype, acc, load(x, &[&i[..2], r].concat())))
    });
    (src, acc)
}

fn lower_average(cx: &mut ComputeCx) -> Result<()> {
    let (sum, acc) = combine(cx, ReduceOp::Add, |_, e| e);
    let (count, dtype): (Sym, _) = (cx.shape(0)[2..].iter().product(), cx.output_type(0).dtype);
    cx.map_output(|_, i| cast(acc, dtype, load(sum, i) / cast(DType::I64, acc, int(count))));
    Ok(())
}

fn lower_lp(cx: &mut ComputeCx) -> Result<()> {
    let p = cx.attrs().float("p").unwrap_or(2.0);
    let (sum, acc) = combine(cx, ReduceOp::Add, |acc, e| power(acc, e, p));
    set_root(cx, sum, acc, p);
    Ok(())
}

fn lower_max(cx: &mut ComputeCx) -> Result<()> {
    let (max, acc) = combine(cx, ReduceOp::Max, |_, e| e);
    set_narrowed(cx, max, acc);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("global_pool");
    }
}
