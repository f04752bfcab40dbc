//! Every encoding of every element type gives the same tensor, and large ones are shared with the file.

use super::build::*;
use super::{good, load};
use crate::messages::TensorProto;
use crate::{Limits, encode, load_bytes};
use onnxc_base::{DType, Tensor};

fn convert(t: TensorProto) -> Tensor {
    load(&good()).expect("the good model loads").tensor(&t).expect("the tensor is sound")
}

/// A typed tensor must have the same bytes as the raw one.
fn same(dtype: DType, dims: &[i64], bytes: &[u8], fill: impl FnOnce(&mut TensorProto)) {
    let mut t = empty("t", dtype, dims);
    fill(&mut t);
    let (typed, raw) = (convert(t), convert(raw("t", dtype, dims, bytes)));
    assert_eq!(typed, raw, "{dtype}");
    assert_eq!(&raw.packed()[..], bytes);
}

#[test]
fn wide_types() {
    same(DType::F32, &[2], &[0, 0, 128, 63, 0, 0, 0, 192], |t| t.float_data = vec![1.0, -2.0]);
    same(DType::C64, &[1], &[0, 0, 128, 63, 0, 0, 0, 192], |t| t.float_data = vec![1.0, -2.0]);
    same(DType::F64, &[1], &1.5f64.to_le_bytes(), |t| t.double_data = vec![1.5]);
    same(DType::C128, &[1], &[1.5f64.to_le_bytes(), 2f64.to_le_bytes()].concat(), |t| t.double_data = vec![1.5, 2.0]);
    same(DType::I32, &[2], &[255, 255, 255, 255, 1, 0, 0, 0], |t| t.int32_data = vec![-1, 1]);
    same(DType::I64, &[1], &(-5i64).to_le_bytes(), |t| t.int64_data = vec![-5]);
    same(DType::U32, &[1], &[255; 4], |t| t.uint64_data = vec![u64::from(u32::MAX)]);
    same(DType::U64, &[1], &[255; 8], |t| t.uint64_data = vec![u64::MAX]);
}

#[test]
fn narrow_types_in_int32_data() {
    for d in [DType::I16, DType::U16, DType::F16, DType::BF16] {
        same(d, &[2], &[0x34, 0x12, 0xfe, 0xff], |t| t.int32_data = vec![0x1234, 0xfffe]);
    }
    use DType::{F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0, I8, U8};
    for d in [I8, U8, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0] {
        same(d, &[2], &[0x12, 0xff], |t| t.int32_data = vec![0x12, -1]);
    }
    same(DType::Bool, &[3], &[0, 1, 1], |t| t.int32_data = vec![0, 1, 256]);
    assert_eq!(convert(raw("t", DType::Bool, &[3], &[0, 2, 1])).bytes()[..], [0, 1, 1]);
}

#[test]
fn packed_types_in_int32_data() {
    for d in [DType::I4, DType::U4, DType::F4E2M1] {
        same(d, &[3], &[0x21, 0x03], |t| t.int32_data = vec![0x21, 0xf3]);
    }
    for d in [DType::I2, DType::U2] {
        same(d, &[5], &[0b11_10_01_00, 0b10], |t| t.int32_data = vec![0b11_10_01_00, 0b10]);
    }
    // Codes 1, 2, 3, 63, 5: 1 | 2 << 6 | 3 << 12 | 63 << 18, then 5.
    for d in [DType::F6E2M3, DType::F6E3M2] {
        same(d, &[5], &[0x81, 0x30, 0xfc, 0x05], |t| t.int32_data = vec![1, 2, 3, 63, 5]);
    }
}

#[test]
fn strings_empties_and_scalars() {
    let t = TensorProto { string_data: vec!["a".into(), vec![0xff].into()], ..empty("t", DType::String, &[2]) };
    assert_eq!(convert(t).strings(), Some(&[b"a".to_vec(), vec![0xff]][..]));
    for d in DType::all() {
        assert!(convert(empty("t", d, &[2, 0])).is_empty(), "{d}");
    }
    same(DType::F32, &[], &[0, 0, 128, 63], |t| t.float_data = vec![1.0]);
}

#[test]
fn raw_weights_share_the_memory_of_the_file() {
    let file = encode(&good());
    let model = load_bytes(&file, None, &Limits::default()).expect("the good model loads");
    let tensor = model.tensor(&model.graph().initializer[0]).expect("it is sound");
    assert!(file.as_ptr_range().contains(&tensor.bytes().as_ptr()));
}

#[test]
fn typed_weights_can_be_moved() {
    let t = TensorProto { float_data: vec![1.0; 64], ..empty("t", DType::F32, &[64]) };
    let at = t.float_data.as_ptr().cast::<u8>();
    let tensor = load(&good()).expect("the good model loads").into_tensor(t).expect("it is sound");
    assert_eq!(tensor.bytes().as_ptr(), at);
}
