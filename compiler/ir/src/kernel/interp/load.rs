//! Loads of a block of elements: by affine indices, run by run, or by computed indices, point by point.
//!
//! Holds: an index out of range gives the pad value, or is reported; memory is only read in range.

use super::column::{Bits, Column, by_width, view, view_mut};
use super::space::{Affine, Block, inside};
use onnxc_base::{Bytes, Tensor};

/// A tensor to load from.
#[derive(Clone)]
pub(super) struct Source {
    /// What readers call it.
    pub name: String,
    /// Its elements.
    pub bytes: Bytes,
    /// Bytes of an element.
    pub width: usize,
    /// Extents.
    pub extents: Vec<i64>,
    /// Elements between neighbours along each dim.
    pub strides: Vec<i64>,
}

impl Source {
    /// A tensor under a name.
    pub fn new(name: &str, tensor: &Tensor) -> Self {
        let extents: Vec<i64> = tensor.shape().iter().map(|&e| e as i64).collect();
        let strides = row_major(&extents);
        Self { name: name.to_owned(), bytes: tensor.bytes().clone(), width: tensor.dtype().size(), extents, strides }
    }
}

/// Elements between neighbours along each dim of a contiguous tensor.
pub(super) fn row_major(extents: &[i64]) -> Vec<i64> {
    let mut strides = vec![1; extents.len()];
    for d in (1..extents.len()).rev() {
        strides[d - 1] = extents[d].max(1).wrapping_mul(strides[d]);
    }
    strides
}

/// An index that is out of range.
pub(super) struct Outside {
    pub source: usize,
    pub index: Vec<i64>,
}

/// A load whose indices are affine.
pub(super) struct AffineLoad {
    pub source: usize,
    pub index: Vec<Affine>,
    pub pad: Option<u64>,
    /// The element that the indices mean.
    offset: Affine,
    /// The dims whose index may be out of range.
    unsure: Vec<usize>,
}

impl AffineLoad {
    /// Prepares a load for points of a box with these extents (and not empty).
    pub fn new(source: usize, of: &Source, index: Vec<Affine>, pad: Option<u64>, extents: &[i64]) -> Self {
        let mut offset = Affine::default();
        index.iter().zip(&of.strides).for_each(|(i, s)| offset.add_scaled(i, *s));
        let in_range = |d: &usize| {
            let (lo, hi) = index[*d].bounds(extents);
            lo >= 0 && hi < i128::from(of.extents[*d])
        };
        let unsure = (0..index.len()).filter(|d| !in_range(d)).collect();
        Self { source, index, pad, offset, unsure }
    }

    /// Loads the points of a block.
    pub fn load(&self, sources: &[Source], block: &Block, d: &mut Column) -> Result<(), Outside> {
        by_width!(sources[self.source].width, affine_load(self, &sources[self.source], block, d))
    }
}

fn affine_load<T: Bits>(l: &AffineLoad, source: &Source, block: &Block, d: &mut Column) -> Result<(), Outside> {
    let lane = block.lane();
    let step = l.offset.coef(lane);
    for (run, point) in block.runs() {
        let out = &mut view_mut::<T>(d)[run.at..run.at + run.len];
        let (mut from, mut to) = (0, run.len);
        for &dim in &l.unsure {
            let index = &l.index[dim];
            let (a, b) = inside(index.at(point), index.coef(lane), source.extents[dim], run.len);
            (from, to) = (from.max(a), to.min(b));
        }
        if from >= to {
            (from, to) = (0, 0);
        }
        if to - from < run.len {
            let Some(pad) = l.pad else {
                let mut at = point.to_vec();
                at[lane] += if from > 0 || to == 0 { 0 } else { to as i64 };
                return Err(Outside { source: l.source, index: l.index.iter().map(|i| i.at(&at)).collect() });
            };
            out[..from].fill(T::narrow(pad));
            out[to..].fill(T::narrow(pad));
        }
        if from < to {
            let start = l.offset.at(point).wrapping_add((from as i64).wrapping_mul(step));
            strided(&source.bytes, start, step, &mut out[from..to]);
        }
    }
    Ok(())
}

/// `out[k] = element start + k*step`; all of them are in the bytes.
pub(super) fn strided<T: Bits>(bytes: &[u8], start: i64, step: i64, out: &mut [T]) {
    let size = size_of::<T>();
    let first = start as usize * size;
    let read = |at: usize| bytemuck::pod_read_unaligned::<T>(&bytes[at..at + size]);
    match step {
        0 => out.fill(read(first)),
        1 => {
            let out = bytemuck::cast_slice_mut::<T, u8>(out);
            out.copy_from_slice(&bytes[first..first + out.len()]);
        }
        _ => {
            for (k, o) in out.iter_mut().enumerate() {
                *o = read((start + k as i64 * step) as usize * size);
            }
        }
    }
}

/// A load whose indices were computed into registers.
pub(super) struct Gather {
    pub source: usize,
    pub index: Vec<usize>,
    pub pad: Option<u64>,
}

impl Gather {
    /// Loads the first `n` points.
    pub fn load(&self, sources: &[Source], regs: &[Column], n: usize, d: &mut Column) -> Result<(), Outside> {
        by_width!(sources[self.source].width, gather(self, &sources[self.source], regs, n, d))
    }
}

fn gather<T: Bits>(g: &Gather, source: &Source, regs: &[Column], n: usize, d: &mut Column) -> Result<(), Outside> {
    let size = size_of::<T>();
    let out = &mut view_mut::<T>(d)[..n];
    for (k, o) in out.iter_mut().enumerate() {
        let (mut at, mut ok) = (0, true);
        for (dim, &reg) in g.index.iter().enumerate() {
            let i = view::<i64>(&regs[reg])[k];
            ok &= (0..source.extents[dim]).contains(&i);
            at += i.wrapping_mul(source.strides[dim]) * i64::from(ok);
        }
        *o = match (ok, g.pad) {
            (true, _) => bytemuck::pod_read_unaligned(&source.bytes[at as usize * size..][..size]),
            (false, Some(pad)) => T::narrow(pad),
            (false, None) => {
                let index = g.index.iter().map(|&r| view::<i64>(&regs[r])[k]).collect();
                return Err(Outside { source: g.source, index });
            }
        };
    }
    Ok(())
}
