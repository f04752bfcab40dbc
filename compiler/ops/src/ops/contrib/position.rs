//! Positions: RotaryEmbedding of com.microsoft, which is ONNX's but for the form of the positions, MRotaryEmbedding and
//! GemmaRotaryEmbedding.
//!
//! They are one number, that of the first element of the sequence, or one for each element. Where the number of heads
//! isn't given, a head is as long as the tables say.

use super::super::elementwise::{Class, tensor};
use super::{DOMAIN, emit, inner, need, rank, reshape};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// RotaryEmbedding.
pub static ROTARY: OpDef = OpDef::composed(DOMAIN, "RotaryEmbedding", &[(1, import)]);

/// MRotaryEmbedding: three positions for each element (time, height, width), of which each pair follows one.
pub static MROTARY: OpDef = OpDef::composed(DOMAIN, "MRotaryEmbedding", &[(1, import_three)]);

/// GemmaRotaryEmbedding: queries and keys turned by angles, their halves exchanged already.
pub static GEMMA: OpDef = OpDef::composed(DOMAIN, "GemmaRotaryEmbedding", &[(1, import_gemma)]);

/// The positions of a sequence, one for each element; only imports make it.
pub static POSITIONS: OpDef = OpDef {
    domain: super::super::INNER,
    name: "RotaryPositions",
    versions: &[(1, |_| Ok(Attrs::default()))],
    infer: infer_positions,
    lower: Lower::Compute(lower_positions),
    extents: None,
};

fn infer_positions(cx: &mut InferCx) -> Result<()> {
    let (p, x) = (tensor(cx, 0, Class::Int)?, tensor(cx, 1, Class::Float)?);
    let sequence = match x.rank() {
        3 => x.shape[1].clone(),
        4 => x.shape[2].clone(),
        r => return Err(cx.error("E2005", format!("input 0 has rank {r}")).expected("3 or 4")),
    };
    if p.rank() == 2 {
        cx.unify(&p.shape[0], &x.shape[0], "samples of the positions")?;
        cx.unify(&p.shape[1], &sequence, "positions of the sequence")?;
    } else {
        cx.unify(&p.count(), &Sym::int(1), "the position of the first element is one number")?;
    }
    cx.set_tensor(0, DType::I64, vec![x.shape[0].clone(), sequence]);
    Ok(())
}

fn lower_positions(cx: &mut ComputeCx) -> Result<()> {
    let (p, d, shape) = (cx.input(0), cx.dtype(0), cx.shape(0));
    cx.map_output(|_, i| match shape.len() {
        2 => cast(d, DType::I64, load(p, i)),
        r => cast(d, DType::I64, load(p, &vec![Sym::int(0); r])) + int(i[1].clone()),
    });
    Ok(())
}

/// The pairs that a table of cosines has for a position, if the file says it.
fn pairs(n: &NodeReader, table: ValueId) -> Option<i64> {
    n.graph.values[table].ty.as_tensor().and_then(|t| t.shape.last()?.as_int())
}

/// Turns the heads of [batch, sequence, heads * size].
pub(super) fn turn(
    n: &mut NodeReader,
    x: ValueId,
    tables: [ValueId; 2],
    positions: ValueId,
    heads: i64,
    interleaved: i64,
) -> Result<ValueId> {
    let attrs = [
        ("num_heads", Attr::Int(heads)),
        ("interleaved", Attr::Int(interleaved)),
        ("rotary_embedding_dim", Attr::Int(pairs(n, tables[0]).map_or(0, |p| 2 * p))),
    ];
    emit(n, "RotaryEmbedding", &attrs, &[x, tables[0], tables[1], positions])
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let (x, positions, tables) = (need(n, 0)?, need(n, 1)?, [need(n, 2)?, need(n, 3)?]);
    let positions = n.emit(inner("RotaryPositions"), &[], &[Some(positions), Some(x)], 1)?[0];
    let known = pairs(n, tables[0]);
    become_turned(n, x, tables, Some(positions), known)
}

