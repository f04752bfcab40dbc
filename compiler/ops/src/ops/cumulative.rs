//! CumSum, CumProd: running sums and products along an axis.
//!
//! `exclusive` leaves the element itself out, `reverse` runs from the end. The axis is input 1.
//! Narrow floats are summed in f32. A routine, since each element follows from the one before it.

use super::elementwise::*;
use super::movement::{OUT_OF_RANGE, run_time_list};
use crate::prelude::*;
use onnxc_ir::loops::{FuncBuilder, LoopKind, Ty, Value};

/// CumSum.
pub static CUM_SUM: OpDef = OpDef {
    domain: "",
    name: "CumSum",
    versions: &[(11, import), (14, import)],
    infer,
    lower: Lower::Routine(|cx| lower(cx, BinOp::Add, 0)),
    extents: None,
};

/// CumProd.
pub static CUM_PROD: OpDef = OpDef {
    domain: "",
    name: "CumProd",
    versions: &[(26, import)],
    infer,
    lower: Lower::Routine(|cx| lower(cx, BinOp::Mul, 1)),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    for name in ["exclusive", "reverse"] {
        attrs.set(name, Attr::Int(n.int(name, 0)?));
    }
    Ok(attrs)
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Number)?;
    let axis = tensor(cx, 1, Class::Int)?;
    if axis.fixed().is_none_or(|s| s.iter().any(|&d| d != 1)) {
        return Err(cx.error("E2005", format!("the axis has {} axes", axis.rank())).expected("a scalar"));
    }
    if let Some(axis) = cx.const_ints(1) {
        cx.axis(axis[0], x.rank())?;
    }
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

/// Runs that are side by side, whose elements lie beside each other.
const LANES: u16 = 16;

/// For each outer and inner index, one run along the axis; inner ones by vectors first.
fn lower(cx: &mut RoutineCx, op: BinOp, start: i64) -> Result<()> {
    let (x, y) = (cx.input(0), cx.output(0));
    let [exclusive, reverse] = ["exclusive", "reverse"].map(|a| cx.attrs().int(a) == Some(1));
    let d = wide(x.dtype);
    let [outer, n, inner] = sizes(cx, &x.shape)?;
    let f = &mut *cx.f;
    let (zero, lanes) = (f.int(0), f.int(i64::from(LANES)));
    let chunks = f.binary(BinOp::Div, inner, lanes);
    let whole = f.mul(chunks, lanes);
    f.for_loop("outer", zero, outer, 1, LoopKind::Serial, |f, o| {
        for (lo, hi, lanes) in [(zero, whole, LANES), (whole, inner, 1)] {
            let acc = f.var(Ty::vector(d, lanes), &[], "acc");
            f.for_loop("inner", lo, hi, i64::from(lanes), LoopKind::Serial, |f, i| {
                let start = f.scalar(Scalar::from_i64(d, start));
                let start = f.splat(start, lanes);
                f.set(acc, &[], start);
                f.for_loop("k", zero, n, 1, LoopKind::Serial, |f, k| {
                    let at = offset(f, [o, k, i], n, inner, reverse);
                    let v = f.load(x.buf, at, lanes, None);
                    let v = f.cast(v, d);
                    let before = f.get(acc, &[]);
                    let after = f.binary(op, before, v);
                    let out = f.cast(if exclusive { before } else { after }, y.dtype);
                    f.store(y.buf, at, out, None);
                    f.set(acc, &[], after);
                });
            });
        }
    });
    Ok(())
}

/// How many elements lie before the axis, on it and after it.
fn sizes(cx: &mut RoutineCx, shape: &[Sym]) -> Result<[Value; 3]> {
    let rank = shape.len() as i64;
    if let Some(axis) = cx.content(1).and_then(|c| c[0].as_int()) {
        let axis = axis.rem_euclid(rank) as usize;
        let parts = [&shape[..axis], &shape[axis..=axis], &shape[axis + 1..]];
        return Ok(parts.map(|dims| cx.f.sym(&dims.iter().product::<Sym>())));
    }
    let given = run_time_list(cx, 1)?[0];
    let (zero, one, rank) = (cx.f.int(0), cx.f.int(1), cx.f.int(rank));
    let negative = cx.f.compare(CmpOp::Lt, given, zero);
    let from_end = cx.f.add(given, rank);
    let axis = cx.f.select(negative, from_end, given);
    for (op, end) in [(CmpOp::Lt, zero), (CmpOp::Ge, rank)] {
        let out_of_range = cx.f.compare(op, axis, end);
        cx.fail_if(out_of_range, OUT_OF_RANGE);
    }
    let f = &mut *cx.f;
    Ok([CmpOp::Lt, CmpOp::Eq, CmpOp::Gt].map(|side| {
        shape.iter().enumerate().fold(one, |product, (a, d)| {
            let (a, d) = (f.int(a as i64), f.sym(d));
            let on_side = f.compare(side, a, axis);
            let factor = f.select(on_side, d, one);
            f.mul(product, factor)
        })
    }))
}

/// Where element k of a run lies: `(outer * n + k) * inner_count + inner`, from the end of the axis if reversed.
fn offset(f: &mut FuncBuilder, [o, k, i]: [Value; 3], n: Value, inner: Value, reverse: bool) -> Value {
    let k = if reverse {
        let one = f.int(1);
        let last = f.sub(n, one);
        f.sub(last, k)
    } else {
        k
    };
    let row = f.mul(o, n);
    let row = f.add(row, k);
    let row = f.mul(row, inner);
    f.add(row, i)
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("cumulative");
    }

    #[test]
    fn the_axis_must_be_there() {
        let case = Case::new("CumSum", 14).input(Tensor::from_slice(&[2], &[1.0f32, 2.0]));
        let axis = |a: i32| Tensor::from_slice(&[], &[a]);
        assert_eq!(case.clone().constant(axis(1)).error(), "E2004");
        assert_eq!(case.clone().input(axis(1)).error(), "E6000");
        assert_eq!(case.input(axis(-2)).error(), "E6000");
    }
}
