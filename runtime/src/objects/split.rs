//! Tensors to sequences and back: SplitToSequence and ConcatFromSequence.

use super::{Array, Object, Result, Run, position};
use crate::Status;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// Elements before and from an axis on, in bytes: of all axes before, and of those after it.
fn around(a: &Array, axis: usize) -> Result<(usize, usize)> {
    Ok((super::count_of(&a.dims[..axis])?, super::count_of(&a.dims[axis + 1..])? * a.size()?))
}

/// The part of a tensor from `lo` to `hi` along an axis.
fn part(a: &Array, axis: usize, lo: i64, hi: i64) -> Result<Array> {
    let (outer, inner) = around(a, axis)?;
    let extent = a.dims[axis] as usize;
    let (lo, n, length) = (lo as usize, (hi - lo) as usize, hi - lo);
    let mut data = Vec::with_capacity(outer * n * inner);
    for o in 0..outer {
        let start = (o * extent + lo) * inner;
        data.extend_from_slice(a.data.get(start..start + n * inner).ok_or(Status::VALUE)?);
    }
    let mut dims = a.dims.clone();
    dims[axis] = length;
    Ok(Array { dtype: a.dtype, dims, data })
}

/// `(tensor, lengths or 0, axis, keep the axis)`: a scalar length cuts into pieces of that length, the last one shorter;
/// without lengths they are 1.
pub fn split(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x, lengths, axis, keep] = *args else { return Err(Status::VALUE) };
    let x = run.get(x)?;
    let x = x.array()?;
    let axis = position(axis, x.dims.len())?;
    let extent = x.dims[axis];
    let pieces = match lengths {
        0 => alloc::vec![1; extent as usize],
        h => lengths_of(run.get(h)?.array()?, extent)?,
    };
    let mut items = Vec::with_capacity(pieces.len());
    let mut at = 0;
    for n in pieces {
        let mut piece = part(x, axis, at, at + n)?;
        if lengths == 0 && keep == 0 {
            piece.dims.remove(axis);
        }
        items.push(Rc::new(Object::Tensor(piece)));
        at += n;
    }
    Ok(run.object(Rc::new(Object::Sequence(items))))
}

fn lengths_of(a: &Array, extent: i64) -> Result<Vec<i64>> {
    let given = a.ints()?;
    if !a.dims.is_empty() {
        let fits = given.iter().all(|&n| n >= 0) && given.iter().sum::<i64>() == extent;
        return if fits { Ok(given) } else { Err(Status::DIMS) };
    }
    let n = given.first().copied().filter(|&n| n > 0).ok_or(Status::DIMS)?;
    let mut out = alloc::vec![n; (extent / n) as usize];
    if extent % n > 0 {
        out.push(extent % n);
    }
    Ok(out)
}

/// `(sequence, axis, make a new axis)`: the items one after the other along the axis.
pub fn concat(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [s, axis, new] = *args else { return Err(Status::VALUE) };
    let s = run.get(s)?;
    let mut items = Vec::new();
    for i in s.items()? {
        let mut a = i.array()?.clone();
        if new != 0 {
            let rank = a.dims.len();
            a.dims.insert(position(axis, rank + 1)?, 1);
        }
        items.push(a);
    }
    let first = items.first().ok_or(Status::INDEX)?;
    let axis = position(axis, first.dims.len())?;
    let dtype = first.dtype;
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for a in &items {
        let mut other = a.dims.clone();
        let extent = other.get(axis).copied().ok_or(Status::DIMS)?;
        other[axis] = dims[axis];
        if other != dims || a.dtype != dtype {
            return Err(Status::DIMS);
        }
        dims[axis] += extent;
    }
    let outer = super::count_of(&dims[..axis])?;
    let mut data = Vec::new();
    for o in 0..outer {
        for a in &items {
            let row = around(a, axis)?.1 * a.dims[axis] as usize;
            data.extend_from_slice(a.data.get(o * row..(o + 1) * row).ok_or(Status::VALUE)?);
        }
    }
    Ok(run.tensor(Array { dtype, dims, data }))
}
