//! Cutting tensors into slices along an axis, and stacking slices. Not for strings.

use onnxc_base::Tensor;

/// Extents before and after an axis, multiplied, and the bytes of one element.
fn around(shape: &[usize], axis: usize, t: &Tensor) -> Option<(usize, usize)> {
    let size = t.dtype().size();
    (size > 0).then(|| (shape[..axis].iter().product(), shape[axis..].iter().skip(1).product::<usize>() * size))
}

/// The slice at a position of an axis, without that axis.
pub(super) fn slice(t: &Tensor, axis: usize, at: usize) -> Option<Tensor> {
    let (outer, inner) = around(t.shape(), axis, t)?;
    let extent = t.shape()[axis];
    let mut bytes = Vec::with_capacity(outer * inner);
    for o in 0..outer {
        let start = (o * extent + at) * inner;
        bytes.extend_from_slice(t.bytes().get(start..start + inner)?);
    }
    let mut shape = t.shape().to_vec();
    shape.remove(axis);
    Tensor::from_bytes(t.dtype(), shape, bytes.into())
}

/// Tensors of one shape side by side along a new axis; `None` if they differ or there are none.
pub(super) fn stack(items: &[Tensor], axis: usize) -> Option<Tensor> {
    let first = items.first()?;
    let mut shape = first.shape().to_vec();
    if axis > shape.len() || items.iter().any(|t| t.shape() != first.shape() || t.dtype() != first.dtype()) {
        return None;
    }
    shape.insert(axis, items.len());
    let (outer, inner) = around(&shape, axis, first)?;
    let mut bytes = Vec::with_capacity(outer * inner * items.len());
    for o in 0..outer {
        for t in items {
            bytes.extend_from_slice(t.bytes().get(o * inner..(o + 1) * inner)?);
        }
    }
    Tensor::from_bytes(first.dtype(), shape, bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacking_slices_gives_the_tensor_back() {
        let t = Tensor::from_slice(&[2, 3, 2], &(0..12).collect::<Vec<i32>>());
        for axis in 0..3 {
            let slices: Option<Vec<Tensor>> = (0..t.shape()[axis]).map(|i| slice(&t, axis, i)).collect();
            assert_eq!(stack(&slices.expect("in range"), axis), Some(t.clone()));
        }
        let middle = slice(&t, 1, 1).and_then(|s| s.to_vec::<i32>());
        assert_eq!(middle, Some(vec![2, 3, 8, 9]));
        assert_eq!(slice(&t, 0, 2), None);
        assert_eq!(stack(&[], 0), None);
    }
}
