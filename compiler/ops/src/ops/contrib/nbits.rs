//! MatMulNBits: a product with a matrix of 2, 4 or 8 bits, quantised in blocks along what is summed over.
//!
//! y[.., n] = bias[n] + sum over k of a[.., k] * (q[n, k] - zero) * scale, zero and scale those of block k / block_size of
//! row n. Inputs: a; q packed as u8 [N, blocks, block_size * bits / 8], low bits first; scales; zero points, packed the
//! same way along the blocks of a row or of a's dtype, 2^(bits - 1) if absent; g_idx, which says to which block each k
//! belongs (k / block_size if absent); bias.
//! Does NOT follow `accuracy_level` and `weight_prepacked`, which say how to compute it.

use super::DOMAIN;
use crate::ops::elementwise::{Class, tensor, wide};
use crate::prelude::*;

/// MatMulNBits.
pub static DEF: OpDef = OpDef {
    domain: DOMAIN,
    name: "MatMulNBits",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["accuracy_level", "weight_prepacked"]);
    let mut attrs = Attrs::default();
    for (name, default) in [("K", 0), ("N", 0), ("bits", 4), ("block_size", 32)] {
        attrs.set(name, Attr::Int(n.int(name, default)?));
    }
    let (bits, block) = (attrs.int("bits").unwrap_or(4), attrs.int("block_size").unwrap_or(0));
    if !matches!(bits, 2 | 4 | 8) || block < 8 || block % 8 != 0 {
        return Err(n
            .error("E2011", format!("'bits' is {bits}, 'block_size' {block}"))
            .expected("2, 4 or 8 bits, blocks of a multiple of 8"));
    }
    Ok(attrs)
}

/// The sizes that attributes give.
struct Sizes {
    k: i64,
    n: i64,
    bits: i64,
    block: i64,
    blocks: i64,
    /// Elements of a byte.
    per: i64,
}

fn sizes(attrs: &Attrs) -> Sizes {
    let get = |name: &str| attrs.int(name).unwrap_or(1);
    let (k, block, bits) = (get("K"), get("block_size"), get("bits"));
    Sizes { k, n: get("N"), bits, block, blocks: (k + block - 1).div_euclid(block), per: 8 / bits }
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let a = tensor(cx, 0, Class::Float)?;
    let s = sizes(cx.attrs());
    let Some((last, rows)) = a.shape.split_last() else {
        return Err(cx.error("E2041", "input 0 is a scalar").expected("a tensor of rank 1 or more"));
    };
    cx.unify(last, &Sym::int(s.k), "the extent that is summed over, and K")?;
    count(cx, 1, s.n * s.blocks * s.block / s.per)?;
    count(cx, 2, s.n * s.blocks)?;
    if cx.opt(3).is_some() {
        let packed = cx.dtype(3)? == DType::U8;
        count(cx, 3, s.n * if packed { (s.blocks + s.per - 1) / s.per } else { s.blocks })?;
    }
    if cx.opt(4).is_some() {
        tensor(cx, 4, Class::Int)?;
        let given = cx.input_type(4)?.count();
        // ONNX Runtime's tools pad it to whole blocks.
        if given.as_int() != Some(s.blocks * s.block) {
            count(cx, 4, s.k)?;
        }
    }
    if cx.opt(5).is_some() {
        count(cx, 5, s.n)?;
    }
    let out = [rows, &[Sym::int(s.n)]].concat();
    cx.set_tensor(0, a.dtype, out);
    Ok(())
}

/// Input `i` must have so many elements.
pub(super) fn count(cx: &InferCx, i: usize, want: i64) -> Result<()> {
    let found = cx.input_type(i)?.count();
    if found.as_int() == Some(want) {
        return Ok(());
    }
    Err(cx
        .error("E2041", format!("input {i} has {found} elements"))
        .expected(format!("{want}, of K, N and block_size")))
}

/// The element at a row-major position of a tensor whose last extents are known.
pub(super) fn flat(src: Src, shape: &[Sym], position: &Sym) -> Expr {
    let (mut index, mut rest) = (vec![], position.clone());
    for d in shape.iter().skip(1).rev() {
        index.push(rest.modulo(d));
        rest = rest.floordiv(d);
    }
    index.push(rest);
    index.reverse();
    load(src, &index[index.len() - shape.len().max(1)..])
}

