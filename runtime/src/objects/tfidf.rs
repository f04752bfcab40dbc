//! TfIdfVectorizer: how often each n-gram of a pool is in a row, with weights. Integers and handles of strings are alike.

use super::{Array, Result, Run};
use crate::Status;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// `(x, pool, where n-grams of each length begin, columns, weights, mode 0 TF 1 IDF 2 TFIDF, least length, greatest
/// length, most items skipped)`.
pub fn vectorize(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x, pool, starts, columns, weights, mode, least, most, skips] = *args else { return Err(Status::VALUE) };
    let ints = |h: i64| run.get(h).and_then(|o| o.array()?.ints());
    let (pool, starts, columns) = (ints(pool)?, ints(starts)?, ints(columns)?);
    let weights = run.get(weights)?.array()?.floats()?;
    let x = run.get(x)?;
    let x = x.array()?;
    let items = x.ints()?;
    let width = columns.iter().max().map_or(0, |&m| m.max(0) as usize + 1);
    let grams = grams(&pool, &starts, &columns);
    let row = x.dims.last().map_or(1, |&d| d as usize);
    let rows = if x.dims.len() == 2 { x.dims[0] as usize } else { 1 };
    let mut out = alloc::vec![0f32; rows * width];
    for r in 0..rows {
        let row_items = items.get(r * row..(r + 1) * row).ok_or(Status::VALUE)?;
        let counts = &mut out[r * width..(r + 1) * width];
        count(row_items, &grams, (least.max(1) as usize, most.max(0) as usize), skips.max(0) as usize, counts);
    }
    for (i, v) in out.iter_mut().enumerate() {
        let w = weights.get(i % width).copied().unwrap_or(1.0);
        *v = match mode {
            0 => *v,
            1 if *v > 0.0 => w,
            1 => 0.0,
            _ => *v * w,
        };
    }
    let dims = if x.dims.len() == 2 { alloc::vec![rows as i64, width as i64] } else { alloc::vec![width as i64] };
    Ok(run.tensor(Array::of_floats(&dims, &out)))
}

/// The column of each n-gram of the pool. `weights` are given by n-gram in the standard, and by column in its reference;
/// both are the same where columns count up.
fn grams<'a>(pool: &'a [i64], starts: &[i64], columns: &[i64]) -> BTreeMap<&'a [i64], usize> {
    let mut out = BTreeMap::new();
    let mut number = 0;
    for (i, &start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).copied().unwrap_or(pool.len() as i64);
        let part = pool.get(start.max(0) as usize..end.max(0) as usize).unwrap_or(&[]);
        for gram in part.chunks_exact(i + 1) {
            if let Some(&c) = columns.get(number) {
                out.entry(gram).or_insert(c.max(0) as usize);
            }
            number += 1;
        }
    }
    out
}

/// Counts the n-grams of a row. Items of an n-gram are `skip + 1` places apart; single items count once.
fn count(row: &[i64], grams: &BTreeMap<&[i64], usize>, (least, most): (usize, usize), skips: usize, out: &mut [f32]) {
    let mut gram = Vec::new();
    for distance in 1..=skips + 1 {
        for n in least..=most {
            if n == 1 && distance > 1 {
                continue;
            }
            for start in 0..row.len() {
                if start + (n - 1) * distance >= row.len() {
                    break;
                }
                gram.clear();
                gram.extend((0..n).map(|k| row[start + k * distance]));
                if let Some(slot) = grams.get(&gram[..]).and_then(|&c| out.get_mut(c)) {
                    *slot += 1.0;
                }
            }
        }
    }
}
