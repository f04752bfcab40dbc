//! BeamCache, which only imports make: the keys or values that a beam's tokens left behind, wherever they lie. Beams part
//! and end as text is generated; what each has seen isn't copied then, a table says in which beam's cache it is.
//!
//! Inputs: a cache [batch * beams, heads, capacity, size]; a table [batch, beams, at least capacity] of numbers of beams;
//! how many places the table is right for (behind them each beam has its own). Output: the cache as each beam sees it.

use super::super::INNER;
use super::super::elementwise::{Class, tensor};
use super::super::movement::{OUT_OF_RANGE, in_range, none};
use crate::prelude::*;

/// BeamCache.
pub static CACHE: OpDef = OpDef {
    domain: INNER,
    name: "BeamCache",
    versions: &[(1, none)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn infer(cx: &mut InferCx) -> Result<()> {
    let (x, table, held) = (tensor(cx, 0, Class::Float)?, tensor(cx, 1, Class::Int)?, tensor(cx, 2, Class::Int)?);
    if (x.rank(), table.rank()) != (4, 3) {
        let found = format!("a cache of rank {}, a table of beams of rank {}", x.rank(), table.rank());
        return Err(cx.error("E2005", found).expected("4 and 3"));
    }
    let all = &table.shape[0] * &table.shape[1];
    cx.unify(&x.shape[0], &all, "a row of the table for each sample")?;
    cx.unify(&held.count(), &Sym::int(1), "one number says how long the table is right")?;
    cx.set_tensor(0, x.dtype, x.shape);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, table, held) = (cx.input(0), cx.input(1), cx.input(2));
    let (numbers, count) = (cx.dtype(1), cx.dtype(2));
    let (beams, length, first) = (cx.shape(1)[1].clone(), cx.shape(1)[2].clone(), vec![Sym::int(0); cx.shape(2).len()]);
    let end = move |t: &Sym| compare(CmpOp::Lt, int(t.clone()), cast(count, DType::I64, load(held, &first)));
    let beam = |b: &Sym, t: &Sym| {
        let at = [b.floordiv(&beams), b.modulo(&beams), t.clone()];
        cast(numbers, DType::I64, load_padded(table, &at, Scalar::from_i64(numbers, 0)))
    };
    cx.k.check(&[cx.shape(1)[0].clone() * &beams, length], OUT_OF_RANGE, |_, i| {
        let known = binary(BinOp::Or, in_range(&beam(&i[0], &i[1]), &beams), unary(UnOp::Not, end(&i[1])));
        binary(BinOp::And, known, compare(CmpOp::Ge, int(beams.clone()), int(1)))
    });
    let zero = Scalar::from_i64(cx.dtype(0), 0);
    cx.map_output(|_, i| {
        let group = int(i[0].floordiv(&beams) * &beams);
        let from = select(end(&i[2]), group + beam(&i[0], &i[2]), int(i[0].clone()));
        let at = vec![from, int(i[1].clone()), int(i[2].clone()), int(i[3].clone())];
        load_at(x, at, Some(zero))
    });
    Ok(())
}
