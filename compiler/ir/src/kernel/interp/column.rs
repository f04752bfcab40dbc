//! Columns: the values of one expression at each point of a block, and the scalar operations over them.
//!
//! Holds: every operation gives exactly what `scalar::eval_*` gives point by point; the frequent ones are spelled out
//! here so that the compiler vectorises them, all others call those functions.

use crate::scalar::{BinOp, CmpOp, Scalar, UnOp, eval_binary, eval_cast, eval_compare, eval_unary};
use bytemuck::Pod;
use half::{bf16, f16};
use onnxc_base::DType;

/// Points in a block: a few dozen columns of it fit the second-level cache.
pub(super) const BLOCK: usize = 512;

/// Room for [`BLOCK`] values of any type, packed at the type's own size.
pub(super) type Column = Box<[u64]>;

/// An empty column.
pub(super) fn column() -> Column {
    vec![0; BLOCK].into()
}

/// A column (or buffer of words) as values of a type.
pub(super) fn view<T: Pod>(c: &[u64]) -> &[T] {
    bytemuck::cast_slice(c)
}

/// A column (or buffer of words) as values of a type, to write.
pub(super) fn view_mut<T: Pod>(c: &mut [u64]) -> &mut [T] {
    bytemuck::cast_slice_mut(c)
}

/// The unsigned integers that hold a scalar's bits.
pub(super) trait Bits: Pod {
    fn widen(self) -> u64;
    fn narrow(bits: u64) -> Self;
}

macro_rules! bits {
    ($($t:ty),*) => { $(impl Bits for $t {
        fn widen(self) -> u64 { self as u64 }
        fn narrow(bits: u64) -> Self { bits as $t }
    })* };
}
bits!(u8, u16, u32, u64);

/// Calls a function of a [`Bits`] type for a size in bytes.
macro_rules! by_width {
    ($width:expr, $f:ident($($arg:expr),*)) => {
        match $width {
            1 => $f::<u8>($($arg),*),
            2 => $f::<u16>($($arg),*),
            4 => $f::<u32>($($arg),*),
            _ => $f::<u64>($($arg),*),
        }
    };
}
pub(super) use by_width;

fn map<T: Pod, U: Pod>(a: &[u64], d: &mut [u64], n: usize, f: impl Fn(T) -> U) {
    let (a, d) = (&view::<T>(a)[..n], &mut view_mut::<U>(d)[..n]);
    d.iter_mut().zip(a).for_each(|(d, a)| *d = f(*a));
}

fn zip<T: Pod, U: Pod>(a: &[u64], b: &[u64], d: &mut [u64], n: usize, f: impl Fn(T, T) -> U) {
    let (a, b, d) = (&view::<T>(a)[..n], &view::<T>(b)[..n], &mut view_mut::<U>(d)[..n]);
    d.iter_mut().zip(a.iter().zip(b)).for_each(|(d, (a, b))| *d = f(*a, *b));
}

/// Where a combination of values goes: `len` of them from `values[from]` into `acc`, starting at element `to`.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub from: usize,
    pub to: usize,
    pub len: usize,
}

/// Combines each value with the element beside it.
fn accumulate<T: Pod>(acc: &mut [u64], values: &[u64], s: Span, f: impl Fn(T, T) -> T) {
    let (acc, values) = (&mut view_mut::<T>(acc)[s.to..s.to + s.len], &view::<T>(values)[s.from..s.from + s.len]);
    acc.iter_mut().zip(values).for_each(|(a, v)| *a = f(*a, *v));
}

/// Combines all values with one element, in order.
fn fold<T: Pod>(acc: &mut [u64], values: &[u64], s: Span, f: impl Fn(T, T) -> T) {
    let acc = &mut view_mut::<T>(acc)[s.to];
    *acc = view::<T>(values)[s.from..s.from + s.len].iter().fold(*acc, |a, v| f(a, *v));
}

fn same<T: Pod>(a: &[u64], b: &[u64], d: &mut [u64], n: usize, f: impl Fn(T, T) -> T) {
    zip::<T, T>(a, b, d, n, f);
}

