//! Edge cases of the scalar operations, one line each.

use super::*;

fn int(op: BinOp, d: DType, a: i64, b: i64) -> i64 {
    eval_binary(op, Scalar::from_i64(d, a), Scalar::from_i64(d, b)).to_i64()
}

#[test]
fn integers_are_total() {
    assert_eq!(int(BinOp::Add, DType::I8, 127, 1), -128);
    assert_eq!(int(BinOp::Div, DType::I32, 7, 0), 0);
    assert_eq!(int(BinOp::Div, DType::I32, i64::from(i32::MIN), -1), i64::from(i32::MIN));
    assert_eq!(int(BinOp::FloorDiv, DType::I64, -7, 2), -4);
    assert_eq!(int(BinOp::FloorMod, DType::I64, -7, 2), 1);
    assert_eq!(int(BinOp::Shl, DType::I32, 1, 32), 0);
    assert_eq!(int(BinOp::Shr, DType::I32, -1, 40), -1);
    assert_eq!(int(BinOp::Pow, DType::I64, 3, 4), 81);
    assert_eq!(int(BinOp::Sub, DType::U8, 3, 4), 255);
}

#[test]
fn nan_stays_in_the_first_operand_only() {
    let (nan, one) = (Scalar::f32(f32::NAN), Scalar::f32(1.0));
    assert!(eval_binary(BinOp::Max, nan, one).to_f64().is_nan());
    assert_eq!(eval_binary(BinOp::Max, one, nan), one);
}

#[test]
fn casts_saturate_and_round_once() {
    assert_eq!(Scalar::from_f64(DType::U8, 300.7).to_i64(), 255);
    assert_eq!(Scalar::from_f64(DType::I32, f64::NAN).to_i64(), 0);
    assert_eq!(Scalar::from_f64(DType::U64, 1e30).bits, u64::MAX);
    assert_eq!(Scalar::from_i64(DType::U8, 256).to_i64(), 0);
    assert_eq!(Scalar::from_i64(DType::Bool, 256), Scalar::bool(true));
    // Through f64 this integer would round twice, to the even neighbour.
    let v = (1i64 << 60) + (1 << 36) + 1;
    assert_eq!(Scalar::from_i64(DType::F32, v).to_f64(), f64::from(v as f32));
}

#[test]
fn names_return() {
    for &o in UnOp::ALL {
        assert_eq!(UnOp::from_name(o.name()), Some(o));
    }
    for &o in BinOp::ALL {
        assert_eq!(BinOp::from_name(o.name()), Some(o));
    }
}
