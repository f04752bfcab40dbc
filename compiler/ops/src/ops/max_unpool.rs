//! MaxUnpool: the elements that MaxPool has kept, back at their places, and zeros elsewhere.
//!
//! Since 9, 11, 22. Input 1 holds row-major positions in the whole output that the window's attributes imply; with input
//! 2, an output of these extents at least, that one lies in its corner. Of several elements for one place the last wins.

use super::elementwise::{Class, tensor, tensor_of};
use super::movement::*;
use super::routines::{extents as extents_of, index_at, leave_if, nest, offset};
use super::window::{at_node, list};
use crate::prelude::*;
use onnxc_ir::loops::Value;

/// MaxUnpool.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "MaxUnpool",
    versions: &[(9, import), (11, import), (22, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: Some(extents),
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default().with("kernel_shape", Attr::Ints(n.need_ints("kernel_shape")?));
    for name in ["pads", "strides"] {
        if let Some(v) = n.opt_ints(name)? {
            attrs.set(name, Attr::Ints(v));
        }
    }
    Ok(attrs)
}

/// The extents that the window implies for an input of extents `x`. Errors name no node.
fn implied(attrs: &Attrs, x: &[Sym]) -> Result<Vec<Sym>> {
    let n = x.len() - 2;
    let (kernel, stride) = (list(attrs, "kernel_shape", n, 1, 1)?, list(attrs, "strides", n, 1, 1)?);
    let pads = list(attrs, "pads", 2 * n, 0, i64::MIN)?;
    let spatial = (0..n).map(|a| (&x[2 + a] - 1) * stride[a] + kernel[a] - Sym::int(pads[a]) - Sym::int(pads[n + a]));
    Ok(x[..2].iter().cloned().chain(spatial).collect())
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (x, at) = (tensor(cx, 0, Class::Float)?, tensor_of(cx, 1, DType::I64)?.shape);
    if x.rank() < 3 || at.len() != x.rank() {
        let found = format!("elements of rank {}, positions of rank {}", x.rank(), at.len());
        return Err(cx.error("E2005", found).expected("equal ranks of at least 3"));
    }
    for (axis, (a, b)) in x.shape.iter().zip(&at).enumerate() {
        cx.unify(a, b, &format!("axis {axis} of elements and positions"))?;
    }
    let own = implied(cx.attrs(), &x.shape).map_err(|d| at_node(cx, d))?;
    let mut shape = own.clone();
    if cx.opt(2).is_some() {
        let n = list_length(cx, 2)?;
        if n != x.rank() {
            return Err(cx.error("E2005", format!("input 2 has {n} elements")).expected(x.rank().to_string()));
        }
        shape = match cx.content(2) {
            Some(c) => c,
            None => (0..n).map(|k| cx.fresh_extent(k as u32, "unpooled", 0, None)).collect(),
        };
    }
    for d in own.iter().chain(&shape) {
        not_negative(cx, d)?;
    }
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

fn extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let dims = run_time_list(cx, 2)?;
    let zero = cx.f.int(0);
    for &d in &dims {
        let bad = cx.f.compare(CmpOp::Lt, d, zero);
        cx.fail_if(bad, OUT_OF_RANGE);
    }
    Ok(dims)
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (x, positions, y) = (cx.input(0), cx.input(1), cx.output(0));
    let own = implied(cx.attrs(), &x.shape).expect("infer has accepted it");
    let f = &mut *cx.f;
    let (count, size) = (f.sym(&product(&x.shape)), f.sym(&product(&y.shape)));
    let (all, dims, out) = (f.sym(&product(&own)), extents_of(f, &own), extents_of(f, &y.shape));
    let zero = f.scalar(Scalar::from_i64(y.dtype, 0));
    nest(f, &[size], &mut |f, i| f.store(y.buf, i[0], zero, None));
    nest(f, &[count], &mut |f, i| {
        let mut rest = index_at(f, &positions, i[0], all);
        let mut index = vec![];
        for &d in dims.iter().rev() {
            index.push(f.binary(BinOp::FloorMod, rest, d));
            rest = f.binary(BinOp::FloorDiv, rest, d);
        }
        index.reverse();
        for (&at, &d) in index.iter().zip(&out) {
            let beyond = f.compare(CmpOp::Ge, at, d);
            leave_if(f, beyond);
        }
        let to = offset(f, &out, &index);
        let v = f.load(x.buf, i[0], 1, None);
        f.store(y.buf, to, v, None);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("max_unpool");
    }

    #[test]
    fn a_position_must_be_there() {
        let case = Case::new("MaxUnpool", 11).input(Tensor::from_slice(&[1, 1, 1], &[1f32]));
        let case = case.input(Tensor::from_slice(&[1, 1, 1], &[2i64])).attr("kernel_shape", Attr::Ints(vec![2]));
        assert_eq!(case.error(), "E6000");
    }
}
