//! Floats of [`Code`]: f32, whose bits lie in memory of i32.
//!
//! Does NOT fuse: each operation is rounded by itself, so results are those of a formula written down.

use super::{Code, Int, Memory, Whole};
use onnxc_base::DType;
use onnxc_ir::loops::{Op, Ty, Value};
use onnxc_ir::scalar::{BinOp, Scalar, UnOp};
use std::ops::{Add, Mul, Sub};

/// An f32 that is known once. Every operation is rounded by itself.
#[derive(Clone, Copy)]
pub struct Real<'c> {
    code: &'c Code,
    v: Value,
}

impl Code {
    /// A constant.
    pub fn real(&self, v: f32) -> Real<'_> {
        let v = self.f.borrow_mut().scalar(Scalar::from_f64(DType::F32, f64::from(v)));
        Real { code: self, v }
    }
}

impl<'c> Memory<'c> {
    /// The element whose bits are those of an i32.
    pub fn real_at(self, i: impl Whole<'c>) -> Real<'c> {
        let i = i.value_in(self.code);
        let mut f = self.code.f.borrow_mut();
        let v = f.load(self.buf, i, 1, None);
        let v = f.op(Ty::scalar(DType::F32), Op::Bitcast(v));
        Real { code: self.code, v }
    }

    /// Writes the bits.
    pub fn put_real(self, i: impl Whole<'c>, v: Real<'c>) {
        let i = i.value_in(self.code);
        let mut f = self.code.f.borrow_mut();
        let v = f.op(Ty::I32, Op::Bitcast(v.v));
        f.store(self.buf, i, v, None);
    }
}

impl<'c> Int<'c> {
    /// The nearest float.
    pub fn real(self) -> Real<'c> {
        let v = self.code.f.borrow_mut().cast(self.v, DType::F32);
        Real { code: self.code, v }
    }

    /// 2 to this power, which is in -126 ..= 127.
    pub fn power_of_two(self) -> Real<'c> {
        let bits = (self + 127) << 23;
        let mut f = self.code.f.borrow_mut();
        let bits = f.cast(bits.v, DType::I32);
        let v = f.op(Ty::scalar(DType::F32), Op::Bitcast(bits));
        Real { code: self.code, v }
    }
}

impl<'c> Real<'c> {
    /// The nearest whole number, of two the even one.
    pub fn round(self) -> Int<'c> {
        let mut f = self.code.f.borrow_mut();
        let v = f.unary(UnOp::RoundEven, self.v);
        let v = f.cast(v, DType::I64);
        drop(f);
        Int::of(self.code, v)
    }
}

macro_rules! operators {
    ($($trait:ident $f:ident),*) => { $(
        impl<'c> $trait for Real<'c> {
            type Output = Real<'c>;
            fn $f(self, r: Real<'c>) -> Real<'c> {
                let v = self.code.f.borrow_mut().binary(BinOp::$trait, self.v, r.v);
                Real { code: self.code, v }
            }
        }
    )* };
}
operators!(Add add, Mul mul, Sub sub);
