//! Unique of tensors of strings.

use super::{Array, Result, Run, position, strings};
use crate::Status;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// `(x, axis or a number beyond every axis, sorted)`: what is different, where each came first, which of them each item
/// is, and how often each is there.
pub fn unique(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x, axis, has_axis, sorted] = *args else { return Err(Status::VALUE) };
    let x = run.get(x)?;
    let x = x.array()?;
    let mut dims = x.dims.clone();
    if has_axis == 0 {
        dims = alloc::vec![x.count() as i64];
    }
    let axis = if has_axis == 0 { 0 } else { position(axis, dims.len())? };
    let (outer, inner) = (super::count_of(&dims[..axis])?, super::count_of(&dims[axis + 1..])?);
    let (extent, handles) = (dims[axis] as usize, x.handles()?);
    let element = |o: usize, i: usize, k: usize| handles[(o * extent + i) * inner + k];
    let mut items: Vec<(Vec<Rc<[u8]>>, usize)> = Vec::new();
    for i in 0..extent {
        let mut key = Vec::with_capacity(outer * inner);
        for o in 0..outer {
            for k in 0..inner {
                key.push(run.text(element(o, i, k))?);
            }
        }
        items.push((key, i));
    }
    items.sort();
    // Groups of equal items, each with the places of its items in ascending order.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (n, (key, i)) in items.iter().enumerate() {
        match groups.last_mut() {
            Some(g) if items[n - 1].0 == *key => g.push(*i),
            _ => groups.push(alloc::vec![*i]),
        }
    }
    if sorted == 0 {
        groups.sort_by_key(|g| g[0]);
    }
    let first: Vec<i64> = groups.iter().map(|g| g[0] as i64).collect();
    let counts: Vec<i64> = groups.iter().map(|g| g.len() as i64).collect();
    let mut inverse = alloc::vec![0i64; extent];
    for (n, g) in groups.iter().enumerate() {
        g.iter().for_each(|&i| inverse[i] = n as i64);
    }
    let mut y = Vec::with_capacity(outer * groups.len() * inner);
    for o in 0..outer {
        for &i in &first {
            y.extend((0..inner).map(|k| element(o, i as usize, k)));
        }
    }
    let n = groups.len() as i64;
    dims[axis] = n;
    let results = alloc::vec![
        Array::of_strings(&dims, &y),
        Array::of_ints(&[n], &first),
        Array::of_ints(&[extent as i64], &inverse),
        Array::of_ints(&[n], &counts),
    ];
    Ok(strings::several(run, results))
}