/// The tables' rows for each element of the sequence, put together of those of its three positions.
fn import_three(n: &mut NodeReader) -> Result<Attrs> {
    let sections = n.need_ints("mrope_section")?;
    let (x, positions) = (need(n, 0)?, need(n, 1)?);
    let (&[_, height, width], true) = (&sections[..], sections.iter().all(|s| (0..1 << 20).contains(s))) else {
        return Err(n.error("E2011", format!("attribute 'mrope_section' is {sections:?}")).expected("three counts"));
    };
    let count = sections.iter().sum::<i64>();
    let which: Vec<i64> = match n.int("mrope_layout", 0)? {
        0 => sections.iter().zip(0i64..).flat_map(|(&s, k)| (0..s).map(move |_| k)).collect(),
        1 => (0..count)
            .map(|j| if j % 3 == 1 && j < 3 * height { 1 } else { i64::from(j % 3 == 2 && j < 3 * width) * 2 })
            .collect(),
        l => return Err(n.error("E2011", format!("attribute 'mrope_layout' is {l}")).expected("0 or 1")),
    };
    let parts = [0i64, 1, 2].map(|k| n.constant("which", Tensor::scalar(k)));
    let masks = [0i64, 1].map(|k| {
        let mask: Vec<bool> = which.iter().map(|&w| w == k).collect();
        n.constant("pairs", Tensor::from_bools(&[mask.len()], &mask))
    });
    let mut tables = vec![];
    for i in [2, 3] {
        let table = need(n, i)?;
        let rows = emit(n, "Gather", &[], &[table, positions])?;
        let [time, height, width] = parts.map(|k| emit(n, "Gather", &[], &[rows, k]));
        let rest = emit(n, "Where", &[], &[masks[1], height?, width?])?;
        tables.push(emit(n, "Where", &[], &[masks[0], time?, rest])?);
    }
    become_turned(n, x, [tables[0], tables[1]], None, Some(count))
}

/// x with its heads turned, in the node's place; `known`: the pairs of a head.
fn become_turned(
    n: &mut NodeReader,
    x: ValueId,
    tables: [ValueId; 2],
    positions: Option<ValueId>,
    known: Option<i64>,
) -> Result<Attrs> {
    if n.int("is_packed_batching", 0)? != 0 || n.float("scale", 1.0)? != 1.0 {
        return Err(n.error("E2020", "'is_packed_batching' and 'scale' are not supported yet"));
    }
    let (heads, turned, interleaved) =
        (n.int("num_heads", 0)?, n.int("rotary_embedding_dim", 0)?, n.int("interleaved", 0)?);
    let rotate = |n: &mut NodeReader, attrs: &[(&str, Attr)], x| {
        n.emit_one("RotaryEmbedding", attrs, &[Some(x), Some(tables[0]), Some(tables[1]), positions])
    };
    let mut attrs = vec![("interleaved", Attr::Int(interleaved)), ("rotary_embedding_dim", Attr::Int(turned))];
    if heads > 0 || rank(n, x) == Some(4) {
        attrs.push(("num_heads", Attr::Int(heads)));
        let y = rotate(n, &attrs, x)?;
        return n.become_values(vec![y]);
    }
    let size = known.ok_or_else(|| {
        n.error("E2012", "neither 'num_heads' nor the length of the tables is known").expected("constant tables")
    })?;
    let perm = [("perm", Attr::Ints(vec![0, 2, 1, 3]))];
    let apart = reshape(n, x, &[0, 0, -1, 2 * size])?;
    let apart = emit(n, "Transpose", &perm, &[apart])?;
    let y = rotate(n, &attrs, apart)?;
    let y = emit(n, "Transpose", &perm, &[y])?;
    let y = reshape(n, y, &[0, 0, -1])?;
    n.become_values(vec![y])
}

fn import_gemma(n: &mut NodeReader) -> Result<Attrs> {
    let (angles, like, axis) = (need(n, 0)?, need(n, 1)?, super::ints(n, "heads", &[1]));
    let mut tables = Vec::new();
    for function in ["Cos", "Sin"] {
        let table = emit(n, function, &[], &[angles])?;
        let table = emit(n, "CastLike", &[], &[table, like])?;
        tables.push(emit(n, "Unsqueeze", &[], &[table, axis])?);
    }
    let mut results = Vec::new();
    for i in [1, 3] {
        let (x, turned) = (need(n, i)?, need(n, i + 1)?);
        let (a, b) = (emit(n, "Mul", &[], &[x, tables[0]])?, emit(n, "Mul", &[], &[turned, tables[1]])?);
        results.push(emit(n, "Add", &[], &[a, b])?);
    }
    n.become_values(results)
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_position");
    }
}