/// Bits `at * bits ..` of a byte, as i32.
pub(super) fn field(byte: Expr, at: &Sym, bits: i64) -> Expr {
    let i32_of = |v: i64| constant(Scalar::from_i64(DType::I32, v));
    let byte = cast(DType::U8, DType::I32, byte);
    if bits == 8 {
        return byte;
    }
    let by = cast(DType::I64, DType::I32, int(at * bits));
    binary(BinOp::And, binary(BinOp::Shr, byte, by), i32_of((1 << bits) - 1))
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (a, dtype, s) = (cx.input(0), cx.dtype(0), sizes(cx.attrs()));
    let acc = wide(dtype);
    let part = |cx: &ComputeCx, i: usize| cx.opt(i).map(|src| (src, cx.shape(i), cx.dtype(i)));
    let (q, scales, zeros, bias) = (part(cx, 1), part(cx, 2), part(cx, 3), part(cx, 5));
    let (Some(q), Some(scales)) = (q, scales) else { return Err(cx.error("E2001", "an input is missing")) };
    let zero = |n: &Sym, block: &Sym| match &zeros {
        None => number(acc, (1i64 << (s.bits - 1)) as f64),
        Some((src, shape, DType::U8)) => {
            let bytes = (s.blocks + s.per - 1) / s.per;
            let byte = flat(*src, shape, &(n * bytes + block.floordiv(&Sym::int(s.per))));
            cast(DType::I32, acc, field(byte, &block.modulo(&Sym::int(s.per)), s.bits))
        }
        Some((src, shape, own)) => cast(*own, acc, flat(*src, shape, &(n * s.blocks + block))),
    };
    let scale = |n: &Sym, block: &Sym| cast(scales.2, acc, flat(scales.0, &scales.1, &(n * s.blocks + block)));
    // Blocks that data says: tables of scales and zero points, to be read where it says.
    let groups = part(cx, 4).map(|(src, _, dtype)| {
        let all = [Sym::int(s.n), Sym::int(s.blocks)];
        let tables = [
            cx.k.map("scales", acc, &all, |_, i| scale(&i[0], &i[1])),
            cx.k.map("zeros", acc, &all, |_, i| zero(&i[0], &i[1])),
        ];
        (src, dtype, tables)
    });
    let start = |_: &mut KernelBuilder, i: &[Sym]| match (&bias, i.last()) {
        (Some((src, shape, own)), Some(n)) => cast(*own, acc, flat(*src, shape, n)),
        _ => number(acc, 0.0),
    };
    let init: &dyn Fn(&mut KernelBuilder, &[Sym]) -> Expr = &start;
    let over = [Sym::int(s.blocks), Sym::int(s.block / s.per), Sym::int(s.per)];
    let (name, out) = (cx.node().name.clone(), cx.out_shape(0));
    let sum = cx.k.reduce(&name, acc, &out, ReduceOp::Add, &over, bias.as_ref().map(|_| init), |_, i, r| {
        let (row, n) = (&i[..i.len() - 1], &i[i.len() - 1]);
        let at = [row, &[&r[0] * s.block + &r[1] * s.per + &r[2]]].concat();
        // The last block may reach beyond K.
        let value = if s.k % s.block == 0 { load(a, &at) } else { load_padded(a, &at, Scalar::from_i64(dtype, 0)) };
        let byte = flat(q.0, &q.1, &((n * s.blocks + &r[0]) * (s.block / s.per) + &r[1]));
        let weight = cast(DType::I32, acc, field(byte, &r[2], s.bits));
        let (scale, zero) = match &groups {
            None => (scale(n, &r[0]), zero(n, &r[0])),
            Some((src, own, tables)) => {
                let k = load_padded(*src, &at[at.len() - 1..], Scalar::from_i64(*own, 0));
                let block = cast(*own, DType::I64, k);
                let [scale, zero] =
                    tables.map(|t| load_at(t, vec![int(n.clone()), block.clone()], Some(Scalar::from_i64(acc, 0))));
                (scale, zero)
            }
        };
        cast(dtype, acc, value) * ((weight - zero) * scale)
    });
    crate::ops::conv::set_narrowed(cx, sum, acc);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_nbits");
    }
}
