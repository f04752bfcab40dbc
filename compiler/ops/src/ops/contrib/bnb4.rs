//! MatMulBnb4: a product with a matrix of 4-bit floats in blocks, as the library bitsandbytes has them.
//!
//! Element e of the matrix [N, K], in row-major order, is table[q[e]] * absmax[e / block_size]; of two elements of a byte the
//! first has the high bits. The tables are FP4 and NF4 (https://arxiv.org/abs/2305.14314, appendix E).

use super::DOMAIN;
use super::nbits::{count, field, flat};
use crate::ops::elementwise::{Class, tensor, wide};
use crate::prelude::*;

/// MatMulBnb4.
pub static DEF: OpDef = OpDef {
    domain: DOMAIN,
    name: "MatMulBnb4",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

/// A sign, then two bits of exponent and one of mantissa, scaled to 1; the smallest is its own.
const FP4: [f32; 8] = [0.0, 0.0052083335, 2.0 / 3.0, 1.0, 1.0 / 3.0, 0.5, 1.0 / 6.0, 0.25];

/// Quantiles of the normal distribution.
#[rustfmt::skip]
const NF4: [f32; 16] = [
    -1.0, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0.0,
    0.0795803, 0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0,
];

/// The table becomes input 3.
fn import(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["training_mode"]);
    let mut attrs = Attrs::default();
    for name in ["K", "N", "block_size"] {
        attrs.set(name, Attr::Int(n.need_int(name)?.max(1)));
    }
    attrs.set("transB", Attr::Int(n.int("transB", 1)?));
    let table = match n.need_int("quant_type")? {
        0 => FP4.iter().copied().chain(FP4.iter().map(|v| -v)).collect(),
        1 => NF4.to_vec(),
        t => return Err(n.error("E2011", format!("attribute 'quant_type' is {t}")).expected("0 (FP4) or 1 (NF4)")),
    };
    n.set_input(3, "table", Tensor::from_slice(&[16], &table));
    Ok(attrs)
}

/// N, K, elements of a block, and whether the sums are along K.
fn sizes(attrs: &Attrs) -> (i64, i64, i64, bool) {
    let get = |name: &str| attrs.int(name).unwrap_or(1);
    (get("N"), get("K"), get("block_size"), get("transB") != 0)
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let a = tensor(cx, 0, Class::Float)?;
    let (n, k, block, along_k) = sizes(cx.attrs());
    let (over, out) = if along_k { (k, n) } else { (n, k) };
    let Some((last, rows)) = a.shape.split_last() else {
        return Err(cx.error("E2041", "input 0 is a scalar").expected("a tensor of rank 1 or more"));
    };
    cx.unify(last, &Sym::int(over), "the extent that is summed over")?;
    count(cx, 1, (n * k + 1) / 2)?;
    count(cx, 2, (n * k + block - 1) / block)?;
    let shape = [rows, &[Sym::int(out)]].concat();
    cx.set_tensor(0, a.dtype, shape);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (n, k, block, along_k) = sizes(cx.attrs());
    let (dtype, scale_dtype) = (cx.dtype(0), cx.dtype(2));
    let (a, q, scales, table) = (cx.input(0), cx.input(1), cx.input(2), cx.input(3));
    let (q_shape, scale_shape, acc, out) = (cx.shape(1), cx.shape(2), wide(dtype), cx.out_shape(0));
    let name = cx.node().name.clone();
    let over = [Sym::int(if along_k { k } else { n })];
    let sum = cx.k.reduce(&name, acc, &out, ReduceOp::Add, &over, None, |_, i, r| {
        let (rows, last) = (&i[..i.len() - 1], &i[i.len() - 1]);
        let (row, column) = if along_k { (last, &r[0]) } else { (&r[0], last) };
        let element = row * k + column;
        let byte = flat(q, &q_shape, &element.floordiv(&Sym::int(2)));
        let which = Sym::int(1) - element.modulo(&Sym::int(2));
        let code = cast(DType::I32, DType::I64, field(byte, &which, 4));
        let weight = cast(DType::F32, acc, load_at(table, vec![code], None));
        let scale = cast(scale_dtype, acc, flat(scales, &scale_shape, &element.floordiv(&Sym::int(block))));
        let value = load(a, &[rows, &[r[0].clone()]].concat());
        cast(dtype, acc, value) * (weight * scale)
    });
    crate::ops::conv::set_narrowed(cx, sum, acc);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_bnb4");
    }
}
