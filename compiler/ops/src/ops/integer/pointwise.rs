//! IntegerAdd: y = clamp(zero + ((a * ma + b * mb + c + 2^(s - 1)) >> s)), broadcast; ma, mb, c are integers that keep the sum
//! in 32 bits: the pass puts the zero points into c. IntegerMul: (a - a_zero) * (b - b_zero), requantised.
//! IntegerTable: y = table[x - least], 256 entries: any function of one 8-bit tensor, exactly.

use super::*;
use crate::ops::elementwise::Operand;

/// IntegerAdd.
pub static ADD: OpDef = OpDef {
    domain: DOMAIN,
    name: "IntegerAdd",
    versions: &[(1, |n| import_ints(n, &["ma", "mb", "c"]))],
    infer: infer_binary,
    lower: Lower::Compute(lower_add),
    extents: None,
};

/// IntegerMul.
pub static MUL: OpDef = OpDef {
    domain: DOMAIN,
    name: "IntegerMul",
    versions: &[(1, |n| import_ints(n, &["a_zero", "b_zero"]))],
    infer: infer_binary,
    lower: Lower::Compute(lower_mul),
    extents: None,
};

/// IntegerTable.
pub static TABLE: OpDef = OpDef {
    domain: DOMAIN,
    name: "IntegerTable",
    versions: &[(1, |_| Ok(Attrs::default()))],
    infer: infer_table,
    lower: Lower::Compute(lower_table),
    extents: None,
};

fn infer_binary(cx: &mut InferCx) -> Result<()> {
    let (a, b) = (integers(cx, 0)?.shape, integers(cx, 1)?.shape);
    let out = cx.broadcast(&[a, b])?;
    let to = output_dtype(cx);
    cx.set_tensor(0, to, out);
    Ok(())
}

fn lower_add(cx: &mut ComputeCx) -> Result<()> {
    let (a, b, attrs) = (Operand::broadcast(cx, 0, None), Operand::broadcast(cx, 1, None), cx.attrs());
    let to = cx.output_type(0).dtype;
    let attr = |name: &str| i32_const(int_attr(attrs, name));
    let shift = int_attr(attrs, "shift");
    let half = int_attr(attrs, "c") + (1i64 << (shift - 1).max(0));
    cx.map_output(|_, i| {
        let sum = a.at_as(I32, i) * attr("ma") + b.at_as(I32, i) * attr("mb") + i32_const(half);
        clamped(attrs, binary(BinOp::Shr, sum, i32_const(shift)), to)
    });
    Ok(())
}

fn lower_mul(cx: &mut ComputeCx) -> Result<()> {
    let (a, b, attrs) = (Operand::broadcast(cx, 0, None), Operand::broadcast(cx, 1, None), cx.attrs());
    let r = Requantise::new(cx, 2);
    let shifted = |v: Expr, name: &str| v - i32_const(int_attr(attrs, name));
    cx.map_output(|_, i| {
        let product = shifted(a.at_as(I32, i), "a_zero") * shifted(b.at_as(I32, i), "b_zero");
        r.apply(attrs, product, &Sym::int(0))
    });
    Ok(())
}

fn infer_table(cx: &mut InferCx) -> Result<()> {
    let (x, table) = (integers(cx, 0)?, integers(cx, 1)?);
    if x.dtype.bits() != 8 || table.shape != [Sym::int(256)] {
        return Err(cx.error("E2041", "a table of other than 256 entries, or for other than 8 bits"));
    }
    cx.set_tensor(0, table.dtype, x.shape);
    Ok(())
}

/// The place of an element of 8 bits in a table, the least value first.
pub(super) fn place(x: Expr, dtype: DType) -> Expr {
    let wide = cast(dtype, DType::I64, x);
    match Scalar::least(dtype).to_i64() {
        0 => wide,
        least => wide - constant(Scalar::i64(least)),
    }
}

fn lower_table(cx: &mut ComputeCx) -> Result<()> {
    let (x, table, dtype) = (cx.input(0), cx.input(1), cx.dtype(0));
    cx.map_output(|_, i| load_at(table, vec![place(load(x, i), dtype)], None));
    Ok(())
}
