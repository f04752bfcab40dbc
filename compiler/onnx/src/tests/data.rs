//! Stored tensors: sizes, fields, dims, sparse tensors.

use super::build::*;
use super::{Case, snapshot};
use crate::messages::*;
use onnxc_base::DType;

/// Replaces the weight by a typed tensor.
fn typed(m: &mut ModelProto, dtype: DType, dims: &[i64], fill: impl FnOnce(&mut TensorProto)) {
    *weight(m) = empty("w", dtype, dims);
    fill(weight(m));
}

const DATA: &[Case] = &[
    ("raw_data too short", |m| weight(m).raw_data = Some(vec![0; 47].into())),
    ("raw_data too long", |m| weight(m).raw_data = Some(vec![0; 49].into())),
    ("raw_data of packed nibbles too short", |m| *weight(m) = raw("w", DType::I4, &[3], &[0])),
    ("no data", |m| weight(m).raw_data = None),
    ("data though a dim is 0", |m| *weight(m) = raw("w", DType::F32, &[0, 4], &[0; 4])),
    ("negative dim", |m| weight(m).dims[0] = -3),
    ("dims overflow", |m| weight(m).dims = vec![i64::MAX, 2]),
    ("huge dims, no data", |m| typed(m, DType::F32, &[1 << 20, 1 << 20, 1 << 10], |_| {})),
    ("large dims, no data", |m| typed(m, DType::F32, &[1 << 20, 1 << 19], |_| {})),
    ("element type 0", |m| weight(m).data_type = 0),
    ("element type of the future", |m| weight(m).data_type = 99),
    ("raw and typed data", |m| weight(m).float_data = vec![0.0; 12]),
    ("two typed fields", |m| {
        typed(m, DType::F32, &[1], |t| (t.float_data, t.int64_data) = (vec![1.0], vec![1]));
    }),
    ("floats in int64_data", |m| typed(m, DType::F32, &[1], |t| t.int64_data = vec![1])),
    ("float_data too short", |m| typed(m, DType::F32, &[2], |t| t.float_data = vec![1.0])),
    ("complex numbers without imaginary parts", |m| typed(m, DType::C64, &[2], |t| t.float_data = vec![1.0, 2.0])),
    ("nibbles, one per entry", |m| typed(m, DType::U4, &[4], |t| t.int32_data = vec![1, 2, 3, 4])),
    ("raw strings", |m| *weight(m) = raw("w", DType::String, &[1], b"abc")),
    ("too few strings", |m| typed(m, DType::String, &[2], |t| t.string_data = vec!["a".into()])),
    ("segment", |m| weight(m).segment = Some(Segment { begin: 0, end: 3 })),
    ("data location of the future", |m| weight(m).data_location = 7),
    ("external data of a model from memory", |m| {
        *weight(m) = external(weight(m).clone(), &[("location", "w.bin")]);
    }),
];

/// A sparse initializer `s` of extents [2, 3] with two values.
fn sparse(m: &mut ModelProto, indices: TensorProto) -> &mut SparseTensorProto {
    let values = TensorProto { float_data: vec![1.0, 2.0], ..empty("s", DType::F32, &[2]) };
    let s = SparseTensorProto { values: Some(values), indices: Some(indices), dims: vec![2, 3] };
    graph(m).sparse_initializer = vec![s];
    &mut graph(m).sparse_initializer[0]
}

fn with_indices(m: &mut ModelProto, indices: TensorProto) {
    sparse(m, indices);
}

fn indices(dims: &[i64], values: &[i64]) -> TensorProto {
    TensorProto { int64_data: values.to_vec(), ..empty("", DType::I64, dims) }
}

const SPARSE: &[Case] = &[
    ("index outside", |m| with_indices(m, indices(&[2], &[0, 6]))),
    ("negative index", |m| with_indices(m, indices(&[2], &[-1, 5]))),
    ("coordinate outside", |m| with_indices(m, indices(&[2, 2], &[0, 3, 1, 1]))),
    ("indices not ascending", |m| with_indices(m, indices(&[2, 2], &[1, 1, 0, 2]))),
    ("index twice", |m| with_indices(m, indices(&[2], &[4, 4]))),
    ("too few indices", |m| with_indices(m, indices(&[1], &[4]))),
    ("indices of rank 3", |m| with_indices(m, indices(&[1, 1, 2], &[0, 4]))),
    ("indices that are no integers", |m| with_indices(m, raw("", DType::F64, &[2], &[0; 16]))),
    ("no indices", |m| sparse(m, indices(&[2], &[0, 4])).indices = None),
    ("no values", |m| sparse(m, indices(&[2], &[0, 4])).values = None),
    ("rank 0", |m| sparse(m, indices(&[2], &[0, 4])).dims.clear()),
    ("extents overflow", |m| sparse(m, indices(&[2], &[0, 4])).dims = vec![i64::MAX, i64::MAX]),
    ("values of the wrong size", |m| {
        sparse(m, indices(&[2], &[0, 4])).values = Some(raw("s", DType::F32, &[2], &[0; 7]));
    }),
];

#[test]
fn data() {
    snapshot("data", DATA);
}

#[test]
fn sparse_tensors() {
    snapshot("sparse", SPARSE);
}

#[test]
fn sparse_tensors_become_dense() {
    for positions in [indices(&[2], &[1, 5]), indices(&[2, 2], &[0, 1, 1, 2])] {
        let mut m = super::good();
        sparse(&mut m, positions);
        assert_eq!(super::problems(&m).to_string(), "");
        let model = super::load(&m).expect("no problems");
        let dense = model.sparse_tensor(&model.graph().sparse_initializer[0]).expect("it is sound");
        assert_eq!((dense.shape(), dense.to_vec::<f32>()), (&[2, 3][..], Some(vec![0., 1., 0., 0., 0., 2.])));
    }
}

#[test]
fn a_sparse_tensor_may_not_grow_without_bounds() {
    let mut m = super::good();
    sparse(&mut m, indices(&[2], &[1, 5])).dims = vec![1 << 19, 1 << 19];
    let model = super::load(&m).expect("the file is sound");
    assert_eq!(crate::check(&model).to_string(), "");
    let e = model.sparse_tensor(&model.graph().sparse_initializer[0]).map_err(short);
    assert_eq!(e, Err("E0022: the sparse tensor has 274877906944 elements when dense".into()));
}
