//! What extents of a model's inputs usually are, where the model leaves them open: what its kernels shall be fast for.
//!
//! Known by the place of an extent alone: images are about 224 pixels high and wide (the size that most image
//! classifiers are published for), sequences about 128 long, and there is one of each at a time. All other extents
//! follow from those, as they are expressions over them: an image is 7 pixels wide behind five strides of 2.
//!
//! Nothing here is ever relied on for a result.

use super::{Graph, SymbolInfo, SymbolSource, TensorType};

/// Images, sequences or samples at a time.
const BATCH: i64 = 1;
/// Pixels along a side of an image.
const SIDE: i64 = 224;
/// Elements of a sequence.
const LENGTH: i64 = 128;

impl Graph {
    /// What a symbol of the graph usually is; none: nobody can say.
    pub(super) fn typical(&self, info: &SymbolInfo) -> Option<i64> {
        match info.source {
            SymbolSource::Dim(v, axis) => self.tensor_type(v).and_then(|t| extent(t, axis)),
            _ => None,
        }
    }
}

/// The usual extent of an axis of an input.
fn extent(t: &TensorType, axis: u32) -> Option<i64> {
    match (t.rank(), axis) {
        (0 | 1, _) => None,
        (_, 0) => Some(BATCH),
        (2 | 3, _) => Some(LENGTH),
        _ => Some(SIDE),
    }
}

#[cfg(test)]
mod tests {
    use super::extent;
    use crate::graph::TensorType;
    use onnxc_base::{DType, Sym};

    #[test]
    fn an_extent_is_known_by_its_place() {
        let of = |rank: usize, axis| extent(&TensorType { dtype: DType::F32, shape: vec![Sym::var("n"); rank] }, axis);
        assert_eq!([of(4, 0), of(4, 2), of(4, 3)], [Some(1), Some(224), Some(224)], "images");
        assert_eq!([of(2, 0), of(2, 1), of(3, 1)], [Some(1), Some(128), Some(128)], "sequences");
        assert_eq!(of(1, 0), None);
    }
}