/// Calls `f::<T>(args, operation)` with the operation as a function of two values.
macro_rules! with_binary {
    ($op:expr, $dtype:expr, $f:ident($($arg:expr),*)) => {
        match ($dtype, $op) {
            (DType::F32, BinOp::Add) => $f::<f32>($($arg,)* |a, b| a + b),
            (DType::F32, BinOp::Sub) => $f::<f32>($($arg,)* |a, b| a - b),
            (DType::F32, BinOp::Mul) => $f::<f32>($($arg,)* |a, b| a * b),
            (DType::F32, BinOp::Div) => $f::<f32>($($arg,)* |a, b| a / b),
            (DType::F32, BinOp::Min) => $f::<f32>($($arg,)* |a, b| if b < a { b } else { a }),
            (DType::F32, BinOp::Max) => $f::<f32>($($arg,)* |a, b| if a < b { b } else { a }),
            (DType::F64, BinOp::Add) => $f::<f64>($($arg,)* |a, b| a + b),
            (DType::F64, BinOp::Sub) => $f::<f64>($($arg,)* |a, b| a - b),
            (DType::F64, BinOp::Mul) => $f::<f64>($($arg,)* |a, b| a * b),
            (DType::F64, BinOp::Div) => $f::<f64>($($arg,)* |a, b| a / b),
            (DType::I64, BinOp::Add) => $f::<i64>($($arg,)* i64::wrapping_add),
            (DType::I64, BinOp::Sub) => $f::<i64>($($arg,)* i64::wrapping_sub),
            (DType::I64, BinOp::Mul) => $f::<i64>($($arg,)* i64::wrapping_mul),
            (DType::I64, BinOp::Min) => $f::<i64>($($arg,)* i64::min),
            (DType::I64, BinOp::Max) => $f::<i64>($($arg,)* i64::max),
            (DType::I32, BinOp::Add) => $f::<i32>($($arg,)* i32::wrapping_add),
            (DType::I32, BinOp::Sub) => $f::<i32>($($arg,)* i32::wrapping_sub),
            (DType::I32, BinOp::Mul) => $f::<i32>($($arg,)* i32::wrapping_mul),
            (DType::I32, BinOp::Min) => $f::<i32>($($arg,)* i32::min),
            (DType::I32, BinOp::Max) => $f::<i32>($($arg,)* i32::max),
            (DType::Bool, BinOp::And) => $f::<u8>($($arg,)* |a, b| a & b & 1),
            (DType::Bool, BinOp::Or) => $f::<u8>($($arg,)* |a, b| (a | b) & 1),
            (dtype, op) => match dtype.size() {
                1 => $f::<u8>($($arg,)* |a, b| any_binary(op, dtype, a, b)),
                2 => $f::<u16>($($arg,)* |a, b| any_binary(op, dtype, a, b)),
                4 => $f::<u32>($($arg,)* |a, b| any_binary(op, dtype, a, b)),
                _ => $f::<u64>($($arg,)* |a, b| any_binary(op, dtype, a, b)),
            },
        }
    };
}

fn any_binary<T: Bits>(op: BinOp, dtype: DType, a: T, b: T) -> T {
    T::narrow(eval_binary(op, Scalar { dtype, bits: a.widen() }, Scalar { dtype, bits: b.widen() }).bits)
}

/// `d[k] = op(a[k], b[k])` for the first `n`.
pub(super) fn binary(op: BinOp, dtype: DType, a: &[u64], b: &[u64], d: &mut [u64], n: usize) {
    with_binary!(op, dtype, same(a, b, d, n))
}

/// Combines values with elements of `acc` beside them (`beside`), or all with the same element.
pub(super) fn combine(op: BinOp, dtype: DType, acc: &mut [u64], values: &[u64], span: Span, beside: bool) {
    if beside {
        with_binary!(op, dtype, accumulate(acc, values, span))
    } else {
        with_binary!(op, dtype, fold(acc, values, span))
    }
}

