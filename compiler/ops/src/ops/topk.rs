//! TopK: the k greatest (or least) elements along an axis and where they are, in order; equal ones by rising index.
//! NaN counts as greater than any number, as in NumPy and PyTorch.
//!
//! Since 1: k is an attribute; since 10: an input; since 11: `largest`, `sorted`. Unsorted output may be in any order,
//! so it is sorted, too.

use super::elementwise::{Class, tensor};
use super::heap;
use super::lengths::expect_one;
use super::movement::*;
use super::routines::*;
use crate::prelude::*;
use onnxc_ir::loops::{FuncBuilder, LoopKind, Value};

/// TopK.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "TopK",
    versions: &[(1, import_attr), (10, import_axis), (11, import), (24, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: Some(extents_of_k),
};

fn import_axis(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", -1)?)).with("largest", Attr::Int(1)))
}

fn import_attr(n: &mut NodeReader) -> Result<Attrs> {
    let k = n.need_int("k")?;
    n.set_input(1, "k", Tensor::from_slice(&[1], &[k]));
    import_axis(n)
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["sorted"]);
    let largest = n.int("largest", 1)?;
    Ok(import_axis(n)?.with("largest", Attr::Int(largest)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    expect_one(cx, 1);
    let x = tensor(cx, 0, Class::Number)?;
    let axis = cx.axis(cx.attrs().int("axis").unwrap_or(-1), x.rank())?;
    if tensor(cx, 1, Class::Int)?.count().as_int() != Some(1) {
        return Err(cx.error("E2005", "input 1, k, isn't one element").expected("a scalar"));
    }
    let extent = &x.shape[axis];
    let known = cx.content(1).and_then(|c| c.first().cloned()).filter(|k| !from_values(cx.graph, k));
    let k = match known {
        Some(k) => {
            not_negative(cx, &k)?;
            let most = Sym::min(&k, extent);
            cx.unify(&most, &k, "k must not be more than the extent")?;
            k
        }
        None => cx.fresh_extent(0, "k", 0, Some(extent.clone())),
    };
    let mut shape = x.shape.clone();
    shape[axis] = k;
    cx.set_tensor(0, x.dtype, shape.clone());
    cx.set_tensor(1, DType::I64, shape);
    Ok(())
}

fn axis_of(attrs: &Attrs, rank: usize) -> usize {
    attrs.int("axis").unwrap_or(-1).rem_euclid(rank.max(1) as i64) as usize
}

fn extents_of_k(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let x = cx.input_type(0).shape.clone();
    let k = run_time_list(cx, 1)?;
    let (zero, extent) = (cx.f.int(0), cx.f.sym(&x[axis_of(cx.attrs(), x.len())]));
    for &k in &k {
        let (low, high) = (cx.f.compare(CmpOp::Lt, k, zero), cx.f.compare(CmpOp::Gt, k, extent));
        let bad = cx.f.binary(BinOp::Or, low, high);
        cx.fail_if(bad, OUT_OF_RANGE);
    }
    Ok(k)
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (x, values) = (cx.input(0), cx.output(0));
    let places = if cx.node().outputs.len() > 1 { Some(cx.output(1)) } else { None };
    let axis = axis_of(cx.attrs(), x.shape.len());
    let better = if cx.attrs().int("largest") == Some(0) { CmpOp::Lt } else { CmpOp::Gt };
    let k = cx.output_type(0).shape[axis].clone();
    let heap = cx.scratch("order", DType::I64, k.clone());
    let f = &mut *cx.f;
    let (outer, inner) = (f.sym(&product(&x.shape[..axis])), f.sym(&product(&x.shape[axis + 1..])));
    let (extent, k) = (f.sym(&x.shape[axis]), f.sym(&k));
    // A guard may be only a warning elsewhere; this is memory.
    let (beyond, zero) = (f.compare(CmpOp::Gt, k, extent), f.int(0));
    leave_if(f, beyond);
    // An empty heap has no first one to compare with.
    let none = f.compare(CmpOp::Le, k, zero);
    let outer = f.select(none, zero, outer);
    nest(f, &[outer, inner], &mut |f, at| {
        let row = |f: &mut FuncBuilder, extent: Value, i: Value| {
            let start = f.mul(at[0], extent);
            let line = f.add(start, i);
            let start = f.mul(line, inner);
            f.add(start, at[1])
        };
        // The heap holds the best so far, the worst of them first: most others are only compared with that one.
        let worse = |f: &mut FuncBuilder, a: Value, b: Value| {
            let [p, q] = [a, b].map(|i| {
                let at = row(f, extent, i);
                load_wide(f, x.buf, x.dtype, at)
            });
            let (last, equal) = order(f, better, q, p);
            let later = f.compare(CmpOp::Gt, a, b);
            let tie = f.binary(BinOp::And, equal, later);
            f.binary(BinOp::Or, last, tie)
        };
        nest(f, &[k], &mut |f, i| f.store(heap, i[0], i[0], None));
        heap::build(f, heap, k, &worse);
        f.for_loop("i", k, extent, 1, LoopKind::Serial, |f, i| {
            let worst = f.load(heap, zero, 1, None);
            let replaces = worse(f, worst, i);
            f.if_else(replaces, |f| heap::replace(f, heap, i, k, &worse), |_| {});
        });
        nest(f, &[k], &mut |f, i| {
            let (count, one) = (f.sub(k, i[0]), f.int(1));
            let place = f.sub(count, one);
            let worst = heap::pop(f, heap, count, &worse);
            let (from, to) = (row(f, extent, worst), row(f, k, place));
            let v = f.load(x.buf, from, 1, None);
            f.store(values.buf, to, v, None);
            if let Some(p) = &places {
                f.store(p.buf, to, worst, None);
            }
        });
    });
    Ok(())
}

/// Is `p` before `q`, and are they equal? NaN is greater than any number, and equal to itself.
fn order(f: &mut FuncBuilder, better: CmpOp, p: Value, q: Value) -> (Value, Value) {
    let (first, equal) = (f.compare(better, p, q), f.compare(CmpOp::Eq, p, q));
    if !f.ty(p).elem.is_float() {
        return (first, equal);
    }
    let (p, q) = (f.compare(CmpOp::Ne, p, p), f.compare(CmpOp::Ne, q, q));
    let (nan, number) = if better == CmpOp::Gt { (p, q) } else { (q, p) };
    let number = f.unary(UnOp::Not, number);
    let (apart, alike) = (f.binary(BinOp::And, nan, number), f.binary(BinOp::And, p, q));
    (f.binary(BinOp::Or, first, apart), f.binary(BinOp::Or, equal, alike))
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("topk");
    }

    #[test]
    fn more_than_there_are() {
        let x = Tensor::from_slice(&[3], &[1f32, 2.0, 3.0]);
        let k = Tensor::from_slice(&[1], &[4i64]);
        assert_eq!(Case::new("TopK", 11).input(x.clone()).constant(k.clone()).outputs(2).error(), "E2003");
        assert_eq!(Case::new("TopK", 11).input(x).input(k).outputs(2).error(), "E6000");
    }
}
