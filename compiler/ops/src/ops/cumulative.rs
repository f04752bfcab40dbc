//! CumSum, CumProd: running sums and products along an axis.
//!
//! `exclusive` leaves the element itself out, `reverse` runs from the end. The axis is input 1, a constant.
//! Narrow floats are summed in f32. A routine, since each element follows from the one before it.

use super::elementwise::*;
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
    cx.input(1)?;
    let axis = cx.const_ints(1).filter(|a| a.len() == 1).ok_or_else(|| {
        cx.error("E2031", "the axis is not one number known at compile time")
            .expected("a constant")
            .help("make input 'axis' an initializer")
    })?;
    cx.axis(axis[0], x.rank())?;
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

/// For each outer and inner index, one run along the axis.
fn lower(cx: &mut RoutineCx, op: BinOp, start: i64) -> Result<()> {
    let (x, y) = (cx.input(0), cx.output(0));
    let axis = cx.content(1).and_then(|c| c[0].as_int()).expect("infer has required a constant axis");
    let axis = axis.rem_euclid(x.shape.len() as i64) as usize;
    let [exclusive, reverse] = ["exclusive", "reverse"].map(|a| cx.attrs().int(a) == Some(1));
    let d = wide(x.dtype);
    let f = &mut *cx.f;
    let acc = f.var(Ty::scalar(d), &[], "acc");
    let [outer, n, inner] = [&x.shape[..axis], &x.shape[axis..=axis], &x.shape[axis + 1..]]
        .map(|dims| dims.iter().product::<Sym>())
        .map(|s| f.sym(&s));
    let zero = f.int(0);
    f.for_loop("outer", zero, outer, 1, LoopKind::Serial, |f, o| {
        f.for_loop("inner", zero, inner, 1, LoopKind::Serial, |f, i| {
            let start = f.scalar(Scalar::from_i64(d, start));
            f.set(acc, &[], start);
            f.for_loop("k", zero, n, 1, LoopKind::Serial, |f, k| {
                let at = offset(f, [o, k, i], n, inner, reverse);
                let v = f.load(x.buf, at, 1, None);
                let v = f.cast(v, d);
                let before = f.get(acc, &[]);
                let after = f.binary(op, before, v);
                let out = f.cast(if exclusive { before } else { after }, y.dtype);
                f.store(y.buf, at, out, None);
                f.set(acc, &[], after);
            });
        });
    });
    Ok(())
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
    #[test]
    fn stored() {
        crate::testing::check_stored("cumulative");
    }
}