/// `d[k] = op(a[k])` for the first `n`.
pub(super) fn unary(op: UnOp, dtype: DType, a: &[u64], d: &mut [u64], n: usize) {
    fn any<T: Bits>(op: UnOp, dtype: DType, a: &[u64], d: &mut [u64], n: usize) {
        map(a, d, n, |a: T| T::narrow(eval_unary(op, Scalar { dtype, bits: a.widen() }).bits));
    }
    match (dtype, op) {
        (DType::F32, UnOp::Neg) => map(a, d, n, |a: f32| -a),
        (DType::F32, UnOp::Abs) => map(a, d, n, f32::abs),
        (DType::F32, UnOp::Sqrt) => map(a, d, n, f32::sqrt),
        _ => by_width!(dtype.size(), any(op, dtype, a, d, n)),
    }
}

/// `d[k] = a[k] op b[k]`, a bool, for the first `n`.
pub(super) fn compare(op: CmpOp, dtype: DType, a: &[u64], b: &[u64], d: &mut [u64], n: usize) {
    fn any<T: Bits>(op: CmpOp, dtype: DType, a: &[u64], b: &[u64], d: &mut [u64], n: usize) {
        let scalar = |v: T| Scalar { dtype, bits: v.widen() };
        zip(a, b, d, n, |a, b| u8::from(eval_compare(op, scalar(a), scalar(b))));
    }
    fn ordered<T: Pod + PartialOrd>(op: CmpOp, a: &[u64], b: &[u64], d: &mut [u64], n: usize) {
        match op {
            CmpOp::Eq => zip(a, b, d, n, |a: T, b| u8::from(a == b)),
            CmpOp::Ne => zip(a, b, d, n, |a: T, b| u8::from(a != b)),
            CmpOp::Lt => zip(a, b, d, n, |a: T, b| u8::from(a < b)),
            CmpOp::Le => zip(a, b, d, n, |a: T, b| u8::from(a <= b)),
            CmpOp::Gt => zip(a, b, d, n, |a: T, b| u8::from(a > b)),
            CmpOp::Ge => zip(a, b, d, n, |a: T, b| u8::from(a >= b)),
        }
    }
    match dtype {
        DType::F32 => ordered::<f32>(op, a, b, d, n),
        DType::F64 => ordered::<f64>(op, a, b, d, n),
        DType::I64 => ordered::<i64>(op, a, b, d, n),
        DType::I32 => ordered::<i32>(op, a, b, d, n),
        _ => by_width!(dtype.size(), any(op, dtype, a, b, d, n)),
    }
}

/// `d[k] = cond[k] ? a[k] : b[k]` for the first `n` values of `width` bytes.
pub(super) fn select(width: usize, cond: &[u64], a: &[u64], b: &[u64], d: &mut [u64], n: usize) {
    fn of<T: Bits>(cond: &[u64], a: &[u64], b: &[u64], d: &mut [u64], n: usize) {
        let (cond, a, b) = (&view::<u8>(cond)[..n], &view::<T>(a)[..n], &view::<T>(b)[..n]);
        for (k, d) in view_mut::<T>(d)[..n].iter_mut().enumerate() {
            *d = if cond[k] != 0 { a[k] } else { b[k] };
        }
    }
    by_width!(width, of(cond, a, b, d, n))
}

/// `d[k] = a[k]` converted, for the first `n`.
pub(super) fn cast(from: DType, to: DType, a: &[u64], d: &mut [u64], n: usize) {
    fn from_any<T: Bits>(from: DType, to: DType, a: &[u64], d: &mut [u64], n: usize) {
        let bits = |a: T| eval_cast(Scalar { dtype: from, bits: a.widen() }, to).bits;
        match to.size() {
            1 => map(a, d, n, |a| bits(a) as u8),
            2 => map(a, d, n, |a| bits(a) as u16),
            4 => map(a, d, n, |a| bits(a) as u32),
            _ => map(a, d, n, bits),
        }
    }
    match (from, to) {
        (DType::F32, DType::F64) => map(a, d, n, |a: f32| f64::from(a)),
        (DType::F64, DType::F32) => map(a, d, n, |a: f64| a as f32),
        (DType::I64, DType::F32) => map(a, d, n, |a: i64| a as f32),
        (DType::I64, DType::F64) => map(a, d, n, |a: i64| a as f64),
        (DType::U8, DType::I32) => map(a, d, n, |a: u8| i32::from(a)),
        (DType::I8, DType::I32) => map(a, d, n, |a: i8| i32::from(a)),
        (DType::I32, DType::F32) => map(a, d, n, |a: i32| a as f32),
        (DType::F16, DType::F32) => map(a, d, n, |a: u16| f16::from_bits(a).to_f32()),
        (DType::BF16, DType::F32) => map(a, d, n, |a: u16| bf16::from_bits(a).to_f32()),
        (DType::F32, DType::F16) => map(a, d, n, |a: f32| f16::from_f32(a).to_bits()),
        _ => by_width!(from.size(), from_any(from, to, a, d, n)),
    }
}

