//! IntegerSoftmax over one axis: e = table[max - x], y = clamp(zero + (e * factor + half) / (sum(e) << shift)), half being half of
//! the divisor.
//!
//! Inputs: data of 8 bits; a table of 256 entries, round(2^bits * exp(-d * scale)) (i32). `factor` / 2^shift is the
//! inverse of the output's scale. The pass chooses bits and shift so that everything stays in 32 bits.

use super::*;

/// IntegerSoftmax.
pub static SOFTMAX: OpDef = OpDef {
    domain: DOMAIN,
    name: "IntegerSoftmax",
    versions: &[(1, |n| import_ints(n, &["axis", "factor"]))],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = integers(cx, 0)?;
    cx.axis(int_attr(cx.attrs(), "axis"), x.rank())?;
    let to = output_dtype(cx);
    cx.set_tensor(0, to, x.shape);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, table, dtype, shape, attrs) = (cx.input(0), cx.input(1), cx.dtype(0), cx.shape(0), cx.attrs());
    let axis = int_attr(attrs, "axis").rem_euclid(shape.len() as i64) as usize;
    let mut kept = shape.clone();
    kept[axis] = Sym::int(1);
    let at = |i: &[Sym], r: &Sym| {
        let mut i = i.to_vec();
        i[axis] = r.clone();
        i
    };
    let over = [shape[axis].clone()];
    let max =
        cx.k.reduce("max", I32, &kept, ReduceOp::Max, &over, None, |_, i, r| cast(dtype, I32, load(x, &at(i, &r[0]))));
    let e = cx.k.map("e", I32, &shape, |_, i| {
        let below = load(max, &at(i, &Sym::int(0))) - cast(dtype, I32, load(x, i));
        load_at(table, vec![cast(I32, DType::I64, below)], None)
    });
    let sum = cx.k.reduce("sum", I32, &kept, ReduceOp::Add, &over, None, |_, i, r| load(e, &at(i, &r[0])));
    let (to, shift, factor) = (cx.output_type(0).dtype, int_attr(attrs, "shift"), int_attr(attrs, "factor"));
    cx.map_output(|_, i| {
        let divisor = binary(BinOp::Shl, load(sum, &at(i, &Sym::int(0))), i32_const(shift));
        let half = binary(BinOp::Shr, divisor.clone(), i32_const(1));
        let quotient = binary(BinOp::Div, load(e, i) * i32_const(factor) + half, divisor);
        clamped(attrs, quotient, to)
    });
    Ok(())
}
