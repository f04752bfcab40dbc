//! TensorScatter: a cache with new elements written along one axis, from a position on that each sample has of its own.
//!
//! Since 24. With `mode` circular, positions go on from the beginning; else what doesn't fit is an error. The position is
//! 0 where input 2 is left out. A formula, so that the copy of the cache can be fused with what made the update.

use super::elementwise::tensor_of;
use super::movement::*;
use crate::prelude::*;

/// TensorScatter.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "TensorScatter",
    versions: &[(24, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let circular = n.choice("mode", &["linear", "circular"])? == "circular";
    let axis = n.int("axis", -2)?;
    Ok(Attrs::default().with("axis", Attr::Int(axis)).with("circular", Attr::Int(i64::from(circular))))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let cache = any(cx, 0)?;
    let update = tensor_of(cx, 1, cache.dtype)?.shape;
    let axis = cx.axis(cx.attrs().int("axis").unwrap_or(-2), cache.rank())?;
    if axis == 0 {
        return Err(cx.error("E2004", "the axis is 0, that of the samples").expected("another axis"));
    }
    if update.len() != cache.rank() {
        let found = format!("a cache of rank {}, an update of rank {}", cache.rank(), update.len());
        return Err(cx.error("E2005", found).expected("equal ranks"));
    }
    for (a, (c, u)) in cache.shape.iter().zip(&update).enumerate() {
        if a != axis {
            cx.unify(c, u, &format!("axis {a} of cache and update"))?;
        } else if cx.ranges().prove_le(u, c) == Some(false) {
            let found = format!("{u} new elements for a cache of {c}");
            return Err(cx.error("E2003", found).expected("no more than the cache holds"));
        } else {
            let larger = Sym::max(c, u);
            cx.unify(c, &larger, "a cache must hold what is written")?;
        }
    }
    if cx.opt(2).is_some() {
        let at = tensor_of(cx, 2, DType::I64)?.shape;
        if at.len() != 1 {
            return Err(cx.error("E2005", format!("input 2 has rank {}", at.len())).expected("1"));
        }
        cx.unify(&at[0], &cache.shape[0], "samples of cache and positions")?;
    }
    cx.set_output(0, Type::Tensor(cache));
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (cache, update, shape) = (cx.input(0), cx.input(1), cx.shape(0));
    let axis = cx.attrs().int("axis").unwrap_or(-2).rem_euclid(shape.len() as i64) as usize;
    let (extent, count) = (shape[axis].clone(), cx.shape(1)[axis].clone());
    let circular = cx.attrs().int("circular") == Some(1);
    let (starts, samples) = (cx.opt(2), shape[0].clone());
    if let Some(s) = starts.filter(|_| !circular) {
        cx.k.check(&[samples], OUT_OF_RANGE, |_, i| {
            let low = compare(CmpOp::Ge, load(s, i), int(0));
            binary(BinOp::And, low, compare(CmpOp::Le, load(s, i), int(&extent - &count)))
        });
    }
    let pad = Scalar::from_i64(cx.dtype(0), 0);
    cx.map_output(|_, i| {
        let start = starts.map_or(int(0), |s| load(s, &i[..1]));
        let mut from = int(i[axis].clone()) - start;
        if circular {
            from = binary(BinOp::FloorMod, from, int(extent.clone()));
        }
        let low = compare(CmpOp::Ge, from.clone(), int(0));
        let new = binary(BinOp::And, low, compare(CmpOp::Lt, from.clone(), int(count.clone())));
        let mut index: Vec<Expr> = i.iter().cloned().map(int).collect();
        index[axis] = from;
        select(new, load_at(update, index, Some(pad)), load(cache, i))
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
        crate::testing::check_stored("tensor_scatter");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let zeros = |shape: &[usize]| Tensor::from_slice(shape, &vec![0f32; shape.iter().product()]);
        let case = |n| Case::new("TensorScatter", 24).input(zeros(&[1, 3, 2])).input(zeros(&[1, n, 2]));
        assert_eq!(case(4).error(), "E2003");
        assert_eq!(case(2).attr("axis", Attr::Int(0)).error(), "E2004");
        for at in [-1i64, 2] {
            assert_eq!(case(2).input(Tensor::from_slice(&[1], &[at])).error(), "E6000");
        }
    }
}
