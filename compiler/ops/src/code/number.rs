//! The numbers and conditions of [`Code`], and their operators.

use super::Code;
use onnxc_base::DType;
use onnxc_ir::loops::{Ty, Value, Var};
use onnxc_ir::scalar::{BinOp, CmpOp, UnOp};
use std::ops::{Add, BitAnd, BitOr, BitXor, Mul, Not, Shl, Shr, Sub};

/// An i64 that is known once.
#[derive(Clone, Copy)]
pub struct Int<'c> {
    pub(super) code: &'c Code,
    pub(super) v: Value,
}

/// A condition.
#[derive(Clone, Copy)]
pub struct Bool<'c> {
    code: &'c Code,
    v: Value,
}

/// An i64 that changes. In a formula it stands for what it is there.
#[derive(Clone, Copy)]
pub struct Variable<'c> {
    code: &'c Code,
    var: Var,
}

/// What stands for a whole number in a formula.
pub trait Whole<'c>: Copy {
    /// Its value at this place.
    fn value_in(self, code: &'c Code) -> Value;
}

impl<'c> Whole<'c> for i64 {
    fn value_in(self, code: &'c Code) -> Value {
        code.f.borrow_mut().int(self)
    }
}
impl<'c> Whole<'c> for Int<'c> {
    fn value_in(self, _: &'c Code) -> Value {
        self.v
    }
}
impl<'c> Whole<'c> for Variable<'c> {
    fn value_in(self, code: &'c Code) -> Value {
        code.f.borrow_mut().get(self.var, &[])
    }
}

impl<'c> Variable<'c> {
    pub(super) fn new(code: &'c Code, name: &str) -> Self {
        let var = code.f.borrow_mut().var(Ty::I64, &[], name);
        Variable { code, var }
    }

    /// What it is now.
    pub fn now(self) -> Int<'c> {
        Int::of(self.code, self.value_in(self.code))
    }

    /// Changes it.
    pub fn set(self, v: impl Whole<'c>) {
        let v = v.value_in(self.code);
        self.code.f.borrow_mut().set(self.var, &[], v);
    }

    /// Adds to it.
    pub fn add(self, v: impl Whole<'c>) {
        self.set(self.now() + v);
    }
}

impl<'c> Int<'c> {
    pub(super) fn of(code: &'c Code, v: Value) -> Self {
        Int { code, v }
    }
    pub(super) fn value(self) -> Value {
        self.v
    }
    /// A constant, where a number of the function is at hand and the function isn't.
    pub fn constant(self, v: i64) -> Int<'c> {
        self.code.int(v)
    }
    /// Itself: what [`Variable::now`] is to a variable.
    pub fn now(self) -> Int<'c> {
        self
    }
}

macro_rules! operators {
    ($($t:ident: $($trait:ident $f:ident $op:ident),*;)*) => { $($(
        impl<'c, R: Whole<'c>> $trait<R> for $t<'c> {
            type Output = Int<'c>;
            fn $f(self, r: R) -> Int<'c> {
                let (a, b) = (self.value_in(self.code), r.value_in(self.code));
                let v = self.code.f.borrow_mut().binary(BinOp::$op, a, b);
                Int::of(self.code, v)
            }
        }
    )*)* };
}
operators! {
    Int: Add add Add, Sub sub Sub, Mul mul Mul, BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor, Shl shl Shl, Shr shr Shr;
    Variable: Add add Add, Sub sub Sub, Mul mul Mul, BitAnd bitand And, BitOr bitor Or, BitXor bitxor Xor, Shl shl Shl, Shr shr Shr;
}

macro_rules! methods {
    ($($t:ident)*) => { $(
        #[allow(missing_docs, reason = "the names say it: comparisons, and binary operations that have no sign in Rust")]
        impl<'c> $t<'c> {
            fn compare(self, op: CmpOp, r: impl Whole<'c>) -> Bool<'c> {
                let (a, b) = (self.value_in(self.code), r.value_in(self.code));
                let v = self.code.f.borrow_mut().compare(op, a, b);
                Bool::of(self.code, v)
            }
            fn binary(self, op: BinOp, r: impl Whole<'c>) -> Int<'c> {
                let (a, b) = (self.value_in(self.code), r.value_in(self.code));
                let v = self.code.f.borrow_mut().binary(op, a, b);
                Int::of(self.code, v)
            }
            pub fn eq(self, r: impl Whole<'c>) -> Bool<'c> { self.compare(CmpOp::Eq, r) }
            pub fn ne(self, r: impl Whole<'c>) -> Bool<'c> { self.compare(CmpOp::Ne, r) }
            pub fn lt(self, r: impl Whole<'c>) -> Bool<'c> { self.compare(CmpOp::Lt, r) }
            pub fn le(self, r: impl Whole<'c>) -> Bool<'c> { self.compare(CmpOp::Le, r) }
            pub fn gt(self, r: impl Whole<'c>) -> Bool<'c> { self.compare(CmpOp::Gt, r) }
            pub fn ge(self, r: impl Whole<'c>) -> Bool<'c> { self.compare(CmpOp::Ge, r) }
            pub fn min(self, r: impl Whole<'c>) -> Int<'c> { self.binary(BinOp::Min, r) }
            pub fn max(self, r: impl Whole<'c>) -> Int<'c> { self.binary(BinOp::Max, r) }
            /// The quotient, towards zero; 0 for a divisor of 0.
            pub fn over(self, r: impl Whole<'c>) -> Int<'c> { self.binary(BinOp::Div, r) }
            /// The quotient of numbers above 0, upwards.
            pub fn over_up(self, r: impl Whole<'c>) -> Int<'c> {
                let r = Int::of(self.code, r.value_in(self.code));
                (self + r - 1).over(r)
            }
            /// Kept in 0 ..= 255.
            pub fn byte(self) -> Int<'c> { self.max(0).min(255) }
        }
    )* };
}
methods!(Int Variable);

impl<'c> Bool<'c> {
    pub(super) fn of(code: &'c Code, v: Value) -> Self {
        Bool { code, v }
    }
    pub(super) fn value(self) -> Value {
        self.v
    }
    /// One number or the other.
    pub fn pick(self, yes: impl Whole<'c>, no: impl Whole<'c>) -> Int<'c> {
        let (a, b) = (yes.value_in(self.code), no.value_in(self.code));
        let v = self.code.f.borrow_mut().select(self.v, a, b);
        Int::of(self.code, v)
    }
    /// 1 or 0.
    pub fn int(self) -> Int<'c> {
        let v = self.code.f.borrow_mut().cast(self.v, DType::I64);
        Int::of(self.code, v)
    }
}

impl<'c> BitAnd for Bool<'c> {
    type Output = Bool<'c>;
    fn bitand(self, r: Bool<'c>) -> Bool<'c> {
        let v = self.code.f.borrow_mut().binary(BinOp::And, self.v, r.v);
        Bool::of(self.code, v)
    }
}
impl<'c> BitOr for Bool<'c> {
    type Output = Bool<'c>;
    fn bitor(self, r: Bool<'c>) -> Bool<'c> {
        let v = self.code.f.borrow_mut().binary(BinOp::Or, self.v, r.v);
        Bool::of(self.code, v)
    }
}
impl<'c> Not for Bool<'c> {
    type Output = Bool<'c>;
    fn not(self) -> Bool<'c> {
        let v = self.code.f.borrow_mut().unary(UnOp::Not, self.v);
        Bool::of(self.code, v)
    }
}
