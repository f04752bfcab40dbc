//! AffineGrid: the points of an image (or volume), each moved by its sample's affine map; what GridSample reads at.
//!
//! Since 20. Input: maps [n, r, r + 1] and the size [n, c, (d,) h, w]; output [n, (d,) h, w, r], the last axis x first.
//! Points are spread over -1..=1 from corner to corner, or, without `align_corners`, are the centres of cells.

use super::elementwise::*;
use super::lengths::{declared_rank, expect_length};
use super::movement::*;
use crate::prelude::*;
use onnxc_ir::loops::Value;

/// AffineGrid.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "AffineGrid",
    versions: &[(20, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: Some(extents),
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("align_corners", Attr::Int(n.int("align_corners", 0)?)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let theta = tensor(cx, 0, Class::Float)?;
    if let Some(rank) = declared_rank(cx) {
        expect_length(cx, 1, rank);
    }
    let axes = list_length(cx, 1)?;
    if theta.rank() != 3 || !(4..=5).contains(&axes) {
        let found = format!("maps of rank {}, a size of {axes} extents", theta.rank());
        return Err(cx.error("E2005", found).expected("rank 3, and 4 or 5 extents"));
    }
    let r = axes as i64 - 2;
    cx.unify(&theta.shape[1], &Sym::int(r), "rows of a map")?;
    cx.unify(&theta.shape[2], &Sym::int(r + 1), "columns of a map")?;
    let size = match cx.content(1) {
        Some(size) => size,
        None => (0..axes).map(|k| cx.fresh_extent(k as u32, "grid", 0, None)).collect(),
    };
    for d in &size[2..] {
        not_negative(cx, d)?;
    }
    let n = cx.unify(&size[0], &theta.shape[0], "samples of the size and of the maps")?;
    let shape = [&[n], &size[2..], &[Sym::int(r)]].concat();
    cx.set_tensor(0, theta.dtype, shape);
    Ok(())
}

fn extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let dims = run_time_list(cx, 1)?;
    let zero = cx.f.int(0);
    for &d in &dims {
        let negative = cx.f.compare(CmpOp::Lt, d, zero);
        cx.fail_if(negative, OUT_OF_RANGE);
    }
    Ok(dims)
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (theta, dtype, out) = (cx.input(0), cx.dtype(0), cx.out_shape(0));
    let (d, corners) = (wide(dtype), cx.attrs().int("align_corners") == Some(1));
    let float = |s: Sym| cast(DType::I64, d, int(s));
    // Along an axis of one point there is nothing to spread: it is the first corner, or the centre.
    let place = |i: &Sym, n: &Sym| match corners {
        true => float(i * 2) / float(Sym::max(&(n - 1), &Sym::int(1))) - number(d, 1.0),
        false => float(i * 2 + 1) / float(n.clone()) - number(d, 1.0),
    };
    cx.map_output(|_, i| {
        let (point, row) = (&i[1..i.len() - 1], &i[i.len() - 1]);
        let at = |column: usize| cast(dtype, d, load(theta, &[i[0].clone(), row.clone(), Sym::int(column as i64)]));
        let last = point.len();
        let moved = (0..last).fold(at(last), |sum, k| {
            let axis = last - 1 - k;
            sum + at(k) * place(&point[axis], &out[1 + axis])
        });
        cast(d, dtype, moved)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("affine_grid");
    }
}
