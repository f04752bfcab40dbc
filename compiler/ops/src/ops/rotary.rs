//! RotaryEmbedding: each head's vector is turned, pair by pair, by angles that depend on the position in the sequence.
//!
//! Since 23. Input [batch, sequence, heads * size] or [batch, heads, sequence, size]. A pair is (p, p + half) or, with
//! `interleaved`, (2p, 2p + 1); only the first `rotary_embedding_dim` elements (0: all) are turned. The cosines and sines
//! are [positions, half], read at `position_ids`, or [batch, sequence, half]. <https://arxiv.org/abs/2104.09864>
//! Narrow floats are computed in f32.

use super::elementwise::*;
use super::movement::{OUT_OF_RANGE, in_range, wrapped};
use crate::prelude::*;

/// RotaryEmbedding.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "RotaryEmbedding",
    versions: &[(23, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    for name in ["interleaved", "num_heads", "rotary_embedding_dim"] {
        let v = n.int(name, 0)?;
        if v < 0 {
            return Err(n.error("E2011", format!("attribute '{name}' is {v}")).expected("0 or more"));
        }
        attrs.set(name, Attr::Int(v));
    }
    if attrs.int("rotary_embedding_dim").is_some_and(|d| d % 2 != 0) {
        return Err(n.error("E2011", "attribute 'rotary_embedding_dim' is odd").expected("pairs"));
    }
    Ok(attrs)
}

/// Where batch, sequence and the vectors' sizes are.
struct Layout {
    batch: Sym,
    sequence: Sym,
    /// Elements of a head, and how many of them come in turned pairs.
    size: Sym,
    half: Sym,
}

fn layout(attrs: &Attrs, x: &[Sym]) -> Layout {
    let heads = attrs.int("num_heads").unwrap_or(0).max(1);
    let (sequence, size) = match x {
        [_, s, hidden] => (s.clone(), hidden.floordiv(&Sym::int(heads))),
        _ => (x[2].clone(), x[3].clone()),
    };
    let turned = match attrs.int("rotary_embedding_dim") {
        Some(d) if d > 0 => Sym::int(d),
        _ => size.clone(),
    };
    Layout { batch: x[0].clone(), sequence, size, half: turned.floordiv(&Sym::int(2)) }
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let heads = cx.attrs().int("num_heads").unwrap_or(0);
    if !(3..=4).contains(&x.rank()) {
        return Err(cx.error("E2005", format!("input 0 has rank {}", x.rank())).expected("rank 3 or 4"));
    }
    if x.rank() == 3 {
        if heads == 0 {
            return Err(cx.error("E2012", "attribute 'num_heads' is missing").expected("it, for an input of rank 3"));
        }
        cx.unify(&x.shape[2].modulo(&Sym::int(heads)), &Sym::int(0), "hidden elements over heads")?;
    }
    let l = layout(cx.attrs(), &x.shape);
    let turned = &l.half * 2;
    if cx.ranges().prove_le(&turned, &l.size) == Some(false) {
        let found = format!("{turned} elements are to be turned, a head has {}", l.size);
        return Err(cx.error("E2011", found).expected("no more than a head has"));
    }
    let positions = match cx.opt(3) {
        Some(_) => Some(tensor_of(cx, 3, DType::I64)?.shape),
        None => None,
    };
    for i in 1..3 {
        let table = tensor_of(cx, i, x.dtype)?.shape;
        let rank = if positions.is_some() { 2 } else { 3 };
        if table.len() != rank {
            return Err(cx.error("E2005", format!("input {i} has rank {}", table.len())).expected(format!("{rank}")));
        }
        cx.unify(&table[rank - 1], &l.half, &format!("pairs of a head and the last axis of input {i}"))?;
        if rank == 3 {
            cx.unify(&table[0], &l.batch, &format!("samples of input {i}"))?;
            cx.unify(&table[1], &l.sequence, &format!("positions of input {i}"))?;
        }
    }
    if let Some(p) = positions {
        if p.len() != 2 {
            return Err(cx.error("E2005", format!("input 3 has rank {}", p.len())).expected("2"));
        }
        cx.unify(&p[0], &l.batch, "samples of input 3")?;
        cx.unify(&p[1], &l.sequence, "positions of input 3")?;
    }
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, dtype, shape) = (cx.input(0), cx.dtype(0), cx.shape(0));
    let (l, d) = (layout(cx.attrs(), &shape), wide(dtype));
    let interleaved = cx.attrs().int("interleaved") == Some(1);
    let (cos, sin, positions) = (cx.input(1), cx.input(2), cx.opt(3));
    let rows = cx.shape(1)[0].clone();
    if let Some(p) = positions {
        let extents = cx.shape(3);
        cx.k.check(&extents, OUT_OF_RANGE, |_, i| in_range(&load(p, i), &rows));
    }
    let table = |src: Src, batch: &Sym, at: &Sym, pair: Sym| match positions {
        Some(p) => {
            let row = wrapped(load(p, &[batch.clone(), at.clone()]), &rows);
            cast(dtype, d, load_at(src, vec![row, int(pair)], Some(Scalar::from_i64(dtype, 0))))
        }
        None => cast(dtype, d, load(src, &[batch.clone(), at.clone(), pair])),
    };
    let two = Sym::int(2);
    map_from(cx, d, |i| {
        let last = &i[i.len() - 1];
        let at = if i.len() == 3 { last.modulo(&l.size) } else { last.clone() };
        let turned = &l.half * 2;
        let (pair, partner, first) = match interleaved {
            true => {
                let odd = at.modulo(&two);
                (at.floordiv(&two), &at + 1 - &odd * 2, compare(CmpOp::Eq, int(odd), int(0)))
            }
            false => {
                let partner = (&at + &l.half).modulo(&turned);
                (at.modulo(&l.half), partner, compare(CmpOp::Lt, int(at.clone()), int(l.half.clone())))
            }
        };
        let sequence = if i.len() == 3 { &i[1] } else { &i[2] };
        // What isn't turned has no partner: any element in range will do.
        let partner = Sym::min(&partner, &(&l.size - 1));
        let pair = Sym::min(&pair, &Sym::max(&(&l.half - 1), &Sym::int(0)));
        let mut other = i.to_vec();
        other[i.len() - 1] = last - &at + partner;
        let (own, other) = (cast(dtype, d, load(x, i)), cast(dtype, d, load(x, &other)));
        let c = table(cos, &i[0], sequence, pair.clone()) * own.clone();
        let s = table(sin, &i[0], sequence, pair) * other;
        let rotated = select(first, c.clone() - s.clone(), c + s);
        match turns_all(&l) {
            true => rotated,
            false => select(compare(CmpOp::Lt, int(at), int(turned)), rotated, own),
        }
    });
    Ok(())
}

/// Are all elements of a head turned?
fn turns_all(l: &Layout) -> bool {
    &l.half * 2 == l.size
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("rotary");
    }
}
