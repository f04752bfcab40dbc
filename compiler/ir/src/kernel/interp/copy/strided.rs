//! One strided copy of a box of elements, in an order that is kind to the cache.

use super::super::column::{Bits, view_mut};
use super::super::load::strided;

/// Rows and columns of a tile where reading and writing want different orders.
const TILE: i64 = 32;

/// One variable: how far each step goes in the result and in the source.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Axis {
    pub extent: i64,
    pub to: i64,
    pub from: i64,
}

/// Copies all points. Both sides start at an offset, in elements; every point is inside of both.
pub(super) fn copy<T: Bits>(axes: Vec<Axis>, (from, source): (i64, &[u8]), (to, out): (i64, &mut [u64])) {
    let mut axes = merged(axes);
    let out = view_mut::<T>(out);
    let inner = axes.pop().unwrap_or(Axis { extent: 1, to: 1, from: 1 });
    // Another variable along which the source is read in order.
    let near = |a: &(usize, &Axis)| a.1.from.abs() < inner.from.abs() && a.1.from != 0;
    let across = axes.iter().enumerate().filter(near).min_by_key(|a| a.1.from.abs()).map(|a| a.0);
    let across = across.map(|a| axes.remove(a));
    for_each(&axes, from, to, &mut |from, to| match across {
        Some(row) => tiles::<T>((row, inner), (from, source), (to, out)),
        None => line::<T>(inner, (from, source), (to, out)),
    });
}

/// Variables from the largest to the smallest step in the result, those that continue each other as one.
fn merged(mut axes: Vec<Axis>) -> Vec<Axis> {
    axes.retain(|a| a.extent != 1);
    axes.sort_by_key(|a| std::cmp::Reverse(a.to));
    let mut merged: Vec<Axis> = Vec::new();
    for a in axes {
        match merged.last_mut() {
            Some(o) if o.to == a.to * a.extent && o.from == a.from * a.extent => {
                *o = Axis { extent: o.extent * a.extent, ..a };
            }
            _ => merged.push(a),
        }
    }
    merged
}

fn for_each(axes: &[Axis], from: i64, to: i64, f: &mut dyn FnMut(i64, i64)) {
    match axes {
        [] => f(from, to),
        [a, rest @ ..] => (0..a.extent).for_each(|k| for_each(rest, from + k * a.from, to + k * a.to, f)),
    }
}

fn line<T: Bits>(a: Axis, (from, source): (i64, &[u8]), (to, out): (i64, &mut [T])) {
    if a.to == 1 {
        return strided(source, from, a.from, &mut out[to as usize..(to + a.extent) as usize]);
    }
    for k in 0..a.extent {
        out[(to + k * a.to) as usize] = read(source, from + k * a.from);
    }
}

/// A box of two variables, in squares that fit the cache whichever way they are walked.
fn tiles<T: Bits>((row, col): (Axis, Axis), (from, source): (i64, &[u8]), (to, out): (i64, &mut [T])) {
    for r in (0..row.extent).step_by(TILE as usize) {
        let rows = TILE.min(row.extent - r);
        for c in (0..col.extent).step_by(TILE as usize) {
            let cols = Axis { extent: TILE.min(col.extent - c), ..col };
            for k in r..r + rows {
                let (from, to) = (from + k * row.from + c * col.from, to + k * row.to + c * col.to);
                line::<T>(cols, (from, source), (to, out));
            }
        }
    }
}

fn read<T: Bits>(source: &[u8], at: i64) -> T {
    let size = size_of::<T>();
    bytemuck::pod_read_unaligned(&source[at as usize * size..][..size])
}