/// The same value everywhere.
pub(super) fn fill(value: Scalar, d: &mut [u64], n: usize) {
    fn of<T: Bits>(bits: u64, d: &mut [u64], n: usize) {
        view_mut::<T>(d)[..n].fill(T::narrow(bits));
    }
    by_width!(value.dtype.size(), of(value.bits, d, n))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [DType; 13] = [
        DType::Bool,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::BF16,
        DType::F16,
        DType::F32,
        DType::F64,
    ];

    fn samples(d: DType) -> Vec<Scalar> {
        let mut v: Vec<Scalar> = [0.0, -0.0, 1.0, -1.0, 2.5, -7.0, 100.0, 1e9, f64::INFINITY, f64::NAN]
            .map(|v| Scalar::from_f64(d, v))
            .to_vec();
        v.extend([Scalar::least(d), Scalar::greatest(d), Scalar::from_i64(d, 3)]);
        v
    }

    /// Columns of all pairs of samples, and their number.
    fn pairs(d: DType) -> (Vec<(Scalar, Scalar)>, Column, Column) {
        let s = samples(d);
        let pairs: Vec<_> = s.iter().flat_map(|&a| s.iter().map(move |&b| (a, b))).collect();
        let (mut x, mut y) = (column(), column());
        for (k, (a, b)) in pairs.iter().enumerate() {
            set(&mut x, k, *a);
            set(&mut y, k, *b);
        }
        (pairs, x, y)
    }

    fn set(c: &mut [u64], k: usize, v: Scalar) {
        v.write(&mut view_mut::<u8>(c)[k * v.dtype.size()..]);
    }

    fn get(c: &[u64], k: usize, d: DType) -> Scalar {
        Scalar::read(d, &view::<u8>(c)[k * d.size()..])
    }

    /// Equal bits, or both NaN: which NaN is the processor's choice.
    fn agree(a: Scalar, b: Scalar) -> bool {
        a == b || (a.dtype.is_float() && a.to_f64().is_nan() && b.to_f64().is_nan())
    }

    #[test]
    fn columns_agree_with_scalars() {
        for d in TYPES {
            let (pairs, x, y) = pairs(d);
            let mut out = column();
            for &op in BinOp::ALL {
                binary(op, d, &x, &y, &mut out, pairs.len());
                for (k, &(a, b)) in pairs.iter().enumerate() {
                    assert!(agree(get(&out, k, d), eval_binary(op, a, b)), "{op:?} {a:?} {b:?}");
                }
            }
            for &op in CmpOp::ALL {
                compare(op, d, &x, &y, &mut out, pairs.len());
                for (k, &(a, b)) in pairs.iter().enumerate() {
                    assert_eq!(get(&out, k, DType::Bool).bits == 1, eval_compare(op, a, b), "{op:?} {a:?} {b:?}");
                }
            }
            for &op in UnOp::ALL {
                unary(op, d, &x, &mut out, pairs.len());
                for (k, &(a, _)) in pairs.iter().enumerate() {
                    assert!(agree(get(&out, k, d), eval_unary(op, a)), "{op:?} {a:?}");
                }
            }
            for to in TYPES {
                cast(d, to, &x, &mut out, pairs.len());
                for (k, &(a, _)) in pairs.iter().enumerate() {
                    assert!(agree(get(&out, k, to), eval_cast(a, to)), "{a:?} to {to}");
                }
            }
        }
    }
}
