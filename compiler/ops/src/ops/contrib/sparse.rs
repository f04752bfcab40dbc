//! SparseAttention: GroupQueryAttention whose queries see blocks of keys that a layout lists.
//!
//! `block_row_indices` [layouts, blocks + 1] and `block_col_indices` [layouts, most] say for each block of queries which
//! blocks of keys it sees (compressed rows); heads take the layouts in turn, and no query sees a key behind it. The cache is as in
//! GroupQueryAttention, but lengths are those with the new keys.

use super::super::attention::Parts;
use super::super::elementwise::{Class, map_from, tensor, wide};
use super::grouped::{before, check_lengths, queries_keys_values, sequences};
use super::{DOMAIN, emit, inner, need};
use crate::prelude::*;

/// SparseAttention.
pub static DEF: OpDef = OpDef::composed(DOMAIN, "SparseAttention", &[(1, import)]);

/// SparseMask(q, keys, lengths, total, rows, columns), which only imports make: what is added to the scores.
pub static MASK: OpDef = OpDef {
    domain: super::super::INNER,
    name: "SparseMask",
    versions: &[(1, import_mask)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import_mask(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = Attrs::default().with("heads", Attr::Int(n.int("heads", 1)?));
    Ok(attrs.with("block", Attr::Int(n.int("block", 16)?)))
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let (heads, shared, block) =
        (n.need_int("num_heads")?, n.need_int("kv_num_heads")?, n.need_int("sparse_block_size")?);
    if heads < 1 || shared < 1 || heads % shared != 0 || block < 1 {
        let found = format!("{heads} heads share {shared}, blocks of {block}");
        return Err(n.error("E2011", found).expected("a multiple, at least 1"));
    }
    let [mut q, mut k, v] = queries_keys_values(n, heads, shared)?;
    let (past, total) = ([need(n, 3)?, need(n, 4)?], need(n, 7)?);
    let one = n.constant("one", Tensor::scalar(1i32));
    let lengths = need(n, 8)?;
    let lengths = emit(n, "Sub", &[], &[lengths, one])?;
    if n.int("do_rotary", 0)? != 0 {
        let interleaved = n.int("rotary_interleaved", 0)?;
        let positions = n.emit(inner("GroupPositions"), &[], &[Some(q), Some(lengths), Some(total)], 1)?[0];
        let tables = [need(n, 9)?, need(n, 10)?];
        q = super::position::turn(n, q, tables, positions, heads, interleaved)?;
        k = super::position::turn(n, k, tables, positions, shared, interleaved)?;
    }
    let of_keys = [("heads", Attr::Int(shared))];
    let [k, v] = [(k, past[0]), (v, past[1])].map(|(new, past)| {
        n.emit(inner("GroupCache"), &of_keys, &[Some(new), Some(past), Some(lengths), Some(total)], 1)
    });
    let (k, v) = (k?[0], v?[0]);
    let attrs = [("heads", Attr::Int(heads)), ("block", Attr::Int(block))];
    let layout = [Some(need(n, 5)?), Some(need(n, 6)?)];
    let mask = n.emit(
        inner("SparseMask"),
        &attrs,
        &[&[Some(q), Some(k), Some(lengths), Some(total)], &layout[..]].concat(),
        1,
    )?[0];
    let parts = Parts {
        mask: Some(mask),
        heads: Some((heads, shared)),
        scale: n.opt_float("scale")?.filter(|s| *s != 0.0),
        ..Parts::new(q, k, v)
    };
    let y = parts.emit(n)?.y;
    n.become_values(vec![y, k, v])
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (q, k) = (sequences(cx)?, tensor(cx, 1, Class::Float)?);
    check_lengths(cx, 2, &q.shape[0])?;
    let (rows, columns) = (tensor(cx, 4, Class::Int)?.shape, tensor(cx, 5, Class::Int)?.shape);
    if rows.len() != 2 || columns.len() != 2 {
        let found = format!("block indices of ranks {} and {}", rows.len(), columns.len());
        return Err(cx.error("E2005", found).expected("2 for both"));
    }
    cx.unify(&rows[0], &columns[0], "layouts")?;
    let heads = Sym::int(cx.attrs().int("heads").unwrap_or(1));
    cx.set_tensor(0, q.dtype, vec![q.shape[0].clone(), heads, q.shape[1].clone(), k.shape[2].clone()]);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (rows, columns, of_rows, of_columns) = (cx.input(4), cx.input(5), cx.dtype(4), cx.dtype(5));
    let (shape, listed, sequence) = (cx.shape(4), cx.shape(5)[1].clone(), cx.shape(0)[1].clone());
    let (d, block) = (wide(cx.dtype(0)), cx.attrs().int("block").unwrap_or(16));
    // Which blocks of keys each block of queries sees: 1 or 0.
    let count = &shape[1] - 1;
    let square = [shape[0].clone(), count.clone(), count];
    let seen = cx.k.reduce("seen", DType::I32, &square, ReduceOp::Max, &[listed], None, |_, i, r| {
        let end = |row: Sym| cast(of_rows, DType::I64, load(rows, &[i[0].clone(), row]));
        let column = cast(of_columns, DType::I64, load(columns, &[i[0].clone(), r[0].clone()]));
        let after = compare(CmpOp::Le, end(i[1].clone()), int(r[0].clone()));
        let listed = binary(BinOp::And, after, compare(CmpOp::Lt, int(r[0].clone()), end(&i[1] + 1)));
        let hit = binary(BinOp::And, listed, compare(CmpOp::Eq, column, int(i[2].clone())));
        cast(DType::Bool, DType::I32, hit)
    });
    let before = before(cx, 2, &sequence);
    map_from(cx, d, |i| {
        let (key, own) = (int(i[3].clone()), before(&i[0]) + int(i[2].clone()));
        let layout = i[1].modulo(&shape[0]);
        let at =
            vec![int(layout), binary(BinOp::FloorDiv, own.clone(), int(block)), int(i[3].floordiv(&Sym::int(block)))];
        let zero = Scalar::from_i64(DType::I32, 0);
        let listed = compare(CmpOp::Ne, load_at(seen, at, Some(zero)), constant(zero));
        let sees = binary(BinOp::And, listed, compare(CmpOp::Le, key, own));
        select(sees, number(d, 0.0), number(d, f64::NEG_INFINITY))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_sparse");
    }
}
