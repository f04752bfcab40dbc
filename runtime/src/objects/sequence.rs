//! Operators on sequences. A sequence is never changed: inserting makes another that shares the items.

use super::{Object, Result, Run, position};
use crate::Status;
use alloc::rc::Rc;
use alloc::vec::Vec;

fn arg(args: &[i64], i: usize) -> Result<i64> {
    args.get(i).copied().ok_or(Status::VALUE)
}

/// The items given, as a sequence.
pub fn construct(run: &mut Run, args: &[i64]) -> Result<i64> {
    let items = args.iter().map(|&h| run.get(h)).collect::<Result<Vec<_>>>()?;
    Ok(run.object(Rc::new(Object::Sequence(items))))
}

/// `(sequence, position)`: the item there.
pub fn at(run: &mut Run, args: &[i64]) -> Result<i64> {
    let s = run.get(arg(args, 0)?)?;
    let items = s.items()?;
    let item = items[position(arg(args, 1)?, items.len())?].clone();
    Ok(run.object(item))
}

/// `(sequence, item, position or nothing)`: one more item, before that position or at the end.
pub fn insert(run: &mut Run, args: &[i64]) -> Result<i64> {
    let s = run.get(arg(args, 0)?)?;
    let mut items = s.items()?.to_vec();
    let at = match args.get(2) {
        // The end counts as a position, too.
        Some(&at) if at == items.len() as i64 => items.len(),
        Some(&at) => position(at, items.len())?,
        None => items.len(),
    };
    items.insert(at, run.get(arg(args, 1)?)?);
    Ok(run.object(Rc::new(Object::Sequence(items))))
}

/// `(sequence, position or nothing)`: without the item there, or the last one.
pub fn erase(run: &mut Run, args: &[i64]) -> Result<i64> {
    let s = run.get(arg(args, 0)?)?;
    let mut items = s.items()?.to_vec();
    let at = position(args.get(1).copied().unwrap_or(-1), items.len())?;
    items.remove(at);
    Ok(run.object(Rc::new(Object::Sequence(items))))
}

/// `(sequence)`: how many items.
pub fn length(run: &mut Run, args: &[i64]) -> Result<i64> {
    Ok(run.get(arg(args, 0)?)?.items()?.len() as i64)
}
