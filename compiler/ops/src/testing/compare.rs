//! Compares an output with what is expected of it.

use onnxc_base::Tensor;

/// Panics unless the tensors have one type and extents and their elements differ by at most `tolerance`, absolute up to
/// 1 and relative from there. NaN equals NaN.
pub(crate) fn assert_close(got: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    assert_eq!((got.dtype(), got.shape()), (expected.dtype(), expected.shape()), "type in {what}");
    let (a, b) = (got.to_f64().expect("numbers"), expected.to_f64().expect("numbers"));
    for (i, (&a, &b)) in a.iter().zip(&b).enumerate() {
        let same = a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance * b.abs().max(1.0);
        assert!(same, "element {i} is {a}, expected {b}, in {what}\n  got {got:?}");
    }
}
