//! Operators on maps: DictVectorizer, CastMap, ZipMap.

use super::{Array, Object, Result, Run, strings};
use crate::Status;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// `(map, vocabulary)`: a row with the value of each key of the vocabulary, 0 without one.
pub fn vectorize(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [map, vocabulary] = *args else { return Err(Status::VALUE) };
    let (map, vocabulary) = (run.get(map)?, run.get(vocabulary)?);
    let Object::Map(keys, values) = &*map else { return Err(Status::VALUE) };
    let vocabulary = vocabulary.array()?;
    if keys.dtype != vocabulary.dtype {
        return Err(Status::VALUE);
    }
    let (given, wanted, size) = (keys.ints()?, vocabulary.ints()?, values.size()?);
    let mut out = Array::zeros(values.dtype, &[1, wanted.len() as i64])?;
    for (i, k) in given.iter().enumerate() {
        let at = wanted.iter().position(|w| w == k).ok_or(Status::INDEX)?;
        let value = values.data.get(i * size..(i + 1) * size).ok_or(Status::VALUE)?;
        out.data[at * size..(at + 1) * size].copy_from_slice(value);
    }
    Ok(run.tensor(out))
}

/// `(map, dtype, length or -1)`: the values in ascending order of their keys; with a length, each at its key's place,
/// with zeros (or empty strings) between.
pub fn cast(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [map, dtype, length] = *args else { return Err(Status::VALUE) };
    let map = run.get(map)?;
    let Object::Map(keys, values) = &*map else { return Err(Status::VALUE) };
    let keys = keys.ints()?;
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|&i| keys[i]);
    let size = values.size()?;
    let mut packed = Vec::new();
    for &i in &order {
        packed.extend_from_slice(values.data.get(i * size..(i + 1) * size).ok_or(Status::VALUE)?);
    }
    let sorted = Array { dtype: values.dtype, dims: alloc::vec![keys.len() as i64], data: packed };
    let dense = converted(run, sorted, dtype)?;
    if length < 0 {
        return Ok(run.tensor(Array { dims: alloc::vec![1, keys.len() as i64], ..dense }));
    }
    let size = dense.size()?;
    let mut out = Array::zeros(dense.dtype, &[1, length])?;
    for (n, &i) in order.iter().enumerate() {
        let at = usize::try_from(keys[i]).ok().filter(|&k| (k as i64) < length).ok_or(Status::INDEX)?;
        out.data[at * size..(at + 1) * size].copy_from_slice(&dense.data[n * size..(n + 1) * size]);
    }
    Ok(run.tensor(out))
}

/// A tensor's elements as another dtype, by way of text where strings are involved.
fn converted(run: &mut Run, a: Array, dtype: i64) -> Result<Array> {
    if i64::from(a.dtype) == dtype {
        return Ok(a);
    }
    let from_string = a.dtype == crate::value::DTYPE_STRING;
    let x = run.tensor(a);
    let text = if from_string { x } else { strings::of_number(run, &[x])? };
    let made = if dtype == 8 { text } else { strings::to_number(run, &[text, dtype])? };
    let out = run.get(made)?.array()?.clone();
    [x, text, made].into_iter().for_each(|h| run.release(h));
    Ok(out)
}

/// `(x, keys)`: a map for each row of a matrix (or for the one row of a vector).
pub fn zip(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x, keys] = *args else { return Err(Status::VALUE) };
    let (x, keys) = (run.get(x)?, run.get(keys)?);
    let (x, keys) = (x.array()?, keys.array()?);
    let n = keys.count();
    if x.dims.last() != Some(&(n as i64)) || x.dims.len() > 2 {
        return Err(Status::DIMS);
    }
    let row = n * x.size()?;
    let rows = if x.dims.len() == 2 { x.dims[0] as usize } else { 1 };
    let mut maps = Vec::with_capacity(rows);
    for r in 0..rows {
        let data = x.data.get(r * row..(r + 1) * row).ok_or(Status::VALUE)?.to_vec();
        let values = Array { dtype: x.dtype, dims: alloc::vec![n as i64], data };
        maps.push(Rc::new(Object::Map(keys.clone(), values)));
    }
    Ok(run.object(Rc::new(Object::Sequence(maps))))
}
