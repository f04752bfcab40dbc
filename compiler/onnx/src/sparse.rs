//! Sparse tensors: their rules, and the dense tensor they stand for.
//!
//! Holds afterwards: positions are inside the dense extents, ascending and unique.
//!
//! Does NOT keep anything sparse: nothing below this crate knows sparse tensors.

use crate::external::Files;
use crate::limits::Limits;
use crate::messages::{SparseTensorProto, TensorProto};
use crate::tensor::{convert, shape_of};
use onnxc_base::{Diagnostic, Tensor};

fn malformed(found: impl Into<String>, expected: impl Into<String>) -> Diagnostic {
    Diagnostic::error("E0028", found).expected(expected).help("the sparse tensor is damaged; export the model again")
}

/// The values, their linear positions, the dense extents and element count.
fn parts(
    s: &SparseTensorProto,
    files: &Files,
    limits: &Limits,
) -> Result<(Tensor, Vec<usize>, Vec<usize>, usize), Diagnostic> {
    let (shape, count) = shape_of(&s.dims, limits.max_elements)?;
    let stored = s.values.as_ref().ok_or_else(|| malformed("a sparse tensor without values", "values of rank 1"))?;
    let values = convert(stored.clone(), files, limits)?;
    if values.shape().len() != 1 {
        return Err(malformed(format!("sparse values of rank {}", values.shape().len()), "rank 1"));
    }
    if shape.is_empty() {
        return Err(malformed("a sparse tensor of rank 0", "rank 1 or more"));
    }
    let positions = match &s.indices {
        Some(i) => positions(i, &shape, values.len(), files, limits)?,
        None if values.is_empty() => vec![],
        None => return Err(malformed("sparse values without indices", format!("{} indices", values.len()))),
    };
    if let Some(at) = positions.windows(2).position(|w| w[0] >= w[1]) {
        return Err(malformed(format!("sparse indices {at} and {} are not ascending", at + 1), "ascending, unique"));
    }
    Ok((values, positions, shape, count))
}

/// Linear positions from `[count]` (linear already) or `[count, rank]` (coordinates) indices.
fn positions(
    stored: &TensorProto,
    shape: &[usize],
    values: usize,
    files: &Files,
    limits: &Limits,
) -> Result<Vec<usize>, Diagnostic> {
    let indices = convert(stored.clone(), files, limits)?;
    let flat = indices.to_vec::<i64>().ok_or_else(|| malformed(format!("{} indices", indices.dtype()), "i64"))?;
    let total: usize = shape.iter().product();
    let inside = |v: i64, n: usize| {
        usize::try_from(v)
            .ok()
            .filter(|&v| v < n)
            .ok_or_else(|| malformed(format!("sparse index {v}"), format!("0 or more and below {n}")))
    };
    match *indices.shape() {
        [n] if n == values => flat.iter().map(|&v| inside(v, total)).collect(),
        [n, rank] if n == values && rank == shape.len() => flat
            .chunks(rank)
            .map(|c| c.iter().zip(shape).try_fold(0, |at, (&v, &n)| Ok(at * n + inside(v, n)?)))
            .collect(),
        _ => {
            let want = format!("[{values}] or [{values}, {}]", shape.len());
            Err(malformed(format!("sparse indices of shape {:?}", indices.shape()), want))
        }
    }
}

/// Checks a sparse tensor without making it dense.
pub(crate) fn verify(s: &SparseTensorProto, files: &Files, limits: &Limits) -> Result<(), Diagnostic> {
    parts(s, files, limits).map(|_| ())
}

/// The dense tensor: zeros (or empty strings) but for the given values.
pub(crate) fn dense(s: &SparseTensorProto, files: &Files, limits: &Limits) -> Result<Tensor, Diagnostic> {
    let (values, positions, shape, count) = parts(s, files, limits)?;
    let large = || {
        Diagnostic::error("E0022", format!("the sparse tensor has {count} elements when dense"))
            .expected(format!("at most {}", limits.max_sparse_elements))
            .help("raise `Limits::max_sparse_elements` if the model is meant to be this large")
    };
    if count > limits.max_sparse_elements {
        return Err(large());
    }
    if let Some(strings) = values.strings() {
        let mut out = vec![Vec::new(); count];
        for (s, at) in strings.iter().zip(positions) {
            out[at].clone_from(s);
        }
        return Tensor::from_strings(shape, out).ok_or_else(large);
    }
    let dtype = values.dtype();
    let size = dtype.size();
    let mut out = vec![0; count * size];
    for (value, at) in values.bytes().chunks(size).zip(positions) {
        out[at * size..][..size].copy_from_slice(value);
    }
    Tensor::from_bytes(dtype, shape, out.into()).ok_or_else(large)
}
