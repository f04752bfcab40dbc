//! ArgMax, ArgMin: the position of the greatest or least element along an axis, the first of equals unless
//! `select_last_index` (since 12) says the last.
//!
//! NaN counts as the greatest and as the least, as numpy has it.

use super::axes::Axes;
use super::elementwise::*;
use crate::prelude::*;

/// ArgMax.
pub static ARG_MAX: OpDef = OpDef {
    domain: "",
    name: "ArgMax",
    versions: &[(1, import), (11, import), (12, import_last), (13, import_last)],
    infer,
    lower: Lower::Compute(|cx| lower(cx, ReduceOp::Max)),
    extents: None,
};

/// ArgMin.
pub static ARG_MIN: OpDef = OpDef {
    domain: "",
    name: "ArgMin",
    versions: &[(1, import), (11, import), (12, import_last), (13, import_last)],
    infer,
    lower: Lower::Compute(|cx| lower(cx, ReduceOp::Min)),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", 0)?)).with("keepdims", Attr::Int(n.int("keepdims", 1)?)))
}

fn import_last(n: &mut NodeReader) -> Result<Attrs> {
    Ok(import(n)?.with("last", Attr::Int(n.int("select_last_index", 0)?)))
}

fn axes(attrs: &Attrs, rank: usize) -> Option<Axes> {
    let axes = Axes::from_list(rank, &[attrs.int("axis").unwrap_or(0)])?;
    Some(axes.keeping(attrs.int("keepdims") != Some(0)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Number)?;
    cx.axis(cx.attrs().int("axis").unwrap_or(0), x.rank())?;
    let axes = axes(cx.attrs(), x.rank()).expect("the axis is there");
    cx.set_tensor(0, DType::I64, axes.result(&x.shape));
    Ok(())
}

fn lower(cx: &mut ComputeCx, op: ReduceOp) -> Result<()> {
    let (x, shape, out) = (Operand::new(cx, 0), cx.shape(0), cx.out_shape(0));
    let axes = axes(cx.attrs(), shape.len()).expect("infer has checked the axis");
    let last = cx.attrs().int("last") == Some(1);
    let (over, n) = (axes.reduced(&shape), axes.count(&shape));
    let extreme = cx.k.reduce("extreme", x.wide(), &out, op, &over, None, |_, i, r| x.at(&axes.index(i, r)));
    let (pick, nowhere) = if last { (ReduceOp::Max, Sym::int(-1)) } else { (ReduceOp::Min, n.clone()) };
    let nan = x.wide().is_float();
    let at = cx.k.reduce("at", DType::I64, &out, pick, &over, None, |_, i, r| {
        let here = compare(CmpOp::Eq, x.at(&axes.index(i, r)), load(extreme, i));
        select(here, int(r[0].clone()), int(nowhere.clone()))
    });
    let found = |at: Src, i: &[Sym]| compare(CmpOp::Ne, load(at, i), int(nowhere.clone()));
    let nan = nan.then(|| {
        cx.k.reduce("nan", DType::I64, &out, pick, &over, None, |_, i, r| {
            let e = x.at(&axes.index(i, r));
            select(compare(CmpOp::Ne, e.clone(), e), int(r[0].clone()), int(nowhere.clone()))
        })
    });
    map_from(cx, DType::I64, |i| {
        // Along an axis of nothing there is no position.
        let place = select(found(at, i), load(at, i), int(0));
        nan.map_or(place.clone(), |n| select(found(n, i), load(n, i), place))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("arg");
    }
}
